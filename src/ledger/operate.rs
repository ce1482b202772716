//! Commands of a person: reads about all pipelines, and writes about one.

use std::collections::HashMap;

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
    /// Time of the last delivery.
    pub delivered_ms: Option<i64>,
    pub held: u64,
    /// Since when a slot is late: nothing later was delivered.
    pub late_ms: Option<i64>,
    /// Overdue pickups, oldest first.
    pub overdue: Vec<Overdue>,
    pub paused: Option<Paused>,
    /// Problem of its file, as the worker reports it.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewestSlot {
    pub run: String,
    pub slot: String,
    pub state: RunState,
    pub reason: Option<String>,
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
        open || self.held > 0 || self.late_ms.is_some() || self.paused.is_some() || !self.overdue.is_empty()
    }
}

impl WorkerRecord {
    /// Returns true if the worker is running: a killed one records no end, but stops updating its row.
    pub fn is_running(&self, now_ms: i64) -> bool {
        self.stopped_ms.is_none() && now_ms - self.seen_ms < SEEN_WITHIN_MS
    }
}

/// Age of its last update after which a worker counts as stopped, whatever its row claims.
const SEEN_WITHIN_MS: i64 = 60_000;

impl Ledger {
    /// Returns the status of every pipeline that has runs or is known to a worker, by name.
    pub async fn pipeline_statuses(&self) -> Result<HashMap<String, PipelineStatus>, LedgerError> {
        let now = self.clock.now_ms();
        self.read("read the pipelines' status", move |tx| {
            let mut standings = HashMap::new();
            let rows = tx.query(
                "SELECT p.name, p.paused_ms, p.paused_by, p.paused_reason, p.problem, r.id, r.slot, r.state, r.reason, \
                 (SELECT d.updated_ms FROM runs d WHERE d.state = 'delivered' \
                 AND d.pipeline = p.name AND d.input_sha256 = '' ORDER BY d.slot_ms DESC LIMIT 1) AS delivered_ms FROM pipelines p \
                 LEFT JOIN runs r ON r.id = (SELECT id FROM runs WHERE pipeline = p.name AND input_sha256 = '' \
                 ORDER BY slot_ms DESC LIMIT 1)",
                &[],
            )?;
            for row in rows {
                let pipeline: String = row.get("name")?;
                let newest = match row.get::<Option<String>>("id")? {
                    Some(run) => {
                        let (slot, state, reason) = (row.get("slot")?, row.get("state")?, row.get("reason")?);
                        Some(NewestSlot { run, slot, state, reason })
                    }
                    None => None,
                };
                let standing = PipelineStatus {
                    pipeline: pipeline.clone(),
                    newest,
                    delivered_ms: row.get("delivered_ms")?,
                    paused: paused_from(&row)?,
                    problem: row.get("problem")?,
                    ..PipelineStatus::default()
                };
                standings.insert(pipeline, standing);
            }
            const HELD: &str = "SELECT pipeline, CAST(COUNT(*) AS BIGINT) AS count FROM runs WHERE state IN ('held', 'blocked') \
                                GROUP BY pipeline";
            for row in tx.query(HELD, &[])? {
                standings.entry(row.get("pipeline")?).or_default().held = row.get("count")?;
            }
            for (pipeline, since_ms) in late(tx, now)? {
                standings.entry(pipeline).or_default().late_ms = Some(since_ms);
            }
            for overdue in super::pickups::overdue(tx)? {
                standings.entry(overdue.pipeline.clone()).or_default().overdue.push(overdue);
            }
            Ok(standings)
        })
        .await
    }

    /// Returns pipelines with a late slot, and since when. Slots that a person rejected or that were skipped for a reason
    /// are not late, nor are pipelines without a schedule.
    pub async fn late(&self) -> Result<Vec<(String, i64)>, LedgerError> {
        let now = self.clock.now_ms();
        self.read("find late slots", move |tx| late(tx, now)).await
    }

    /// Returns the number of runs in each state in which the worker or a person still has something to do.
    pub async fn open_runs(&self) -> Result<Vec<(RunState, u64)>, LedgerError> {
        use RunState as S;
        self.read("count the runs", |tx| {
            let rows = tx.query(
                "SELECT state, CAST(COUNT(*) AS BIGINT) AS count FROM runs \
                 WHERE state IN ('due', 'extracting', 'transforming', 'delivering', 'held', 'blocked') GROUP BY state",
                &[],
            )?;
            let counted = |row: &Row| Ok((row.get("state")?, row.get("count")?));
            let counts: HashMap<S, u64> = rows.iter().map(counted).collect::<Result<_, LedgerError>>()?;
            let open = [S::Due, S::Extracting, S::Transforming, S::Delivering, S::Held, S::Blocked];
            Ok(open.map(|state| (state, counts.get(&state).copied().unwrap_or_default())).to_vec())
        })
        .await
    }

    /// Returns when each pipeline with a schedule last delivered, in milliseconds since the epoch.
    pub async fn last_deliveries(&self) -> Result<Vec<(String, i64)>, LedgerError> {
        self.read("find the last deliveries", |tx| {
            let rows = tx.query(
                "SELECT p.name, r.updated_ms FROM pipelines p JOIN runs r ON r.id = (SELECT id FROM runs \
                 WHERE state = 'delivered' AND pipeline = p.name AND input_sha256 = '' ORDER BY slot_ms DESC LIMIT 1) \
                 WHERE p.schedule IS NOT NULL",
                &[],
            )?;
            rows.iter().map(|row| Ok((row.get("name")?, row.get("updated_ms")?))).collect()
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

    /// Pauses a pipeline, or resumes it with `None`. Returns true if that changed anything.
    pub async fn pause(&self, pipeline: &str, by_and_why: Option<(&str, &str)>) -> Result<bool, LedgerError> {
        let (pipeline, now) = (pipeline.to_owned(), self.clock.now_ms());
        let by_and_why = by_and_why.map(|(by, why)| (by.to_owned(), why.to_owned()));
        self.write(FaultStep::new("ledger.pause"), "pause or resume the pipeline", move |tx| {
            record_pipeline(tx, &pipeline, now)?;
            let changed = match &by_and_why {
                Some((by, why)) => tx.execute(
                    "UPDATE pipelines SET paused_ms = $1, paused_by = $2, paused_reason = $3 \
                     WHERE name = $4 AND paused_ms IS NULL",
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

fn late(tx: &mut Tx, now: i64) -> Result<Vec<(String, i64)>, LedgerError> {
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
