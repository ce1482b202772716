//! Delivers a saved artifact again, as a run of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::document::Document;
use super::spool::{self, Spool};
use super::{Requester, RunContext, RunError};
use crate::encode::{Artifact, RowsPlace, rows_path};
use crate::expect::{Checked, Verdict};
use crate::ledger::record::Run;
use crate::ledger::state::RunState;
use crate::ledger::{DueDelivery, RunEvent};
use crate::pipeline::plan::Plan;
use crate::schedule::slot::Slot;

#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Another name for the artifact.
    pub name: Option<String>,
    /// The destinations to deliver to; empty for all of the pipeline.
    pub destinations: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("run {0} has no artifact: there is nothing to send again")]
    NoArtifact(String),
    #[error("the spool no longer holds the artifact of run {0} unchanged (settings: keep.artifacts)")]
    NotSaved(String),
    #[error("run {0} is {1}: its bytes were never released")]
    NotReleased(String, &'static str),
    #[error("run {0} has {1} files, which cannot share one name: replay without a new name")]
    Several(String, usize),
    #[error("cannot copy the artifact")]
    Copy(#[source] std::io::Error),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl RunContext {
    /// Delivers the artifact of `run` once more, as the run of the slot `now`.
    ///
    /// # Errors
    /// The artifact is not saved any more, a person or an expectation withholds it, or the run cannot be executed.
    pub async fn replay(
        &self,
        plan: &Arc<Plan>,
        run: &Run,
        options: &Replay,
        now: &Slot,
        wait: Duration,
    ) -> Result<Document, ReplayError> {
        let facts = run.artifact.clone().ok_or_else(|| ReplayError::NoArtifact(run.id.clone()))?;
        if is_withheld(run) {
            return Err(ReplayError::NotReleased(run.id.clone(), run.state.name()));
        }
        if let (Some(_), Some(set)) = (&options.name, facts.set.as_ref().filter(|set| !set.is_archive)) {
            return Err(ReplayError::Several(run.id.clone(), set.files.len()));
        }
        let name = options.name.clone().unwrap_or_else(|| facts.name.clone());
        let from = self.settings.data.join(spool::artifact(&run.id));
        {
            let spool =
                Spool::take(&self.settings.data, &now.run_id(), &self.clock, wait).await.map_err(RunError::from)?;
            let artifact = Artifact {
                path: spool.artifact(),
                name,
                bytes: facts.bytes,
                sha256: facts.sha256,
                rows: facts.rows,
                columns: facts.columns,
                rows_in: facts.rows_in,
                set: facts.set,
            };
            let copied = artifact.clone();
            let copy = tokio::task::spawn_blocking(move || copy(&from, &copied)).await;
            match copy.map_err(std::io::Error::other).and_then(|copied| copied).map_err(ReplayError::Copy)? {
                true => {}
                false => return Err(ReplayError::NotSaved(run.id.clone())),
            }
            self.enter(plan, run, options, now, &artifact).await?;
        }
        Ok(self.run(plan, now, Requester::Retry, wait).await?)
    }

    /// Records the new run in the ledger as transformed.
    async fn enter(
        &self,
        plan: &Plan,
        of: &Run,
        options: &Replay,
        now: &Slot,
        artifact: &Artifact,
    ) -> Result<(), RunError> {
        let mut run = self.ledger.enter(now, &of.plan_digest).await?;
        let event = RunEvent::ReplayOf { run: of.id.clone(), slot: of.slot.clone() };
        self.ledger.note(&run.id, event).await?;
        for state in [RunState::Extracting, RunState::Transforming] {
            self.ledger.advance(&mut run, state, None).await?;
        }
        let chosen =
            |name: &str| options.destinations.is_empty() || options.destinations.iter().any(|chosen| chosen == name);
        let destinations = plan.deliveries.iter().map(DueDelivery::from);
        let destinations: Vec<DueDelivery> = destinations.filter(|due| chosen(due.destination)).collect();
        let rows = of.rows.clone().unwrap_or_default();
        self.ledger
            .note_artifact(&mut run, &of.plan_digest, artifact, rows, &destinations, &Checked::default())
            .await?;
        Ok(())
    }
}

/// Returns true if an expectation keeps the artifact from being delivered, and no person released it.
fn is_withheld(run: &Run) -> bool {
    let is_kept = matches!(run.checked.verdict(), Verdict::Hold(_) | Verdict::Fail(_));
    is_kept && run.released_by.is_none()
}

/// Copies the artifact. Returns false if the source or the copy is not intact.
fn copy(from: &Path, to: &Artifact) -> std::io::Result<bool> {
    if !crate::digest::file_is(from, to.bytes, &to.sha256) {
        return Ok(false);
    }
    if let Some(folder) = to.path.parent() {
        crate::disk::create_private_folder(folder)?;
    }
    link_or_copy(from, &to.path)?;
    if let RowsPlace::Beside { .. } = to.rows_in {
        link_or_copy(&rows_path(from), &rows_path(&to.path))?;
    }
    Ok(to.is_intact())
}

/// Makes a hard link if the file system supports it: nothing writes to the file any more.
fn link_or_copy(from: &Path, to: &Path) -> std::io::Result<()> {
    match std::fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(_) => std::fs::copy(from, to).map(|_| ()),
    }
}
