//! How many runs of a process may be at the same stage at once.
//!
//! Nobody waits for a narrow gate while holding a wide one: a tenant's before that of all extracts, a destination's
//! before that of all attempts. So a slow tenant or a dead destination keeps nobody else waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::settings::{Destination, Work};

/// Clones share the gates. Those of [`Gates::default`] stand open, but for the sessions of destinations.
#[derive(Clone, Default)]
pub struct Gates {
    limits: Option<Arc<Limits>>,
    /// Of destinations that say how many sessions they take; these have a width also where nothing else has.
    sessions: Arc<Widths>,
    lanes: Arc<Mutex<HashMap<(String, String), Lane>>>,
}

type Lane = Arc<tokio::sync::Mutex<()>>;

struct Limits {
    work: Work,
    makes: Arc<Semaphore>,
    attempts: Arc<Semaphore>,
    tenants: Widths,
    destinations: Widths,
}

type Widths = Mutex<HashMap<String, Gate>>;

/// A gate, and how wide it was made: settings that are read anew make another one.
#[derive(Clone)]
struct Gate {
    width: usize,
    gate: Arc<Semaphore>,
}

/// Leave to be at a stage, until dropped.
pub struct Leave {
    permits: Vec<OwnedSemaphorePermit>,
    _lane: Option<OwnedMutexGuard<()>>,
    sessions: Option<Arc<Semaphore>>,
}

impl Leave {
    /// Leave for sessions beside the one of this attempt, as many as nobody else uses, `most` at the most.
    pub fn widen(&mut self, most: usize) -> usize {
        let free = self.sessions.iter().flat_map(|gate| (0..most).map_while(|_| gate.clone().try_acquire_owned().ok()));
        let before = self.permits.len();
        self.permits.extend(free);
        self.permits.len() - before
    }
}

/// Lanes that nobody is in are forgotten when there are more than this.
const LANES_KEPT: usize = 1_000;

impl Gates {
    pub fn new(work: Work) -> Self {
        let limits = Limits {
            makes: Arc::new(Semaphore::new(work.runs)),
            attempts: Arc::new(Semaphore::new(work.deliveries)),
            tenants: Mutex::default(),
            destinations: Mutex::default(),
            work,
        };
        Self { limits: Some(Arc::new(limits)), ..Self::default() }
    }

    /// Leave to extract and shape.
    pub async fn make(&self, tenant: Option<&str>) -> Leave {
        let mut permits = Vec::new();
        if let Some(limits) = &self.limits {
            if let Some(tenant) = tenant {
                permits.extend(pass(&named(&limits.tenants, tenant, limits.work.per_tenant)).await);
            }
            permits.extend(pass(&limits.makes).await);
        }
        Leave { permits, _lane: None, sessions: None }
    }

    /// Leave for one attempt. A pipeline has one attempt at a destination at a time: two of its slots may go to the
    /// same name, and the later one must win. A destination may say itself how many it lets in: an SFTP server by its
    /// sessions, a webhook by its requests in flight, of which half of all attempts are left to the others.
    pub async fn attempt(&self, pipeline: &str, destination: &Destination) -> Leave {
        let name = &destination.name;
        let lane = self.lane(pipeline, name).lock_owned().await;
        let mut permits = Vec::new();
        let sessions = self.sessions_of(destination);
        match (&sessions, &self.limits) {
            (Some(sessions), _) => permits.extend(pass(sessions).await),
            (None, Some(limits)) => {
                let usual = limits.work.per_destination;
                let own = destination.requests();
                let width = own.map_or(usual, |own| own.min(usual.max(limits.work.deliveries / 2)));
                permits.extend(pass(&named(&limits.destinations, name, width)).await);
            }
            (None, None) => {}
        }
        if let Some(limits) = &self.limits {
            permits.extend(pass(&limits.attempts).await);
        }
        Leave { permits, _lane: Some(lane), sessions }
    }

    /// Leave for one session that sends nothing.
    pub async fn look(&self, destination: &Destination) -> Leave {
        let mut permits = Vec::new();
        if let Some(sessions) = self.sessions_of(destination) {
            permits.extend(pass(&sessions).await);
        }
        Leave { permits, _lane: None, sessions: None }
    }

    fn sessions_of(&self, destination: &Destination) -> Option<Arc<Semaphore>> {
        destination.sessions().map(|width| named(&self.sessions, &destination.name, width))
    }

    fn lane(&self, pipeline: &str, destination: &str) -> Lane {
        let mut lanes = self.lanes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if lanes.len() > LANES_KEPT {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        lanes.entry((pipeline.to_owned(), destination.to_owned())).or_default().clone()
    }
}

fn named(gates: &Widths, name: &str, width: usize) -> Arc<Semaphore> {
    let mut gates = gates.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let make = || Gate { width, gate: Arc::new(Semaphore::new(width)) };
    let gate = gates.entry(name.to_owned()).or_insert_with(make);
    if gate.width != width {
        *gate = make();
    }
    gate.gate.clone()
}

/// The gates are never closed; were one, it would keep nobody out.
async fn pass(gate: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    gate.clone().acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use super::*;
    use crate::attempt::Backoff;
    use crate::settings::{Compress, DestinationKind, Local, Pickup, Sftp, Webhook, WebhookBody};

    fn now(future: impl Future<Output = Leave>) -> Option<Leave> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(leave) => Some(leave),
            Poll::Pending => None,
        }
    }

    #[test]
    fn a_crowded_tenant_leaves_room_for_others() {
        let gates = Gates::new(Work { runs: 3, per_tenant: 2, ..Work::default() });
        let (first, _second) = (now(gates.make(Some("a"))).unwrap(), now(gates.make(Some("a"))).unwrap());
        assert!(now(gates.make(Some("a"))).is_none());
        let _other = now(gates.make(Some("b"))).unwrap();
        assert!(now(gates.make(None)).is_none(), "three in all");
        drop(first);
        assert!(now(gates.make(Some("a"))).is_some());
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
        let retry = Backoff { first: Duration::ZERO, max: Duration::ZERO, within: Duration::ZERO };
        Destination { name: name.to_owned(), kind, retry, pickup: Pickup::None }
    }

    #[test]
    fn a_dead_destination_leaves_room_for_others() {
        let gates = Gates::new(Work { deliveries: 3, per_destination: 2, ..Work::default() });
        let dead = folder("dead");
        let _held = (now(gates.attempt("p", &dead)).unwrap(), now(gates.attempt("q", &dead)).unwrap());
        assert!(now(gates.attempt("r", &dead)).is_none());
        assert!(now(gates.attempt("r", &folder("well"))).is_some());
    }

    #[test]
    fn a_server_has_as_many_sessions_as_its_settings_say() {
        for gates in [Gates::default(), Gates::new(Work { per_destination: 1, ..Work::default() })] {
            let hris = server("hris", 3);
            let mut first = now(gates.attempt("p", &hris)).unwrap();
            let second = now(gates.attempt("q", &hris)).unwrap();
            assert_eq!(first.widen(8), 1, "one is left");
            assert!(now(gates.attempt("r", &hris)).is_none());
            assert!(now(gates.look(&hris)).is_none(), "a look is a session too");
            drop(second);
            assert!(now(gates.look(&hris)).is_some());
            assert_eq!((first.widen(0), first.widen(1), first.widen(1)), (0, 1, 0));
            drop(first);
            let mut alone = now(gates.attempt("r", &hris)).unwrap();
            assert_eq!(alone.widen(8), 2);
            assert!(now(gates.attempt("r", &server("hris", 4))).is_none(), "the lane is taken");
            assert!(now(gates.attempt("s", &server("hris", 4))).is_some(), "the settings were changed");
        }
    }

    #[test]
    fn a_webhook_lets_in_as_many_as_it_takes_requests() {
        let gates = Gates::new(Work { deliveries: 8, per_destination: 2, ..Work::default() });
        let inside = |destination: &Destination| {
            let attempts = (0..8).map(|pipeline| now(gates.attempt(&pipeline.to_string(), destination)));
            attempts.take_while(Option::is_some).collect::<Vec<_>>().len()
        };
        let hook = |in_flight: usize| {
            let webhook = Webhook {
                url: "https://bi.example/hooks".to_owned(),
                secrets: Vec::new(),
                body: WebhookBody::File,
                auth: None,
                headers: Vec::new(),
                ca: None,
                client: None,
                proxy: None,
                retry_statuses: Vec::new(),
                compress: Compress::None,
                per_minute: None,
                in_flight,
                connect: Duration::ZERO,
                total: Duration::ZERO,
                allow: Default::default(),
            };
            destination("bi", DestinationKind::Webhook(Box::new(webhook)))
        };
        assert_eq!(inside(&folder("archive")), 2);
        assert_eq!(inside(&hook(1)), 1);
        assert_eq!(inside(&hook(3)), 3, "settings that were read anew");
        assert_eq!(inside(&hook(100)), 4, "half is left to others");
    }

    #[test]
    fn a_pipeline_has_one_attempt_at_a_destination_at_a_time() {
        let gates = Gates::default();
        let (hris, bi) = (folder("hris"), folder("bi"));
        let first = now(gates.attempt("p", &hris)).unwrap();
        assert!(now(gates.attempt("p", &hris)).is_none());
        assert!(now(gates.attempt("p", &bi)).is_some());
        assert!(now(gates.attempt("q", &hris)).is_some());
        drop(first);
        assert!(now(gates.attempt("p", &hris)).is_some());
    }
}
