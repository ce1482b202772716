//! `preview PIPELINE`: its first rows, and what its steps make of them. Nothing is recorded or delivered.

/// The rows, wherever they are.
mod rows;
/// The rows as text.
mod view;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use self::rows::Rows;
use super::grid::Screen;
use super::opened::{argument, argument_hint, plan, settings};
use super::{Common, Problems, exit, print_json};
use crate::clock::Clock;
use crate::pipeline::plan::{Plan, StepKind, test_secret};
use crate::progress::Meter;
use crate::run::preview::{Preview, Table};
use crate::run::with_causes;
use crate::schedule::slot::Slot;
use crate::secret::Secret;
use crate::settings::{Limits, Settings};
use crate::transform::TransformError;

#[derive(clap::Args)]
pub(super) struct PreviewArgs {
    /// The pipeline's name, or its file
    pipeline: String,
    /// The number of rows to show
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rows: u32,
    /// Read the rows from this CSV, or ZIP with one
    #[arg(long, value_name = "FILE", conflicts_with = "pull")]
    from: Option<PathBuf>,
    /// Request the rows from the source, as a run does; they are not kept
    #[arg(long)]
    pull: bool,
    /// Show the rows before and after this step, the first of which is 1
    #[arg(long, value_name = "N")]
    step: Option<usize>,
    /// The artifact to show, where the pipeline has several, by its key
    #[arg(long, value_name = "KEY")]
    artifact: Option<String>,
}

/// The JSON document; its names are an interface.
#[derive(Serialize)]
struct Document {
    pipeline: String,
    /// The origin of the rows.
    source: String,
    /// The row balance of the records that were read.
    rows: serde_json::Value,
    /// True if all records were read.
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<ShownStep>,
    /// The rows before the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Table>,
    /// The rows after the step, or after all of them.
    after: Table,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact: Option<ShownArtifact>,
    /// What differs from a run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Serialize)]
struct ShownStep {
    number: usize,
    kind: &'static str,
}

/// The beginning of the file that a run of now would make.
#[derive(Serialize)]
struct ShownArtifact {
    name: String,
    lines: Vec<String>,
}

pub(super) async fn run(args: PreviewArgs, common: &Common) -> anyhow::Result<u8> {
    let settings = settings(common)?;
    let whole = Arc::new(plan(&settings, &args.pipeline)?);
    let plan = whole.rows_of(args.artifact.as_deref()).map_err(|keys| match keys.as_slice() {
        [] => argument_hint(format!("{} has one artifact", whole.name), "leave `--artifact` out"),
        keys => argument_hint(
            format!("{} has several artifacts with rows", whole.name),
            format!("show one of them: `--artifact {}`", keys.join("`, `--artifact ")),
        ),
    })?;
    if let Some(step) = args.step.filter(|step| !(1..=plan.steps.len()).contains(step)) {
        let hint = match plan.steps.len() {
            0 => "leave `--step` out".to_owned(),
            count => format!("`--step 1` to `--step {count}`, from top to bottom"),
        };
        return Err(argument_hint(format!("{} has no step {step}", plan.name), hint));
    }
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let rows = Rows::find(&args, &plan, whole.main.name.as_deref(), &settings, common, folder.path()).await?;
    let (step, shown) = (args.step, args.rows as usize);
    let document = tokio::task::spawn_blocking(move || document(&plan, &settings, &rows, folder.path(), step, shown));
    let document = document.await??;
    if common.json {
        print_json(&document)?;
    } else {
        print!("{}", view::text(&document, Screen::stdout()));
    }
    Ok(exit::DONE)
}

fn document(
    plan: &Plan,
    settings: &Settings,
    rows: &Rows,
    folder: &Path,
    step: Option<usize>,
    shown: usize,
) -> anyhow::Result<Document> {
    let (secrets, mut notes) = secrets(plan);
    notes.extend(note_of_delta(plan, step));
    let slot = Slot::new(&plan.name, Clock::System.now(), plan.zone.clone());
    let limits = Limits { rows: u64::MAX, ..settings.limits };
    let preview = Preview {
        plan,
        source: &rows.csv,
        others: &rows.others,
        secrets: &secrets,
        slot: &slot,
        limits,
        folder,
        rows: shown,
        meter: Meter::default(),
    };
    let (previewed, artifact) = match step {
        Some(number) => (preview.step(number).map_err(failed)?, None),
        None => {
            let (previewed, head) = preview.result().map_err(failed)?;
            (previewed, Some(ShownArtifact { name: head.name, lines: head.lines }))
        }
    };
    Ok(Document {
        pipeline: plan.name.clone(),
        source: rows.origin.clone(),
        rows: serde_json::to_value(&previewed.balance)?,
        complete: previewed.is_whole,
        step: step.map(|number| ShownStep { number, kind: plan.steps[number - 1].kind.declaration().kind }),
        before: previewed.before,
        after: previewed.after,
        artifact,
        notes,
    })
}

/// Returns that nothing was compared, if the rows are shown after a `delta`.
fn note_of_delta(plan: &Plan, step: Option<usize>) -> Option<String> {
    let delta = plan.steps.iter().position(|step| matches!(step.kind, StepKind::Delta(_)))? + 1;
    step.is_none_or(|step| step >= delta).then(|| {
        format!(
            "`delta` (step {delta}) shows every row as added: a preview does not compare with what was delivered before"
        )
    })
}

fn failed(error: TransformError) -> anyhow::Error {
    match error {
        TransformError::Problems(problems) => Problems(problems).into(),
        error => argument(with_causes(&error)),
    }
}

/// Reads the secrets of the expressions. One that cannot be read here has a test value, which is noted.
fn secrets(plan: &Plan) -> (BTreeMap<String, Secret>, Vec<String>) {
    let mut notes = Vec::new();
    let read = plan.secrets.iter().map(|(name, secret)| {
        let value = secret.read().unwrap_or_else(|error| {
            notes.push(format!("the secret {name:?} cannot be read ({error}): hashes with it differ from a run's"));
            test_secret(name)
        });
        (name.clone(), value)
    });
    let secrets = read.collect();
    (secrets, notes)
}
