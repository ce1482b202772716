//! The folder of this test process, the binary under test, and waiting for a state.
//!
//! Everything that tests start names this folder in its arguments or works in it. A shell outside of the process waits until
//! the process has ended, however it ends, then kills whatever still names the folder and removes it: statics are never
//! dropped, and a process that is killed drops nothing.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::{NamedTempFile, TempDir};

/// No state is waited for longer than this, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

struct Root {
    path: PathBuf,
    /// The system closes its standard input when this process has ended.
    _reaper: Child,
}

/// The folder that all others are in.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<Root> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let path = tempfile::Builder::new().prefix("reportferry-it-").tempdir().unwrap().keep();
        // Root's PostgreSQL runs as another user, whose folder is in this one.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o711)).unwrap();
        Root { _reaper: reaper(&path), path }
    });
    &root.path
}

/// Starts what cleans up after `folder` once its standard input is closed.
fn reaper(folder: &Path) -> Child {
    // In a session of its own: what interrupts the tests does not reach it.
    let mut reaper = Command::new("setsid")
        .args(["sh", "-c", include_str!("reaper.sh")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("there is no setsid: run tests/tools");
    writeln!(reaper.stdin.as_mut().unwrap(), "{}", folder.display()).unwrap();
    reaper
}

/// Returns a new folder, removed when dropped.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(root()).unwrap()
}

/// Returns a new folder in memory, removed when dropped, where the system has such a file system.
pub(crate) fn memory_folder() -> Option<TempDir> {
    // The reaper removes a folder of this name too.
    let parent = Path::new("/dev/shm").join(root().file_name()?);
    std::fs::create_dir_all(&parent).ok()?;
    tempfile::tempdir_in(parent).ok()
}

/// Returns a new file, removed when dropped.
pub(crate) fn file() -> NamedTempFile {
    NamedTempFile::new_in(root()).unwrap()
}

/// The binary under test, without the caller's settings. What it puts into the system's temporary folder is in ours.
pub(crate) fn reportferry() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reportferry"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REPORTFERRY_")) {
        command.env_remove(name);
    }
    command.env("TMPDIR", root());
    command
}

/// Does `work`, and `meanwhile` again and again until it is over, also when it panics.
pub(crate) fn alongside<T>(mut meanwhile: impl FnMut() + Send, work: impl FnOnce() -> T) -> T {
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Release);
        }
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                meanwhile();
            }
        });
        let _over = Over(&over);
        work()
    })
}

/// Waits until `holds`, and fails when it does not in time.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A process that names the folder, one that works in it, and their children, which do neither.
#[test]
fn what_a_test_process_leaves_is_ended() {
    let folder = folder().keep();
    let mut reaper = reaper(&folder);
    let script = format!("sleep 600 & echo $!; wait; : {}/config", folder.display());
    let start = |command: &mut Command| command.stdout(Stdio::piped()).spawn().unwrap();
    let mut left = [
        start(Command::new("sh").args(["-c", &script])),
        start(Command::new("sh").args(["-c", "sleep 600 & echo $!; wait"]).current_dir(&folder)),
    ];
    let children = left.each_mut().map(|process| {
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        PathBuf::from(format!("/proc/{}/exe", line.trim()))
    });
    assert!(children.iter().all(|child| child.read_link().is_ok()), "all are running");
    drop(reaper.stdin.take());
    assert!(reaper.wait().unwrap().success());
    assert!(!folder.exists());
    eventually("all have ended", || left.iter_mut().all(|process| process.try_wait().unwrap().is_some()));
    eventually("and their children", || children.iter().all(|child| child.read_link().is_err()));
}
