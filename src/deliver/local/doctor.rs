//! Tests a directory of this machine with a probe file, as a delivery would use it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::attributes::set_mode;
use super::error::before_publishing;
use crate::deliver::names;
use crate::deliver::probe::{DoctorReport, DoctorStep, Probe, StepOutcome, Visit, is_stale, probe_name};
use crate::settings::Local;

/// Files and directories that the test created; removed on drop, however the test ended.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Made {
    /// Removes everything and returns what could not be removed.
    fn remove(&mut self) -> Vec<String> {
        let files = self.files.drain(..).map(|path| (fs::remove_file(&path), path));
        let directories = self.directories.drain(..).rev().map(|path| (fs::remove_dir(&path), path));
        let all = files.chain(directories);
        let left = all.filter(|(removed, path)| removed.is_err() && fs::symlink_metadata(path).is_ok());
        left.map(|(_, path)| path.display().to_string()).collect()
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A failed step after which the test cannot continue.
struct Over;

struct Prober<'a> {
    report: &'a mut DoctorReport,
    made: Made,
    links: bool,
}

pub fn probe(local: &Local, visit: &Visit, mut report: DoctorReport) -> Probe {
    let mut prober = Prober { report: &mut report, made: Made::default(), links: true };
    let whole = prober.steps(local, visit).is_ok();
    let links = prober.links;
    let left_behind = prober.made.remove();
    drop(prober);
    const WRITTEN: &str =
        "A file is written under a temporary name, synced, measured, and gets its final name when it is complete.";
    let plan: &[&str] = match (whole, links) {
        (false, _) => &["Nothing is delivered there until the failed step is fixed."],
        (true, true) => &[WRITTEN, "`existing` may be fail, keep, number, replace (without a gap)."],
        (true, false) => &[
            WRITTEN,
            "The file system has no links: with `existing: fail`, `keep` or `number` another writer could slip in \
             between the check and the rename. `replace` has no such moment.",
        ],
    };
    Probe {
        destination: String::new(),
        kind: "local".to_owned(),
        address: local.path.display().to_string(),
        ok: whole && !report.has_failed(),
        steps: report.steps,
        plan: plan.iter().map(|sentence| (*sentence).to_owned()).collect(),
        advice: Vec::new(),
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
            let message = format!("{length} bytes are there, 48 were written");
            self.report.record(DoctorStep::new("stat", StepOutcome::Failed, Duration::ZERO, message));
            return Err(Over);
        }
        if let Some(mode) = local.mode {
            self.attempt("set permissions", || set_mode(mode, |mode| fs::set_permissions(&first, mode)));
        }
        self.links = self.attempt("link", || fs::hard_link(&first, &second));
        if self.links {
            self.must("remove", &second, || fs::remove_file(&second))?;
        }
        self.must("rename", &second, || fs::rename(&first, &second))?;
        let write_again = || OpenOptions::new().write(true).create_new(true).open(&first)?.write_all(b"again");
        self.must("write again", &first, write_again)?;
        self.must("rename over", &second, || fs::rename(&first, &second))?;
        self.must("remove", &second, || fs::remove_file(&second))?;
        self.must("fsync the directory", &directory, || File::open(&directory)?.sync_all())?;
        let inner = directory.join(probe_name());
        self.made.directories.push(inner.clone());
        self.attempt("mkdir", || fs::create_dir(&inner));
        self.space(&directory);
        Ok(())
    }

    /// With `mkdir`, creates missing directories, which the test removes in the end.
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
                let step = DoctorStep::done("directory", began.elapsed(), directory.display().to_string());
                self.report.record(owner(&there).into_iter().fold(step, |step, (what, is)| step.with(what, is)));
            }
            Err(error) => return self.over("directory", &directory, began, error),
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
            let message = format!("removed {swept} left by an earlier visit");
            self.report.record(DoctorStep::done("sweep", began.elapsed(), message));
        }
    }

    fn must<T>(&mut self, name: &str, path: &Path, op: impl FnOnce() -> io::Result<T>) -> Result<T, Over> {
        let began = Instant::now();
        match op() {
            Ok(done) => {
                self.report.record(DoctorStep::done(name, began.elapsed(), ""));
                Ok(done)
            }
            Err(error) => self.over(name, path, began, error),
        }
    }

    fn attempt(&mut self, name: &str, op: impl FnOnce() -> io::Result<()>) -> bool {
        let began = Instant::now();
        let outcome = op();
        let message = outcome.as_ref().err().map(io::Error::to_string).unwrap_or_default();
        let how = if outcome.is_ok() { StepOutcome::Done } else { StepOutcome::Refused };
        self.report.record(DoctorStep::new(name, how, began.elapsed(), message));
        outcome.is_ok()
    }

    fn over<T>(&mut self, name: &str, path: &Path, began: Instant, error: io::Error) -> Result<T, Over> {
        let verdict = before_publishing(name, path, &error);
        self.report.record(DoctorStep::failed(name, began.elapsed(), &verdict));
        Err(Over)
    }

    fn space(&mut self, directory: &Path) {
        let began = Instant::now();
        let gib = |blocks: u64, size: u64| blocks.saturating_mul(size) as f64 / f64::from(1 << 30);
        let step = match rustix::fs::statvfs(directory) {
            Ok(space) => {
                let (free, all) = (gib(space.f_bavail, space.f_frsize), gib(space.f_blocks, space.f_frsize));
                DoctorStep::done("free space", began.elapsed(), format!("{free:.1} of {all:.1} GiB"))
            }
            Err(error) => DoctorStep::new("free space", StepOutcome::Refused, began.elapsed(), error.to_string()),
        };
        self.report.record(step);
    }
}

fn owner(there: &fs::Metadata) -> Vec<(&'static str, String)> {
    use std::os::unix::fs::MetadataExt;
    vec![
        ("owner", format!("user {}, group {}", there.uid(), there.gid())),
        ("permissions", format!("{:04o}", there.mode() & 0o7777)),
    ]
}
