//! How many runs of a process may be at the same stage at once.
//!
//! Nobody waits for a narrow gate while holding a wide one: a tenant's before that of all extracts, a destination's
//! before that of all attempts. So a slow tenant or a dead destination keeps nobody else waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use crate::settings::Work;

/// Clones share the gates. Those of [`Gates::default`] stand open.
#[derive(Clone, Default)]
pub struct Gates {
    limits: Option<Arc<Limits>>,
    lanes: Arc<Mutex<HashMap<(String, String), Lane>>>,
}

type Lane = Arc<tokio::sync::Mutex<()>>;

struct Limits {
    work: Work,
    makes: Arc<Semaphore>,
    attempts: Arc<Semaphore>,
    tenants: Named,
    destinations: Named,
}

/// Width and gate, by name.
type Named = Mutex<HashMap<String, (usize, Arc<Semaphore>)>>;

/// Leave to be at a stage, until dropped.
pub struct Leave {
    _permits: Vec<OwnedSemaphorePermit>,
    _lane: Option<OwnedMutexGuard<()>>,
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
        Self { limits: Some(Arc::new(limits)), lanes: Arc::default() }
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
        Leave { _permits: permits, _lane: None }
    }

    /// Leave for one attempt. A pipeline has one attempt at a destination at a time: two of its slots may go to the
    /// same name, and the later one must win. `own` is how many the destination itself lets in, where it says so: a webhook
    /// is guarded by its requests in flight. Half of all is left to the others even then.
    pub async fn attempt(&self, pipeline: &str, destination: &str, own: Option<usize>) -> Leave {
        let lane = self.lane(pipeline, destination).lock_owned().await;
        let mut permits = Vec::new();
        if let Some(limits) = &self.limits {
            let usual = limits.work.per_destination;
            let width = own.map_or(usual, |own| own.min(usual.max(limits.work.deliveries / 2)));
            permits.extend(pass(&named(&limits.destinations, destination, width)).await);
            permits.extend(pass(&limits.attempts).await);
        }
        Leave { _permits: permits, _lane: Some(lane) }
    }

    fn lane(&self, pipeline: &str, destination: &str) -> Lane {
        let mut lanes = self.lanes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if lanes.len() > LANES_KEPT {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        lanes.entry((pipeline.to_owned(), destination.to_owned())).or_default().clone()
    }
}

fn named(gates: &Named, name: &str, width: usize) -> Arc<Semaphore> {
    let mut gates = gates.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let made = || (width, Arc::new(Semaphore::new(width)));
    let (known, gate) = gates.entry(name.to_owned()).or_insert_with(made);
    // Settings that were read anew: who is inside already is not counted once more.
    if *known != width {
        (*known, *gate) = made();
    }
    gate.clone()
}

/// The gates are never closed; were one, it would keep nobody out.
async fn pass(gate: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    gate.clone().acquire_owned().await.ok()
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

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

    #[test]
    fn a_dead_destination_leaves_room_for_others() {
        let gates = Gates::new(Work { deliveries: 3, per_destination: 2, ..Work::default() });
        let _held = (now(gates.attempt("p", "dead", None)).unwrap(), now(gates.attempt("q", "dead", None)).unwrap());
        assert!(now(gates.attempt("r", "dead", None)).is_none());
        assert!(now(gates.attempt("r", "well", None)).is_some());
    }

    #[test]
    fn a_destination_may_have_a_width_of_its_own() {
        let gates = Gates::new(Work { deliveries: 8, per_destination: 2, ..Work::default() });
        let inside = |destination: &str, own: Option<usize>| {
            let attempts = (0..8).map(|pipeline| now(gates.attempt(&pipeline.to_string(), destination, own)));
            attempts.take_while(Option::is_some).collect::<Vec<_>>().len()
        };
        assert_eq!(inside("hris", None), 2);
        assert_eq!(inside("bi", Some(1)), 1);
        assert_eq!(inside("bi", Some(3)), 3, "settings that were read anew");
        assert_eq!(inside("bi", Some(100)), 4, "half is left to others");
    }

    #[test]
    fn a_pipeline_has_one_attempt_at_a_destination_at_a_time() {
        let gates = Gates::default();
        let first = now(gates.attempt("p", "hris", None)).unwrap();
        assert!(now(gates.attempt("p", "hris", None)).is_none());
        assert!(now(gates.attempt("p", "bi", None)).is_some());
        assert!(now(gates.attempt("q", "hris", None)).is_some());
        drop(first);
        assert!(now(gates.attempt("p", "hris", None)).is_some());
    }
}
