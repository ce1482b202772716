//! Sessions kept open between deliveries: signing in takes 9 to 16 round trips, a small delivery fewer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::Verdict;
use super::session::{PendingSession, Session};
use super::webhook::WebhookTarget;
use crate::settings::{Destination, Webhook};

/// The idle sessions of all destinations, and the webhooks in use. Clones share them.
///
/// The caller limits how many are open at once: it takes an idle one before it opens another.
#[derive(Clone, Default)]
pub struct Sessions(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    idle: HashMap<String, Vec<Idle>>,
    webhooks: HashMap<String, Arc<WebhookTarget>>,
    /// Time of a directory's last sweep.
    swept: HashMap<(String, String), Instant>,
}

struct Idle {
    session: Session,
    /// The destination at the time of opening; reloaded settings have another one.
    destination: Arc<Destination>,
    since: Instant,
}

/// Maximum age of a session: keys and passwords may have changed since it was opened.
const AGE_MAX: Duration = Duration::from_secs(600);
/// Minimum interval between sweeps of a directory.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// Directories whose sweep is remembered; with more, all are forgotten.
const SWEPT_MAX: usize = 10_000;

impl Sessions {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Returns a session at the destination: an idle one that is still usable, or a new one. Blocks.
    ///
    /// # Errors
    /// As [`Session::connect`].
    pub fn take(&self, destination: &Arc<Destination>) -> Result<Session, Verdict> {
        while let Some(mut idle) = self.pop(destination) {
            if idle.is_fresh(destination) && idle.session.is_usable(destination, idle.since.elapsed()) {
                return Ok(idle.session);
            }
            idle.session.close();
        }
        Session::connect(destination)
    }

    /// Opens `count` sessions, each on a thread of its own.
    pub fn prefetch(&self, destination: &Arc<Destination>, count: usize) -> Vec<PendingSession> {
        let take = |_| {
            let (sessions, destination) = (self.clone(), destination.clone());
            PendingSession(std::thread::spawn(move || sessions.take(&destination)))
        };
        (0..count).map(take).collect()
    }

    fn pop(&self, destination: &Destination) -> Option<Idle> {
        self.open().idle.get_mut(&destination.name)?.pop()
    }

    /// Keeps a usable session for the next delivery to this destination. May block while another one is closed.
    pub fn give_back(&self, destination: &Arc<Destination>, session: Session) {
        let idle = Idle { session, destination: destination.clone(), since: Instant::now() };
        if !idle.is_fresh(destination) {
            return idle.session.close();
        }
        self.open().idle.entry(destination.name.clone()).or_default().push(idle);
    }

    /// Returns the webhook of this name: the open one, unless its settings, a secret or a certificate has changed since.
    /// Blocks while files are read.
    ///
    /// # Errors
    /// As [`WebhookTarget::open`].
    pub fn webhook(&self, name: &str, webhook: &Arc<Webhook>) -> Result<Arc<WebhookTarget>, Verdict> {
        let in_use = self.open().webhooks.get(name).cloned();
        if let Some(target) = in_use
            && target.is_current(webhook)?
        {
            return Ok(target);
        }
        let opened = Arc::new(WebhookTarget::open(name, webhook)?);
        let mut open = self.open();
        match open.webhooks.get(name) {
            // Another delivery opened it meanwhile: use that one, so that its limits hold for both.
            Some(target) if target.is_same(&opened) => Ok(target.clone()),
            _ => {
                open.webhooks.insert(name.to_owned(), opened.clone());
                Ok(opened)
            }
        }
    }

    /// Closes sessions that were idle for too long, and drops webhooks that the settings no longer have.
    pub async fn close_idle(&self) {
        self.open().webhooks.retain(|_, target| target.is_configured());
        self.close(|idle| !idle.is_fresh(&idle.destination)).await;
    }

    /// Closes all idle sessions.
    pub async fn close_all(&self) {
        self.close(|_| true).await;
    }

    async fn close(&self, is_over: impl Fn(&mut Idle) -> bool) {
        let mut over = Vec::new();
        self.open().idle.values_mut().for_each(|idle| over.extend(idle.extract_if(.., &is_over)));
        if !over.is_empty() {
            let closed = tokio::task::spawn_blocking(|| over.into_iter().for_each(|idle| idle.session.close()));
            // A close that panics has aborted the connection.
            let _ = closed.await;
        }
    }

    /// Returns true if a directory is due for a sweep, and then false for the next hour.
    pub fn may_sweep(&self, destination: &str, directory: &str) -> bool {
        let mut open = self.open();
        if open.swept.len() >= SWEPT_MAX {
            open.swept.clear();
        }
        let now = Instant::now();
        let key = (destination.to_owned(), directory.to_owned());
        let due = open.swept.get(&key).is_none_or(|swept| now.duration_since(*swept) >= SWEEP_EVERY);
        if due {
            open.swept.insert(key, now);
        }
        due
    }
}

impl Idle {
    /// Returns true if the session can be reused. Only sessions that sign in are worth keeping.
    fn is_fresh(&self, destination: &Arc<Destination>) -> bool {
        let keep_open = destination.keep_open();
        Arc::ptr_eq(&self.destination, destination)
            && !keep_open.is_zero()
            && self.since.elapsed() <= keep_open
            && self.session.age().is_some_and(|age| age <= AGE_MAX)
    }
}
