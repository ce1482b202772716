//! The requests of SFTP version 3, and OpenSSH's extensions of it, one method each.
//!
//! Paths are UTF-8, as every server of today takes them. A refusal is a [`Failure::Refused`] with the server's status.

use super::answer::{ATTR_ACMODTIME, ATTR_PERMISSIONS, Answer, Attributes, Status};
use super::client::{Client, Failure, Handle, Ticket, Wire};
use super::packet::{Body, Request, code, kind, open};
use super::rules::{self, RefusedSync};

/// A server's own limits, by `limits@openssh.com`; 0 is "not limited".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerLimits {
    pub packet_bytes: u64,
    pub read_bytes: u64,
    pub write_bytes: u64,
    pub open_handles: u64,
}

/// What a SETSTAT sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetAttributes {
    /// Permission bits.
    Mode(u32),
    /// The times of access and modification, both, in seconds since the Unix epoch.
    Times(u32),
}

/// How full the server's file system is, and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    pub free_bytes: u64,
    pub total_bytes: u64,
    /// 0 where the server does not say.
    pub file_system: u64,
}

/// The requests that end the writing of a file, all on their way at once: a server does those for one file in the order in
/// which they came (draft-ietf-secsh-filexfer-02, 4.1). Each is asked for once; asked for again, it is sent again.
#[derive(Debug, Default)]
pub struct Ending {
    fsync: Option<Ticket>,
    fstat: Option<Ticket>,
    close: Option<Ticket>,
}

impl<W: Wire> Client<W> {
    /// Sends what ends the writing of a file: FSYNC and FSTAT, where they are wanted, and CLOSE.
    pub fn post_ending(&mut self, handle: &Handle, fsync: bool, fstat: bool) -> Result<Ending, Failure> {
        let mut ending = Ending::default();
        if fsync {
            ending.fsync = Some(self.post_fsync(handle)?);
        }
        for (wanted, kind, slot) in [(fstat, kind::FSTAT, &mut ending.fstat), (true, kind::CLOSE, &mut ending.close)] {
            if wanted {
                let (ticket, request) = self.begin(kind);
                request.string(&handle.0);
                self.post(ticket)?;
                *slot = Some(ticket);
            }
        }
        Ok(ending)
    }

    pub fn fsynced(&mut self, handle: &Handle, ending: &mut Ending) -> Result<(), Failure> {
        let ticket = match ending.fsync.take() {
            Some(ticket) => ticket,
            None => self.post_fsync(handle)?,
        };
        let answer = self.answer(ticket)?;
        self.fsync_done(answer)
    }

    pub(super) fn post_fsync(&mut self, handle: &Handle) -> Result<Ticket, Failure> {
        let (ticket, request) = self.begin(kind::EXTENDED);
        request.string(b"fsync@openssh.com").string(&handle.0);
        self.post(ticket)?;
        Ok(ticket)
    }

    /// Takes the answer to a fsync. One that the server refuses to do, or may refuse, is kept for the end of the file:
    /// [`Client::refused_fsync`].
    pub(super) fn fsync_done(&mut self, answer: Answer) -> Result<(), Failure> {
        let refused = match self.done(answer) {
            Err(Failure::Refused(status)) => status,
            done => return done,
        };
        if rules::refused_fsync(&refused) == RefusedSync::Failed {
            return Err(Failure::Refused(refused));
        }
        self.refused_fsync.get_or_insert(refused);
        Ok(())
    }

    /// Returns whether the server syncs files at all: it is asked to sync another one, at `path`, which is removed again.
    pub fn fsync_works(&mut self, path: &str) -> Result<bool, Failure> {
        let synced = self.fsync_a_file(path);
        match self.remove(path) {
            Err(lost @ Failure::Lost(_)) => Err(lost),
            _ => match synced {
                Ok(()) => Ok(true),
                Err(Failure::Refused(_)) => Ok(false),
                Err(lost) => Err(lost),
            },
        }
    }

    fn fsync_a_file(&mut self, path: &str) -> Result<(), Failure> {
        // A disk that is full has no place for a byte either: then it is not fsync that the server cannot do.
        let handle = match self.open(path, open::WRITE | open::CREATE | open::TRUNCATE) {
            Err(Failure::Refused(_)) => return Ok(()),
            opened => opened?,
        };
        let written = self.write_once(&handle, 0, b"x");
        let synced = match written {
            Err(Failure::Refused(_)) => Ok(()),
            Err(lost) => Err(lost),
            Ok(()) => self.slowly(|client| client.fsync(&handle)),
        };
        match self.slowly(|client| client.close(&handle)) {
            Err(lost @ Failure::Lost(_)) => Err(lost),
            _ => synced,
        }
    }

    /// Writes `bytes` with one request.
    pub(super) fn write_once(&mut self, handle: &Handle, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        let (ticket, request) = self.begin(kind::WRITE);
        request.string(&handle.0).u64(offset).string(bytes);
        self.post(ticket)?;
        let answer = self.answer(ticket)?;
        self.done(answer)
    }

    pub fn fstated(&mut self, handle: &Handle, ending: &mut Ending) -> Result<Attributes, Failure> {
        let Some(ticket) = ending.fstat.take() else { return self.fstat(handle) };
        match self.answer(ticket)? {
            Answer::Attributes(attributes) => Ok(attributes),
            other => self.refused(other),
        }
    }

    pub fn closed(&mut self, handle: &Handle, ending: &mut Ending) -> Result<(), Failure> {
        let Some(ticket) = ending.close.take() else { return self.close(handle) };
        let answer = self.answer(ticket)?;
        self.done(answer)
    }

    fn ask(&mut self, kind: u8, fill: impl FnOnce(&mut Request)) -> Result<Answer, Failure> {
        let (ticket, request) = self.begin(kind);
        fill(request);
        self.post(ticket)?;
        self.answer(ticket)
    }

    fn ask_done(&mut self, kind: u8, fill: impl FnOnce(&mut Request)) -> Result<(), Failure> {
        let answer = self.ask(kind, fill)?;
        self.done(answer)
    }

    pub(super) fn done(&mut self, answer: Answer) -> Result<(), Failure> {
        match answer {
            Answer::Status(Status { code: code::OK, .. }) => Ok(()),
            other => self.refused(other),
        }
    }

    /// The failure that an answer of another kind than expected stands for.
    pub(super) fn refused<T>(&mut self, answer: Answer) -> Result<T, Failure> {
        match answer {
            Answer::Status(status) if status.code != code::OK => Err(Failure::Refused(status)),
            _ => self.lost("the server breaks the protocol: an answer does not fit its request".to_owned()),
        }
    }

    fn ask_handle(&mut self, kind: u8, fill: impl FnOnce(&mut Request)) -> Result<Handle, Failure> {
        match self.ask(kind, fill)? {
            Answer::Handle(handle) => Ok(Handle(handle)),
            other => self.refused(other),
        }
    }

    fn ask_attributes(&mut self, kind: u8, of: &[u8]) -> Result<Attributes, Failure> {
        match self.ask(kind, |request| _ = request.string(of))? {
            Answer::Attributes(attributes) => Ok(attributes),
            other => self.refused(other),
        }
    }

    /// `how` is made of `packet::open`.
    pub fn open(&mut self, path: &str, how: u32) -> Result<Handle, Failure> {
        self.ask_handle(kind::OPEN, |request| _ = request.string(path.as_bytes()).u32(how).no_attributes())
    }

    pub fn close(&mut self, handle: &Handle) -> Result<(), Failure> {
        self.ask_done(kind::CLOSE, |request| _ = request.string(&handle.0))
    }

    pub fn fstat(&mut self, handle: &Handle) -> Result<Attributes, Failure> {
        self.ask_attributes(kind::FSTAT, &handle.0)
    }

    /// What lies at `path`, a symbolic link itself.
    pub fn lstat(&mut self, path: &str) -> Result<Attributes, Failure> {
        self.ask_attributes(kind::LSTAT, path.as_bytes())
    }

    /// What lies at `path`, symbolic links followed.
    pub fn stat(&mut self, path: &str) -> Result<Attributes, Failure> {
        self.ask_attributes(kind::STAT, path.as_bytes())
    }

    /// Sets permissions, or the times of access and modification; a server that takes the one may refuse the other.
    pub fn set_attributes(&mut self, path: &str, attributes: SetAttributes) -> Result<(), Failure> {
        let ticket = self.post_attributes(path, attributes)?;
        self.attributes_set(ticket)
    }

    pub(super) fn post_attributes(&mut self, path: &str, attributes: SetAttributes) -> Result<Ticket, Failure> {
        let (ticket, request) = self.begin(kind::SETSTAT);
        request.string(path.as_bytes());
        match attributes {
            SetAttributes::Mode(mode) => request.u32(ATTR_PERMISSIONS).u32(mode),
            SetAttributes::Times(seconds) => request.u32(ATTR_ACMODTIME).u32(seconds).u32(seconds),
        };
        self.post(ticket)?;
        Ok(ticket)
    }

    pub(super) fn attributes_set(&mut self, ticket: Ticket) -> Result<(), Failure> {
        let answer = self.answer(ticket)?;
        self.done(answer)
    }

    pub fn remove(&mut self, path: &str) -> Result<(), Failure> {
        self.ask_done(kind::REMOVE, |request| _ = request.string(path.as_bytes()))
    }

    pub fn mkdir(&mut self, path: &str) -> Result<(), Failure> {
        self.ask_done(kind::MKDIR, |request| _ = request.string(path.as_bytes()).no_attributes())
    }

    /// Version 3's rename. What it does to an existing target is up to the server.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Failure> {
        self.ask_done(kind::RENAME, |request| _ = request.string(from.as_bytes()).string(to.as_bytes()))
    }

    /// `posix-rename@openssh.com`: takes the target's place at once. Only where it is offered.
    pub fn posix_rename(&mut self, from: &str, to: &str) -> Result<(), Failure> {
        self.ask_done(kind::EXTENDED, |request| {
            request.string(b"posix-rename@openssh.com").string(from.as_bytes()).string(to.as_bytes());
        })
    }

    /// `fsync@openssh.com`. Only where it is offered.
    pub fn fsync(&mut self, handle: &Handle) -> Result<(), Failure> {
        let ticket = self.post_fsync(handle)?;
        let answer = self.answer(ticket)?;
        self.done(answer)
    }

    /// `limits@openssh.com`. Only where it is offered.
    pub fn limits(&mut self) -> Result<ServerLimits, Failure> {
        let bytes = match self.ask(kind::EXTENDED, |request| _ = request.string(b"limits@openssh.com"))? {
            Answer::Extended(bytes) => bytes,
            other => return self.refused(other),
        };
        let mut body = Body(&bytes);
        let mut number = || body.u64().unwrap_or(0);
        Ok(ServerLimits { packet_bytes: number(), read_bytes: number(), write_bytes: number(), open_handles: number() })
    }

    /// The absolute path that `path` stands for; `.` is where sign-in leads.
    pub fn realpath(&mut self, path: &str) -> Result<String, Failure> {
        match self.ask(kind::REALPATH, |request| _ = request.string(path.as_bytes()))? {
            Answer::Names(entries) if entries.len() == 1 => Ok(String::from_utf8_lossy(&entries[0].name).into_owned()),
            other => self.refused(other),
        }
    }

    pub(super) fn open_directory(&mut self, directory: &str) -> Result<Handle, Failure> {
        self.ask_handle(kind::OPENDIR, |request| _ = request.string(directory.as_bytes()))
    }

    /// `statvfs@openssh.com`. Only where it is offered.
    pub fn space(&mut self, path: &str) -> Result<Space, Failure> {
        let asked = |request: &mut Request| _ = request.string(b"statvfs@openssh.com").string(path.as_bytes());
        let bytes = match self.ask(kind::EXTENDED, asked)? {
            Answer::Extended(bytes) => bytes,
            other => return self.refused(other),
        };
        let mut body = Body(&bytes);
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
