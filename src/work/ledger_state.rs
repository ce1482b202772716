//! The state of the ledger as the event loop sees it: each failure and each recovery is logged once.

use crate::disk;
use crate::ledger::LedgerError;
use crate::run::with_causes;
use crate::serve::WorkerHealth;
use crate::settings::LedgerSettings;

/// Free bytes with which the ledger's disk is no longer full.
const FULL_MARGIN: u64 = 1 << 20;

#[derive(Default)]
pub(super) struct LedgerState {
    failure: Option<LedgerFailure>,
    /// An operation has failed since the round began.
    failed: bool,
}

struct LedgerFailure {
    reason: String,
    disk_full: bool,
}

impl LedgerState {
    /// Begins a round of the event loop. Returns true if nothing failed in the last one.
    pub(super) fn begin_round(&mut self) -> bool {
        !std::mem::take(&mut self.failed)
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failure.is_some()
    }

    /// Logs the first failure; retries are silent until [`LedgerState::handle_write`].
    pub(super) fn handle(&mut self, outcome: Result<(), LedgerError>, health: &WorkerHealth) {
        let Err(error) = outcome else { return };
        self.failed = true;
        let failure = LedgerFailure { reason: with_causes(&error), disk_full: error.is_disk_full() };
        health.not_ready(format!("the ledger cannot be used: {}", failure.reason));
        // A full disk fails each operation in its own words.
        let is_known = self
            .failure
            .as_ref()
            .is_some_and(|known| known.reason == failure.reason || (known.disk_full && failure.disk_full));
        if !is_known {
            tracing::error!(reason = failure.reason, "ledger unavailable, retrying");
        }
        self.failure = Some(failure);
    }

    /// Ends a failure after a round without one and a write: reads succeed on a full disk too.
    pub(super) fn handle_write(&mut self, settings: &LedgerSettings, health: &WorkerHealth) {
        if !self.is_disk_full(settings) && self.failure.take().is_some() {
            health.ready();
            tracing::info!("ledger available again");
        }
    }

    /// Returns true while the disk that a failure found full still is: a small write may succeed where others do not.
    fn is_disk_full(&self, settings: &LedgerSettings) -> bool {
        let (Some(LedgerFailure { disk_full: true, .. }), LedgerSettings::Sqlite(path)) = (&self.failure, settings)
        else {
            return false;
        };
        path.parent().is_some_and(|folder| disk::space(folder).is_ok_and(|space| space.free < FULL_MARGIN))
    }
}
