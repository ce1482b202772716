//! A source → the blocks of write requests, each with the place where it belongs.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Take};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use sha2::{Digest, Sha256};

use super::flow::Uploaded;
use super::packet::Request;
use crate::deliver::names::hex;
use crate::deliver::paced::Pace;

/// What is sent, block by block.
pub trait Blocks {
    /// Appends the next block to a WRITE that lacks nothing but its offset and data: at most `most` bytes, and none at
    /// the end.
    ///
    /// # Errors
    /// What reading our own file answers.
    fn next(&mut self, request: &mut Request, most: usize) -> io::Result<Block>;
}

/// A block that lies in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    pub bytes: usize,
    /// The fault point that sending it passes.
    pub step: Option<&'static str>,
}

/// A source from its present position to its end, hashed on the way.
pub struct InOrder<R> {
    source: Take<R>,
    hash: Sha256,
    way: Way,
}

impl<R: Read> InOrder<R> {
    /// `expected` is the number of bytes that should come; one more than that is the most that is read. `step` names the
    /// fault point, which is passed at the first block and once more in the middle.
    pub fn new(source: R, expected: u64, step: &'static str) -> Self {
        Self { source: source.take(expected.saturating_add(1)), hash: Sha256::new(), way: Way::new(expected, step) }
    }

    /// What went through.
    pub fn uploaded(self) -> Uploaded {
        Uploaded { bytes: self.way.bytes(), sha256: hex(&self.hash.finalize()) }
    }
}

impl<R: Read> Blocks for InOrder<R> {
    fn next(&mut self, request: &mut Request, most: usize) -> io::Result<Block> {
        request.u64(self.way.bytes());
        let bytes = request.string_from(most, |room| read_full(&mut self.source, room))?;
        self.hash.update(request.tail(bytes));
        Ok(Block { bytes, step: self.way.pass(bytes) })
    }
}

/// How far a file has come, and the fault points on the way.
pub(super) struct Way {
    bytes: u64,
    expected: u64,
    step: &'static str,
}

impl Way {
    pub(super) fn new(expected: u64, step: &'static str) -> Self {
        Self { bytes: 0, expected, step }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The fault point that the next `bytes` pass, which are then behind.
    pub(super) fn pass(&mut self, bytes: usize) -> Option<&'static str> {
        let (before, half) = (self.bytes, self.expected / 2);
        self.bytes += bytes as u64;
        (before == 0 || (before < half && self.bytes >= half)).then_some(self.step)
    }
}

/// A file's bytes, for several sessions that take what is next as they come to it.
pub struct Pieces<'a> {
    file: &'a File,
    /// Where the bytes begin in it.
    start: u64,
    bytes: u64,
    piece: u64,
    next: AtomicU64,
    over: AtomicBool,
}

/// Bytes that a session takes at a time, at the most and at the least: many requests, and few enough that all sessions
/// end at about the same time.
const PIECE_BYTES_MAX: u64 = 4 << 20;
const PIECE_BYTES_MIN: u64 = 512;
/// Pieces for each session of a file that is not large.
const PIECES_EACH: u64 = 4;

impl<'a> Pieces<'a> {
    pub fn new(file: &'a File, start: u64, bytes: u64, sessions: usize) -> Self {
        let piece = (bytes / (sessions as u64 * PIECES_EACH)).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX);
        Self { file, start, bytes, piece, next: AtomicU64::new(0), over: AtomicBool::new(false) }
    }

    /// Nobody takes more: the file will not be whole.
    pub fn give_up(&self) {
        self.over.store(true, Relaxed);
    }

    /// What one session writes; `step` is its fault point, passed at its first block.
    pub fn taker(&'a self, pace: Pace, step: &'static str) -> Taker<'a> {
        Taker { pieces: self, at: 0, end: 0, pace: pace.begin(), step: Some(step) }
    }

    /// The digest of the file, read from its beginning. Where it was given up, that of some of it.
    ///
    /// # Errors
    /// What reading the file answers.
    pub fn digest(&self) -> io::Result<String> {
        let (mut hash, mut at, mut block) = (Sha256::new(), 0, vec![0; 256 << 10]);
        while at < self.bytes && !self.over.load(Relaxed) {
            let count = (self.bytes - at).min(block.len() as u64) as usize;
            self.file.read_exact_at(&mut block[..count], self.start + at)?;
            hash.update(&block[..count]);
            at += count as u64;
        }
        Ok(hex(&hash.finalize()))
    }
}

/// One session's share of [`Pieces`].
pub struct Taker<'a> {
    pieces: &'a Pieces<'a>,
    at: u64,
    end: u64,
    pace: crate::deliver::paced::Begun,
    step: Option<&'static str>,
}

impl Blocks for Taker<'_> {
    fn next(&mut self, request: &mut Request, most: usize) -> io::Result<Block> {
        let Pieces { file, start, bytes, piece, next, over } = self.pieces;
        if over.load(Relaxed) {
            self.end = self.at;
        } else if self.at == self.end {
            self.at = next.fetch_add(*piece, Relaxed).min(*bytes);
            self.end = self.at.saturating_add(*piece).min(*bytes);
        }
        let count = (self.end - self.at).min(most as u64) as usize;
        self.pace.wait()?;
        request.u64(self.at);
        request.string_from(count, |room| file.read_exact_at(room, start + self.at).map(|()| count))?;
        self.pace.passed(count as u64);
        self.at += count as u64;
        Ok(Block { bytes: count, step: self.step.take() })
    }
}

/// Fills `room` unless the source ends first.
pub(super) fn read_full(source: &mut impl Read, room: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < room.len() {
        match source.read(&mut room[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn takers_leave_nothing_out_and_take_nothing_twice() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..PIECE_BYTES_MAX * 2 + 12_345).map(|at| (at % 251) as u8).collect();
        file.write_all(&content).unwrap();
        let pieces = Pieces::new(&file, 0, content.len() as u64, 2);
        let mut takers = [pieces.taker(Pace::default(), "a"), pieces.taker(Pace::default(), "b")];
        let mut arrived = vec![0; content.len()];
        let (mut request, mut steps) = (Request::default(), Vec::new());
        let mut left = 2;
        while left > 0 {
            left = 0;
            for taker in &mut takers {
                request.begin(0, 0);
                let Block { bytes, step } = taker.next(&mut request, 100_000).unwrap();
                let offset = taker.at as usize - bytes;
                arrived[offset..offset + bytes].copy_from_slice(request.tail(bytes));
                steps.extend(step);
                left += usize::from(bytes > 0);
            }
        }
        assert!(arrived == content);
        assert_eq!(pieces.digest().unwrap(), crate::digest::of(&content));
        assert_eq!(steps, ["a", "b"]);
    }

    #[test]
    fn a_file_that_is_given_up_or_too_short_ends() {
        let file = tempfile::tempfile().unwrap();
        let pieces = Pieces::new(&file, 0, 5, 2);
        let short = pieces.taker(Pace::default(), "a").next(&mut Request::default(), 10).unwrap_err();
        assert_eq!(short.kind(), ErrorKind::UnexpectedEof);
        pieces.give_up();
        assert_eq!(pieces.taker(Pace::default(), "a").next(&mut Request::default(), 10).unwrap().bytes, 0);
    }
}
