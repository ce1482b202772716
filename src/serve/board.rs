//! What the worker says of itself, for whoever asks over HTTP.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

/// Clones share the board.
#[derive(Clone, Default)]
pub struct Board(Arc<Notes>);

struct Notes {
    /// Why it is not ready; `None` when it is.
    not_ready: Mutex<Option<String>>,
    stopping: AtomicBool,
    beat_ms: AtomicI64,
    pipelines: AtomicUsize,
    problems: AtomicUsize,
    in_hand: AtomicUsize,
}

impl Default for Notes {
    fn default() -> Self {
        Self {
            not_ready: Mutex::new(Some("starting".to_owned())),
            stopping: AtomicBool::new(false),
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

    /// Not ready any more, whatever comes.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_does_not_come_round_hangs() {
        let (board, begun) = (Board::default(), Timestamp::from_second(1_800_000_000).unwrap());
        board.beat(begun, 0);
        let after = |seconds| begun + jiff::SignedDuration::from_secs(seconds);
        assert_eq!(board.hangs(after(60)), None);
        assert_eq!(board.hangs(after(61)).unwrap(), "the worker's loop has not come round for 61 s");
        board.beat(after(70), 3);
        assert_eq!((board.hangs(after(100)), board.in_hand()), (None, 3));
    }

    #[test]
    fn who_stops_is_not_ready_again() {
        let board = Board::default();
        assert_eq!(board.why_not_ready().as_deref(), Some("starting"));
        board.ready();
        board.not_ready("the ledger cannot be used");
        board.ready();
        assert_eq!(board.why_not_ready(), None);
        board.stopping();
        board.ready();
        assert_eq!(board.why_not_ready().as_deref(), Some("stopping"));
    }
}
