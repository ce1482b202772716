//! Past slots that a person wants done after all.

use super::query::text;
use super::record::{Origin, Run};
use super::state::RunState;
use super::store::sql;
use super::{Ledger, LedgerError};
use crate::schedule::slot::Slot;

/// Slots entered in one transaction: a worker beside it waits for that long at most.
const PORTION: usize = 1_000;

/// What a run has once something was begun for it.
const BEGUN: &str = "(runs.ticket IS NOT NULL OR runs.extract_json IS NOT NULL OR runs.artifact_json IS NOT NULL)";

impl Ledger {
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

    /// Up to which slot runs of the pipeline were pruned: whether one of those that are missing was delivered, nobody
    /// knows. `None` where none was.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn forgotten(&self, pipeline: &str) -> Result<Option<i64>, LedgerError> {
        let row: Option<(Option<i64>,)> = sqlx::query_as("SELECT forgotten_ms FROM pipelines WHERE name = $1")
            .bind(pipeline)
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("look what was pruned"))?;
        Ok(row.and_then(|(forgotten_ms,)| forgotten_ms))
    }

    /// Enters past slots of one pipeline, each to be done from its moment on (milliseconds since the epoch). One that was skipped before
    /// anything was begun for it is taken up again; others that are there stay as they are. Answers how many are to be
    /// done. They have no deadline: late they are by their nature.
    ///
    /// # Errors
    /// The ledger cannot be written. What was entered up to there stays, and entering the same again goes on from it.
    pub async fn backfill(&self, slots: &[(Slot, i64)], plan_digest: &str, by: &str) -> Result<u64, LedgerError> {
        const OPERATION: &str = "enter the past slots";
        let statement = format!(
            "INSERT INTO runs (id, pipeline, slot_ms, slot, state, plan_digest, entered_ms, updated_ms, origin, wake_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET state = excluded.state, \
             reason = NULL, origin = excluded.origin, wake_ms = excluded.wake_ms, deadline_ms = NULL, \
             plan_digest = excluded.plan_digest, updated_ms = excluded.updated_ms \
             WHERE runs.state = $10 AND NOT {BEGUN}"
        );
        let mut entered = 0;
        for portion in slots.chunks(PORTION) {
            let mut tx = self.begin(OPERATION).await?;
            for (slot, _) in portion.iter().take(1) {
                sqlx::query("INSERT INTO pipelines (name, cursor_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                    .bind(&slot.pipeline)
                    .bind(self.clock.now_ms())
                    .execute(&mut *tx)
                    .await
                    .map_err(sql(OPERATION))?;
            }
            for (slot, wake_ms) in portion {
                let id = slot.run_id();
                let taken = sqlx::query(text(statement.clone()))
                    .bind(&id)
                    .bind(&slot.pipeline)
                    .bind(slot.at_ms())
                    .bind(slot.rfc3339())
                    .bind(RunState::Due.name())
                    .bind(plan_digest)
                    .bind(self.clock.now_ms())
                    .bind(Origin::Backfill.name())
                    .bind(wake_ms)
                    .bind(RunState::Skipped.name())
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
    /// Whether a backfill may take the slot up.
    pub fn may_be_backfilled(&self) -> bool {
        self.state.may_be_backfilled(self.ticket.is_some() || self.extract.is_some() || self.artifact.is_some())
    }
}
