//! Reloads changed pipeline files while runs are active. An invalid file leaves its last valid plan in use.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::folder::{Changes, Folder, Named, stamps};
use super::schedule_table::{self, left_over};
use super::{ExecuteRun, Worker};
use crate::ledger::{FileProblem, KnownPipeline, LedgerError};
use crate::pipeline;
use crate::pipeline::plan::Plan;
use crate::schedule::WhileHeld;
use crate::settings::Settings;
use crate::yaml::open;
use crate::yaml::problem::{Problem, Severity};

/// The pipeline files as last read.
#[derive(Default)]
pub(super) struct Files {
    folder: Folder,
    /// The file that each pipeline comes from.
    owners: HashMap<String, PathBuf>,
    /// The problem of each invalid file, by pipeline.
    pub problems: HashMap<String, FileProblem>,
    /// Reason why the folder could not be listed.
    pub away: Option<String>,
}

/// One file as a plan with its text, or its first problem.
type Read = (PathBuf, Result<(Arc<Plan>, String), String>);

impl<C: ExecuteRun> Worker<C> {
    /// Loads changed files; with `all`, every file.
    ///
    /// # Errors
    /// The ledger is unavailable. Problems in files are kept and logged, and are not errors.
    pub async fn reload(&mut self, settings: &Arc<Settings>, all: bool) -> Result<(), LedgerError> {
        if all {
            self.files.folder.forget(None);
        }
        let mut folder = self.files.folder.clone();
        let read_by = settings.clone();
        let task = tokio::task::spawn_blocking(move || {
            let changes = folder.poll(&read_by.pipelines)?;
            let mut outcomes: Vec<Read> = Vec::new();
            for path in &changes.changed {
                let (outcome, named) = read(&read_by, path);
                folder.watch(path, named);
                outcomes.push((path.clone(), outcome));
            }
            Ok::<_, std::io::Error>((folder, changes, outcomes))
        });
        match task.await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok((folder, changes, read)) => {
                if self.files.away.take().is_some() {
                    tracing::info!(folder = %settings.pipelines.display(), "the pipelines folder is readable again");
                }
                let before = std::mem::replace(&mut self.files.folder, folder);
                let taken = self.apply_changes(settings, &changes, read).await;
                if taken.is_err() {
                    // Nothing is lost: the files are read again at the next poll.
                    self.files.folder = before;
                }
                taken
            }
            Err(error) => {
                let what = format!("cannot list the pipelines folder {}: {error}", settings.pipelines.display());
                if self.files.away.as_ref() != Some(&what) {
                    tracing::error!(reason = what, "the pipelines stay as they were");
                }
                self.files.away = Some(what);
                Ok(())
            }
        }
    }

    async fn apply_changes(
        &mut self,
        settings: &Arc<Settings>,
        changes: &Changes,
        read: Vec<Read>,
    ) -> Result<(), LedgerError> {
        if changes.gone.is_empty() && read.is_empty() {
            return Ok(());
        }
        let known: HashMap<String, KnownPipeline> =
            self.ledger.known_pipelines().await?.into_iter().map(|known| (known.name.clone(), known)).collect();
        let mut keep = Vec::new();
        for path in &changes.gone {
            keep.extend(self.remove_file(path, &known));
        }
        for (path, outcome) in read {
            let name = name_of(&path);
            if let Some(owner) = self.files.owners.get(&name).filter(|owner| **owner != path && owner.exists()) {
                let reason = format!("{}: the pipeline `{name}` is in {} already", path.display(), owner.display());
                tracing::error!(pipeline = name, reason, "pipeline file is invalid");
                continue;
            }
            self.files.owners.insert(name.clone(), path.clone());
            let known = known.get(&name);
            keep.extend(match outcome {
                Ok((plan, text)) => self.use_file(plan, text, known).await?,
                Err(what) => {
                    let earlier = self.earlier_version(settings, &name, path).await?;
                    self.use_earlier(&name, what, earlier, known).await?
                }
            });
        }
        // Those whose files were removed before this process started.
        let is_stray = |known: &&KnownPipeline| {
            let has_file = known.schedule.is_some() || known.problem.is_some() || known.valid_sha256.is_some();
            has_file && !self.files.owners.contains_key(&known.name)
        };
        let strays = known.values().filter(is_stray).map(without_file);
        let strays: Vec<KnownPipeline> =
            strays.filter(|stray| !keep.iter().any(|kept: &KnownPipeline| kept.name == stray.name)).collect();
        keep.extend(strays);
        self.ledger.record_pipelines(&keep).await
    }

    /// Uses a valid file, and keeps its text for a time when it is not.
    async fn use_file(
        &mut self,
        plan: Arc<Plan>,
        text: String,
        known: Option<&KnownPipeline>,
    ) -> Result<Option<KnownPipeline>, LedgerError> {
        if self.files.problems.remove(&plan.name).is_some() {
            tracing::info!(pipeline = plan.name, "pipeline file is valid again");
        }
        let digest = plan.digest.clone();
        let mut keep = self.add_plan(plan, known).await?;
        keep.valid_text = (known.and_then(|known| known.valid_sha256.as_ref()) != Some(&digest)).then_some(text);
        keep.valid_sha256 = Some(digest);
        Ok((known != Some(&keep)).then_some(keep))
    }

    /// Compiles the last valid text of a file with the present settings.
    async fn earlier_version(
        &self,
        settings: &Arc<Settings>,
        name: &str,
        path: PathBuf,
    ) -> Result<Result<Arc<Plan>, String>, LedgerError> {
        let Some(text) = self.ledger.valid_text(name).await? else {
            return Ok(Err("there is no earlier version".to_owned()));
        };
        let settings = settings.clone();
        let compile = move || match pipeline::load_text(&settings, &path, &text) {
            Ok((plan, _warnings)) => Ok(Arc::new(plan)),
            Err(problems) => {
                Err(format!("its last valid version does not fit the present settings ({})", first(&problems)))
            }
        };
        Ok(tokio::task::spawn_blocking(compile).await.unwrap_or_else(|error| Err(error.to_string())))
    }

    /// Uses the earlier version of an invalid file, or the plan in use.
    async fn use_earlier(
        &mut self,
        name: &str,
        what: String,
        earlier: Result<Arc<Plan>, String>,
        known: Option<&KnownPipeline>,
    ) -> Result<Option<KnownPipeline>, LedgerError> {
        let stopped = match (&earlier, self.schedule.plan(name)) {
            (Ok(_), _) | (Err(_), Some(_)) => None,
            (Err(why), None) => Some(why.clone()),
        };
        let before = known.and_then(|known| known.problem.as_ref());
        let since_ms =
            before.filter(|before| before.stopped.is_some() == stopped.is_some()).map(|known| known.since_ms);
        let problem = FileProblem { what, stopped, since_ms: since_ms.unwrap_or(self.clock.now_ms()) };
        if self.files.problems.get(name) != Some(&problem) {
            match &problem.stopped {
                None => tracing::error!(
                    pipeline = name,
                    reason = problem.what,
                    since = %Timestamp::from_millisecond(problem.since_ms).unwrap_or_default(),
                    "pipeline file is invalid: the last valid version stays in use"
                ),
                Some(why) => tracing::error!(
                    pipeline = name,
                    reason = problem.what,
                    "pipeline file is invalid: it does not run, because {why}"
                ),
            }
        }
        self.files.problems.insert(name.to_owned(), problem.clone());
        let fresh = KnownPipeline { name: name.to_owned(), cursor_ms: self.clock.now_ms(), ..KnownPipeline::default() };
        let mut keep = match earlier {
            Ok(plan) => self.add_plan(plan, known).await?,
            Err(_) => known.cloned().unwrap_or(fresh),
        };
        keep.problem = Some(problem);
        keep.valid_sha256 = known.and_then(|known| known.valid_sha256.clone());
        Ok((known != Some(&keep)).then_some(keep))
    }

    /// Adds a new or changed plan, and returns what to record. Slots that its old schedule still had due are entered first.
    async fn add_plan(&mut self, plan: Arc<Plan>, known: Option<&KnownPipeline>) -> Result<KnownPipeline, LedgerError> {
        let now = self.clock.now();
        let schedule = schedule_table::schedule_key(&plan);
        let name = plan.name.clone();
        let cursor = match known {
            Some(known) if known.schedule == schedule => Timestamp::from_millisecond(known.cursor_ms)
                .unwrap_or(now)
                .max(self.schedule.cursor(&name).unwrap_or(Timestamp::MIN)),
            Some(KnownPipeline { schedule: Some(old), cursor_ms, .. }) => {
                let cursor = Timestamp::from_millisecond(*cursor_ms).unwrap_or(now);
                self.finish_schedule(&plan, old, cursor, now).await?;
                now.max(cursor)
            }
            _ => now,
        };
        match self.schedule.plan(&name) {
            None => tracing::debug!(pipeline = name, "pipeline added"),
            Some(before) if before.digest != plan.digest => tracing::info!(pipeline = name, "pipeline reloaded"),
            Some(_) => {}
        }
        let waits_while_held = plan.schedule.as_ref().is_some_and(|schedule| schedule.while_held == WhileHeld::Wait);
        self.schedule.insert(plan, cursor);
        let cursor_ms = cursor.as_millisecond();
        Ok(KnownPipeline { name, schedule, cursor_ms, waits_while_held, ..KnownPipeline::default() })
    }

    async fn finish_schedule(
        &mut self,
        plan: &Plan,
        old: &str,
        mut cursor: Timestamp,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        while let Some(portion) = left_over(plan, old, cursor, now) {
            cursor = Timestamp::from_millisecond(portion.cursor_ms).unwrap_or(now);
            self.ledger.enter_slots(&[portion]).await?;
            if cursor >= now {
                break;
            }
        }
        Ok(())
    }

    /// Handles a removed file: its pipeline is no longer scheduled.
    fn remove_file(&mut self, path: &Path, known: &HashMap<String, KnownPipeline>) -> Option<KnownPipeline> {
        let name = name_of(path);
        if self.files.owners.get(&name).is_some_and(|owner| owner != path) {
            return None;
        }
        self.files.owners.remove(&name);
        self.files.problems.remove(&name);
        self.schedule.remove(&name);
        tracing::info!(pipeline = name, "pipeline file removed");
        // Another file with the same pipeline name may take its place.
        for ending in ["yaml", "yml"] {
            self.files.folder.forget(Some(&path.with_extension(ending)));
        }
        known.get(&name).map(without_file)
    }
}

fn name_of(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Returns a pipeline whose file was removed: its last valid text is forgotten.
fn without_file(known: &KnownPipeline) -> KnownPipeline {
    KnownPipeline { name: known.name.clone(), cursor_ms: known.cursor_ms, ..KnownPipeline::default() }
}

/// Reads a pipeline file, and returns the files that it names as they were before that.
fn read(settings: &Settings, path: &Path) -> (Result<(Arc<Plan>, String), String>, Named) {
    let text = match open::text(&Arc::new(path.to_owned())) {
        Ok(text) => text,
        Err(problem) => return (Err(problem.to_string()), Named::new()),
    };
    let mut named = Named::new();
    loop {
        let mut paths = Vec::new();
        let loaded = pipeline::load_watched(settings, path, &text, &mut paths);
        if paths.iter().any(|path| !named.contains_key(path)) {
            // Read again, as they may have changed in between. The text names the same files each time.
            named = stamps(paths);
            continue;
        }
        let outcome = match loaded {
            Ok((plan, _warnings)) => Ok((Arc::new(plan), text)),
            Err(problems) => Err(first(&problems)),
        };
        return (outcome, named);
    }
}

/// Returns the first problem on one line, and how many there are.
fn first(problems: &[Problem]) -> String {
    let first = problems.iter().find(|problem| problem.severity == Severity::Error);
    let text = first.or(problems.first()).map(Problem::to_string).unwrap_or_default();
    match problems.len() {
        0 | 1 => text,
        n => format!("{text} (and {} more: `reportferry check` shows them)", n - 1),
    }
}
