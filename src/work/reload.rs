//! Reloads changed pipeline files while runs are active. An invalid file leaves its last valid plan in use.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::folder::{Changes, Folder};
use super::schedule_table::{self, left_over};
use super::{ExecuteRun, Worker};
use crate::ledger::{KnownPipeline, LedgerError};
use crate::pipeline;
use crate::pipeline::plan::Plan;
use crate::settings::Settings;
use crate::yaml::problem::{Problem, Severity};

/// The pipeline files as last read.
#[derive(Default)]
pub(super) struct Files {
    folder: Folder,
    /// The file that each pipeline comes from.
    owners: HashMap<String, PathBuf>,
    /// The first problem of each invalid file, by pipeline, on one line.
    pub problems: HashMap<String, String>,
    /// Reason why the folder could not be listed.
    pub away: Option<String>,
}

/// One file as a plan, or its first problem.
type Read = (PathBuf, Result<Arc<Plan>, String>);

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
            let read = changes.changed.iter().map(|path| (path.clone(), read(&read_by, path))).collect::<Vec<Read>>();
            Ok::<_, std::io::Error>((folder, changes, read))
        });
        match task.await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok((folder, changes, read)) => {
                if self.files.away.take().is_some() {
                    tracing::info!(folder = %settings.pipelines.display(), "the pipelines folder is readable again");
                }
                let before = std::mem::replace(&mut self.files.folder, folder);
                let taken = self.apply_changes(&changes, read).await;
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

    async fn apply_changes(&mut self, changes: &Changes, read: Vec<Read>) -> Result<(), LedgerError> {
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
            self.files.owners.insert(name.clone(), path);
            keep.extend(match outcome {
                Ok(plan) => self.add_plan(plan, known.get(&name)).await?,
                Err(what) => self.record_problem(&name, what, known.get(&name)),
            });
        }
        // Those whose files were removed before this process started.
        let strays =
            known.values().filter(|known| known.schedule.is_some() && !self.files.owners.contains_key(&known.name));
        let strays = strays.map(|known| KnownPipeline { schedule: None, problem: None, ..known.clone() });
        let strays: Vec<KnownPipeline> =
            strays.filter(|stray| !keep.iter().any(|kept: &KnownPipeline| kept.name == stray.name)).collect();
        keep.extend(strays);
        self.ledger.record_pipelines(&keep).await
    }

    /// Adds a new or changed plan. Slots that its old schedule still had due are entered first.
    async fn add_plan(
        &mut self,
        plan: Arc<Plan>,
        known: Option<&KnownPipeline>,
    ) -> Result<Option<KnownPipeline>, LedgerError> {
        let now = self.clock.now();
        let key = schedule_table::schedule_key(&plan);
        let name = plan.name.clone();
        if self.files.problems.remove(&name).is_some() {
            tracing::info!(pipeline = name, "pipeline file is valid again");
        }
        let cursor = match known {
            Some(known) if known.schedule == key => Timestamp::from_millisecond(known.cursor_ms)
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
            None => tracing::debug!(pipeline = name, "run started"),
            Some(before) if before.digest != plan.digest => tracing::info!(pipeline = name, "pipeline reloaded"),
            Some(_) => {}
        }
        self.schedule.insert(plan, cursor);
        let keep = KnownPipeline { name, schedule: key, cursor_ms: cursor.as_millisecond(), problem: None };
        Ok((known != Some(&keep)).then_some(keep))
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

    fn record_problem(&mut self, name: &str, what: String, known: Option<&KnownPipeline>) -> Option<KnownPipeline> {
        if self.files.problems.get(name) != Some(&what) {
            let in_use = if self.schedule.plan(name).is_some() {
                "the last valid version stays in use"
            } else {
                "it does not run"
            };
            tracing::error!(pipeline = name, reason = what, "pipeline file is invalid: {in_use}");
        }
        self.files.problems.insert(name.to_owned(), what.clone());
        let now_ms = self.clock.now_ms();
        let known = known.cloned();
        let fresh = KnownPipeline { name: name.to_owned(), schedule: None, cursor_ms: now_ms, problem: None };
        Some(KnownPipeline { problem: Some(what), ..known.unwrap_or(fresh) })
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
        known.get(&name).map(|known| KnownPipeline { schedule: None, problem: None, ..known.clone() })
    }
}

fn name_of(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read(settings: &Settings, path: &Path) -> Result<Arc<Plan>, String> {
    match pipeline::load(settings, path) {
        Ok((plan, _warnings)) => Ok(Arc::new(plan)),
        Err(problems) => Err(first(&problems)),
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
