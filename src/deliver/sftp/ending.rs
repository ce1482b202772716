//! The end of a file's writing: fsync, FSTAT and CLOSE together, and what they say of what is there.
//!
//! Gateways to object stores report, while a file is open, the one that is already at that path, and finish the upload at
//! CLOSE: a size that disagrees is measured again once the file is closed.

use super::SftpDrop;
use super::answer::{Attributes, Status};
use super::client::{Failure, Handle, Wire};
use super::paths::AtPath;
use super::publish::{rejected, steps};
use super::refused::dropped_empty;
use super::rules::{self, Measured, RefusedSync};
use super::trouble::{Trouble, is_absent};
use crate::deliver::session::Put;
use crate::deliver::{IntendedFile, Intent, Role, Verdict, names};
use crate::fault;
use crate::settings::{Pickup, Sftp, Verify};

/// How the requests that end a file were answered.
struct Ended {
    synced: Result<(), Trouble>,
    /// None where nobody asked.
    stated: Option<Result<Attributes, Trouble>>,
    closed: Result<(), Trouble>,
}

/// Why a file is not whole, or not known to be.
pub(super) enum Unfinished {
    /// It was not closed, or not without a complaint: what is at its name may be a part.
    NotClosed(Verdict),
    /// It was closed cleanly: where that is its final name, it is the reader's.
    Closed(Verdict),
}

impl<W: Wire> SftpDrop<W> {
    /// Ends the writing of a file; returns how it was checked.
    pub(super) fn end(
        &mut self,
        put: &Put<'_>,
        sftp: &Sftp,
        (intent, file): (&Intent, &IntendedFile),
        handle: &Handle,
    ) -> Result<String, Unfinished> {
        let Ended { synced, stated, closed } =
            self.ended(sftp, file, handle).map_err(|lost| Unfinished::NotClosed(lost.before_publishing()))?;
        closed.map_err(|trouble| Unfinished::NotClosed(trouble.before_publishing()))?;
        let checked =
            self.judge_sync(put, file, synced).and_then(|()| self.check_closed(put, sftp, (intent, file), stated));
        checked.map_err(|verdict| {
            Unfinished::Closed(match verdict {
                Verdict::Unreached { reason, .. } if file.is_direct() => Verdict::Unknown { reason },
                verdict => verdict,
            })
        })
    }

    /// All three in one round trip, and each as long as `timeouts.rename` allows.
    fn ended(&mut self, sftp: &Sftp, file: &IntendedFile, handle: &Handle) -> Result<Ended, Trouble> {
        let path = &file.temporary;
        let fsync = sftp.fsync && self.client.extensions.fsync && file.role == Role::Data;
        let fstat = sftp.verify != Verify::None;
        self.client.slowly(|client| {
            let mut ending = client.doing("close", path, |client| client.post_ending(handle, fsync, fstat))?;
            let synced = match fsync {
                true => client
                    .doing("fsync", path, |client| fault::step("sftp.fsync", || client.fsynced(handle, &mut ending))),
                false => Ok(()),
            };
            let stated = fstat.then(|| {
                client.doing("stat", path, |client| match file.role {
                    Role::Data => fault::step("sftp.fstat", || client.fstated(handle, &mut ending)),
                    _ => client.fstated(handle, &mut ending),
                })
            });
            let closed = client.doing("close", path, |client| {
                fault::step(steps(file.role).close, || client.closed(handle, &mut ending))
            });
            // The first loss is the one that is reported.
            match (&synced, &stated) {
                (Err(lost), _) | (_, Some(Err(lost))) if lost.is_lost() => Err(lost.clone()),
                _ => match closed {
                    Err(lost) if lost.is_lost() => Err(lost),
                    closed => Ok(Ended { synced, stated, closed }),
                },
            }
        })
    }

    /// A server that offers fsync and does not do it is no failure; a disk that is full or broken is.
    fn judge_sync(&mut self, put: &Put<'_>, file: &IntendedFile, synced: Result<(), Trouble>) -> Result<(), Verdict> {
        let along = self.client.refused_fsync.take();
        let refused: Status = match (synced, along) {
            (Err(trouble), _) => match &trouble.failure {
                Failure::Refused(status) if rules::refused_fsync(status) != RefusedSync::Failed => status.clone(),
                _ => return Err(trouble.before_publishing()),
            },
            (Ok(()), Some(status)) => status,
            (Ok(()), None) => return Ok(()),
        };
        let path = &file.temporary;
        // A direct put is the reader's by now, whatever the disk does.
        if rules::refused_fsync(&refused) == RefusedSync::Unclear && !file.is_direct() {
            let name = file.final_path.rsplit('/').next().unwrap_or_default();
            let probe = names::temporary(&format!("{name}.sync"), put.run);
            let probe = names::remote_path(names::remote_parent(path), &probe);
            let works = self.client.doing("fsync", path, |client| client.fsync_works(&probe));
            if works.map_err(Trouble::before_publishing)? {
                return Err(Trouble::new("fsync", path, Failure::Refused(refused)).before_publishing());
            }
        }
        self.note(format!("the server refused fsync: {refused}; it decides itself when the file is on its disk"));
        Ok(())
    }

    fn check_closed(
        &mut self,
        put: &Put<'_>,
        sftp: &Sftp,
        (intent, file): (&Intent, &IntendedFile),
        stated: Option<Result<Attributes, Trouble>>,
    ) -> Result<String, Verdict> {
        let picked_up = put.plan.destination.pickup == Pickup::Immediate;
        if file.bytes == 0 && file.is_direct() && !picked_up && self.is_absent_now(file) {
            // Where the data is gone as well, a reader took both.
            let data = intent.data().find(|data| data.of == file.of && data.bytes > 0);
            let stays = match data {
                Some(data) => matches!(self.at(&data.final_path), Ok(AtPath::There(_))),
                None => true,
            };
            if stays {
                return Err(dropped_empty(file));
            }
        }
        match (sftp.verify, stated) {
            (Verify::None, _) | (_, None) => Ok("acknowledged; `verify: none`".to_owned()),
            (Verify::Size, Some(stated)) => self.check_size(put, file, stated),
            (Verify::ReadBack, Some(stated)) => match self.check_by_reading(file) {
                // It was measured while it was open, and closed without a word.
                Err(_) if picked_up && self.is_absent_now(file) => {
                    let size = self.check_size(put, file, stated)?;
                    Ok(format!("{size}; picked up before it could be read back"))
                }
                checked => checked,
            },
        }
    }

    fn check_size(
        &mut self,
        put: &Put<'_>,
        file: &IntendedFile,
        stated: Result<Attributes, Trouble>,
    ) -> Result<String, Verdict> {
        let path = &file.temporary;
        let open_bytes = match stated.map(|attributes| rules::measured(attributes.size, file.bytes)) {
            Ok(Measured::Whole) => return Ok("size".to_owned()),
            Ok(Measured::Unknown) => return Ok("acknowledged; the server does not tell sizes".to_owned()),
            Ok(Measured::Other(bytes)) => bytes,
            Err(trouble) => return Ok(format!("acknowledged; {}", trouble.failure)),
        };
        let closed =
            self.client.doing("stat", path, |client| client.behind(path)).map_err(Trouble::before_publishing)?;
        let bytes = match closed {
            AtPath::There(there) => match rules::measured(there.size, file.bytes) {
                Measured::Whole => return Ok("size".to_owned()),
                Measured::Other(bytes) => bytes,
                Measured::Unknown => open_bytes,
            },
            AtPath::Absent if put.plan.destination.pickup == Pickup::Immediate => {
                return Ok("acknowledged; picked up before it could be measured".to_owned());
            }
            AtPath::Absent | AtPath::Hidden => open_bytes,
        };
        let reason = format!(
            "{path} has {bytes} bytes at the server, not {}; for a server that changes files or reports other sizes, set \
             `verify: none` for the destination",
            file.bytes
        );
        Err(Verdict::Unreached { reason, wait: None })
    }

    fn is_absent_now(&mut self, file: &IntendedFile) -> bool {
        matches!(self.at(&file.temporary), Ok(AtPath::Absent))
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
            Err(trouble) if trouble.is_lost() || is_absent(&trouble.failure) => Err(trouble.before_publishing()),
            Err(trouble) => Err(rejected(
                trouble.to_string(),
                "the server lets nobody read: set `verify: size` for the destination",
            )),
        }
    }
}
