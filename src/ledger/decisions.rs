//! A person's decisions: a held run is released or rejected, a baseline accepted, a run ended, failed ones marked as handled.

use serde_json::Value;

use super::baseline::{Accepted, BaselineKind, insert, newest};
use super::history::RunEvent;
use super::record::{Dismissal, Run};
use super::runs::{next_run_at, record};
use super::state::{DeliveryEvent, DeliveryState, RunState, legal_in};
use super::store::params;
use super::waiting::note_waiting;
use super::{Ledger, LedgerError};
use crate::fault::FaultStep;

/// Runs marked in one transaction, which limits how long a running worker waits.
const PORTION: usize = 500;

impl Ledger {
    /// Releases a held run: exactly its artifact is delivered. From here on the worker continues it too.
    ///
    /// # Errors
    /// The run is not held any more, or the ledger cannot be written.
    pub async fn release(&self, run: &mut Run, by: &str, because: Option<&str>) -> Result<(), LedgerError> {
        let released = RunEvent::Released { by: by.to_owned(), reason: because.map(str::to_owned) };
        let (id, pipeline, from, now) = (run.id.clone(), run.pipeline.clone(), run.state, self.clock.now_ms());
        let (to, by_whom) = (RunState::Delivering, by.to_owned());
        self.write(FaultStep::new("ledger.release"), "release the run", move |tx| {
            let delivering = RunEvent::Delivering { reason: None };
            from.after(&released).and(from.after(&delivering)).ok_or_else(|| moved(&id, from, to))?;
            let update = format!(
                "UPDATE runs SET state = $1, reason = NULL, released_by = $2, updated_ms = $3, next_run_at_ms = {} \
                 WHERE id = $4 AND state = $5",
                next_run_at(to)
            );
            if tx.execute(&update, params![to.name(), &by_whom, now, &id, from.name()])? == 0 {
                return Err(moved(&id, from, to));
            }
            const ALERT: &str = "UPDATE deliveries SET alert_at_ms = $1 + alert_after_ms WHERE run_id = $2";
            tx.execute(ALERT, params![now, &id])?;
            record(tx, &id, now, &released)?;
            record(tx, &id, now, &delivering)?;
            note_waiting(tx, &pipeline)
        })
        .await?;
        (run.state, run.reason, run.released_by) = (to, None, Some(by.to_owned()));
        Ok(())
    }

    /// Rejects a held run: it is never delivered.
    ///
    /// # Errors
    /// The run is not held any more, or the ledger cannot be written.
    pub async fn reject(&self, run: &mut Run, by: &str, because: &str) -> Result<(), LedgerError> {
        let event = RunEvent::RejectedBy { by: by.to_owned(), reason: because.to_owned() };
        let (id, pipeline, from, now) = (run.id.clone(), run.pipeline.clone(), run.state, self.clock.now_ms());
        let (to, by_whom, reason) = (RunState::Rejected, by.to_owned(), because.to_owned());
        self.write(FaultStep::new("ledger.reject"), "reject the run", move |tx| {
            from.after(&event).ok_or_else(|| moved(&id, from, to))?;
            let rejected = tx.execute(
                "UPDATE runs SET state = $1, rejected_by = $2, reason = $3, updated_ms = $4 WHERE id = $5 AND state = $6",
                params![to.name(), &by_whom, &reason, now, &id, from.name()],
            )?;
            if rejected == 0 {
                return Err(moved(&id, from, to));
            }
            record(tx, &id, now, &event)?;
            note_waiting(tx, &pipeline)
        })
        .await?;
        (run.state, run.reason, run.rejected_by) = (to, Some(because.to_owned()), Some(by.to_owned()));
        Ok(())
    }

    /// Discards the artifact and the extract of a run that failed by an expectation: they would fail again. Nothing of them
    /// was delivered.
    pub async fn discard_artifact(&self, run: &mut Run) -> Result<(), LedgerError> {
        let (id, now) = (run.id.clone(), self.clock.now_ms());
        let reason = run.reason.clone().unwrap_or_default();
        self.write(FaultStep::new("ledger.discard"), "discard the artifact", move |tx| {
            let event = RunEvent::ArtifactDiscarded { reason: reason.clone() };
            let update = format!(
                "UPDATE runs SET execution_id = NULL, extract_json = NULL, others_json = NULL, rows_json = NULL, artifact_json = NULL, \
                 checked_json = NULL, updated_ms = $1 WHERE id = $2 AND artifact_json IS NOT NULL AND state IN ({})",
                legal_in(RunState::ALL, RunState::name, |state| state.after(&event).is_some())
            );
            if tx.execute(&update, params![now, &id])? == 0 {
                return Ok(());
            }
            // The plan may deliver elsewhere by now.
            tx.execute("DELETE FROM deliveries WHERE run_id = $1 AND attempts = 0", params![&id])?;
            record(tx, &id, now, &event)
        })
        .await?;
        (run.execution_id, run.extract, run.rows, run.artifact) = (None, None, None, None);
        (run.others, run.checked) = Default::default();
        Ok(())
    }

    /// Makes the run's header or assignments the baseline of later runs. Earlier ones stay in the ledger. Returns false if
    /// they are that already, or the run has none.
    pub async fn accept(
        &self,
        run: &Run,
        kind: BaselineKind,
        by: &str,
        because: Option<&str>,
    ) -> Result<bool, LedgerError> {
        let Some(value) = kind.of(&run.checked.facts) else { return Ok(false) };
        let (run, pipeline, now) = (run.id.clone(), run.pipeline.clone(), self.clock.now_ms());
        let (by, because) = (by.to_owned(), because.map(str::to_owned));
        self.write(FaultStep::new("ledger.accept"), "accept a new baseline", move |tx| {
            let earlier = newest::<Value>(tx, &pipeline, kind)?;
            if earlier.as_ref().is_some_and(|earlier| earlier.value == value) {
                return Ok(false);
            }
            let (by, because) = (Some(by.clone()), because.clone());
            let event = RunEvent::Accepted { kind: kind.name().to_owned(), by: by.clone(), reason: because.clone() };
            insert(
                tx,
                (&pipeline, kind),
                &Accepted { value: value.clone(), at_ms: now, run: run.clone(), by, because },
            )?;
            record(tx, &run, now, &event)?;
            Ok(true)
        })
        .await
    }

    /// Cancels a run that has not ended, or waits for a person: it is never continued, and neither are its deliveries. The
    /// caller holds the run's lock.
    ///
    /// # Errors
    /// The run has ended, or another process moved it.
    pub async fn cancel(&self, run: &mut Run, by: &str, because: &str) -> Result<(), LedgerError> {
        let (id, pipeline, from, now) = (run.id.clone(), run.pipeline.clone(), run.state, self.clock.now_ms());
        let event = RunEvent::Cancelled { by: by.to_owned(), reason: because.to_owned() };
        let reason = format!("cancelled by {by}: {because}");
        let (to, text) = (RunState::Cancelled, reason.clone());
        self.write(FaultStep::new("ledger.cancel"), "cancel the run", move |tx| {
            from.after(&event).ok_or_else(|| moved(&id, from, to))?;
            let cancelled = tx.execute(
                "UPDATE runs SET state = $1, reason = $2, updated_ms = $3, next_run_at_ms = NULL \
                 WHERE id = $4 AND state = $5",
                params![to.name(), &text, now, &id, from.name()],
            )?;
            if cancelled == 0 {
                return Err(moved(&id, from, to));
            }
            tx.execute(
                &format!(
                    "UPDATE deliveries SET state = $1, reason = $2, due_ms = NULL WHERE run_id = $3 AND state IN ({})",
                    DeliveryEvent::Cancelled.legal_in()
                ),
                params![DeliveryState::Cancelled.name(), &text, &id],
            )?;
            record(tx, &id, now, &event)?;
            note_waiting(tx, &pipeline)
        })
        .await?;
        (run.state, run.reason, run.next_run_at_ms) = (to, Some(reason), None);
        Ok(())
    }

    /// Marks runs that failed or were rejected as needing nothing more. Returns the ids of those that are marked now; the
    /// others have moved, or have the mark.
    pub async fn dismiss(&self, runs: &[String], by: &str, because: &str) -> Result<Vec<String>, LedgerError> {
        let now = self.clock.now_ms();
        let mut dismissed = Vec::new();
        for portion in runs.chunks(PORTION) {
            let portion = portion.to_vec();
            let mark = Dismissal { at_ms: now, by: by.to_owned(), because: because.to_owned() };
            dismissed.extend(
                self.write(FaultStep::new("ledger.dismiss"), "dismiss the runs", move |tx| {
                    let event = RunEvent::Dismissed { by: mark.by.clone(), reason: mark.because.clone() };
                    let update = format!(
                        "UPDATE runs SET dismissed_ms = $1, dismissed_by = $2, dismissed_reason = $3 \
                         WHERE id = $4 AND dismissed_ms IS NULL AND state IN ({})",
                        legal_in(RunState::ALL, RunState::name, |state| state.after(&event).is_some())
                    );
                    let mut marked = Vec::new();
                    for id in &portion {
                        if tx.execute(&update, params![mark.at_ms, &mark.by, &mark.because, id])? == 1 {
                            record(tx, id, mark.at_ms, &event)?;
                            marked.push(id.clone());
                        }
                    }
                    Ok(marked)
                })
                .await?,
            );
        }
        Ok(dismissed)
    }
}

/// Another process moved the run first, or it has ended.
fn moved(run: &str, from: RunState, to: RunState) -> LedgerError {
    LedgerError::IllegalMove { run: run.to_owned(), from: from.name(), to: to.name() }
}
