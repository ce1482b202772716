//! What a person asks of the ledger about all pipelines, and decides about one.

use std::collections::HashMap;

use super::query::text;
use super::state::RunState;
use super::store::sql;
use super::{Ledger, LedgerError, Overdue};

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
    /// What was not picked up in time, the oldest first.
    pub overdue: Vec<Overdue>,
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

impl Standing {
    /// Whether something of it waits for the worker or a person.
    pub fn waits(&self) -> bool {
        let open = self.newest.as_ref().is_some_and(|newest| !newest.state.is_end());
        open || self.held > 0 || self.late_ms.is_some() || self.paused.is_some() || !self.overdue.is_empty()
    }
}

impl WorkerSeen {
    /// Whether it works still: a worker that was killed says nothing, but is not seen any more.
    pub fn works(&self, now_ms: i64) -> bool {
        self.stopped_ms.is_none() && now_ms - self.seen_ms < SEEN_WITHIN_MS
    }
}

/// A worker that was not seen for this long is not working, whatever it said last.
const SEEN_WITHIN_MS: i64 = 60_000;

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
        for overdue in self.overdue().await? {
            standings.entry(overdue.pipeline.clone()).or_default().overdue.push(overdue);
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
    /// later one. What a person rejected, or was left out for a reason, is not late, nor is what has no schedule any more.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn late(&self) -> Result<Vec<(String, i64)>, LedgerError> {
        sqlx::query_as(
            "SELECT r.pipeline, CAST(MIN(r.deadline_ms) AS BIGINT) FROM runs r \
             JOIN pipelines p ON p.name = r.pipeline AND p.schedule IS NOT NULL WHERE r.state IN ('due', 'extracting', 'shaping', 'delivering', 'held', 'failed') AND r.deadline_ms < $1 \
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

    /// When each pipeline that has a schedule last delivered, in milliseconds since the epoch.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn last_deliveries(&self) -> Result<Vec<(String, i64)>, LedgerError> {
        sqlx::query_as(
            "SELECT p.name, r.updated_ms FROM pipelines p JOIN runs r ON r.id = (SELECT id FROM runs \
             WHERE state = 'delivered' AND pipeline = p.name ORDER BY slot_ms DESC LIMIT 1) \
             WHERE p.schedule IS NOT NULL",
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

    /// Since when a pipeline is paused, by whom and why; `None` where it is not.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn paused(&self, pipeline: &str) -> Result<Option<Paused>, LedgerError> {
        let row: Option<(i64, Option<String>, Option<String>)> = sqlx::query_as(
            "SELECT paused_ms, paused_by, paused_why FROM pipelines WHERE name = $1 AND paused_ms IS NOT NULL",
        )
        .bind(pipeline)
        .fetch_optional(&self.pool)
        .await
        .map_err(sql("look whether it is paused"))?;
        Ok(row.map(|(since_ms, by, why)| Paused { since_ms, by: by.unwrap_or_default(), why: why.unwrap_or_default() }))
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
}
