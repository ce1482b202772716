//! What a person must hear of deliveries that were not picked up: once each, and once more when they were after all.

use sqlx::Row;

use super::alerts::{Alert, FIND, Recovery, alert_from};
use super::store::{Tx, sql};
use super::{Ledger, LedgerError};
use crate::settings::AlertKind;

impl Ledger {
    /// Deliveries that were found to be overdue since `since_ms` and are not among the alerts yet.
    pub(super) async fn uncollected(&self, since_ms: i64) -> Result<Vec<Alert>, LedgerError> {
        let rows = sqlx::query(
            "SELECT r.id, r.pipeline, r.slot, r.slot_ms, p.destination, p.reason, p.due_ms AS at_ms FROM pickups p \
             JOIN runs r ON r.id = p.run_id WHERE p.state = 'overdue' AND p.at_ms >= $1 AND p.due_ms IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = 'uncollected:' || r.id || ':' || p.destination) \
             ORDER BY p.due_ms LIMIT 1000",
        )
        .bind(since_ms)
        .fetch_all(&self.pool)
        .await
        .map_err(sql(FIND))?;
        rows.iter().map(|row| alert_from(row, AlertKind::Uncollected)).collect()
    }

    /// For each open alert of a delivery that was not picked up in time, that it was picked up since.
    pub(super) async fn collected_late(&self) -> Result<Vec<Recovery>, LedgerError> {
        let rows = sqlx::query(
            "SELECT a.id AS alert_id, a.run_id AS id, a.pipeline, a.slot, a.slot_ms, a.destination, p.reason, p.at_ms \
             FROM alerts a JOIN pickups p ON p.run_id = a.run_id AND p.destination = a.destination \
             WHERE a.recovered_ms IS NULL AND a.kind = 'uncollected' AND p.state = 'picked_up' \
             ORDER BY p.at_ms LIMIT 1000",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(sql(FIND))?;
        let recovery = |row| {
            let of: String = sqlx::any::AnyRow::try_get(row, "alert_id").map_err(sql(FIND))?;
            Ok(Recovery { alert: alert_from(row, AlertKind::Recovered)?, of: vec![of] })
        };
        rows.iter().map(recovery).collect()
    }

    /// Nobody waits any more: what was told of it needs no end.
    pub(super) async fn close_uncollected(
        &self,
        tx: &mut Tx,
        run_id: &str,
        destination: &str,
    ) -> Result<(), LedgerError> {
        sqlx::query(
            "UPDATE alerts SET recovered_ms = $1 WHERE run_id = $2 AND destination = $3 AND kind = 'uncollected' \
             AND recovered_ms IS NULL",
        )
        .bind(self.clock.now_ms())
        .bind(run_id)
        .bind(destination)
        .execute(&mut **tx)
        .await
        .map_err(sql(FIND))?;
        Ok(())
    }
}
