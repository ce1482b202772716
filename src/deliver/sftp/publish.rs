//! Files published: OPEN temporary → WRITEs → fsync, FSTAT and CLOSE together → (read back) → (mode) → rename.

use super::SftpDrop;
use super::client::{Handle, Wire};
use super::ending::Unfinished;
use super::flow::{UploadError, Uploaded};
use super::packet::open;
use super::paths::{AtPath, directory_in_the_way};
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
use crate::settings::{DestinationKind, Sftp};

/// The fault points of one role.
pub(super) struct Steps {
    open: &'static str,
    pub write: &'static str,
    pub close: &'static str,
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
        self.clear_own_beginning(put, intent, file, seen)?;
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
                self.write_checked(put, (intent, file), sftp, &Content::Spool { source, start, most, pace }, meter)
            }
            _ => {
                let made = side::content_of(put, file, intent);
                self.write_checked(put, (intent, file), sftp, &Content::Made(made), &Meter::default())
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

    fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
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
    /// What is half written is removed again while there is contact; a file at its final name that may be whole is not.
    fn write_checked(
        &mut self,
        put: &Put<'_>,
        (intent, file): (&Intent, &IntendedFile),
        sftp: &Sftp,
        content: &Content,
        meter: &Meter,
    ) -> Result<String, Verdict> {
        let before = self.size_before(put, file)?;
        let handle = self.open_for_writing(put, sftp, file)?;
        if let Err(verdict) = self.fill(file, &handle, content, meter) {
            // The first failure is the one that is reported.
            let _ = self.client.slowly(|client| client.close(&handle));
            self.abandon(put, intent, file, true, before);
            return Err(verdict);
        }
        match self.end(put, sftp, (intent, file), &handle) {
            Ok(verified) => {
                self.set_attributes(put, sftp, file)?;
                Ok(verified)
            }
            Err(Unfinished::NotClosed(verdict)) => {
                self.abandon(put, intent, file, false, before);
                match verdict {
                    Verdict::Unreached { reason, .. } if file.is_direct() => Err(Verdict::Unknown { reason }),
                    verdict => Err(verdict),
                }
            }
            Err(Unfinished::Closed(verdict)) => {
                if !file.is_direct() {
                    self.remove_quietly(&file.temporary);
                }
                Err(verdict)
            }
        }
    }

    fn open_for_writing(&mut self, put: &Put<'_>, sftp: &Sftp, file: &IntendedFile) -> Result<Handle, Verdict> {
        let exclusive = file.is_direct() && !put.replacing();
        let how = open::WRITE | open::CREATE | if exclusive { open::EXCLUSIVE } else { open::TRUNCATE };
        if sftp.mkdir && names::remote_parent(&file.temporary) != names::remote_parent(&file.final_path) {
            self.make_directory(sftp, names::remote_parent(&file.final_path))?;
        }
        self.client.refused_fsync = None;
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
            if file.is_direct() {
                match self.at(&file.final_path).map_err(Trouble::before_publishing)? {
                    found if found.is_directory() => return Err(directory_in_the_way(&file.final_path)),
                    AtPath::There(_) if exclusive => return Err(taken(put.plan.existing, &file.final_path)),
                    _ => {}
                }
            }
            let directory = names::remote_parent(&file.temporary);
            if made || !sftp.mkdir {
                return Err(match self.path_problem(directory, &trouble)? {
                    Some(verdict) => verdict,
                    None => trouble.before_publishing(),
                });
            }
            self.make_directory(sftp, directory)?;
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

    /// Removes a file of ours that is of no use. A failure changes nothing: the sweep comes by again.
    pub(super) fn remove_quietly(&mut self, path: &str) {
        if !self.client.is_over() {
            let _ = self.client.doing("remove", path, |client| client.remove(path));
        }
    }

    /// Keeps for the receipt what the server refused, once.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}
