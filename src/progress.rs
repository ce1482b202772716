//! Progress of a run: counters that the stages raise and the command line displays.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// Progress of one stage. Cheap to raise from any thread.
#[derive(Default)]
pub struct Meter {
    done: AtomicU64,
    total: AtomicU64,
}

impl Meter {
    pub fn add(&self, more: u64) {
        self.done.fetch_add(more, Relaxed);
    }
    /// Sets the progress, if a stage starts over.
    pub fn set(&self, done: u64) {
        self.done.store(done, Relaxed);
    }
    /// Sets the value of 100 %; 0 means unknown.
    pub fn expect(&self, total: u64) {
        self.total.store(total, Relaxed);
    }
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }
}

/// An export that the source is still preparing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The source's last status of it; empty before the first poll.
    pub status: String,
    pub next_poll: Timestamp,
}

/// The meters of one run. Clones share them.
#[derive(Clone, Default)]
pub struct Progress(Arc<Meters>);

#[derive(Default)]
pub struct Meters {
    /// Bytes received from the source.
    pub extract: Meter,
    /// Bytes of CSV read by the transform.
    pub transform: Meter,
    /// Bytes acknowledged by all destinations together.
    pub deliver: Meter,
    waits_for: Mutex<Option<Wait>>,
}

impl Meters {
    /// Sets what the run waits for; `None` if it waits no longer.
    pub fn set_wait(&self, wait: Option<Wait>) {
        *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = wait;
    }

    pub fn wait(&self) -> Option<Wait> {
        self.waits_for.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl std::ops::Deref for Progress {
    type Target = Meters;
    fn deref(&self) -> &Meters {
        &self.0
    }
}
