//! The parts of a delivery that were acknowledged, between the thread that sends them and the ledger that keeps them.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;

use crate::deliver::Parts;
use crate::ledger::{Ledger, LedgerError};

pub(super) struct KeptParts {
    ledger: Ledger,
    run: String,
    destination: String,
    sha256: String,
    acknowledged: BTreeSet<u64>,
}

impl KeptParts {
    pub async fn of(ledger: &Ledger, run: &str, destination: &str, sha256: &str) -> Result<Self, LedgerError> {
        Ok(Self {
            acknowledged: ledger.parts(run, destination).await?,
            ledger: ledger.clone(),
            run: run.to_owned(),
            destination: destination.to_owned(),
            sha256: sha256.to_owned(),
        })
    }
}

impl Parts for KeptParts {
    fn acknowledged(&self) -> &BTreeSet<u64> {
        &self.acknowledged
    }

    fn acknowledge<'a>(&'a self, parts: &'a [u64]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let kept = self.ledger.acknowledge(&self.run, &self.destination, &self.sha256, parts).await;
            kept.map_err(|error| error.to_string())
        })
    }
}
