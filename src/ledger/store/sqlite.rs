//! The ledger in a file: one thread commits waiting writes together, others read concurrently.
//!
//! A commit that survives a power failure costs a disk sync, whatever its size. So all operations that wait when the writer
//! is free share one, each in a savepoint of its own: one that fails is rolled back alone.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::tx::{self, Tx};
use super::{Call, Durability, LedgerError, SCHEMA, StoreError, VERSION};
use crate::disk;

/// Time limit for another process that writes.
const BUSY_WAIT: Duration = Duration::from_secs(30);
/// Maximum operations in a commit.
const MEMBERS_MAX: usize = 256;
/// Time after which no other operation joins.
const JOIN_MAX: Duration = Duration::from_millis(10);
const READERS: usize = 4;
/// Prepared statements kept per connection: more than there are.
const STATEMENTS_MAX: usize = 256;

/// Opens the file, creates it and its tables if missing, and starts a writer and readers.
pub(super) fn start(
    path: &Path,
    writes: Receiver<Box<dyn Call>>,
    reads: Receiver<Box<dyn Call>>,
) -> Result<Vec<JoinHandle<()>>, LedgerError> {
    let ledger = || path.display().to_string();
    let failed = |source: StoreError| LedgerError::Open { ledger: ledger(), source: source.into() };
    let lock = lock(path).map_err(|error| LedgerError::Open { ledger: ledger(), source: error.into() })?;
    let mut writer = connect(path).map_err(failed)?;
    migrate(&mut writer).map_err(failed)?.map_err(|found| LedgerError::Incompatible { ledger: ledger(), found })?;
    drop(lock);
    let mut threads = vec![std::thread::spawn(move || write_all(&writer, &writes))];
    let reads = Arc::new(Mutex::new(reads));
    for _ in 0..READERS {
        let (reader, reads) = (connect(path).map_err(failed)?, reads.clone());
        threads.push(std::thread::spawn(move || read_all(&reader, &reads)));
    }
    Ok(threads)
}

/// Lock on `<ledger>.lock` while open: SQLite has none for what two first starts do before the tables exist.
fn lock(ledger: &Path) -> std::io::Result<File> {
    if let Some(folder) = ledger.parent() {
        disk::create_private_folder(folder)?;
    }
    let mut path = ledger.as_os_str().to_owned();
    path.push(".lock");
    let open = |path: &Path| disk::private_file().create(true).truncate(false).write(true).open(path);
    // SQLite takes an empty file for a new ledger, and gives its mode to the files beside it.
    open(ledger)?;
    let lock = open(Path::new(&path))?;
    lock.lock().map(|()| lock)
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    set_durability(&connection, Durability::Synced)?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(connection)
}

/// Sets what the next commits wait for. FULL syncs the log, with all commits in it; NORMAL leaves that to a later one.
fn set_durability(connection: &Connection, durability: Durability) -> Result<(), StoreError> {
    let synchronous = match durability {
        Durability::Synced => "FULL",
        Durability::Ordered => "NORMAL",
    };
    Ok(connection.pragma_update(None, "synchronous", synchronous)?)
}

/// Creates the tables under the write lock, so that two concurrent first starts create them once. The inner error is what
/// exists instead.
fn migrate(connection: &mut Connection) -> Result<Result<(), String>, StoreError> {
    let migration = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let count = |sql: &str| migration.query_row(sql, [], |row| row.get::<_, i64>(0)).optional();
    let tables = count("SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'")?.unwrap_or_default();
    let versioned = count("SELECT COUNT(*) FROM sqlite_master WHERE name = 'ledger_version'")?.unwrap_or_default() > 0;
    if versioned {
        let version = count("SELECT MAX(version) FROM ledger_version")?.unwrap_or_default();
        return Ok(super::check_version(version));
    }
    if tables > 0 {
        return Ok(Err(super::OLDER.to_owned()));
    }
    migration.execute_batch(SCHEMA)?;
    migration.execute("INSERT INTO ledger_version (version) VALUES (?1)", [VERSION])?;
    migration.commit()?;
    Ok(Ok(()))
}

fn read_all(connection: &Connection, calls: &Mutex<Receiver<Box<dyn Call>>>) {
    loop {
        let next = calls.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut call) = next else { return };
        // One snapshot for all statements of the operation.
        let started = execute(connection, "BEGIN");
        if started.is_ok() {
            let _ = call.apply(&mut tx(connection, call.operation())); // the call keeps its error
            execute(connection, "ROLLBACK").ok(); // an error may have ended it
        }
        let operation = call.operation();
        call.respond(started.map_err(|source| LedgerError::Sql { operation, source }));
    }
}

fn write_all(connection: &Connection, calls: &Receiver<Box<dyn Call>>) {
    let (mut present, mut next) = (Durability::Synced, None);
    while let Some(first) = next.take().or_else(|| calls.recv().ok()) {
        let durability = first.durability();
        let mut group =
            Group { connection, durability, members: vec![first], applied: 0, refused: Vec::new(), next: None };
        let switched = if present == durability { Ok(()) } else { set_durability(connection, durability) };
        present = if switched.is_ok() { durability } else { present };
        let outcome = switched.and_then(|()| group.run(calls));
        next = group.next.take();
        if outcome.is_err() && !connection.is_autocommit() {
            execute(connection, "ROLLBACK").ok(); // the next BEGIN fails if this did
        }
        let outcome = outcome.map_err(|error| (error.to_string(), error.is_disk_full()));
        for call in group.members {
            let (operation, outcome) = (call.operation(), outcome.clone());
            call.respond(outcome.map_err(|(reason, disk_full)| LedgerError::Sql {
                operation,
                source: StoreError::NotCommitted { reason, disk_full },
            }));
        }
        for call in group.refused {
            call.respond(Ok(()));
        }
    }
}

/// Operations that share a commit.
struct Group<'a> {
    connection: &'a Connection,
    durability: Durability,
    members: Vec<Box<dyn Call>>,
    /// Number of members applied in the open transaction.
    applied: usize,
    /// Failed members, which keep their errors.
    refused: Vec<Box<dyn Call>>,
    /// An operation that needs a more durable commit than this one.
    next: Option<Box<dyn Call>>,
}

impl Group<'_> {
    /// Applies the members and others that arrive meanwhile, and commits.
    fn run(&mut self, calls: &Receiver<Box<dyn Call>>) -> Result<(), StoreError> {
        let started = Instant::now();
        // Acquires the write lock immediately: a deferred transaction fails if it upgrades concurrently with another
        // process.
        execute(self.connection, "BEGIN IMMEDIATE")?;
        loop {
            if self.applied == self.members.len() {
                let may_join = self.members.len() + self.refused.len() < MEMBERS_MAX && started.elapsed() < JOIN_MAX;
                match may_join.then(|| calls.try_recv()) {
                    Some(Ok(next))
                        if next.durability() == Durability::Synced && self.durability != Durability::Synced =>
                    {
                        self.next = Some(next);
                        return execute(self.connection, "COMMIT");
                    }
                    Some(Ok(next)) => self.members.push(next),
                    Some(Err(_)) | None => return execute(self.connection, "COMMIT"),
                }
            }
            self.apply_next()?;
        }
    }

    /// Applies the next member in a savepoint. Some errors, such as a full disk, end the whole transaction: earlier members
    /// are then applied again in a new one.
    fn apply_next(&mut self) -> Result<(), StoreError> {
        execute(self.connection, "SAVEPOINT member")?;
        let Some(member) = self.members.get_mut(self.applied) else { return Ok(()) };
        let operation = member.operation();
        if member.apply(&mut tx(self.connection, operation)).is_ok() {
            self.applied += 1;
            return execute(self.connection, "RELEASE member");
        }
        self.refused.push(self.members.remove(self.applied));
        if !self.connection.is_autocommit() {
            execute(self.connection, "ROLLBACK TO member")?;
            return execute(self.connection, "RELEASE member");
        }
        self.applied = 0;
        execute(self.connection, "BEGIN IMMEDIATE")
    }
}

fn tx<'a>(connection: &'a Connection, operation: &'static str) -> Tx<'a> {
    Tx { operation, connection: tx::Connection::Sqlite(connection), failed: false }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.raw_execute()?;
    Ok(())
}

#[cfg(test)]
mod tests;
