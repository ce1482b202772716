//! Past slots that a person wants executed after all.

use super::history::RunEvent;
use super::record::{Origin, Run};
use super::runs::{NewRun, record, record_pipeline};
use super::state::{RunState, legal_in};
use super::store::params;
use super::{Ledger, LedgerError};
use crate::fault::FaultStep;
use crate::schedule::slot::Slot;

/// Slots entered in one transaction, which limits how long a running worker waits.
const PORTION: usize = 1_000;

impl Ledger {
    /// Returns the runs of a pipeline with slots between two moments, both included, oldest first.
    pub async fn runs_between(&self, pipeline: &str, from_ms: i64, to_ms: i64) -> Result<Vec<Run>, LedgerError> {
        let pipeline = pipeline.to_owned();
        self.read("list the runs", move |tx| {
            super::query::select(
                tx,
                "WHERE pipeline = $1 AND slot_ms BETWEEN $2 AND $3 AND input_sha256 = '' ORDER BY slot_ms",
                params![&pipeline, from_ms, to_ms],
            )
        })
        .await
    }

    /// Returns the slot up to which the pipeline's runs were pruned: whether missing ones were delivered is unknown. `None`
    /// if none was pruned.
    pub async fn pruned_up_to(&self, pipeline: &str) -> Result<Option<i64>, LedgerError> {
        let pipeline = pipeline.to_owned();
        self.read("find what was pruned", move |tx| {
            let row = tx.query_opt("SELECT pruned_until_ms FROM pipelines WHERE name = $1", params![&pipeline])?;
            row.map_or(Ok(None), |row| row.get("pruned_until_ms"))
        })
        .await
    }

    /// Enters past slots of one pipeline, each due at its moment (milliseconds since the epoch). A slot that was skipped
    /// before any work was done becomes due again; other existing slots stay as they are. Returns how many became due. They
    /// have no deadline, because they are late by nature.
    ///
    /// # Errors
    /// The ledger cannot be written. Slots entered so far stay; entering the same slots again continues.
    pub async fn backfill(&self, slots: &[(Slot, i64)], plan_digest: &str, by: &str) -> Result<u64, LedgerError> {
        let mut entered = 0;
        for portion in slots.chunks(PORTION) {
            let (portion, digest, by) = (portion.to_vec(), plan_digest.to_owned(), by.to_owned());
            let now = self.clock.now_ms();
            entered += self
                .write(FaultStep::new("ledger.backfill"), "enter the past slots", move |tx| {
                    let event = RunEvent::Backfilled { by: by.clone() };
                    if let Some((slot, _)) = portion.first() {
                        record_pipeline(tx, &slot.pipeline, now)?;
                    }
                    let legal = legal_in(RunState::ALL, RunState::name, |state| state.after(&event).is_some());
                    let reopen = format!(
                        "UPDATE runs SET state = $1, reason = NULL, origin = $2, next_run_at_ms = $3, \
                         deadline_ms = NULL, alert_at_ms = NULL, plan_digest = $4, updated_ms = $5 WHERE id = $6 AND state IN ({legal}) \
                         AND execution_id IS NULL AND extract_json IS NULL AND artifact_json IS NULL"
                    );
                    let mut entered = 0;
                    for (slot, next_run_at_ms) in &portion {
                        let (id, next_run_at_ms) = (slot.run_id(), Some(*next_run_at_ms));
                        let (origin, plan_digest) = (Origin::Backfill, digest.as_str());
                        let event = event.clone();
                        let new = NewRun { slot, origin, plan_digest, event, next_run_at_ms, deadline_ms: None, alert_at_ms: None };
                        if new.insert(tx, now)? {
                            entered += 1;
                            continue;
                        }
                        let due = RunState::Due.name();
                        let values = params![due, origin.name(), next_run_at_ms, plan_digest, now, &id];
                        if tx.execute(&reopen, values)? == 1 {
                            record(tx, &id, now, &new.event)?;
                            entered += 1;
                        }
                    }
                    Ok(entered)
                })
                .await?;
        }
        Ok(entered)
    }
}

impl Run {
    /// Returns true if a backfill may make the slot due.
    pub fn may_be_backfilled(&self) -> bool {
        self.state.may_be_backfilled(self.execution_id.is_some() || self.extract.is_some() || self.artifact.is_some())
    }
}
