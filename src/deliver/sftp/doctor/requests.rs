//! Requests that only a probe sends.

use crate::deliver::sftp::answer::Answer;
use crate::deliver::sftp::client::{Client, Failure, Handle, Wire};

const RMDIR: u8 = 15;
const READ: u8 = 5;

impl<W: Wire> Client<W> {
    pub(super) fn remove_directory(&mut self, path: &str) -> Result<(), Failure> {
        let (ticket, request) = self.begin(RMDIR);
        request.string(path.as_bytes());
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
}
