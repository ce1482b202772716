//! Alerts: found in the runs, kept until they are sent.

use std::collections::{BTreeMap, BTreeSet};

use super::alert::{Alert, AlertSend, Sent};
use super::attention::{blockers, findings};
use super::files::problem_from;
use super::rows;
use super::state::{NotificationEvent, NotificationState, PickupState};
use super::store::{Row, Tx, named_column, params};
use super::tenants::scope_changes;
use super::{LATE, Ledger, LedgerError};
use crate::fault::FaultStep;
use crate::settings::AlertKind;

named_column!(AlertKind);

/// Runs that an alert of each kind is about, and when it happened; `$1` is now, `$2` the moment before which nothing is
/// sent any more. Each is a range of an index, because this query runs every few seconds on up to a million runs. For
/// the others there are functions.
fn of_kind(kind: AlertKind) -> Option<(&'static str, String)> {
    let changed = |states| {
        format!(
            "r.origin <> 'person' AND r.rejected_by IS NULL AND r.state IN ({states}) AND r.updated_ms BETWEEN $2 AND $1"
        )
    };
    match kind {
        AlertKind::Failed => Some(("r.updated_ms", changed("'failed', 'rejected'"))),
        AlertKind::Held => Some(("r.updated_ms", changed("'held'"))),
        AlertKind::Blocked => Some(("r.updated_ms", changed("'blocked'"))),
        AlertKind::Late => Some(("r.deadline_ms", format!("r.deadline_ms >= $2 AND {LATE}"))),
        AlertKind::NotDelivered => Some((
            "r.alert_at_ms",
            "r.state IN ('due', 'extracting', 'transforming') AND r.alert_at_ms BETWEEN $2 AND $1 \
             AND r.pipeline NOT IN (SELECT name FROM pipelines WHERE paused_ms IS NOT NULL)"
                .to_owned(),
        )),
        AlertKind::PickupOverdue | AlertKind::PipelineInvalid | AlertKind::ScopeChanged | AlertKind::Recovered => None,
    }
}

/// The end of one or several alerts.
struct Recovery {
    alert: Alert,
    /// Ids of the alerts that it ends.
    of: Vec<String>,
}

impl Ledger {
    /// Finds events since `since_ms` without an alert, and enters an alert for each, with the channels that `channels`
    /// names. All or nothing. Returns how many alerts are new.
    pub async fn find_alerts(
        &self,
        since_ms: i64,
        channels: impl Fn(&Alert) -> Vec<String>,
    ) -> Result<usize, LedgerError> {
        let now = self.clock.now_ms();
        let (found, recoveries) = self
            .read("find alerts", move |tx| {
                let mut found = failures(tx, since_ms, now)?;
                found.extend(overdue_pickups(tx, since_ms)?);
                found.extend(open_deliveries(tx, since_ms, now)?);
                found.extend(invalid_files(tx, since_ms)?);
                let changes = scope_changes(tx, since_ms)?.into_iter();
                found.extend(
                    changes.map(|(tenant, reason, at_ms)| {
                        of_pipeline(AlertKind::ScopeChanged, tenant, Some(reason), at_ms)
                    }),
                );
                let mut recoveries = recoveries(tx)?;
                recoveries.extend(late_pickups(tx)?);
                recoveries.extend(valid_files(tx)?);
                Ok((found, recoveries))
            })
            .await?;
        if found.is_empty() && recoveries.is_empty() {
            return Ok(0);
        }
        let with_channels = |alert: Alert| (channels(&alert), alert);
        let found: Vec<_> = found.into_iter().map(with_channels).collect();
        let recoveries: Vec<_> = recoveries.into_iter().map(|recovery| (channels(&recovery.alert), recovery)).collect();
        self.write(FaultStep::new("ledger.alerts"), "enter alerts", move |tx| {
            let mut entered = 0;
            for (channels, alert) in &found {
                entered += usize::from(enter_alert(tx, alert, channels, now)?);
            }
            for (channels, Recovery { alert, of }) in &recoveries {
                let informed = close_alerts(tx, of, now)?;
                if alert.at_ms >= since_ms {
                    // Channels without the alert do not get its end.
                    let channels = channels.iter().filter(|channel| informed.contains(*channel)).cloned();
                    entered += usize::from(enter_alert(tx, alert, &channels.collect::<Vec<_>>(), now)?);
                }
            }
            Ok(entered)
        })
        .await
    }

    /// Returns the notifications that are due, by channel, oldest first.
    pub async fn due_alerts(&self) -> Result<Vec<AlertSend>, LedgerError> {
        let now = self.clock.now_ms();
        self.read("find alerts to send", move |tx| {
            let rows = tx.query(
                "SELECT a.kind, a.run_id AS id, a.pipeline, a.slot, a.slot_ms, a.destination, a.reason, a.at_ms, \
                 s.channel, s.attempts, s.since_ms FROM notifications s JOIN alerts a ON a.id = s.alert_id \
                 WHERE s.state = 'due' AND s.due_ms <= $1 ORDER BY s.channel, a.at_ms, a.slot_ms LIMIT 5000",
                params![now],
            )?;
            let due = |row: &Row| {
                Ok(AlertSend {
                    alert: alert_from(row, row.get("kind")?)?,
                    channel: row.get("channel")?,
                    attempts: row.get("attempts")?,
                    since_ms: row.get("since_ms")?,
                })
            };
            let mut sends = rows.iter().map(due).collect::<Result<Vec<_>, LedgerError>>()?;
            for AlertSend { alert, .. } in &mut sends {
                let run = alert.run.as_deref().unwrap_or_default();
                match alert.kind {
                    AlertKind::Blocked => alert.blockers = blockers(tx, run)?,
                    AlertKind::Held => alert.findings = findings(tx, run)?,
                    AlertKind::Failed => {
                        alert.findings = findings(tx, run)?;
                        alert.partial = rows::partial(tx, run)?;
                    }
                    _ => {}
                }
            }
            Ok(sends)
        })
        .await
    }

    /// Records the outcome of an attempt to send these. Pruned ones are ignored.
    pub async fn note_sent(&self, sends: &[AlertSend], sent: &Sent) -> Result<(), LedgerError> {
        let (event, due_ms, reason) = match sent.clone() {
            Sent::Done => (NotificationEvent::Sent, 0, None),
            Sent::Again { due_ms, reason } => (NotificationEvent::RetryScheduled, due_ms, Some(reason)),
            Sent::GivenUp { reason } => (NotificationEvent::GivenUp, 0, Some(reason)),
        };
        let sends: Vec<(String, String)> = sends.iter().map(|send| (send.alert.id(), send.channel.clone())).collect();
        self.write(FaultStep::new("ledger.sent"), "record the notifications", move |tx| {
            for (alert, channel) in &sends {
                const SELECT: &str = "SELECT state FROM notifications WHERE alert_id = $1 AND channel = $2";
                let Some(row) = tx.query_opt(SELECT, params![alert, channel])? else { continue };
                let from: NotificationState = row.get("state")?;
                let to = from.after(event).ok_or_else(|| LedgerError::IllegalMove {
                    run: alert.clone(),
                    from: from.name(),
                    to: NotificationState::Sent.name(),
                })?;
                tx.execute(
                    "UPDATE notifications SET state = $1, due_ms = $2, reason = $3, attempts = attempts + 1 \
                     WHERE alert_id = $4 AND channel = $5 AND state = $6",
                    params![to.name(), due_ms, &reason, alert, channel, from.name()],
                )?;
            }
            Ok(())
        })
        .await
    }
}

fn alert_from(row: &Row, kind: AlertKind) -> Result<Alert, LedgerError> {
    Ok(Alert {
        kind,
        run: row.get("id")?,
        pipeline: row.get("pipeline")?,
        slot: row.get("slot")?,
        slot_ms: row.get("slot_ms")?,
        destination: row.get("destination")?,
        reason: row.get("reason")?,
        blockers: Vec::new(),
        findings: Vec::new(),
        partial: None,
        at_ms: row.get("at_ms")?,
    })
}

/// Returns failures of runs without an alert.
fn failures(tx: &mut Tx, since_ms: i64, now: i64) -> Result<Vec<Alert>, LedgerError> {
    let mut found = Vec::new();
    for kind in AlertKind::ALL {
        let Some((at, condition)) = of_kind(kind) else { continue };
        let select = format!(
            "SELECT r.id, r.pipeline, r.slot, r.slot_ms, CAST(NULL AS TEXT) AS destination, r.reason, {at} AS at_ms \
             FROM runs r WHERE {condition} \
             AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = '{}:' || r.id) ORDER BY r.slot_ms LIMIT 1000",
            kind.name()
        );
        for row in tx.query(&select, params![now, since_ms])? {
            found.push(alert_from(&row, kind)?);
        }
    }
    Ok(found)
}

/// Returns deliveries that became overdue since `since_ms`, without an alert.
fn overdue_pickups(tx: &mut Tx, since_ms: i64) -> Result<Vec<Alert>, LedgerError> {
    let kind = AlertKind::PickupOverdue;
    let rows = tx.query(
        &format!(
            "SELECT r.id, r.pipeline, r.slot, r.slot_ms, p.destination, p.reason, p.due_ms AS at_ms FROM pickups p \
             JOIN runs r ON r.id = p.run_id WHERE p.state = '{}' AND p.at_ms >= $1 AND p.due_ms IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = '{}:' || r.id || ':' || p.destination) \
             ORDER BY p.due_ms LIMIT 1000",
            PickupState::Overdue.name(),
            kind.name()
        ),
        params![since_ms],
    )?;
    rows.iter().map(|row| alert_from(row, kind)).collect()
}

/// Returns deliveries that are not done `alert_after` their run began to deliver, without an alert.
fn open_deliveries(tx: &mut Tx, since_ms: i64, now: i64) -> Result<Vec<Alert>, LedgerError> {
    let kind = AlertKind::NotDelivered;
    let rows = tx.query(
        &format!(
            "SELECT r.id, r.pipeline, r.slot, r.slot_ms, d.destination, CASE WHEN d.reason IS NULL THEN NULL \
             ELSE CAST(d.attempts AS TEXT) || ' attempts so far, the last: ' || d.reason END AS reason, \
             d.alert_at_ms AS at_ms FROM deliveries d JOIN runs r ON r.id = d.run_id \
             WHERE d.state IN ('due', 'publishing', 'waiting') AND d.alert_at_ms BETWEEN $1 AND $2 \
             AND r.state IN ('delivering', 'delivered') AND r.origin <> 'person' \
             AND r.pipeline NOT IN (SELECT name FROM pipelines WHERE paused_ms IS NOT NULL) \
             AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = '{}:' || r.id || ':' || d.destination) \
             ORDER BY d.alert_at_ms LIMIT 1000",
            kind.name()
        ),
        params![since_ms, now],
    )?;
    rows.iter().map(|row| alert_from(row, kind)).collect()
}

/// Returns pipelines whose file became unusable since `since_ms`, without an alert.
fn invalid_files(tx: &mut Tx, since_ms: i64) -> Result<Vec<Alert>, LedgerError> {
    let rows = tx.query(
        &format!(
            "SELECT name, problem, stopped_reason, problem_ms FROM pipelines p WHERE problem_ms >= $1 \
             AND NOT EXISTS (SELECT 1 FROM alerts a WHERE a.id = '{}:' || p.name || ':' || CAST(p.problem_ms AS TEXT)) \
             ORDER BY problem_ms LIMIT 1000",
            AlertKind::PipelineInvalid.name()
        ),
        params![since_ms],
    )?;
    let mut found = Vec::new();
    for row in rows {
        let Some(problem) = problem_from(&row)? else { continue };
        let (pipeline, reason) = (row.get("name")?, problem.describe());
        found.push(of_pipeline(AlertKind::PipelineInvalid, pipeline, Some(reason), problem.since_ms));
    }
    Ok(found)
}

/// Returns the end of the alerts of pipelines whose file can be used again, or was removed.
fn valid_files(tx: &mut Tx) -> Result<Vec<Recovery>, LedgerError> {
    let rows = tx.query(
        "SELECT a.id AS alert_id, a.pipeline, p.valid_ms FROM alerts a JOIN pipelines p ON p.name = a.pipeline \
         WHERE a.recovered_ms IS NULL AND a.kind = $1 AND (p.problem_ms IS NULL OR p.problem_ms > a.at_ms) \
         ORDER BY a.at_ms LIMIT 1000",
        params![AlertKind::PipelineInvalid.name()],
    )?;
    let recovery = |row: &Row| {
        // Without a time, nothing recovered, and nothing is sent.
        let at_ms = row.get::<Option<i64>>("valid_ms")?.unwrap_or_default();
        let alert = of_pipeline(AlertKind::Recovered, row.get("pipeline")?, None, at_ms);
        Ok(Recovery { alert, of: vec![row.get("alert_id")?] })
    };
    rows.iter().map(recovery).collect()
}

fn of_pipeline(kind: AlertKind, pipeline: String, reason: Option<String>, at_ms: i64) -> Alert {
    let (blockers, findings) = Default::default();
    Alert {
        kind,
        run: None,
        pipeline,
        slot: None,
        destination: None,
        reason,
        blockers,
        findings,
        partial: None,
        slot_ms: at_ms,
        at_ms,
    }
}

/// Returns for each open alert the first run from its slot on that was delivered after it; for alerts of a pipeline, the
/// newest.
fn recoveries(tx: &mut Tx) -> Result<Vec<Recovery>, LedgerError> {
    let rows = tx.query(
        "SELECT a.id AS alert_id, r.id, r.pipeline, r.slot, r.slot_ms, CAST(NULL AS TEXT) AS destination, r.reason, \
         r.updated_ms AS at_ms FROM alerts a \
         JOIN runs r ON r.id = (SELECT d.id FROM runs d WHERE d.state = 'delivered' AND d.pipeline = a.pipeline AND d.input_sha256 = '' \
         AND d.slot_ms >= a.slot_ms AND d.updated_ms >= a.at_ms ORDER BY d.slot_ms LIMIT 1) \
         WHERE a.recovered_ms IS NULL AND a.run_id IS NOT NULL AND a.kind <> $1 \
         AND (a.kind <> $2 OR a.destination IS NULL OR EXISTS (SELECT 1 FROM receipts t JOIN runs x ON x.id = t.run_id \
         WHERE x.pipeline = a.pipeline AND x.slot_ms >= a.slot_ms AND t.destination = a.destination \
         AND t.ended_ms >= a.at_ms)) ORDER BY r.slot_ms LIMIT 1000",
        params![AlertKind::PickupOverdue.name(), AlertKind::NotDelivered.name()],
    )?;
    let mut recoveries: BTreeMap<String, Recovery> = BTreeMap::new();
    for row in rows {
        let alert = alert_from(&row, AlertKind::Recovered)?;
        let recovery = recoveries
            .entry(alert.pipeline.clone())
            .or_insert_with(|| Recovery { alert: alert.clone(), of: Vec::new() });
        recovery.alert = alert;
        recovery.of.push(row.get("alert_id")?);
    }
    Ok(recoveries.into_values().collect())
}

/// Returns the open alerts of overdue deliveries that were picked up since.
fn late_pickups(tx: &mut Tx) -> Result<Vec<Recovery>, LedgerError> {
    let rows = tx.query(
        "SELECT a.id AS alert_id, a.run_id AS id, a.pipeline, a.slot, a.slot_ms, a.destination, p.reason, p.at_ms \
         FROM alerts a JOIN pickups p ON p.run_id = a.run_id AND p.destination = a.destination \
         WHERE a.recovered_ms IS NULL AND a.kind = $1 AND p.state = $2 ORDER BY p.at_ms NULLS LAST LIMIT 1000",
        params![AlertKind::PickupOverdue.name(), PickupState::PickedUp.name()],
    )?;
    let recovery =
        |row: &Row| Ok(Recovery { alert: alert_from(row, AlertKind::Recovered)?, of: vec![row.get("alert_id")?] });
    rows.iter().map(recovery).collect()
}

/// Returns true if the alert is new.
fn enter_alert(tx: &mut Tx, alert: &Alert, channels: &[String], now: i64) -> Result<bool, LedgerError> {
    let id = alert.id();
    let new = tx.execute(
        "INSERT INTO alerts (id, kind, run_id, pipeline, slot, slot_ms, reason, at_ms, recovered_ms, destination) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
        params![
            &id,
            alert.kind.name(),
            &alert.run,
            &alert.pipeline,
            &alert.slot,
            alert.slot_ms,
            &alert.reason,
            alert.at_ms,
            // Neither has an end that would be found later.
            matches!(alert.kind, AlertKind::Recovered | AlertKind::ScopeChanged).then_some(now),
            &alert.destination,
        ],
    )?;
    if new == 0 {
        return Ok(false);
    }
    for channel in channels {
        tx.execute(
            "INSERT INTO notifications (alert_id, channel, state, attempts, due_ms, since_ms) \
             VALUES ($1, $2, $3, 0, $4, $4) ON CONFLICT DO NOTHING",
            params![&id, channel, NotificationState::Due.name(), now],
        )?;
    }
    Ok(true)
}

/// Closes alerts whose pipeline has delivered again. Returns the channels that sent them, or are about to.
fn close_alerts(tx: &mut Tx, alerts: &[String], now: i64) -> Result<BTreeSet<String>, LedgerError> {
    let mut informed = BTreeSet::new();
    for id in alerts {
        tx.execute("UPDATE alerts SET recovered_ms = $1 WHERE id = $2", params![now, id])?;
        for row in tx.query("SELECT channel FROM notifications WHERE alert_id = $1", params![id])? {
            informed.insert(row.get("channel")?);
        }
    }
    Ok(informed)
}
