//! The rows of a preview: of a file, requested, or those that the newest run left in the spool.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::PreviewArgs;
use crate::cli::Common;
use crate::cli::opened::{Opened, argument_hint};
use crate::extract::{self, ExtractError, Form, LocalCsv, Tenants};
use crate::ledger::RunFilter;
use crate::pipeline::plan::{Plan, Source};
use crate::progress::Progress;
use crate::run::spool::SOURCES;
use crate::settings::{Limits, Settings};

/// The rows to show, and where they are from.
pub(super) struct Rows {
    pub(super) csv: LocalCsv,
    pub(super) origin: String,
    /// The rows of the other sources, by name.
    pub(super) others: BTreeMap<String, LocalCsv>,
}

/// The places of rows.
struct Finder<'a> {
    plan: &'a Plan,
    limits: Limits,
    /// The folder for requested rows.
    folder: &'a Path,
    /// Requests rows, if that is wished.
    tenants: Option<Tenants>,
    /// The spool folders of the newest runs, with their descriptions.
    runs: Vec<(PathBuf, String)>,
}

impl Rows {
    /// Finds the rows. Nothing is requested without `--pull`. `main` is the name of the pipeline's first source, if it has
    /// one: a run saves that source's rows in a place of their own.
    ///
    /// # Errors
    /// There are none, or they cannot be read.
    pub(super) async fn find(
        args: &PreviewArgs,
        plan: &Plan,
        main: Option<&str>,
        settings: &Settings,
        common: &Common,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let place = |name: Option<&'_ str>| name.filter(|name| Some(*name) != main).map(str::to_owned);
        let mut finder = Finder { plan, limits: settings.limits, folder, tenants: None, runs: Vec::new() };
        let others_are_files = plan.others.iter().all(|other| matches!(other.source, Source::File(_)));
        let main_is_file = args.from.is_some() || matches!(plan.source, Source::File(_));
        if !main_is_file || !others_are_files {
            let opened = Opened::new(common).await?;
            if args.pull {
                finder.tenants = Some(opened.context().tenants.clone());
            } else {
                finder.runs = newest_runs(&opened, plan).await?;
            }
            opened.ledger.close().await;
        }
        let (csv, origin) = match &args.from {
            Some(path) => (finder.local(path)?, path.display().to_string()),
            None => finder.source(&plan.source, place(plan.main.name.as_deref()).as_deref()).await?,
        };
        let mut others = BTreeMap::new();
        for other in &plan.others {
            let (csv, _) = finder.source(&other.source, place(Some(&other.name)).as_deref()).await?;
            others.insert(other.name.clone(), csv);
        }
        Ok(Self { csv, origin, others })
    }
}

impl Finder<'_> {
    fn local(&self, path: &Path) -> anyhow::Result<LocalCsv> {
        LocalCsv::find(path, &self.limits).map_err(refused)
    }

    /// Finds the rows of a source: of the main one, or of the one with this name.
    async fn source(&self, source: &Source, name: Option<&str>) -> anyhow::Result<(LocalCsv, String)> {
        if let Source::File(file) = source {
            return Ok((self.local(&file.path)?, file.path.display().to_string()));
        }
        if let Some(tenants) = &self.tenants {
            let into = name.map_or_else(|| self.folder.to_owned(), |name| self.folder.join(name));
            let source = extract::Source::new(source, &self.limits, tenants).await.map_err(refused)?;
            let execution = source.start(None).await.map_err(refused)?;
            let extract = source.collect(&execution, &into, &Progress::default()).await.map_err(refused)?;
            return Ok((self.local(&extract.path)?, "the source, as of now".to_owned()));
        }
        let saved = self.runs.iter().find_map(|(folder, origin)| {
            let folder = name.map_or_else(|| folder.clone(), |name| folder.join(SOURCES).join(name));
            let paths = [Form::Csv, Form::Zip].map(|form| folder.join(form.file_name()));
            Some((paths.into_iter().find(|path| path.is_file())?, origin.clone()))
        });
        let Some((path, origin)) = saved else {
            let of = name.map_or_else(String::new, |name| format!(" of the source `{name}`"));
            let pipeline = &self.plan.name;
            let what = format!("no run of {pipeline} has its rows{of} in the spool any more, and nothing is requested");
            let hint = match name {
                None => "`--from FILE` reads a CSV or ZIP that you exported; `--pull` requests the rows, as a run does",
                Some(_) => "`--pull` requests the rows, as a run does",
            };
            return Err(argument_hint(what, hint));
        };
        Ok((self.local(&path)?, origin))
    }
}

/// Returns the spool folders of the newest runs, and their descriptions.
async fn newest_runs(opened: &Opened, plan: &Plan) -> anyhow::Result<Vec<(PathBuf, String)>> {
    const RUNS_MAX: u32 = 100;
    let filter = RunFilter { pipeline: Some(plan.name.clone()), limit: RUNS_MAX, ..RunFilter::default() };
    let runs = opened.ledger.runs(&filter).await?;
    let spool = opened.settings.data.join("spool");
    Ok(runs.iter().map(|run| (spool.join(&run.id), format!("run {}, slot {}", run.id, run.slot))).collect())
}

fn refused(error: ExtractError) -> anyhow::Error {
    match error.hint() {
        Some(hint) => argument_hint(error.to_string(), hint),
        None => anyhow::anyhow!("{error}"),
    }
}
