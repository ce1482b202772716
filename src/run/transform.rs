//! transform → encode: one pass over the rows, from the extract to the artifact in the spool.

use tokio_util::sync::CancellationToken;

use super::{RunError, RunExecution, Stop, blocking, failed};
use crate::disk;
use crate::encode::Artifact;
use crate::encode::csv::{CsvFile, GROUP_FILES_MAX};
use crate::expect::{self, Baseline, Checked};
use crate::extract::Extract;
use crate::ledger::record::Run;
use crate::pipeline::plan::ArtifactPlan;
use crate::schedule::slot::Slot;
use crate::transform::{Balance, Input, Transform, TransformError};

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
    let path = execution.spool.artifact(&name);
    let stop = CancellationToken::new();
    // If this future is dropped, the thread stops at its next block.
    let _stops = stop.clone().drop_guard();
    let (plan, extract, progress) = (plan.clone(), extract.clone(), execution.context.progress.clone());
    let limits = execution.context.settings.limits;
    let pass = move || {
        let writing = |source| TransformError::Write { source };
        if let Some(folder) = path.parent() {
            disk::create_private_folder(folder).map_err(writing)?;
        }
        let meter = &progress.transform;
        meter.set(0);
        let read = extract.open(&limits).map_err(|source| TransformError::Read { source })?;
        let input = Input { read, csv: plan.source.csv(), limits, meter, stop };
        let transform = Transform::open(input, &plan.steps, &secrets)?;
        let ArtifactPlan { csv, split, name: template, .. } = &plan.artifact;
        let mut file = CsvFile::create(&path, &name, csv, transform.columns(), *split).map_err(writing)?;
        let balance = transform.run(|row| file.row(row))?;
        let names = |number| template.render_file(&slot.name_fields(), number).map_err(std::io::Error::other);
        let artifact = Box::new(file.finish(names).map_err(writing)?);
        meter.expect(meter.done());
        let checked = Box::new(expect::check(artifact.rows, &plan.expect, &baseline));
        Ok(Transformed::Done { artifact, balance, checked })
    };
    match blocking(pass).await? {
        Ok(done) => Ok(done),
        Err(error @ TransformError::Read { .. }) => Ok(Transformed::Damaged { what: with_causes(&error) }),
        Err(ref error @ TransformError::Write { ref source }) if disk::is_full(source) => {
            Err(Stop::Error(RunError::DiskFull(with_causes(error))))
        }
        Err(error) => Err(failed(with_causes(&error))),
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
