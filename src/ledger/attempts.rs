//! What is written of a run's deliveries: attempts, intents, verdicts and receipts.

use super::state::{DeliveryState, verdict_name};
use super::store::{json, sql};
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

impl Ledger {
    /// Begins an attempt and gives its number, from 1.
    ///
    /// # Errors
    /// The delivery is settled already, or the ledger cannot be written.
    pub async fn begin_attempt(&self, run_id: &str, destination: &str) -> Result<u32, LedgerError> {
        fault::step_async("ledger.attempt", async || self.begin_attempt_once(run_id, destination).await).await
    }

    async fn begin_attempt_once(&self, run_id: &str, destination: &str) -> Result<u32, LedgerError> {
        const OPERATION: &str = "begin an attempt";
        let now = self.clock.now_ms();
        let mut tx = self.begin(OPERATION).await?;
        let number: Option<(i64,)> = sqlx::query_as(
            "UPDATE deliveries SET state = $1, attempts = attempts + 1, since_ms = COALESCE(since_ms, $2), due_ms = NULL \
             WHERE run_id = $3 AND destination = $4 AND state NOT IN ($5, $6) RETURNING attempts",
        )
        .bind(DeliveryState::Publishing.name())
        .bind(now)
        .bind(run_id)
        .bind(destination)
        .bind(DeliveryState::Delivered.name())
        .bind(DeliveryState::Skipped.name())
        .fetch_optional(&mut *tx)
        .await
        .map_err(sql(OPERATION))?;
        let Some((number,)) = number else {
            return Err(LedgerError::IllegalMove {
                run: run_id.to_owned(),
                from: DeliveryState::Delivered.name(),
                to: DeliveryState::Publishing.name(),
            });
        };
        sqlx::query("INSERT INTO attempts (run_id, destination, number, started_ms) VALUES ($1, $2, $3, $4)")
            .bind(run_id)
            .bind(destination)
            .bind(number)
            .bind(now)
            .execute(&mut *tx)
            .await
            .map_err(sql(OPERATION))?;
        tx.commit().await.map_err(sql(OPERATION))?;
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
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

    /// Ends an attempt: its verdict, what becomes of the delivery, and the receipt, all or nothing.
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
    ) -> Result<(), LedgerError> {
        fault::step_async("ledger.verdict", async || {
            self.end_attempt_once(run_id, destination, number, verdict, ended).await
        })
        .await
    }

    async fn end_attempt_once(
        &self,
        run_id: &str,
        destination: &str,
        number: u32,
        verdict: &Verdict,
        ended: &Ended,
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "end an attempt";
        let now = self.clock.now_ms();
        let mut tx = self.begin(OPERATION).await?;
        sqlx::query(
            "UPDATE attempts SET ended_ms = $1, verdict = $2, reason = $3 \
             WHERE run_id = $4 AND destination = $5 AND number = $6",
        )
        .bind(now)
        .bind(verdict_name(verdict))
        .bind(ended.reason.as_deref())
        .bind(run_id)
        .bind(destination)
        .bind(i64::from(number))
        .execute(&mut *tx)
        .await
        .map_err(sql(OPERATION))?;
        let failed = i64::from(matches!(verdict, Verdict::Unreached { .. } | Verdict::Unknown { .. }));
        sqlx::query(
            "UPDATE deliveries SET state = $1, reason = $2, due_ms = $3, failures = (failures + 1) * $4 \
             WHERE run_id = $5 AND destination = $6",
        )
        .bind(ended.state.name())
        .bind(ended.reason.as_deref())
        .bind(ended.due_ms)
        .bind(failed)
        .bind(run_id)
        .bind(destination)
        .execute(&mut *tx)
        .await
        .map_err(sql(OPERATION))?;
        if let Verdict::Delivered(receipt) = verdict {
            sqlx::query(
                "INSERT INTO receipts (run_id, destination, attempt, rows, started_ms, ended_ms, receipt_json) \
                 SELECT $1, $2, $3, $4, started_ms, $5, $6 FROM attempts \
                 WHERE run_id = $1 AND destination = $2 AND number = $3 ON CONFLICT DO NOTHING",
            )
            .bind(run_id)
            .bind(destination)
            .bind(i64::from(number))
            .bind(i64::try_from(ended.rows).unwrap_or(i64::MAX))
            .bind(now)
            .bind(json(receipt)?)
            .execute(&mut *tx)
            .await
            .map_err(sql(OPERATION))?;
            self.await_pickup(&mut tx, (run_id, destination), &receipt.path, ended.awaited).await?;
        }
        let detail = match &ended.reason {
            Some(reason) => format!("{destination}, attempt {number}: {reason}"),
            None => format!("{destination}, attempt {number}"),
        };
        self.event(&mut tx, run_id, verdict_name(verdict), &detail).await?;
        tx.commit().await.map_err(sql(OPERATION))
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
