//! The sources besides the main one: pulled like it, and read by joins.

use std::path::PathBuf;

use super::pull::Pulled;
use super::{RunExecution, Stop};
use crate::extract::{Extract, Stored};
use crate::ledger::record::Run;
use crate::pipeline::plan::{NamedSource, Plan, Source};
use crate::settings::Limits;
use crate::transform::{OpenTable, StepInputs};

impl RunExecution<'_> {
    /// Returns the extracts of the sources that joins read, by name. Each continues where an earlier process stopped.
    pub(super) async fn extract_others(&self, run: &mut Run) -> Result<Vec<(String, Extract)>, Stop> {
        let mut extracts = Vec::new();
        for NamedSource { name, source, .. } in &self.plan.others {
            let before = run.others.get(name).and_then(|other| other.extract.clone());
            let pulled = Pulled { name: Some(name), source, into: self.spool.source(name) };
            let extract = self.extract(run, &pulled).await?;
            let read = before.filter(|_| run.artifact.is_some()).map(|before| before.sha256);
            if let (Source::File(file), Stored::Spool { sha256 }, Some(read)) = (source, &extract.stored, read)
                && *sha256 != read
            {
                return Err(self.is_another_file(run, &file.path).await?);
            }
            extracts.push((name.clone(), extract));
        }
        Ok(extracts)
    }
}

/// Returns what the steps of a plan read besides the rows: files, and the extracts of its other sources.
pub fn step_inputs(plan: &Plan, others: &[(String, Extract)], limits: &Limits) -> StepInputs {
    let mut inputs = StepInputs::of_files(&plan.steps);
    for (name, extract) in others {
        let Some(other) = plan.others.iter().find(|other| other.name == *name) else { continue };
        let (extract, limits) = (extract.clone(), *limits);
        let read = std::sync::Arc::new(move || extract.open(&limits));
        let table = OpenTable { read, csv: other.source.csv(), rows_max: other.rows_max };
        inputs.tables.insert(name.clone(), table);
    }
    inputs
}

impl super::spool::Spool {
    /// Returns the folder for the extract of a source besides the main one.
    fn source(&self, name: &str) -> PathBuf {
        self.path().join(super::spool::SOURCES).join(name)
    }
}
