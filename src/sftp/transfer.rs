//! Transfers a file's bytes with many requests in flight: uploads with every acknowledgement checked, downloads to a
//! digest.

use std::collections::VecDeque;
use std::io;

use sha2::{Digest, Sha256};

use super::packet::{code, kind};
use super::response::{Response, Status};
use super::{ChunkSource, Client, Error, Handle, RequestId, Transport};
use crate::digest::hex;
use crate::progress::Meter;

/// Bytes of one read request: as much as every server returns at once.
const READ_BYTES: u64 = 32_000;

/// Errors of an upload.
#[derive(Debug)]
pub enum UploadError {
    /// The source could not be read; not the server's fault.
    Source(io::Error),
    Server(Error),
}

impl From<Error> for UploadError {
    fn from(error: Error) -> Self {
        UploadError::Server(error)
    }
}

/// Size and digest of the transferred bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentDigest {
    pub bytes: u64,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// Requests without an acknowledgement.
#[derive(Default)]
struct InFlight {
    /// Sizes of the writes, 0 for a fsync. Responses may come out of order; the sum is what counts.
    sizes: VecDeque<usize>,
    fsync: Option<RequestId>,
    /// Bytes sent since the last fsync.
    unsynced: u64,
}

impl<T: Transport> Client<T> {
    /// Writes all chunks.
    ///
    /// # Errors
    /// The first refused request (all responses have been taken then, and the session stays usable), a lost session, or an
    /// unreadable source.
    pub fn upload(&mut self, handle: &Handle, chunks: &mut impl ChunkSource, meter: &Meter) -> Result<(), UploadError> {
        let mut in_flight = InFlight::default();
        let written = self.write_all(handle, chunks, &mut in_flight, meter);
        written.map_err(|error| self.settle(error, in_flight.sizes.len()))
    }

    fn write_all(
        &mut self,
        handle: &Handle,
        chunks: &mut impl ChunkSource,
        in_flight: &mut InFlight,
        meter: &Meter,
    ) -> Result<(), UploadError> {
        loop {
            self.acknowledge_to(self.options.in_flight.max(1) - 1, in_flight, meter)?;
            let request = self.request.begin(kind::WRITE, 0).string(&handle.0);
            let bytes = chunks.next(request, self.options.write_bytes).map_err(UploadError::Source)?;
            chunks.send(bytes, || self.submit_write(bytes, in_flight))?;
            if bytes == 0 {
                return Ok(self.acknowledge_to(0, in_flight, meter)?);
            }
            self.fsync_if_due(handle, in_flight)?;
        }
    }

    /// Sends the write request in the buffer, unless the file is empty.
    fn submit_write(&mut self, bytes: usize, in_flight: &mut InFlight) -> Result<(), Error> {
        if bytes > 0 {
            self.submit_buffered()?;
            in_flight.sizes.push_back(bytes);
            in_flight.unsynced += bytes as u64;
        }
        Ok(())
    }

    /// Requests a sync of the bytes so far, without waiting for it.
    fn fsync_if_due(&mut self, handle: &Handle, in_flight: &mut InFlight) -> Result<(), Error> {
        let due = self.extensions.fsync
            && self.options.fsync_every_bytes.is_some_and(|every| in_flight.unsynced >= every)
            && self.refused_fsync.is_none();
        if due && in_flight.fsync.is_none() {
            in_flight.fsync = Some(self.submit_fsync(handle)?);
            in_flight.sizes.push_back(0);
            in_flight.unsynced = 0;
        }
        Ok(())
    }

    /// Takes responses until no more than `max` are pending.
    fn acknowledge_to(&mut self, max: usize, in_flight: &mut InFlight, meter: &Meter) -> Result<(), Error> {
        while in_flight.sizes.len() > max {
            // Writes behind a fsync are awaited as long as the fsync itself.
            let (id, response) = match in_flight.fsync {
                Some(_) => self.with_slow_timeout(Self::any_response)?,
                None => self.any_response()?,
            };
            let bytes = in_flight.sizes.pop_front().unwrap_or(0);
            if in_flight.fsync == Some(id) {
                in_flight.fsync = None;
                // A full or broken disk may be reported only once: keep the refusal, and judge it at the end of the file.
                self.take_fsync(response)?;
            } else {
                self.expect_ok(response)?;
            }
            meter.add(bytes as u64);
        }
        Ok(())
    }

    /// Takes the pending responses, so that the session can be used for cleaning up.
    fn settle(&mut self, error: UploadError, pending: usize) -> UploadError {
        if let UploadError::Server(Error::Lost(why)) = &error {
            self.abort(why);
            return error;
        }
        for _ in 0..pending {
            if self.any_response().is_err() {
                break;
            }
        }
        error
    }

    /// Reads and hashes the first `size` bytes of a file, or all of a shorter one.
    ///
    /// # Errors
    /// A refused read, or a lost session.
    pub fn download_digest(&mut self, handle: &Handle, size: u64) -> Result<ContentDigest, Error> {
        let mut hash = Sha256::new();
        let mut pending: VecDeque<(RequestId, u64)> = VecDeque::new();
        let (mut requested, mut read) = (0u64, 0u64);
        let mut ended = false;
        while requested < size || !pending.is_empty() {
            while !ended && requested < size && pending.len() < self.options.in_flight.max(1) {
                let count = READ_BYTES.min(size - requested);
                pending.push_back((self.submit_read(handle, requested, count)?, count));
                requested += count;
            }
            let Some((id, count)) = pending.pop_front() else { break };
            let response = self.response(id)?;
            if !ended {
                let bytes = self.read_whole(handle, response, read, count, &mut hash)?;
                read += bytes;
                ended = bytes < count;
            }
        }
        Ok(ContentDigest { bytes: read, sha256: hex(&hash.finalize()) })
    }

    fn submit_read(&mut self, handle: &Handle, offset: u64, count: u64) -> Result<RequestId, Error> {
        self.submit(kind::READ, |request| _ = request.string(&handle.0).u64(offset).u32(count as u32))
    }

    /// Hashes the response to a read, and requests what a short response omitted. Returns the number of bytes read.
    fn read_whole(
        &mut self,
        handle: &Handle,
        mut response: Response,
        offset: u64,
        count: u64,
        hash: &mut Sha256,
    ) -> Result<u64, Error> {
        let mut read = 0;
        loop {
            match response {
                Response::Data(bytes) if bytes.is_empty() => return Ok(read),
                Response::Data(bytes) if bytes.len() as u64 <= count - read => {
                    hash.update(&bytes);
                    read += bytes.len() as u64;
                }
                Response::Status(Status { code: code::EOF, .. }) => return Ok(read),
                other => return self.unexpected(other),
            }
            if read == count {
                return Ok(read);
            }
            let id = self.submit_read(handle, offset + read, count - read)?;
            response = self.response(id)?;
        }
    }
}
