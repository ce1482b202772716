//! Files published: OPEN temporary → WRITEs → fsync, FSTAT and CLOSE together → (read back) → (mode) → rename.

use super::SftpDrop;
use super::client::{Handle, Wire};
use super::flow::{UploadError, Uploaded};
use super::packet::open;
use super::requests::Ending;
use super::split::Content;
use super::trouble::Trouble;
use crate::deliver::files::{self, Files};
use crate::deliver::names;
use crate::deliver::paced::{Pace, TOO_LONG};
use crate::deliver::session::Put;
use crate::deliver::side;
use crate::deliver::{IntendedFile, Intent, Role, Seen, SeenFile, Verdict};
use crate::fault;
use crate::pipeline::plan::{DeliveryPlan, Existing};
use crate::progress::Meter;
use crate::settings::{DestinationKind, Pickup, Sftp, Verify};

/// The fault points of one role.
pub(super) struct Steps {
    open: &'static str,
    pub write: &'static str,
    close: &'static str,
    pub rename: &'static str,
}

pub(super) fn steps(role: Role) -> &'static Steps {
    match role {
        Role::Data => &Steps { open: "sftp.open", write: "sftp.write", close: "sftp.close", rename: "sftp.rename" },
        Role::Checksum => &Steps {
            open: "checksum.open",
            write: "checksum.write",
            close: "checksum.close",
            rename: "checksum.rename",
        },
        Role::Manifest => &Steps {
            open: "manifest.open",
            write: "manifest.write",
            close: "manifest.close",
            rename: "manifest.rename",
        },
        Role::Done => &Steps { open: "done.open", write: "done.write", close: "done.close", rename: "done.rename" },
    }
}

pub(super) fn rejected(reason: impl Into<String>, hint: &str) -> Verdict {
    Verdict::Rejected { reason: reason.into(), hint: Some(hint.to_owned()) }
}

/// The SFTP settings of a plan's destination.
pub(super) fn settings(plan: &DeliveryPlan) -> Result<&Sftp, Verdict> {
    match &plan.destination.kind {
        DestinationKind::Sftp(sftp) => Ok(sftp),
        DestinationKind::Local(_) | DestinationKind::Webhook(_) => Err(Verdict::Rejected {
            reason: format!("destination {:?} is not an SFTP drop", plan.destination.name),
            hint: None,
        }),
    }
}

/// What a name that is taken means for the delivery.
pub(in crate::deliver) fn taken(existing: Existing, path: &str) -> Verdict {
    let reason = format!("{path} is there already");
    match existing {
        Existing::Keep => Verdict::Skipped { reason },
        // The number was free when the intent was made: another one has to be chosen.
        Existing::Number => Verdict::Unreached { reason, wait: None },
        Existing::Fail | Existing::Replace => {
            rejected(reason, "remove it there, or set `existing: replace`, `keep` or `number` for the delivery")
        }
    }
}

impl<W: Wire> Files for SftpDrop<W> {
    fn write(
        &mut self,
        put: &Put<'_>,
        intent: &Intent,
        file: &IntendedFile,
        seen: Option<&SeenFile>,
        meter: &Meter,
    ) -> Result<String, Verdict> {
        self.clear_own_beginning(put, file, seen)?;
        let sftp = settings(put.plan)?;
        let written = match file.role {
            Role::Data => {
                let spool = &put.artifact.path;
                let (source, start, most) =
                    put.artifact.open_data(file.of.unwrap_or(0)).map_err(|error| Verdict::Rejected {
                        reason: format!("read {}: {error}", spool.display()),
                        hint: Some("the spool lost the artifact: run the slot again".to_owned()),
                    })?;
                let pace = Pace { bandwidth: sftp.bandwidth, until: put.until };
                self.write_checked(put, sftp, file, &Content::Spool { source, start, most, pace }, meter)
            }
            _ => {
                let made = side::content_of(put, file, intent);
                self.write_checked(put, sftp, file, &Content::Made(made), &Meter::default())
            }
        };
        match written {
            // A direct put has no cover: when contact is lost, nobody knows what readers see.
            Err(Verdict::Unreached { reason, .. }) if file.is_direct() && self.client.is_over() => {
                Err(Verdict::Unknown { reason })
            }
            written => written,
        }
    }

    fn take_name(&mut self, put: &Put<'_>, file: &IntendedFile) -> Result<&'static str, Verdict> {
        if file.is_direct() { Ok("direct") } else { self.rename_into_place(put, file) }
    }

    fn remove_temporary(&mut self, file: &IntendedFile) {
        self.remove_quietly(&file.temporary);
    }

    fn whereabouts(&self) -> (String, Option<String>) {
        (self.address.clone(), self.host_key.as_ref().map(|key| key.fingerprint.clone()))
    }
}

impl<W: Wire> SftpDrop<W> {
    pub fn publish(&mut self, put: &Put<'_>, intent: &Intent, seen: Option<&Seen>, meter: &Meter) -> Verdict {
        files::publish(self, put, intent, seen, meter)
    }

    /// Writes, checks and closes the temporary file (or, for a direct put, the final one); returns how it was checked.
    /// What is half written is removed again while there is contact.
    fn write_checked(
        &mut self,
        put: &Put<'_>,
        sftp: &Sftp,
        file: &IntendedFile,
        content: &Content,
        meter: &Meter,
    ) -> Result<String, Verdict> {
        let handle = self.open_for_writing(put, sftp, file)?;
        if let Err(verdict) = self.fill(file, &handle, content, meter) {
            let _ = self.client.close(&handle); // the first failure is the one that is told
            self.remove_quietly(&file.temporary);
            return Err(verdict);
        }
        let (size_check, closed) = match self.end(sftp, file, &handle) {
            Ok(ended) => ended,
            Err(verdict) => {
                self.remove_quietly(&file.temporary);
                return Err(verdict);
            }
        };
        let verified = closed.map_err(Trouble::before_publishing).and_then(|()| match sftp.verify {
            Verify::ReadBack => match self.check_by_reading(file) {
                // It was measured while it was open, and closed without a word.
                Err(_) if put.plan.destination.pickup == Pickup::Immediate && self.is_absent_now(file) => {
                    Ok(format!("{size_check}; picked up before it could be read back"))
                }
                checked => checked,
            },
            Verify::Size => Ok(size_check),
        });
        if verified.is_err() {
            self.remove_quietly(&file.temporary);
        } else if let Some(mode) = sftp.mode {
            self.set_mode(file, mode)?;
        }
        verified
    }

    fn is_absent_now(&mut self, file: &IntendedFile) -> bool {
        matches!(self.is_taken(&file.temporary), Ok(Some(false)))
    }

    fn open_for_writing(&mut self, put: &Put<'_>, sftp: &Sftp, file: &IntendedFile) -> Result<Handle, Verdict> {
        let exclusive = file.is_direct() && !put.replacing();
        let how = open::WRITE | open::CREATE | if exclusive { open::EXCLUSIVE } else { open::TRUNCATE };
        if sftp.mkdir && names::remote_parent(&file.temporary) != names::remote_parent(&file.final_path) {
            self.make_directory(names::remote_parent(&file.final_path)).map_err(Trouble::before_publishing)?;
        }
        let mut made = false;
        loop {
            let opened = self.client.doing("open", &file.temporary, |client| {
                fault::step(steps(file.role).open, || client.open(&file.temporary, how))
            });
            let trouble = match opened {
                Ok(handle) => return Ok(handle),
                Err(trouble) if trouble.is_lost() => return Err(trouble.before_publishing()),
                Err(trouble) => trouble,
            };
            // What "exists already" is called differs (3, 4, 11): look.
            if exclusive && self.is_taken(&file.final_path).map_err(Trouble::before_publishing)? == Some(true) {
                return Err(taken(put.plan.existing, &file.final_path));
            }
            if made || !sftp.mkdir {
                return Err(trouble.before_publishing());
            }
            self.make_directory(names::remote_parent(&file.temporary)).map_err(Trouble::before_publishing)?;
            made = true;
        }
    }

    /// Sends all bytes into the open file; every write has been acknowledged then.
    fn fill(&mut self, file: &IntendedFile, handle: &Handle, content: &Content, meter: &Meter) -> Result<(), Verdict> {
        match self.send(file, handle, content, meter) {
            Ok(Uploaded { bytes, sha256 }) if bytes == file.bytes && sha256 == file.sha256 => Ok(()),
            Ok(Uploaded { bytes, sha256 }) => Err(rejected(
                format!(
                    "the spool file was altered since it was made: {bytes} bytes read with SHA-256 {sha256}, {} bytes with {} expected",
                    file.bytes, file.sha256
                ),
                "run the slot again",
            )),
            Err(UploadError::Source(error)) if error.kind() == std::io::ErrorKind::TimedOut => {
                Err(Verdict::Unreached { reason: TOO_LONG.to_owned(), wait: None })
            }
            Err(UploadError::Source(error)) => {
                Err(rejected(format!("read the spool file: {error}"), "run the slot again"))
            }
            Err(UploadError::Server(failure)) => {
                Err(Trouble::new("write", &file.temporary, failure).before_publishing())
            }
            Err(UploadError::Beside(trouble)) => Err(trouble.before_publishing()),
        }
    }

    /// fsync, FSTAT and CLOSE in one round trip; answers how the size was checked, and how closing ended.
    fn end(
        &mut self,
        sftp: &Sftp,
        file: &IntendedFile,
        handle: &Handle,
    ) -> Result<(String, Result<(), Trouble>), Verdict> {
        let path = &file.temporary;
        let fsync = sftp.fsync && self.client.extensions.fsync && file.role == Role::Data;
        let posted = self.client.doing("close", path, |client| client.post_ending(handle, fsync));
        let mut ending = posted.map_err(Trouble::before_publishing)?;
        let checked = self.check_open(file, handle, fsync, &mut ending);
        let closed = self
            .client
            .doing("close", path, |client| fault::step(steps(file.role).close, || client.closed(handle, &mut ending)));
        Ok((checked?, closed))
    }

    fn check_open(
        &mut self,
        file: &IntendedFile,
        handle: &Handle,
        fsync: bool,
        ending: &mut Ending,
    ) -> Result<String, Verdict> {
        if fsync {
            let synced = self
                .client
                .doing("fsync", &file.temporary, |client| fault::step("sftp.fsync", || client.fsynced(handle, ending)));
            synced.map_err(Trouble::before_publishing)?;
        }
        let stated = self.client.doing("stat", &file.temporary, |client| match file.role {
            Role::Data => fault::step("sftp.fstat", || client.fstated(handle, ending)),
            _ => client.fstated(handle, ending),
        });
        match stated.map(|attributes| attributes.size) {
            Ok(Some(bytes)) if bytes == file.bytes => Ok("size".to_owned()),
            Ok(Some(bytes)) => Err(Verdict::Unreached {
                reason: format!("{} has {bytes} bytes at the server, not {}", file.temporary, file.bytes),
                wait: None,
            }),
            Ok(None) => Ok("acknowledged; the server does not tell sizes".to_owned()),
            Err(trouble) if trouble.is_lost() => Err(trouble.before_publishing()),
            Err(trouble) => Ok(format!("acknowledged; {}", trouble.failure)),
        }
    }

    fn check_by_reading(&mut self, file: &IntendedFile) -> Result<String, Verdict> {
        let path = &file.temporary;
        match self.digest_of(path, file.bytes) {
            Ok(found) if found.bytes == file.bytes && found.sha256 == file.sha256 => Ok("read_back".to_owned()),
            Ok(found) => Err(Verdict::Unreached {
                reason: format!(
                    "{path} reads back as {} bytes with SHA-256 {}, not {} with {}",
                    found.bytes, found.sha256, file.bytes, file.sha256
                ),
                wait: None,
            }),
            Err(trouble) if trouble.is_lost() => Err(trouble.before_publishing()),
            Err(trouble) => Err(rejected(
                trouble.to_string(),
                "the server lets nobody read: set `verify: size` for the destination",
            )),
        }
    }

    /// Size and digest of the file at `path`; one byte more than `expected` is read at most.
    pub(super) fn digest_of(&mut self, path: &str, expected: u64) -> Result<Uploaded, Trouble> {
        let flow = self.flow;
        self.client.doing("read back", path, |client| {
            let handle = client.open(path, open::READ)?;
            let found = client.download_digest(&handle, expected.saturating_add(1), flow);
            let closed = client.close(&handle);
            let found = found?;
            closed?;
            Ok(found)
        })
    }

    /// A server that refuses to set permissions still took the file.
    fn set_mode(&mut self, file: &IntendedFile, mode: u32) -> Result<(), Verdict> {
        let set = self.client.doing("set the mode of", &file.temporary, |client| match file.role {
            Role::Data => fault::step("sftp.setstat", || client.set_mode(&file.temporary, mode)),
            _ => client.set_mode(&file.temporary, mode),
        });
        match set {
            Err(trouble) if trouble.is_lost() => Err(trouble.before_publishing()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes a file of ours that is of no use. A failure changes nothing: the sweep comes by again.
    pub(super) fn remove_quietly(&mut self, path: &str) {
        if !self.client.is_over() {
            let _ = self.client.doing("remove", path, |client| client.remove(path));
        }
    }

    /// Makes a directory and its parents. What a server says about one that exists differs, so its word counts only when
    /// the directory is not there in the end.
    fn make_directory(&mut self, directory: &str) -> Result<(), Trouble> {
        let exists = |drop: &mut Self, path: &str| match drop.client.doing("stat", path, |client| client.stat(path)) {
            Ok(_) => Ok(true),
            Err(trouble) if trouble.is_lost() => Err(trouble),
            Err(_) => Ok(false),
        };
        if directory.is_empty() || exists(self, directory)? {
            return Ok(());
        }
        let ends = directory.char_indices().filter(|&(at, c)| c == '/' && at > 0).map(|(at, _)| at);
        for end in ends.chain([directory.len()]) {
            let path = &directory[..end];
            let made = self.client.doing("make the directory", path, |client| client.mkdir(path));
            match made {
                Ok(()) => {}
                Err(trouble) if trouble.is_lost() => return Err(trouble),
                Err(trouble) if end == directory.len() && !exists(self, path)? => return Err(trouble),
                Err(_) => {}
            }
        }
        Ok(())
    }
}
