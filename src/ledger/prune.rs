//! What the ledger may forget.

use std::collections::HashMap;

use super::query::text;
use super::state::RunState;
use super::store::sql;
use super::{Ledger, LedgerError};

/// Runs forgotten in one transaction: a worker beside it waits for that long at most.
const PORTION: usize = 500;

/// Runs that have an end and wait for nothing, of which the newest of each pipeline is never among.
const FORGETTABLE: &str = "updated_ms < $1 AND wake_ms IS NULL AND state IN ('delivered', 'skipped', 'failed', 'rejected') \
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
        const OPERATION: &str = "forget old runs";
        let mut forgotten = 0;
        loop {
            let mut tx = self.begin(OPERATION).await?;
            let ids: Vec<(String,)> =
                sqlx::query_as(text(format!("SELECT id FROM runs WHERE {FORGETTABLE} ORDER BY updated_ms LIMIT $2")))
                    .bind(before_ms)
                    .bind(i64::try_from(PORTION).unwrap_or(i64::MAX))
                    .fetch_all(&mut *tx)
                    .await
                    .map_err(sql(OPERATION))?;
            for (id,) in &ids {
                for table in ["events", "parts", "receipts", "attempts", "deliveries"] {
                    sqlx::query(text(format!("DELETE FROM {table} WHERE run_id = $1")))
                        .bind(id)
                        .execute(&mut *tx)
                        .await
                        .map_err(sql(OPERATION))?;
                }
                sqlx::query("DELETE FROM runs WHERE id = $1")
                    .bind(id)
                    .execute(&mut *tx)
                    .await
                    .map_err(sql(OPERATION))?;
            }
            tx.commit().await.map_err(sql(OPERATION))?;
            forgotten += ids.len() as u64;
            if ids.len() < PORTION {
                return Ok(forgotten);
            }
        }
    }

    /// What the ledger knows of these runs; those that it does not know are missing.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn spooled(&self, runs: &[String]) -> Result<HashMap<String, Spooled>, LedgerError> {
        let mut known = HashMap::new();
        for id in runs {
            let row: Option<(String, i64, Option<i64>)> =
                sqlx::query_as("SELECT state, updated_ms, wake_ms FROM runs WHERE id = $1")
                    .bind(id)
                    .fetch_optional(&self.pool)
                    .await
                    .map_err(sql("look a run up"))?;
            if let Some((state, updated_ms, wake_ms)) = row
                && let Some(state) = RunState::from_name(&state)
            {
                known.insert(id.clone(), Spooled { state, updated_ms, awake: wake_ms.is_some() });
            }
        }
        Ok(known)
    }
}
