//! Finishes writing a file: fsync, FSTAT and CLOSE in one round trip, and their results.
//!
//! Gateways to object stores report, while a file is open, the previous object at that path, and finish the upload at
//! CLOSE. So a size that differs is measured again after closing.

use super::SftpTarget;
use super::error::{SftpError, rejected};
use super::fault_points::fault_points;
use super::paths::AtPath;
use super::refused::dropped_empty;
use super::rules::{self, Measured};
use crate::deliver::request::DeliveryRequest;
use crate::deliver::{IntendedFile, Intent, Role, Verdict, names};
use crate::fault;
use crate::settings::{Pickup, Sftp, Verify};
use crate::sftp::{self, Attributes, Handle, RefusedSync, Status, Transport};

/// The results of the requests that end a file.
struct Ended {
    synced: Result<(), SftpError>,
    /// `None` if it was not requested.
    stated: Option<Result<Attributes, SftpError>>,
    closed: Result<(), SftpError>,
}

/// State of a file that is incomplete, or not known to be complete.
pub(super) enum Unfinished {
    /// Not closed, or closed with an error: the file at its name may be partial.
    NotClosed(Verdict),
    /// Closed cleanly: at its final name, it belongs to the reader.
    Closed(Verdict),
}

impl<T: Transport> SftpTarget<T> {
    /// Finishes writing a file; returns how it was verified.
    pub(super) fn end(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        sftp: &Sftp,
        (intent, file): (&Intent, &IntendedFile),
        handle: &Handle,
    ) -> Result<String, Unfinished> {
        let Ended { synced, stated, closed } =
            self.ended(sftp, file, handle).map_err(|lost| Unfinished::NotClosed(lost.before_publishing()))?;
        closed.map_err(|error| Unfinished::NotClosed(error.before_publishing()))?;
        let checked = self
            .check_sync(delivery, file, synced)
            .and_then(|()| self.check_closed(delivery, sftp, (intent, file), stated));
        checked.map_err(|verdict| {
            Unfinished::Closed(match verdict {
                Verdict::Retryable { reason, .. } if file.is_direct() => Verdict::Unknown { reason },
                verdict => verdict,
            })
        })
    }

    /// Sends all three in one round trip, each with the timeout `timeouts.rename`.
    fn ended(&mut self, sftp: &Sftp, file: &IntendedFile, handle: &Handle) -> Result<Ended, SftpError> {
        let path = &file.temporary;
        let fsync = sftp.fsync && self.client.extensions.fsync && file.role == Role::Data;
        let fstat = sftp.verify != Verify::None;
        self.client.with_slow_timeout(|client| {
            let mut ending = client.doing("close", path, |client| client.submit_ending(handle, fsync, fstat))?;
            let synced = match fsync {
                true => client.doing("fsync", path, |client| {
                    fault::step("sftp.fsync", || client.finish_fsync(handle, &mut ending))
                }),
                false => Ok(()),
            };
            let stated = fstat.then(|| {
                client.doing("stat", path, |client| match file.role {
                    Role::Data => fault::step("sftp.fstat", || client.finish_fstat(handle, &mut ending)),
                    _ => client.finish_fstat(handle, &mut ending),
                })
            });
            let closed = client.doing("close", path, |client| {
                fault::step(fault_points(file.role).close, || client.finish_close(handle, &mut ending))
            });
            // Report the first loss.
            match (&synced, &stated) {
                (Err(lost), _) | (_, Some(Err(lost))) if lost.is_lost() => Err(lost.clone()),
                _ => match closed {
                    Err(lost) if lost.is_lost() => Err(lost),
                    closed => Ok(Ended { synced, stated, closed }),
                },
            }
        })
    }

    /// Judges the result of fsync: a server that does not support it is not a failure; a full or broken disk is.
    fn check_sync(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
        synced: Result<(), SftpError>,
    ) -> Result<(), Verdict> {
        let along = self.client.refused_fsync.take();
        let refused: Status = match (synced, along) {
            (Err(error), _) => match &error.source {
                sftp::Error::Refused(status) if status.as_refused_sync() != RefusedSync::Failed => status.clone(),
                _ => return Err(error.before_publishing()),
            },
            (Ok(()), Some(status)) => status,
            (Ok(()), None) => return Ok(()),
        };
        let path = &file.temporary;
        // A direct delivery belongs to the reader by now, whatever happens to the disk.
        if refused.as_refused_sync() == RefusedSync::Unclear && !file.is_direct() {
            let name = file.final_path.rsplit('/').next().unwrap_or_default();
            let probe = names::temporary(&format!("{name}.sync"), delivery.run);
            let probe = names::remote_path(names::remote_parent(path), &probe);
            let works = self.client.doing("fsync", path, |client| client.fsync_works(&probe));
            if works.map_err(SftpError::before_publishing)? {
                return Err(SftpError::new("fsync", path, sftp::Error::Refused(refused)).before_publishing());
            }
        }
        self.note(format!("the server refused fsync: {refused}; it decides itself when the file is on its disk"));
        Ok(())
    }

    fn check_closed(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        sftp: &Sftp,
        (intent, file): (&Intent, &IntendedFile),
        stated: Option<Result<Attributes, SftpError>>,
    ) -> Result<String, Verdict> {
        let picked_up = delivery.plan.destination.pickup == Pickup::Immediate;
        if file.bytes == 0 && file.is_direct() && !picked_up && self.is_absent_now(file) {
            // If the data is gone too, a reader took both.
            let data = intent.data().find(|data| data.of == file.of && data.bytes > 0);
            if data.is_none_or(|data| matches!(self.at(&data.final_path), Ok(AtPath::There(_)))) {
                return Err(dropped_empty(file));
            }
        }
        match (sftp.verify, stated) {
            (Verify::None, _) | (_, None) => Ok("acknowledged; `verify: none`".to_owned()),
            (Verify::Size, Some(stated)) => self.check_size(delivery, file, stated),
            (Verify::ReadBack, Some(stated)) => match self.check_by_reading(file) {
                // Its size was measured while it was open, and it closed without an error.
                Err(_) if picked_up && self.is_absent_now(file) => {
                    let size = self.check_size(delivery, file, stated)?;
                    Ok(format!("{size}; picked up before it could be read back"))
                }
                checked => checked,
            },
        }
    }

    fn check_size(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
        stated: Result<Attributes, SftpError>,
    ) -> Result<String, Verdict> {
        let path = &file.temporary;
        let open_bytes = match stated.map(|attributes| rules::measured(attributes.size, file.bytes)) {
            Ok(Measured::Whole) => return Ok("size".to_owned()),
            Ok(Measured::Unknown) => return Ok("acknowledged; the server does not report sizes".to_owned()),
            Ok(Measured::Other(bytes)) => bytes,
            Err(error) => return Ok(format!("acknowledged; {}", error.source)),
        };
        let closed = self.at_target(path).map_err(SftpError::before_publishing)?;
        let bytes = match closed {
            AtPath::There(there) => match rules::measured(there.size, file.bytes) {
                Measured::Whole => return Ok("size".to_owned()),
                Measured::Other(bytes) => bytes,
                Measured::Unknown => open_bytes,
            },
            AtPath::Absent if delivery.plan.destination.pickup == Pickup::Immediate => {
                return Ok("acknowledged; picked up before it could be measured".to_owned());
            }
            AtPath::Absent | AtPath::Hidden => open_bytes,
        };
        let reason = format!(
            "{path} has {bytes} bytes at the server, not {}; for a server that changes files or reports other sizes, set \
             `verify: none` for the destination",
            file.bytes
        );
        Err(Verdict::Retryable { reason, wait: None })
    }

    fn is_absent_now(&mut self, file: &IntendedFile) -> bool {
        matches!(self.at(&file.temporary), Ok(AtPath::Absent))
    }

    fn check_by_reading(&mut self, file: &IntendedFile) -> Result<String, Verdict> {
        let path = &file.temporary;
        match self.digest_of(path, file.bytes) {
            Ok(found) if found.bytes == file.bytes && found.sha256 == file.sha256 => Ok("read_back".to_owned()),
            Ok(found) => Err(Verdict::Retryable {
                reason: format!(
                    "{path} reads back as {} bytes with SHA-256 {}, not {} with {}",
                    found.bytes, found.sha256, file.bytes, file.sha256
                ),
                wait: None,
            }),
            Err(error) if error.is_lost() || error.source.is_not_found() => Err(error.before_publishing()),
            Err(error) => Err(rejected(
                error.to_string(),
                "the server does not permit reading: set `verify: size` for the destination",
            )),
        }
    }
}
