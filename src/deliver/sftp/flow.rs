//! A file's bytes over the wire, many requests in flight: up with every acknowledgement checked, down to a digest.

use std::collections::VecDeque;
use std::io;

use sha2::{Digest, Sha256};

use super::answer::{Answer, Status};
use super::blocks::{Block, Blocks};
use super::client::{Client, Failure, Handle, Ticket, Wire};
use super::packet::{code, kind};
use super::trouble::Trouble;
use crate::deliver::names::hex;
use crate::fault;
use crate::progress::Meter;

/// How much is on its way at once. `bytes × requests` bounds the memory and should be 2 MiB (an SSH window) or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Bytes of one write request.
    pub bytes: usize,
    /// Requests without an answer.
    pub requests: usize,
    /// Bytes after which the server is asked to write through to the disk, where it can. What is left for the end is then
    /// little: the whole of a large file could take it longer than an answer is waited for. And the disk works while the
    /// other sessions of a split write.
    pub fsync_every: Option<u64>,
}

/// Bytes of one read request: what every server answers whole.
const READ_BYTES: u64 = 32_000;

/// Why an upload ended.
#[derive(Debug)]
pub enum UploadError {
    /// Our own file could not be read; the server is not to blame.
    Source(io::Error),
    Server(Failure),
    /// One of the sessions beside.
    Beside(Trouble),
}

impl From<Failure> for UploadError {
    fn from(failure: Failure) -> Self {
        UploadError::Server(failure)
    }
}

/// What went up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uploaded {
    pub bytes: u64,
    /// Lower-case hex.
    pub sha256: String,
}

/// What is on its way without an acknowledgement.
#[derive(Default)]
struct InFlight {
    /// The sizes of the writes, 0 for another request. Answers may come out of order; their sum is what counts.
    sizes: VecDeque<usize>,
    /// The request to write through.
    fsync: Option<Ticket>,
    /// Bytes sent since the last one.
    unsynced: u64,
}

impl<W: Wire> Client<W> {
    /// Writes blocks until there are none.
    ///
    /// # Errors
    /// The first request that was refused (the answers to the others have been taken in, the connection is good), the
    /// connection's end, or our own file's.
    pub fn upload(
        &mut self,
        handle: &Handle,
        blocks: &mut impl Blocks,
        flow: Flow,
        meter: &Meter,
    ) -> Result<(), UploadError> {
        let mut in_flight = InFlight::default();
        let sent = loop {
            let room = flow.requests.max(1) - 1;
            if let Err(failure) = self.acknowledge_to(room, &mut in_flight, meter) {
                break Err(failure.into());
            }
            let (_, request) = self.begin(kind::WRITE);
            request.string(&handle.0);
            let Block { bytes, step } = match blocks.next(request, flow.bytes) {
                Ok(block) => block,
                Err(error) => break Err(UploadError::Source(error)),
            };
            let mut post = || self.post_write(bytes, &mut in_flight);
            let posted = match step {
                Some(step) => fault::step_or_drop(step, post),
                None => post(),
            };
            if let Err(failure) = posted {
                break Err(failure.into());
            }
            if bytes == 0 {
                break Ok(());
            }
            if let Err(failure) = self.fsync_along(handle, flow, &mut in_flight) {
                break Err(failure.into());
            }
        };
        let whole = sent.and_then(|()| Ok(self.acknowledge_to(0, &mut in_flight, meter)?));
        whole.map_err(|error| self.settle(error, in_flight.sizes.len()))
    }

    /// Posts the write request that lies in the buffer, under an id of its own; an empty file needs none.
    fn post_write(&mut self, filled: usize, in_flight: &mut InFlight) -> Result<(), Failure> {
        if filled > 0 {
            self.post_again()?;
            in_flight.sizes.push_back(filled);
            in_flight.unsynced += filled as u64;
        }
        Ok(())
    }

    /// Asks the server to write through what it has, where it is time to, and waits for nothing.
    fn fsync_along(&mut self, handle: &Handle, flow: Flow, in_flight: &mut InFlight) -> Result<(), Failure> {
        let due = flow.fsync_every.is_some_and(|every| in_flight.unsynced >= every) && self.refused_fsync.is_none();
        if due && in_flight.fsync.is_none() {
            in_flight.fsync = Some(self.post_fsync(handle)?);
            in_flight.sizes.push_back(0);
            in_flight.unsynced = 0;
        }
        Ok(())
    }

    /// Takes in acknowledgements until no more than `room` are due.
    fn acknowledge_to(&mut self, room: usize, in_flight: &mut InFlight, meter: &Meter) -> Result<(), Failure> {
        while in_flight.sizes.len() > room {
            // Behind a fsync, what was written is waited for as long as the fsync itself.
            let (ticket, answer) = match in_flight.fsync {
                Some(_) => self.slowly(Self::any_answer)?,
                None => self.any_answer()?,
            };
            let bytes = in_flight.sizes.pop_front().unwrap_or(0);
            if in_flight.fsync == Some(ticket) {
                in_flight.fsync = None;
                // A disk that is full or broken may say so once: what was refused is kept, and judged when the file ends.
                self.fsync_done(answer)?;
            } else {
                self.done(answer)?;
            }
            meter.add(bytes as u64);
        }
        Ok(())
    }

    /// Takes in the answers that are still due, so that the connection can be used for tidying up.
    fn settle(&mut self, error: UploadError, due: usize) -> UploadError {
        if let UploadError::Server(Failure::Lost(why)) = &error {
            self.sever(why);
            return error;
        }
        for _ in 0..due {
            if self.any_answer().is_err() {
                break;
            }
        }
        error
    }

    /// Reads `size` bytes from the front of a file and hashes them, many requests in flight. Fewer bytes come where the
    /// file is shorter.
    ///
    /// # Errors
    /// A refused read, or the connection's end.
    pub fn download_digest(&mut self, handle: &Handle, size: u64, flow: Flow) -> Result<Uploaded, Failure> {
        let mut hash = Sha256::new();
        let mut due: VecDeque<(Ticket, u64)> = VecDeque::new();
        let (mut asked, mut read) = (0u64, 0u64);
        let mut ended = false;
        while asked < size || !due.is_empty() {
            while !ended && asked < size && due.len() < flow.requests.max(1) {
                let count = READ_BYTES.min(size - asked);
                due.push_back((self.post_read(handle, asked, count)?, count));
                asked += count;
            }
            let Some((ticket, count)) = due.pop_front() else { break };
            let answer = self.answer(ticket)?;
            if !ended {
                let got = self.read_whole(handle, answer, read, count, &mut hash)?;
                read += got;
                ended = got < count;
            }
        }
        Ok(Uploaded { bytes: read, sha256: hex(&hash.finalize()) })
    }

    fn post_read(&mut self, handle: &Handle, offset: u64, count: u64) -> Result<Ticket, Failure> {
        let (ticket, request) = self.begin(kind::READ);
        request.string(&handle.0).u64(offset).u32(count as u32);
        self.post(ticket)?;
        Ok(ticket)
    }

    /// Hashes the answer to a read, asking again for what a short answer left out; returns the bytes that there were.
    fn read_whole(
        &mut self,
        handle: &Handle,
        mut answer: Answer,
        offset: u64,
        count: u64,
        hash: &mut Sha256,
    ) -> Result<u64, Failure> {
        let mut got = 0;
        loop {
            match answer {
                Answer::Data(bytes) if !bytes.is_empty() && bytes.len() as u64 <= count - got => {
                    hash.update(&bytes);
                    got += bytes.len() as u64;
                }
                Answer::Data(bytes) if bytes.is_empty() => return Ok(got),
                Answer::Status(Status { code: code::EOF, .. }) => return Ok(got),
                other => return self.refused(other),
            }
            if got == count {
                return Ok(got);
            }
            let ticket = self.post_read(handle, offset + got, count - got)?;
            answer = self.answer(ticket)?;
        }
    }
}
