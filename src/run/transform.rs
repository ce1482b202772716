//! transform → encode: one pass over the rows, from the extract to the artifact in the spool.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::delta::OpenDelta;
use super::{RunError, RunExecution, Stop, blocking, failed};
use crate::disk;
use crate::encode::Artifact;
use crate::encode::csv::{CsvFile, GROUP_FILES_MAX};
use crate::expect::{Baseline, Checked, Checker, Ended, Opening};
use crate::extract::{Extract, SourceFacts};
use crate::ledger::record::Run;
use crate::pipeline::plan::{ArtifactPlan, Plan, Source};
use crate::progress::{Meter, Progress};
use crate::schedule::slot::Slot;
use crate::secret::Secret;
use crate::settings::Limits;
use crate::transform::{Balance, Input, Passed, Row, StepInputs, Transform, TransformError};

/// The outcome of the pass.
pub(super) enum Transformed {
    Done {
        artifact: Box<Artifact>,
        balance: Balance,
        checked: Box<Checked>,
    },
    /// The extract on disk differs from what was saved: it must be fetched again.
    Damaged {
        what: String,
    },
}

pub(super) async fn transform_and_encode(
    execution: &RunExecution<'_>,
    run: &Run,
    extract: &Extract,
    baseline: Baseline,
) -> Result<Transformed, Stop> {
    let plan = execution.plan;
    let at = jiff::Timestamp::from_millisecond(run.slot_ms).map_err(|error| failed(error.to_string()))?;
    let slot = Slot::new(&run.pipeline, at, plan.zone.clone());
    let name =
        plan.artifact.name.render(&slot.name_fields()).map_err(|error| failed(format!("artifact.name: {error}")))?;
    let reading = plan.clone();
    let secrets = blocking(move || reading.read_secrets()).await?.map_err(|error| failed(error.to_string()))?;
    if plan.artifact.split.is_some() {
        // Checks the longest possible name before the rows are read.
        let last = plan.artifact.name.render_file(&slot.name_fields(), GROUP_FILES_MAX);
        last.map_err(|error| failed(format!("artifact.name: {error}")))?;
    }
    let mut baseline = baseline;
    if let Source::File(_) = execution.source {
        baseline.scope = None; // a file has no account
    }
    let delta = execution.open_delta(run).await?;
    let stop = CancellationToken::new();
    // If this future is dropped, the thread stops at its next block.
    let _stops = stop.clone().drop_guard();
    let pass = Pass {
        plan: plan.clone(),
        extract: extract.clone(),
        path: execution.spool.artifact(&name),
        folder: execution.spool.path().to_owned(),
        slot,
        name,
        secrets,
        limits: execution.context.settings.limits,
        baseline,
        delta,
        progress: execution.context.progress.clone(),
        stop,
    };
    match blocking(|| pass.run()).await? {
        Ok(done) => Ok(done),
        Err(error @ TransformError::Read { .. }) => Ok(Transformed::Damaged { what: with_causes(&error) }),
        Err(
            ref error @ (TransformError::Write { ref source }
            | TransformError::Spill { ref source }
            | TransformError::Baseline { ref source }),
        ) if disk::is_full(source) => Err(Stop::Error(RunError::DiskFull(with_causes(error)))),
        Err(error) => Err(failed(with_causes(&error))),
    }
}

/// The inputs of the pass, which runs on a thread of its own.
struct Pass {
    plan: Arc<Plan>,
    extract: Extract,
    /// The artifact's path, and the folder for what does not fit into memory.
    path: PathBuf,
    folder: PathBuf,
    slot: Slot,
    name: String,
    secrets: BTreeMap<String, Secret>,
    limits: Limits,
    baseline: Baseline,
    delta: Option<OpenDelta>,
    progress: Progress,
    stop: CancellationToken,
}

impl Pass {
    fn run(mut self) -> Result<Transformed, TransformError> {
        let writing = |source| TransformError::Write { source };
        let spilling = |source| TransformError::Spill { source };
        if let Some(folder) = self.path.parent() {
            disk::create_private_folder(folder).map_err(writing)?;
        }
        let baseline = std::mem::take(&mut self.baseline);
        let meter = &self.progress.transform;
        meter.set(0);
        let transform = self.open(meter, self.step_inputs())?;
        let opening = Opening {
            expect: &self.plan.expect,
            baseline,
            slot: &self.slot,
            header: transform.header(),
            columns: transform.columns(),
            folder: &self.folder,
            memory: self.limits.memory,
        };
        let (mut checker, mut records) = Checker::open(opening).map_err(TransformError::Problems)?;
        let ArtifactPlan { csv, split, name: template, .. } = &self.plan.artifact;
        let mut file = CsvFile::create(&self.path, &self.name, csv, transform.columns(), *split).map_err(writing)?;
        let Passed { balance, findings, delta } = transform.run_observed(
            |record| records.record(record),
            |row| {
                checker.row(row).map_err(spilling)?;
                file.row(row).map_err(writing)
            },
        )?;
        let names = |number| template.render_file(&self.slot.name_fields(), number).map_err(std::io::Error::other);
        let artifact = Box::new(file.finish(names).map_err(writing)?);
        meter.expect(meter.done());
        let SourceFacts { rows: stated_rows, scope, .. } = self.extract.source.clone();
        let ended = Ended { extracted: balance.extracted, stated_rows, bytes: artifact.bytes, scope, steps: findings };
        let mut draft = checker.finish(records, ended).map_err(spilling)?;
        if draft.wants_rows() {
            let keep = |row: &Row<'_>| {
                draft.row(row);
                Ok(())
            };
            let mut step_inputs = self.step_inputs();
            step_inputs.delta.iter_mut().for_each(|delta| delta.next = None); // it is written
            self.open(&Meter::default(), step_inputs)?.run(keep)?;
        }
        let mut checked = Box::new(draft.finish());
        checked.facts.delta = self.delta.as_ref().zip(delta).map(|(opened, result)| opened.facts(result));
        Ok(Transformed::Done { artifact, balance, checked })
    }

    fn step_inputs(&self) -> StepInputs {
        StepInputs { delta: self.delta.as_ref().map(|delta| delta.inputs.clone()) }
    }

    /// Opens the extract and compiles the plan's steps against its header.
    fn open<'a>(&'a self, meter: &'a Meter, step_inputs: StepInputs) -> Result<Transform<'a>, TransformError> {
        let Self { plan, extract, folder, secrets, limits, stop, .. } = self;
        let read = extract.open(limits).map_err(|source| TransformError::Read { source })?;
        let input =
            Input { read, csv: plan.source.csv(), limits: *limits, folder, meter, stop: stop.clone(), step_inputs };
        Transform::open(input, &plan.steps, secrets)
    }
}

/// Joins an error and its causes in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
