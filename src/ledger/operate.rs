//! Commands of a person: reads about all pipelines, and writes about one.

use std::collections::HashMap;

use serde::Serialize;

use super::attention::WaitingRuns;
use super::files::{FileProblem, problem_from};
use super::runs::record_pipeline;
use super::state::RunState;
use super::store::{Row, Tx, params};
use super::{LATE, Ledger, LedgerError, Overdue};
use crate::fault::FaultStep;

/// Status of one pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PipelineStatus {
    pub pipeline: String,
    /// The newest slot.
    pub newest: Option<NewestSlot>,
    /// Slots of the day so far, by state.
    pub today: Vec<(RunState, u64)>,
    /// Time of the last delivery, and its rows.
    pub delivered: Option<(i64, u64)>,
    /// Runs that wait for a person.
    pub waiting: Vec<WaitingRuns>,
    /// Since when a slot is late, because nothing later was delivered, and its run.
    pub late: Option<(i64, String)>,
    /// Overdue pickups, oldest first.
    pub overdue: Vec<Overdue>,
    pub paused: Option<Paused>,
    /// Problem of its file, as the worker reports it.
    pub problem: Option<FileProblem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestSlot {
    pub run: String,
    pub slot: String,
    pub slot_ms: i64,
    pub state: RunState,
    pub reason: Option<String>,
    /// Time at which it reached its state.
    pub updated_ms: i64,
    /// Time at which the worker continues it.
    pub next_run_at_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    pub since_ms: i64,
    pub by: String,
    pub why: String,
}

/// The worker that works, or worked last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRecord {
    pub version: String,
    pub pid: i64,
    pub started_ms: i64,
    pub seen_ms: i64,
    pub stopped_ms: Option<i64>,
}

impl PipelineStatus {
    /// Returns true if something waits for the worker or a person.
    pub fn has_open_work(&self) -> bool {
        let open = self.newest.as_ref().is_some_and(|newest| !newest.state.is_end());
        open || !self.waiting.is_empty() || self.late.is_some() || self.paused.is_some() || !self.overdue.is_empty()
    }
}

impl WorkerRecord {
    /// Returns the worker's state, given whether a process holds its lock: the system releases that however it dies.
    pub fn state(&self, is_locked: bool, now_ms: i64) -> WorkerState {
        match (is_locked, self.stopped_ms) {
            (true, Some(_)) => WorkerState::Starting,
            (true, None) if now_ms - self.seen_ms < SEEN_WITHIN_MS => WorkerState::Running,
            (true, None) => WorkerState::Hanging,
            (false, Some(_)) => WorkerState::Stopped,
            (false, None) => WorkerState::Killed,
        }
    }
}

/// State of the worker that works, or worked last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Another process than the last one has the lock, and has not recorded itself yet.
    Starting,
    Running,
    /// Its process exists, but no longer updates its record.
    Hanging,
    Stopped,
    /// It ended without recording that.
    Killed,
}

impl WorkerState {
    /// Returns true if there is a process that works or is about to.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Starting | Self::Running)
    }
}

/// Age of its last update after which a worker hangs: it updates every ten seconds.
const SEEN_WITHIN_MS: i64 = 60_000;

impl Ledger {
    /// Returns the status of every pipeline that has runs or is known to a worker, by name. The day began at
    /// `day_start_ms`.
    pub async fn pipeline_statuses(&self, day_start_ms: i64) -> Result<HashMap<String, PipelineStatus>, LedgerError> {
        let now = self.clock.now_ms();
        self.read("read the pipelines' status", move |tx| {
            let mut standings = HashMap::new();
            let rows = tx.query(
                "SELECT p.name, p.paused_ms, p.paused_by, p.paused_reason, p.problem, p.stopped_reason, p.problem_ms, \
                 r.id, r.slot, r.slot_ms, r.state, r.reason, r.updated_ms, r.next_run_at_ms, \
                 d.updated_ms AS delivered_ms, \
                 (SELECT CAST(MAX(c.rows) AS BIGINT) FROM receipts c WHERE c.run_id = d.id) AS rows FROM pipelines p \
                 LEFT JOIN runs r ON r.id = (SELECT id FROM runs WHERE pipeline = p.name AND input_sha256 = '' \
                 ORDER BY slot_ms DESC LIMIT 1) \
                 LEFT JOIN runs d ON d.id = (SELECT id FROM runs WHERE state = 'delivered' AND pipeline = p.name \
                 AND input_sha256 = '' \
                 ORDER BY slot_ms DESC LIMIT 1)",
                &[],
            )?;
            for row in rows {
                let pipeline: String = row.get("name")?;
                let newest = match row.get::<Option<String>>("id")? {
                    Some(run) => Some(newest_from(&row, run)?),
                    None => None,
                };
                let delivered_ms: Option<i64> = row.get("delivered_ms")?;
                let rows: Option<u64> = row.get("rows")?;
                let standing = PipelineStatus {
                    pipeline: pipeline.clone(),
                    newest,
                    delivered: delivered_ms.map(|at_ms| (at_ms, rows.unwrap_or_default())),
                    paused: paused_from(&row)?,
                    problem: problem_from(&row)?,
                    ..PipelineStatus::default()
                };
                standings.insert(pipeline, standing);
            }
            const TODAY: &str = "SELECT pipeline, state, CAST(COUNT(*) AS BIGINT) AS count FROM runs \
                                 WHERE slot_ms BETWEEN $1 AND $2 GROUP BY pipeline, state ORDER BY pipeline, state";
            for row in tx.query(TODAY, params![day_start_ms, now])? {
                let counted = (row.get("state")?, row.get("count")?);
                standings.entry(row.get("pipeline")?).or_default().today.push(counted);
            }
            for (pipeline, waiting) in super::attention::waiting(tx)? {
                standings.entry(pipeline).or_default().waiting.push(waiting);
            }
            for (pipeline, since_ms) in late(tx, now)? {
                let select =
                    format!("SELECT r.id FROM runs r WHERE r.pipeline = $2 AND {LATE} ORDER BY r.deadline_ms LIMIT 1");
                let run = tx.query_one(&select, params![now, &pipeline])?.get("id")?;
                standings.entry(pipeline).or_default().late = Some((since_ms, run));
            }
            for overdue in super::pickups::overdue(tx)? {
                standings.entry(overdue.pipeline.clone()).or_default().overdue.push(overdue);
            }
            Ok(standings)
        })
        .await
    }

    pub async fn paused_count(&self) -> Result<u64, LedgerError> {
        self.read("count the paused pipelines", |tx| {
            const COUNT: &str = "SELECT CAST(COUNT(*) AS BIGINT) AS count FROM pipelines WHERE paused_ms IS NOT NULL";
            tx.query_one(COUNT, &[])?.get("count")
        })
        .await
    }

    /// Returns the size of the ledger in bytes.
    pub async fn bytes(&self) -> Result<u64, LedgerError> {
        const SQLITE: &str = "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()";
        const POSTGRES: &str = "SELECT pg_database_size(current_database()) AS bytes";
        self.read("measure the ledger", |tx| tx.query_one(tx.dialect(SQLITE, POSTGRES), &[])?.get("bytes")).await
    }

    /// Returns the worker that works, or worked last.
    pub async fn worker_record(&self) -> Result<Option<WorkerRecord>, LedgerError> {
        self.read("read the worker", |tx| {
            let row = tx.query_opt("SELECT version, pid, started_ms, seen_ms, stopped_ms FROM worker", &[])?;
            let seen = |row: Row| {
                Ok(WorkerRecord {
                    version: row.get("version")?,
                    pid: row.get("pid")?,
                    started_ms: row.get("started_ms")?,
                    seen_ms: row.get("seen_ms")?,
                    stopped_ms: row.get("stopped_ms")?,
                })
            };
            row.map(seen).transpose()
        })
        .await
    }

    /// Returns since when a pipeline is paused, by whom and why; `None` if it is not.
    pub async fn paused(&self, pipeline: &str) -> Result<Option<Paused>, LedgerError> {
        let pipeline = pipeline.to_owned();
        self.read("read a pause", move |tx| paused(tx, &pipeline)).await
    }

    /// Pauses a pipeline, or resumes it with `None`. One that is paused already takes a new reason, with its author, if
    /// there is one. Returns true if that changed anything.
    pub async fn pause(&self, pipeline: &str, by_and_why: Option<(&str, &str)>) -> Result<bool, LedgerError> {
        let (pipeline, now) = (pipeline.to_owned(), self.clock.now_ms());
        let by_and_why = by_and_why.map(|(by, why)| (by.to_owned(), why.to_owned()));
        self.write(FaultStep::new("ledger.pause"), "pause or resume the pipeline", move |tx| {
            record_pipeline(tx, &pipeline, now)?;
            let changed = match &by_and_why {
                Some((by, why)) => tx.execute(
                    "UPDATE pipelines SET paused_ms = COALESCE(paused_ms, $1), paused_by = $2, paused_reason = $3 \
                     WHERE name = $4 AND (paused_ms IS NULL OR ($3 <> '' AND paused_reason <> $3))",
                    params![now, by, why, &pipeline],
                ),
                None => tx.execute(
                    "UPDATE pipelines SET paused_ms = NULL, paused_by = NULL, paused_reason = NULL \
                     WHERE name = $1 AND paused_ms IS NOT NULL",
                    params![&pipeline],
                ),
            };
            Ok(changed? == 1)
        })
        .await
    }
}

fn newest_from(row: &Row, run: String) -> Result<NewestSlot, LedgerError> {
    Ok(NewestSlot {
        run,
        slot: row.get("slot")?,
        slot_ms: row.get("slot_ms")?,
        state: row.get("state")?,
        reason: row.get("reason")?,
        updated_ms: row.get("updated_ms")?,
        next_run_at_ms: row.get("next_run_at_ms")?,
    })
}

/// Returns pipelines with a late slot, and since when. Slots that a person rejected or that were skipped for a reason
/// are not late, nor are pipelines without a schedule.
pub(super) fn late(tx: &mut Tx, now: i64) -> Result<Vec<(String, i64)>, LedgerError> {
    let select = format!(
        "SELECT r.pipeline, CAST(MIN(r.deadline_ms) AS BIGINT) AS since_ms FROM runs r \
         JOIN pipelines p ON p.name = r.pipeline AND p.schedule IS NOT NULL WHERE {LATE} GROUP BY r.pipeline"
    );
    tx.query(&select, params![now])?.iter().map(|row| Ok((row.get("pipeline")?, row.get("since_ms")?))).collect()
}

pub(super) fn paused(tx: &mut Tx, pipeline: &str) -> Result<Option<Paused>, LedgerError> {
    const SELECT: &str = "SELECT paused_ms, paused_by, paused_reason FROM pipelines WHERE name = $1";
    tx.query_opt(SELECT, params![pipeline])?.map_or(Ok(None), |row| paused_from(&row))
}

fn paused_from(row: &Row) -> Result<Option<Paused>, LedgerError> {
    let text = |column| row.get::<Option<String>>(column).map(Option::unwrap_or_default);
    let (by, why) = (text("paused_by")?, text("paused_reason")?);
    Ok(row.get::<Option<i64>>("paused_ms")?.map(|since_ms| Paused { since_ms, by, why }))
}
