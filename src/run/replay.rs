//! The same bytes again: a kept artifact, delivered as a run of its own.

use std::sync::Arc;
use std::time::Duration;

use super::document::Document;
use super::spool::Spool;
use super::{Ask, Line, RunError};
use crate::encode::Artifact;
use crate::ledger::record::Run;
use crate::ledger::state::RunState;
use crate::pipeline::plan::Plan;
use crate::schedule::slot::Slot;

/// What is sent again, under which name, and where.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// Another name for the artifact.
    pub name: Option<String>,
    /// These destinations of the pipeline only; empty for all.
    pub destinations: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("run {0} made no artifact: there is nothing to send again")]
    Nothing(String),
    #[error("the spool no longer holds the artifact of run {0} as it was (settings: keep.artifacts)")]
    Forgotten(String),
    #[error("run {0} made {1} files: they cannot take one name, so send them again under their own")]
    Several(String, usize),
    #[error("cannot copy the artifact")]
    Copy(#[source] std::io::Error),
    #[error(transparent)]
    Run(#[from] RunError),
}

impl Line {
    /// Delivers the artifact of `run` once more, as the run of the slot `now`.
    ///
    /// # Errors
    /// The artifact is not kept any more, or the line cannot be used.
    pub async fn replay(
        &self,
        plan: &Arc<Plan>,
        run: &Run,
        what: &Replay,
        now: &Slot,
        wait: Duration,
    ) -> Result<Document, ReplayError> {
        let facts = run.artifact.clone().ok_or_else(|| ReplayError::Nothing(run.id.clone()))?;
        if let (Some(_), Some(set)) = (&what.name, &facts.set) {
            return Err(ReplayError::Several(run.id.clone(), set.files.len()));
        }
        let name = what.name.clone().unwrap_or_else(|| facts.name.clone());
        let from = self.settings.data.join("spool").join(&run.id).join("artifact").join(&facts.name);
        {
            let spool =
                Spool::take(&self.settings.data, &now.run_id(), &self.clock, wait).await.map_err(RunError::from)?;
            let artifact = Artifact {
                path: spool.artifact(&name),
                name,
                bytes: facts.bytes,
                sha256: facts.sha256,
                rows: facts.rows,
                columns: facts.columns,
                dialect: facts.dialect.unwrap_or_else(|| plan.artifact.csv.clone()),
                set: facts.set,
            };
            let copied = artifact.clone();
            let copy = tokio::task::spawn_blocking(move || copy(&from, &copied)).await;
            match copy.map_err(std::io::Error::other).and_then(|copied| copied).map_err(ReplayError::Copy)? {
                true => {}
                false => return Err(ReplayError::Forgotten(run.id.clone())),
            }
            self.enter(plan, run, what, now, &artifact).await?;
        }
        Ok(self.run(plan, now, Ask::Retry, wait).await?)
    }

    /// The ledger as it stands when a run has been shaped.
    async fn enter(
        &self,
        plan: &Plan,
        of: &Run,
        what: &Replay,
        now: &Slot,
        artifact: &Artifact,
    ) -> Result<(), RunError> {
        let mut run = self.ledger.enter(now, &of.plan_digest).await?;
        self.ledger.note(&run.id, "replays", &format!("run {}, slot {}", of.id, of.slot)).await?;
        for state in [RunState::Extracting, RunState::Shaping] {
            self.ledger.advance(&mut run, state, None).await?;
        }
        let chosen = |name: &str| what.destinations.is_empty() || what.destinations.iter().any(|chosen| chosen == name);
        let destinations =
            plan.deliveries.iter().map(|delivery| (delivery.destination.name.as_str(), delivery.required));
        let destinations: Vec<(&str, bool)> = destinations.filter(|(name, _)| chosen(name)).collect();
        let rows = of.rows.clone().unwrap_or_default();
        self.ledger.note_artifact(&mut run, &of.plan_digest, artifact, rows, &destinations).await?;
        Ok(())
    }
}

/// Whether the copy is what it should be.
fn copy(from: &std::path::Path, to: &Artifact) -> std::io::Result<bool> {
    if !crate::digest::file_is(from, to.bytes, &to.sha256) {
        return Ok(false);
    }
    if let Some(folder) = to.path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // The same file under two names where the file system can; nobody writes into it any more.
    if std::fs::hard_link(from, &to.path).is_err() {
        std::fs::copy(from, &to.path)?;
    }
    Ok(to.is_intact())
}
