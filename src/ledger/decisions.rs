//! A person ends a run, or marks failed ones as handled.

use super::history::RunEvent;
use super::record::{Dismissal, Run};
use super::runs::record;
use super::state::{DeliveryEvent, DeliveryState, RunState, legal_in};
use super::store::params;
use super::{Ledger, LedgerError};
use crate::fault::FaultStep;

/// Runs marked in one transaction, which limits how long a running worker waits.
const PORTION: usize = 500;

impl Ledger {
    /// Cancels a run that has not ended, or waits for a person: it is never continued, and neither are its deliveries. The
    /// caller holds the run's lock.
    ///
    /// # Errors
    /// The run has ended, or another process moved it.
    pub async fn cancel(&self, run: &mut Run, by: &str, because: &str) -> Result<(), LedgerError> {
        let (id, from, now) = (run.id.clone(), run.state, self.clock.now_ms());
        let event = RunEvent::Cancelled { by: by.to_owned(), reason: because.to_owned() };
        let reason = format!("cancelled by {by}: {because}");
        let (to, text) = (RunState::Cancelled, reason.clone());
        self.write(FaultStep::new("ledger.cancel"), "cancel the run", move |tx| {
            let illegal = || LedgerError::IllegalMove { run: id.clone(), from: from.name(), to: to.name() };
            from.after(&event).ok_or_else(illegal)?;
            let cancelled = tx.execute(
                "UPDATE runs SET state = $1, reason = $2, updated_ms = $3, next_run_at_ms = NULL \
                 WHERE id = $4 AND state = $5",
                params![to.name(), &text, now, &id, from.name()],
            )?;
            if cancelled == 0 {
                return Err(illegal());
            }
            tx.execute(
                &format!(
                    "UPDATE deliveries SET state = $1, reason = $2, due_ms = NULL WHERE run_id = $3 AND state IN ({})",
                    DeliveryEvent::Cancelled.legal_in()
                ),
                params![DeliveryState::Cancelled.name(), &text, &id],
            )?;
            record(tx, &id, now, &event)
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
