//! ⑧ What happened: the durable record of slots, runs, deliveries, attempts and receipts.
//!
//! One set of portable SQL through sqlx's `Any`: `$n` placeholders, BIGINT for booleans and times. Every method is one
//! transaction, durable when it returns: a lost commit would send a file again. Statements that belong together go to
//! SQLite's thread as one errand, with `;` between them; PostgreSQL will want them one by one.

mod alerts;
mod attempts;
mod backfill;
mod operate;
mod parts;
mod pickups;
mod prune;
mod query;
pub mod record;
mod servers;
mod slots;
pub mod state;
mod store;
mod uncollected;
mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions, AnyRow};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyConnection, Connection, Pool, SqlSafeStr};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use crate::clock::Clock;
use crate::fault::Injected;
use query::Statement;
use store::sql;
use writer::{Tx, Writer};

pub use alerts::{Alert, AlertSend, Sent};
pub use attempts::{Begun, Ended};
pub use operate::{Newest, Paused, Standing, WorkerSeen};
pub use pickups::{Awaited, Overdue, PickupCounts, ToLook, next_look};
pub use prune::Spooled;
pub use query::RunFilter;
pub use servers::KeptProbe;
pub use slots::{Counts, Known, Portion};

/// Steps at which the fault tests strike, of a run that is delivered.
pub const FAULT_STEPS: &[&str] = &[
    "ledger.enter",
    "ledger.ticket",
    "ledger.extract",
    "ledger.artifact",
    "ledger.attempt",
    "ledger.intent",
    "ledger.verdict",
];

/// A write lock is waited for this long before the ledger is called busy.
const BUSY_WAIT: Duration = Duration::from_secs(30);
/// Readers beside the one writer.
const CONNECTIONS_MAX: u32 = 4;

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "first", include_str!("migrations/0001_first.sql")),
    (2, "worker", include_str!("migrations/0002_worker.sql")),
    (3, "webhook", include_str!("migrations/0003_webhook.sql")),
    (4, "servers", include_str!("migrations/0004_servers.sql")),
    (6, "alerts", include_str!("migrations/0006_alerts.sql")),
    (7, "pickups", include_str!("migrations/0007_pickups.sql")),
];

/// The durable record. Clones share its connections.
#[derive(Clone)]
pub struct Ledger {
    /// What reads at length.
    pool: Pool<Any>,
    /// What reads a few rows, as every delivery does: a pool asks each connection how it is, every time.
    reader: Arc<Mutex<Option<AnyConnection>>>,
    writer: Writer,
    clock: Clock,
}

#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error("cannot open the ledger {path}")]
    Open { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("cannot {operation} in the ledger")]
    Sql { operation: &'static str, source: sqlx::Error },
    #[error("run {run} cannot go from {from} to {to}: another process changed it, or it has ended")]
    IllegalMove { run: String, from: &'static str, to: &'static str },
    #[error("the ledger holds {what}, which this version cannot read")]
    Unreadable { what: String },
    #[error(transparent)]
    Injected(#[from] Injected),
}

impl Ledger {
    /// Opens the SQLite file, makes it where it is absent, and brings its tables up to date.
    ///
    /// # Errors
    /// The file cannot be opened or written, or it was made by a newer version.
    pub async fn open(path: &Path, clock: Clock) -> Result<Self, LedgerError> {
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| LedgerError::Open { path: path.to_owned(), source };
        sqlx::any::install_default_drivers();
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(|error| failed(error.into()))?;
        }
        let url = sqlite_url(path).map_err(|error| failed(error.into()))?;
        let options: AnyConnectOptions = url.parse().map_err(|error: sqlx::Error| failed(error.into()))?;
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(BUSY_WAIT)
            .test_before_acquire(false) // a file does not go away as a server does
            .after_connect(|connection, _| Box::pin(prepare(connection, SQLITE_PRAGMAS)))
            .connect_lazy_with(options.clone());
        // One connection of its own first: the pool would go on asking a file that is no database.
        let mut first = AnyConnection::connect_with(&options).await.map_err(|error| failed(error.into()))?;
        // SQLite's migrations take no lock of their own: two first starts would make the same tables.
        let lock = migration_lock(path).await.map_err(|error| failed(error.into()))?;
        let migrations = MIGRATIONS
            .iter()
            .map(|(version, name, sql)| {
                Migration::new(*version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
            })
            .collect();
        prepare(&mut first, SQLITE_PRAGMAS).await.map_err(|error| failed(error.into()))?;
        Migrator::with_migrations(migrations).run(&mut first).await.map_err(|error| failed(error.into()))?;
        drop(lock);
        let mut reader = AnyConnection::connect_with(&options).await.map_err(|error| failed(error.into()))?;
        prepare(&mut reader, SQLITE_PRAGMAS).await.map_err(|error| failed(error.into()))?;
        let reader = Arc::new(Mutex::new(Some(reader)));
        Ok(Self { pool, reader, writer: Writer::new(first, BUSY_WAIT), clock })
    }

    pub async fn close(&self) {
        self.writer.close().await;
        if let Some(reader) = self.reader.lock().await.take() {
            reader.close().await.ok(); // it has nothing to lose
        }
        self.pool.close().await;
    }

    async fn reader(&self, operation: &'static str) -> Result<MappedMutexGuard<'_, AnyConnection>, LedgerError> {
        let reader = MutexGuard::try_map(self.reader.lock().await, Option::as_mut);
        reader.map_err(|_| LedgerError::Sql { operation, source: sqlx::Error::PoolClosed })
    }

    /// A transaction of its own, as far as anybody can tell; those that wait at the same time share a commit.
    async fn begin(&self, operation: &'static str) -> Result<Tx, LedgerError> {
        self.writer.begin().await.map_err(sql(operation))
    }

    /// The same, with its first statements, which may be all of them.
    async fn begin_with<'q>(
        &self,
        operation: &'static str,
        first: &str,
        bind: impl FnOnce(Statement<'q>) -> Statement<'q>,
    ) -> Result<(Tx, Vec<AnyRow>), LedgerError> {
        self.writer.begin_with(first, bind).await.map_err(sql(operation))
    }
}

/// FULL: what was committed survives a power cut.
const SQLITE_PRAGMAS: &[&str] = &[
    "PRAGMA busy_timeout = 30000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
];

/// Held while the file `<ledger>.lock` is open; the system lets go of it if the process dies.
async fn migration_lock(ledger: &Path) -> std::io::Result<File> {
    let mut path = ledger.as_os_str().to_owned();
    path.push(".lock");
    let lock = File::options().create(true).truncate(false).write(true).open(path)?;
    let locked = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
    locked.map_err(std::io::Error::other)?
}

async fn prepare(connection: &mut AnyConnection, statements: &[&'static str]) -> Result<(), sqlx::Error> {
    for statement in statements {
        sqlx::query(*statement).execute(&mut *connection).await?;
    }
    Ok(())
}

fn sqlite_url(path: &Path) -> Result<String, std::io::Error> {
    let path = std::path::absolute(path)?;
    let text = path.to_str().ok_or_else(|| std::io::Error::other("the path is not UTF-8"))?;
    let mut url = String::from("sqlite://");
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url.push_str("?mode=rwc");
    Ok(url)
}
