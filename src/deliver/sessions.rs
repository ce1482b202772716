//! Sessions that stay open between deliveries: signing in takes 9 to 16 round trips, a small delivery fewer.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Session, Verdict};
use crate::settings::{Destination, DestinationKind};

/// The open sessions that nobody uses just now, of all destinations. Clones share them.
///
/// How many are open at once is decided by whoever delivers: each takes one that is idle before it opens another.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    idle: HashMap<String, Vec<Idle>>,
    /// When a directory of a destination was last swept.
    swept: HashMap<(String, String), Instant>,
}

/// A session that is being opened.
pub struct Coming(JoinHandle<Result<Session, Verdict>>);

impl Coming {
    /// Blocks until it is there.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub fn wait(self) -> Result<Session, Verdict> {
        self.0.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

struct Idle {
    session: Session,
    /// As it was when the session was opened; settings that are read anew give another one.
    destination: Arc<Destination>,
    since: Instant,
}

/// A session is not used for longer: keys and passwords may have been changed since it was opened.
const AGE_MAX: Duration = Duration::from_secs(600);
/// A directory is swept no sooner again.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// Directories whose sweep is remembered; beyond that, all are forgotten.
const SWEPT_MAX: usize = 10_000;

impl Sessions {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A session at the destination: an idle one that is still good, or a new one. Blocks.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub fn take(&self, destination: &Arc<Destination>) -> Result<Session, Verdict> {
        while let Some(mut idle) = self.pop(destination) {
            if idle.is_fresh(destination) && idle.session.is_good(destination, idle.since.elapsed()) {
                return Ok(idle.session);
            }
            idle.session.close();
        }
        Session::connect(destination)
    }

    /// As many sessions, each on its way on a thread of its own.
    pub fn send_for(&self, destination: &Arc<Destination>, count: usize) -> Vec<Coming> {
        let take = |_| {
            let (sessions, destination) = (self.clone(), destination.clone());
            Coming(std::thread::spawn(move || sessions.take(&destination)))
        };
        (0..count).map(take).collect()
    }

    fn pop(&self, destination: &Destination) -> Option<Idle> {
        self.kept().idle.get_mut(&destination.name)?.pop()
    }

    /// Keeps a session that served well for the next delivery there. May block for the length of a goodbye.
    pub fn give_back(&self, destination: &Arc<Destination>, session: Session) {
        let idle = Idle { session, destination: destination.clone(), since: Instant::now() };
        if !idle.is_fresh(destination) {
            return idle.session.close();
        }
        self.kept().idle.entry(destination.name.clone()).or_default().push(idle);
    }

    /// Closes what has been idle for long enough.
    pub async fn close_idle(&self) {
        self.close(|idle| !idle.is_fresh(&idle.destination)).await;
    }

    /// Closes all: nothing is delivered any more.
    pub async fn say_goodbye(&self) {
        self.close(|_| true).await;
    }

    async fn close(&self, is_over: impl Fn(&mut Idle) -> bool) {
        let mut over = Vec::new();
        self.kept().idle.values_mut().for_each(|idle| over.extend(idle.extract_if(.., &is_over)));
        if !over.is_empty() {
            let closed = tokio::task::spawn_blocking(|| over.into_iter().for_each(|idle| idle.session.close()));
            // What does not come to its end is cut off.
            let _ = closed.await;
        }
    }

    /// Whether a directory is to be swept now; then it is not for the next hour.
    pub fn may_sweep(&self, destination: &str, directory: &str) -> bool {
        let mut kept = self.kept();
        if kept.swept.len() >= SWEPT_MAX {
            kept.swept.clear();
        }
        let now = Instant::now();
        let key = (destination.to_owned(), directory.to_owned());
        let due = kept.swept.get(&key).is_none_or(|swept| now.duration_since(*swept) >= SWEEP_EVERY);
        if due {
            kept.swept.insert(key, now);
        }
        due
    }
}

impl Idle {
    /// Whether it may be used again. Only what is signed in to is worth keeping.
    fn is_fresh(&self, destination: &Arc<Destination>) -> bool {
        let (DestinationKind::Sftp(sftp), Some(age)) = (&destination.kind, self.session.age()) else { return false };
        Arc::ptr_eq(&self.destination, destination)
            && !sftp.keep_open.is_zero()
            && self.since.elapsed() <= sftp.keep_open
            && age <= AGE_MAX
    }
}
