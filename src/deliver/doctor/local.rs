//! A directory of this machine, tried with a probe file as a delivery would.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Advice, Outcome, Probe, Report, Step, Visit, is_stale, probe_name};
use crate::deliver::names;
use crate::settings::Local;

/// What was made and is not removed yet; removed when dropped, however the visit ended.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Made {
    fn remove(&mut self) -> Vec<String> {
        let mut left = Vec::new();
        for path in self.files.drain(..) {
            if fs::remove_file(&path).is_err() && fs::symlink_metadata(&path).is_ok() {
                left.push(path.display().to_string());
            }
        }
        for path in self.directories.drain(..).rev() {
            if fs::remove_dir(&path).is_err() && fs::symlink_metadata(&path).is_ok() {
                left.push(path.display().to_string());
            }
        }
        left
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A step failed, and no other can follow.
struct Over;

struct Prober<'a> {
    report: &'a mut Report,
    made: Made,
    links: bool,
}

pub fn probe(local: &Local, visit: &Visit, mut report: Report) -> Probe {
    let mut prober = Prober { report: &mut report, made: Made::default(), links: true };
    let whole = prober.steps(local, visit).is_ok();
    let links = prober.links;
    let left_behind = prober.made.remove();
    drop(prober);
    let mut plan = Vec::new();
    if !whole {
        plan.push("Nothing is delivered there until the step that failed is mended.".to_owned());
    } else {
        plan.push(
            "A file is written under a temporary name, synced, measured, and takes its final name when it is whole."
                .to_owned(),
        );
        plan.push(match links {
            true => "`existing` may be fail, keep, number, replace (with no moment without a file).".to_owned(),
            false => "The file system has no links: with `existing: fail`, `keep` or `number` another writer could \
                      slip in between the look and the rename. `replace` has no such moment."
                .to_owned(),
        });
    }
    Probe {
        destination: String::new(),
        kind: "local".to_owned(),
        address: local.path.display().to_string(),
        ok: whole && !report.has_failed(),
        steps: report.steps,
        plan,
        advice: Vec::<Advice>::new(),
        left_behind,
    }
}

impl Prober<'_> {
    fn steps(&mut self, local: &Local, visit: &Visit) -> Result<(), Over> {
        let directory = self.directory(local, visit)?;
        let (first, second) = (directory.join(probe_name()), directory.join(probe_name()));
        self.made.files.extend([first.clone(), second.clone()]);
        let mut file = self.must("open", &first, || OpenOptions::new().write(true).create_new(true).open(&first))?;
        self.must("write", &first, || file.write_all(b"reportferry was here; this file may be removed.\n"))?;
        self.must("fsync", &first, || file.sync_all())?;
        let length = self.must("stat", &first, || file.metadata().map(|there| there.len()))?;
        drop(file);
        if length != 48 {
            let said = format!("{length} bytes are there, 48 were written");
            self.report.tell(Step::new("stat", Outcome::Failed, Duration::ZERO, said));
            return Err(Over);
        }
        if let Some(mode) = local.mode {
            self.attempt("set permissions", || set_mode(&first, mode));
        }
        self.links = self.attempt("link", || fs::hard_link(&first, &second));
        if self.links {
            self.must("remove", &second, || fs::remove_file(&second))?;
        }
        self.must("rename", &second, || fs::rename(&first, &second))?;
        self.must("write again", &first, || fs::write(&first, b"again"))?;
        self.must("rename over", &second, || fs::rename(&first, &second))?;
        self.must("remove", &second, || fs::remove_file(&second))?;
        self.must("fsync the directory", &directory, || File::open(&directory)?.sync_all())?;
        let inner = directory.join(probe_name());
        self.made.directories.push(inner.clone());
        self.attempt("mkdir", || fs::create_dir(&inner));
        self.space(&directory);
        Ok(())
    }

    /// Where `mkdir` is set, what is missing is made, and removed in the end.
    fn directory(&mut self, local: &Local, visit: &Visit) -> Result<PathBuf, Over> {
        let parts = names::components(&visit.path).unwrap_or_default();
        let directory = parts.iter().fold(local.path.clone(), |path, part| path.join(part));
        if local.mkdir {
            let missing: Vec<PathBuf> =
                directory.ancestors().take_while(|path| !path.exists()).map(Path::to_owned).collect();
            for path in missing.into_iter().rev().filter(|path| !path.as_os_str().is_empty()) {
                self.must("make the directory", &path, || fs::create_dir(&path))?;
                self.made.directories.push(path);
            }
        }
        let began = Instant::now();
        let there = fs::metadata(&directory)
            .and_then(|there| if there.is_dir() { Ok(there) } else { Err(io::ErrorKind::NotADirectory.into()) });
        match there {
            Ok(there) => {
                let step = Step::done("directory", began.elapsed(), directory.display().to_string());
                self.report.tell(owner(&there).into_iter().fold(step, |step, (what, is)| step.with(what, is)));
            }
            Err(error) => return self.over("directory", &directory, began, &error),
        }
        self.sweep(&directory, visit);
        Ok(directory)
    }

    fn sweep(&mut self, directory: &Path, visit: &Visit) {
        let began = Instant::now();
        let mut swept = 0;
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let modified = entry.metadata().and_then(|there| there.modified()).ok();
            let modified_s = modified.and_then(|at| jiff::Timestamp::try_from(at).ok()).map(|at| at.as_second());
            if is_stale(&name, modified_s, visit.now) {
                swept += usize::from(fs::remove_file(entry.path()).or_else(|_| fs::remove_dir(entry.path())).is_ok());
            }
        }
        if swept > 0 {
            let said = format!("removed {swept} left by an earlier visit");
            self.report.tell(Step::done("sweep", began.elapsed(), said));
        }
    }

    fn must<T>(&mut self, name: &str, path: &Path, op: impl FnOnce() -> io::Result<T>) -> Result<T, Over> {
        let began = Instant::now();
        match op() {
            Ok(done) => {
                self.report.tell(Step::done(name, began.elapsed(), ""));
                Ok(done)
            }
            Err(error) => self.over(name, path, began, &error),
        }
    }

    fn attempt(&mut self, name: &str, op: impl FnOnce() -> io::Result<()>) -> bool {
        let began = Instant::now();
        let outcome = op();
        let said = outcome.as_ref().err().map(io::Error::to_string).unwrap_or_default();
        let how = if outcome.is_ok() { Outcome::Done } else { Outcome::Refused };
        self.report.tell(Step::new(name, how, began.elapsed(), said));
        outcome.is_ok()
    }

    fn over<T>(&mut self, name: &str, path: &Path, began: Instant, error: &io::Error) -> Result<T, Over> {
        let verdict = crate::deliver::local::before_publishing_io(name, path, error);
        self.report.tell(Step::failed(name, began.elapsed(), &verdict));
        Err(Over)
    }

    fn space(&mut self, directory: &Path) {
        let began = Instant::now();
        let gib = |blocks: u64, size: u64| blocks.saturating_mul(size) as f64 / f64::from(1 << 30);
        let step = match rustix::fs::statvfs(directory) {
            Ok(space) => {
                let (free, all) = (gib(space.f_bavail, space.f_frsize), gib(space.f_blocks, space.f_frsize));
                Step::done("free space", began.elapsed(), format!("{free:.1} of {all:.1} GiB"))
            }
            Err(error) => Step::new("free space", Outcome::Refused, began.elapsed(), error.to_string()),
        };
        self.report.tell(step);
    }
}

#[cfg(unix)]
fn owner(there: &fs::Metadata) -> Vec<(&'static str, String)> {
    use std::os::unix::fs::MetadataExt;
    vec![
        ("owner", format!("user {}, group {}", there.uid(), there.gid())),
        ("permissions", format!("{:04o}", there.mode() & 0o7777)),
    ]
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}
