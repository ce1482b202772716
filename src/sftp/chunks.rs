//! The chunks of write requests, each with its offset, from a source.

use std::io::{self, ErrorKind, Read, Take};

use sha2::{Digest, Sha256};

use super::{ContentDigest, Error, Request};
use crate::digest::hex;

/// A source of chunks to upload.
pub trait ChunkSource {
    /// Appends the offset and data of the next chunk to an otherwise complete WRITE. Returns the number of bytes: at most
    /// `max`, and 0 at the end.
    ///
    /// # Errors
    /// The source cannot be read.
    fn next(&mut self, request: &mut Request, max: usize) -> io::Result<usize>;

    /// Calls `send`, which sends the chunk of `bytes` bytes. A source may override how.
    fn send(&mut self, bytes: usize, mut send: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
        let _ = bytes;
        send()
    }
}

/// A source from its present position to its end, hashed on the way.
pub struct Sequential<R> {
    source: Take<R>,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Sequential<R> {
    /// Expects `expected` bytes, and reads at most one more.
    pub fn new(source: R, expected: u64) -> Self {
        Self { source: source.take(expected.saturating_add(1)), hash: Sha256::new(), bytes: 0 }
    }

    /// Returns size and digest of the bytes read.
    pub fn digest(self) -> ContentDigest {
        ContentDigest { bytes: self.bytes, sha256: hex(&self.hash.finalize()) }
    }
}

impl<R: Read> ChunkSource for Sequential<R> {
    fn next(&mut self, request: &mut Request, max: usize) -> io::Result<usize> {
        request.u64(self.bytes);
        let bytes = request.string_from(max, |buffer| read_full(&mut self.source, buffer))?;
        self.hash.update(request.tail(bytes));
        self.bytes += bytes as u64;
        Ok(bytes)
    }
}

/// Fills `buffer` unless the source ends first.
pub(super) fn read_full(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
