//! Pruning of the ledger.

use std::collections::HashMap;
use std::time::Duration;

use super::state::RunState;
use super::store::{Tx, params};
use super::{Ledger, LedgerError};
use crate::fault::FaultStep;

/// Runs pruned in one transaction, which limits how long a running worker waits.
const PORTION: usize = 100;
/// Pause between two transactions, so that others get the ledger.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs that have an end and wait for nothing, not for a reader either, of which the newest of each pipeline is never
/// among, and neither is the one that the next run of a records source continues. A slot that is yet to come stays,
/// however early it was done.
const PRUNABLE: &str = "updated_ms < $1 AND slot_ms < $1 AND next_run_at_ms IS NULL \
                           AND state NOT IN ('due', 'extracting', 'transforming', 'delivering', 'held', 'blocked') \
                           AND NOT EXISTS (SELECT 1 FROM pickups p WHERE p.run_id = runs.id AND p.state = 'pending' \
                           AND p.next_poll_ms IS NOT NULL) \
                           AND (state <> 'delivered' OR watermark IS NULL OR EXISTS (SELECT 1 FROM runs w \
                           WHERE w.state = 'delivered' AND w.pipeline = runs.pipeline \
                           AND w.source_digest = runs.source_digest \
                           AND (w.watermark > runs.watermark OR (w.watermark = runs.watermark AND w.id > runs.id)))) \
                           AND (input_sha256 <> '' OR slot_ms < (SELECT MAX(n.slot_ms) FROM runs n \
                           WHERE n.pipeline = runs.pipeline AND n.input_sha256 = ''))";

/// Rows of a run and the run itself, in deletion order.
const DELETES: [&str; 10] = [
    "DELETE FROM notifications WHERE alert_id IN (SELECT id FROM alerts WHERE run_id = $1)",
    "DELETE FROM alerts WHERE run_id = $1",
    "DELETE FROM events WHERE run_id = $1",
    "DELETE FROM batches WHERE run_id = $1",
    "DELETE FROM open_rows WHERE run_id = $1",
    "DELETE FROM pickups WHERE run_id = $1",
    "DELETE FROM receipts WHERE run_id = $1",
    "DELETE FROM attempts WHERE run_id = $1",
    "DELETE FROM deliveries WHERE run_id = $1",
    "DELETE FROM runs WHERE id = $1",
];

/// Facts about a run that decide about its folder in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spooled {
    pub state: RunState,
    pub updated_ms: i64,
    /// There is still something to do for it.
    pub has_work: bool,
}

impl Ledger {
    /// Returns how many runs [`Ledger::prune`] would delete.
    pub async fn prunable(&self, before_ms: i64) -> Result<u64, LedgerError> {
        self.read("count what may be pruned", move |tx| {
            let count = format!("SELECT CAST(COUNT(*) AS BIGINT) AS count FROM runs WHERE {PRUNABLE}");
            tx.query_one(&count, params![before_ms])?.get("count")
        })
        .await
    }

    /// Deletes runs that ended before `before_ms`, with all their rows. Held runs stay, and so do the newest of each
    /// pipeline and the one with its watermark. Returns how many.
    pub async fn prune(&self, before_ms: i64) -> Result<u64, LedgerError> {
        let mut forgotten = 0;
        loop {
            // Found without the write lock, and checked again with it.
            let ids: Vec<String> = self
                .read("find what may be pruned", move |tx| {
                    let found = tx.query(
                        &format!("SELECT id FROM runs WHERE {PRUNABLE} LIMIT $2"),
                        params![before_ms, PORTION as u64],
                    )?;
                    found.iter().map(|row| row.get("id")).collect()
                })
                .await?;
            let is_last = ids.len() < PORTION;
            let now = self.clock.now_ms();
            forgotten += self
                .write(FaultStep::new("ledger.prune"), "prune old runs", move |tx| {
                    ids.iter().try_fold(0, |count, id| Ok(count + u64::from(prune_run(tx, id, before_ms, now)?)))
                })
                .await?;
            if is_last {
                self.prune_pipeline_alerts(before_ms).await?;
                return Ok(forgotten);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Deletes the closed alerts of pipelines from before `before_ms`.
    async fn prune_pipeline_alerts(&self, before_ms: i64) -> Result<(), LedgerError> {
        self.write(FaultStep::new("ledger.prune"), "prune old alerts", move |tx| {
            for delete in [
                "DELETE FROM notifications WHERE alert_id IN \
                 (SELECT id FROM alerts WHERE run_id IS NULL AND recovered_ms < $1)",
                "DELETE FROM alerts WHERE run_id IS NULL AND recovered_ms < $1",
            ] {
                tx.execute(delete, params![before_ms])?;
            }
            Ok(())
        })
        .await
    }

    /// Returns the facts about these runs; unknown ones are missing.
    pub async fn spooled(&self, runs: &[String]) -> Result<HashMap<String, Spooled>, LedgerError> {
        let runs = runs.to_vec();
        self.read("find runs by their folders", move |tx| {
            let mut known = HashMap::new();
            for id in &runs {
                const SELECT: &str = "SELECT state, updated_ms, next_run_at_ms FROM runs WHERE id = $1";
                if let Some(row) = tx.query_opt(SELECT, params![id])? {
                    let has_work = row.get::<Option<i64>>("next_run_at_ms")?.is_some();
                    let spooled = Spooled { state: row.get("state")?, updated_ms: row.get("updated_ms")?, has_work };
                    known.insert(id.clone(), spooled);
                }
            }
            Ok(known)
        })
        .await
    }
}

/// Deletes the run if it may still be pruned. Returns true if it did.
fn prune_run(tx: &mut Tx, id: &str, before_ms: i64, now: i64) -> Result<bool, LedgerError> {
    let still = format!("SELECT pipeline, slot_ms, input_sha256 FROM runs WHERE id = $2 AND {PRUNABLE}");
    let Some(row) = tx.query_opt(&still, params![before_ms, id])? else { return Ok(false) };
    let slot_ms = match row.get::<String>("input_sha256")?.as_str() {
        "" => Some(row.get::<i64>("slot_ms")?),
        _ => None, // the slot's own run is not pruned with it
    };
    tx.execute(
        "INSERT INTO pipelines (name, cursor_ms, pruned_until_ms) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE \
         SET pruned_until_ms = excluded.pruned_until_ms \
         WHERE pipelines.pruned_until_ms IS NULL OR pipelines.pruned_until_ms < excluded.pruned_until_ms",
        params![&row.get::<String>("pipeline")?, now, slot_ms],
    )?;
    for delete in DELETES {
        tx.execute(delete, params![id])?;
    }
    Ok(true)
}
