//! sources → artifact: extracts all sources, and transforms, checks and encodes the main one's rows.

use super::transform::{self, Transformed};
use super::{RunExecution, Stop, failed};
use crate::encode::Artifact;
use crate::expect::Checked;
use crate::ledger::record::{ExtractFacts, Run};
use crate::ledger::state::RunState;
use crate::ledger::{DueDelivery, RunEvent};
use crate::measure::{self, Stage};
use crate::pipeline::plan::{Source, tenants_of};
use crate::transform::{Balance, StepRows};

/// The number of fetches, should the extract be damaged.
const FETCHES_MAX: u32 = 3;

impl RunExecution<'_> {
    /// Makes the artifact and records it. An extract that turns out to be damaged, and a file that changes while it is
    /// read, are read anew.
    pub(super) async fn make_artifact(&self, run: &mut Run) -> Result<Artifact, Stop> {
        let tenants = match self.source {
            Source::Docebo(_) => self.plan.tenants(),
            Source::File(_) => tenants_of(self.plan.others.iter().map(|other| &other.source)),
        };
        let _permit = self.unless_stopped(self.context.limits.prepare(&tenants)).await?;
        self.refuse_late_delta(run).await?;
        if run.input.is_some() && self.plan.several().is_some() {
            return Err(failed("the pipeline makes several artifacts now, whose rows are not in one file"));
        }
        self.check_encryption_keys().await?; // before an export is started in vain
        // Recorded with the next change of state.
        run.replaces = self.plan.replaces(run.slot_ms);
        let mut refused = String::new();
        for _ in 0..FETCHES_MAX {
            let begun = self.context.clock.now();
            let expected = self.expected_in_place(run).await?;
            let extract = self.extract_main(run).await?;
            let others = self.extract_others(run).await?;
            let extracted = self.context.clock.now();
            measure::stage(Stage::Extract, extracted.duration_since(begun).unsigned_abs());
            self.context.ledger.advance(run, RunState::Transforming, None).await?;
            let baseline = self.context.ledger.baseline(run).await?;
            let deadline = self.context.settings.work.deadlines.transform;
            let transformed = tokio::select! {
                transformed = transform::transform_and_encode(self, run, (&extract, others), expected, baseline) => transformed?,
                () = self.context.clock.sleep(deadline) => {
                    return Err(failed("the transform took longer than work.deadlines.transform"));
                }
            };
            refused = match transformed {
                Transformed::Done { artifact, balance, parts, checked, read } => {
                    measure::stage(Stage::Transform, self.context.clock.now().duration_since(extracted).unsigned_abs());
                    if let Some(sha256) = read {
                        run.extract = Some(ExtractFacts::of(&extract, &sha256));
                    }
                    self.note_artifact(run, &artifact, (&balance, &parts), &checked).await?;
                    return Ok(*artifact);
                }
                Transformed::Other => return Err(self.is_another_file(run, &extract.path).await?),
                Transformed::Changed => format!("{} changed while it was read", extract.path.display()),
                Transformed::Damaged { what } => {
                    self.context.ledger.note(&run.id, RunEvent::ExtractDamaged { reason: what.clone() }).await?;
                    run.extract = None;
                    run.others.values_mut().for_each(|other| other.extract = None);
                    format!("the extract was damaged: {what}")
                }
            };
            tracing::warn!(run = run.id, pipeline = run.pipeline, reason = refused, "extract unusable, trying again");
        }
        Err(failed(format!("{refused}; this was attempt {FETCHES_MAX} of {FETCHES_MAX}")))
    }

    /// Records the artifact, and how the steps changed the number of rows.
    async fn note_artifact(
        &self,
        run: &mut Run,
        artifact: &Artifact,
        (balance, parts): (&Balance, &[(String, Balance)]),
        checked: &Checked,
    ) -> Result<(), Stop> {
        measure::rows("extracted", balance.extracted);
        measure::rows("written", balance.written);
        for event in rows_changed(balance, parts) {
            self.context.ledger.note(&run.id, event).await?;
        }
        let rows = rows_document(balance, parts).map_err(|error| failed(error.to_string()))?;
        let destinations: Vec<DueDelivery> = self.plan.deliveries.iter().map(DueDelivery::from).collect();
        Ok(self.context.ledger.note_artifact(run, &self.plan.digest, artifact, rows, &destinations, checked).await?)
    }
}

/// Returns an event for each step that changed the number of rows.
fn rows_changed(balance: &Balance, parts: &[(String, Balance)]) -> Vec<RunEvent> {
    let mut events = Vec::new();
    let all = std::iter::once((None, balance)).chain(parts.iter().map(|(key, balance)| (Some(key), balance)));
    for (artifact, balance) in all {
        for StepRows { step, kind, share, rows } in &balance.steps {
            events.push(RunEvent::RowsChanged {
                step: *step,
                kind: (*kind).to_owned(),
                share: share.name().to_owned(),
                rows: *rows,
                artifact: artifact.cloned(),
            });
        }
    }
    events
}

/// Returns the row balance as it is kept: of several artifacts, the sum with the steps of all, and that of each.
fn rows_document(balance: &Balance, parts: &[(String, Balance)]) -> serde_json::Result<serde_json::Value> {
    let mut rows = serde_json::to_value(balance)?;
    if parts.is_empty() {
        return Ok(rows);
    }
    let (mut steps, mut artifacts) = (Vec::new(), serde_json::Map::new());
    for (key, balance) in parts {
        let of_part = serde_json::to_value(balance)?;
        for mut step in of_part["steps"].as_array().cloned().unwrap_or_default() {
            step["artifact"] = key.as_str().into();
            steps.push(step);
        }
        artifacts.insert(key.clone(), of_part);
    }
    rows["steps"] = steps.into();
    rows["artifacts"] = artifacts.into();
    Ok(rows)
}
