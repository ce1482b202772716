//! Reads of runs and their deliveries.

use super::history::Event;
use super::record::{Attempt, Delivery, Dismissal, Pickup, Run, StoredReceipt};
use super::state::{PickupState, RunState};
use super::store::{Param, Row, Tx, params};
use super::{Ledger, LedgerError};
use crate::deliver::{Intent, Receipt, RowCounts};
use crate::schedule::slot::InputFile;

/// Filter of runs; `None` does not restrict.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub pipeline: Option<String>,
    /// Empty: any state.
    pub states: Vec<RunState>,
    /// Slots at or after this moment, milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Slots at or before this moment.
    pub until_ms: Option<i64>,
    pub limit: u32,
}

/// Earlier refusals and successes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// Attempts with this outcome.
    pub refused: u32,
    /// The destination accepted a delivery before.
    pub delivered: bool,
}

/// A delivery with its receipt.
#[derive(Clone, Debug)]
pub struct Delivered {
    pub run: String,
    /// As in its receipt.
    pub address: String,
    pub ended_ms: i64,
    pub intent: Intent,
}

impl Ledger {
    pub async fn run(&self, id: &str) -> Result<Option<Run>, LedgerError> {
        let id = id.to_owned();
        self.read("read a run", move |tx| find_run(tx, &id)).await
    }

    /// Returns at most two runs whose id begins with `prefix`: enough to distinguish "none", "this one" and "ambiguous".
    pub async fn runs_by_prefix(&self, prefix: &str) -> Result<Vec<Run>, LedgerError> {
        // Ids are hexadecimal: `g` sorts after them all.
        let (from, to) = (prefix.to_owned(), format!("{prefix}g"));
        self.read("find a run", move |tx| {
            select(tx, "WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 2", params![&from, &to])
        })
        .await
    }

    /// Newest slot first.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, LedgerError> {
        let filter = filter.clone();
        self.read("list the runs", move |tx| {
            let states: Vec<String> = filter.states.iter().map(|state| format!("'{}'", state.name())).collect();
            let states =
                if states.is_empty() { String::new() } else { format!("AND state IN ({})", states.join(", ")) };
            let of = if filter.pipeline.is_some() { "pipeline = $1" } else { "$1 = ''" };
            let (since_ms, until_ms) = (filter.since_ms.unwrap_or(i64::MIN), filter.until_ms.unwrap_or(i64::MAX));
            select(
                tx,
                &format!("WHERE {of} {states} AND slot_ms BETWEEN $2 AND $3 ORDER BY slot_ms DESC, id LIMIT $4"),
                params![filter.pipeline.as_deref().unwrap_or_default(), since_ms, until_ms, filter.limit],
            )
        })
        .await
    }

    /// Returns the run's deliveries by destination, with their receipts.
    pub async fn deliveries(&self, run_id: &str) -> Result<Vec<Delivery>, LedgerError> {
        let run = run_id.to_owned();
        self.read("read the deliveries", move |tx| {
            let rows = tx.query(
                "SELECT d.run_id, d.destination, d.required, d.state, d.reason, d.attempts, d.failures, d.since_ms, \
                 d.due_ms, d.intent_json, d.offered_key_json, d.accepted_rows, d.refused_rows, d.unanswered_rows, r.receipt_json, r.attempt, r.rows, r.started_ms, r.ended_ms, p.kind, \
                 p.state AS pickup_state, p.due_ms AS pickup_due_ms, p.next_poll_ms, p.at_ms, \
                 p.reason AS pickup_reason FROM deliveries d \
                 LEFT JOIN receipts r ON r.run_id = d.run_id AND r.destination = d.destination \
                 LEFT JOIN pickups p ON p.run_id = d.run_id AND p.destination = d.destination \
                 WHERE d.run_id = $1 ORDER BY d.destination",
                params![&run],
            )?;
            rows.iter().map(delivery_from).collect()
        })
        .await
    }

    pub async fn delivery(&self, run_id: &str, destination: &str) -> Result<Option<Delivery>, LedgerError> {
        Ok(self.deliveries(run_id).await?.into_iter().find(|delivery| delivery.destination == destination))
    }

    /// Returns how often a delivery was refused so far, and whether the destination has accepted one before: any, or the
    /// pipeline's.
    pub async fn refusals(
        &self,
        run_id: &str,
        destination: &str,
        pipeline: Option<&str>,
    ) -> Result<Refusals, LedgerError> {
        let (run, destination) = (run_id.to_owned(), destination.to_owned());
        let pipeline = pipeline.unwrap_or_default().to_owned();
        self.read("count the refusals", move |tx| {
            let row = tx.query_one(
                "SELECT (SELECT CAST(COUNT(*) AS BIGINT) FROM attempts WHERE run_id = $1 AND destination = $2 \
                 AND verdict = 'refused') AS refused, \
                 CAST(CASE WHEN EXISTS (SELECT 1 FROM receipts r JOIN runs ON runs.id = r.run_id \
                 WHERE r.destination = $2 AND (runs.pipeline = $3 OR $3 = '')) THEN 1 ELSE 0 END AS BIGINT) AS delivered",
                params![&run, &destination, &pipeline],
            )?;
            Ok(Refusals { refused: row.get("refused")?, delivered: row.get("delivered")? })
        })
        .await
    }

    /// Returns the deliveries to places with file names that were received after `since_ms`, oldest first.
    pub async fn delivered_since(&self, since_ms: i64) -> Result<Vec<Delivered>, LedgerError> {
        self.read("read the receipts", move |tx| {
            let rows = tx.query(
                "SELECT r.run_id, r.ended_ms, r.receipt_json, d.intent_json FROM receipts r JOIN deliveries d \
                 ON d.run_id = r.run_id AND d.destination = r.destination WHERE r.ended_ms > $1 ORDER BY r.ended_ms",
                params![since_ms],
            )?;
            let mut delivered = Vec::new();
            for row in rows {
                let (receipt, intent) = (row.json::<Receipt>("receipt_json")?, row.json::<Intent>("intent_json")?);
                if let (Some(receipt), Some(intent)) = (receipt, intent) {
                    let (run, ended_ms) = (row.get("run_id")?, row.get("ended_ms")?);
                    delivered.push(Delivered { run, address: receipt.address, ended_ms, intent });
                }
            }
            Ok(delivered)
        })
        .await
    }

    /// Ordered by start, by destination.
    pub async fn attempts(&self, run_id: &str) -> Result<Vec<Attempt>, LedgerError> {
        let run = run_id.to_owned();
        self.read("read the attempts", move |tx| {
            let rows = tx.query(
                "SELECT destination, number, started_ms, ended_ms, verdict, reason FROM attempts WHERE run_id = $1 \
                 ORDER BY destination, number",
                params![&run],
            )?;
            let attempt = |row: &Row| {
                Ok(Attempt {
                    destination: row.get("destination")?,
                    number: row.get("number")?,
                    started_ms: row.get("started_ms")?,
                    ended_ms: row.get("ended_ms")?,
                    verdict: row.get("verdict")?,
                    reason: row.get("reason")?,
                })
            };
            rows.iter().map(attempt).collect()
        })
        .await
    }

    /// Returns the run's history, oldest first.
    pub async fn events(&self, run_id: &str) -> Result<Vec<Event>, LedgerError> {
        let run = run_id.to_owned();
        self.read("read the history", move |tx| {
            const SELECT: &str = "SELECT at_ms, event_json FROM events WHERE run_id = $1 ORDER BY number";
            let missing = || LedgerError::Unreadable { what: "an event that is NULL".to_owned() };
            let event =
                |row: &Row| Ok(Event { at_ms: row.get("at_ms")?, event: row.json("event_json")?.ok_or_else(missing)? });
            tx.query(SELECT, params![&run])?.iter().map(event).collect()
        })
        .await
    }
}

pub(super) fn find_run(tx: &mut Tx, id: &str) -> Result<Option<Run>, LedgerError> {
    Ok(select(tx, "WHERE id = $1", params![id])?.pop())
}

/// Returns the runs that `tail` selects.
pub(super) fn select(tx: &mut Tx, tail: &str, params: &[Param]) -> Result<Vec<Run>, LedgerError> {
    const COLUMNS: &str = "id, pipeline, slot_ms, slot, state, reason, released_by, rejected_by, dismissed_ms, \
                           dismissed_by, dismissed_reason, replaces, plan_digest, \
                           execution_id, extract_json, others_json, rows_json, artifact_json, checked_json, origin, next_run_at_ms, deadline_ms, \
                           input_path, input_sha256, created_ms, updated_ms";
    tx.query(&format!("SELECT {COLUMNS} FROM runs {tail}"), params)?.iter().map(run_from).collect()
}

fn run_from(row: &Row) -> Result<Run, LedgerError> {
    Ok(Run {
        id: row.get("id")?,
        pipeline: row.get("pipeline")?,
        slot_ms: row.get("slot_ms")?,
        slot: row.get("slot")?,
        state: row.get("state")?,
        reason: row.get("reason")?,
        released_by: row.get("released_by")?,
        rejected_by: row.get("rejected_by")?,
        dismissed: dismissal_from(row)?,
        replaces: row.get("replaces")?,
        plan_digest: row.get("plan_digest")?,
        input: input_of(row)?,
        execution_id: row.get("execution_id")?,
        extract: row.json("extract_json")?,
        others: row.json("others_json")?.unwrap_or_default(),
        rows: row.json("rows_json")?,
        artifact: row.json("artifact_json")?,
        checked: row.json("checked_json")?.unwrap_or_default(),
        origin: row.get("origin")?,
        next_run_at_ms: row.get("next_run_at_ms")?,
        deadline_ms: row.get("deadline_ms")?,
        entered_ms: row.get("created_ms")?,
        updated_ms: row.get("updated_ms")?,
    })
}

fn dismissal_from(row: &Row) -> Result<Option<Dismissal>, LedgerError> {
    let text = |column| row.get::<Option<String>>(column).map(Option::unwrap_or_default);
    let (by, because) = (text("dismissed_by")?, text("dismissed_reason")?);
    Ok(row.get::<Option<i64>>("dismissed_ms")?.map(|at_ms| Dismissal { at_ms, by, because }))
}

/// Returns the file that was run in place of the source.
pub(super) fn input_of(row: &Row) -> Result<Option<InputFile>, LedgerError> {
    let (path, sha256): (Option<String>, String) = (row.get("input_path")?, row.get("input_sha256")?);
    Ok(path.map(|path| InputFile { path, sha256 }))
}

fn delivery_from(row: &Row) -> Result<Delivery, LedgerError> {
    let receipt = match row.json("receipt_json")? {
        Some(receipt) => Some(StoredReceipt {
            receipt,
            attempt: row.get("attempt")?,
            rows: row.get("rows")?,
            started_ms: row.get("started_ms")?,
            ended_ms: row.get("ended_ms")?,
        }),
        None => None,
    };
    let pickup = match row.get::<Option<PickupState>>("pickup_state")? {
        Some(state) => Some(Pickup {
            kind: row.get("kind")?,
            state,
            due_ms: row.get("pickup_due_ms")?,
            next_poll_ms: row.get("next_poll_ms")?,
            at_ms: row.get("at_ms")?,
            reason: row.get::<Option<String>>("pickup_reason")?.filter(|reason| !reason.is_empty()),
        }),
        None => None,
    };
    let counts = (row.get("accepted_rows")?, row.get("refused_rows")?, row.get("unanswered_rows")?);
    let rows = match counts {
        (Some(accepted), Some(refused), Some(unanswered)) => Some(RowCounts::stored(accepted, refused, unanswered)),
        _ => None,
    };
    Ok(Delivery {
        rows,
        run_id: row.get("run_id")?,
        destination: row.get("destination")?,
        required: row.get("required")?,
        state: row.get("state")?,
        reason: row.get("reason")?,
        attempts: row.get("attempts")?,
        failures: row.get("failures")?,
        since_ms: row.get("since_ms")?,
        due_ms: row.get("due_ms")?,
        intent: row.json("intent_json")?,
        offered: row.json("offered_key_json")?,
        receipt,
        pickup,
    })
}
