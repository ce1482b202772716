//! What is written of deliveries that come in parts, and of destinations that are gone.

use std::collections::BTreeSet;

use super::store::sql;
use super::{Ledger, LedgerError};
use crate::fault;

impl Ledger {
    /// The parts of a delivery that were acknowledged.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn parts(&self, run_id: &str, destination: &str) -> Result<BTreeSet<u64>, LedgerError> {
        let rows: Vec<(i64,)> = sqlx::query_as("SELECT number FROM parts WHERE run_id = $1 AND destination = $2")
            .bind(run_id)
            .bind(destination)
            .fetch_all(&mut *self.reader("read what was acknowledged").await?)
            .await
            .map_err(sql("read what was acknowledged"))?;
        Ok(rows.into_iter().filter_map(|(number,)| u64::try_from(number).ok()).collect())
    }

    /// A destination that has some part of the run's artifact already.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn partly_delivered(&self, run_id: &str) -> Result<Option<String>, LedgerError> {
        let row: Option<(String,)> = sqlx::query_as("SELECT destination FROM parts WHERE run_id = $1 LIMIT 1")
            .bind(run_id)
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("read what was acknowledged"))?;
        Ok(row.map(|(destination,)| destination))
    }

    /// Keeps that the receiver acknowledged these parts. Of the delivery's failures in a row, one is left: it moves on, and
    /// it is still one that has failed before.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn acknowledge(
        &self,
        run_id: &str,
        destination: &str,
        sha256: &str,
        parts: &[u64],
    ) -> Result<(), LedgerError> {
        const OPERATION: &str = "keep what was acknowledged";
        fault::step_async("ledger.parts", async || {
            let mut tx = self.begin(OPERATION).await?;
            for part in parts {
                sqlx::query(
                    "INSERT INTO parts (run_id, destination, number, sha256, acknowledged_ms) VALUES ($1, $2, $3, $4, $5) \
                     ON CONFLICT DO NOTHING",
                )
                .bind(run_id)
                .bind(destination)
                .bind(i64::try_from(*part).unwrap_or(i64::MAX))
                .bind(sha256)
                .bind(self.clock.now_ms())
                .execute(&mut *tx)
                .await
                .map_err(sql(OPERATION))?;
            }
            sqlx::query("UPDATE deliveries SET failures = 1 WHERE run_id = $1 AND destination = $2 AND failures > 1")
                .bind(run_id)
                .bind(destination)
                .execute(&mut *tx)
                .await
                .map_err(sql(OPERATION))?;
            tx.commit().await.map_err(sql(OPERATION))
        })
        .await
    }

    /// Puts a delivery off without an attempt: it waits for others, until `due_ms` at the earliest.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn put_off(&self, run_id: &str, destination: &str, due_ms: Option<i64>) -> Result<(), LedgerError> {
        const OPERATION: &str = "put a delivery off";
        let mut tx = self.begin(OPERATION).await?;
        sqlx::query(
            "UPDATE deliveries SET state = 'waiting', reason = 'waits for the other destinations', due_ms = $1 \
             WHERE run_id = $2 AND destination = $3 AND state IN ('due', 'waiting')",
        )
        // Without a moment it is for a person, whose word makes all due anew.
        .bind(due_ms.unwrap_or(i64::MAX))
        .bind(run_id)
        .bind(destination)
        .execute(&mut *tx)
        .await
        .map_err(sql(OPERATION))?;
        tx.commit().await.map_err(sql(OPERATION))
    }

    /// Keeps that a destination is gone; with `None`, that it may be tried again.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn note_gone(&self, destination: &str, reason: Option<&str>) -> Result<(), LedgerError> {
        const OPERATION: &str = "keep whether the destination is gone";
        let mut tx = self.begin(OPERATION).await?;
        let query = match reason {
            Some(_) => "INSERT INTO gone (destination, since_ms, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            None => "DELETE FROM gone WHERE destination = $1 AND $2 > 0 AND $3 = ''",
        };
        sqlx::query(query)
            .bind(destination)
            .bind(self.clock.now_ms())
            .bind(reason.unwrap_or_default())
            .execute(&mut *tx)
            .await
            .map_err(sql(OPERATION))?;
        tx.commit().await.map_err(sql(OPERATION))
    }
}
