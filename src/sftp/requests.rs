//! The requests of SFTP version 3 and of OpenSSH's extensions, one method each.
//!
//! Paths are UTF-8, as servers expect today. A refusal is [`Error::Refused`] with the server's status.

use super::packet::{Request, kind, open};
use super::response::{ATTR_ACMODTIME, ATTR_PERMISSIONS, Attributes, RefusedSync, Response};
use super::{Client, Error, Handle, RequestId, Transport, or_refusal};
use crate::wire::Reader;

/// Attributes that a SETSTAT sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetAttributes {
    /// Permission bits.
    Mode(u32),
    /// Both access and modification time, in seconds since the Unix epoch.
    Times(u32),
}

/// Usage of the server's file system, and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub free_bytes: u64,
    pub total_bytes: u64,
    /// 0 if the server does not report it.
    pub file_system: u64,
}

/// The requests that finish a file, all in flight at once: a server processes requests for one file in order
/// (draft-ietf-secsh-filexfer-02, 4.1). A response that was already taken is requested again.
#[derive(Debug, Default)]
pub struct Ending {
    fsync: Option<RequestId>,
    fstat: Option<RequestId>,
    close: Option<RequestId>,
}

impl<T: Transport> Client<T> {
    /// Sends the requests that finish a file: FSYNC and FSTAT if requested, and CLOSE.
    pub fn submit_ending(&mut self, handle: &Handle, fsync: bool, fstat: bool) -> Result<Ending, Error> {
        Ok(Ending {
            fsync: if fsync { Some(self.submit_fsync(handle)?) } else { None },
            fstat: if fstat { Some(self.submit_for(kind::FSTAT, handle)?) } else { None },
            close: Some(self.submit_for(kind::CLOSE, handle)?),
        })
    }

    fn submit_for(&mut self, kind: u8, handle: &Handle) -> Result<RequestId, Error> {
        self.submit(kind, |request| _ = request.string(&handle.0))
    }

    /// Waits for the response to FSYNC.
    pub fn finish_fsync(&mut self, handle: &Handle, ending: &mut Ending) -> Result<(), Error> {
        let id = match ending.fsync.take() {
            Some(id) => id,
            None => self.submit_fsync(handle)?,
        };
        let response = self.response(id)?;
        self.take_fsync(response)
    }

    /// Waits for the response to FSTAT.
    pub fn finish_fstat(&mut self, handle: &Handle, ending: &mut Ending) -> Result<Attributes, Error> {
        let id = match ending.fstat.take() {
            Some(id) => id,
            None => self.submit_for(kind::FSTAT, handle)?,
        };
        self.finish_attributes(id)
    }

    /// Waits for the response to CLOSE.
    pub fn finish_close(&mut self, handle: &Handle, ending: &mut Ending) -> Result<(), Error> {
        match ending.close.take() {
            Some(id) => self.finish(id),
            None => self.close(handle),
        }
    }

    pub(super) fn submit_fsync(&mut self, handle: &Handle) -> Result<RequestId, Error> {
        self.submit(kind::EXTENDED, |request| _ = request.string(b"fsync@openssh.com").string(&handle.0))
    }

    /// Takes the response to a fsync. A refusal that may mean lack of support is kept for the end of the file:
    /// [`Client::refused_fsync`].
    pub(super) fn take_fsync(&mut self, response: Response) -> Result<(), Error> {
        match self.expect_ok(response) {
            Err(Error::Refused(status)) if status.as_refused_sync() != RefusedSync::Failed => {
                self.refused_fsync.get_or_insert(status);
                Ok(())
            }
            result => result,
        }
    }

    /// Returns true if the server syncs any files, by a test with another file at `path`, which is removed again.
    pub fn fsync_works(&mut self, path: &str) -> Result<bool, Error> {
        let synced = self.fsync_a_file(path);
        or_refusal(self.remove(path))?.ok(); // what stays there is swept
        Ok(or_refusal(synced)?.is_ok())
    }

    fn fsync_a_file(&mut self, path: &str) -> Result<(), Error> {
        // A full disk has no space for a byte either; then missing support for fsync is not the reason.
        let Ok(handle) = or_refusal(self.open(path, open::WRITE | open::CREATE | open::TRUNCATE))? else {
            return Ok(());
        };
        let synced = match or_refusal(self.write_at(&handle, 0, b"x"))? {
            Ok(()) => self.with_slow_timeout(|client| client.fsync(&handle)),
            Err(_) => Ok(()),
        };
        or_refusal(self.with_slow_timeout(|client| client.close(&handle)))?.ok();
        synced
    }

    fn ask(&mut self, kind: u8, fill: impl FnOnce(&mut Request)) -> Result<Response, Error> {
        let id = self.submit(kind, fill)?;
        self.response(id)
    }

    fn ask_ok(&mut self, kind: u8, fill: impl FnOnce(&mut Request)) -> Result<(), Error> {
        let id = self.submit(kind, fill)?;
        self.finish(id)
    }

    fn ask_handle(&mut self, kind: u8, fill: impl FnOnce(&mut Request)) -> Result<Handle, Error> {
        match self.ask(kind, fill)? {
            Response::Handle(handle) => Ok(Handle(handle)),
            other => self.unexpected(other),
        }
    }

    fn finish_attributes(&mut self, id: RequestId) -> Result<Attributes, Error> {
        match self.response(id)? {
            Response::Attributes(attributes) => Ok(attributes),
            other => self.unexpected(other),
        }
    }

    /// Opens a file with flags of [`open`].
    pub fn open(&mut self, path: &str, flags: u32) -> Result<Handle, Error> {
        self.ask_handle(kind::OPEN, |request| _ = request.string(path.as_bytes()).u32(flags).no_attributes())
    }

    pub fn close(&mut self, handle: &Handle) -> Result<(), Error> {
        self.ask_ok(kind::CLOSE, |request| _ = request.string(&handle.0))
    }

    /// Writes `bytes` with one request.
    pub fn write_at(&mut self, handle: &Handle, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.ask_ok(kind::WRITE, |request| _ = request.string(&handle.0).u64(offset).string(bytes))
    }

    /// Reads up to `count` bytes with one request.
    pub fn read_at(&mut self, handle: &Handle, offset: u64, count: u32) -> Result<Vec<u8>, Error> {
        match self.ask(kind::READ, |request| _ = request.string(&handle.0).u64(offset).u32(count))? {
            Response::Data(bytes) => Ok(bytes),
            other => self.unexpected(other),
        }
    }

    pub fn fstat(&mut self, handle: &Handle) -> Result<Attributes, Error> {
        let id = self.submit_for(kind::FSTAT, handle)?;
        self.finish_attributes(id)
    }

    /// Returns the attributes of `path`, without following a symbolic link.
    pub fn lstat(&mut self, path: &str) -> Result<Attributes, Error> {
        let id = self.submit(kind::LSTAT, |request| _ = request.string(path.as_bytes()))?;
        self.finish_attributes(id)
    }

    /// Returns the attributes of `path`, following symbolic links.
    pub fn stat(&mut self, path: &str) -> Result<Attributes, Error> {
        let id = self.submit(kind::STAT, |request| _ = request.string(path.as_bytes()))?;
        self.finish_attributes(id)
    }

    /// Sets permissions or times. A server may accept one and refuse the other.
    pub fn set_attributes(&mut self, path: &str, attributes: SetAttributes) -> Result<(), Error> {
        let id = self.submit_attributes(path, attributes)?;
        self.finish(id)
    }

    /// Sends what [`Client::set_attributes`] does, without waiting.
    pub fn submit_attributes(&mut self, path: &str, attributes: SetAttributes) -> Result<RequestId, Error> {
        self.submit(kind::SETSTAT, |request| {
            request.string(path.as_bytes());
            match attributes {
                SetAttributes::Mode(mode) => request.u32(ATTR_PERMISSIONS).u32(mode),
                SetAttributes::Times(seconds) => request.u32(ATTR_ACMODTIME).u32(seconds).u32(seconds),
            };
        })
    }

    pub fn remove(&mut self, path: &str) -> Result<(), Error> {
        self.ask_ok(kind::REMOVE, |request| _ = request.string(path.as_bytes()))
    }

    pub fn mkdir(&mut self, path: &str) -> Result<(), Error> {
        self.ask_ok(kind::MKDIR, |request| _ = request.string(path.as_bytes()).no_attributes())
    }

    pub fn rmdir(&mut self, path: &str) -> Result<(), Error> {
        self.ask_ok(kind::RMDIR, |request| _ = request.string(path.as_bytes()))
    }

    /// Renames by version 3. An existing target is handled as the server likes.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        self.ask_ok(kind::RENAME, |request| _ = request.string(from.as_bytes()).string(to.as_bytes()))
    }

    /// Renames by `posix-rename@openssh.com`: replaces the target atomically. Only if the server offers it.
    pub fn posix_rename(&mut self, from: &str, to: &str) -> Result<(), Error> {
        self.ask_ok(kind::EXTENDED, |request| {
            request.string(b"posix-rename@openssh.com").string(from.as_bytes()).string(to.as_bytes());
        })
    }

    /// Syncs by `fsync@openssh.com`. Only if the server offers it.
    pub fn fsync(&mut self, handle: &Handle) -> Result<(), Error> {
        let id = self.submit_fsync(handle)?;
        self.finish(id)
    }

    /// Returns the absolute form of `path`; `.` is the directory after sign-in.
    pub fn realpath(&mut self, path: &str) -> Result<String, Error> {
        match self.ask(kind::REALPATH, |request| _ = request.string(path.as_bytes()))? {
            Response::Names(entries) if entries.len() == 1 => {
                Ok(String::from_utf8_lossy(&entries[0].name).into_owned())
            }
            other => self.unexpected(other),
        }
    }

    pub fn open_directory(&mut self, directory: &str) -> Result<Handle, Error> {
        self.ask_handle(kind::OPENDIR, |request| _ = request.string(directory.as_bytes()))
    }

    /// Requests `statvfs@openssh.com`. Only if the server offers it.
    pub fn space(&mut self, path: &str) -> Result<Space, Error> {
        let asked = |request: &mut Request| _ = request.string(b"statvfs@openssh.com").string(path.as_bytes());
        let bytes = match self.ask(kind::EXTENDED, asked)? {
            Response::Extended(bytes) => bytes,
            other => return self.unexpected(other),
        };
        let mut body = Reader(&bytes);
        let mut number = || body.u64().unwrap_or(0);
        // Block size, fragment size, blocks, free blocks, free blocks for us, three counts of files, the file system's id
        // (OpenSSH's PROTOCOL, 4.4).
        let (_, fragment, blocks, _, free) = (number(), number(), number(), number(), number());
        let (_, _, _, file_system) = (number(), number(), number(), number());
        Ok(Space {
            free_bytes: free.saturating_mul(fragment),
            total_bytes: blocks.saturating_mul(fragment),
            file_system,
        })
    }
}
