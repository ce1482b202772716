//! Compression and encryption of a run's artifact.

use std::io;
use std::sync::Arc;

use super::{RunExecution, Stop, blocking, failed};
use crate::encode::Packing;
use crate::encrypt::Keys;
use crate::ledger::record::Run;
use crate::ledger::state::RunState;
use crate::name::PendingName;
use crate::pipeline::plan::{ArtifactPlan, Compression, Encryption, entry_name};
use crate::schedule::slot::Slot;

impl RunExecution<'_> {
    /// Returns the compression and encryption of the artifact `name`, if it has any. Entries of ZIPs have no name that
    /// waits for its content.
    ///
    /// # Errors
    /// A key cannot be used: the run fails.
    pub(super) async fn packing(
        &self,
        artifact: &ArtifactPlan,
        slot: &Slot,
        name: &PendingName,
    ) -> Result<Option<Packing>, Stop> {
        let keys = match &artifact.encrypt {
            Some(encrypt) => Some(self.keys(encrypt).await?),
            None => None,
        };
        let ArtifactPlan { name: template, split, compress, .. } = artifact;
        if compress.is_none() && keys.is_none() {
            return Ok(None);
        }
        let (template, is_split, slot, name) = (template.clone(), split.is_some(), slot.clone(), name.to_string());
        let entry_template = match compress {
            Some(Compression::Zip(entry)) => entry.clone(),
            Some(Compression::Gzip | Compression::Zstd) | None => None,
        };
        let entry = move |number| {
            let number = is_split.then_some(number);
            let file = match number {
                Some(number) => {
                    template.render_file(&slot.name_fields(), number).map_err(io::Error::other)?.to_string()
                }
                None => name.clone(),
            };
            entry_name(entry_template.as_ref(), &slot, &file, number)
                .map_err(|error| io::Error::other(format!("artifact.compress.zip.entry: {error}")))
        };
        Ok(Some(Packing { compress: compress.clone(), keys, entry: Box::new(entry) }))
    }

    /// Returns the packing of a ZIP with these entries.
    ///
    /// # Errors
    /// A key cannot be used: the run fails.
    pub(super) async fn archive_packing(&self, entries: Vec<String>) -> Result<Packing, Stop> {
        let keys = match &self.plan.artifact.encrypt {
            Some(encrypt) => Some(self.keys(encrypt).await?),
            None => None,
        };
        let entry = move |number: usize| {
            entries.get(number - 1).cloned().ok_or_else(|| io::Error::other("an entry without a name"))
        };
        Ok(Packing { compress: Some(Compression::Zip(None)), keys, entry: Box::new(entry) })
    }

    async fn keys(&self, encrypt: &Arc<Encryption>) -> Result<Arc<Keys>, Stop> {
        let (encrypt, now) = (encrypt.clone(), self.context.clock.now());
        let read = blocking(move || encrypt.keys(now)).await?;
        read.map(Arc::new).map_err(|error| failed(error.to_string()))
    }

    /// Checks that all keys to encrypt with are usable now.
    ///
    /// # Errors
    /// One cannot be used: the run fails.
    pub(super) async fn check_encryption_keys(&self) -> Result<(), Stop> {
        for encrypt in self.plan.encryptions() {
            self.keys(encrypt).await?;
        }
        Ok(())
    }

    /// Holds a run whose encrypted artifact is lost after its publishing may have begun: the same rows would give other
    /// bytes, which are not those that the destination may have.
    pub(super) async fn hold_lost_encrypted(&self, run: &mut Run) -> Result<(), Stop> {
        let Some(name) = run.artifact.as_ref().map(|artifact| artifact.name.clone()) else { return Ok(()) };
        if self.plan.encryptions().next().is_none() {
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
