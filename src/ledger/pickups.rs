//! Pickups: pending from the receipt on, polled until their outcome is known.

use std::time::Duration;

use super::history::RunEvent;
use super::runs::record;
use super::state::{PickupEvent, PickupState, legal_in};
use super::store::{Row, Tx, params};
use super::{Ledger, LedgerError};
use crate::deliver::{Intent, PickupKind, PickupOutcome, Receipt};
use crate::fault::FaultStep;
use crate::settings::{self, AlertKind, PickupDeadline};

/// Time for which a late pickup is still checked.
const LATE_WITHIN: Duration = Duration::from_secs(7 * 86_400);
/// Longest interval of checks for a late pickup.
const LATE_EVERY_MAX: Duration = Duration::from_secs(6 * 3_600);

/// The pickup that a delivery expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedPickup {
    pub kind: PickupKind,
    /// Deadline and interval of checks; without it, there are none.
    pub deadline: Option<PickupDeadline>,
}

impl ExpectedPickup {
    pub fn of(pickup: &settings::Pickup) -> Option<Self> {
        Some(Self { kind: PickupKind::of(pickup)?, deadline: pickup.deadline() })
    }
}

/// A delivery to check now.
#[derive(Clone, Debug)]
pub struct DuePickup {
    pub run: String,
    pub pipeline: String,
    pub kind: PickupKind,
    pub due_ms: Option<i64>,
    pub intent: Option<Intent>,
    pub receipt: Receipt,
}

/// An overdue delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    pub run: String,
    pub pipeline: String,
    pub destination: String,
    /// Deadline of the reader.
    pub due_ms: i64,
}

/// Number of deliveries of one destination, by state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickupCounts {
    pub destination: String,
    pub pending: u64,
    pub overdue: u64,
}

/// Returns when to check a delivery again: at the interval, at its deadline, and then at waits that grow with the time
/// since, for a week. `None` after that.
pub fn next_poll(now_ms: i64, due_ms: Option<i64>, every: Duration) -> Option<i64> {
    let ms = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let (due_ms, every_ms) = (due_ms?, ms(every));
    let late_ms = now_ms.saturating_sub(due_ms);
    match late_ms {
        ..0 => Some(now_ms.saturating_add(every_ms).min(due_ms)),
        _ if late_ms < ms(LATE_WITHIN) => Some(now_ms.saturating_add(late_ms.min(ms(LATE_EVERY_MAX)).max(every_ms))),
        _ => None,
    }
}

impl Ledger {
    /// Records the result of a check, and `poll_ms` as the next one if it is not picked up. Returns the new state, if it
    /// changed. An ended pickup stays as it is.
    pub async fn record_poll(
        &self,
        run_id: &str,
        destination: &str,
        found: &PickupOutcome,
        next_poll_ms: Option<i64>,
    ) -> Result<Option<PickupState>, LedgerError> {
        let (run, destination, found) = (run_id.to_owned(), destination.to_owned(), found.clone());
        let now = self.clock.now_ms();
        self.write(FaultStep::new("ledger.pickup"), "record the pickups", move |tx| {
            const SELECT: &str = "SELECT state, due_ms FROM pickups WHERE run_id = $1 AND destination = $2";
            let Some(row) = tx.query_opt(SELECT, params![&run, &destination])? else { return Ok(None) };
            let state: PickupState = row.get("state")?;
            if state.is_end() {
                return Ok(None);
            }
            let over = row.get::<Option<i64>>("due_ms")?.is_some_and(|due_ms| now >= due_ms);
            let reason = match &found {
                PickupOutcome::PickedUp { how } => Some(how.clone()),
                PickupOutcome::NotYet if over => Some("not picked up in time".to_owned()),
                PickupOutcome::NotYet => Some(String::new()),
                // The result at the deadline is more informative than a failed check now.
                PickupOutcome::Unknown { .. } if state == PickupState::Overdue => None,
                PickupOutcome::Unknown { why } => Some(format!("could not be checked: {why}")),
            };
            let event = match &found {
                PickupOutcome::PickedUp { .. } => PickupEvent::PickedUp,
                PickupOutcome::NotYet | PickupOutcome::Unknown { .. } if over => PickupEvent::DeadlinePassed,
                PickupOutcome::NotYet | PickupOutcome::Unknown { .. } => {
                    // Still pending, or overdue with a changed deadline.
                    poll_again(tx, (&run, &destination), reason.as_deref(), next_poll_ms)?;
                    return Ok(None);
                }
            };
            let next_poll_ms = next_poll_ms.filter(|_| event != PickupEvent::PickedUp);
            let to = move_pickup(tx, (&run, &destination), event, reason.as_deref(), next_poll_ms, now)?;
            Ok((to != state).then_some(to))
        })
        .await
    }

    /// Supersedes the pending pickups of `destination`, which the settings no longer wait for. Returns how many.
    pub async fn supersede_pickups(&self, destination: &str, why: &str) -> Result<u64, LedgerError> {
        let (destination, why, now) = (destination.to_owned(), why.to_owned(), self.clock.now_ms());
        self.write(FaultStep::new("ledger.pickup"), "record the pickups", move |tx| {
            let runs = tx.query(
                &format!(
                    "SELECT run_id FROM pickups WHERE destination = $1 AND next_poll_ms IS NOT NULL AND state IN ({})",
                    superseded_in()
                ),
                params![&destination],
            )?;
            for row in &runs {
                let run: String = row.get("run_id")?;
                move_pickup(tx, (&run, &destination), PickupEvent::Superseded, Some(&why), None, now)?;
            }
            Ok(runs.len() as u64)
        })
        .await
    }

    /// Returns destinations with a due check, the longest due first.
    pub async fn destinations_with_due_pickups(&self) -> Result<Vec<String>, LedgerError> {
        let now = self.clock.now_ms();
        self.read("find due pickups", move |tx| {
            let rows = tx.query(
                "SELECT destination FROM pickups WHERE next_poll_ms IS NOT NULL AND next_poll_ms <= $1 \
                 GROUP BY destination ORDER BY MIN(next_poll_ms) LIMIT 1000",
                params![now],
            )?;
            rows.iter().map(|row| row.get("destination")).collect()
        })
        .await
    }

    /// Returns destinations with an expected pickup, now or later.
    pub async fn destinations_with_pickups(&self) -> Result<Vec<String>, LedgerError> {
        self.read("find expected pickups", |tx| {
            const SELECT: &str =
                "SELECT DISTINCT destination FROM pickups WHERE next_poll_ms IS NOT NULL ORDER BY destination";
            tx.query(SELECT, &[])?.iter().map(|row| row.get("destination")).collect()
        })
        .await
    }

    /// Returns the checks due at a destination, at most `max`, the longest due first.
    pub async fn due_pickups(&self, destination: &str, max: u32) -> Result<Vec<DuePickup>, LedgerError> {
        let (destination, now) = (destination.to_owned(), self.clock.now_ms());
        self.read("find due pickups", move |tx| {
            let rows = tx.query(
                "SELECT p.run_id, r.pipeline, p.kind, p.due_ms, d.intent_json, c.receipt_json FROM pickups p \
                 JOIN runs r ON r.id = p.run_id \
                 JOIN deliveries d ON d.run_id = p.run_id AND d.destination = p.destination \
                 JOIN receipts c ON c.run_id = p.run_id AND c.destination = p.destination \
                 WHERE p.next_poll_ms IS NOT NULL AND p.next_poll_ms <= $1 AND p.destination = $2 \
                 ORDER BY p.next_poll_ms LIMIT $3",
                params![now, &destination, max],
            )?;
            let missing = || LedgerError::Unreadable { what: "a receipt that is NULL".to_owned() };
            let to_look = |row: &Row| {
                Ok(DuePickup {
                    run: row.get("run_id")?,
                    pipeline: row.get("pipeline")?,
                    kind: row.get("kind")?,
                    due_ms: row.get("due_ms")?,
                    intent: row.json("intent_json")?,
                    receipt: row.json("receipt_json")?.ok_or_else(missing)?,
                })
            };
            rows.iter().map(to_look).collect()
        })
        .await
    }

    /// Returns overdue pickups that are still checked, oldest first.
    pub async fn overdue(&self) -> Result<Vec<Overdue>, LedgerError> {
        self.read("find overdue pickups", overdue).await
    }

    /// Returns the numbers of pending and overdue deliveries at each destination that has any.
    pub async fn pickup_counts(&self) -> Result<Vec<PickupCounts>, LedgerError> {
        self.read("count the pickups", |tx| {
            let rows = tx.query(
                "SELECT destination, CAST(SUM(CASE WHEN state = 'pending' THEN 1 ELSE 0 END) AS BIGINT) AS pending, \
                 CAST(SUM(CASE WHEN state = 'overdue' THEN 1 ELSE 0 END) AS BIGINT) AS overdue FROM pickups \
                 WHERE next_poll_ms IS NOT NULL GROUP BY destination ORDER BY destination",
                &[],
            )?;
            let counts = |row: &Row| {
                let (destination, overdue) = (row.get("destination")?, row.get("overdue")?);
                Ok(PickupCounts { destination, pending: row.get("pending")?, overdue })
            };
            rows.iter().map(counts).collect()
        })
        .await
    }
}

fn superseded_in() -> String {
    legal_in(PickupState::ALL, PickupState::name, |state| state.after(PickupEvent::Superseded).is_some())
}

/// Supersedes what other runs delivered to the path that the run `by` now has.
pub(super) fn supersede(tx: &mut Tx, by: &str, destination: &str, path: &str, now: i64) -> Result<(), LedgerError> {
    let replaced = tx.query(
        &format!(
            "SELECT run_id FROM pickups WHERE destination = $1 AND path = $2 AND run_id <> $3 AND state IN ({})",
            superseded_in()
        ),
        params![destination, path, by],
    )?;
    let why = format!("the file of run {by} took its name before it was seen to be picked up");
    for row in &replaced {
        let run: String = row.get("run_id")?;
        move_pickup(tx, (&run, destination), PickupEvent::Superseded, Some(&why), None, now)?;
    }
    Ok(())
}

/// Expects a pickup from now on, because the delivery has its receipt.
pub(super) fn await_pickup(
    tx: &mut Tx,
    (run, destination): (&str, &str),
    path: &str,
    ExpectedPickup { kind, deadline }: ExpectedPickup,
    now: i64,
) -> Result<(), LedgerError> {
    let ms = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let due_ms = deadline.map(|deadline| now.saturating_add(ms(deadline.after)));
    let next_poll_ms = deadline.and_then(|deadline| next_poll(now, due_ms, deadline.every));
    tx.execute(
        "INSERT INTO pickups (run_id, destination, kind, state, path, due_ms, next_poll_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        params![run, destination, kind.name(), PickupState::Pending.name(), path, due_ms, next_poll_ms],
    )
    .map(|_| ())
}

/// Ends a pending pickup as picked up; one that has ended stays as it is.
pub(super) fn picked_up(tx: &mut Tx, (run, destination): (&str, &str), how: &str, now: i64) -> Result<(), LedgerError> {
    const SELECT: &str = "SELECT state FROM pickups WHERE run_id = $1 AND destination = $2";
    match tx.query_opt(SELECT, params![run, destination])? {
        Some(row) if !row.get::<PickupState>("state")?.is_end() => {
            move_pickup(tx, (run, destination), PickupEvent::PickedUp, Some(how), None, now).map(|_| ())
        }
        Some(_) | None => Ok(()),
    }
}

/// Keeps the state, and sets the next check. Keeps the reason if `reason` is `None`.
fn poll_again(
    tx: &mut Tx,
    (run, destination): (&str, &str),
    reason: Option<&str>,
    next_poll_ms: Option<i64>,
) -> Result<(), LedgerError> {
    const UPDATE: &str = "UPDATE pickups SET reason = COALESCE($1, reason, ''), next_poll_ms = $2 \
                          WHERE run_id = $3 AND destination = $4";
    tx.execute(UPDATE, params![reason, next_poll_ms, run, destination]).map(|_| ())
}

/// Moves a pickup by its state table, and adds that to the run's history. If the state does not change, its time stays;
/// without a `reason`, so does the reason.
fn move_pickup(
    tx: &mut Tx,
    (run, destination): (&str, &str),
    event: PickupEvent,
    reason: Option<&str>,
    next_poll_ms: Option<i64>,
    now: i64,
) -> Result<PickupState, LedgerError> {
    const SELECT: &str = "SELECT state, reason FROM pickups WHERE run_id = $1 AND destination = $2";
    let row = tx.query_one(SELECT, params![run, destination])?;
    let from: PickupState = row.get("state")?;
    let illegal = |to: PickupState| LedgerError::IllegalMove { run: run.to_owned(), from: from.name(), to: to.name() };
    let to = from.after(event).ok_or_else(|| illegal(PickupState::Superseded))?;
    if from == to {
        poll_again(tx, (run, destination), reason, next_poll_ms)?;
        return Ok(to);
    }
    let reason = reason.map(str::to_owned).or(row.get("reason")?).unwrap_or_default();
    let moved = tx.execute(
        "UPDATE pickups SET state = $1, reason = $2, at_ms = $3, next_poll_ms = $4 \
         WHERE run_id = $5 AND destination = $6 AND state = $7",
        params![to.name(), &reason, now, next_poll_ms, run, destination, from.name()],
    )?;
    if moved == 0 {
        return Err(illegal(to));
    }
    let destination_name = destination.to_owned();
    let event = match event {
        PickupEvent::PickedUp => RunEvent::PickedUp { destination: destination_name, reason },
        PickupEvent::DeadlinePassed => RunEvent::PickupOverdue { destination: destination_name, reason },
        PickupEvent::Superseded => {
            close_overdue(tx, run, destination, now)?;
            RunEvent::PickupSuperseded { destination: destination_name, reason }
        }
    };
    record(tx, run, now, &event)?;
    Ok(to)
}

pub(super) fn overdue(tx: &mut Tx) -> Result<Vec<Overdue>, LedgerError> {
    let rows = tx.query(
        "SELECT p.run_id, r.pipeline, p.destination, p.due_ms FROM pickups p JOIN runs r ON r.id = p.run_id \
         WHERE p.state = 'overdue' AND p.next_poll_ms IS NOT NULL AND p.due_ms IS NOT NULL ORDER BY p.due_ms LIMIT 1000",
        &[],
    )?;
    let overdue = |row: &Row| {
        Ok(Overdue {
            run: row.get("run_id")?,
            pipeline: row.get("pipeline")?,
            destination: row.get("destination")?,
            due_ms: row.get("due_ms")?,
        })
    };
    rows.iter().map(overdue).collect()
}

/// Closes the alert of a pickup that is no longer awaited, without a notification.
fn close_overdue(tx: &mut Tx, run: &str, destination: &str, now: i64) -> Result<(), LedgerError> {
    tx.execute(
        "UPDATE alerts SET recovered_ms = $1 WHERE run_id = $2 AND destination = $3 AND kind = $4 \
         AND recovered_ms IS NULL",
        params![now, run, destination, AlertKind::PickupOverdue.name()],
    )
    .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;
    const DAY: i64 = 1_440 * MINUTE;

    #[test]
    fn looks_come_every_so_often_then_at_the_deadline_and_then_ever_more_rarely() {
        let every = Duration::from_secs(300);
        for (now, next) in [
            (0, Some(5 * MINUTE)),
            (8 * MINUTE, Some(12 * MINUTE)),
            (12 * MINUTE - 1, Some(12 * MINUTE)),
            (12 * MINUTE, Some(17 * MINUTE)),
            (32 * MINUTE, Some(52 * MINUTE)),
            (12 * MINUTE + DAY, Some(12 * MINUTE + DAY + 360 * MINUTE)),
            (12 * MINUTE + 7 * DAY - 1, Some(12 * MINUTE + 7 * DAY - 1 + 360 * MINUTE)),
            (12 * MINUTE + 7 * DAY, None),
        ] {
            assert_eq!(next_poll(now, Some(12 * MINUTE), every), next, "{now}");
        }
        assert_eq!(next_poll(0, None, every), None, "nobody waits");
        assert_eq!(next_poll(0, Some(i64::MAX), Duration::MAX), Some(i64::MAX));
        // From the first to the last check, a server gets few requests.
        let (mut now, mut looks) = (12 * MINUTE, 0);
        while let Some(next) = next_poll(now, Some(12 * MINUTE), every) {
            (now, looks) = (next, looks + 1);
        }
        assert!((30..45).contains(&looks), "{looks}");
    }
}
