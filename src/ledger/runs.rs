//! Writes for a run: each method is one transaction.

use std::time::Duration;

use serde::Serialize;

use super::baseline::follow;
use super::history::RunEvent;
use super::query::find_run;
use super::record::{ArtifactFacts, ExtractFacts, Origin, Run};
use super::state::{DeliveryState, RunState};
use super::store::{Durability, Tx, params};
use super::waiting::note_waiting;
use super::{Ledger, LedgerError};
use crate::encode::Artifact;
use crate::expect::Checked;
use crate::fault::FaultStep;
use crate::pipeline::plan::DeliveryPlan;
use crate::schedule::slot::{InputFile, Slot};

pub(super) fn json(value: &impl Serialize) -> Result<String, LedgerError> {
    serde_json::to_string(value).map_err(|error| LedgerError::Unreadable { what: error.to_string() })
}

/// Returns when a run in this state is next runnable, as SQL over its row; `$3` is now.
pub(super) fn next_run_at(to: RunState) -> &'static str {
    match to {
        RunState::Due | RunState::Extracting | RunState::Transforming => "COALESCE(next_run_at_ms, $3)",
        // A delivered run may have destinations left that it did not wait for.
        RunState::Delivering | RunState::Delivered => {
            "(SELECT CAST(MIN(COALESCE(due_ms, $3)) AS BIGINT) FROM deliveries \
             WHERE run_id = runs.id AND state IN ('due', 'publishing', 'waiting'))"
        }
        RunState::Skipped
        | RunState::Held
        | RunState::Blocked
        | RunState::Failed
        | RunState::Rejected
        | RunState::Cancelled => "NULL",
    }
}

/// Adds to the run's history.
pub(super) fn record(tx: &mut Tx, run_id: &str, now: i64, event: &RunEvent) -> Result<(), LedgerError> {
    tx.execute(
        "INSERT INTO events (run_id, number, at_ms, event_json) \
         SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3 FROM events WHERE run_id = $1",
        params![run_id, now, &json(event)?],
    )?;
    Ok(())
}

/// A delivery that an artifact is due at.
#[derive(Clone, Copy, Debug)]
pub struct DueDelivery<'a> {
    pub destination: &'a str,
    pub required: bool,
    /// The time after which it sends an alert if it is not done.
    pub alert_after: Option<Duration>,
}

impl<'a> From<&'a DeliveryPlan> for DueDelivery<'a> {
    fn from(plan: &'a DeliveryPlan) -> Self {
        Self { destination: &plan.destination.name, required: plan.required, alert_after: plan.alert_after }
    }
}

/// Returns the time `after` a moment, in milliseconds since the epoch.
pub(super) fn later(moment_ms: i64, after: Duration) -> i64 {
    moment_ms.saturating_add(i64::try_from(after.as_millis()).unwrap_or(i64::MAX))
}

/// A slot to enter.
pub(super) struct NewRun<'a> {
    pub slot: &'a Slot,
    pub origin: Origin,
    pub plan_digest: &'a str,
    pub event: RunEvent,
    pub next_run_at_ms: Option<i64>,
    pub deadline_ms: Option<i64>,
    pub alert_at_ms: Option<i64>,
}

impl NewRun<'_> {
    /// Enters the slot once. Returns false if it exists.
    pub(super) fn insert(&self, tx: &mut Tx, now: i64) -> Result<bool, LedgerError> {
        let id = self.slot.run_id();
        let input = self.slot.input.as_ref();
        let (state, reason) = match &self.event {
            RunEvent::Skipped { reason } => (RunState::Skipped, Some(reason.as_str())),
            _ => (RunState::Due, None),
        };
        let entered = tx.execute(
            "INSERT INTO runs (id, pipeline, slot_ms, slot, state, reason, plan_digest, created_ms, updated_ms, origin, \
             next_run_at_ms, deadline_ms, alert_at_ms, input_path, input_sha256) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11, $12, $13, $14) ON CONFLICT DO NOTHING",
            params![
                &id,
                &self.slot.pipeline,
                self.slot.at_ms(),
                &self.slot.rfc3339(),
                state.name(),
                reason,
                self.plan_digest,
                now,
                self.origin.name(),
                self.next_run_at_ms,
                self.deadline_ms,
                self.alert_at_ms,
                input.map(|input| input.path.as_str()),
                input.map_or("", |input| input.sha256.as_str()),
            ],
        )?;
        if entered == 1 {
            record(tx, &id, now, &self.event)?;
        }
        Ok(entered == 1)
    }
}

/// Records the pipeline, with a cursor from now on.
pub(super) fn record_pipeline(tx: &mut Tx, pipeline: &str, now: i64) -> Result<(), LedgerError> {
    const INSERT: &str = "INSERT INTO pipelines (name, cursor_ms) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    tx.execute(INSERT, params![pipeline, now]).map(|_| ())
}

impl Ledger {
    /// Enters the slot once, and returns its run; if it exists, the existing one.
    pub async fn enter(&self, slot: &Slot, plan_digest: &str) -> Result<Run, LedgerError> {
        // A slot from the worker needs no write.
        if let Some(run) = self.run(&slot.run_id()).await? {
            return Ok(run);
        }
        let (slot, plan_digest, now) = (slot.clone(), plan_digest.to_owned(), self.clock.now_ms());
        self.write_ordered(FaultStep::new("ledger.enter"), "enter the slot", move |tx| {
            record_pipeline(tx, &slot.pipeline, now)?;
            let new = NewRun {
                slot: &slot,
                origin: Origin::Person,
                plan_digest: &plan_digest,
                event: match slot.input.clone() {
                    None => RunEvent::Entered { slot: slot.rfc3339() },
                    Some(InputFile { path, sha256 }) => RunEvent::EnteredFile { slot: slot.rfc3339(), path, sha256 },
                },
                next_run_at_ms: Some(now),
                deadline_ms: None,
                alert_at_ms: None,
            };
            new.insert(tx, now)?;
            let id = slot.run_id();
            find_run(tx, &id)?.ok_or_else(|| LedgerError::Unreadable { what: format!("no run {id} after entering it") })
        })
        .await
    }

    /// Moves a run to another state, and records what it replaces. The caller must know its present state. A mark that a
    /// person set on the run ends: a retry that fails again is to be seen.
    ///
    /// # Errors
    /// The move is illegal, or another process moved the run first.
    pub async fn advance(&self, run: &mut Run, to: RunState, reason: Option<&str>) -> Result<(), LedgerError> {
        let step = if to.is_end() { FaultStep::new("ledger.finish") } else { FaultStep::new("ledger.advance") };
        let (id, from, now) = (run.id.clone(), run.state, self.clock.now_ms());
        let (because, replaces, pipeline) = (reason.map(str::to_owned), run.replaces.clone(), run.pipeline.clone());
        let durability = if to.is_end() { Durability::Synced } else { Durability::Ordered };
        self.write_as(durability, step, "change the run's state", move |tx| {
            let illegal = || LedgerError::IllegalMove { run: id.clone(), from: from.name(), to: to.name() };
            let event = RunEvent::reaching(to, because.as_deref()).ok_or_else(illegal)?;
            if from != to && from.after(&event) != Some(to) {
                return Err(illegal());
            }
            // The response to the same move was lost: this is not a second move.
            let moved = tx.execute(
                &format!(
                    "UPDATE runs SET state = $1, reason = $2, updated_ms = $3, replaces = $6, dismissed_ms = NULL, \
                     dismissed_by = NULL, dismissed_reason = NULL, next_run_at_ms = {} \
                     WHERE id = $4 AND state IN ($5, $1)",
                    next_run_at(to)
                ),
                params![to.name(), &because, now, &id, from.name(), &replaces],
            )?;
            if from != to && to == RunState::Delivering {
                const ALERT: &str = "UPDATE deliveries SET alert_at_ms = $1 + alert_after_ms WHERE run_id = $2";
                tx.execute(ALERT, params![now, &id])?;
            }
            match moved {
                0 => return Err(illegal()),
                _ if from == to => return Ok(()),
                _ => record(tx, &id, now, &event)?,
            }
            if to == RunState::Delivered {
                follow(tx, &id, now)?;
            }
            if from == RunState::Held || to == RunState::Held {
                note_waiting(tx, &pipeline)?;
            }
            Ok(())
        })
        .await?;
        run.state = to;
        run.reason = reason.map(str::to_owned);
        Ok(())
    }

    /// Records the source's execution before the first request about it; `None` if it expired.
    pub async fn note_execution_id(&self, run: &mut Run, execution_id: Option<&str>) -> Result<(), LedgerError> {
        let (id, noted, now) = (run.id.clone(), execution_id.map(str::to_owned), self.clock.now_ms());
        self.write(FaultStep::new("ledger.execution_id"), "record the export's execution", move |tx| {
            tx.execute(
                "UPDATE runs SET execution_id = $1, extract_json = NULL, source_digest = NULL, watermark = NULL, \
                 updated_ms = $2 WHERE id = $3",
                params![&noted, now, &id],
            )?;
            let started = |execution_id| RunEvent::ExportStarted { execution_id };
            record(tx, &id, now, &noted.clone().map_or(RunEvent::ExportExpired, started))
        })
        .await?;
        run.execution_id = execution_id.map(str::to_owned);
        run.extract = None;
        Ok(())
    }

    /// Records the extract in the spool.
    pub async fn note_extract(&self, run: &mut Run, facts: ExtractFacts) -> Result<(), LedgerError> {
        let (id, text, now) = (run.id.clone(), json(&facts)?, self.clock.now_ms());
        let event = RunEvent::Extracted { bytes: facts.bytes, sha256: facts.sha256.clone() };
        let source = facts.source.clone();
        self.write_ordered(FaultStep::new("ledger.extract"), "record the extract", move |tx| {
            const UPDATE: &str = "UPDATE runs SET extract_json = $1, updated_ms = $2, source_digest = $4, watermark = $5 \
                                  WHERE id = $3";
            tx.execute(UPDATE, params![&text, now, &id, &source.digest, &source.watermark])?;
            record(tx, &id, now, &event)
        })
        .await?;
        run.extract = Some(facts);
        Ok(())
    }

    /// Records the artifact, the file that was read in place for it, what was found about it, its row balance, and the
    /// destinations it is due at. A release was of other bytes, and ends. Of a replay, nothing was found: no later run is compared with it.
    pub async fn note_artifact(
        &self,
        run: &mut Run,
        plan_digest: &str,
        artifact: &Artifact,
        rows: serde_json::Value,
        destinations: &[DueDelivery<'_>],
        checked: &Checked,
    ) -> Result<(), LedgerError> {
        let facts = ArtifactFacts::of(artifact);
        let (id, text, rows_text, now) = (run.id.clone(), json(&facts)?, rows.to_string(), self.clock.now_ms());
        let (digest, checked_text) =
            (plan_digest.to_owned(), (*checked != Checked::default()).then(|| json(checked)).transpose()?);
        let read = run.extract.as_ref().filter(|extract| extract.file.is_some());
        let extracted = read.map(|read| RunEvent::Extracted { bytes: read.bytes, sha256: read.sha256.clone() });
        let read = read.map(json).transpose()?;
        let due = |delivery: &DueDelivery| {
            (delivery.destination.to_owned(), delivery.required, delivery.alert_after.map(|after| later(0, after)))
        };
        let due: Vec<(String, bool, Option<i64>)> = destinations.iter().map(due).collect();
        let event = RunEvent::Transformed {
            name: facts.name.clone(),
            rows: facts.rows,
            bytes: facts.bytes,
            sha256: facts.sha256.clone(),
        };
        self.write_ordered(FaultStep::new("ledger.artifact"), "record the artifact", move |tx| {
            tx.execute(
                "UPDATE runs SET artifact_json = $1, rows_json = $2, plan_digest = $3, updated_ms = $4, checked_json = $6, \
                 released_by = NULL, extract_json = COALESCE($7, extract_json) \
                 WHERE id = $5",
                params![&text, &rows_text, &digest, now, &id, &checked_text, &read],
            )?;
            if let Some(extracted) = &extracted {
                record(tx, &id, now, extracted)?;
            }
            for (destination, required, alert_after_ms) in &due {
                tx.execute(
                    "INSERT INTO deliveries (run_id, destination, required, state, attempts, failures, alert_after_ms) \
                     VALUES ($1, $2, $3, $4, 0, 0, $5) ON CONFLICT DO NOTHING",
                    params![&id, destination, *required, DeliveryState::Due.name(), *alert_after_ms],
                )?;
            }
            record(tx, &id, now, &event)
        })
        .await?;
        run.artifact = Some(facts);
        run.checked = checked.clone();
        run.released_by = None;
        run.plan_digest = plan_digest.to_owned();
        run.rows = Some(rows);
        Ok(())
    }

    /// Adds to the run's history.
    pub async fn note(&self, run_id: &str, event: RunEvent) -> Result<(), LedgerError> {
        let (id, now) = (run_id.to_owned(), self.clock.now_ms());
        self.write_ordered(FaultStep::new("ledger.note"), "record an event", move |tx| record(tx, &id, now, &event))
            .await
    }
}
