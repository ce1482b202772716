//! A source that a separate thread reads and hashes, while earlier chunks are encrypted and sent.

use std::io::{self, Read};
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread::ScopedJoinHandle;

use sha2::{Digest, Sha256};

use super::chunks::read_full;
use super::{ChunkSource, ContentDigest, Request};
use crate::digest::hex;

/// Buffers filled in advance: neither side waits for the other, and memory stays within a window.
const BUFFERS_AHEAD: usize = 3;

/// The chunks of a source, in reading order.
pub struct ReadAhead {
    full: Receiver<io::Result<Vec<u8>>>,
    empty: Sender<Vec<u8>>,
    /// The buffer that is being sent, and how much of it was sent.
    buffer: Vec<u8>,
    sent: usize,
    bytes: u64,
}

/// Runs `send` with a source that is read `buffer_bytes` at a time (waking a thread for each chunk costs more than reading
/// it). Returns size and digest. `expected` is as for [`super::Sequential`].
pub fn read_ahead<E>(
    source: impl Read + Send,
    expected: u64,
    buffer_bytes: usize,
    send: impl FnOnce(&mut ReadAhead) -> Result<(), E>,
) -> Result<ContentDigest, E> {
    let source = source.take(expected.saturating_add(1));
    let (filled, full) = mpsc::sync_channel(BUFFERS_AHEAD);
    let (empty, spent) = mpsc::channel();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || read(source, buffer_bytes, &filled, &spent));
        let mut chunks = ReadAhead { full, empty, buffer: Vec::new(), sent: 0, bytes: 0 };
        let sent = send(&mut chunks);
        let bytes = chunks.bytes;
        drop(chunks); // ends the reader where sending ended first
        let sha256 = join_scoped(reader);
        sent.map(|()| ContentDigest { bytes, sha256 })
    })
}

/// Reads until the end, an error, or the receiver is dropped; returns the digest.
fn read(
    mut source: impl Read,
    buffer_bytes: usize,
    filled: &SyncSender<io::Result<Vec<u8>>>,
    spent: &Receiver<Vec<u8>>,
) -> String {
    let mut hash = Sha256::new();
    loop {
        let mut buffer = spent.try_recv().unwrap_or_default();
        buffer.resize(buffer_bytes, 0);
        let read = read_full(&mut source, &mut buffer);
        let more = matches!(read, Ok(1..));
        let buffer = read.map(|bytes| {
            buffer.truncate(bytes);
            hash.update(&buffer);
            buffer
        });
        if filled.send(buffer).is_err() || !more {
            return hex(&hash.finalize());
        }
    }
}

impl ChunkSource for ReadAhead {
    fn next(&mut self, request: &mut Request, max: usize) -> io::Result<usize> {
        if self.sent == self.buffer.len() {
            let next = self.full.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            // The reader may have ended.
            let _ = self.empty.send(std::mem::replace(&mut self.buffer, next));
            self.sent = 0;
        }
        let left = &self.buffer[self.sent..];
        let chunk = &left[..left.len().min(max)];
        request.u64(self.bytes).string(chunk);
        self.sent += chunk.len();
        self.bytes += chunk.len() as u64;
        Ok(chunk.len())
    }
}

/// Returns a thread's result; a panic in it continues in this thread.
pub fn join_scoped<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(source: impl Read + Send, expected: u64) -> (Vec<u8>, io::Result<ContentDigest>) {
        let (mut request, mut bytes) = (Request::default(), Vec::new());
        let digest = read_ahead(source, expected, 2_500, |chunks| {
            loop {
                request.begin(0, 0);
                let count = chunks.next(&mut request, 1000)?;
                bytes.extend_from_slice(request.tail(count));
                if count == 0 {
                    return Ok(());
                }
            }
        });
        (bytes, digest)
    }

    #[test]
    fn all_of_a_source_comes_in_order_and_one_byte_more_than_expected() {
        let content: Vec<u8> = (0..12_345u32).map(|at| (at % 251) as u8).collect();
        let (bytes, digest) = sent(&content[..], content.len() as u64);
        assert!(bytes == content);
        assert_eq!(digest.unwrap(), ContentDigest { bytes: 12_345, sha256: crate::digest::of(&content) });
        let (bytes, digest) = sent(&content[..], 5_000);
        assert!(bytes == content[..5_001]);
        assert_eq!(digest.unwrap().sha256, crate::digest::of(&content[..5_001]));
        assert_eq!(sent(io::empty(), 0).1.unwrap().bytes, 0);
    }

    #[test]
    fn a_source_that_fails_and_a_sender_that_gives_up_end() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::TimedOut.into())
            }
        }
        let failed = sent(io::repeat(7).take(3_000).chain(Broken), 5_000).1;
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let gave_up = read_ahead(io::repeat(7), u64::MAX, 1000, |chunks| {
            chunks.next(&mut Request::default(), 1000)?;
            Err(io::Error::other("no more"))
        });
        assert!(gave_up.is_err());
    }
}
