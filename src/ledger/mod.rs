//! ⑧ The durable record of slots, runs, deliveries, attempts and receipts.
//!
//! Every method is one transaction. What must not be lost is durable when its method returns (intents, receipts, execution
//! IDs, ends, a person's decisions), because a lost commit would send a file again. What the same run would write again is
//! durable with the next of these (`write_ordered`). One set of SQL
//! serves SQLite and PostgreSQL (`store`). Every method fails if the ledger is unavailable; other errors are documented.

mod alert;
mod alerts;
mod attempts;
mod attention;
mod backfill;
mod baseline;
mod batches;
mod decisions;
mod delta;
mod files;
mod gauges;
mod history;
pub mod next;
mod operate;
mod others;
mod pickups;
mod prune;
mod query;
pub mod record;
mod rows;
mod runs;
mod servers;
mod slots;
pub mod state;
mod store;
mod tenants;
mod waiting;
mod watermark;

use std::sync::Arc;

use tokio::task::JoinError;

use crate::clock::Clock;
use crate::fault::FaultStep;
use crate::fault::{self, Injected};
use crate::settings::LedgerSettings;
use store::{Durability, Store, Tx};

pub use alert::{Alert, AlertSend, Sent};
pub use attempts::{Ended, StartedAttempt};
pub use attention::{WaitingRun, WaitingRuns};
pub use baseline::{Accepted, BaselineKind};
pub use delta::{DeltaBaseline, DeltaStanding};
pub use files::{FileProblem, KnownPipeline};
pub use gauges::PipelineFigures;
pub use history::{Event, RunEvent};
pub use operate::{NewestSlot, Paused, PipelineStatus, WorkerRecord, WorkerState};
pub use pickups::{DuePickup, ExpectedPickup, Overdue, PickupCounts, next_poll};
pub use prune::Spooled;
pub use query::{Delivered, Refusals, RunFilter};
pub use rows::OpenBatches;
pub use runs::DueDelivery;
pub use servers::StoredProbe;
pub use slots::{Counts, Portion};
pub use store::StoreError;
pub use tenants::StoredScope;

/// The durable record. Clones share its connections.
#[derive(Clone)]
pub struct Ledger {
    store: Store,
    clock: Clock,
    settings: LedgerSettings,
}

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("cannot open the ledger {ledger}")]
    Open { ledger: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the ledger {ledger} holds {found}")]
    Incompatible { ledger: String, found: String },
    #[error("the ledger {ledger} is unavailable: {reason}")]
    Unavailable { ledger: String, reason: String },
    #[error("another worker uses the ledger {ledger}: stop it first")]
    AnotherWorker { ledger: String },
    #[error(
        "cannot {operation}: the connection was lost while committing, and the server does not know whether it did"
    )]
    CommitUnknown { operation: &'static str },
    #[error("cannot {operation} in the ledger")]
    Sql { operation: &'static str, source: StoreError },
    #[error("run {run} cannot go from {from} to {to}: another process changed it, or it has ended")]
    IllegalMove { run: String, from: &'static str, to: &'static str },
    #[error("the ledger holds {what}, which this version cannot read")]
    Unreadable { what: String },
    #[error(transparent)]
    Injected(#[from] Injected),
}

impl LedgerError {
    /// Returns true if the disk of the ledger is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Sql { source, .. } => source.is_disk_full(),
            Self::Open { source, .. } => {
                source.downcast_ref().is_some_and(StoreError::is_disk_full)
                    || source.downcast_ref().is_some_and(crate::disk::is_full)
            }
            _ => false,
        }
    }
}

/// The condition for a slot `r` that is late at `$1`: its deadline has passed and it is not delivered, nor is any later one,
/// and nobody has dismissed it.
const LATE: &str = "r.state IN ('due', 'extracting', 'transforming', 'delivering', 'held', 'blocked', 'failed') AND r.deadline_ms < $1 \
     AND r.dismissed_ms IS NULL \
     AND NOT EXISTS (SELECT 1 FROM runs l WHERE l.state = 'delivered' AND l.pipeline = r.pipeline AND l.input_sha256 = '' \
     AND l.slot_ms > r.slot_ms)";

impl Ledger {
    /// Opens the ledger, and creates missing tables.
    ///
    /// # Errors
    /// It cannot be reached or written, or it was made by another version.
    pub async fn open(settings: &LedgerSettings, clock: Clock) -> Result<Self, LedgerError> {
        let opening = settings.clone();
        let opened = tokio::task::spawn_blocking(move || Store::open(&opening)).await;
        let failed = |error: JoinError| LedgerError::Open { ledger: settings.to_string(), source: error.into() };
        Ok(Self { store: opened.map_err(failed)??, clock, settings: settings.clone() })
    }

    /// Locks out other workers until the ledger is closed.
    ///
    /// # Errors
    /// Another worker uses it, or it cannot be reached.
    pub async fn lock_for_worker(&self) -> Result<(), LedgerError> {
        let (store, settings) = (self.store.clone(), self.settings.clone());
        let locked = tokio::task::spawn_blocking(move || store.lock_for_worker(&settings)).await;
        locked.map_err(|error| LedgerError::Open { ledger: self.settings.to_string(), source: error.into() })?
    }

    /// Returns true if a worker has locked the ledger, on any machine; `None` for SQLite, where the data folder's lock is the
    /// only one.
    pub async fn is_locked_by_worker(&self) -> Result<Option<bool>, LedgerError> {
        if matches!(self.settings, LedgerSettings::Sqlite(_)) {
            return Ok(None);
        }
        self.read("find the worker's lock", |tx| Ok(Some(tx.query_opt(store::WORKER_LOCK_HELD, &[])?.is_some()))).await
    }

    /// Returns false if the worker's lock is lost: start nothing then, because another worker may.
    fn check_worker(&self) -> Result<(), LedgerError> {
        match self.store.has_worker_lock() {
            true => Ok(()),
            false => {
                let reason = "the connection that holds the worker's lock is lost".to_owned();
                Err(LedgerError::Unavailable { ledger: self.settings.to_string(), reason })
            }
        }
    }

    /// Applies pending operations, and closes the connections.
    pub async fn close(&self) {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.close()).await.ok(); // it does not panic
    }

    /// Writes in one transaction, as a fault step. Returns once the result is durable.
    async fn write<T: Send + 'static>(
        &self,
        step: FaultStep,
        operation: &'static str,
        apply: impl Fn(&mut Tx) -> Result<T, LedgerError> + Send + Sync + 'static,
    ) -> Result<T, LedgerError> {
        self.write_as(Durability::Synced, step, operation, apply).await
    }

    /// Writes like [`Ledger::write`], but does not wait for the disk: a power failure may undo the result, and all later ones
    /// of this kind, unless a durable write came after it. For what the same run would write again.
    async fn write_ordered<T: Send + 'static>(
        &self,
        step: FaultStep,
        operation: &'static str,
        apply: impl Fn(&mut Tx) -> Result<T, LedgerError> + Send + Sync + 'static,
    ) -> Result<T, LedgerError> {
        self.write_as(Durability::Ordered, step, operation, apply).await
    }

    async fn write_as<T: Send + 'static>(
        &self,
        durability: Durability,
        step: FaultStep,
        operation: &'static str,
        apply: impl Fn(&mut Tx) -> Result<T, LedgerError> + Send + Sync + 'static,
    ) -> Result<T, LedgerError> {
        let apply = Arc::new(apply);
        fault::step_async(step, || {
            let apply = apply.clone();
            self.store.write(durability, operation, move |tx| apply(tx))
        })
        .await
    }

    /// Reads in one transaction.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        apply: impl Fn(&mut Tx) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.store.read(operation, apply).await
    }
}
