//! Whether deliveries were picked up: awaited from the receipt on, looked for until it is known.

use std::time::Duration;

use sqlx::Row;
use sqlx::any::AnyRow;

use super::query::from_json;
use super::record::Pickup;
use super::state::PickupState;
use super::store::{Tx, sql};
use super::{Ledger, LedgerError};
use crate::deliver::{Collected, Intent, Receipt, Sign};
use crate::settings::{self, Patience};

/// How long a reader that is late is still looked for.
const LATE_WITHIN: Duration = Duration::from_secs(7 * 86_400);
/// A reader that is late is looked for this often at least.
const LATE_EVERY_MAX: Duration = Duration::from_secs(6 * 3_600);

/// What is awaited of a delivery's reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Awaited {
    pub sign: Sign,
    /// How the reader is waited for; without it nobody waits.
    pub patience: Option<Patience>,
}

impl Awaited {
    pub fn of(pickup: &settings::Pickup) -> Option<Self> {
        Some(Self { sign: Sign::of(pickup)?, patience: pickup.patience() })
    }
}

/// A delivery that is to be looked at now.
#[derive(Clone, Debug)]
pub struct ToLook {
    pub run: String,
    pub pipeline: String,
    pub sign: Sign,
    pub due_ms: Option<i64>,
    pub intent: Option<Intent>,
    pub receipt: Receipt,
}

/// A delivery that was not picked up in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    pub run: String,
    pub pipeline: String,
    pub destination: String,
    /// When the reader's time was over.
    pub due_ms: i64,
}

/// How many deliveries of one destination stand how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PickupCounts {
    pub destination: String,
    pub awaited: u64,
    pub overdue: u64,
}

/// When a delivery that is not picked up is looked at again: every so often, at its deadline, and then at waits that grow
/// with the time since, for a week. `None` where nobody looks any more.
pub fn next_look(now_ms: i64, due_ms: Option<i64>, every: Duration) -> Option<i64> {
    let ms = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
    let (due_ms, every_ms) = (due_ms?, ms(every));
    let late_ms = now_ms.saturating_sub(due_ms);
    match late_ms {
        ..0 => Some(now_ms.saturating_add(every_ms).min(due_ms)),
        _ if late_ms < ms(LATE_WITHIN) => Some(now_ms.saturating_add(late_ms.min(ms(LATE_EVERY_MAX)).max(every_ms))),
        _ => None,
    }
}

const LOOK: &str = "look what was picked up";
const NOTE: &str = "note what was picked up";

impl Ledger {
    /// What lay at a name before lies there no more: the run `by` has it now.
    pub(super) async fn let_go(&self, tx: &mut Tx, run: &str, destination: &str, by: &str) -> Result<(), LedgerError> {
        let why = format!("the file of run {by} took its name before it was seen to be picked up");
        self.move_pickup(tx, (run, destination), PickupState::LetGo, Some(&why), None).await
    }

    /// A delivery has its receipt: its reader is waited for from now on.
    pub(super) async fn await_pickup(
        &self,
        tx: &mut Tx,
        (run_id, destination): (&str, &str),
        path: &str,
        Awaited { sign, patience }: Awaited,
    ) -> Result<(), LedgerError> {
        let now = self.clock.now_ms();
        let ms = |length: Duration| i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        let due_ms = patience.map(|patience| now.saturating_add(ms(patience.within)));
        sqlx::query(
            "INSERT INTO pickups (run_id, destination, sign, state, path, due_ms, look_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(run_id)
        .bind(destination)
        .bind(sign.name())
        .bind(PickupState::Awaited.name())
        .bind(path)
        .bind(due_ms)
        .bind(patience.and_then(|patience| next_look(now, due_ms, patience.every)))
        .execute(&mut **tx)
        .await
        .map_err(sql(NOTE))?;
        Ok(())
    }

    /// Notes what a look at a delivery found, by `look_ms` the next one if it is not picked up. Answers the state that it
    /// came to by that, if it is another one. What has come to its end stays so, whatever lies there later.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn note_look(
        &self,
        run_id: &str,
        destination: &str,
        found: &Collected,
        look_ms: Option<i64>,
    ) -> Result<Option<PickupState>, LedgerError> {
        let mut tx = self.begin(NOTE).await?;
        let row: Option<(String, Option<i64>)> =
            sqlx::query_as("SELECT state, due_ms FROM pickups WHERE run_id = $1 AND destination = $2")
                .bind(run_id)
                .bind(destination)
                .fetch_optional(&mut *tx)
                .await
                .map_err(sql(NOTE))?;
        let Some((state, due_ms)) = row else { return Ok(None) };
        let state = state_of(&state)?;
        if state.is_end() {
            return Ok(None);
        }
        let over = due_ms.is_some_and(|due_ms| self.clock.now_ms() >= due_ms);
        let next = match found {
            Collected::PickedUp { .. } => PickupState::PickedUp,
            Collected::NotYet | Collected::Unseen { .. } if over => PickupState::Overdue,
            Collected::NotYet | Collected::Unseen { .. } => state,
        };
        let reason = match found {
            Collected::PickedUp { how } => Some(how.clone()),
            Collected::NotYet if next == PickupState::Overdue => Some("nobody has picked it up".to_owned()),
            Collected::NotYet => Some(String::new()),
            // What was seen at the deadline says more than that nothing is seen now.
            Collected::Unseen { .. } if state == PickupState::Overdue => None,
            Collected::Unseen { why } => Some(format!("could not be looked at: {why}")),
        };
        let look_ms = if next.is_end() { None } else { look_ms };
        self.move_pickup(&mut tx, (run_id, destination), next, reason.as_deref(), look_ms).await?;
        tx.commit().await.map_err(sql(NOTE))?;
        Ok((next != state).then_some(next))
    }

    /// Nobody waits any more for what `destination` was given: the settings say so now. Answers how many that were.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn let_pickups_go(&self, destination: &str, why: &str) -> Result<u64, LedgerError> {
        let mut tx = self.begin(NOTE).await?;
        let runs: Vec<(String,)> = sqlx::query_as(
            "SELECT run_id FROM pickups WHERE destination = $1 AND look_ms IS NOT NULL AND state IN ('awaited', 'overdue')",
        )
        .bind(destination)
        .fetch_all(&mut *tx)
        .await
        .map_err(sql(NOTE))?;
        for (run,) in &runs {
            self.move_pickup(&mut tx, (run, destination), PickupState::LetGo, Some(why), None).await?;
        }
        tx.commit().await.map_err(sql(NOTE))?;
        Ok(runs.len() as u64)
    }

    /// Moves a pick-up by the table of its states, and tells it in the run's story. In the state that it is in already, it
    /// keeps the moment at which it came to it; without a `reason`, it keeps that too.
    async fn move_pickup(
        &self,
        tx: &mut Tx,
        (run_id, destination): (&str, &str),
        to: PickupState,
        reason: Option<&str>,
        look_ms: Option<i64>,
    ) -> Result<(), LedgerError> {
        let now = self.clock.now_ms();
        let (from, at_ms, before): (String, Option<i64>, Option<String>) =
            sqlx::query_as("SELECT state, at_ms, reason FROM pickups WHERE run_id = $1 AND destination = $2")
                .bind(run_id)
                .bind(destination)
                .fetch_one(&mut **tx)
                .await
                .map_err(sql(NOTE))?;
        let from = state_of(&from)?;
        if from != to && !from.may_become(to) {
            return Err(LedgerError::IllegalMove { run: run_id.to_owned(), from: from.name(), to: to.name() });
        }
        let reason = reason.or(before.as_deref()).unwrap_or_default();
        sqlx::query(
            "UPDATE pickups SET state = $1, reason = $2, at_ms = $3, look_ms = $4 WHERE run_id = $5 AND destination = $6",
        )
        .bind(to.name())
        .bind(reason)
        .bind(if from == to { at_ms } else { Some(now) })
        .bind(look_ms)
        .bind(run_id)
        .bind(destination)
        .execute(&mut **tx)
        .await
        .map_err(sql(NOTE))?;
        if from != to {
            self.event(tx, run_id, to.in_words(), &format!("{destination}: {reason}")).await?;
        }
        if to == PickupState::LetGo {
            self.close_uncollected(tx, run_id, destination).await?;
        }
        Ok(())
    }

    /// Destinations at which something is to be looked at now, the longest due first.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn destinations_to_look_at(&self) -> Result<Vec<String>, LedgerError> {
        let rows: Vec<(String,)> = sqlx::query_as(
            "SELECT destination FROM pickups WHERE look_ms IS NOT NULL AND look_ms <= $1 \
             GROUP BY destination ORDER BY MIN(look_ms) LIMIT 1000",
        )
        .bind(self.clock.now_ms())
        .fetch_all(&self.pool)
        .await
        .map_err(sql(LOOK))?;
        Ok(rows.into_iter().map(|(destination,)| destination).collect())
    }

    /// Destinations of which something is awaited, now or later.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn destinations_awaited(&self) -> Result<Vec<String>, LedgerError> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT DISTINCT destination FROM pickups WHERE look_ms IS NOT NULL ORDER BY destination")
                .fetch_all(&self.pool)
                .await
                .map_err(sql(LOOK))?;
        Ok(rows.into_iter().map(|(destination,)| destination).collect())
    }

    /// What is to be looked at now at a destination, at most `most`, the longest due first.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn pickups_to_look_at(&self, destination: &str, most: u32) -> Result<Vec<ToLook>, LedgerError> {
        sqlx::query(
            "SELECT p.run_id, r.pipeline, p.sign, p.due_ms, d.intent_json, c.receipt_json FROM pickups p \
             JOIN runs r ON r.id = p.run_id \
             JOIN deliveries d ON d.run_id = p.run_id AND d.destination = p.destination \
             JOIN receipts c ON c.run_id = p.run_id AND c.destination = p.destination \
             WHERE p.look_ms IS NOT NULL AND p.look_ms <= $1 AND p.destination = $2 ORDER BY p.look_ms LIMIT $3",
        )
        .bind(self.clock.now_ms())
        .bind(destination)
        .bind(i64::from(most))
        .fetch_all(&self.pool)
        .await
        .map_err(sql(LOOK))?
        .iter()
        .map(to_look_from)
        .collect()
    }

    /// What was not picked up in time and is looked for still, the oldest first.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn overdue(&self) -> Result<Vec<Overdue>, LedgerError> {
        let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT p.run_id, r.pipeline, p.destination, p.due_ms FROM pickups p JOIN runs r ON r.id = p.run_id \
             WHERE p.state = 'overdue' AND p.look_ms IS NOT NULL AND p.due_ms IS NOT NULL ORDER BY p.due_ms LIMIT 1000",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(sql("look what is overdue"))?;
        let overdue = |(run, pipeline, destination, due_ms)| Overdue { run, pipeline, destination, due_ms };
        Ok(rows.into_iter().map(overdue).collect())
    }

    /// How many deliveries are awaited, and overdue, at each destination where there are any.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn pickup_counts(&self) -> Result<Vec<PickupCounts>, LedgerError> {
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT destination, CAST(SUM(CASE WHEN state = 'awaited' THEN 1 ELSE 0 END) AS BIGINT), \
             CAST(SUM(CASE WHEN state = 'overdue' THEN 1 ELSE 0 END) AS BIGINT) FROM pickups \
             WHERE look_ms IS NOT NULL GROUP BY destination ORDER BY destination",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(sql("count what is awaited"))?;
        let count = |count: i64| u64::try_from(count).unwrap_or_default();
        let counts = |(destination, awaited, overdue)| PickupCounts {
            destination,
            awaited: count(awaited),
            overdue: count(overdue),
        };
        Ok(rows.into_iter().map(counts).collect())
    }
}

fn state_of(name: &str) -> Result<PickupState, LedgerError> {
    PickupState::from_name(name)
        .ok_or_else(|| LedgerError::Unreadable { what: format!("the state {name:?} of a pick-up") })
}

fn sign_of(name: &str) -> Result<Sign, LedgerError> {
    Sign::from_name(name).ok_or_else(|| LedgerError::Unreadable { what: format!("the sign {name:?} of a pick-up") })
}

fn to_look_from(row: &AnyRow) -> Result<ToLook, LedgerError> {
    let get = |name: &str| row.try_get::<String, _>(name).map_err(sql(LOOK));
    let maybe = |name: &str| row.try_get::<Option<String>, _>(name).map_err(sql(LOOK));
    let receipt = from_json("receipt", maybe("receipt_json")?)?;
    Ok(ToLook {
        run: get("run_id")?,
        pipeline: get("pipeline")?,
        sign: sign_of(&get("sign")?)?,
        due_ms: row.try_get("due_ms").map_err(sql(LOOK))?,
        intent: from_json("intent", maybe("intent_json")?)?,
        receipt: receipt.ok_or_else(|| LedgerError::Unreadable { what: "a pick-up without a receipt".to_owned() })?,
    })
}

/// The pick-up among a delivery's columns, where it has one.
pub(super) fn pickup_from(row: &AnyRow) -> Result<Option<Pickup>, LedgerError> {
    const READ: &str = "read a delivery";
    let maybe = |name: &str| row.try_get::<Option<String>, _>(name).map_err(sql(READ));
    let number = |name: &str| row.try_get::<Option<i64>, _>(name).map_err(sql(READ));
    let (Some(sign), Some(state)) = (maybe("sign")?, maybe("pickup_state")?) else { return Ok(None) };
    Ok(Some(Pickup {
        sign: sign_of(&sign)?,
        state: state_of(&state)?,
        due_ms: number("pickup_due_ms")?,
        look_ms: number("look_ms")?,
        at_ms: number("at_ms")?,
        reason: maybe("pickup_reason")?.filter(|reason| !reason.is_empty()),
    }))
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
            assert_eq!(next_look(now, Some(12 * MINUTE), every), next, "{now}");
        }
        assert_eq!(next_look(0, None, every), None, "nobody waits");
        assert_eq!(next_look(0, Some(i64::MAX), Duration::MAX), Some(i64::MAX));
        // From the first look to the last, a server is asked but rarely.
        let (mut now, mut looks) = (12 * MINUTE, 0);
        while let Some(next) = next_look(now, Some(12 * MINUTE), every) {
            (now, looks) = (next, looks + 1);
        }
        assert!((30..45).contains(&looks), "{looks}");
    }
}
