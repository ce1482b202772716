//! Applies operations as transactions of SQLite or PostgreSQL, durable before the caller continues.
//!
//! An operation is a closure over owned values, including `now`, whose only effect is on its [`Tx`], so that it may be
//! applied again. Each store applies operations on threads of its own; the async side only sends them and awaits the
//! result.

mod connect;
mod postgres;
mod sqlite;
mod tx;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::LedgerError;
use crate::settings::LedgerSettings;

pub(super) use connect::WORKER_LOCK_HELD;
use connect::WorkerLock;
pub(super) use tx::{Cell, FromCell, Param, Row, Tx, named_column, params};

/// The tables. `TEXT` gets the C collation in PostgreSQL, so that both sort by bytes.
const SCHEMA: &str = include_str!("../migrations/0001_ledger.sql");
/// Number of migrations; a ledger with more was made by a newer version.
const VERSION: i64 = 1;

/// Reason for refusing a store that is not ours.
const OLDER: &str =
    "tables that an older version or another program made; name a new ledger: older ones are not carried over";

/// Content of a ledger: that of this version, or why it is refused.
fn check_version(version: i64) -> Result<(), String> {
    match version == VERSION {
        true => Ok(()),
        false => Err(format!("migration {version}, and this version of reportferry knows {VERSION}")),
    }
}

/// The database.
#[derive(Clone)]
pub(super) struct Store {
    writes: Queue,
    reads: Queue,
    threads: Arc<Mutex<Vec<JoinHandle<()>>>>,
    worker_lock: Arc<Mutex<Option<WorkerLock>>>,
}

impl Store {
    /// Opens the store, creates missing tables, and starts its threads. Blocks.
    ///
    /// # Errors
    /// The store cannot be reached or written, or holds something else.
    pub(super) fn open(settings: &LedgerSettings) -> Result<Self, LedgerError> {
        let ((writes, write_jobs), (reads, read_jobs)) = (Queue::new(), Queue::new());
        let threads = match settings {
            LedgerSettings::Sqlite(path) => sqlite::start(path, write_jobs, read_jobs)?,
            LedgerSettings::Postgres(server) => postgres::start(server, write_jobs, read_jobs)?,
        };
        Ok(Self { writes, reads, threads: Arc::new(Mutex::new(threads)), worker_lock: Arc::default() })
    }

    /// Applies an operation in a transaction. Returns once its result is as durable as it must be.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        operation: &'static str,
        apply: impl Fn(&mut Tx) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.writes.call(durability, operation, apply).await
    }

    /// Applies an operation that only reads, concurrently with writes.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        apply: impl Fn(&mut Tx) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.reads.call(Durability::Ordered, operation, apply).await
    }

    /// Locks out other workers until the ledger is closed. Blocks. For SQLite, the lock of the data folder does that.
    ///
    /// # Errors
    /// Another worker uses it, or it cannot be reached.
    pub(super) fn lock_for_worker(&self, settings: &LedgerSettings) -> Result<(), LedgerError> {
        let LedgerSettings::Postgres(server) = settings else { return Ok(()) };
        let (lock, thread) = WorkerLock::take(server)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        *self.worker_lock.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
        Ok(())
    }

    /// Returns false if the lock was acquired and is lost.
    pub(super) fn has_worker_lock(&self) -> bool {
        self.worker_lock.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_none_or(WorkerLock::is_held)
    }

    /// Applies pending operations, then ends the threads. Blocks.
    pub(super) fn close(&self) {
        self.writes.close();
        self.reads.close();
        self.worker_lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            thread.join().ok(); // a thread that panicked has nothing left to do
        }
    }
}

/// The part of the writes that survives a power failure once one returns. Both survive the end of the process, and in both cases a later
/// write survives only with all earlier ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// The write itself: a commit waits for the disk.
    Synced,
    /// What was written before, and maybe this: for what the same run would write again. PostgreSQL syncs these too, as
    /// its server may fail while this process goes on.
    Ordered,
}

/// Errors below an operation.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Postgres(#[from] ::postgres::Error),
    /// The shared commit failed.
    #[error("not committed: {reason}")]
    NotCommitted { reason: String, disk_full: bool },
    #[error("the ledger is closed")]
    Closed,
    #[error("the operation panicked")]
    Panicked,
}

impl StoreError {
    pub(super) fn is_disk_full(&self) -> bool {
        match self {
            Self::Sqlite(error) => error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
            Self::Postgres(error) => error.code() == Some(&::postgres::error::SqlState::DISK_FULL),
            Self::NotCommitted { disk_full, .. } => *disk_full,
            Self::Closed | Self::Panicked => false,
        }
    }
}

/// Pending calls to the threads of the store; `None` after closing.
#[derive(Clone)]
struct Queue(Arc<Mutex<Option<CallSender>>>);

type CallSender = Sender<Box<dyn Call>>;

impl Queue {
    fn new() -> (Self, Receiver<Box<dyn Call>>) {
        let (sender, receiver) = channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }

    async fn call<T: Send + 'static>(
        &self,
        durability: Durability,
        operation: &'static str,
        apply: impl Fn(&mut Tx) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let call = Box::new(Pending { durability, operation, apply, result: None, answer });
        let closed = || LedgerError::Sql { operation, source: StoreError::Closed };
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(sender) => sender.send(call).map_err(|_| closed())?,
            None => return Err(closed()),
        }
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// A pending operation, whatever the type of its result.
trait Call: Send {
    fn operation(&self) -> &'static str;
    fn durability(&self) -> Durability;
    /// Applies the operation and keeps its result; a panic inside becomes an error. Returns the error, if it failed.
    fn apply(&mut self, tx: &mut Tx) -> Result<(), &LedgerError>;
    /// Sends the kept result to the caller, or the error that prevented it.
    fn respond(self: Box<Self>, outcome: Result<(), LedgerError>);
}

struct Pending<F, T> {
    durability: Durability,
    operation: &'static str,
    apply: F,
    result: Option<Result<T, LedgerError>>,
    answer: oneshot::Sender<Result<T, LedgerError>>,
}

impl<T: Send, F: Fn(&mut Tx) -> Result<T, LedgerError> + Send> Call for Pending<F, T> {
    fn operation(&self) -> &'static str {
        self.operation
    }

    fn durability(&self) -> Durability {
        self.durability
    }

    fn apply(&mut self, tx: &mut Tx) -> Result<(), &LedgerError> {
        let panicked = |_| Err(LedgerError::Sql { operation: self.operation, source: StoreError::Panicked });
        let mut result = catch_unwind(AssertUnwindSafe(|| (self.apply)(tx))).unwrap_or_else(panicked);
        if tx.failed && result.is_ok() {
            let reason = "the operation continued after a failed statement".to_owned();
            let source = StoreError::NotCommitted { reason, disk_full: false };
            result = Err(LedgerError::Sql { operation: self.operation, source });
        }
        self.result.insert(result).as_ref().map(|_| ())
    }

    fn respond(self: Box<Self>, outcome: Result<(), LedgerError>) {
        let Self { operation, result, answer, .. } = *self;
        let unapplied = LedgerError::Sql { operation, source: StoreError::Closed };
        answer.send(outcome.and_then(|()| result.unwrap_or(Err(unapplied)))).ok(); // the caller may have stopped waiting
    }
}
