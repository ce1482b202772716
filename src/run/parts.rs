//! The parts of a delivery that were acknowledged, between the thread that sends them and the ledger that keeps them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::attempt::Repeats;
use crate::deliver::Parts;
use crate::ledger::Ledger;

pub(super) struct KeptParts {
    pub ledger: Ledger,
    pub run: String,
    pub destination: String,
    pub sha256: String,
    pub acknowledged: BTreeSet<u64>,
    pub repeats: Repeats,
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

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.repeats.ready())
    }

    fn succeeded(&self) {
        self.repeats.succeeded();
    }

    fn again(&self, failed: u32, asked: Option<Duration>) -> BoxFuture<'_, bool> {
        Box::pin(self.repeats.again(failed, asked))
    }
}
