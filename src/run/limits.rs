//! Limits of the runs of a process in the same stage at once.
//!
//! A narrow semaphore is always acquired before a wide one: a tenant's before the one of all extracts, a destination's
//! before the one of all attempts. So a slow tenant or a dead destination does not block others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::settings::{Destination, WorkLimits};

/// The limits of a process, shared by clones. [`RunLimits::default`] limits only the sessions of destinations.
#[derive(Clone, Default)]
pub struct RunLimits {
    limits: Option<Arc<WorkerLimits>>,
    /// Semaphores of destinations with a limit of sessions.
    sessions: Arc<SemaphoreMap>,
    locks: Arc<Mutex<HashMap<(String, String), PipelineLock>>>,
}

type PipelineLock = Arc<tokio::sync::Mutex<()>>;

struct WorkerLimits {
    work: WorkLimits,
    preparing: Arc<Semaphore>,
    attempts: Arc<Semaphore>,
    tenants: SemaphoreMap,
    destinations: SemaphoreMap,
}

type SemaphoreMap = Mutex<HashMap<String, SizedSemaphore>>;

/// A semaphore and its width: a reload with another width replaces it.
#[derive(Clone)]
struct SizedSemaphore {
    width: usize,
    semaphore: Arc<Semaphore>,
}

/// A permit to be in a stage, until dropped.
pub struct Permit {
    permits: Vec<OwnedSemaphorePermit>,
    _lock: Option<OwnedMutexGuard<()>>,
    sessions: Option<Arc<Semaphore>>,
}

impl Permit {
    /// Acquires up to `max` idle sessions besides this attempt's own. Returns their number.
    pub fn try_acquire_extra(&mut self, max: usize) -> usize {
        let free = self
            .sessions
            .iter()
            .flat_map(|semaphore| (0..max).map_while(|_| semaphore.clone().try_acquire_owned().ok()));
        let before = self.permits.len();
        self.permits.extend(free);
        self.permits.len() - before
    }
}

/// Unused pipeline locks are dropped when there are more than this.
const LOCKS_MAX: usize = 1_000;

impl RunLimits {
    pub fn new(work: WorkLimits) -> Self {
        let limits = WorkerLimits {
            preparing: Arc::new(Semaphore::new(work.runs)),
            attempts: Arc::new(Semaphore::new(work.deliveries)),
            tenants: Mutex::default(),
            destinations: Mutex::default(),
            work,
        };
        Self { limits: Some(Arc::new(limits)), ..Self::default() }
    }

    /// Waits for a permit to extract and transform.
    ///
    /// `tenants` are those of the run's sources in the order of their names, so that two runs never wait for each other.
    pub async fn prepare(&self, tenants: &[&str]) -> Permit {
        let mut permits = Vec::new();
        if let Some(limits) = &self.limits {
            for tenant in tenants {
                permits.extend(acquire(&semaphore(&limits.tenants, tenant, limits.work.per_tenant)).await);
            }
            permits.extend(acquire(&limits.preparing).await);
        }
        Permit { permits, _lock: None, sessions: None }
    }

    /// Waits for a permit for one attempt. A pipeline has one attempt per destination at a time, because two of its
    /// slots may use the same name and the later one must win. An SFTP server is limited by its sessions, a webhook by
    /// its requests in flight, but to at most half of all attempts.
    pub async fn attempt(&self, pipeline: &str, destination: &Destination) -> Permit {
        let name = &destination.name;
        let lock = self.lock(pipeline, name).lock_owned().await;
        let mut permits = Vec::new();
        let sessions = self.sessions_of(destination);
        match (&sessions, &self.limits) {
            (Some(sessions), _) => permits.extend(acquire(sessions).await),
            (None, Some(limits)) => {
                let usual = limits.work.per_destination;
                let own = destination.requests();
                let width = own.map_or(usual, |own| own.min(usual.max(limits.work.deliveries / 2)));
                permits.extend(acquire(&semaphore(&limits.destinations, name, width)).await);
            }
            (None, None) => {}
        }
        if let Some(limits) = &self.limits {
            permits.extend(acquire(&limits.attempts).await);
        }
        Permit { permits, _lock: Some(lock), sessions }
    }

    /// Waits for a permit for one session that sends nothing.
    pub async fn session(&self, destination: &Destination) -> Permit {
        let mut permits = Vec::new();
        if let Some(sessions) = self.sessions_of(destination) {
            permits.extend(acquire(&sessions).await);
        }
        Permit { permits, _lock: None, sessions: None }
    }

    fn sessions_of(&self, destination: &Destination) -> Option<Arc<Semaphore>> {
        destination.sessions().map(|width| semaphore(&self.sessions, &destination.name, width))
    }

    fn lock(&self, pipeline: &str, destination: &str) -> PipelineLock {
        let mut locks = self.locks.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if locks.len() > LOCKS_MAX {
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        }
        locks.entry((pipeline.to_owned(), destination.to_owned())).or_default().clone()
    }
}

fn semaphore(limits: &SemaphoreMap, name: &str, width: usize) -> Arc<Semaphore> {
    let mut limits = limits.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let make = || SizedSemaphore { width, semaphore: Arc::new(Semaphore::new(width)) };
    let sized = limits.entry(name.to_owned()).or_insert_with(make);
    if sized.width != width {
        *sized = make();
    }
    sized.semaphore.clone()
}

/// Returns `None` only for a closed semaphore; these are never closed.
async fn acquire(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    semaphore.clone().acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use super::*;
    use crate::attempt::Backoff;
    use crate::settings::{Compress, DestinationKind, Local, Pickup, Sftp, Webhook, WebhookBody};

    fn now(future: impl Future<Output = Permit>) -> Option<Permit> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_tenant_at_its_limit_does_not_block_others() {
        let limits = RunLimits::new(WorkLimits { runs: 3, per_tenant: 2, ..WorkLimits::default() });
        let (first, _second) = (now(limits.prepare(&["a"])).unwrap(), now(limits.prepare(&["a"])).unwrap());
        assert!(now(limits.prepare(&["a"])).is_none());
        let _other = now(limits.prepare(&["b"])).unwrap();
        assert!(now(limits.prepare(&[])).is_none(), "three in all");
        drop(first);
        assert!(now(limits.prepare(&["a"])).is_some());
    }

    fn folder(name: &str) -> Destination {
        destination(
            name,
            DestinationKind::Local(Local {
                path: "drop".into(),
                mkdir: false,
                mode: None,
                dir_mode: None,
                mtime: None,
            }),
        )
    }

    fn server(name: &str, sessions: usize) -> Destination {
        let sftp = Sftp { sessions, ..Sftp::new(name, "sftp.example", 22, "acme") };
        destination(name, DestinationKind::Sftp(Box::new(sftp)))
    }

    fn destination(name: &str, kind: DestinationKind) -> Destination {
        let retry = Backoff { initial: Duration::ZERO, max: Duration::ZERO, give_up_after: Duration::ZERO };
        Destination { name: name.to_owned(), kind, retry, pickup: Pickup::None, alert_after: None }
    }

    #[test]
    fn a_dead_destination_does_not_block_others() {
        let limits = RunLimits::new(WorkLimits { deliveries: 3, per_destination: 2, ..WorkLimits::default() });
        let dead = folder("dead");
        let _held = (now(limits.attempt("p", &dead)).unwrap(), now(limits.attempt("q", &dead)).unwrap());
        assert!(now(limits.attempt("r", &dead)).is_none());
        assert!(now(limits.attempt("r", &folder("healthy"))).is_some());
    }

    #[test]
    fn a_server_has_as_many_sessions_as_its_settings_say() {
        for limits in [RunLimits::default(), RunLimits::new(WorkLimits { per_destination: 1, ..WorkLimits::default() })]
        {
            let hris = server("hris", 3);
            let mut first = now(limits.attempt("p", &hris)).unwrap();
            let second = now(limits.attempt("q", &hris)).unwrap();
            assert_eq!(first.try_acquire_extra(8), 1, "one is left");
            assert!(now(limits.attempt("r", &hris)).is_none());
            assert!(now(limits.session(&hris)).is_none(), "a poll is a session too");
            drop(second);
            assert!(now(limits.session(&hris)).is_some());
            assert_eq!((first.try_acquire_extra(0), first.try_acquire_extra(1), first.try_acquire_extra(1)), (0, 1, 0));
            drop(first);
            let mut alone = now(limits.attempt("r", &hris)).unwrap();
            assert_eq!(alone.try_acquire_extra(8), 2);
            assert!(now(limits.attempt("r", &server("hris", 4))).is_none(), "the lock is taken");
            assert!(now(limits.attempt("s", &server("hris", 4))).is_some(), "the settings were changed");
        }
    }

    #[test]
    fn a_webhook_has_as_many_attempts_as_requests_in_flight() {
        let limits = RunLimits::new(WorkLimits { deliveries: 8, per_destination: 2, ..WorkLimits::default() });
        let inside = |destination: &Destination| {
            let attempts = (0..8).map(|pipeline| now(limits.attempt(&pipeline.to_string(), destination)));
            attempts.take_while(Option::is_some).collect::<Vec<_>>().len()
        };
        let hook = |in_flight: usize| {
            let webhook = Webhook {
                url: "https://bi.example/hooks".to_owned(),
                secrets: Vec::new(),
                body: WebhookBody::File,
                auth: None,
                headers: Vec::new(),
                egress: Default::default(),
                client: None,
                retry_statuses: Vec::new(),
                compress: Compress::None,
                per_minute: None,
                in_flight,
                connect: Duration::ZERO,
                total: Duration::ZERO,
                allow: Default::default(),
                has_body: true,
            };
            destination("bi", DestinationKind::Webhook(Arc::new(webhook)))
        };
        assert_eq!(inside(&folder("archive")), 2);
        assert_eq!(inside(&hook(1)), 1);
        assert_eq!(inside(&hook(3)), 3, "reloaded settings");
        assert_eq!(inside(&hook(100)), 4, "half is left to others");
    }

    #[test]
    fn a_pipeline_has_one_attempt_at_a_destination_at_a_time() {
        let limits = RunLimits::default();
        let (hris, bi) = (folder("hris"), folder("bi"));
        let first = now(limits.attempt("p", &hris)).unwrap();
        assert!(now(limits.attempt("p", &hris)).is_none());
        assert!(now(limits.attempt("p", &bi)).is_some());
        assert!(now(limits.attempt("q", &hris)).is_some());
        drop(first);
        assert!(now(limits.attempt("p", &hris)).is_some());
    }
}
