//! What a person must hear of: found in the runs, kept until it is sent.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::Row;
use sqlx::any::AnyRow;

use super::prune::places;
use super::query::text;
use super::store::{Tx, sql};
use super::{Ledger, LedgerError};
use crate::settings::AlertKind;

/// Runs of which this is to be told, and when it happened; `$1` is the moment before which nothing is told any more, `$2`
/// now. Every one of them is a range of an index: the ledger is asked every few seconds, and may hold a million runs.
fn of_kind(kind: AlertKind) -> Option<(&'static str, &'static str)> {
    match kind {
        AlertKind::Failed => Some((
            "r.updated_ms",
            "r.origin <> 'person' AND r.rejected_by IS NULL AND r.state IN ('failed', 'rejected') \
             AND r.updated_ms >= $1 AND r.updated_ms <= $2",
        )),
        AlertKind::Held => Some((
            "r.updated_ms",
            "r.origin <> 'person' AND r.state = 'held' AND r.updated_ms >= $1 AND r.updated_ms <= $2",
        )),
        AlertKind::Late => Some((
            "r.deadline_ms",
            "r.state IN ('due', 'extracting', 'shaping', 'delivering', 'held', 'failed') AND r.deadline_ms >= $1 \
             AND r.deadline_ms < $2 AND NOT EXISTS (SELECT 1 FROM runs l WHERE l.state = 'delivered' \
             AND l.pipeline = r.pipeline AND l.slot_ms > r.slot_ms)",
        )),
        // Of deliveries, not of runs: see `uncollected`.
        AlertKind::Uncollected => None,
        // Begins with the alerts that are open, which are few: see `recoveries`.
        AlertKind::Recovered => None,
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub kind: AlertKind,
    pub run: String,
    pub pipeline: String,
    pub slot: String,
    /// Which of the run's deliveries it happened to, where it happened to one.
    pub destination: Option<String>,
    pub reason: Option<String>,
    pub slot_ms: i64,
    /// When it happened.
    pub at_ms: i64,
}

impl Alert {
    /// One kind of event happens to a run, or to one of its deliveries, once.
    fn id(&self) -> String {
        match &self.destination {
            Some(destination) => format!("{}:{}:{destination}", self.kind.name(), self.run),
            None => format!("{}:{}", self.kind.name(), self.run),
        }
    }
}

/// The end of one trouble or of several.
pub(super) struct Recovery {
    pub alert: Alert,
    /// The alerts that it ends.
    pub of: Vec<String>,
}

pub(super) const FIND: &str = "look for what is to be told";

pub(super) fn alert_from(row: &AnyRow, kind: AlertKind) -> Result<Alert, LedgerError> {
    let get = |name: &str| row.try_get::<String, _>(name).map_err(sql(FIND));
    let number = |name: &str| row.try_get::<i64, _>(name).map_err(sql(FIND));
    Ok(Alert {
        kind,
        run: get("id")?,
        pipeline: get("pipeline")?,
        slot: get("slot")?,
        slot_ms: number("slot_ms")?,
        destination: row.try_get("destination").map_err(sql(FIND))?,
        reason: row.try_get("reason").map_err(sql(FIND))?,
        at_ms: number("at_ms")?,
    })
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
        let mut found = self.troubles(since_ms).await?;
        found.extend(self.uncollected(since_ms).await?);
        let mut recoveries = self.recoveries().await?;
        recoveries.extend(self.collected_late().await?);
        if found.is_empty() && recoveries.is_empty() {
            return Ok(0);
        }
        let mut entered = 0;
        let mut tx = self.begin(FIND).await?;
        for alert in &found {
            entered += usize::from(self.enter_alert(&mut tx, alert, carriers(alert)).await?);
        }
        for Recovery { alert, of } in &recoveries {
            let told = self.close_alerts(&mut tx, of).await?;
            if alert.at_ms >= since_ms {
                // Who was not told of the trouble is not told of its end.
                let carriers = carriers(alert).into_iter().filter(|channel| told.contains(channel)).collect();
                entered += usize::from(self.enter_alert(&mut tx, alert, carriers).await?);
            }
        }
        tx.commit().await.map_err(sql(FIND))?;
        Ok(entered)
    }

    /// What went wrong and is not among the alerts yet.
    async fn troubles(&self, since_ms: i64) -> Result<Vec<Alert>, LedgerError> {
        let now = self.clock.now_ms();
        let mut found = Vec::new();
        for kind in AlertKind::ALL {
            let Some((at, condition)) = of_kind(kind) else { continue };
            let query = format!(
                "SELECT r.id, r.pipeline, r.slot, r.slot_ms, CAST(NULL AS TEXT) AS destination, r.reason, {at} AS at_ms FROM runs r WHERE {condition} \
                 AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = '{}:' || r.id) ORDER BY r.slot_ms LIMIT 1000",
                kind.name()
            );
            let rows = sqlx::query(text(query)).bind(since_ms).bind(now).fetch_all(&self.pool).await;
            for row in rows.map_err(sql(FIND))? {
                found.push(alert_from(&row, kind)?);
            }
        }
        Ok(found)
    }

    /// For each open alert the first run from its slot on that was delivered after it; of a pipeline's, the newest.
    async fn recoveries(&self) -> Result<Vec<Recovery>, LedgerError> {
        let rows = sqlx::query(
            "SELECT a.id AS alert_id, r.id, r.pipeline, r.slot, r.slot_ms, CAST(NULL AS TEXT) AS destination, r.reason, \
             r.updated_ms AS at_ms FROM alerts a \
             JOIN runs r ON r.id = (SELECT d.id FROM runs d WHERE d.state = 'delivered' AND d.pipeline = a.pipeline \
             AND d.slot_ms >= a.slot_ms AND d.updated_ms >= a.at_ms ORDER BY d.slot_ms LIMIT 1) \
             WHERE a.recovered_ms IS NULL AND a.kind <> 'uncollected' ORDER BY r.slot_ms LIMIT 1000",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(sql(FIND))?;
        let mut recoveries: BTreeMap<String, Recovery> = BTreeMap::new();
        for row in rows {
            let alert = alert_from(&row, AlertKind::Recovered)?;
            let id = row.try_get("alert_id").map_err(sql(FIND))?;
            let recovery = recoveries
                .entry(alert.pipeline.clone())
                .or_insert_with(|| Recovery { alert: alert.clone(), of: Vec::new() });
            recovery.alert = alert;
            recovery.of.push(id);
        }
        Ok(recoveries.into_values().collect())
    }

    /// Answers whether it is new.
    async fn enter_alert(&self, tx: &mut Tx, alert: &Alert, carriers: Vec<String>) -> Result<bool, LedgerError> {
        let now = self.clock.now_ms();
        let new = sqlx::query(
            "INSERT INTO alerts (id, kind, run_id, pipeline, slot, slot_ms, reason, at_ms, recovered_ms, destination) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        )
        .bind(alert.id())
        .bind(alert.kind.name())
        .bind(&alert.run)
        .bind(&alert.pipeline)
        .bind(&alert.slot)
        .bind(alert.slot_ms)
        .bind(&alert.reason)
        .bind(alert.at_ms)
        .bind((alert.kind == AlertKind::Recovered).then_some(now))
        .bind(&alert.destination)
        .execute(&mut **tx)
        .await
        .map_err(sql(FIND))?
        .rows_affected();
        if new == 0 {
            return Ok(false);
        }
        for channel in carriers {
            sqlx::query(
                "INSERT INTO alert_sends (alert_id, channel, state, attempts, due_ms, since_ms) \
                 VALUES ($1, $2, 'due', 0, $3, $3) ON CONFLICT DO NOTHING",
            )
            .bind(alert.id())
            .bind(channel)
            .bind(now)
            .execute(&mut **tx)
            .await
            .map_err(sql(FIND))?;
        }
        Ok(true)
    }

    /// Closes alerts whose pipeline delivered again; answers the channels that carried them, or are about to.
    async fn close_alerts(&self, tx: &mut Tx, alerts: &[String]) -> Result<BTreeSet<String>, LedgerError> {
        let mut told = BTreeSet::new();
        for id in alerts {
            sqlx::query("UPDATE alerts SET recovered_ms = $1 WHERE id = $2")
                .bind(self.clock.now_ms())
                .bind(id)
                .execute(&mut **tx)
                .await
                .map_err(sql(FIND))?;
            let channels: Vec<(String,)> = sqlx::query_as("SELECT channel FROM alert_sends WHERE alert_id = $1")
                .bind(id)
                .fetch_all(&mut **tx)
                .await
                .map_err(sql(FIND))?;
            told.extend(channels.into_iter().map(|(channel,)| channel));
        }
        Ok(told)
    }

    /// Forgets what was told of runs that are forgotten.
    pub(super) async fn forget_alerts<'a>(
        &self,
        tx: &mut Tx,
        runs: impl Iterator<Item = &'a str>,
    ) -> Result<(), LedgerError> {
        let runs: Vec<&str> = runs.collect();
        let of_runs = format!("run_id IN ({})", places(1, &runs));
        for statement in [
            format!("DELETE FROM alert_sends WHERE alert_id IN (SELECT id FROM alerts WHERE {of_runs})"),
            format!("DELETE FROM alerts WHERE {of_runs}"),
        ] {
            let mut query = sqlx::query(text(statement));
            for run in &runs {
                query = query.bind(*run);
            }
            query.execute(&mut **tx).await.map_err(sql("forget what was told"))?;
        }
        Ok(())
    }

    /// What is to be sent now, by channel, oldest first.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn due_alerts(&self) -> Result<Vec<AlertSend>, LedgerError> {
        const OPERATION: &str = "look for alerts to send";
        let rows = sqlx::query(
            "SELECT a.kind, a.run_id AS id, a.pipeline, a.slot, a.slot_ms, a.destination, a.reason, a.at_ms, s.channel, \
             s.attempts, s.since_ms FROM alert_sends s JOIN alerts a ON a.id = s.alert_id WHERE s.state = 'due' AND s.due_ms <= $1 \
             ORDER BY s.channel, a.at_ms, a.slot_ms LIMIT 5000",
        )
        .bind(self.clock.now_ms())
        .fetch_all(&self.pool)
        .await
        .map_err(sql(OPERATION))?;
        rows.iter()
            .map(|row| {
                let kind: String = row.try_get("kind").map_err(sql(OPERATION))?;
                let kind = AlertKind::from_name(&kind)
                    .ok_or_else(|| LedgerError::Unreadable { what: format!("the alert {kind:?}") })?;
                let number = |name: &str| row.try_get::<i64, _>(name).map_err(sql(OPERATION));
                Ok(AlertSend {
                    alert: alert_from(row, kind)?,
                    channel: row.try_get("channel").map_err(sql(OPERATION))?,
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
