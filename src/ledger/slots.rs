//! The worker's writes for slots: entered slots, cursors of schedules, and due runs.

use std::time::Duration;

use super::history::RunEvent;
use super::query::input_of;
use super::record::{Origin, RunnableRun};
use super::runs::{NewRun, later};
use super::state::RunState;
use super::store::{Row, Tx, params};
use super::waiting::{WAITS, note_waiting};
use super::{Ledger, LedgerError};
use crate::deliver::{Intent, Leftover, Receipt};
use crate::fault::FaultStep;
use crate::schedule::Overlap;
use crate::schedule::missed::SlotDecision;
use crate::schedule::slot::Slot;

/// Earlier deliveries among which the replaced one is searched.
const REPLACED_MAX: u32 = 50;

/// Due slots of one pipeline, and its new cursor.
#[derive(Clone, Debug)]
pub struct Portion {
    pub pipeline: String,
    pub plan_digest: String,
    pub overlap: Overlap,
    /// Slot, what is to become of it, and when it is late, in milliseconds since the epoch.
    pub slots: Vec<(Slot, SlotDecision, Option<i64>)>,
    /// The time after which a run without an artifact sends an alert.
    pub alert_after: Option<Duration>,
    /// Every slot up to this moment is among these or was entered before.
    pub cursor_ms: i64,
}

/// Numbers of slots entered as due, and entered as ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub open: u64,
    pub skipped: u64,
}

impl Ledger {
    /// Enters slots with their fates and moves the cursors, all or nothing. Existing slots stay as they are.
    pub async fn enter_slots(&self, portions: &[Portion]) -> Result<Counts, LedgerError> {
        self.check_worker()?;
        let (portions, now) = (portions.to_vec(), self.clock.now_ms());
        self.write(FaultStep::new("ledger.slots"), "enter slots", move |tx| {
            let mut counts = Counts::default();
            for portion in &portions {
                enter_portion(tx, portion, now, &mut counts)?;
                tx.execute(
                    "UPDATE pipelines SET cursor_ms = $1 WHERE name = $2 AND cursor_ms < $1",
                    params![portion.cursor_ms, &portion.pipeline],
                )?;
            }
            Ok(counts)
        })
        .await
    }

    /// Returns the open runs that are runnable at `now_ms`, of pipelines that are not paused: runs of schedules before
    /// those of backfills, oldest first. Those that wait for a decision on a held run are left out. Of each pipeline's runs without an artifact, only one. A run that a person started
    /// is theirs to continue (its file may be theirs) until it is delivering.
    pub async fn runnable(&self, now_ms: i64, limit: u32) -> Result<Vec<RunnableRun>, LedgerError> {
        self.check_worker()?;
        self.read("find due runs", move |tx| {
            let select = format!(
                "SELECT id, pipeline, slot_ms, state, origin, input_path, input_sha256 FROM (SELECT id, pipeline, slot_ms, state, \
                 origin, input_path, input_sha256, \
                 next_run_at_ms, CASE origin WHEN 'backfill' THEN 1 ELSE 0 END AS later, \
                 ROW_NUMBER() OVER (PARTITION BY pipeline, \
                 CASE WHEN state IN ('delivering', 'delivered') THEN id ELSE '' END \
                 ORDER BY CASE origin WHEN 'backfill' THEN 1 ELSE 0 END, slot_ms) AS turn \
                 FROM runs r WHERE next_run_at_ms <= $1 AND NOT ({WAITS}) AND (origin <> 'person' OR state IN ('delivering', 'delivered')) \
                 AND pipeline NOT IN (SELECT name FROM pipelines WHERE paused_ms IS NOT NULL)) AS due \
                 WHERE turn = 1 ORDER BY later, next_run_at_ms, slot_ms LIMIT $2"
            );
            let rows = tx.query(&select, params![now_ms, limit])?;
            let due = |row: &Row| {
                Ok(RunnableRun {
                    run: row.get("id")?,
                    pipeline: row.get("pipeline")?,
                    slot_ms: row.get("slot_ms")?,
                    state: row.get("state")?,
                    input: input_of(row)?,
                    by_person: row.get::<Origin>("origin")? == Origin::Person,
                })
            };
            rows.iter().map(due).collect()
        })
        .await
    }

    /// Returns when the next run becomes runnable after `now_ms`.
    pub async fn next_runnable_at(&self, now_ms: i64) -> Result<Option<i64>, LedgerError> {
        self.read("find due runs", move |tx| {
            const SELECT: &str =
                "SELECT CAST(MIN(next_run_at_ms) AS BIGINT) AS next FROM runs WHERE next_run_at_ms > $1";
            tx.query_one(SELECT, params![now_ms])?.get("next")
        })
        .await
    }

    /// Sets when to continue a delivered run: when the next of its other deliveries is due, or never if it is `over`.
    pub async fn reschedule(&self, run_id: &str, over: bool) -> Result<(), LedgerError> {
        let (run, now) = (run_id.to_owned(), self.clock.now_ms());
        self.write(FaultStep::new("ledger.reschedule"), "reschedule the run", move |tx| {
            tx.execute(
                "UPDATE runs SET next_run_at_ms = (SELECT CAST(MIN(COALESCE(due_ms, $1)) AS BIGINT) FROM deliveries \
                 WHERE run_id = runs.id AND $3 = 0 AND state IN ('due', 'publishing', 'waiting')) WHERE id = $2",
                params![now, &run, over],
            )
            .map(|_| ())
        })
        .await
    }

    /// Records that this process works, or has stopped.
    pub async fn note_worker(&self, started_ms: i64, stopped: bool) -> Result<(), LedgerError> {
        let now = self.clock.now_ms();
        self.write(FaultStep::new("ledger.worker"), "record the worker", move |tx| {
            tx.execute(
                "INSERT INTO worker (id, version, pid, started_ms, seen_ms, stopped_ms) VALUES (1, $1, $2, $3, $4, $5) \
                 ON CONFLICT (id) DO UPDATE SET version = excluded.version, pid = excluded.pid, \
                 started_ms = excluded.started_ms, seen_ms = excluded.seen_ms, stopped_ms = excluded.stopped_ms",
                params![env!("CARGO_PKG_VERSION"), std::process::id(), started_ms, now, stopped.then_some(now)],
            )
            .map(|_| ())
        })
        .await
    }

    /// Returns what the delivery that `intent` replaces left at the destination beside it, by its receipt and intent.
    pub async fn leftover(
        &self,
        run_id: &str,
        destination: &str,
        intent: &Intent,
    ) -> Result<Option<Leftover>, LedgerError> {
        let (run, destination, intent) = (run_id.to_owned(), destination.to_owned(), intent.clone());
        self.read("find the replaced delivery", move |tx| {
            // An older slot is never put over a later one, so the newest slot with one of the paths was the last.
            let earlier = tx.query(
                "SELECT other.id, r.receipt_json, d.intent_json FROM runs mine JOIN runs other \
                 ON other.pipeline = mine.pipeline AND other.id <> mine.id \
                 JOIN receipts r ON r.run_id = other.id AND r.destination = $2 \
                 JOIN deliveries d ON d.run_id = r.run_id AND d.destination = r.destination \
                 WHERE mine.id = $1 ORDER BY other.slot_ms DESC LIMIT $3",
                params![&run, &destination, REPLACED_MAX],
            )?;
            let paths = |intent: &Intent| intent.data().map(|file| file.final_path.clone()).collect::<Vec<_>>();
            let ours = paths(&intent);
            for row in earlier {
                let (Some(receipt), Some(theirs)) =
                    (row.json::<Receipt>("receipt_json")?, row.json::<Intent>("intent_json")?)
                else {
                    continue;
                };
                if paths(&theirs).iter().any(|path| ours.contains(path)) {
                    let id: String = row.get("id")?;
                    return Ok(Leftover::of(&id, &receipt.address, theirs, &intent));
                }
            }
            Ok(None)
        })
        .await
    }

    /// Returns the later slot of the same pipeline whose file is at `path` of the destination, by its receipt.
    pub async fn later_slot_at(
        &self,
        run_id: &str,
        destination: &str,
        path: &str,
    ) -> Result<Option<String>, LedgerError> {
        let (run, destination, path) = (run_id.to_owned(), destination.to_owned(), path.to_owned());
        self.read("find later receipts", move |tx| {
            let later = tx.query(
                "SELECT later.slot, r.receipt_json FROM runs mine JOIN runs later ON later.pipeline = mine.pipeline \
                 AND later.slot_ms > mine.slot_ms AND later.input_sha256 = '' JOIN receipts r ON r.run_id = later.id AND r.destination = $2 \
                 WHERE mine.id = $1 ORDER BY later.slot_ms DESC",
                params![&run, &destination],
            )?;
            let is_there = |row: &&Row| {
                let receipt = row.json::<Receipt>("receipt_json");
                receipt.is_ok_and(|receipt| receipt.is_some_and(|receipt| receipt.path == path))
            };
            later.iter().find(is_there).map(|row| row.get("slot")).transpose()
        })
        .await
    }
}

impl Ledger {
    /// Returns the latest earlier slot of the same pipeline whose delivery to the destination is still open: under way, waiting,
    /// or blocked.
    pub async fn earlier_open_slot(&self, run_id: &str, destination: &str) -> Result<Option<String>, LedgerError> {
        let (run, destination) = (run_id.to_owned(), destination.to_owned());
        self.read("find earlier open deliveries", move |tx| {
            let earlier = tx.query_opt(
                "SELECT earlier.slot FROM runs mine JOIN runs earlier ON earlier.pipeline = mine.pipeline \
                 AND earlier.slot_ms < mine.slot_ms AND earlier.state IN ('delivering', 'blocked') \
                 JOIN deliveries d ON d.run_id = earlier.id AND d.destination = $2 \
                 AND d.state IN ('due', 'publishing', 'waiting', 'blocked') \
                 WHERE mine.id = $1 ORDER BY earlier.slot_ms DESC LIMIT 1",
                params![&run, &destination],
            )?;
            earlier.map(|row| row.get("slot")).transpose()
        })
        .await
    }
}

fn enter_portion(tx: &mut Tx, portion: &Portion, now: i64, counts: &mut Counts) -> Result<(), LedgerError> {
    let paused = paused(tx, &portion.pipeline)?;
    let active = match portion.overlap {
        Overlap::Skip => active_slot(tx, &portion.pipeline)?,
        Overlap::Queue => None,
    };
    for (slot, fate, deadline_ms) in &portion.slots {
        let skipped = match (fate, &paused, &active) {
            (SlotDecision::Skip { reason }, ..) => Some(reason.clone()),
            (_, Some(reason), _) => Some(reason.clone()),
            // What is made up for queues: it was not due beside the other.
            (SlotDecision::Run { .. }, None, Some(ActiveSlot { slot, started: true })) => {
                Some(format!("the run of slot {slot} was still active"))
            }
            (SlotDecision::Run { .. }, None, Some(ActiveSlot { slot, started: false })) => {
                Some(format!("the run of slot {slot} had not started yet"))
            }
            (SlotDecision::Run { .. } | SlotDecision::CatchUp { .. }, None, _) => None,
        };
        let (open, next_run_at_ms) = match fate {
            SlotDecision::Run { next_run_at } | SlotDecision::CatchUp { next_run_at } if skipped.is_none() => {
                (true, Some(next_run_at.as_millisecond()))
            }
            _ => (false, None),
        };
        let event = match skipped {
            Some(reason) => RunEvent::Skipped { reason },
            None => RunEvent::Entered { slot: slot.rfc3339() },
        };
        let (origin, plan_digest) = (Origin::Schedule, portion.plan_digest.as_str());
        let alert_at_ms = next_run_at_ms.zip(portion.alert_after).map(|(at_ms, after)| later(at_ms.max(now), after));
        let deadline_ms = *deadline_ms;
        let new = NewRun { slot, origin, plan_digest, event, next_run_at_ms, deadline_ms, alert_at_ms };
        if new.insert(tx, now)? {
            counts.open += u64::from(open);
            counts.skipped += u64::from(!open);
        }
    }
    note_waiting(tx, &portion.pipeline)
}

/// Returns why the pipeline is paused, if it is.
fn paused(tx: &mut Tx, pipeline: &str) -> Result<Option<String>, LedgerError> {
    let paused = super::operate::paused(tx, pipeline)?;
    Ok(paused.map(|paused| match paused.why.as_str() {
        "" => format!("paused by {}", paused.by),
        why => format!("paused by {}: {why}", paused.by),
    }))
}

/// A slot whose run makes a later one wait.
struct ActiveSlot {
    slot: String,
    /// The run has begun.
    started: bool,
}

/// Returns the slot of a run of the pipeline that has not reached its first attempts. Runs that only wait for a destination
/// are not active, nor those that wait for a decision; backfills make way; runs that a person started are outside the
/// schedule.
fn active_slot(tx: &mut Tx, pipeline: &str) -> Result<Option<ActiveSlot>, LedgerError> {
    let select = format!(
        "SELECT slot, state FROM runs r WHERE pipeline = $1 AND origin = 'schedule' AND NOT ({WAITS}) \
         AND (state IN ('due', 'extracting', 'transforming') \
         OR (state = 'delivering' AND EXISTS (SELECT 1 FROM deliveries d WHERE d.run_id = r.id AND d.failures = 0 \
         AND d.state IN ('due', 'publishing')))) ORDER BY slot_ms LIMIT 1"
    );
    let row = tx.query_opt(&select, params![pipeline])?;
    let active =
        |row: Row| Ok(ActiveSlot { slot: row.get("slot")?, started: row.get::<RunState>("state")? != RunState::Due });
    row.map(active).transpose()
}
