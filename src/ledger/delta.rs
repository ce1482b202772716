//! The baselines of pipelines with `delta`: the rows that a destination has, as of the last receipt.

use super::history::RunEvent;
use super::record::Run;
use super::runs::record;
use super::store::{Row, Tx, params};
use super::{Ledger, LedgerError};
use crate::expect::{BaselineFile, Checked, DeltaFacts};

/// The baseline that is current for a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaBaseline {
    /// The run whose file the destination received last.
    pub run: String,
    pub slot_ms: i64,
    /// RFC 3339 in the pipeline's zone.
    pub slot: String,
    /// The digest of its file, which is the file's name; empty if that run delivered no changes, but its rows as they were.
    pub sha256: String,
    pub keys: u64,
}

/// The relation of a run's changes to what the destination has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeltaStanding {
    /// They are changes to what it has; also for a run that delivers no changes.
    Current,
    /// It has them: the run's own receipt made its baseline current.
    Delivered,
    /// Another run of the pipeline is publishing there, or was interrupted while it did.
    Busy { reason: String },
    /// It has received another file since they were computed.
    Void { reason: String },
}

impl Ledger {
    /// Returns the baseline of what the destination has received from the pipeline; `None` before the first delivery.
    pub async fn delta_baseline(&self, pipeline: &str, to: &str) -> Result<Option<DeltaBaseline>, LedgerError> {
        let (pipeline, to) = (pipeline.to_owned(), to.to_owned());
        self.read("read the baseline of a delta", move |tx| find(tx, &pipeline, &to)).await
    }

    /// Returns how a run's changes relate to what the destination has.
    pub async fn delta_standing(&self, run: &Run, to: &str) -> Result<DeltaStanding, LedgerError> {
        let (run, to) = (run.id.clone(), to.to_owned());
        self.read("compare a delta with its baseline", move |tx| standing(tx, &run, &to)).await
    }

    /// Returns the digests of all current baselines.
    pub async fn delta_digests(&self) -> Result<Vec<String>, LedgerError> {
        self.read("list the baselines of deltas", |tx| {
            tx.query("SELECT sha256 FROM delta_baselines", &[])?.iter().map(|row| row.get("sha256")).collect()
        })
        .await
    }
}

/// A run whose receipt makes its baseline current.
struct Moving {
    pipeline: String,
    slot_ms: i64,
    slot: String,
    compared_with: Option<String>,
    baseline: BaselineFile,
}

fn moving(tx: &mut Tx, run: &str) -> Result<Option<Moving>, LedgerError> {
    const SELECT: &str = "SELECT pipeline, slot_ms, slot, checked_json FROM runs \
                          WHERE id = $1 AND input_sha256 = '' AND checked_json IS NOT NULL";
    let Some(row) = tx.query_opt(SELECT, params![run])? else { return Ok(None) };
    let checked: Checked = row.json("checked_json")?.unwrap_or_default();
    let Some(DeltaFacts { compared_with, baseline: Some(baseline), .. }) = checked.facts.delta else { return Ok(None) };
    Ok(Some(Moving {
        pipeline: row.get("pipeline")?,
        slot_ms: row.get("slot_ms")?,
        slot: row.get("slot")?,
        compared_with: compared_with.map(|compared| compared.sha256),
        baseline,
    }))
}

impl Moving {
    /// Returns why the changes are void, if the current baseline is not the one that they were computed against.
    fn void(&self, to: &str, current: Option<&DeltaBaseline>) -> Option<String> {
        match current {
            Some(current) if current.slot_ms > self.slot_ms => Some(late(to, current)),
            current if current.map(|current| &current.sha256) == self.compared_with.as_ref() => None,
            Some(DeltaBaseline { run, slot, .. }) => Some(format!(
                "{to} has received run {run} (slot {slot}) since the changes were computed, and they would not be right any \
                 more; `retry` compares anew"
            )),
            None => Some(format!("the ledger has no baseline for {to} any more; `retry` compares anew")),
        }
    }
}

/// Describes a slot that comes too late.
fn late(to: &str, DeltaBaseline { run, slot, .. }: &DeltaBaseline) -> String {
    format!("a later slot was delivered: {to} has received run {run} (slot {slot}), which has this slot's changes too")
}

impl DeltaBaseline {
    /// Returns the reason not to deliver changes of a slot, if the destination has received a later one.
    pub fn is_later_than(&self, slot_ms: i64, to: &str) -> Option<String> {
        (self.slot_ms > slot_ms).then(|| late(to, self))
    }
}

/// Compares what a run delivers with what the destination has, and with what is being published there.
pub(super) fn standing(tx: &mut Tx, run: &str, to: &str) -> Result<DeltaStanding, LedgerError> {
    let Some(moving) = moving(tx, run)? else { return Ok(DeltaStanding::Current) };
    let current = find(tx, &moving.pipeline, to)?;
    if current.as_ref().is_some_and(|current| current.run == run && current.sha256 == moving.baseline.sha256) {
        return Ok(DeltaStanding::Delivered);
    }
    if let Some(reason) = moving.void(to, current.as_ref()) {
        return Ok(DeltaStanding::Void { reason });
    }
    const PUBLISHING: &str = "SELECT r.id, r.slot FROM deliveries d JOIN runs r ON r.id = d.run_id \
                              WHERE d.destination = $1 AND d.state = 'publishing' AND r.pipeline = $2 AND r.id <> $3 \
                              AND r.input_sha256 = '' AND r.checked_json IS NOT NULL LIMIT 1";
    let Some(other) = tx.query_opt(PUBLISHING, params![to, &moving.pipeline, run])? else {
        return Ok(DeltaStanding::Current);
    };
    let (id, slot): (String, String) = (other.get("id")?, other.get("slot")?);
    let reason = format!(
        "run {id} (slot {slot}) is being delivered to {to}, or was interrupted: its end decides what has changed; if nothing \
         works on it, `retry {id}` continues it and `cancel {id}` ends it"
    );
    Ok(DeltaStanding::Busy { reason })
}

/// Makes the baseline of a run that gets its receipt now the current one, if that is still what it was compared with.
pub(super) fn follow(tx: &mut Tx, (run, to): (&str, &str), now: i64) -> Result<(), LedgerError> {
    let Some(moving) = moving(tx, run)? else { return forget(tx, (run, to), now) };
    let current = find(tx, &moving.pipeline, to)?;
    let destination = to.to_owned();
    if let Some(reason) = moving.void(to, current.as_ref()) {
        return record(tx, run, now, &RunEvent::BaselineKept { destination, reason });
    }
    let Moving { pipeline, slot_ms, slot, baseline: BaselineFile { sha256, keys }, .. } = moving;
    tx.execute(
        "INSERT INTO delta_baselines (pipeline, destination, run_id, slot_ms, slot, sha256, keys, updated_ms) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (pipeline, destination) DO UPDATE \
         SET run_id = excluded.run_id, slot_ms = excluded.slot_ms, slot = excluded.slot, sha256 = excluded.sha256, \
         keys = excluded.keys, updated_ms = excluded.updated_ms",
        params![&pipeline, to, run, slot_ms, &slot, &sha256, keys, now],
    )?;
    record(tx, run, now, &RunEvent::BaselineMoved { destination, sha256, keys })
}

/// Records that the destination has received rows that no baseline is of: the pipeline had no `delta` meanwhile. Replays and
/// runs of files leave the baseline as it is.
fn forget(tx: &mut Tx, (run, to): (&str, &str), now: i64) -> Result<(), LedgerError> {
    const RUN: &str = "SELECT pipeline, slot_ms, slot FROM runs r WHERE id = $1 AND input_sha256 = '' \
                       AND checked_json IS NOT NULL AND EXISTS (SELECT 1 FROM delta_baselines b \
                       WHERE b.pipeline = r.pipeline AND b.destination = $2 AND b.slot_ms <= r.slot_ms)";
    let Some(row) = tx.query_opt(RUN, params![run, to])? else { return Ok(()) };
    let (pipeline, slot_ms, slot): (String, i64, String) =
        (row.get("pipeline")?, row.get("slot_ms")?, row.get("slot")?);
    tx.execute(
        "UPDATE delta_baselines SET run_id = $3, slot_ms = $4, slot = $5, sha256 = '', keys = 0, updated_ms = $6 \
         WHERE pipeline = $1 AND destination = $2",
        params![&pipeline, to, run, slot_ms, &slot, now],
    )
    .map(|_| ())
}

fn find(tx: &mut Tx, pipeline: &str, to: &str) -> Result<Option<DeltaBaseline>, LedgerError> {
    const SELECT: &str =
        "SELECT run_id, slot_ms, slot, sha256, keys FROM delta_baselines WHERE pipeline = $1 AND destination = $2";
    let baseline = |row: Row| {
        Ok(DeltaBaseline {
            run: row.get("run_id")?,
            slot_ms: row.get("slot_ms")?,
            slot: row.get("slot")?,
            sha256: row.get("sha256")?,
            keys: row.get("keys")?,
        })
    };
    tx.query_opt(SELECT, params![pipeline, to])?.map(baseline).transpose()
}
