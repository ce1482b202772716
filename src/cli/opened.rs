//! The common start of most commands: reads the settings, opens the ledger, finds pipelines.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Common, Problems};
use crate::clock::Clock;
use crate::ledger::record::Run;
use crate::ledger::{Ledger, WorkerRecord, WorkerState};
use crate::pipeline::{self, plan::Plan};
use crate::run::RunContext;
use crate::settings::{Destination, Settings, Tenant};
use crate::telemetry;
use crate::work::lock;
use crate::yaml::problem::{self, Problem, did_you_mean};

/// The loaded settings and the open ledger.
pub(super) struct Opened {
    pub settings: Arc<Settings>,
    pub ledger: Ledger,
    pub clock: Clock,
}

impl Opened {
    /// Reads the settings, starts logging and opens the ledger.
    ///
    /// # Errors
    /// [`Problems`] in the settings; or the ledger cannot be opened.
    pub(super) async fn new(common: &Common) -> anyhow::Result<Self> {
        let settings = settings(common)?;
        let clock = Clock::System;
        let ledger = Ledger::open(&settings.ledger, clock.clone()).await?;
        Ok(Self { settings: Arc::new(settings), ledger, clock })
    }

    pub(super) fn context(&self) -> RunContext {
        RunContext::new(self.settings.clone(), self.ledger.clone(), self.clock.clone())
    }

    /// Returns the one run whose ID begins with `prefix`.
    ///
    /// # Errors
    /// No run or several have this prefix.
    pub(super) async fn run(&self, prefix: &str) -> anyhow::Result<Run> {
        let mut found = self.ledger.runs_by_prefix(prefix).await?;
        match (found.pop(), found.pop()) {
            (Some(run), None) => Ok(run),
            (Some(one), Some(two)) => {
                Err(argument(format!("{prefix:?} is ambiguous, several runs begin with it: {}, {}, …", two.id, one.id)))
            }
            _ => Err(argument_hint(format!("there is no run {prefix:?}"), "`reportferry runs` lists them")),
        }
    }

    /// Returns the destination of this name.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn destination(&self, name: &str) -> anyhow::Result<Arc<Destination>> {
        let known = &self.settings.destinations;
        if let Some(destination) = known.get(name) {
            return Ok(destination.clone());
        }
        Err(unknown(name, "destination", known.keys()))
    }

    /// Returns the destination of this name, where a tenant's was possible too.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn destination_or_tenant(&self, name: &str) -> anyhow::Result<Arc<Destination>> {
        if let Some(destination) = self.settings.destinations.get(name) {
            return Ok(destination.clone());
        }
        let known = self.settings.destinations.keys().chain(self.settings.tenants.keys());
        Err(unknown(name, "destination or tenant", known))
    }

    /// Returns the worker that works, or worked last, and its state. Whether it is alive is known from its lock.
    ///
    /// # Errors
    /// The ledger or the lock cannot be read.
    pub(super) async fn worker(&self) -> anyhow::Result<Option<(WorkerRecord, WorkerState)>> {
        let is_locked = match self.ledger.is_locked_by_worker().await? {
            Some(is_locked) => is_locked,
            None => lock::is_locked(&self.settings.data)?,
        };
        let record = self.ledger.worker_record().await?;
        let now_ms = self.clock.now_ms();
        Ok(record.map(|record| {
            let state = record.state(is_locked, now_ms);
            (record, state)
        }))
    }

    /// Returns the plan that continues a run.
    ///
    /// # Errors
    /// [`Problems`] in the pipeline's file, or the file is gone.
    pub(super) fn plan_of(&self, run: &Run) -> anyhow::Result<Plan> {
        let mut problems = Vec::new();
        let files = pipeline::files(&self.settings.pipelines, &[], &mut problems);
        let is_its = |file: &PathBuf| file.file_stem().is_some_and(|stem| stem.to_string_lossy() == run.pipeline);
        if problems.is_empty() && !files.iter().any(is_its) {
            let folder = self.settings.pipelines.display();
            let what = format!("run {} cannot continue: the file of its pipeline {} is gone", run.id, run.pipeline);
            let hint =
                format!("put {}.yaml back into {folder}; `reportferry show {}` has the run", run.pipeline, run.id);
            return Err(argument_hint(what, hint));
        }
        self.plan(&run.pipeline)
    }

    /// Returns the plan of a pipeline, by name or file.
    ///
    /// # Errors
    /// [`Problems`] in its file, or no such pipeline.
    pub(super) fn plan(&self, pipeline: &str) -> anyhow::Result<Plan> {
        plan(&self.settings, pipeline)
    }

    /// Checks that a pipeline of this name has a file or is in the ledger.
    ///
    /// # Errors
    /// There is none; the error suggests a similar name.
    pub(super) async fn require_pipeline(&self, pipeline: &str) -> anyhow::Result<()> {
        match find(&self.settings.pipelines, pipeline) {
            Err(error) if !self.ledger.known_pipelines().await?.iter().any(|known| known.name == pipeline) => {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}

/// Reads the settings and starts logging.
///
/// # Errors
/// [`Problems`] in the settings.
pub(super) fn settings(common: &Common) -> anyhow::Result<Settings> {
    let (settings, warnings) = Settings::load(common.config.as_deref(), &common.set).map_err(Problems)?;
    telemetry::start(&settings.log.filter, settings.log.format, super::color()).map_err(argument)?;
    // `check` shows the warnings about files; the environment may differ each time.
    for warning in warnings.iter().filter(|warning| warning.place.is_none()) {
        tracing::warn!("{warning}");
    }
    #[cfg(feature = "fault-injection")]
    if let Some(rules) = crate::settings::fault_rules() {
        crate::fault::arm(&rules).map_err(argument)?;
    }
    Ok(settings)
}

/// Returns the plan of a pipeline, by name or file.
///
/// # Errors
/// [`Problems`] in its file, or no such pipeline.
pub(super) fn plan(settings: &Settings, pipeline: &str) -> anyhow::Result<Plan> {
    let path = find(&settings.pipelines, pipeline)?;
    let (plan, _warnings) = pipeline::load(settings, &path).map_err(Problems)?;
    Ok(plan)
}

/// Returns the tenant of this name.
///
/// # Errors
/// There is none.
pub(super) fn tenant(settings: &Settings, name: &str) -> anyhow::Result<Arc<Tenant>> {
    settings.tenants.get(name).cloned().ok_or_else(|| unknown(name, "tenant", settings.tenants.keys()))
}

fn unknown<'a>(name: &str, what: &str, known: impl Iterator<Item = &'a String>) -> anyhow::Error {
    let names: Vec<&str> = known.map(String::as_str).collect();
    let hint = did_you_mean(name, names.iter().copied());
    let hint = hint.unwrap_or_else(|| format!("the settings have: {}", names.join(", ")));
    argument_hint(format!("there is no {what} {name:?}"), hint)
}

/// Returns a problem in an argument.
pub(super) fn argument(what: impl Into<String>) -> anyhow::Error {
    Problems(vec![Problem::error(None, what)]).into()
}

/// Returns a problem in an argument, with a hint.
pub(super) fn argument_hint(what: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    Problems(vec![Problem::error(None, what).hint(hint)]).into()
}

/// Returns the file of a pipeline, by name or file.
///
/// # Errors
/// There is none; the error suggests a similar name.
pub(super) fn find(folder: &Path, pipeline: &str) -> anyhow::Result<PathBuf> {
    let given = Path::new(pipeline);
    if given.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
        return if given.is_file() {
            Ok(given.to_owned())
        } else {
            Err(argument(format!("there is no file {pipeline}")))
        };
    }
    let mut problems = Vec::new();
    let files = pipeline::files(folder, &[], &mut problems);
    if problem::any_error(&problems) {
        return Err(Problems(problems).into());
    }
    let stem = |file: &PathBuf| file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(file) = files.iter().find(|file| stem(file) == pipeline) {
        return Ok(file.clone());
    }
    let known: Vec<String> = files.iter().map(stem).collect();
    let hint = did_you_mean(pipeline, known.iter().map(String::as_str));
    let hint = hint.unwrap_or_else(|| format!("{} has: {}", folder.display(), known.join(", ")));
    Err(argument_hint(format!("there is no pipeline {pipeline:?}"), hint))
}
