//! What a person must hear of: found in the runs, kept until it is sent.

use sqlx::Row;

use super::query::text;
use super::store::sql;
use super::{Ledger, LedgerError};
use crate::settings::AlertKind;

/// Runs of this kind that no alert was made of; `$1` is the moment before which nothing is told any more, `$2` now.
fn of_kind(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::Failed => {
            "r.origin <> 'person' AND r.rejected_by IS NULL AND r.state IN ('failed', 'rejected') \
             AND r.updated_ms >= $1 AND r.updated_ms <= $2"
        }
        AlertKind::Held => "r.origin <> 'person' AND r.state = 'held' AND r.updated_ms >= $1 AND r.updated_ms <= $2",
        AlertKind::Late => {
            "r.state IN ('due', 'extracting', 'shaping', 'delivering', 'held', 'failed') AND r.deadline_ms >= $1 \
             AND r.deadline_ms < $2 AND NOT EXISTS (SELECT 1 FROM runs l WHERE l.state = 'delivered' \
             AND l.pipeline = r.pipeline AND l.slot_ms > r.slot_ms)"
        }
        AlertKind::Recovered => {
            "r.state = 'delivered' AND r.updated_ms >= $1 AND r.updated_ms <= $2 AND EXISTS (SELECT 1 FROM alerts a \
             WHERE a.pipeline = r.pipeline AND a.recovered_ms IS NULL AND a.kind <> 'recovered' \
             AND a.slot_ms <= r.slot_ms AND a.at_ms <= r.updated_ms)"
        }
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub kind: AlertKind,
    pub run: String,
    pub pipeline: String,
    pub slot: String,
    pub reason: Option<String>,
    pub at_ms: i64,
}

impl Alert {
    fn id(&self) -> String {
        format!("{}:{}", self.kind.name(), self.run)
    }
}

/// An alert that a channel is to carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSend {
    pub alert: Alert,
    pub channel: String,
    /// Attempts that failed.
    pub attempts: u32,
    /// When it was first to be sent.
    pub since_ms: i64,
}

/// How an attempt to send ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Done,
    Again { due_ms: i64, reason: String },
    GivenUp { reason: String },
}

impl Ledger {
    /// Finds what happened since `since_ms` and was not told, and enters it once, with the channels that `carriers` names
    /// for it. All or nothing. Answers how many events there were.
    ///
    /// # Errors
    /// The ledger cannot be used.
    pub async fn find_alerts(
        &self,
        since_ms: i64,
        carriers: impl Fn(&Alert) -> Vec<String>,
    ) -> Result<usize, LedgerError> {
        const OPERATION: &str = "look for what is to be told";
        let now = self.clock.now_ms();
        let mut found = Vec::new();
        for kind in AlertKind::ALL {
            let query = format!(
                "SELECT r.id, r.pipeline, r.slot, r.slot_ms, r.reason FROM runs r WHERE {} \
                 AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = '{}:' || r.id) ORDER BY r.slot_ms LIMIT 1000",
                of_kind(kind),
                kind.name()
            );
            let rows = sqlx::query(text(query)).bind(since_ms).bind(now).fetch_all(&self.pool).await;
            for row in rows.map_err(sql(OPERATION))? {
                let get = |name: &str| row.try_get::<String, _>(name).map_err(sql(OPERATION));
                let alert = Alert {
                    kind,
                    run: get("id")?,
                    pipeline: get("pipeline")?,
                    slot: get("slot")?,
                    reason: row.try_get("reason").map_err(sql(OPERATION))?,
                    at_ms: now,
                };
                found.push((alert, row.try_get::<i64, _>("slot_ms").map_err(sql(OPERATION))?));
            }
        }
        if found.is_empty() {
            return Ok(0);
        }
        let mut tx = self.begin(OPERATION).await?;
        let mut entered = 0;
        for (alert, slot_ms) in &found {
            let new = sqlx::query(
                "INSERT INTO alerts (id, kind, run_id, pipeline, slot, slot_ms, reason, at_ms) \
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE $2 <> 'recovered' OR EXISTS (SELECT 1 FROM alerts a \
                 WHERE a.pipeline = $4 AND a.recovered_ms IS NULL AND a.kind <> 'recovered') ON CONFLICT DO NOTHING",
            )
            .bind(alert.id())
            .bind(alert.kind.name())
            .bind(&alert.run)
            .bind(&alert.pipeline)
            .bind(&alert.slot)
            .bind(slot_ms)
            .bind(&alert.reason)
            .bind(now)
            .execute(&mut *tx)
            .await
            .map_err(sql(OPERATION))?
            .rows_affected();
            if new == 0 {
                continue;
            }
            entered += 1;
            if alert.kind == AlertKind::Recovered {
                sqlx::query("UPDATE alerts SET recovered_ms = $1 WHERE pipeline = $2 AND recovered_ms IS NULL AND slot_ms <= $3")
                    .bind(now)
                    .bind(&alert.pipeline)
                    .bind(slot_ms)
                    .execute(&mut *tx)
                    .await
                    .map_err(sql(OPERATION))?;
            }
            for channel in carriers(alert) {
                sqlx::query(
                    "INSERT INTO alert_sends (alert_id, channel, state, attempts, due_ms, since_ms) \
                     VALUES ($1, $2, 'due', 0, $3, $3) ON CONFLICT DO NOTHING",
                )
                .bind(alert.id())
                .bind(channel)
                .bind(now)
                .execute(&mut *tx)
                .await
                .map_err(sql(OPERATION))?;
            }
        }
        tx.commit().await.map_err(sql(OPERATION))?;
        Ok(entered)
    }

    /// What is to be sent now, by channel, oldest first.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn due_alerts(&self) -> Result<Vec<AlertSend>, LedgerError> {
        const OPERATION: &str = "look for alerts to send";
        let rows = sqlx::query(
            "SELECT a.kind, a.run_id, a.pipeline, a.slot, a.reason, a.at_ms, s.channel, s.attempts, s.since_ms \
             FROM alert_sends s JOIN alerts a ON a.id = s.alert_id WHERE s.state = 'due' AND s.due_ms <= $1 \
             ORDER BY s.channel, a.at_ms, a.slot_ms LIMIT 5000",
        )
        .bind(self.clock.now_ms())
        .fetch_all(&self.pool)
        .await
        .map_err(sql(OPERATION))?;
        rows.iter()
            .map(|row| {
                let get = |name: &str| row.try_get::<String, _>(name).map_err(sql(OPERATION));
                let number = |name: &str| row.try_get::<i64, _>(name).map_err(sql(OPERATION));
                let kind = get("kind")?;
                let kind = AlertKind::from_name(&kind)
                    .ok_or_else(|| LedgerError::Unreadable { what: format!("the alert {kind:?}") })?;
                Ok(AlertSend {
                    alert: Alert {
                        kind,
                        run: get("run_id")?,
                        pipeline: get("pipeline")?,
                        slot: get("slot")?,
                        reason: row.try_get("reason").map_err(sql(OPERATION))?,
                        at_ms: number("at_ms")?,
                    },
                    channel: get("channel")?,
                    attempts: u32::try_from(number("attempts")?).unwrap_or(u32::MAX),
                    since_ms: number("since_ms")?,
                })
            })
            .collect()
    }

    /// Notes how an attempt to send these ended.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn note_sent(&self, sends: &[AlertSend], sent: &Sent) -> Result<(), LedgerError> {
        const OPERATION: &str = "note what was sent";
        let (state, due_ms, reason) = match sent {
            Sent::Done => ("sent", 0, None),
            Sent::Again { due_ms, reason } => ("due", *due_ms, Some(reason)),
            Sent::GivenUp { reason } => ("failed", 0, Some(reason)),
        };
        let mut tx = self.begin(OPERATION).await?;
        for send in sends {
            sqlx::query(
                "UPDATE alert_sends SET state = $1, due_ms = $2, reason = $3, attempts = attempts + 1 \
                 WHERE alert_id = $4 AND channel = $5",
            )
            .bind(state)
            .bind(due_ms)
            .bind(reason)
            .bind(send.alert.id())
            .bind(&send.channel)
            .execute(&mut *tx)
            .await
            .map_err(sql(OPERATION))?;
        }
        tx.commit().await.map_err(sql(OPERATION))
    }
}
