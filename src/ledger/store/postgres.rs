//! The ledger in PostgreSQL: each operation is a transaction, repeated if the server requires it.
//!
//! Writes are SERIALIZABLE: concurrent operations have the result of some sequence, or one of them is repeated. If the
//! response to a COMMIT is lost, its outcome is requested from the server.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use postgres::error::SqlState;
use postgres::{Client, SimpleQueryMessage, Statement};

use super::connect::{connect, unavailable};
use super::tx::{Connection, Tx};
use super::{Call, LedgerError, OLDER, SCHEMA, StoreError, VERSION};
use crate::settings::PostgresSettings;

const WRITERS: usize = 4;
const READERS: usize = 3;
/// The first version with `pg_current_xact_id`.
const SERVER_MIN: i64 = 130_000;
/// Maximum repetitions of an operation.
const REPEATS_MAX: u32 = 10;
/// Time limit for finding the outcome of a lost COMMIT.
const RESOLVE_MAX: Duration = Duration::from_secs(30);

/// Identity of the server, within which transaction ids are unique: the cluster and its timeline.
const IDENTITY: &str = "SELECT CAST(system_identifier AS TEXT) || '/' || \
                        substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS identity FROM pg_control_system()";

/// Connects, creates missing tables, and starts writers and readers.
pub(super) fn start(
    server: &PostgresSettings,
    writes: Receiver<Box<dyn Call>>,
    reads: Receiver<Box<dyn Call>>,
) -> Result<Vec<JoinHandle<()>>, LedgerError> {
    migrate(&mut connect(server)?, server)?;
    let mut threads = Vec::new();
    for (calls, count, read_only) in [(writes, WRITERS, false), (reads, READERS, true)] {
        let calls = Arc::new(Mutex::new(calls));
        for _ in 0..count {
            let (calls, mut session) = (calls.clone(), Session { server: server.clone(), read_only, live: None });
            threads.push(std::thread::spawn(move || session.work(&calls)));
        }
    }
    Ok(threads)
}

/// Creates the tables under a lock, so that two concurrent first starts create them once.
fn migrate(client: &mut Client, server: &PostgresSettings) -> Result<(), LedgerError> {
    let failed = |source: postgres::Error| LedgerError::Open { ledger: server.to_string(), source: source.into() };
    let incompatible = |found| LedgerError::Incompatible { ledger: server.to_string(), found };
    let mut migration = client.transaction().map_err(failed)?;
    // Any number that is the same in all versions.
    migration.batch_execute("SELECT pg_advisory_xact_lock(7240186402)").map_err(failed)?;
    let mut count = |sql: &str| migration.query_one(sql, &[]).and_then(|row| row.try_get::<_, i64>(0)).map_err(failed);
    let version = count("SELECT CAST(current_setting('server_version_num') AS BIGINT)")?;
    if version < SERVER_MIN {
        return Err(incompatible(format!("a PostgreSQL of version {version}; {SERVER_MIN} (13) or newer is needed")));
    }
    let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema()";
    if count(&format!("{tables} AND table_name = 'ledger_version'"))? > 0 {
        let version = count("SELECT COALESCE(MAX(version), 0) FROM ledger_version")?;
        return super::check_version(version).map_err(incompatible);
    }
    if count(tables)? > 0 {
        return Err(incompatible(OLDER.to_owned()));
    }
    // Both stores sort text by bytes.
    migration
        .batch_execute(&SCHEMA.replace(" TEXT ", " TEXT COLLATE \"C\" ").replace(" TEXT,", " TEXT COLLATE \"C\","))
        .map_err(failed)?;
    migration.execute("INSERT INTO ledger_version (version) VALUES ($1)", &[&VERSION]).map_err(failed)?;
    migration.commit().map_err(failed)
}

/// One thread's connection, opened on demand.
struct Session {
    server: PostgresSettings,
    read_only: bool,
    live: Option<Live>,
}

struct Live {
    client: Client,
    statements: HashMap<String, Statement>,
    identity: String,
}

/// CommitOutcome of applying an operation once; `Ok` is the result that the call keeps.
enum CommitOutcome {
    Answer(Result<(), LedgerError>),
    /// To be repeated, within the limit.
    Again(Result<(), LedgerError>),
}

impl Session {
    fn work(&mut self, calls: &Mutex<Receiver<Box<dyn Call>>>) {
        loop {
            let next = calls.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(mut call) = next else { return };
            let outcome = self.apply(call.as_mut());
            call.respond(outcome);
        }
    }

    fn apply(&mut self, call: &mut dyn Call) -> Result<(), LedgerError> {
        let mut repeats = 0;
        loop {
            match self.apply_once(call) {
                CommitOutcome::Again(_) if repeats < REPEATS_MAX => {
                    repeats += 1;
                    sleep(Duration::from_millis(fastrand::u64(0..(4 << repeats.min(7)))));
                }
                CommitOutcome::Answer(outcome) | CommitOutcome::Again(outcome) => return outcome,
            }
        }
    }

    fn apply_once(&mut self, call: &mut dyn Call) -> CommitOutcome {
        let operation = call.operation();
        let failed = |source: postgres::Error| LedgerError::Sql { operation, source: source.into() };
        let read_only = self.read_only;
        let live = match self.live() {
            Ok(live) => live,
            Err(error) => return CommitOutcome::Answer(Err(error)),
        };
        let id = match live.begin(read_only) {
            Ok(id) => id,
            Err(error) => {
                self.live = None;
                return CommitOutcome::Again(Err(failed(error)));
            }
        };
        let connection = Connection::Postgres { client: &mut live.client, statements: &mut live.statements };
        if let Err(error) = call.apply(&mut Tx { operation, connection, failed: false }) {
            let fault = match error {
                LedgerError::Sql { source: StoreError::Postgres(error), .. } => Fault::of(error),
                _ => Fault::Final,
            };
            if matches!(fault, Fault::Lost) || live.client.batch_execute("ROLLBACK").is_err() {
                self.live = None;
            }
            return if matches!(fault, Fault::Final) {
                CommitOutcome::Answer(Ok(()))
            } else {
                CommitOutcome::Again(Ok(()))
            };
        }
        let Err(error) = live.client.batch_execute("COMMIT") else { return CommitOutcome::Answer(Ok(())) };
        match (Fault::of(&error), id) {
            (Fault::Final, _) => CommitOutcome::Answer(Err(failed(error))),
            (Fault::Lost, Some(id)) => self.resolve(failed(error), operation, &id),
            (Fault::Lost | Fault::Repeatable, _) => {
                self.live = None;
                CommitOutcome::Again(Err(failed(error)))
            }
        }
    }

    fn live(&mut self) -> Result<&mut Live, LedgerError> {
        let live = match self.live.take().filter(|live| !live.client.is_closed()) {
            Some(live) => live,
            None => {
                let mut client = connect(&self.server)?;
                let row = client.query_one(IDENTITY, &[]);
                let identity = row.and_then(|row| row.try_get(0)).map_err(|error| unavailable(&self.server, &error))?;
                Live { client, statements: HashMap::new(), identity }
            }
        };
        Ok(self.live.insert(live))
    }

    /// Requests the outcome of a transaction whose COMMIT got no response.
    fn resolve(&mut self, error: LedgerError, operation: &'static str, id: &str) -> CommitOutcome {
        let unknown = || CommitOutcome::Answer(Err(LedgerError::CommitUnknown { operation }));
        let Some(before) = self.live.take().map(|live| live.identity) else { return unknown() };
        let started = Instant::now();
        while started.elapsed() < RESOLVE_MAX {
            match self.live().map(|live| (live.identity == before).then(|| live.status_of(id))) {
                Ok(None | Some(Ok(None))) => return unknown(),
                Ok(Some(Ok(Some(status)))) if status == "committed" => return CommitOutcome::Answer(Ok(())),
                Ok(Some(Ok(Some(status)))) if status == "aborted" => return CommitOutcome::Again(Err(error)),
                Ok(Some(_)) | Err(_) => sleep(Duration::from_millis(100)), // in progress, or away again
            }
        }
        unknown()
    }
}

impl Live {
    /// Returns the transaction's id, for writes.
    fn begin(&mut self, read_only: bool) -> Result<Option<String>, postgres::Error> {
        // SERIALIZABLE locks scanned rows, and small tables would be scanned whole.
        let started = self.client.simple_query(match read_only {
            true => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            false => {
                "BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL enable_seqscan = off; SELECT pg_current_xact_id() AS id"
            }
        })?;
        Ok(started.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get("id").map(str::to_owned),
            _ => None,
        }))
    }

    fn status_of(&mut self, id: &str) -> Result<Option<String>, postgres::Error> {
        self.client.query_one("SELECT pg_xact_status(CAST(CAST($1 AS TEXT) AS xid8))", &[&id])?.try_get(0)
    }
}

/// Meaning of an error for the transaction.
enum Fault {
    /// It conflicts with another transaction.
    Repeatable,
    /// The connection is lost.
    Lost,
    Final,
}

impl Fault {
    fn of(error: &postgres::Error) -> Self {
        match error.code() {
            Some(code) if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) => {
                Self::Repeatable
            }
            Some(code) if code.code().starts_with("57P") || code.code().starts_with("08") => Self::Lost,
            Some(_) => Self::Final,
            None if error.is_closed() || error.source().is_some_and(|source| source.is::<io::Error>()) => Self::Lost,
            None => Self::Final,
        }
    }
}
