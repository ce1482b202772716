//! A source that a thread of its own reads and hashes, while what came before is enciphered and sent.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};

use sha2::{Digest, Sha256};

use super::blocks::{Block, Blocks, Way, read_full};
use super::flow::{UploadError, Uploaded};
use super::packet::Request;
use super::split::joined;
use crate::deliver::names::hex;

/// What is read and handed over at once: to wake a thread for each block costs more than to read it.
pub const PORTION_BYTES: usize = 256 << 10;
/// How many portions lie ready: neither side waits for the other, and the memory is that of a window.
const PORTIONS_AHEAD: usize = 3;

/// The blocks of a source, as they have been read.
pub struct Ahead {
    full: Receiver<io::Result<Vec<u8>>>,
    spent: Sender<Vec<u8>>,
    /// What is being sent, and how much of it has been.
    portion: Vec<u8>,
    sent: usize,
    way: Way,
}

/// Lets `send` send a source that is read `portion` bytes at a time, and says what went through. `expected` and `step` as for
/// [`super::blocks::InOrder`].
///
/// # Errors
/// Those of `send`.
pub fn read_ahead(
    source: impl Read + Send,
    expected: u64,
    step: &'static str,
    portion: usize,
    send: impl FnOnce(&mut Ahead) -> Result<(), UploadError>,
) -> Result<Uploaded, UploadError> {
    let source = source.take(expected.saturating_add(1));
    let (filled, full) = mpsc::sync_channel(PORTIONS_AHEAD);
    let (spent, empty) = mpsc::channel();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read(source, portion, &filled, &empty));
        let mut ahead = Ahead { full, spent, portion: Vec::new(), sent: 0, way: Way::new(expected, step) };
        let sent = send(&mut ahead);
        let bytes = ahead.way.bytes();
        drop(ahead); // a reader that is ahead of a sender that gave up reads no more
        let sha256 = joined(reader);
        sent.map(|()| Uploaded { bytes, sha256 })
    })
}

/// Reads until the end, an error, or until nobody takes any more; returns the digest of what was read.
fn read(
    mut source: impl Read,
    most: usize,
    filled: &SyncSender<io::Result<Vec<u8>>>,
    empty: &Receiver<Vec<u8>>,
) -> String {
    let mut hash = Sha256::new();
    loop {
        let mut portion = empty.try_recv().unwrap_or_default();
        portion.resize(most, 0);
        let read = read_full(&mut source, &mut portion);
        let more = matches!(read, Ok(1..));
        let portion = read.map(|bytes| {
            portion.truncate(bytes);
            hash.update(&portion);
            portion
        });
        if filled.send(portion).is_err() || !more {
            return hex(&hash.finalize());
        }
    }
}

impl Blocks for Ahead {
    fn next(&mut self, request: &mut Request, most: usize) -> io::Result<Block> {
        if self.sent == self.portion.len() {
            let next = self.full.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            // The reader may have come to its end.
            let _ = self.spent.send(std::mem::replace(&mut self.portion, next));
            self.sent = 0;
        }
        let left = &self.portion[self.sent..];
        let block = &left[..left.len().min(most)];
        request.u64(self.way.bytes()).string(block);
        self.sent += block.len();
        Ok(Block { bytes: block.len(), step: self.way.pass(block.len()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deliver::paced::{Pace, Paced};

    fn taken(source: impl Read + Send, expected: u64) -> (Vec<u8>, Vec<&'static str>, Result<Uploaded, UploadError>) {
        let (mut request, mut bytes, mut steps) = (Request::default(), Vec::new(), Vec::new());
        let uploaded = read_ahead(source, expected, "sftp.write", 2_500, |blocks| {
            loop {
                request.begin(0, 0);
                let block = blocks.next(&mut request, 1000).map_err(UploadError::Source)?;
                steps.extend(block.step);
                bytes.extend_from_slice(request.tail(block.bytes));
                if block.bytes == 0 {
                    return Ok(());
                }
            }
        });
        (bytes, steps, uploaded)
    }

    #[test]
    fn all_of_a_source_comes_in_order_and_one_byte_more_than_expected() {
        let content: Vec<u8> = (0..12_345u32).map(|at| (at % 251) as u8).collect();
        let (bytes, steps, uploaded) = taken(&content[..], content.len() as u64);
        assert!(bytes == content);
        assert_eq!(uploaded.unwrap(), Uploaded { bytes: 12_345, sha256: crate::digest::of(&content) });
        assert_eq!(steps, ["sftp.write"; 2]);
        let (bytes, _, uploaded) = taken(&content[..], 5_000);
        assert!(bytes == content[..5_001]);
        assert_eq!(uploaded.unwrap().sha256, crate::digest::of(&content[..5_001]));
        assert_eq!(taken(io::empty(), 0).2.unwrap().bytes, 0);
    }

    #[test]
    fn a_source_that_fails_and_a_sender_that_gives_up_end() {
        let late = Pace { until: Some(std::time::Instant::now()), ..Pace::default() };
        let failed = taken(Paced::new(io::repeat(7), late), 5_000).2;
        assert!(matches!(failed, Err(UploadError::Source(error)) if error.kind() == io::ErrorKind::TimedOut));
        let gave_up = read_ahead(io::repeat(7), u64::MAX, "sftp.write", 1000, |blocks| {
            blocks.next(&mut Request::default(), 1000).map_err(UploadError::Source)?;
            Err(UploadError::Source(io::Error::other("no more")))
        });
        assert!(matches!(gave_up, Err(UploadError::Source(_))));
    }
}
