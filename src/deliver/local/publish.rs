//! Publishes files: temporary → attributes → fsync → size → rename or link → fsync of the directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::{before_publishing, is_lost, refuse_special};
use super::inspect::inspect_final;
use super::{LocalTarget, attributes};
use crate::deliver::companions::{self, name_taken};
use crate::deliver::publish_target::PublishTarget;
use crate::deliver::rate_limit::{Pace, Paced, TOO_LONG};
use crate::deliver::request::DeliveryRequest;
use crate::deliver::steps::{LEFTOVER, OLD_DONE_FILE, Steps, steps};
use crate::deliver::{FinalName, IntendedFile, Intent, RemoteFile, Role, Verdict};
use crate::digest::hex;
use crate::fault;
use crate::progress::Meter;

/// Bytes copied at once.
const COPY_BYTES: usize = 256 * 1024;

/// Bytes of a companion file copied at once.
const COMPANION_COPY_BYTES: usize = 4 * 1024;

fn steps(role: Role) -> Steps {
    Steps::of(role, steps!("local"))
}

impl LocalTarget {
    fn write_checked(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        file: &IntendedFile,
        temporary: &Path,
        meter: &Meter,
    ) -> Result<(), Verdict> {
        let spool = &delivery.artifact.path;
        let spool_lost = |error: io::Error| Verdict::Rejected {
            reason: format!("read {}: {error}", spool.display()),
            hint: Some("the spool lost the artifact: run the slot again".to_owned()),
        };
        let mut source: Box<dyn Read> = match file.role {
            Role::Data => {
                let (source, _, max) = delivery.artifact.open_data(file.of.unwrap_or(0)).map_err(spool_lost)?;
                Box::new(Paced::new(source.take(max), Pace { bandwidth: None, until: delivery.until }))
            }
            _ => Box::new(io::Cursor::new(companions::content_of(delivery, file, intent))),
        };
        if self.mkdir
            && let Some(directory) = temporary.parent()
        {
            let refused = attributes::make_directories(directory, self.directory_mode)?;
            self.notes.extend(refused.filter(|refused| !self.notes.contains(refused)));
        }
        let Steps { open, write: write_step, .. } = steps(file.role);
        let opened = fault::step(open, || create_new(temporary));
        let mut target = opened.map_err(|error| before_publishing("open", temporary, &error))?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; if file.role == Role::Data { COPY_BYTES } else { COMPANION_COPY_BYTES }];
        let (mut bytes, mut first) = (0u64, true);
        loop {
            let filled = source.read(&mut buffer).map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => Verdict::Retryable { reason: TOO_LONG.to_owned(), wait: None },
                _ => spool_lost(error),
            })?;
            // At its own offset, so that a repeated write has no effect.
            let mut write = || {
                target.seek(io::SeekFrom::Start(bytes))?;
                target.write_all(&buffer[..filled])
            };
            let written = if first { fault::step(write_step, write) } else { write() };
            written.map_err(|error| before_publishing("write", temporary, &error))?;
            first = false;
            if filled == 0 {
                break;
            }
            hash.update(&buffer[..filled]);
            bytes += filled as u64;
            if file.role == Role::Data {
                meter.add(filled as u64);
            }
        }
        let sha256 = hex(&hash.finalize());
        if bytes != file.bytes || sha256 != file.sha256 {
            return Err(Verdict::Rejected {
                reason: format!(
                    "the spool file was altered since it was made: {bytes} bytes read with SHA-256 {sha256}, {} bytes with {} expected",
                    file.bytes, file.sha256
                ),
                hint: Some("run the slot again".to_owned()),
            });
        }
        self.finish(delivery, file, &target, temporary)
    }

    /// Applies mode and times, then fsync, then checks the size.
    fn finish(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        file: &IntendedFile,
        target: &File,
        temporary: &Path,
    ) -> Result<(), Verdict> {
        for refused in attributes::set(target, self.mode, delivery.modified(self.mtime)) {
            self.add_note(refused);
        }
        let sync = || target.sync_all();
        let synced = if file.role == Role::Data { fault::step("local.fsync", sync) } else { sync() };
        synced.map_err(|error| before_publishing("fsync", temporary, &error))?;
        match target.metadata() {
            Ok(there) if there.len() == file.bytes => Ok(()),
            Ok(there) => Err(Verdict::Retryable {
                reason: format!("{} has {} bytes, not {}", temporary.display(), there.len(), file.bytes),
                wait: None,
            }),
            Err(error) => Err(before_publishing("stat", temporary, &error)),
        }
    }
}

impl PublishTarget for LocalTarget {
    fn write(
        &mut self,
        delivery: &DeliveryRequest<'_>,
        intent: &Intent,
        file: &IntendedFile,
        _seen: Option<&RemoteFile>,
        meter: &Meter,
    ) -> Result<String, Verdict> {
        let written = self.write_checked(delivery, intent, file, Path::new(&file.temporary), meter);
        // Report the first error.
        written.inspect_err(|_| self.remove_temporary(file)).map(|()| "size".to_owned())
    }

    fn commit_name(&mut self, delivery: &DeliveryRequest<'_>, file: &IntendedFile) -> Result<&'static str, Verdict> {
        let (temporary, final_path) = (Path::new(&file.temporary), Path::new(&file.final_path));
        if delivery.replacing() {
            refuse_special(final_path).inspect_err(|_| self.remove_temporary(file))?;
        }
        let how = if delivery.replacing() { "rename" } else { "link" };
        let rename = steps(file.role).rename;
        let renamed = fault::step(rename, || match delivery.replacing() {
            true => fs::rename(temporary, final_path),
            false => take_free_name(temporary, final_path),
        });
        match renamed {
            Ok(()) => {}
            Err(error) if is_lost(&error) => {
                return Err(Verdict::Unknown { reason: format!("rename to {}: {error}", file.final_path) });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove_temporary(file);
                return Err(name_taken(delivery.plan.existing, &file.final_path));
            }
            // As on a server, the two names show what happened.
            Err(_) if !temporary.exists() && inspect_final(file, true) == FinalName::Ours => {}
            Err(error) => {
                self.remove_temporary(file);
                return Err(before_publishing("rename to", final_path, &error));
            }
        }
        sync_directory(final_path).map_err(|error| Verdict::Unknown {
            reason: format!("fsync the directory of {}: {error}", file.final_path),
        })?;
        Ok(how)
    }

    /// A crash between link and unlink leaves one too.
    fn remove_temporary(&mut self, file: &IntendedFile) {
        let _ = fs::remove_file(&file.temporary);
    }

    fn remove_old_done_file(
        &mut self,
        _delivery: &DeliveryRequest<'_>,
        done: &IntendedFile,
        _replacing: &IntendedFile,
    ) -> Result<(), Verdict> {
        let path = Path::new(&done.final_path);
        refuse_special(path)?;
        match fault::step(OLD_DONE_FILE, || fs::remove_file(path)) {
            Ok(()) => sync_directory(path).map_err(|error| before_publishing("fsync the directory of", path, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(before_publishing("remove the old done file", path, &error)),
        }
    }

    fn inspect_final_name(&mut self, file: &IntendedFile) -> Result<FinalName, Verdict> {
        Ok(inspect_final(file, true))
    }

    fn remove_leftover(&mut self, file: &IntendedFile) -> Result<Option<String>, Verdict> {
        match fault::step(LEFTOVER, || fs::remove_file(&file.final_path)) {
            Ok(()) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if is_lost(&error) => {
                Err(Verdict::Unknown { reason: format!("remove {}: {error}", file.final_path) })
            }
            Err(error) => Ok(Some(error.to_string())),
        }
    }

    fn add_note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    fn endpoint(&self) -> (String, Option<String>) {
        (self.base.display().to_string(), None)
    }
}

/// Creates a temporary file. What has its name is removed, never written to: it is a file of ours that an earlier attempt
/// left, or something that another account put there.
fn create_new(temporary: &Path) -> io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).open(temporary);
    match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(temporary)?;
            create()
        }
        created => created,
    }
}

/// Gives `from` the free name `to`. Uses a link, which fails if the name is taken; a rename would not. File systems without
/// links (FAT, some network mounts) get a check before the rename, which another writer could still race.
fn take_free_name(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => Err(error),
        Err(_) if fs::symlink_metadata(to).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

/// A rename is durable only after its directory is synced.
fn sync_directory(of: &Path) -> io::Result<()> {
    match of.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
