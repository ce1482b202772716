//! Requests that only a probe sends.

use crate::deliver::sftp::answer::{ATTR_PERMISSIONS, Answer};
use crate::deliver::sftp::client::{Client, Failure, Handle, Wire};
use crate::deliver::sftp::packet::{Body, kind};

const RMDIR: u8 = 15;
const READ: u8 = 5;
/// Access and modification time.
const ATTR_TIMES: u32 = 0x8;

/// How full the server's file system is, by `statvfs@openssh.com`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub free_bytes: u64,
    pub total_bytes: u64,
}

impl<W: Wire> Client<W> {
    pub(super) fn remove_directory(&mut self, path: &str) -> Result<(), Failure> {
        let (ticket, request) = self.begin(RMDIR);
        request.string(path.as_bytes());
        self.post(ticket)?;
        let answer = self.answer(ticket)?;
        self.done(answer)
    }

    pub(super) fn write_once(&mut self, handle: &Handle, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        let (ticket, request) = self.begin(kind::WRITE);
        request.string(&handle.0).u64(offset).string(bytes);
        self.post(ticket)?;
        let answer = self.answer(ticket)?;
        self.done(answer)
    }

    pub(super) fn read_once(&mut self, handle: &Handle, count: u32) -> Result<Vec<u8>, Failure> {
        let (ticket, request) = self.begin(READ);
        request.string(&handle.0).u64(0).u32(count);
        self.post(ticket)?;
        match self.answer(ticket)? {
            Answer::Data(bytes) => Ok(bytes),
            other => self.refused(other),
        }
    }

    /// Permissions and both times; a server that takes the one may refuse the other.
    pub(super) fn set_attributes(&mut self, path: &str, mode: Option<u32>, time_s: Option<u32>) -> Result<(), Failure> {
        let (ticket, request) = self.begin(kind::SETSTAT);
        let flags = mode.map_or(0, |_| ATTR_PERMISSIONS) | time_s.map_or(0, |_| ATTR_TIMES);
        request.string(path.as_bytes()).u32(flags);
        if let Some(mode) = mode {
            request.u32(mode);
        }
        if let Some(time_s) = time_s {
            request.u32(time_s).u32(time_s);
        }
        self.post(ticket)?;
        let answer = self.answer(ticket)?;
        self.done(answer)
    }

    pub(super) fn space(&mut self, path: &str) -> Result<Space, Failure> {
        let (ticket, request) = self.begin(kind::EXTENDED);
        request.string(b"statvfs@openssh.com").string(path.as_bytes());
        self.post(ticket)?;
        let bytes = match self.answer(ticket)? {
            Answer::Extended(bytes) => bytes,
            other => return self.refused(other),
        };
        let mut body = Body(&bytes);
        let mut number = || body.u64().unwrap_or(0);
        // Block size, fragment size, blocks, free blocks, free blocks for us (OpenSSH's PROTOCOL, 4.4).
        let (_, fragment, blocks, _, free) = (number(), number(), number(), number(), number());
        Ok(Space { free_bytes: free.saturating_mul(fragment), total_bytes: blocks.saturating_mul(fragment) })
    }
}
