//! transform → encode: one pass over the rows, from the extract in the spool to the artifact beside it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Stop, Work, blocking, failed};
use crate::encode::Artifact;
use crate::encode::csv::{CsvFile, SET_FILES_MAX};
use crate::extract::Extract;
use crate::ledger::record::Run;
use crate::pipeline::plan::Plan;
use crate::progress::Progress;
use crate::schedule::slot::Slot;
use crate::secret::Secret;
use crate::settings::Limits;
use crate::transform::{Input, Transform, TransformError};

/// How the pass ended.
pub(super) enum Shaped {
    Done {
        artifact: Box<Artifact>,
        rows: serde_json::Value,
        /// Step, its kind, and the rows it dropped.
        dropped: Vec<(usize, &'static str, u64)>,
    },
    /// The extract on disk is not what was saved: it must be fetched again.
    Damaged { what: String },
}

pub(super) async fn shape(work: &Work<'_>, run: &Run, extract: &Extract) -> Result<Shaped, Stop> {
    let plan = work.plan;
    let at = jiff::Timestamp::from_millisecond(run.slot_ms).map_err(|error| failed(error.to_string()))?;
    let slot = Slot::new(&run.pipeline, at, plan.zone.clone());
    let name = plan.artifact.name.render(&slot).map_err(|error| failed(format!("artifact.name: {error}")))?;
    let mut secrets = BTreeMap::new();
    for (name, secret) in &plan.secrets {
        let secret = secret.read().map_err(|error| failed(format!("secret {name:?}: {error}")))?;
        secrets.insert(name.clone(), secret);
    }
    if plan.artifact.split.is_some() {
        // The longest there can be: a name that is none is told before the rows are read.
        let last = plan.artifact.name.render_file(&slot, SET_FILES_MAX);
        last.map_err(|error| failed(format!("artifact.name: {error}")))?;
    }
    let path = work.spool.artifact(&name);
    let stop = CancellationToken::new();
    // If this future is dropped, the thread stops at its next block.
    let _stops = stop.clone().drop_guard();
    let pass = Pass {
        plan: plan.clone(),
        extract: extract.clone(),
        limits: work.line.settings.limits,
        secrets,
        path,
        name,
        slot,
        progress: work.line.progress.clone(),
        stop,
    };
    match blocking(move || pass.make()).await? {
        Ok(shaped) => Ok(shaped),
        Err(error @ TransformError::Read { .. }) => Ok(Shaped::Damaged { what: chain(&error) }),
        Err(error) => Err(failed(chain(&error))),
    }
}

/// Everything that the thread needs.
struct Pass {
    plan: Arc<Plan>,
    extract: Extract,
    limits: Limits,
    secrets: BTreeMap<String, Secret>,
    path: PathBuf,
    name: String,
    slot: Slot,
    progress: Progress,
    stop: CancellationToken,
}

impl Pass {
    fn make(self) -> Result<Shaped, TransformError> {
        let writing = |source| TransformError::Write { source };
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(writing)?;
        }
        let meter = &self.progress.transform;
        meter.set(0);
        let read = self.extract.open(&self.limits).map_err(|source| TransformError::Read { source })?;
        let input = Input { read, csv: self.plan.source.csv(), limits: self.limits, meter, stop: self.stop };
        let transform = Transform::open(input, &self.plan.steps, &self.secrets)?;
        let planned = &self.plan.artifact;
        let mut file = CsvFile::create(&self.path, &self.name, &planned.csv, transform.columns(), planned.split)
            .map_err(writing)?;
        let balance = transform.run(|row| file.row(row))?;
        let names = |number| planned.name.render_file(&self.slot, number).map_err(std::io::Error::other);
        let artifact = file.finish(names).map_err(writing)?;
        meter.expect(meter.done());
        let rows = serde_json::to_value(&balance).map_err(|error| writing(error.into()))?;
        let dropped = balance.steps.iter().map(|step| (step.step, step.kind, step.dropped)).collect();
        Ok(Shaped::Done { artifact: Box::new(artifact), rows, dropped })
    }
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
