//! Compression and encryption of a run's artifact.

use std::io;
use std::sync::Arc;

use super::{RunExecution, Stop, blocking, failed};
use crate::encode::Packing;
use crate::encrypt::Keys;
use crate::ledger::record::Run;
use crate::ledger::state::RunState;
use crate::pipeline::plan::{ArtifactPlan, Compression, entry_name};
use crate::schedule::slot::Slot;

impl RunExecution<'_> {
    /// Returns the compression and encryption of the artifact `name`, if it has any.
    ///
    /// # Errors
    /// A key cannot be used: the run fails.
    pub(super) async fn packing(&self, slot: &Slot, name: &str) -> Result<Option<Packing>, Stop> {
        let keys = self.encryption_keys().await?.map(Arc::new);
        let ArtifactPlan { name: template, split, compress, .. } = &self.plan.artifact;
        if compress.is_none() && keys.is_none() {
            return Ok(None);
        }
        let (template, is_split, slot, name) = (template.clone(), split.is_some(), slot.clone(), name.to_owned());
        let entry_template = match compress {
            Some(Compression::Zip(entry)) => entry.clone(),
            Some(Compression::Gzip | Compression::Zstd) | None => None,
        };
        let entry = move |number| {
            let number = is_split.then_some(number);
            let file = match number {
                Some(number) => template.render_file(&slot.name_fields(), number).map_err(io::Error::other)?,
                None => name.clone(),
            };
            entry_name(entry_template.as_ref(), &slot, &file, number)
                .map_err(|error| io::Error::other(format!("artifact.compress.zip.entry: {error}")))
        };
        Ok(Some(Packing { compress: compress.clone(), keys, entry: Box::new(entry) }))
    }

    /// Reads the keys to encrypt with: they must be usable now.
    ///
    /// # Errors
    /// One cannot be used: the run fails.
    pub(super) async fn encryption_keys(&self) -> Result<Option<Keys>, Stop> {
        let (plan, now) = (self.plan.clone(), self.context.clock.now());
        let read = move || plan.artifact.encrypt.as_ref().map(|encrypt| encrypt.keys(now)).transpose();
        blocking(read).await?.map_err(|error| failed(error.to_string()))
    }

    /// Holds a run whose encrypted artifact is lost after its publishing may have begun: the same rows would give other
    /// bytes, which are not those that the destination may have.
    pub(super) async fn hold_lost_encrypted(&self, run: &mut Run) -> Result<(), Stop> {
        let Some(name) = run.artifact.as_ref().map(|artifact| artifact.name.clone()) else { return Ok(()) };
        if self.plan.artifact.encrypt.is_none() {
            return Ok(());
        }
        let deliveries = self.context.ledger.deliveries(&run.id).await?;
        let Some(begun) = deliveries.into_iter().find(|delivery| delivery.intent.is_some()) else { return Ok(()) };
        if run.state == RunState::Extracting {
            self.context.ledger.advance(run, RunState::Transforming, None).await?;
        }
        let reason = format!(
            "the spool no longer holds {name}, whose delivery to {} had begun, and encrypted again it would be another \
             file. Look there, then `reject` this run and deliver the rows with `backfill` or a new slot",
            begun.destination
        );
        Err(Stop::End { state: RunState::Held, reason })
    }
}
