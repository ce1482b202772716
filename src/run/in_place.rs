//! Runs of files that are read in place: other content is never delivered in place of what was read before.

use std::path::Path;

use super::{RunExecution, Stop, blocking, failed};
use crate::ledger::record::{ReadFile, Run};
use crate::ledger::state::RunState;
use crate::pipeline::plan::{FileSource, Source};

impl RunExecution<'_> {
    /// Returns the digest that the file must have if it is read in place: of what an artifact was made of that is lost,
    /// or of the file that a person runs.
    ///
    /// # Errors
    /// The file has another size, or is gone: the run is held.
    pub(super) async fn expected_in_place(&self, run: &mut Run) -> Result<Option<String>, Stop> {
        let Source::File(FileSource { path, copy: false, .. }) = self.source else { return Ok(None) };
        let read = run.extract.as_ref().and_then(|extract| Some((extract.file.clone()?, extract.sha256.clone())));
        let Some((ReadFile { facts, .. }, sha256)) = read.filter(|_| run.artifact.is_some()) else {
            return Ok(run.input.as_ref().map(|input| input.sha256.clone()));
        };
        let there = path.clone();
        let found = blocking(move || std::fs::metadata(there).map(|metadata| metadata.len())).await?;
        match found {
            Ok(bytes) if bytes == facts.bytes => Ok(Some(sha256)),
            Ok(_) | Err(_) => Err(self.is_another_file(run, path).await?),
        }
    }

    /// Ends a run whose file is not the one that was to be read.
    pub(super) async fn is_another_file(&self, run: &mut Run, path: &Path) -> Result<Stop, Stop> {
        let path = path.display();
        let Some(artifact) = run.artifact.as_ref() else {
            return Ok(failed(format!("{path} was changed since the run began: run it again")));
        };
        let reason = format!(
            "the spool no longer holds {}, and {path} is not the file that was read for it. Put that file back and \
             `retry`, or `reject` this run and deliver the present file with `run {} --from {path}`",
            artifact.name, run.pipeline
        );
        if run.state == RunState::Extracting {
            self.context.ledger.advance(run, RunState::Transforming, None).await?;
        }
        Ok(Stop::End { state: RunState::Held, reason })
    }
}
