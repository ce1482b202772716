//! Writes for a run's deliveries: attempts, intents, verdicts and receipts.

use super::baseline::follow;
use super::delta::{self, DeltaStanding};
use super::history::RunEvent;
use super::pickups::{await_pickup, supersede};
use super::runs::{json, next_run_at, record};
use super::state::{DeliveryEvent, DeliveryState, RunState, legal_in, verdict_name};
use super::store::{Durability, Tx, params};
use super::{ExpectedPickup, Ledger, LedgerError};
use crate::deliver::{Intent, Receipt, Verdict};
use crate::fault::FaultStep;

/// Consequence of an attempt for its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub state: DeliveryState,
    pub reason: Option<String>,
    /// Time of the next attempt, if there is one.
    pub due_ms: Option<i64>,
    /// The pickup that the delivery expects.
    pub expected_pickup: Option<ExpectedPickup>,
    /// Rows of the artifact.
    pub rows: u64,
}

/// A started attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartedAttempt {
    /// From 1.
    pub number: u32,
    /// Reason why nothing is sent any more, if the destination responded that it is gone.
    pub gone: Option<String>,
    /// Whether what the run delivers is still right, if it is changes.
    pub delta: DeltaStanding,
}

impl DeliveryEvent {
    /// Returns the states in which it is legal, as SQL.
    pub(super) fn legal_in(self) -> String {
        legal_in(DeliveryState::ALL, DeliveryState::name, |state| state.after(self).is_some())
    }
}

impl Ledger {
    /// Starts an attempt, with its intent if that is already known.
    ///
    /// # Errors
    /// The delivery is settled, or the ledger cannot be written.
    pub async fn begin_attempt(
        &self,
        run_id: &str,
        destination: &str,
        intent: Option<&Intent>,
    ) -> Result<StartedAttempt, LedgerError> {
        let (run, destination, now) = (run_id.to_owned(), destination.to_owned(), self.clock.now_ms());
        let intent = intent.map(json).transpose()?;
        let durability = if intent.is_some() { Durability::Synced } else { Durability::Ordered };
        self.write_as(durability, FaultStep::new("ledger.attempt"), "start an attempt", move |tx| {
            let started = tx.query_opt(
                &format!(
                    "UPDATE deliveries SET state = $3, attempts = attempts + 1, since_ms = COALESCE(since_ms, $4), \
                     due_ms = NULL, intent_json = COALESCE($5, intent_json) \
                     WHERE run_id = $1 AND destination = $2 AND state IN ({}) RETURNING attempts",
                    DeliveryEvent::AttemptBegun.legal_in()
                ),
                params![&run, &destination, DeliveryState::Publishing.name(), now, &intent],
            )?;
            let (from, to) = (DeliveryState::Delivered.name(), DeliveryState::Publishing.name());
            let started = started.ok_or_else(|| LedgerError::IllegalMove { run: run.clone(), from, to })?;
            let number = started.get("attempts")?;
            tx.execute(
                "INSERT INTO attempts (run_id, destination, number, started_ms) VALUES ($1, $2, $3, $4)",
                params![&run, &destination, number, now],
            )?;
            let delta = delta::standing(tx, &run, &destination)?;
            let gone = tx.query_opt("SELECT reason FROM gone WHERE destination = $1", params![&destination])?;
            Ok(StartedAttempt { number, gone: gone.map(|row| row.get("reason")).transpose()?, delta })
        })
        .await
    }

    /// Records what is about to be published, before its first byte.
    pub async fn note_intent(&self, run_id: &str, destination: &str, intent: &Intent) -> Result<(), LedgerError> {
        let (run, destination, text) = (run_id.to_owned(), destination.to_owned(), json(intent)?);
        self.write(FaultStep::new("ledger.intent"), "record the intent", move |tx| {
            const UPDATE: &str = "UPDATE deliveries SET intent_json = $1 WHERE run_id = $2 AND destination = $3";
            tx.execute(UPDATE, params![&text, &run, &destination]).map(|_| ())
        })
        .await
    }

    /// Ends an attempt: records its verdict, the delivery's new state, the receipt, and with the last receipt that the run
    /// waits for, the end of the run; all or nothing. Returns true if the run is delivered.
    pub async fn end_attempt(
        &self,
        run_id: &str,
        destination: &str,
        number: u32,
        verdict: &Verdict,
        ended: &Ended,
    ) -> Result<bool, LedgerError> {
        let end = AttemptEnd {
            run: run_id.to_owned(),
            destination: destination.to_owned(),
            number,
            verdict: verdict_name(verdict),
            counts_as_failure: matches!(verdict, Verdict::Retryable { .. } | Verdict::Unknown { .. }),
            receipt: if let Verdict::Delivered(receipt) = verdict { Some(receipt.clone()) } else { None },
            offered: verdict.offered_key().map(json).transpose()?,
            ended: ended.clone(),
            now: self.clock.now_ms(),
        };
        self.write(FaultStep::new("ledger.verdict"), "end an attempt", move |tx| end.apply(tx)).await
    }

    /// Makes unsettled deliveries due now, with a fresh backoff; settled deliveries stay.
    pub async fn retry_deliveries(&self, run_id: &str, by: &str) -> Result<(), LedgerError> {
        let (run, by, now) = (run_id.to_owned(), by.to_owned(), self.clock.now_ms());
        self.write(FaultStep::new("ledger.renew"), "retry the deliveries", move |tx| {
            tx.execute(
                &format!(
                    "UPDATE deliveries SET state = $1, reason = NULL, failures = 0, since_ms = NULL, due_ms = NULL \
                     WHERE run_id = $2 AND state IN ({}) AND NOT EXISTS (SELECT 1 FROM receipts c \
                     WHERE c.run_id = deliveries.run_id AND c.destination = deliveries.destination)",
                    DeliveryEvent::Retried.legal_in()
                ),
                params![DeliveryState::Due.name(), &run],
            )?;
            record(tx, &run, now, &RunEvent::Retried { by: by.clone() })
        })
        .await
    }

    /// Defers a delivery without an attempt: it waits for others, until `due_ms` at the earliest. One that is settled, as
    /// a notice of an earlier attempt at the run, stays so.
    pub async fn defer(
        &self,
        run_id: &str,
        destination: &str,
        reason: &str,
        due_ms: Option<i64>,
    ) -> Result<(), LedgerError> {
        let (run, destination, reason) = (run_id.to_owned(), destination.to_owned(), reason.to_owned());
        self.write(FaultStep::new("ledger.postpone"), "defer a delivery", move |tx| {
            tx.execute(
                &format!(
                    "UPDATE deliveries SET state = $1, reason = $5, due_ms = $2 \
                     WHERE run_id = $3 AND destination = $4 AND state IN ({})",
                    DeliveryEvent::Postponed.legal_in()
                ),
                // Without a time, it waits for a person, whose `retry` makes all due.
                params![DeliveryState::Waiting.name(), due_ms.unwrap_or(i64::MAX), &run, &destination, &reason],
            )
            .map(|_| ())
        })
        .await
    }
}

/// The end of an attempt, as the ledger records it.
struct AttemptEnd {
    run: String,
    destination: String,
    number: u32,
    verdict: &'static str,
    counts_as_failure: bool,
    receipt: Option<Receipt>,
    /// The host key that nobody accepted, as JSON.
    offered: Option<String>,
    ended: Ended,
    now: i64,
}

impl AttemptEnd {
    fn apply(&self, tx: &mut Tx) -> Result<bool, LedgerError> {
        let (run, destination) = (&self.run, &self.destination);
        // Already ended: the response to the same call was lost.
        let is_new = tx.execute(
            "UPDATE attempts SET ended_ms = $1, verdict = $2, reason = $3 \
             WHERE run_id = $4 AND destination = $5 AND number = $6 AND ended_ms IS NULL",
            params![self.now, self.verdict, &self.ended.reason, run, destination, self.number],
        )?;
        if is_new == 1 {
            self.move_delivery(tx)?;
            if let Some(receipt) = &self.receipt {
                self.keep_receipt(tx, receipt)?;
            }
            if self.ended.state.is_settled() {
                self.end_run(tx)?;
            }
        }
        let state: RunState = tx.query_one("SELECT state FROM runs WHERE id = $1", params![run])?.get("state")?;
        Ok(self.ended.state.is_settled() && state == RunState::Delivered)
    }

    fn move_delivery(&self, tx: &mut Tx) -> Result<(), LedgerError> {
        let to = self.ended.state;
        let moved = tx.execute(
            &format!(
                "UPDATE deliveries SET state = $1, reason = $2, due_ms = $3, failures = (failures + 1) * $4, \
                 offered_key_json = $7 \
                 WHERE run_id = $5 AND destination = $6 AND state IN ({})",
                DeliveryEvent::AttemptEnded(to).legal_in()
            ),
            params![
                to.name(),
                &self.ended.reason,
                self.ended.due_ms,
                self.counts_as_failure,
                &self.run,
                &self.destination,
                &self.offered
            ],
        )?;
        if moved == 0 {
            let from = DeliveryState::Publishing.name();
            return Err(LedgerError::IllegalMove { run: self.run.clone(), from, to: to.name() });
        }
        let notes = self.receipt.as_ref().map(|receipt| receipt.notes.join("; ")).filter(|notes| !notes.is_empty());
        let event = RunEvent::AttemptEnded {
            destination: self.destination.clone(),
            number: self.number,
            verdict: self.verdict.to_owned(),
            reason: self.ended.reason.clone().or(notes),
        };
        record(tx, &self.run, self.now, &event)
    }

    fn keep_receipt(&self, tx: &mut Tx, receipt: &Receipt) -> Result<(), LedgerError> {
        let (run, destination) = (&self.run, &self.destination);
        tx.execute(
            "INSERT INTO receipts (run_id, destination, attempt, rows, started_ms, ended_ms, receipt_json) \
             SELECT run_id, destination, number, $1, started_ms, ended_ms, $2 FROM attempts \
             WHERE run_id = $3 AND destination = $4 AND number = $5 ON CONFLICT DO NOTHING",
            params![self.ended.rows, &json(receipt)?, run, destination, self.number],
        )?;
        delta::follow(tx, (run, destination), self.now)?;
        supersede(tx, run, destination, &receipt.path, self.now)?;
        match self.ended.expected_pickup {
            Some(expected_pickup) => await_pickup(tx, (run, destination), &receipt.path, expected_pickup, self.now),
            None => Ok(()),
        }
    }

    /// Ends the run if it waits for no more deliveries and one of them succeeded.
    fn end_run(&self, tx: &mut Tx) -> Result<(), LedgerError> {
        let to = RunState::Delivered;
        let ended = tx.execute(
            &format!(
                "UPDATE runs SET state = $2, reason = NULL, updated_ms = $3, next_run_at_ms = {} \
                 WHERE id = $1 AND state IN ({}) AND NOT EXISTS (SELECT 1 FROM deliveries \
                 WHERE run_id = $1 AND required <> 0 AND state NOT IN ('delivered', 'skipped')) AND EXISTS \
                 (SELECT 1 FROM deliveries WHERE run_id = $1 AND required <> 0 AND state = 'delivered')",
                next_run_at(to),
                legal_in(RunState::ALL, RunState::name, |state| state.after(&RunEvent::Delivered).is_some()),
            ),
            params![&self.run, to.name(), self.now],
        )?;
        if ended == 1 {
            record(tx, &self.run, self.now, &RunEvent::Delivered)?;
            follow(tx, &self.run, self.now)?;
        }
        Ok(())
    }
}
