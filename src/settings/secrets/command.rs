//! Secrets printed by a command, such as a password manager's client. It runs without a shell, within limits.

use std::fmt;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{SECRET_BYTES_MAX, SecretError, of_bytes};
use crate::secret::Secret;
use crate::settings::PREFIX;

/// Interval of looks at whether the command has ended.
const TICK: Duration = Duration::from_millis(10);

/// A command whose output is a secret. Its result is kept for a while, so that it does not run for each request.
pub struct SecretCommand {
    /// A name to look up in `PATH`, or a path.
    pub(in crate::settings) program: PathBuf,
    pub(in crate::settings) arguments: Vec<String>,
    /// The command and its children are killed after this time.
    pub(in crate::settings) timeout: Duration,
    /// The time for which a result is used again.
    pub(in crate::settings) cache: Duration,
    pub(in crate::settings) cached: Mutex<Option<Cached>>,
}

/// The result of a command.
pub(in crate::settings) struct Cached {
    secret: Secret,
    since: Instant,
}

/// The reason a command gave no output. Never contains what it printed.
#[derive(Debug)]
pub enum CommandProblem {
    NotStarted(io::Error),
    Failed {
        status: ExitStatus,
        wrote_errors: bool,
    },
    TimedOut(Duration),
    Read(io::Error),
    /// It printed nothing but white space.
    Empty,
    NotText,
    TooLarge,
}

impl fmt::Display for CommandProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) => write!(f, "cannot be started: {error}"),
            Self::Failed { status, wrote_errors } => {
                let wrote = if *wrote_errors { " and wrote to standard error, which is not shown" } else { "" };
                write!(f, "failed ({status}){wrote}; run it as the worker's account to see why")
            }
            Self::TimedOut(after) => {
                write!(f, "did not end within {after:?} and was killed; `timeout` beside `command` sets the limit")
            }
            Self::Read(error) => write!(f, "could not be read: {error}"),
            Self::Empty => write!(f, "printed nothing but white space"),
            Self::NotText => write!(f, "printed something that is not text"),
            Self::TooLarge => write!(f, "printed more than 1 MiB; is it the right one?"),
        }
    }
}

impl SecretCommand {
    /// Returns the program's name, for messages. Arguments may be confidential.
    pub(super) fn name(&self) -> String {
        self.program.display().to_string()
    }

    /// Returns the secret: the kept one, or what the command prints. Blocks. Concurrent callers run it once.
    ///
    /// # Errors
    /// The command failed, or printed no secret.
    pub(super) fn read(&self) -> Result<Secret, SecretError> {
        let mut cached = self.cached();
        if let Some(kept) = cached.as_ref().filter(|kept| kept.since.elapsed() < self.cache) {
            return Ok(kept.secret.clone());
        }
        *cached = None;
        let secret = self.run().and_then(|bytes| of_bytes(bytes).map_err(CommandProblem::from));
        let secret = secret.map_err(|problem| SecretError::Command { name: self.name(), problem })?;
        *cached = Some(Cached { secret: secret.clone(), since: Instant::now() });
        Ok(secret)
    }

    /// Drops a result that was kept since before `began`. Returns true if there was one.
    pub(super) fn forget(&self, began: Instant) -> bool {
        self.cached().take_if(|kept| kept.since < began).is_some()
    }

    fn cached(&self) -> MutexGuard<'_, Option<Cached>> {
        self.cached.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Runs the command in a process group of its own and returns what it printed.
    fn run(&self) -> Result<Vec<u8>, CommandProblem> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Our own settings may hold secrets; the client's (`PATH`, `HOME`, `VAULT_ADDR`, …) are inherited.
        let ours = std::env::vars_os().map(|(name, _)| name);
        ours.filter(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes())).for_each(|name| {
            command.env_remove(name);
        });
        let child = command.spawn().map_err(CommandProblem::NotStarted)?;
        Group { child, reaped: false }.output(Instant::now() + self.timeout).map_err(|problem| match problem {
            CommandProblem::TimedOut(_) => CommandProblem::TimedOut(self.timeout),
            other => other,
        })
    }
}

/// A child that leads a process group; dropped, all of the group is killed.
struct Group {
    child: Child,
    reaped: bool,
}

impl Group {
    /// Reads what the child prints until it ends. What it writes to standard error is dropped.
    fn output(mut self, until: Instant) -> Result<Vec<u8>, CommandProblem> {
        let (mut stdout, mut stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let (mut printed, mut wrote_errors) = (Vec::new(), false);
        loop {
            let (out, err) = ready(stdout.as_ref(), stderr.as_ref()).map_err(CommandProblem::Read)?;
            if out {
                read_some(&mut stdout, |bytes| printed.extend_from_slice(bytes))?;
            }
            if err {
                read_some(&mut stderr, |_| wrote_errors = true)?;
            }
            if printed.len() as u64 > SECRET_BYTES_MAX {
                return Err(CommandProblem::TooLarge);
            }
            // What it printed last is read before its end counts.
            if !out && !err && self.has_ended() {
                break;
            }
            if Instant::now() >= until {
                return Err(CommandProblem::TimedOut(Duration::ZERO));
            }
        }
        let status = self.end().map_err(CommandProblem::Read)?;
        if status.success() { Ok(printed) } else { Err(CommandProblem::Failed { status, wrote_errors }) }
    }

    /// Returns true once the child has ended. It stays a zombie, so its number is not given to another process.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(WaitId::Pid(Pid::from_child(&self.child)), options), Ok(None))
    }

    /// Kills what is left of the group, and returns the child's status.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if !self.reaped {
            // Fails if nothing is left.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        self.reaped = true;
        self.child.wait()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its status was returned already, or nobody asks for it.
        let _ = self.end();
    }
}

/// Waits a moment until the child has written something or closed a stream. Returns which one can be read.
fn ready(stdout: Option<&impl AsFd>, stderr: Option<&impl AsFd>) -> io::Result<(bool, bool)> {
    let fds = stdout.map(AsFd::as_fd).into_iter().chain(stderr.map(AsFd::as_fd));
    let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    let tick = Timespec { tv_sec: 0, tv_nsec: i64::from(TICK.subsec_nanos()) };
    match poll(&mut fds, Some(&tick)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut readable = fds.iter().map(|fd| !fd.revents().is_empty());
    let mut next = |is_open: bool| is_open && readable.next().unwrap_or(false);
    Ok((next(stdout.is_some()), next(stderr.is_some())))
}

/// Reads once from a readable stream; closes it at its end.
fn read_some(stream: &mut Option<impl Read>, mut take: impl FnMut(&[u8])) -> Result<(), CommandProblem> {
    let mut buffer = [0; 4096];
    let Some(open) = stream else { return Ok(()) };
    match open.read(&mut buffer) {
        Ok(0) => *stream = None,
        Ok(read) => take(&buffer[..read]),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(CommandProblem::Read(error)),
    }
    buffer.fill(0);
    Ok(())
}
