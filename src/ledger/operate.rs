//! What a person asks of the ledger about all pipelines, and decides about one.

use std::collections::HashMap;

use super::query::text;
use super::record::{Origin, Run};
use super::state::RunState;
use super::store::sql;
use super::{Ledger, LedgerError};
use crate::schedule::slot::Slot;

/// How one pipeline stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub pipeline: String,
    /// The newest slot, if there is one.
    pub newest: Option<Newest>,
    /// When it last delivered.
    pub delivered_ms: Option<i64>,
    pub held: u64,
    /// Since when a slot of it is late: nothing later was delivered.
    pub late_ms: Option<i64>,
    pub paused: Option<Paused>,
    /// What is wrong with its file, as the worker sees it.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newest {
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
pub struct WorkerSeen {
    pub version: String,
    pub pid: i64,
    pub started_ms: i64,
    pub seen_ms: i64,
    pub stopped_ms: Option<i64>,
}

type NewestRow = (String, Option<String>, Option<String>, Option<String>, Option<String>, Option<i64>);
type PausedRow = (String, Option<i64>, Option<String>, Option<String>, Option<String>);

impl Ledger {
    /// How every pipeline stands that has runs or that a worker has seen, by name.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn standings(&self) -> Result<HashMap<String, Standing>, LedgerError> {
        const OPERATION: &str = "read how the pipelines stand";
        let newest: Vec<NewestRow> = sqlx::query_as(
            "SELECT p.name, r.id, r.slot, r.state, r.reason, (SELECT d.updated_ms FROM runs d WHERE d.state = 'delivered' \
             AND d.pipeline = p.name ORDER BY d.slot_ms DESC LIMIT 1) FROM pipelines p LEFT JOIN runs r \
             ON r.id = (SELECT id FROM runs WHERE pipeline = p.name ORDER BY slot_ms DESC LIMIT 1)",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(sql(OPERATION))?;
        let mut standings = HashMap::new();
        for (pipeline, run, slot, state, reason, delivered_ms) in newest {
            let state = state.as_deref().and_then(RunState::from_name);
            let newest = run.zip(slot).zip(state).map(|((run, slot), state)| Newest { run, slot, state, reason });
            let standing = Standing { pipeline: pipeline.clone(), newest, delivered_ms, ..Standing::default() };
            standings.insert(pipeline, standing);
        }
        let held: Vec<(String, i64)> = sqlx::query_as(
            "SELECT pipeline, CAST(COUNT(*) AS BIGINT) FROM runs WHERE state = 'held' GROUP BY pipeline",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(sql(OPERATION))?;
        for (pipeline, count) in held {
            standings.entry(pipeline).or_default().held = u64::try_from(count).unwrap_or_default();
        }
        for (pipeline, since_ms) in self.late().await? {
            standings.entry(pipeline).or_default().late_ms = Some(since_ms);
        }
        let paused: Vec<PausedRow> = sqlx::query_as(
            "SELECT name, paused_ms, paused_by, paused_why, problem FROM pipelines \
             WHERE paused_ms IS NOT NULL OR problem IS NOT NULL",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(sql(OPERATION))?;
        for (pipeline, since_ms, by, why, problem) in paused {
            let standing = standings.entry(pipeline).or_default();
            let (by, why) = (by.unwrap_or_default(), why.unwrap_or_default());
            standing.paused = since_ms.map(|since_ms| Paused { since_ms, by, why });
            standing.problem = problem;
        }
        Ok(standings)
    }

    /// Pipelines with a slot that is late, and since when: its deadline has passed and it is not delivered, nor is any
    /// later one. What a person rejected, or was left out for a reason, is not late.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn late(&self) -> Result<Vec<(String, i64)>, LedgerError> {
        sqlx::query_as(
            "SELECT r.pipeline, CAST(MIN(r.deadline_ms) AS BIGINT) FROM runs r \
             WHERE r.state IN ('due', 'extracting', 'shaping', 'delivering', 'held', 'failed') AND r.deadline_ms < $1 \
             AND NOT EXISTS (SELECT 1 FROM runs l WHERE l.state = 'delivered' AND l.pipeline = r.pipeline \
             AND l.slot_ms > r.slot_ms) GROUP BY r.pipeline",
        )
        .bind(self.clock.now_ms())
        .fetch_all(&self.pool)
        .await
        .map_err(sql("look what is late"))
    }

    /// How many runs are in each state in which something is still to be done, by the worker or by a person.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn unended(&self) -> Result<Vec<(RunState, u64)>, LedgerError> {
        let counts: HashMap<String, i64> = sqlx::query_as(
            "SELECT state, CAST(COUNT(*) AS BIGINT) FROM runs \
             WHERE state IN ('due', 'extracting', 'shaping', 'delivering', 'held') GROUP BY state",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(sql("count the runs"))?
        .into_iter()
        .collect();
        use RunState as S;
        let count =
            |state: S| counts.get(state.name()).and_then(|count| u64::try_from(*count).ok()).unwrap_or_default();
        Ok([S::Due, S::Extracting, S::Shaping, S::Delivering, S::Held].map(|state| (state, count(state))).to_vec())
    }

    /// When each pipeline last delivered, in milliseconds since the epoch.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn last_deliveries(&self) -> Result<Vec<(String, i64)>, LedgerError> {
        sqlx::query_as(
            "SELECT p.name, r.updated_ms FROM pipelines p JOIN runs r ON r.id = (SELECT id FROM runs \
             WHERE state = 'delivered' AND pipeline = p.name ORDER BY slot_ms DESC LIMIT 1)",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(sql("look up the last deliveries"))
    }

    /// # Errors
    /// The ledger cannot be read.
    pub async fn paused_count(&self) -> Result<u64, LedgerError> {
        let (count,): (i64,) =
            sqlx::query_as("SELECT CAST(COUNT(*) AS BIGINT) FROM pipelines WHERE paused_ms IS NOT NULL")
                .fetch_one(&self.pool)
                .await
                .map_err(sql("count the paused pipelines"))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// The worker that works, or worked last.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn worker_seen(&self) -> Result<Option<WorkerSeen>, LedgerError> {
        let row: Option<(String, i64, i64, i64, Option<i64>)> =
            sqlx::query_as("SELECT version, pid, started_ms, seen_ms, stopped_ms FROM worker")
                .fetch_optional(&self.pool)
                .await
                .map_err(sql("read the worker"))?;
        Ok(row.map(|(version, pid, started_ms, seen_ms, stopped_ms)| WorkerSeen {
            version,
            pid,
            started_ms,
            seen_ms,
            stopped_ms,
        }))
    }

    /// Pauses a pipeline, or with `None` lets it go on. Answers whether that changed anything.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn pause(&self, pipeline: &str, by_and_why: Option<(&str, &str)>) -> Result<bool, LedgerError> {
        const OPERATION: &str = "pause or resume the pipeline";
        let now = self.clock.now_ms();
        let mut tx = self.begin(OPERATION).await?;
        sqlx::query("INSERT INTO pipelines (name, cursor_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(pipeline)
            .bind(now)
            .execute(&mut *tx)
            .await
            .map_err(sql(OPERATION))?;
        let condition = if by_and_why.is_some() { "paused_ms IS NULL" } else { "paused_ms IS NOT NULL" };
        let changed = sqlx::query(text(format!(
            "UPDATE pipelines SET paused_ms = $1, paused_by = $2, paused_why = $3 WHERE name = $4 AND {condition}"
        )))
        .bind(by_and_why.map(|_| now))
        .bind(by_and_why.map(|(by, _)| by.to_owned()))
        .bind(by_and_why.map(|(_, why)| why.to_owned()))
        .bind(pipeline)
        .execute(&mut *tx)
        .await
        .map_err(sql(OPERATION))?
        .rows_affected();
        tx.commit().await.map_err(sql(OPERATION))?;
        Ok(changed == 1)
    }

    /// The runs of a pipeline with slots between two moments, both included, oldest first.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn runs_between(&self, pipeline: &str, from_ms: i64, to_ms: i64) -> Result<Vec<Run>, LedgerError> {
        self.select("WHERE pipeline = $1 AND slot_ms BETWEEN $2 AND $3 ORDER BY slot_ms", |query| {
            query.bind(pipeline.to_owned()).bind(from_ms).bind(to_ms)
        })
        .await
    }

    /// Enters past slots, each to be done at its moment; those that were skipped before anything was done for them are
    /// taken up again, others that are there stay as they are. Answers how many are to be done.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn backfill(&self, slots: &[(Slot, i64)], plan_digest: &str, by: &str) -> Result<u64, LedgerError> {
        const OPERATION: &str = "enter the past slots";
        let mut entered = 0;
        for portion in slots.chunks(1_000) {
            let mut tx = self.begin(OPERATION).await?;
            for (slot, wake_ms) in portion {
                let id = slot.run_id();
                let taken = sqlx::query(
                    "INSERT INTO runs (id, pipeline, slot_ms, slot, state, plan_digest, entered_ms, updated_ms, origin, \
                     wake_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9) ON CONFLICT (id) DO UPDATE \
                     SET state = excluded.state, reason = NULL, origin = excluded.origin, wake_ms = excluded.wake_ms, \
                     updated_ms = excluded.updated_ms WHERE runs.state = 'skipped' AND runs.extract_json IS NULL \
                     AND runs.artifact_json IS NULL",
                )
                .bind(&id)
                .bind(&slot.pipeline)
                .bind(slot.at_ms())
                .bind(slot.rfc3339())
                .bind(RunState::Due.name())
                .bind(plan_digest)
                .bind(self.clock.now_ms())
                .bind(Origin::Backfill.name())
                .bind(wake_ms)
                .execute(&mut *tx)
                .await
                .map_err(sql(OPERATION))?
                .rows_affected();
                if taken == 1 {
                    self.event(&mut tx, &id, "backfilled", by).await?;
                    entered += 1;
                }
            }
            tx.commit().await.map_err(sql(OPERATION))?;
        }
        Ok(entered)
    }
}

impl Run {
    /// Whether a backfill may take the slot up: it was left out before anything was done for it.
    pub fn may_be_backfilled(&self) -> bool {
        self.state == RunState::Skipped && self.extract.is_none() && self.artifact.is_none()
    }
}
