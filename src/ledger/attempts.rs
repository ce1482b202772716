//! What is written of a run's deliveries: attempts, intents, verdicts and receipts.

use std::sync::LazyLock;

use sqlx::FromRow;

use super::state::{DeliveryState, RunState, verdict_name};
use super::store::{json, sql, wake};
use super::{Awaited, Ledger, LedgerError};
use crate::deliver::{Intent, Verdict};
use crate::fault;

/// What becomes of a delivery when an attempt has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub state: DeliveryState,
    pub reason: Option<String>,
    /// When the next attempt is due, where there is one.
    pub due_ms: Option<i64>,
    /// What is awaited of the reader of what was delivered.
    pub awaited: Option<Awaited>,
    /// Rows of the artifact.
    pub rows: u64,
}

/// An attempt that was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// From 1.
    pub number: u32,
    /// Why nothing goes to the destination any more, if it said that it is gone.
    pub gone: Option<String>,
}

const BEGIN: &str = "\
    INSERT INTO attempts (run_id, destination, number, started_ms) \
    SELECT run_id, destination, attempts + 1, $3 FROM deliveries \
    WHERE run_id = $1 AND destination = $2 AND state NOT IN ('delivered', 'skipped'); \
    UPDATE deliveries SET state = 'publishing', attempts = attempts + 1, since_ms = COALESCE(since_ms, $3), due_ms = NULL, \
    intent_json = COALESCE($4, intent_json) \
    WHERE run_id = $1 AND destination = $2 AND state NOT IN ('delivered', 'skipped') \
    RETURNING attempts, (SELECT reason FROM gone WHERE destination = $2) AS gone";

const END: &str = "\
    UPDATE attempts SET ended_ms = $3, verdict = $5, reason = $6 WHERE run_id = $1 AND destination = $2 AND number = $4; \
    UPDATE deliveries SET state = $7, reason = $6, due_ms = $8, failures = (failures + 1) * $9 \
    WHERE run_id = $1 AND destination = $2; \
    INSERT INTO events (run_id, number, at_ms, what, detail) \
    SELECT $1, COALESCE(MAX(number), 0) + 1, $3, $5, $10 FROM events WHERE run_id = $1";

/// Says the runs whose file lay at its name before and is waited for.
const RECEIPT: &str = "\
    INSERT INTO receipts (run_id, destination, attempt, rows, started_ms, ended_ms, receipt_json) \
    SELECT $1, $2, $4, $11, started_ms, $3, $12 FROM attempts WHERE run_id = $1 AND destination = $2 AND number = $4 \
    ON CONFLICT DO NOTHING; \
    SELECT 'replaced' AS what, run_id FROM pickups \
    WHERE destination = $2 AND path = $13 AND run_id <> $1 AND state IN ('awaited', 'overdue')";

/// Ends the run that waits for nothing more of what it has to deliver, if something of it was delivered. Says whether it
/// is delivered then.
static END_OF_RUN: LazyLock<String> = LazyLock::new(|| {
    let of = "FROM runs WHERE id = $1 AND state = 'delivering' AND NOT EXISTS (SELECT 1 FROM deliveries \
              WHERE run_id = $1 AND required <> 0 AND state NOT IN ('delivered', 'skipped')) AND EXISTS \
              (SELECT 1 FROM deliveries WHERE run_id = $1 AND required <> 0 AND state = 'delivered')";
    format!(
        "INSERT INTO events (run_id, number, at_ms, what, detail) \
         SELECT id, (SELECT COALESCE(MAX(number), 0) + 1 FROM events WHERE run_id = $1), $3, 'delivered', '' {of}; \
         UPDATE runs SET state = 'delivered', reason = NULL, updated_ms = $3, wake_ms = {wake} \
         WHERE id = (SELECT id {of}); \
         SELECT 'delivered' AS what, id AS run_id FROM runs WHERE id = $1 AND state = 'delivered'",
        wake = wake(RunState::Delivered)
    )
});

impl Ledger {
    /// Begins an attempt, with its intent where that is known already.
    ///
    /// # Errors
    /// The delivery is settled already, or the ledger cannot be written.
    pub async fn begin_attempt(
        &self,
        run_id: &str,
        destination: &str,
        intent: Option<&Intent>,
    ) -> Result<Begun, LedgerError> {
        let intent = intent.map(json).transpose()?;
        let intent = intent.as_deref();
        fault::step_async("ledger.attempt", async || self.begin_attempt_once(run_id, destination, intent).await).await
    }

    async fn begin_attempt_once(
        &self,
        run_id: &str,
        destination: &str,
        intent: Option<&str>,
    ) -> Result<Begun, LedgerError> {
        const OPERATION: &str = "begin an attempt";
        let now = self.clock.now_ms();
        let begun =
            self.begin_with(OPERATION, BEGIN, |query| query.bind(run_id).bind(destination).bind(now).bind(intent));
        let (tx, begun) = begun.await?;
        let begun: Option<(i64, Option<String>)> =
            begun.first().map(FromRow::from_row).transpose().map_err(sql(OPERATION))?;
        let Some((number, gone)) = begun else {
            return Err(LedgerError::IllegalMove {
                run: run_id.to_owned(),
                from: DeliveryState::Delivered.name(),
                to: DeliveryState::Publishing.name(),
            });
        };
        tx.commit().await.map_err(sql(OPERATION))?;
        Ok(Begun { number: u32::try_from(number).unwrap_or(u32::MAX), gone })
    }

    /// Writes down what is about to be published, before its first byte.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn note_intent(&self, run_id: &str, destination: &str, intent: &Intent) -> Result<(), LedgerError> {
        const OPERATION: &str = "note the intent";
        let text = json(intent)?;
        fault::step_async("ledger.intent", async || {
            let mut tx = self.begin(OPERATION).await?;
            sqlx::query("UPDATE deliveries SET intent_json = $1 WHERE run_id = $2 AND destination = $3")
                .bind(&text)
                .bind(run_id)
                .bind(destination)
                .execute(&mut *tx)
                .await
                .map_err(sql(OPERATION))?;
            tx.commit().await.map_err(sql(OPERATION))
        })
        .await
    }

    /// Ends an attempt: its verdict, what becomes of the delivery, the receipt, and with the last receipt that the run
    /// waits for the end of the run; all or nothing. Says whether the run is delivered.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn end_attempt(
        &self,
        run_id: &str,
        destination: &str,
        number: u32,
        verdict: &Verdict,
        ended: &Ended,
    ) -> Result<bool, LedgerError> {
        fault::step_async("ledger.verdict", async || {
            self.end_attempt_once((run_id, destination), number, verdict, ended).await
        })
        .await
    }

    async fn end_attempt_once(
        &self,
        (run_id, destination): (&str, &str),
        number: u32,
        verdict: &Verdict,
        ended: &Ended,
    ) -> Result<bool, LedgerError> {
        const OPERATION: &str = "end an attempt";
        let now = self.clock.now_ms();
        let detail = match (&ended.reason, verdict) {
            (Some(reason), _) => format!("{destination}, attempt {number}: {reason}"),
            (None, Verdict::Delivered(receipt)) if !receipt.notes.is_empty() => {
                format!("{destination}, attempt {number}: {}", receipt.notes.join("; "))
            }
            (None, _) => format!("{destination}, attempt {number}"),
        };
        let receipt = match verdict {
            Verdict::Delivered(receipt) => Some((receipt, json(receipt)?)),
            _ => None,
        };
        let mut all = vec![END];
        all.extend(receipt.is_some().then_some(RECEIPT));
        all.extend(ended.state.is_settled().then_some(END_OF_RUN.as_str()));
        let all = all.join("; ");
        let begun = self.begin_with(OPERATION, &all, |query| {
            query
                .bind(run_id)
                .bind(destination)
                .bind(now)
                .bind(i64::from(number))
                .bind(verdict_name(verdict))
                .bind(ended.reason.as_deref())
                .bind(ended.state.name())
                .bind(ended.due_ms)
                .bind(i64::from(matches!(verdict, Verdict::Unreached { .. } | Verdict::Unknown { .. })))
                .bind(detail)
                .bind(i64::try_from(ended.rows).unwrap_or(i64::MAX))
                .bind(receipt.as_ref().map(|(_, text)| text.as_str()))
                .bind(receipt.as_ref().map(|(receipt, _)| receipt.path.as_str()))
        });
        let (mut tx, said) = begun.await?;
        let mut is_delivered = false;
        for row in &said {
            let (what, run): (String, String) = FromRow::from_row(row).map_err(sql(OPERATION))?;
            match what.as_str() {
                "delivered" => is_delivered = true,
                _ => self.let_go(&mut tx, &run, destination, run_id).await?,
            }
        }
        if let (Some(awaited), Some((receipt, _))) = (ended.awaited, &receipt) {
            self.await_pickup(&mut tx, (run_id, destination), &receipt.path, awaited).await?;
        }
        tx.commit().await.map_err(sql(OPERATION))?;
        Ok(is_delivered)
    }

    /// Takes up again what was not delivered: settled deliveries stay, the others are due now with a fresh schedule.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn renew_deliveries(&self, run_id: &str, by: &str) -> Result<(), LedgerError> {
        const OPERATION: &str = "renew the deliveries";
        let mut tx = self.begin(OPERATION).await?;
        sqlx::query(
            "UPDATE deliveries SET state = $1, reason = NULL, failures = 0, since_ms = NULL, due_ms = NULL \
             WHERE run_id = $2 AND state NOT IN ($3, $4, $5)",
        )
        .bind(DeliveryState::Due.name())
        .bind(run_id)
        .bind(DeliveryState::Delivered.name())
        .bind(DeliveryState::Skipped.name())
        // A process may have died in it: its intent must be looked at first, so the state stays.
        .bind(DeliveryState::Publishing.name())
        .execute(&mut *tx)
        .await
        .map_err(sql(OPERATION))?;
        self.event(&mut tx, run_id, "retried", by).await?;
        tx.commit().await.map_err(sql(OPERATION))
    }
}
