//! The worker's health, as `/healthz` and `/readyz` report it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

/// Clones share one state.
#[derive(Clone, Default)]
pub struct WorkerHealth(Arc<State>);

struct State {
    /// Reason why the worker is not ready; `None` if it is.
    not_ready: Mutex<Option<String>>,
    stopping: AtomicBool,
    beat_ms: AtomicI64,
    pipelines: AtomicUsize,
    problems: AtomicUsize,
    active: AtomicUsize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            not_ready: Mutex::new(Some("starting".to_owned())),
            stopping: AtomicBool::new(false),
            beat_ms: AtomicI64::new(0),
            pipelines: AtomicUsize::new(0),
            problems: AtomicUsize::new(0),
            active: AtomicUsize::new(0),
        }
    }
}

/// Time without a round of the event loop after which the worker counts as hanging.
pub(super) const BEAT_MAX_MS: i64 = 60_000;

impl WorkerHealth {
    pub fn ready(&self) {
        self.set_ready(None);
    }

    pub fn not_ready(&self, why: impl Into<String>) {
        self.set_ready(Some(why.into()));
    }

    /// Marks the worker as not ready for good.
    pub fn stopping(&self) {
        self.not_ready("stopping");
        self.0.stopping.store(true, Relaxed);
    }

    fn set_ready(&self, why: Option<String>) {
        if self.0.stopping.load(Relaxed) {
            return;
        }
        *self.0.not_ready.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = why;
    }

    /// Records a round of the event loop.
    pub fn beat(&self, now: Timestamp, active: usize) {
        self.0.beat_ms.store(now.as_millisecond(), Relaxed);
        self.0.active.store(active, Relaxed);
    }

    pub fn loaded(&self, pipelines: usize, problems: usize) {
        self.0.pipelines.store(pipelines, Relaxed);
        self.0.problems.store(problems, Relaxed);
    }

    /// Returns the time since the last round of the event loop, in milliseconds.
    pub(super) fn beat_age_ms(&self, now: Timestamp) -> i64 {
        (now.as_millisecond() - self.0.beat_ms.load(Relaxed)).max(0)
    }

    /// Returns why the worker counts as hanging, if it does.
    pub(super) fn hangs(&self, now: Timestamp) -> Option<String> {
        let since = self.beat_age_ms(now);
        (since > BEAT_MAX_MS).then(|| format!("the worker's event loop has not run for {} s", since / 1000))
    }

    pub(super) fn why_not_ready(&self) -> Option<String> {
        self.0.not_ready.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Returns the number of active pipelines, and of those with a problem.
    pub(super) fn pipelines(&self) -> (usize, usize) {
        (self.0.pipelines.load(Relaxed), self.0.problems.load(Relaxed))
    }

    pub(super) fn active(&self) -> usize {
        self.0.active.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_does_not_come_round_hangs() {
        let (health, started) = (WorkerHealth::default(), Timestamp::from_second(1_800_000_000).unwrap());
        health.beat(started, 0);
        let after = |seconds| started + jiff::SignedDuration::from_secs(seconds);
        assert_eq!(health.hangs(after(60)), None);
        assert_eq!(health.hangs(after(61)).unwrap(), "the worker's event loop has not run for 61 s");
        health.beat(after(70), 3);
        assert_eq!((health.hangs(after(100)), health.active()), (None, 3));
    }

    #[test]
    fn who_stops_is_not_ready_again() {
        let health = WorkerHealth::default();
        assert_eq!(health.why_not_ready().as_deref(), Some("starting"));
        health.ready();
        health.not_ready("the ledger cannot be used");
        health.ready();
        assert_eq!(health.why_not_ready(), None);
        health.stopping();
        health.ready();
        assert_eq!(health.why_not_ready().as_deref(), Some("stopping"));
    }
}
