//! Delivery into a directory of this machine, with the promises of the SFTP drop: temporary → fsync → rename → fsync of
//! the directory.
//!
//! A path cannot leave the base by what a plan says. Symbolic links below the base are its administrator's choice.

/// Permissions and times, of files and of directories that are made.
mod attributes;
/// What lies at the names of an intent.
mod look;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::files::{self, Files};
use super::names::{self, NUMBER_MAX, hex};
use super::paced::{Pace, Paced, TOO_LONG};
use super::session::{Put, may_sweep};
use super::side;
use super::{FinalName, IntendedFile, Intent, Role, Seen, SeenFile, Verdict};
use crate::fault::{self, Injected};
use crate::pipeline::plan::Existing;
use crate::progress::Meter;
use crate::settings::{Local, ModifiedTime};
use look::{is_there, look_at_final};

/// Bytes copied at a time.
const COPY_BYTES: usize = 256 * 1024;

/// Bytes of a side file copied at a time.
const SIDE_BYTES: usize = 4 * 1024;

/// A directory that is there.
pub struct LocalDrop {
    base: PathBuf,
    mkdir: bool,
    mode: Option<u32>,
    directory_mode: Option<u32>,
    mtime: Option<ModifiedTime>,
    /// What the system refused and is no failure: it goes into the receipt.
    notes: Vec<String>,
}

/// Why a step was not done.
enum Failure {
    Io(io::Error),
    /// An injected loss of contact: of a disk, the process's own end before the next step.
    Lost,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

impl From<Injected> for Failure {
    fn from(injected: Injected) -> Self {
        match injected {
            Injected::Refused => Failure::Io(io::Error::other(injected)),
            Injected::Lost => Failure::Lost,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Io(error) => error.fmt(f),
            Failure::Lost => Injected::Lost.fmt(f),
        }
    }
}

/// A failed step of a visit that publishes nothing.
pub(super) fn before_publishing_io(doing: &str, path: &Path, error: &io::Error) -> Verdict {
    before_publishing(doing, path, &Failure::Io(io::Error::new(error.kind(), error.to_string())))
}

/// A failed step before anything was published.
fn before_publishing(doing: &str, path: &Path, failure: &Failure) -> Verdict {
    let reason = format!("{doing} {}: {failure}", path.display());
    let hint = match failure {
        Failure::Io(error) => match error.kind() {
            io::ErrorKind::NotFound => Some("make the directory, or set `mkdir: true` for the destination"),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Some("let the worker's account write there, or deliver to another directory")
            }
            io::ErrorKind::NotADirectory => {
                Some("a part of the path is a file: correct the delivery's `path` or the destination's `path`")
            }
            io::ErrorKind::IsADirectory | io::ErrorKind::DirectoryNotEmpty => {
                Some("a directory has the file's name: remove it, or correct the artifact's `name`")
            }
            io::ErrorKind::QuotaExceeded => Some("make room in the account's quota, then retry"),
            _ => None,
        },
        Failure::Lost => None,
    };
    match hint {
        Some(hint) => Verdict::Rejected { reason, hint: Some(hint.to_owned()) },
        None => Verdict::Unreached { reason, wait: None },
    }
}

struct Steps {
    open: &'static str,
    write: &'static str,
    rename: &'static str,
}

fn steps(role: Role) -> &'static Steps {
    match role {
        Role::Data => &Steps { open: "local.open", write: "local.write", rename: "local.rename" },
        Role::Checksum => &Steps { open: "checksum.open", write: "checksum.write", rename: "checksum.rename" },
        Role::Manifest => &Steps { open: "manifest.open", write: "manifest.write", rename: "manifest.rename" },
        Role::Done => &Steps { open: "done.open", write: "done.write", rename: "done.rename" },
    }
}

fn taken(existing: Existing, path: &str) -> Verdict {
    super::sftp::taken(existing, path)
}

impl LocalDrop {
    /// # Errors
    /// The base is not there and `mkdir` is not set, or it cannot be made.
    pub fn open(local: &Local) -> Result<Self, Verdict> {
        if local.mkdir {
            attributes::make_directories(&local.path, local.directory_mode())?;
        }
        let base = fs::metadata(&local.path)
            .and_then(|there| if there.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) });
        base.map_err(|error| before_publishing("open the directory", &local.path, &error.into()))?;
        // Intents and receipts are read again from other working directories.
        let base = std::path::absolute(&local.path)
            .map_err(|error| before_publishing("find the directory", &local.path, &error.into()))?;
        Ok(LocalDrop {
            base,
            mkdir: local.mkdir,
            mode: local.mode,
            directory_mode: local.directory_mode(),
            mtime: local.mtime,
            notes: Vec::new(),
        })
    }

    pub fn prepare(&mut self, put: &Put<'_>) -> Result<Intent, Verdict> {
        let path_rejected = |reason: String| Verdict::Rejected {
            reason,
            hint: Some("correct the delivery's `path`, `done_file` or the artifact's `name`".to_owned()),
        };
        let parts = names::components(&put.plan.directory).map_err(path_rejected)?;
        let directory = parts.iter().fold(self.base.clone(), |path, part| path.join(part));
        let text = |path: PathBuf| {
            path.into_os_string().into_string().map_err(|path| path_rejected(format!("{path:?} is not UTF-8")))
        };
        let numbers = if put.plan.existing == Existing::Number { NUMBER_MAX } else { 0 };
        for candidate in side::candidates(put, numbers) {
            let file = |named: side::Named| {
                Ok(IntendedFile {
                    temporary: text(directory.join(names::temporary(&named.name, put.run)))?,
                    final_path: text(directory.join(&named.name))?,
                    role: named.role,
                    of: named.of,
                    bytes: named.bytes,
                    sha256: named.sha256,
                })
            };
            let named = candidate.map_err(path_rejected)?;
            let files = named.into_iter().map(file).collect::<Result<Vec<_>, Verdict>>()?;
            if put.plan.existing != Existing::Number
                && let Some(file) = files.iter().find(|file| Path::new(&file.final_path).is_dir())
            {
                let error = io::ErrorKind::IsADirectory.into();
                return Err(before_publishing_io("take the name", Path::new(&file.final_path), &error));
            }
            let in_the_way = files.iter().find(|file| !put.replacing() && is_there(&file.final_path));
            match in_the_way {
                None => return Ok(Intent { files, cutting: None, acks: Vec::new() }),
                Some(_) if put.plan.existing == Existing::Number => {}
                Some(file) if put.plan.existing == Existing::Keep && file.role != Role::Data => {
                    return Err(taken(Existing::Fail, &file.final_path));
                }
                Some(file) => return Err(taken(put.plan.existing, &file.final_path)),
            }
        }
        Err(Verdict::Rejected {
            reason: format!(
                "{} and its numbers up to {NUMBER_MAX} are all taken in {}",
                put.artifact.name,
                directory.display()
            ),
            hint: Some("clear the directory, or put the slot into the artifact's name".to_owned()),
        })
    }

    pub fn publish(&mut self, put: &Put<'_>, intent: &Intent, seen: Option<&Seen>, meter: &Meter) -> Verdict {
        files::publish(self, put, intent, seen, meter)
    }

    /// Removes the temporary files that an earlier attempt at `intent` left.
    pub fn clear(&mut self, intent: &Intent, seen: &Seen) -> Result<(), Verdict> {
        let left = intent.files.iter().zip(&seen.files).filter(|(_, seen)| seen.temporary);
        left.for_each(|(file, _)| self.remove_temporary(file));
        Ok(())
    }

    fn write_checked(
        &mut self,
        put: &Put<'_>,
        intent: &Intent,
        file: &IntendedFile,
        temporary: &Path,
        meter: &Meter,
    ) -> Result<(), Verdict> {
        let spool = &put.artifact.path;
        let spool_lost = |error: io::Error| Verdict::Rejected {
            reason: format!("read {}: {error}", spool.display()),
            hint: Some("the spool lost the artifact: run the slot again".to_owned()),
        };
        let mut source: Box<dyn Read> = match file.role {
            Role::Data => {
                let (source, _, most) = put.artifact.open_data(file.of.unwrap_or(0)).map_err(spool_lost)?;
                Box::new(Paced::new(source.take(most), Pace { bandwidth: None, until: put.until }))
            }
            _ => Box::new(io::Cursor::new(side::content_of(put, file, intent))),
        };
        if self.mkdir
            && let Some(directory) = temporary.parent()
        {
            let refused = attributes::make_directories(directory, self.directory_mode)?;
            self.notes.extend(refused.filter(|refused| !self.notes.contains(refused)));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let opened = fault::step(steps(file.role).open, || options.open(temporary).map_err(Failure::from));
        let mut target = opened.map_err(|failure| before_publishing("open", temporary, &failure))?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; if file.role == Role::Data { COPY_BYTES } else { SIDE_BYTES }];
        let (mut bytes, mut first) = (0u64, true);
        loop {
            let filled = source.read(&mut buffer).map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => Verdict::Unreached { reason: TOO_LONG.to_owned(), wait: None },
                _ => spool_lost(error),
            })?;
            // From its own offset on, so that a write that is done twice ends in the same bytes.
            let mut write = || {
                target.seek(io::SeekFrom::Start(bytes))?;
                target.write_all(&buffer[..filled]).map_err(Failure::from)
            };
            let written = if first { fault::step(steps(file.role).write, write) } else { write() };
            written.map_err(|failure| before_publishing("write", temporary, &failure))?;
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
        self.finish(put, file, &target, temporary)
    }

    /// Mode and times → fsync → size.
    fn finish(&mut self, put: &Put<'_>, file: &IntendedFile, target: &File, temporary: &Path) -> Result<(), Verdict> {
        for refused in attributes::set(target, self.mode, put.modified(self.mtime)) {
            if !self.notes.contains(&refused) {
                self.notes.push(refused);
            }
        }
        let sync = || target.sync_all().map_err(Failure::from);
        let synced = if file.role == Role::Data { fault::step("local.fsync", sync) } else { sync() };
        synced.map_err(|failure| before_publishing("fsync", temporary, &failure))?;
        match target.metadata() {
            Ok(there) if there.len() == file.bytes => Ok(()),
            Ok(there) => Err(Verdict::Unreached {
                reason: format!("{} has {} bytes, not {}", temporary.display(), there.len(), file.bytes),
                wait: None,
            }),
            Err(error) => Err(before_publishing("stat", temporary, &error.into())),
        }
    }

    pub fn sweep(&mut self, put: &Put<'_>, intent: &Intent, now: Timestamp) -> Result<u32, String> {
        let directories: BTreeSet<&Path> =
            intent.files.iter().filter_map(|file| Path::new(&file.temporary).parent()).collect();
        let mut removed = 0;
        for directory in directories {
            let failed = |error: io::Error| format!("sweep {}: {error}", directory.display());
            for entry in fs::read_dir(directory).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
                let modified = entry.metadata().and_then(|there| there.modified()).ok();
                let modified_s = modified.and_then(|time| Timestamp::try_from(time).ok()).map(|time| time.as_second());
                if may_sweep(put, intent, &name, modified_s, now) {
                    fs::remove_file(entry.path()).map_err(failed)?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

impl Files for LocalDrop {
    fn write(
        &mut self,
        put: &Put<'_>,
        intent: &Intent,
        file: &IntendedFile,
        _seen: Option<&SeenFile>,
        meter: &Meter,
    ) -> Result<String, Verdict> {
        let written = self.write_checked(put, intent, file, Path::new(&file.temporary), meter);
        // The first failure is the one that is told.
        written.inspect_err(|_| self.remove_temporary(file)).map(|()| "size".to_owned())
    }

    fn take_name(&mut self, put: &Put<'_>, file: &IntendedFile) -> Result<&'static str, Verdict> {
        let (temporary, final_path) = (Path::new(&file.temporary), Path::new(&file.final_path));
        let how = if put.replacing() { "rename" } else { "link" };
        let renamed = fault::step(steps(file.role).rename, || {
            if put.replacing() { fs::rename(temporary, final_path) } else { take_free_name(temporary, final_path) }
                .map_err(Failure::from)
        });
        match renamed {
            Ok(()) => {}
            Err(Failure::Lost) => {
                return Err(Verdict::Unknown { reason: format!("rename to {}: {}", file.final_path, Failure::Lost) });
            }
            Err(Failure::Io(error)) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.remove_temporary(file);
                return Err(taken(put.plan.existing, &file.final_path));
            }
            // As at a server: the two names tell what happened.
            Err(Failure::Io(_)) if !temporary.exists() && look_at_final(file, true) == FinalName::Ours => {}
            Err(failure) => {
                self.remove_temporary(file);
                return Err(before_publishing("rename to", final_path, &failure));
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

    fn notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    fn whereabouts(&self) -> (String, Option<String>) {
        (self.base.display().to_string(), None)
    }
}

/// Gives `from` the free name `to`: a link fails when the name is taken, which a rename does not. Where the file system
/// has no links (FAT, some network mounts), a look goes before the rename: another writer could slip in between.
fn take_free_name(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from),
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => Err(error),
        Err(_) if fs::symlink_metadata(to).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => fs::rename(from, to),
    }
}

/// A rename is on the disk once its directory is.
fn sync_directory(of: &Path) -> io::Result<()> {
    match of.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}
