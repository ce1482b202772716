//! What the worker writes of slots: those that have come, how far each schedule was gone through, and what is awake.

use sqlx::Row;

use super::record::Awake;
use super::state::RunState;
use super::store::{Tx, sql};
use super::{Ledger, LedgerError};
use crate::fault;
use crate::pipeline::plan::Overlap;
use crate::schedule::missed::Fate;
use crate::schedule::slot::Slot;

/// Slots of one pipeline that have come, and how far that takes its cursor.
#[derive(Clone, Debug)]
pub struct Portion {
    pub pipeline: String,
    pub plan_digest: String,
    pub overlap: Overlap,
    /// Slot, what is to become of it, and when it is late, in milliseconds since the epoch.
    pub slots: Vec<(Slot, Fate, Option<i64>)>,
    /// Every slot up to this moment is among these or was entered before.
    pub cursor_ms: i64,
}

/// How many slots were entered to be done, and how many with their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub open: u64,
    pub skipped: u64,
}

/// A pipeline as the worker left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub name: String,
    /// Cron expression and zone; `None` while it has none, or no file.
    pub schedule: Option<String>,
    pub cursor_ms: i64,
    pub problem: Option<String>,
}

impl Ledger {
    /// Enters slots with their fates and moves the cursors, all or nothing. A slot that is there stays as it is.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn enter_slots(&self, portions: &[Portion]) -> Result<Counts, LedgerError> {
        const OPERATION: &str = "enter slots";
        fault::step_async("ledger.slots", async || {
            let mut tx = self.begin(OPERATION).await?;
            let mut counts = Counts::default();
            for portion in portions {
                self.enter_portion(&mut tx, portion, &mut counts).await?;
                sqlx::query("UPDATE pipelines SET cursor_ms = $1 WHERE name = $2 AND cursor_ms < $1")
                    .bind(portion.cursor_ms)
                    .bind(&portion.pipeline)
                    .execute(&mut *tx)
                    .await
                    .map_err(sql(OPERATION))?;
            }
            tx.commit().await.map_err(sql(OPERATION))?;
            Ok(counts)
        })
        .await
    }

    async fn enter_portion(&self, tx: &mut Tx, portion: &Portion, counts: &mut Counts) -> Result<(), LedgerError> {
        let paused = paused(tx, &portion.pipeline).await?;
        let at_work = match portion.overlap {
            Overlap::Skip => at_work(tx, &portion.pipeline).await?,
            Overlap::Queue => None,
        };
        for (slot, fate, deadline_ms) in &portion.slots {
            let fate = match (fate, &paused, &at_work) {
                (Fate::Do { .. } | Fate::MakeUp { .. }, Some(reason), _) => Fate::Skip { reason: reason.clone() },
                // What is made up for queues: it was not due beside the other.
                (Fate::Do { .. }, None, Some(earlier)) => {
                    Fate::Skip { reason: format!("the run of slot {earlier} was still at work") }
                }
                (fate, ..) => fate.clone(),
            };
            let open = !matches!(fate, Fate::Skip { .. });
            if self.enter_one(tx, portion, slot, &fate, *deadline_ms).await? {
                counts.open += u64::from(open);
                counts.skipped += u64::from(!open);
            }
        }
        Ok(())
    }

    async fn enter_one(
        &self,
        tx: &mut Tx,
        portion: &Portion,
        slot: &Slot,
        fate: &Fate,
        deadline_ms: Option<i64>,
    ) -> Result<bool, LedgerError> {
        let (state, reason, wake_ms) = match fate {
            Fate::Do { wake } | Fate::MakeUp { wake } => (RunState::Due, None, Some(wake.as_millisecond())),
            Fate::Skip { reason } => (RunState::Skipped, Some(reason.as_str()), None),
        };
        let id = slot.run_id();
        let entered = sqlx::query(
            "INSERT INTO runs (id, pipeline, slot_ms, slot, state, reason, plan_digest, entered_ms, updated_ms, origin, \
             wake_ms, deadline_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 'schedule', $9, $10) \
             ON CONFLICT DO NOTHING",
        )
        .bind(&id)
        .bind(&portion.pipeline)
        .bind(slot.at_ms())
        .bind(slot.rfc3339())
        .bind(state.name())
        .bind(reason)
        .bind(&portion.plan_digest)
        .bind(self.clock.now_ms())
        .bind(wake_ms)
        .bind(deadline_ms)
        .execute(&mut **tx)
        .await
        .map_err(sql("enter a slot"))?
        .rows_affected();
        if entered == 1 {
            let what = if state == RunState::Due { "entered" } else { state.name() };
            self.event(tx, &id, what, reason.unwrap_or(&slot.rfc3339())).await?;
        }
        Ok(entered == 1)
    }

    /// The open runs for which there is something to do at `now_ms`, of pipelines that are not paused: those of
    /// schedules before those of backfills, oldest first. Of a pipeline's runs that are not made yet, one. What a person
    /// began is theirs to make (it may come from a file of theirs); its deliveries are everybody's.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn awake(&self, now_ms: i64, limit: u32) -> Result<Vec<Awake>, LedgerError> {
        let rows = sqlx::query(
            "SELECT id, pipeline, slot_ms, state, origin FROM (SELECT id, pipeline, slot_ms, state, origin, wake_ms, \
             CASE origin WHEN 'backfill' THEN 1 ELSE 0 END AS later, ROW_NUMBER() OVER (PARTITION BY pipeline, \
             CASE WHEN state IN ('delivering', 'delivered') THEN id ELSE '' END \
             ORDER BY CASE origin WHEN 'backfill' THEN 1 ELSE 0 END, slot_ms) AS turn \
             FROM runs WHERE wake_ms <= $1 AND (origin <> 'person' OR state IN ('delivering', 'delivered')) \
             AND pipeline NOT IN (SELECT name FROM pipelines WHERE paused_ms IS NOT NULL)) AS awake \
             WHERE turn = 1 ORDER BY later, wake_ms, slot_ms LIMIT $2",
        )
        .bind(now_ms)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await
        .map_err(sql("look for what is due"))?;
        rows.iter()
            .map(|row| {
                let text = |name: &str| row.try_get::<String, _>(name).map_err(sql("read what is due"));
                let state = text("state")?;
                let state = RunState::from_name(&state)
                    .ok_or_else(|| LedgerError::Unreadable { what: format!("the run state {state:?}") })?;
                Ok(Awake {
                    run: text("id")?,
                    pipeline: text("pipeline")?,
                    slot_ms: row.try_get("slot_ms").map_err(sql("read what is due"))?,
                    state,
                    by_person: text("origin")? == "person",
                })
            })
            .collect()
    }

    /// When there is next something to do after `now_ms`.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn next_wake(&self, now_ms: i64) -> Result<Option<i64>, LedgerError> {
        let (next,): (Option<i64>,) =
            sqlx::query_as("SELECT CAST(MIN(wake_ms) AS BIGINT) FROM runs WHERE wake_ms > $1")
                .bind(now_ms)
                .fetch_one(&self.pool)
                .await
                .map_err(sql("look for what is due"))?;
        Ok(next)
    }

    /// Notes when to go on with a delivered run: when the next of its other deliveries is due, or, if it is `over`, never.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn rest(&self, run_id: &str, over: bool) -> Result<(), LedgerError> {
        const OPERATION: &str = "note when to go on";
        let mut tx = self.begin(OPERATION).await?;
        sqlx::query(
            "UPDATE runs SET wake_ms = (SELECT CAST(MIN(COALESCE(due_ms, $1)) AS BIGINT) FROM deliveries \
             WHERE run_id = runs.id AND $3 = 0 AND state IN ('due', 'publishing', 'waiting')) WHERE id = $2",
        )
        .bind(self.clock.now_ms())
        .bind(run_id)
        .bind(i64::from(over))
        .execute(&mut *tx)
        .await
        .map_err(sql(OPERATION))?;
        tx.commit().await.map_err(sql(OPERATION))
    }

    /// All pipelines that a worker has seen.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn known_pipelines(&self) -> Result<Vec<Known>, LedgerError> {
        let rows: Vec<(String, Option<String>, i64, Option<String>)> =
            sqlx::query_as("SELECT name, schedule, cursor_ms, problem FROM pipelines")
                .fetch_all(&self.pool)
                .await
                .map_err(sql("read the pipelines"))?;
        let known = |(name, schedule, cursor_ms, problem)| Known { name, schedule, cursor_ms, problem };
        Ok(rows.into_iter().map(known).collect())
    }

    /// Keeps what is known of pipelines: schedule, cursor and problem are set as given.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn keep_pipelines(&self, pipelines: &[Known]) -> Result<(), LedgerError> {
        const OPERATION: &str = "keep the pipelines";
        for portion in pipelines.chunks(500) {
            let mut tx = self.begin(OPERATION).await?;
            for known in portion {
                sqlx::query(
                    "INSERT INTO pipelines (name, schedule, cursor_ms, problem) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (name) DO UPDATE SET schedule = excluded.schedule, cursor_ms = excluded.cursor_ms, \
                     problem = excluded.problem",
                )
                .bind(&known.name)
                .bind(&known.schedule)
                .bind(known.cursor_ms)
                .bind(&known.problem)
                .execute(&mut *tx)
                .await
                .map_err(sql(OPERATION))?;
            }
            tx.commit().await.map_err(sql(OPERATION))?;
        }
        Ok(())
    }

    /// Says that this process works, or has stopped.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn note_worker(&self, started_ms: i64, stopped: bool) -> Result<(), LedgerError> {
        const OPERATION: &str = "note the worker";
        let now = self.clock.now_ms();
        let mut tx = self.begin(OPERATION).await?;
        sqlx::query(
            "INSERT INTO worker (id, version, pid, started_ms, seen_ms, stopped_ms) VALUES (1, $1, $2, $3, $4, $5) \
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, pid = excluded.pid, \
             started_ms = excluded.started_ms, seen_ms = excluded.seen_ms, stopped_ms = excluded.stopped_ms",
        )
        .bind(env!("CARGO_PKG_VERSION"))
        .bind(i64::from(std::process::id()))
        .bind(started_ms)
        .bind(now)
        .bind(stopped.then_some(now))
        .execute(&mut *tx)
        .await
        .map_err(sql(OPERATION))?;
        tx.commit().await.map_err(sql(OPERATION))
    }

    /// The run of a later slot of the same pipeline that lies at `path` of the destination, by its receipt.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn later_at(&self, run_id: &str, destination: &str, path: &str) -> Result<Option<String>, LedgerError> {
        let later: Vec<(String, String)> = sqlx::query_as(
            "SELECT later.slot, r.receipt_json FROM runs mine JOIN runs later ON later.pipeline = mine.pipeline \
             AND later.slot_ms > mine.slot_ms JOIN receipts r ON r.run_id = later.id AND r.destination = $2 \
             WHERE mine.id = $1 ORDER BY later.slot_ms DESC",
        )
        .bind(run_id)
        .bind(destination)
        .fetch_all(&self.pool)
        .await
        .map_err(sql("look for later receipts"))?;
        let lies_there = |json: &str| {
            let receipt: Result<crate::deliver::Receipt, _> = serde_json::from_str(json);
            receipt.is_ok_and(|receipt| receipt.path == path)
        };
        Ok(later.into_iter().find(|(_, json)| lies_there(json)).map(|(slot, _)| slot))
    }
}

/// Why the pipeline is paused, if it is.
async fn paused(tx: &mut Tx, pipeline: &str) -> Result<Option<String>, LedgerError> {
    let row: Option<(Option<i64>, Option<String>, Option<String>)> =
        sqlx::query_as("SELECT paused_ms, paused_by, paused_why FROM pipelines WHERE name = $1")
            .bind(pipeline)
            .fetch_optional(&mut **tx)
            .await
            .map_err(sql("look whether it is paused"))?;
    Ok(row.filter(|(since, ..)| since.is_some()).map(|(_, by, why)| {
        let by = by.unwrap_or_else(|| "a person".to_owned());
        match why.filter(|why| !why.is_empty()) {
            Some(why) => format!("paused by {by}: {why}"),
            None => format!("paused by {by}"),
        }
    }))
}

/// The slot of a run of the pipeline that has not come to its first attempts yet. One that only waits for a
/// destination to come back is not at work; backfills make way, and what a person does is beside the schedule.
async fn at_work(tx: &mut Tx, pipeline: &str) -> Result<Option<String>, LedgerError> {
    let row: Option<(String,)> = sqlx::query_as(
        "SELECT slot FROM runs WHERE pipeline = $1 AND origin = 'schedule' AND (state IN ('due', 'extracting', 'shaping') \
         OR (state = 'delivering' AND EXISTS (SELECT 1 FROM deliveries d WHERE d.run_id = runs.id AND d.failures = 0 \
         AND d.state IN ('due', 'publishing')))) ORDER BY slot_ms LIMIT 1",
    )
    .bind(pipeline)
    .fetch_optional(&mut **tx)
    .await
    .map_err(sql("look what is at work"))?;
    Ok(row.map(|(slot,)| slot))
}
