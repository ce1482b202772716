//! Publishes files: OPEN temporary → WRITEs → fsync, FSTAT and CLOSE together → (read back) → (mode) → rename.

use super::SftpTarget;
use super::ending::Unfinished;
use super::error::{SftpError, rejected};
use super::fault_points::fault_points;
use super::parallel::Content;
use super::paths::{AtPath, directory_in_the_way};
use crate::deliver::companions;
use crate::deliver::companions::name_taken;
use crate::deliver::names;
use crate::deliver::publish_target;
use crate::deliver::publish_target::PublishTarget;
use crate::deliver::rate_limit::Pace;
use crate::deliver::request::DeliveryRequest;
use crate::deliver::steps::{LEFTOVER, OLD_DONE_FILE};
use crate::deliver::{FinalName, IntendedFile, Intent, RemoteFile, RemoteState, Role, Verdict};
use crate::fault;
use crate::pipeline::plan::DeliveryPlan;
use crate::progress::Meter;
use crate::settings::{DestinationKind, Sftp};
use crate::sftp::{ContentDigest, Handle, Transport, open};

const KEEP_OLD_DONE_FILE: &str = "let the account remove files there: beside new data, the old done file would mean to readers \
                                  that all is complete; or put the slot into the artifact's name";

/// Returns the SFTP settings of a plan's destination.
pub(super) fn settings(plan: &DeliveryPlan) -> Result<&Sftp, Verdict> {
    match &plan.destination.kind {
        DestinationKind::Sftp(sftp) => Ok(sftp),
        DestinationKind::Local(_) | DestinationKind::Webhook(_) => Err(Verdict::Rejected {
            reason: format!("destination {:?} is not an SFTP drop", plan.destination.name),
            hint: None,
        }),
    }
}

impl<T: Transport> PublishTarget for SftpTarget<T> {
    fn write(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        file: &IntendedFile,
        seen: Option<&RemoteFile>,
        meter: &Meter,
    ) -> Result<String, Verdict> {
        self.remove_partial(delivery, intent, file, seen)?;
        let sftp = settings(delivery.plan)?;
        let written = match file.role {
            Role::Data => {
                let spool = &delivery.artifact.path;
                let (source, start, max) =
                    delivery.artifact.open_data(file.of.unwrap_or(0)).map_err(|error| Verdict::Rejected {
                        reason: format!("read {}: {error}", spool.display()),
                        hint: Some("the spool lost the artifact: run the slot again".to_owned()),
                    })?;
                let pace = Pace { bandwidth: sftp.bandwidth, until: delivery.until };
                self.write_checked(delivery, (intent, file), sftp, &Content::Spool { source, start, max, pace }, meter)
            }
            _ => {
                let made = companions::content_of(delivery, file, intent);
                self.write_checked(delivery, (intent, file), sftp, &Content::Made(made), &Meter::default())
            }
        };
        match written {
            // A direct delivery is visible immediately: when contact is lost, what readers see is unknown.
            Err(Verdict::Retryable { reason, .. }) if file.is_direct() && self.client.is_closed() => {
                Err(Verdict::Unknown { reason })
            }
            written => written,
        }
    }

    fn commit_name(&mut self, delivery: &DeliveryRequest<'_>, file: &IntendedFile) -> Result<&'static str, Verdict> {
        if file.is_direct() { Ok("direct") } else { self.rename_into_place(delivery, file) }
    }

    fn remove_temporary(&mut self, file: &IntendedFile) {
        self.try_remove(&file.temporary);
    }

    fn remove_old_done_file(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        done: &IntendedFile,
        replacing: &IntendedFile,
    ) -> Result<(), Verdict> {
        // Where the server cannot replace it, the old files stay complete.
        if !replacing.is_direct() {
            self.choose_strategy(delivery, replacing)?;
        }
        let path = &done.final_path;
        let removed = self
            .client
            .doing("remove the old done file", path, |client| fault::step(OLD_DONE_FILE, || client.remove(path)));
        let Err(error) = removed else { return Ok(()) };
        if error.is_lost() {
            return Err(error.before_publishing());
        }
        // Servers use several statuses for a file that is not there.
        match self.at(path).map_err(SftpError::before_publishing)? {
            AtPath::Absent => Ok(()),
            AtPath::There(_) => Err(match error.before_publishing() {
                Verdict::Rejected { reason, .. } => rejected(reason, KEEP_OLD_DONE_FILE),
                verdict => verdict,
            }),
            AtPath::Hidden => {
                self.note(format!(
                    "an old done file may have been beside the new files until it was replaced: {error}"
                ));
                Ok(())
            }
        }
    }

    fn inspect_final_name(&mut self, file: &IntendedFile) -> Result<FinalName, Verdict> {
        self.final_name(file, true).map_err(SftpError::before_publishing)
    }

    fn remove_leftover(&mut self, file: &IntendedFile) -> Result<Option<String>, Verdict> {
        let path = &file.final_path;
        match self.client.doing("remove", path, |client| fault::step(LEFTOVER, || client.remove(path))) {
            Ok(()) => Ok(None),
            Err(error) if error.is_lost() => Err(error.before_publishing()),
            Err(error) if error.source.is_not_found() => Ok(None),
            Err(error) => Ok(Some(error.to_string())),
        }
    }

    fn add_note(&mut self, note: String) {
        self.note(note);
    }

    fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    fn endpoint(&self) -> (String, Option<String>) {
        (self.address.clone(), self.host_key.clone())
    }
}

impl<T: Transport> SftpTarget<T> {
    pub fn publish(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        seen: Option<&RemoteState>,
        meter: &Meter,
    ) -> Verdict {
        publish_target::publish(self, delivery, intent, seen, meter)
    }

    /// Writes, verifies and closes the temporary file (or, for a direct delivery, the final one); returns how it was
    /// verified. Removes an incomplete file while there is contact, but not a possibly complete one at its final name.
    fn write_checked(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        (intent, file): (&Intent, &IntendedFile),
        sftp: &Sftp,
        content: &Content,
        meter: &Meter,
    ) -> Result<String, Verdict> {
        let before = self.size_before(delivery, file)?;
        let handle = self.open_for_writing(delivery, sftp, file)?;
        if let Err(verdict) = self.fill(file, &handle, content, meter) {
            // Report the first failure.
            let _ = self.client.with_slow_timeout(|client| client.close(&handle));
            self.discard(delivery, intent, file, true, before);
            return Err(verdict);
        }
        match self.end(delivery, sftp, (intent, file), &handle) {
            Ok(verified) => {
                self.set_attributes(delivery, sftp, file)?;
                Ok(verified)
            }
            Err(Unfinished::NotClosed(verdict)) => {
                self.discard(delivery, intent, file, false, before);
                match verdict {
                    Verdict::Retryable { reason, .. } if file.is_direct() => Err(Verdict::Unknown { reason }),
                    verdict => Err(verdict),
                }
            }
            Err(Unfinished::Closed(verdict)) => {
                if !file.is_direct() {
                    self.try_remove(&file.temporary);
                }
                Err(verdict)
            }
        }
    }

    fn open_for_writing(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        sftp: &Sftp,
        file: &IntendedFile,
    ) -> Result<Handle, Verdict> {
        let exclusive = file.is_direct() && !delivery.replacing();
        let how = open::WRITE | open::CREATE | if exclusive { open::EXCLUSIVE } else { open::TRUNCATE };
        if sftp.mkdir && names::remote_parent(&file.temporary) != names::remote_parent(&file.final_path) {
            self.make_directory(sftp, names::remote_parent(&file.final_path))?;
        }
        self.client.refused_fsync = None;
        let mut made = false;
        loop {
            let opened = self.client.doing("open", &file.temporary, |client| {
                fault::step(fault_points(file.role).open, || client.open(&file.temporary, how))
            });
            let error = match opened {
                Ok(handle) => return Ok(handle),
                Err(error) if error.is_lost() => return Err(error.before_publishing()),
                Err(error) => error,
            };
            // Servers use different statuses for "exists already" (3, 4, 11).
            if file.is_direct() {
                match self.at(&file.final_path).map_err(SftpError::before_publishing)? {
                    found if found.is_directory() => return Err(directory_in_the_way(&file.final_path)),
                    AtPath::There(_) if exclusive => return Err(name_taken(delivery.plan.existing, &file.final_path)),
                    _ => {}
                }
            }
            let directory = names::remote_parent(&file.temporary);
            if made || !sftp.mkdir {
                return Err(match self.path_problem(directory, &error)? {
                    Some(verdict) => verdict,
                    None => error.before_publishing(),
                });
            }
            self.make_directory(sftp, directory)?;
            made = true;
        }
    }

    /// Sends all bytes into the open file. Returns once every write is acknowledged.
    fn fill(&mut self, file: &IntendedFile, handle: &Handle, content: &Content, meter: &Meter) -> Result<(), Verdict> {
        let ContentDigest { bytes, sha256 } = self.send(file, handle, content, meter)?;
        if bytes == file.bytes && sha256 == file.sha256 {
            return Ok(());
        }
        let reason = format!(
            "the spool file was altered since it was made: {bytes} bytes read with SHA-256 {sha256}, {} bytes with {} expected",
            file.bytes, file.sha256
        );
        Err(rejected(reason, "run the slot again"))
    }

    /// Returns size and digest of the file at `path`; reads at most one byte more than `expected`.
    pub(super) fn digest_of(&mut self, path: &str, expected: u64) -> Result<ContentDigest, SftpError> {
        self.client.doing("read back", path, |client| {
            let handle = client.open(path, open::READ)?;
            let found = client.download_digest(&handle, expected.saturating_add(1));
            let closed = client.close(&handle);
            let found = found?;
            closed?;
            Ok(found)
        })
    }

    /// Removes one of our files that is obsolete. If that fails, a later sweep removes it.
    pub(super) fn try_remove(&mut self, path: &str) {
        if !self.client.is_closed() {
            let _ = self.client.doing("remove", path, |client| client.remove(path));
        }
    }

    /// Adds to the receipt what the server refused, once.
    pub(super) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}
