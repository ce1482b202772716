//! What people changed, taken up while the work goes on. A file that cannot be used leaves its last good plan at work.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::fleet::{self, left_over};
use super::folder::{Changes, Folder};
use super::{Carry, Worker};
use crate::ledger::{Known, LedgerError};
use crate::pipeline::plan::Plan;
use crate::pipeline::problem::Problem;
use crate::pipeline::{self};
use crate::settings::Settings;

/// What the files said when they were last read.
#[derive(Default)]
pub struct Files {
    folder: Folder,
    /// Which file a pipeline comes from.
    owners: HashMap<String, PathBuf>,
    /// What is wrong, by pipeline: the first problem of its file, in one line.
    pub problems: HashMap<String, String>,
    /// The folder could not be listed.
    pub away: Option<String>,
}

/// One file's text as a plan, or what is wrong with it.
type Read = (PathBuf, Result<Arc<Plan>, String>);

impl<C: Carry> Worker<C> {
    /// Looks for changed files and takes them up; with `all`, every file is read anew.
    ///
    /// # Errors
    /// The ledger cannot be used. What is wrong with files is kept and told, and is no error.
    pub async fn reload(&mut self, settings: &Arc<Settings>, all: bool) -> Result<(), LedgerError> {
        if all {
            self.files.folder.forget(None);
        }
        let mut folder = self.files.folder.clone();
        let read_by = settings.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let changes = folder.look(&read_by.pipelines)?;
            let read = changes.changed.iter().map(|path| (path.clone(), read(&read_by, path))).collect::<Vec<Read>>();
            Ok::<_, std::io::Error>((folder, changes, read))
        });
        match looked.await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok((folder, changes, read)) => {
                if self.files.away.take().is_some() {
                    tracing::info!(folder = %settings.pipelines.display(), "the pipelines folder is back");
                }
                let before = std::mem::replace(&mut self.files.folder, folder);
                let taken = self.take_up(&changes, read).await;
                if taken.is_err() {
                    // Nothing is lost: the files are read again at the next look.
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

    async fn take_up(&mut self, changes: &Changes, read: Vec<Read>) -> Result<(), LedgerError> {
        if changes.gone.is_empty() && read.is_empty() {
            return Ok(());
        }
        let known: HashMap<String, Known> =
            self.ledger.known_pipelines().await?.into_iter().map(|known| (known.name.clone(), known)).collect();
        let mut keep = Vec::new();
        for path in &changes.gone {
            keep.extend(self.let_go(path, &known));
        }
        for (path, outcome) in read {
            let name = name_of(&path);
            if let Some(owner) = self.files.owners.get(&name).filter(|owner| **owner != path && owner.exists()) {
                let reason = format!("{}: the pipeline `{name}` is in {} already", path.display(), owner.display());
                tracing::error!(pipeline = name, reason, "a pipeline file cannot be used");
                continue;
            }
            self.files.owners.insert(name.clone(), path);
            keep.extend(match outcome {
                Ok(plan) => self.take_plan(plan, known.get(&name)).await?,
                Err(what) => self.keep_problem(&name, what, known.get(&name)),
            });
        }
        // Those whose files were gone when this process began.
        let strays =
            known.values().filter(|known| known.schedule.is_some() && !self.files.owners.contains_key(&known.name));
        let strays = strays.map(|known| Known { schedule: None, problem: None, ..known.clone() });
        let strays: Vec<Known> =
            strays.filter(|stray| !keep.iter().any(|kept: &Known| kept.name == stray.name)).collect();
        keep.extend(strays);
        self.ledger.keep_pipelines(&keep).await
    }

    /// A plan that is new or changed. What its old schedule had still due is entered first.
    async fn take_plan(&mut self, plan: Arc<Plan>, known: Option<&Known>) -> Result<Option<Known>, LedgerError> {
        let now = self.clock.now();
        let words = fleet::words(&plan);
        let name = plan.name.clone();
        if self.files.problems.remove(&name).is_some() {
            tracing::info!(pipeline = name, "the pipeline file is well again");
        }
        let cursor = match known {
            Some(known) if known.schedule == words => Timestamp::from_millisecond(known.cursor_ms)
                .unwrap_or(now)
                .max(self.fleet.cursor(&name).unwrap_or(Timestamp::MIN)),
            Some(Known { schedule: Some(old), cursor_ms, .. }) => {
                let cursor = Timestamp::from_millisecond(*cursor_ms).unwrap_or(now);
                self.finish_schedule(&plan, old, cursor, now).await?;
                now.max(cursor)
            }
            _ => now,
        };
        match self.fleet.plan(&name) {
            None => tracing::debug!(pipeline = name, "taken up"),
            Some(before) if before.digest != plan.digest => tracing::info!(pipeline = name, "the pipeline was changed"),
            Some(_) => {}
        }
        self.fleet.take(plan, cursor);
        let keep = Known { name, schedule: words, cursor_ms: cursor.as_millisecond(), problem: None };
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

    fn keep_problem(&mut self, name: &str, what: String, known: Option<&Known>) -> Option<Known> {
        if self.files.problems.get(name) != Some(&what) {
            let at_work =
                if self.fleet.plan(name).is_some() { "the last good version stays at work" } else { "it does not run" };
            tracing::error!(pipeline = name, reason = what, "a pipeline file cannot be used: {at_work}");
        }
        self.files.problems.insert(name.to_owned(), what.clone());
        let now_ms = self.clock.now_ms();
        let known = known.cloned();
        let fresh = Known { name: name.to_owned(), schedule: None, cursor_ms: now_ms, problem: None };
        Some(Known { problem: Some(what), ..known.unwrap_or(fresh) })
    }

    /// A file that is gone: its pipeline is due no more.
    fn let_go(&mut self, path: &Path, known: &HashMap<String, Known>) -> Option<Known> {
        let name = name_of(path);
        if self.files.owners.get(&name).is_some_and(|owner| owner != path) {
            return None;
        }
        self.files.owners.remove(&name);
        self.files.problems.remove(&name);
        self.fleet.drop(&name);
        tracing::info!(pipeline = name, "the pipeline file is gone");
        // A second file of that name may stand in for it now.
        for ending in ["yaml", "yml"] {
            self.files.folder.forget(Some(&path.with_extension(ending)));
        }
        known.get(&name).map(|known| Known { schedule: None, problem: None, ..known.clone() })
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

/// The first problem in one line, and how many there are.
fn first(problems: &[Problem]) -> String {
    let first = problems.iter().find(|problem| problem.severity == pipeline::problem::Severity::Error);
    let text = first.or(problems.first()).map(Problem::to_string).unwrap_or_default();
    match problems.len() {
        0 | 1 => text,
        n => format!("{text} (and {} more: `reportferry check` shows them)", n - 1),
    }
}
