//! Writes for the sources of a run besides the main one.

use super::history::RunEvent;
use super::record::{ExtractFacts, OtherSource, Run};
use super::runs::{json, record};
use super::store::{Durability, params};
use super::{Ledger, LedgerError};
use crate::fault::FaultStep;

impl Ledger {
    /// Records the execution of another source before the first request about it; `None` if it expired.
    pub async fn note_other_execution_id(
        &self,
        run: &mut Run,
        source: &str,
        execution_id: Option<&str>,
    ) -> Result<(), LedgerError> {
        let (source, execution_id) = (source.to_owned(), execution_id.map(str::to_owned));
        let other = OtherSource { execution_id: execution_id.clone(), extract: None };
        let event = match execution_id {
            Some(execution_id) => RunEvent::OtherExportStarted { source: source.clone(), execution_id },
            None => RunEvent::OtherExportExpired { source: source.clone() },
        };
        let step = FaultStep::new("ledger.other_execution_id");
        self.note_other((Durability::Synced, step), run, source, other, event).await
    }

    /// Records the extract of another source in the spool.
    pub async fn note_other_extract(
        &self,
        run: &mut Run,
        source: &str,
        facts: ExtractFacts,
    ) -> Result<(), LedgerError> {
        let (source, bytes, sha256) = (source.to_owned(), facts.bytes, facts.sha256.clone());
        let execution_id = run.others.get(&source).and_then(|other| other.execution_id.clone());
        let other = OtherSource { execution_id, extract: Some(facts) };
        let event = RunEvent::OtherExtracted { source: source.clone(), bytes, sha256 };
        let step = FaultStep::new("ledger.other_extract");
        self.note_other((Durability::Ordered, step), run, source, other, event).await
    }

    /// Only the process with the run's lock calls this, so what it knows of the other sources is what is recorded.
    async fn note_other(
        &self,
        (durability, step): (Durability, FaultStep),
        run: &mut Run,
        source: String,
        other: OtherSource,
        event: RunEvent,
    ) -> Result<(), LedgerError> {
        let mut others = run.others.clone();
        others.insert(source, other);
        let (id, text, now) = (run.id.clone(), json(&others)?, self.clock.now_ms());
        self.write_as(durability, step, "record another source of the run", move |tx| {
            tx.execute("UPDATE runs SET others_json = $1, updated_ms = $2 WHERE id = $3", params![&text, now, &id])?;
            record(tx, &id, now, &event)
        })
        .await?;
        run.others = others;
        Ok(())
    }
}
