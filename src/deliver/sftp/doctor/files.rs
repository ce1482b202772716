//! The steps of a probe file: open, write, fsync, stat, close, read, set, rename, rename over, remove.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::prober::{ProbePaths, ProbeResult, Prober};
use crate::deliver::names::{remote_parent, remote_path};
use crate::deliver::probe::{StepOutcome, is_stale, probe_name};
use crate::deliver::sftp::error::SftpError;
use crate::deliver::sftp::paths::AtPath;
use crate::deliver::sftp::rules;
use crate::sftp::{self, Bounds, Handle, RefusedSync, SetAttributes, Status, Transport, open};

/// The largest write request that the settings allow.
pub(super) const LARGE_BYTES: usize = 255_000;
const NAMES_MAX: usize = 10_000;
/// Creates a file, or truncates an existing one.
pub(super) const NEW_FILE: u32 = open::WRITE | open::CREATE | open::TRUNCATE;

impl<T: Transport> Prober<'_, T> {
    /// Runs every step, up to the first one that ends the test.
    pub(super) fn all(&mut self, paths: &ProbePaths) {
        if self.steps(paths).is_ok() {
            self.list(paths);
        }
    }

    fn steps(&mut self, paths: &ProbePaths) -> ProbeResult<()> {
        self.directory(paths)?;
        let first = remote_path(&paths.staging, &probe_name());
        let second = remote_path(&paths.directory, &probe_name());
        self.write(&first)?;
        if self.found.taken_on_close {
            return self.space(paths);
        }
        self.read_back(&first)?;
        self.set(&first, paths.now)?;
        let location = self.rename(paths, &first, &second)?;
        if let Some(location) = &location {
            self.exclusive(location)?;
            if self.found.renames == Some(true) {
                self.rename_over(&first, &second)?;
            }
            self.remove(location)?;
        }
        self.empty(&first)?;
        self.directories(paths)?;
        self.space(paths)?;
        self.large(&remote_path(&paths.staging, &probe_name()))
    }

    /// Checks the directories. With `mkdir`, missing ones are created, and removed in the end.
    fn directory(&mut self, paths: &ProbePaths) -> ProbeResult<()> {
        let wanted = [paths.directory.clone(), paths.staging.clone()];
        for directory in wanted.iter().take(if paths.staging == paths.directory { 1 } else { 2 }) {
            if self.sftp.mkdir {
                self.make_missing(directory)?;
            }
            let asked = if directory.is_empty() { "." } else { directory.as_str() };
            let began = Instant::now();
            // Only the report needs the full path.
            let path = self.ask("directory", "open", asked, |client| client.realpath(asked))?;
            let path = path.unwrap_or_else(|_| asked.to_owned());
            match self.ask("directory", "open", asked, |client| client.stat(asked))? {
                Ok(found) => {
                    let mode = found.permissions.map(|mode| format!(", permissions {:04o}", mode & 0o7777));
                    let summary = format!("{path}{}", mode.unwrap_or_default());
                    self.record("directory", StepOutcome::Done, began.elapsed(), summary);
                }
                Err(status) => {
                    let error = SftpError::new("open", asked, sftp::Error::Refused(status));
                    if error.source.is_not_found() && !self.accepts_files(directory)? {
                        return self.end("directory", began, error);
                    }
                    self.record("directory", StepOutcome::Refused, began.elapsed(), error.to_string());
                }
            }
        }
        Ok(())
    }

    /// Returns true if a file can be opened there anyway: in an object store, a directory exists once a file does.
    fn accepts_files(&mut self, directory: &str) -> ProbeResult<bool> {
        let path = remote_path(directory, &probe_name());
        let opened = self.ask("directory", "open", &path, |client| client.open(&path, NEW_FILE))?;
        if let Ok(handle) = &opened {
            self.made.files.insert(path.clone());
            let _ = self.client.close(handle);
            let _ = self.client.remove(&path); // what stays is removed in the end, or reported
        }
        Ok(opened.is_ok())
    }

    /// Creates directories as a delivery does; they are removed in the end.
    fn make_missing(&mut self, directory: &str) -> ProbeResult<()> {
        let began = Instant::now();
        let (mode, mut made, mut refused) = (self.sftp.directory_mode(), Vec::new(), None);
        let ended = self.client.make_directories(directory, |client, path| {
            made.push(path.to_owned());
            match mode.map(|mode| client.set_attributes(path, SetAttributes::Mode(mode))) {
                Some(Err(sftp::Error::Refused(status))) => refused = Some(status),
                Some(Err(lost)) => return Err(lost),
                Some(Ok(())) | None => {}
            }
            Ok(())
        });
        for path in made {
            self.record("make the directory", StepOutcome::Done, began.elapsed(), path.clone());
            self.made.directories.push(path);
        }
        if let Some(status) = refused {
            self.record("set the directory's permissions", StepOutcome::Refused, began.elapsed(), status.to_string());
        }
        match ended {
            Ok(()) => Ok(()),
            Err(verdict) => self.failed("make the directory", began, &verdict),
        }
    }

    /// Lists the directory, as the last step: no delivery depends on it, and some servers are slow at it.
    fn list(&mut self, paths: &ProbePaths) {
        if self.client.is_closed() {
            return;
        }
        let asked = if paths.staging.is_empty() { ".".to_owned() } else { paths.staging.clone() };
        let bounds = Bounds { names: NAMES_MAX, until: Instant::now() + self.sftp.timeouts.idle };
        let (mut names, mut stale) = (0, Vec::new());
        let began = Instant::now();
        let listed = self.client.list(&asked, bounds, |entry| {
            let Ok(name) = String::from_utf8(entry.name) else { return };
            names += usize::from(name != "." && name != "..");
            if is_stale(&name, entry.attributes.modified_s.map(i64::from), paths.now) {
                stale.push(name);
            }
        });
        self.found.lists = Some(matches!(listed, Ok(true)));
        match listed {
            Ok(whole) => {
                let summary = if whole { format!("{names} names") } else { format!("more than {names} names") };
                self.record("list", StepOutcome::Done, began.elapsed(), summary);
                self.sweep(paths, stale);
            }
            Err(error) => self.record("list", StepOutcome::Refused, began.elapsed(), error.to_string()),
        }
    }

    /// Removes probe files that earlier tests left.
    fn sweep(&mut self, paths: &ProbePaths, stale: Vec<String>) {
        let began = Instant::now();
        let mut swept = 0;
        for name in stale {
            let path = remote_path(&paths.staging, &name);
            let removed = self.client.remove(&path).or_else(|_| self.client.rmdir(&path));
            swept += usize::from(removed.is_ok());
        }
        if swept > 0 {
            self.record(
                "sweep",
                StepOutcome::Done,
                began.elapsed(),
                format!("removed {swept} left by an earlier visit"),
            );
        }
    }

    fn open(&mut self, path: &str) -> ProbeResult<Handle> {
        let handle = self.require("open", path, |client| client.open(path, NEW_FILE), |_| path.to_owned())?;
        self.made.files.insert(path.to_owned());
        Ok(handle)
    }

    fn write(&mut self, path: &str) -> ProbeResult<()> {
        let handle = self.open(path)?;
        let bytes = content(self.sftp.write_bytes as usize);
        let count = bytes.len();
        self.require("write", path, |client| client.write_at(&handle, 0, &bytes), |()| format!("{count} bytes"))?;
        if self.client.extensions.fsync {
            self.fsync(path, &handle)?;
        } else {
            let summary = "no fsync@openssh.com: the server syncs when it likes";
            self.record("fsync", StepOutcome::NotOffered, Duration::ZERO, summary);
        }
        let sized =
            |size: Option<u64>| size.map_or("the size is not reported".to_owned(), |size| format!("{size} bytes"));
        let measured = self.attempt("fstat", |client| client.fstat(&handle), |found| sized(found.size))?;
        self.found.measures = rules::measured(measured.and_then(|found| found.size), count as u64);
        self.require(
            "close",
            path,
            |client| client.with_slow_timeout(|client| client.close(&handle)),
            |()| String::new(),
        )?;
        self.found.written = true;
        let began = Instant::now();
        match self.ask("lstat", "stat", path, |client| client.lstat(path))? {
            Ok(found) => {
                self.found.sees = Some(true);
                self.found.measures_closed = rules::measured(found.size, count as u64);
                self.record("lstat", StepOutcome::Done, began.elapsed(), sized(found.size));
            }
            Err(status) if status.is_not_found() => self.missing(path, began, &status)?,
            Err(status) => {
                self.found.sees = Some(false);
                self.record("lstat", StepOutcome::Refused, began.elapsed(), status.to_string());
            }
        }
        Ok(())
    }

    /// Syncs by the rules of a delivery: a refusal is not a failure, unless the disk is full or broken.
    fn fsync(&mut self, path: &str, handle: &Handle) -> ProbeResult<()> {
        let began = Instant::now();
        let synced =
            self.ask("fsync", "fsync", path, |client| client.with_slow_timeout(|client| client.fsync(handle)))?;
        let Err(status) = synced else {
            self.found.syncs = Some(true);
            self.record("fsync", StepOutcome::Done, began.elapsed(), "on the server's disk");
            return Ok(());
        };
        let other = remote_path(remote_parent(path), &probe_name());
        let is_broken = match status.as_refused_sync() {
            RefusedSync::Failed => true,
            RefusedSync::Unsupported => false,
            RefusedSync::Unclear => {
                self.ask("fsync", "fsync", path, |client| client.fsync_works(&other))?.unwrap_or_default()
            }
        };
        if is_broken {
            return self.end("fsync", began, SftpError::new("fsync", path, sftp::Error::Refused(status)));
        }
        self.found.syncs = Some(false);
        self.record("fsync", StepOutcome::Refused, began.elapsed(), status.to_string());
        Ok(())
    }

    /// Examines a file that is missing after a successful close: opening it shows whether it was taken away or is hidden.
    fn missing(&mut self, path: &str, began: Instant, status: &Status) -> ProbeResult<()> {
        self.found.sees = Some(false);
        match self.ask("lstat", "open", path, |client| client.open(path, open::WRITE))? {
            Ok(handle) => {
                let _ = self.client.close(&handle);
                self.record("lstat", StepOutcome::Refused, began.elapsed(), format!("hidden: {status}"));
            }
            Err(_) => {
                self.found.taken_on_close = true;
                self.record("lstat", StepOutcome::Refused, began.elapsed(), "the file is taken away when it is closed");
            }
        }
        Ok(())
    }

    fn read_back(&mut self, path: &str) -> ProbeResult<()> {
        let expected = content(self.sftp.write_bytes as usize);
        let read = self.attempt(
            "read back",
            |client| {
                let handle = client.open(path, open::READ)?;
                let read = client.read_at(&handle, 0, 4096);
                client.close(&handle)?;
                read
            },
            |read| match expected.starts_with(read) && !read.is_empty() {
                true => "the same bytes".to_owned(),
                false => "other bytes than were written".to_owned(),
            },
        )?;
        self.found.reads = Some(read.is_some_and(|read| expected.starts_with(&read) && !read.is_empty()));
        Ok(())
    }

    fn set(&mut self, path: &str, now: Timestamp) -> ProbeResult<()> {
        let mode = self.sftp.mode.unwrap_or(0o640);
        let set = self.attempt(
            "set permissions",
            |client| client.set_attributes(path, SetAttributes::Mode(mode)),
            |()| format!("{mode:04o}"),
        )?;
        self.found.sets_mode = Some(set.is_some());
        let times = SetAttributes::Times(u32::try_from(now.as_second()).unwrap_or(0));
        let set = self.attempt("set times", |client| client.set_attributes(path, times), |()| String::new())?;
        self.found.sets_times = Some(set.is_some());
        Ok(())
    }

    fn remove(&mut self, path: &str) -> ProbeResult<()> {
        let removed = self.attempt("remove", |client| client.remove(path), |()| String::new())?;
        self.found.removes = Some(removed.is_some());
        Ok(())
    }

    /// Tests whether the server drops files of 0 bytes, such as done files; reported only if so.
    fn empty(&mut self, path: &str) -> ProbeResult<()> {
        if self.found.sees != Some(true) || self.found.taken_on_rename {
            return Ok(());
        }
        let began = Instant::now();
        self.made.files.insert(path.to_owned());
        let kept = self.ask("empty file", "write", path, |client| {
            let handle = client.open(path, NEW_FILE)?;
            client.with_slow_timeout(|client| client.close(&handle))?;
            client.at(path)
        })?;
        if kept == Ok(AtPath::Absent) {
            self.found.drops_empty = true;
            let summary = "a file of 0 bytes is dropped when it is closed";
            self.record("empty file", StepOutcome::Refused, began.elapsed(), summary);
        } else if kept.is_ok() {
            let _ = self.client.remove(path); // what stays is removed in the end, or reported
        }
        Ok(())
    }

    fn directories(&mut self, paths: &ProbePaths) -> ProbeResult<()> {
        let path = remote_path(&paths.directory, &probe_name());
        debug_assert_eq!(remote_parent(&path), paths.directory);
        let made = self.attempt("mkdir", |client| client.mkdir(&path), |()| String::new())?;
        self.found.makes_directories = Some(made.is_some());
        if made.is_some() {
            self.made.directories.push(path.clone());
            self.attempt("rmdir", |client| client.rmdir(&path), |()| String::new())?;
        }
        Ok(())
    }

    fn space(&mut self, paths: &ProbePaths) -> ProbeResult<()> {
        if !self.client.extensions.statvfs {
            self.record("free space", StepOutcome::NotOffered, Duration::ZERO, "no statvfs@openssh.com");
            return Ok(());
        }
        let asked = if paths.directory.is_empty() { "." } else { paths.directory.as_str() };
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let space = self.attempt(
            "free space",
            |client| client.space(asked),
            |space| format!("{:.1} of {:.1} GiB", gib(space.free_bytes), gib(space.total_bytes)),
        )?;
        self.found.free_bytes = space.map(|space| space.free_bytes);
        Ok(())
    }

    /// Writes a large request, as the last step, because some servers close the connection over it.
    fn large(&mut self, path: &str) -> ProbeResult<()> {
        let began = Instant::now();
        let written = self.client.open(path, NEW_FILE).and_then(|handle| {
            self.made.files.insert(path.to_owned());
            let written = self.client.write_at(&handle, 0, &content(LARGE_BYTES));
            let measured = self.client.fstat(&handle);
            self.client.close(&handle)?;
            written?;
            Ok(measured.ok().and_then(|found| found.size).is_none_or(|size| size == LARGE_BYTES as u64))
        });
        let (taken, summary) = match &written {
            Ok(true) => (true, format!("{LARGE_BYTES} bytes in one request")),
            Ok(false) => (false, format!("of {LARGE_BYTES} bytes in one request, not all arrived")),
            Err(error) => (false, format!("{LARGE_BYTES} bytes in one request: {error}")),
        };
        self.found.takes_large = Some(taken);
        self.record(
            "write much",
            if taken { StepOutcome::Done } else { StepOutcome::Refused },
            began.elapsed(),
            summary,
        );
        let removed = self.client.remove(path); // what stays is removed in the end, or reported
        if self.found.removes.is_none() {
            self.found.removes = Some(removed.is_ok());
        }
        Ok(())
    }
}

/// Returns bytes that differ from those of any other number.
fn content(count: usize) -> Vec<u8> {
    b"reportferry was here; this file may be removed.\n".iter().copied().cycle().take(count).collect()
}
