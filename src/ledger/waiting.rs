//! Slots that wait for a person's decision on an earlier one (`while_held: wait`).

use super::LedgerError;
use super::store::{Tx, params};

/// The condition for a run `r` that waits: it has not started, its pipeline waits while a run is held, and the run of an
/// earlier slot is. Nothing else says so: the decision on the held run ends the wait.
pub(super) const WAITS: &str = "r.state = 'due' \
     AND EXISTS (SELECT 1 FROM pipelines w WHERE w.name = r.pipeline AND w.waits_while_held <> 0) \
     AND EXISTS (SELECT 1 FROM runs h WHERE h.state = 'held' AND h.pipeline = r.pipeline AND h.slot_ms < r.slot_ms \
     AND h.input_sha256 = '')";

/// Sets the reason of the pipeline's runs that wait, and removes that of runs that no longer do.
pub(super) fn note_waiting(tx: &mut Tx, pipeline: &str) -> Result<(), LedgerError> {
    tx.execute(
        &format!(
            "UPDATE runs SET reason = NULL WHERE id IN (SELECT r.id FROM runs r WHERE r.pipeline = $1 \
             AND r.state = 'due' AND r.reason IS NOT NULL AND NOT ({WAITS}))"
        ),
        params![pipeline],
    )?;
    const HELD: &str = "SELECT slot FROM runs WHERE state = 'held' AND pipeline = $1 AND input_sha256 = '' \
                        ORDER BY slot_ms LIMIT 1";
    let Some(held) = tx.query_opt(HELD, params![pipeline])? else { return Ok(()) };
    let reason = format!("waits for a decision on the held run of slot {}", held.get::<String>("slot")?);
    let update =
        format!("UPDATE runs SET reason = $2 WHERE id IN (SELECT r.id FROM runs r WHERE r.pipeline = $1 AND {WAITS})");
    tx.execute(&update, params![pipeline, &reason]).map(|_| ())
}
