//! What is known of destinations themselves: what `doctor` found, and which runs are held at them.

use super::state::DeliveryState;
use super::store::{json, sql};
use super::{Ledger, LedgerError};
use crate::deliver::doctor::Probe;

/// Visits that are kept of each destination.
const PROBES_MAX: i64 = 20;
/// Held runs that are named.
const HELD_MAX: i64 = 100;

/// What a visit found, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptProbe {
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    pub probe: Probe,
}

impl Ledger {
    /// Keeps what a visit found, and forgets the oldest beyond twenty. Returns when it was.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn note_probe(&self, probe: &Probe) -> Result<i64, LedgerError> {
        const OPERATION: &str = "note what was found";
        let now = self.clock.now_ms();
        let mut tx = self.begin(OPERATION).await?;
        sqlx::query("DELETE FROM probes WHERE destination = $1 AND at_ms = $2")
            .bind(&probe.destination)
            .bind(now)
            .execute(&mut *tx)
            .await
            .map_err(sql(OPERATION))?;
        sqlx::query("INSERT INTO probes (destination, at_ms, ok, probe_json) VALUES ($1, $2, $3, $4)")
            .bind(&probe.destination)
            .bind(now)
            .bind(i64::from(probe.ok))
            .bind(json(probe)?)
            .execute(&mut *tx)
            .await
            .map_err(sql(OPERATION))?;
        sqlx::query(
            "DELETE FROM probes WHERE destination = $1 AND at_ms NOT IN \
             (SELECT at_ms FROM probes WHERE destination = $1 ORDER BY at_ms DESC LIMIT $2)",
        )
        .bind(&probe.destination)
        .bind(PROBES_MAX)
        .execute(&mut *tx)
        .await
        .map_err(sql(OPERATION))?;
        tx.commit().await.map_err(sql(OPERATION))?;
        Ok(now)
    }

    /// What the last visit to a destination found.
    ///
    /// # Errors
    /// The ledger cannot be read, or a newer version wrote it.
    pub async fn last_probe(&self, destination: &str) -> Result<Option<KeptProbe>, LedgerError> {
        let kept: Option<(i64, String)> =
            sqlx::query_as("SELECT at_ms, probe_json FROM probes WHERE destination = $1 ORDER BY at_ms DESC LIMIT 1")
                .bind(destination)
                .fetch_optional(&self.pool)
                .await
                .map_err(sql("read what was found"))?;
        let Some((at_ms, text)) = kept else { return Ok(None) };
        let probe = serde_json::from_str(&text)
            .map_err(|_| LedgerError::Unreadable { what: format!("a visit to {destination}") })?;
        Ok(Some(KeptProbe { at_ms, probe }))
    }

    /// The runs that are held at a destination, oldest first.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn held_at(&self, destination: &str) -> Result<Vec<String>, LedgerError> {
        let held: Vec<(String,)> = sqlx::query_as(
            "SELECT run_id FROM deliveries WHERE destination = $1 AND state = $2 ORDER BY since_ms LIMIT $3",
        )
        .bind(destination)
        .bind(DeliveryState::Held.name())
        .bind(HELD_MAX)
        .fetch_all(&self.pool)
        .await
        .map_err(sql("read the held deliveries"))?;
        Ok(held.into_iter().map(|(run,)| run).collect())
    }
}
