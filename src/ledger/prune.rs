//! What the ledger may forget.

use std::collections::HashMap;
use std::time::Duration;

use super::query::text;
use super::state::RunState;
use super::store::sql;
use super::{Ledger, LedgerError};

/// Runs forgotten in one transaction: a worker beside it waits for that long at most.
const PORTION: usize = 500;
/// Between two transactions, so that whoever waits for the ledger gets it.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs that have an end and wait for nothing, not for a reader either, of which the newest of each pipeline is never among. A slot that is yet
/// to come stays, however early it was done.
const FORGETTABLE: &str = "updated_ms < $1 AND slot_ms < $1 AND wake_ms IS NULL \
                           AND state NOT IN ('due', 'extracting', 'shaping', 'delivering', 'held') \
                           AND NOT EXISTS (SELECT 1 FROM pickups p WHERE p.run_id = runs.id AND p.state = 'awaited' \
                           AND p.look_ms IS NOT NULL) \
                           AND slot_ms < (SELECT MAX(n.slot_ms) FROM runs n WHERE n.pipeline = runs.pipeline)";

/// What of a run decides about its folder in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spooled {
    pub state: RunState,
    pub updated_ms: i64,
    /// Something is still to be done for it.
    pub awake: bool,
}

impl Ledger {
    /// How many runs [`Ledger::forget`] would forget.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn forgettable(&self, before_ms: i64) -> Result<u64, LedgerError> {
        let count = format!("SELECT CAST(COUNT(*) AS BIGINT) FROM runs WHERE {FORGETTABLE}");
        let (count,): (i64,) = sqlx::query_as(text(count))
            .bind(before_ms)
            .fetch_one(&self.pool)
            .await
            .map_err(sql("look what may be forgotten"))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Forgets runs that came to their end before `before_ms`, with all that hangs on them. Held ones stay, and so does
    /// the newest of each pipeline. Answers how many.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn forget(&self, before_ms: i64) -> Result<u64, LedgerError> {
        let mut forgotten = 0;
        loop {
            // Looked up without the write lock, and judged once more with it.
            let ids: Vec<(String,)> = sqlx::query_as(text(format!("SELECT id FROM runs WHERE {FORGETTABLE} LIMIT $2")))
                .bind(before_ms)
                .bind(i64::try_from(PORTION).unwrap_or(i64::MAX))
                .fetch_all(&self.pool)
                .await
                .map_err(sql("look what may be forgotten"))?;
            if !ids.is_empty() {
                forgotten += self.forget_portion(&ids, before_ms).await?;
            }
            if ids.len() < PORTION {
                return Ok(forgotten);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn forget_portion(&self, ids: &[(String,)], before_ms: i64) -> Result<u64, LedgerError> {
        const OPERATION: &str = "forget old runs";
        let mut tx = self.begin(OPERATION).await?;
        let still =
            format!("SELECT id, pipeline, slot_ms FROM runs WHERE id IN ({}) AND {FORGETTABLE}", places(2, ids));
        let mut query = sqlx::query_as::<_, (String, String, i64)>(text(still)).bind(before_ms);
        for (id,) in ids {
            query = query.bind(id);
        }
        let runs = query.fetch_all(&mut *tx).await.map_err(sql(OPERATION))?;
        let mut latest: HashMap<&str, i64> = HashMap::new();
        for (_, pipeline, slot_ms) in &runs {
            let known = latest.entry(pipeline).or_insert(*slot_ms);
            *known = (*known).max(*slot_ms);
        }
        for (pipeline, slot_ms) in latest {
            sqlx::query(
                "INSERT INTO pipelines (name, cursor_ms, forgotten_ms) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE \
                 SET forgotten_ms = excluded.forgotten_ms \
                 WHERE pipelines.forgotten_ms IS NULL OR pipelines.forgotten_ms < excluded.forgotten_ms",
            )
            .bind(pipeline)
            .bind(self.clock.now_ms())
            .bind(slot_ms)
            .execute(&mut *tx)
            .await
            .map_err(sql(OPERATION))?;
        }
        if !runs.is_empty() {
            self.forget_alerts(&mut tx, runs.iter().map(|(id, ..)| id.as_str())).await?;
            for (table, key) in [
                ("events", "run_id"),
                ("parts", "run_id"),
                ("pickups", "run_id"),
                ("receipts", "run_id"),
                ("attempts", "run_id"),
                ("deliveries", "run_id"),
                ("runs", "id"),
            ] {
                let mut query = sqlx::query(text(format!("DELETE FROM {table} WHERE {key} IN ({})", places(1, &runs))));
                for (id, ..) in &runs {
                    query = query.bind(id);
                }
                query.execute(&mut *tx).await.map_err(sql(OPERATION))?;
            }
        }
        tx.commit().await.map_err(sql(OPERATION))?;
        Ok(runs.len() as u64)
    }

    /// What the ledger knows of these runs; those that it does not know are missing.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn spooled(&self, runs: &[String]) -> Result<HashMap<String, Spooled>, LedgerError> {
        let mut known = HashMap::new();
        for portion in runs.chunks(PORTION) {
            let asked = format!("SELECT id, state, updated_ms, wake_ms FROM runs WHERE id IN ({})", places(1, portion));
            let mut query = sqlx::query_as::<_, (String, String, i64, Option<i64>)>(text(asked));
            for id in portion {
                query = query.bind(id);
            }
            for (id, state, updated_ms, wake_ms) in
                query.fetch_all(&self.pool).await.map_err(sql("look runs up by their folders"))?
            {
                let state = RunState::from_name(&state)
                    .ok_or_else(|| LedgerError::Unreadable { what: format!("the run state {state:?} of {id}") })?;
                known.insert(id, Spooled { state, updated_ms, awake: wake_ms.is_some() });
            }
        }
        Ok(known)
    }
}

/// `$2, $3, $4`: a place for each of `items`, from `first` on.
pub(super) fn places<T>(first: usize, items: &[T]) -> String {
    (first..first + items.len()).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}
