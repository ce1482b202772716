//! What a probe file meets on its way: open, write, fsync, stat, close, read, set, rename, rename over, remove.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::prober::{Prober, Room, Tried};
use crate::deliver::doctor::{Outcome, is_stale, probe_name};
use crate::deliver::names::{remote_parent, remote_path};
use crate::deliver::sftp::answer::Status;
use crate::deliver::sftp::client::{Failure, Handle, Wire};
use crate::deliver::sftp::listing::Bounds;
use crate::deliver::sftp::packet::open;
use crate::deliver::sftp::paths::AtPath;
use crate::deliver::sftp::requests::SetAttributes;
use crate::deliver::sftp::rules::{self, RefusedSync};
use crate::deliver::sftp::trouble::{Trouble, is_absent};

/// The largest write request that the settings allow.
pub const LARGE_BYTES: usize = 255_000;
const NAMES_MAX: usize = 10_000;

impl<W: Wire> Prober<'_, W> {
    /// Every step, as far as they go.
    pub fn all(&mut self, room: &Room) {
        if self.steps(room).is_ok() {
            self.list(room);
        }
    }

    fn steps(&mut self, room: &Room) -> Tried<()> {
        self.directory(room)?;
        let first = remote_path(&room.staging, &probe_name());
        let second = remote_path(&room.directory, &probe_name());
        self.write(&first)?;
        if self.found.taken_on_close {
            return self.space(room);
        }
        self.read_back(&first)?;
        self.set(&first, room.now)?;
        let lies_at = self.rename(room, &first, &second)?;
        if let Some(lies_at) = &lies_at {
            self.exclusive(lies_at)?;
            if self.found.renames == Some(true) {
                self.rename_over(&first, &second)?;
            }
            self.remove(lies_at)?;
        }
        self.empty(&first)?;
        self.directories(room)?;
        self.space(room)?;
        self.large(&remote_path(&room.staging, &probe_name()))
    }

    /// Is it there? Where `mkdir` is set, what is missing is made, and removed in the end.
    fn directory(&mut self, room: &Room) -> Tried<()> {
        let wanted = [room.directory.clone(), room.staging.clone()];
        for directory in wanted.iter().take(if room.staging == room.directory { 1 } else { 2 }) {
            if self.sftp.mkdir {
                self.make_missing(directory)?;
            }
            let asked = if directory.is_empty() { "." } else { directory.as_str() };
            let began = Instant::now();
            // The full path is for people: a delivery does not ask for it.
            let path = match self.client.realpath(asked) {
                Ok(path) => path,
                Err(Failure::Refused(_)) => asked.to_owned(),
                Err(lost) => return self.over("directory", began, Trouble::new("open", asked, lost)),
            };
            match self.client.stat(asked) {
                Ok(found) => {
                    let mode = found.permissions.map(|mode| format!(", permissions {:04o}", mode & 0o7777));
                    let said = format!("{path}{}", mode.unwrap_or_default());
                    self.tell("directory", Outcome::Done, began.elapsed(), said);
                }
                Err(failure @ Failure::Refused(_)) => {
                    let trouble = Trouble::new("open", asked, failure);
                    if is_absent(&trouble.failure) && !self.takes_files(directory)? {
                        return self.over("directory", began, trouble);
                    }
                    self.tell("directory", Outcome::Refused, began.elapsed(), trouble.to_string());
                }
                Err(lost) => return self.over("directory", began, Trouble::new("open", asked, lost)),
            }
        }
        Ok(())
    }

    /// Whether a file can be opened there all the same: in an object store a directory is there once a file is.
    fn takes_files(&mut self, directory: &str) -> Tried<bool> {
        let path = remote_path(directory, &probe_name());
        match self.client.open(&path, open::WRITE | open::CREATE | open::TRUNCATE) {
            Ok(handle) => {
                self.made.files.insert(path.clone());
                let _ = self.client.close(&handle);
                let _ = self.client.remove(&path); // what stays is removed in the end, or told
                Ok(true)
            }
            Err(Failure::Refused(_)) => Ok(false),
            Err(lost) => self.over("directory", Instant::now(), Trouble::new("open", &path, lost)),
        }
    }

    /// As a delivery makes them; what is made is removed in the end.
    fn make_missing(&mut self, directory: &str) -> Tried<()> {
        let began = Instant::now();
        let (mode, mut made, mut refused) = (self.sftp.directory_mode(), Vec::new(), None);
        let ended = self.client.make_directories(directory, |client, path| {
            made.push(path.to_owned());
            match mode.map(|mode| client.set_attributes(path, SetAttributes::Mode(mode))) {
                Some(Err(Failure::Refused(status))) => refused = Some(status),
                Some(Err(lost)) => return Err(lost),
                Some(Ok(())) | None => {}
            }
            Ok(())
        });
        for path in made {
            self.tell("make the directory", Outcome::Done, began.elapsed(), path.clone());
            self.made.directories.push(path);
        }
        if let Some(status) = refused {
            self.tell("set the directory's permissions", Outcome::Refused, began.elapsed(), status.to_string());
        }
        match ended {
            Ok(()) => Ok(()),
            Err(verdict) => self.failed("make the directory", began, &verdict),
        }
    }

    /// Last: nothing of a delivery depends on it, and some servers are slow at it.
    fn list(&mut self, room: &Room) {
        if self.client.is_over() {
            return;
        }
        let asked = if room.staging.is_empty() { ".".to_owned() } else { room.staging.clone() };
        let bounds = Bounds { names: NAMES_MAX, until: Instant::now() + self.sftp.timeouts.idle };
        let (mut names, mut stale) = (0, Vec::new());
        let began = Instant::now();
        let listed = self.client.list(&asked, bounds, |entry| {
            let Ok(name) = String::from_utf8(entry.name) else { return };
            names += usize::from(name != "." && name != "..");
            if is_stale(&name, entry.attributes.modified_s.map(i64::from), room.now) {
                stale.push(name);
            }
        });
        self.found.lists = Some(matches!(listed, Ok(true)));
        match listed {
            Ok(whole) => {
                let said = if whole { format!("{names} names") } else { format!("more than {names} names") };
                self.tell("list", Outcome::Done, began.elapsed(), said);
                self.sweep(room, stale);
            }
            Err(failure) => self.tell("list", Outcome::Refused, began.elapsed(), failure.to_string()),
        }
    }

    /// Probe files that earlier visits could not remove.
    fn sweep(&mut self, room: &Room, stale: Vec<String>) {
        let began = Instant::now();
        let mut swept = 0;
        for name in stale {
            let path = remote_path(&room.staging, &name);
            let removed = self.client.remove(&path).or_else(|_| self.client.remove_directory(&path));
            swept += usize::from(removed.is_ok());
        }
        if swept > 0 {
            self.tell("sweep", Outcome::Done, began.elapsed(), format!("removed {swept} left by an earlier visit"));
        }
    }

    fn open(&mut self, path: &str) -> Tried<Handle> {
        let handle = self.must(
            "open",
            path,
            |client| client.open(path, open::WRITE | open::CREATE | open::TRUNCATE),
            |_| path.to_owned(),
        )?;
        self.made.files.insert(path.to_owned());
        Ok(handle)
    }

    fn write(&mut self, path: &str) -> Tried<()> {
        let handle = self.open(path)?;
        let bytes = content(self.sftp.write_bytes as usize);
        let count = bytes.len();
        self.must("write", path, |client| client.write_once(&handle, 0, &bytes), |()| format!("{count} bytes"))?;
        if self.client.extensions.fsync {
            self.fsync(path, &handle)?;
        } else {
            self.tell(
                "fsync",
                Outcome::NotOffered,
                Duration::ZERO,
                "no fsync@openssh.com: the server syncs when it likes",
            );
        }
        let sized = |size: Option<u64>| size.map_or("the size is not told".to_owned(), |size| format!("{size} bytes"));
        let measured = self.attempt("fstat", |client| client.fstat(&handle), |found| sized(found.size))?;
        self.found.measures = rules::measured(measured.and_then(|found| found.size), count as u64);
        self.must("close", path, |client| client.slowly(|client| client.close(&handle)), |()| String::new())?;
        self.found.written = true;
        let began = Instant::now();
        match self.client.lstat(path) {
            Ok(found) => {
                self.found.sees = Some(true);
                self.found.measures_closed = rules::measured(found.size, count as u64);
                self.tell("lstat", Outcome::Done, began.elapsed(), sized(found.size));
            }
            Err(Failure::Refused(status)) if is_absent(&Failure::Refused(status.clone())) => {
                self.missing(path, began, &status)?;
            }
            Err(Failure::Refused(status)) => {
                self.found.sees = Some(false);
                self.tell("lstat", Outcome::Refused, began.elapsed(), status.to_string());
            }
            Err(lost) => return self.over("lstat", began, Trouble::new("stat", path, lost)),
        }
        Ok(())
    }

    /// By the rules of a delivery: what is refused is no failure, but for a disk that is full or broken.
    fn fsync(&mut self, path: &str, handle: &Handle) -> Tried<()> {
        let began = Instant::now();
        match self.client.slowly(|client| client.fsync(handle)) {
            Ok(()) => {
                self.found.syncs = Some(true);
                self.tell("fsync", Outcome::Done, began.elapsed(), "on the server's disk");
                Ok(())
            }
            Err(Failure::Refused(status)) => {
                let is_broken = match rules::refused_fsync(&status) {
                    RefusedSync::Failed => true,
                    RefusedSync::Unable => false,
                    RefusedSync::Unclear => {
                        match self.client.fsync_works(&remote_path(remote_parent(path), &probe_name())) {
                            Ok(works) => works,
                            Err(lost) => return self.over("fsync", began, Trouble::new("fsync", path, lost)),
                        }
                    }
                };
                if is_broken {
                    return self.over("fsync", began, Trouble::new("fsync", path, Failure::Refused(status)));
                }
                self.found.syncs = Some(false);
                self.tell("fsync", Outcome::Refused, began.elapsed(), status.to_string());
                Ok(())
            }
            Err(lost) => self.over("fsync", began, Trouble::new("fsync", path, lost)),
        }
    }

    /// It is not there after a good close: taken away, or hidden. A second look at it by opening tells which.
    fn missing(&mut self, path: &str, began: Instant, status: &Status) -> Tried<()> {
        self.found.sees = Some(false);
        match self.client.open(path, open::WRITE) {
            Ok(handle) => {
                let _ = self.client.close(&handle);
                self.tell("lstat", Outcome::Refused, began.elapsed(), format!("hidden: {status}"));
            }
            Err(Failure::Refused(_)) => {
                self.found.taken_on_close = true;
                self.tell("lstat", Outcome::Refused, began.elapsed(), "the file is taken away when it is closed");
            }
            Err(lost) => return self.over("lstat", began, Trouble::new("open", path, lost)),
        }
        Ok(())
    }

    fn read_back(&mut self, path: &str) -> Tried<()> {
        let expected = content(self.sftp.write_bytes as usize);
        let read = self.attempt(
            "read back",
            |client| {
                let handle = client.open(path, open::READ)?;
                let read = client.read_once(&handle, 4096);
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

    fn set(&mut self, path: &str, now: Timestamp) -> Tried<()> {
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

    fn remove(&mut self, path: &str) -> Tried<()> {
        let removed = self.attempt("remove", |client| client.remove(path), |()| String::new())?;
        self.found.removes = Some(removed.is_some());
        Ok(())
    }

    /// Some servers drop files of 0 bytes, as done files are; that is worth a word only where it is so.
    fn empty(&mut self, path: &str) -> Tried<()> {
        if self.found.sees != Some(true) || self.found.taken_on_rename {
            return Ok(());
        }
        let began = Instant::now();
        self.made.files.insert(path.to_owned());
        let kept = self.client.open(path, open::WRITE | open::CREATE | open::TRUNCATE).and_then(|handle| {
            self.client.slowly(|client| client.close(&handle))?;
            self.client.at(path)
        });
        match kept {
            Ok(AtPath::Absent) => {
                self.found.drops_empty = true;
                self.tell(
                    "empty file",
                    Outcome::Refused,
                    began.elapsed(),
                    "a file of 0 bytes is dropped when it is closed",
                );
            }
            Ok(_) => _ = self.client.remove(path), // what stays is removed in the end, or told
            Err(Failure::Refused(_)) => {}
            Err(lost) => return self.over("empty file", began, Trouble::new("write", path, lost)),
        }
        Ok(())
    }

    fn directories(&mut self, room: &Room) -> Tried<()> {
        let path = remote_path(&room.directory, &probe_name());
        debug_assert_eq!(remote_parent(&path), room.directory);
        let made = self.attempt("mkdir", |client| client.mkdir(&path), |()| String::new())?;
        self.found.makes_directories = Some(made.is_some());
        if made.is_some() {
            self.made.directories.push(path.clone());
            self.attempt("rmdir", |client| client.remove_directory(&path), |()| String::new())?;
        }
        Ok(())
    }

    fn space(&mut self, room: &Room) -> Tried<()> {
        if !self.client.extensions.statvfs {
            self.tell("free space", Outcome::NotOffered, Duration::ZERO, "no statvfs@openssh.com");
            return Ok(());
        }
        let asked = if room.directory.is_empty() { "." } else { room.directory.as_str() };
        let gib = |bytes: u64| bytes as f64 / f64::from(1 << 30);
        let space = self.attempt(
            "free space",
            |client| client.space(asked),
            |space| format!("{:.1} of {:.1} GiB", gib(space.free_bytes), gib(space.total_bytes)),
        )?;
        self.found.free_bytes = space.map(|space| space.free_bytes);
        Ok(())
    }

    /// Last, because some servers end the connection over it.
    fn large(&mut self, path: &str) -> Tried<()> {
        let began = Instant::now();
        let written = self.client.open(path, open::WRITE | open::CREATE | open::TRUNCATE).and_then(|handle| {
            self.made.files.insert(path.to_owned());
            let written = self.client.write_once(&handle, 0, &content(LARGE_BYTES));
            let measured = self.client.fstat(&handle);
            self.client.close(&handle)?;
            written?;
            Ok(measured.ok().and_then(|found| found.size).is_none_or(|size| size == LARGE_BYTES as u64))
        });
        let (taken, said) = match &written {
            Ok(true) => (true, format!("{LARGE_BYTES} bytes in one request")),
            Ok(false) => (false, format!("of {LARGE_BYTES} bytes in one request, not all arrived")),
            Err(failure) => (false, format!("{LARGE_BYTES} bytes in one request: {failure}")),
        };
        self.found.takes_large = Some(taken);
        self.tell("write much", if taken { Outcome::Done } else { Outcome::Refused }, began.elapsed(), said);
        let removed = self.client.remove(path); // what stays is removed in the end, or told
        if self.found.removes.is_none() {
            self.found.removes = Some(removed.is_ok());
        }
        Ok(())
    }
}

/// Bytes that a server cannot confuse with others of the same number.
fn content(count: usize) -> Vec<u8> {
    b"reportferry was here; this file may be removed.\n".iter().copied().cycle().take(count).collect()
}
