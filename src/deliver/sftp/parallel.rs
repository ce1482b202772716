//! Writes one open file over several sessions: each takes the next piece, and writes it at its offset.
//!
//! A session is limited by its window, to about 33 MiB/s at a round trip of 50 ms; several are not.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use sha2::{Digest, Sha256};

use super::SftpTarget;
use super::error::{SftpError, rejected, unreached};
use super::fault_points::{WithFaultPoint, fault_points};
use crate::deliver::rate_limit::{Pace, Paced, Pacer, TOO_LONG};
use crate::deliver::{IntendedFile, Role, Verdict};
use crate::digest::hex;
use crate::fault::{self, FaultStep};
use crate::progress::Meter;
use crate::sftp::{
    ChunkSource, Client, ContentDigest, Handle, Request, Sequential, Transport, UploadError, join_scoped, open,
    read_ahead,
};

/// Bytes read from the spool at once.
const READ_BYTES: usize = 256 << 10;

/// Source of a file's bytes.
pub(super) enum Content {
    /// A file of the spool at the position `start`, of which up to `max` bytes may be read.
    Spool {
        source: File,
        start: u64,
        max: u64,
        pace: Pace,
    },
    Made(Vec<u8>),
}

/// A session that writes large files together with another one.
pub(super) enum ParallelSession<T: Transport> {
    Pending(Box<dyn FnOnce() -> Result<SftpTarget<T>, Verdict> + Send>),
    Open(SftpTarget<T>),
    Unavailable(Verdict),
}

impl<T: Transport> ParallelSession<T> {
    fn wait(self) -> Result<SftpTarget<T>, Verdict> {
        match self {
            ParallelSession::Pending(open) => open(),
            ParallelSession::Open(session) => Ok(session),
            ParallelSession::Unavailable(verdict) => Err(verdict),
        }
    }

    /// Waits for the session and runs `work` with it. Does nothing without a session.
    fn run(self, work: impl FnOnce(&mut SftpTarget<T>) -> Result<(), Verdict>) -> (Self, Result<(), Verdict>) {
        match self.wait() {
            Ok(mut session) => {
                let done = work(&mut session);
                (ParallelSession::Open(session), done)
            }
            Err(verdict) => (ParallelSession::Unavailable(verdict), Ok(())),
        }
    }
}

impl<T: Transport> SftpTarget<T> {
    /// Attaches sessions, which write together with this one as soon as they are open.
    pub fn attach<F>(&mut self, pending: impl Iterator<Item = F>)
    where
        F: FnOnce() -> Result<Self, Verdict> + Send + 'static,
    {
        self.parallel.extend(pending.map(|open| ParallelSession::Pending(Box::new(open))));
    }

    /// Returns the attached sessions that are still usable, and why others never opened.
    pub fn detach(&mut self) -> Vec<Result<Self, Verdict>> {
        let detached = self.parallel.drain(..).map(ParallelSession::wait);
        detached.filter(|session| !session.as_ref().is_ok_and(|session| session.client.is_closed())).collect()
    }

    /// Sends all bytes of a file into `handle`, over the attached sessions as well.
    pub(super) fn send(
        &mut self,
        file: &IntendedFile,
        handle: &Handle,
        content: &Content,
        meter: &Meter,
    ) -> Result<ContentDigest, Verdict> {
        let (step, bytes, client) = (fault_points(file.role).write, file.bytes, &mut self.client);
        let write_bytes = client.options.write_bytes;
        let sent = match content {
            Content::Spool { source, start, pace, .. } if file.role == Role::Data && !self.parallel.is_empty() => {
                let queue = ChunkQueue::new(source, *start, bytes, self.parallel.len() + 1);
                return self.send_parallel(file, handle, &queue, *pace, meter);
            }
            Content::Spool { source, max, pace, .. } if bytes > write_bytes as u64 => {
                // Share a limited bandwidth evenly.
                let writes = if pace.bandwidth.is_some() { 1 } else { (READ_BYTES / write_bytes).max(1) };
                let source = Paced::new(source.take(*max), *pace);
                read_ahead(source, bytes, writes * write_bytes, |chunks| {
                    client.upload(handle, &mut WithFaultPoint::new(chunks, step, bytes), meter)
                })
            }
            // A single write needs no thread that reads ahead.
            Content::Spool { source, max, pace, .. } => {
                send_sequential(client, handle, Paced::new(source.take(*max), *pace), bytes, step, meter)
            }
            Content::Made(made) => send_sequential(client, handle, &made[..], bytes, step, meter),
        };
        sent.map_err(|error| not_sent("write", &file.temporary, error))
    }

    /// Sends chunks in any order, so a separate thread computes the file's digest meanwhile.
    fn send_parallel(
        &mut self,
        file: &IntendedFile,
        handle: &Handle,
        queue: &ChunkQueue<'_>,
        pace: Pace,
        meter: &Meter,
    ) -> Result<ContentDigest, Verdict> {
        let pace = pace.shared_by(self.parallel.len() + 1);
        let client = &mut self.client;
        let (sent, digest) = std::thread::scope(|scope| {
            let digest = scope.spawn(|| queue.digest());
            let write_chunks = |session: ParallelSession<T>| {
                session.run(|session| session.write_chunks(file, queue, pace, meter).inspect_err(|_| queue.give_up()))
            };
            // This session writes while the others still sign in.
            let helping: Vec<_> =
                self.parallel.drain(..).map(|session| scope.spawn(move || write_chunks(session))).collect();
            let mut chunks = queue.chunks(pace);
            let mut chunks = WithFaultPoint::new(&mut chunks, fault_points(file.role).write, 0);
            let sent = client.upload(handle, &mut chunks, meter).inspect_err(|_| queue.give_up());
            let mut sent = sent.map_err(|error| not_sent("write", &file.temporary, error));
            for (session, helped) in helping.into_iter().map(join_scoped) {
                sent = sent.and(helped);
                self.parallel.push(session);
            }
            (sent, join_scoped(digest))
        });
        // A fsync that another session had refused concerns the same file.
        let refused = self.parallel.iter_mut().filter_map(|session| match session {
            ParallelSession::Open(session) => session.client.refused_fsync.take(),
            ParallelSession::Pending(_) | ParallelSession::Unavailable(_) => None,
        });
        if let Some(status) = refused.last() {
            self.client.refused_fsync.get_or_insert(status);
        }
        sent?;
        let sha256 = digest.map_err(|error| not_sent("write", &file.temporary, UploadError::Source(error)))?;
        Ok(ContentDigest { bytes: file.bytes, sha256 })
    }

    /// Opens the file that another session created, and writes chunks of it.
    fn write_chunks(
        &mut self,
        file: &IntendedFile,
        queue: &ChunkQueue<'_>,
        pace: Pace,
        meter: &Meter,
    ) -> Result<(), Verdict> {
        let path = &file.temporary;
        let opened = self
            .client
            .doing("open in parallel", path, |client| fault::step("split.open", || client.open(path, open::WRITE)));
        let handle = opened.map_err(SftpError::before_publishing)?;
        let mut chunks = queue.chunks(pace);
        let sent =
            self.client.upload(&handle, &mut WithFaultPoint::new(&mut chunks, FaultStep::new("split.write"), 0), meter);
        let closed = self.client.with_slow_timeout(|client| {
            client.doing("close in parallel", path, |client| fault::step("split.close", || client.close(&handle)))
        });
        // Report the first failure.
        sent.map_err(|error| not_sent("write in parallel", path, error))?;
        closed.map_err(SftpError::before_publishing)
    }
}

fn send_sequential<T: Transport>(
    client: &mut Client<T>,
    handle: &Handle,
    source: impl Read,
    expected: u64,
    step: FaultStep,
    meter: &Meter,
) -> Result<ContentDigest, UploadError> {
    let mut chunks = Sequential::new(source, expected);
    client.upload(handle, &mut WithFaultPoint::new(&mut chunks, step, expected), meter)?;
    Ok(chunks.digest())
}

fn not_sent(doing: &'static str, path: &str, error: UploadError) -> Verdict {
    match error {
        UploadError::Source(error) if error.kind() == io::ErrorKind::TimedOut => unreached(TOO_LONG.to_owned()),
        UploadError::Source(error) => rejected(format!("read the spool file: {error}"), "run the slot again"),
        UploadError::Server(error) => SftpError::new(doing, path, error).before_publishing(),
    }
}

/// A file's bytes, in pieces that several sessions take in turn.
struct ChunkQueue<'a> {
    file: &'a File,
    /// The position of the bytes in the file.
    start: u64,
    bytes: u64,
    piece: u64,
    next: AtomicU64,
    given_up: AtomicBool,
}

/// Maximum and minimum bytes that a session takes at once: many requests, but few enough that all sessions end at about the
/// same time.
const PIECE_BYTES_MAX: u64 = 4 << 20;
const PIECE_BYTES_MIN: u64 = 512;
/// Pieces per session of a file that is not large.
const PIECES_EACH: u64 = 4;

impl<'a> ChunkQueue<'a> {
    fn new(file: &'a File, start: u64, bytes: u64, sessions: usize) -> Self {
        let piece = (bytes / (sessions as u64 * PIECES_EACH)).clamp(PIECE_BYTES_MIN, PIECE_BYTES_MAX);
        Self { file, start, bytes, piece, next: AtomicU64::new(0), given_up: AtomicBool::new(false) }
    }

    /// Stops all sessions' chunks: the file will be incomplete.
    fn give_up(&self) {
        self.given_up.store(true, Relaxed);
    }

    /// Returns the chunks for one session.
    fn chunks(&'a self, pace: Pace) -> ChunkIter<'a> {
        ChunkIter { queue: self, at: 0, end: 0, pace: pace.begin() }
    }

    /// Returns the digest of the file, or of a part of it if writing was aborted.
    fn digest(&self) -> io::Result<String> {
        let (mut hash, mut at, mut buffer) = (Sha256::new(), 0, vec![0; READ_BYTES]);
        while at < self.bytes && !self.given_up.load(Relaxed) {
            let count = (self.bytes - at).min(buffer.len() as u64) as usize;
            self.file.read_exact_at(&mut buffer[..count], self.start + at)?;
            hash.update(&buffer[..count]);
            at += count as u64;
        }
        Ok(hex(&hash.finalize()))
    }
}

/// One session's chunks of a [`ChunkQueue`].
struct ChunkIter<'a> {
    queue: &'a ChunkQueue<'a>,
    at: u64,
    end: u64,
    pace: Pacer,
}

impl ChunkSource for ChunkIter<'_> {
    fn next(&mut self, request: &mut Request, max: usize) -> io::Result<usize> {
        let ChunkQueue { file, start, bytes, piece, next, given_up } = self.queue;
        if given_up.load(Relaxed) {
            self.end = self.at;
        } else if self.at == self.end {
            self.at = next.fetch_add(*piece, Relaxed).min(*bytes);
            self.end = self.at.saturating_add(*piece).min(*bytes);
        }
        let count = (self.end - self.at).min(max as u64) as usize;
        self.pace.wait()?;
        request.u64(self.at);
        request.string_from(count, |buffer| file.read_exact_at(buffer, start + self.at).map(|()| count))?;
        self.pace.record(count as u64);
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn sessions_together_send_each_byte_once() {
        let mut file = tempfile::tempfile().unwrap();
        let content: Vec<u8> = (0..PIECE_BYTES_MAX * 2 + 12_345).map(|at| (at % 251) as u8).collect();
        file.write_all(&content).unwrap();
        let queue = ChunkQueue::new(&file, 0, content.len() as u64, 2);
        let mut sessions = [queue.chunks(Pace::default()), queue.chunks(Pace::default())];
        let mut received = vec![0; content.len()];
        let mut request = Request::default();
        let mut left = 2;
        while left > 0 {
            left = 0;
            for chunks in &mut sessions {
                request.begin(0, 0);
                let bytes = chunks.next(&mut request, 100_000).unwrap();
                let offset = chunks.at as usize - bytes;
                received[offset..offset + bytes].copy_from_slice(request.tail(bytes));
                left += usize::from(bytes > 0);
            }
        }
        assert!(received == content);
        assert_eq!(queue.digest().unwrap(), crate::digest::of(&content));
    }

    #[test]
    fn a_file_that_is_given_up_or_too_short_ends() {
        let file = tempfile::tempfile().unwrap();
        let queue = ChunkQueue::new(&file, 0, 5, 2);
        let short = queue.chunks(Pace::default()).next(&mut Request::default(), 10).unwrap_err();
        assert_eq!(short.kind(), io::ErrorKind::UnexpectedEof);
        queue.give_up();
        assert_eq!(queue.chunks(Pace::default()).next(&mut Request::default(), 10).unwrap(), 0);
    }
}
