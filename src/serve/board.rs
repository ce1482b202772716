//! What the worker says of itself, for whoever asks over HTTP.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

/// Clones share the board.
#[derive(Clone, Default)]
pub struct Board(Arc<Notes>);

struct Notes {
    /// Why it is not ready; `None` when it is.
    not_ready: Mutex<Option<String>>,
    beat_ms: AtomicI64,
    pipelines: AtomicUsize,
    problems: AtomicUsize,
    in_hand: AtomicUsize,
}

impl Default for Notes {
    fn default() -> Self {
        Self {
            not_ready: Mutex::new(Some("starting".to_owned())),
            beat_ms: AtomicI64::new(0),
            pipelines: AtomicUsize::new(0),
            problems: AtomicUsize::new(0),
            in_hand: AtomicUsize::new(0),
        }
    }
}

/// A worker whose loop did not come round for this long hangs.
pub const BEAT_WITHIN_MS: i64 = 60_000;

impl Board {
    pub fn ready(&self) {
        self.set_ready(None);
    }

    pub fn not_ready(&self, why: impl Into<String>) {
        self.set_ready(Some(why.into()));
    }

    fn set_ready(&self, why: Option<String>) {
        *self.0.not_ready.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = why;
    }

    /// The worker's loop came round.
    pub fn beat(&self, now: Timestamp, in_hand: usize) {
        self.0.beat_ms.store(now.as_millisecond(), Relaxed);
        self.0.in_hand.store(in_hand, Relaxed);
    }

    pub fn loaded(&self, pipelines: usize, problems: usize) {
        self.0.pipelines.store(pipelines, Relaxed);
        self.0.problems.store(problems, Relaxed);
    }

    /// Why the worker hangs, if it does.
    pub(super) fn hangs(&self, now: Timestamp) -> Option<String> {
        let since = now.as_millisecond() - self.0.beat_ms.load(Relaxed);
        (since > BEAT_WITHIN_MS).then(|| format!("the worker's loop has not come round for {} s", since / 1000))
    }

    pub(super) fn why_not_ready(&self) -> Option<String> {
        self.0.not_ready.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Pipelines at work, and those with a problem.
    pub(super) fn pipelines(&self) -> (usize, usize) {
        (self.0.pipelines.load(Relaxed), self.0.problems.load(Relaxed))
    }

    pub(super) fn in_hand(&self) -> usize {
        self.0.in_hand.load(Relaxed)
    }
}
