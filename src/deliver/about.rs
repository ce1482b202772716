//! What a delivery says of the artifact beside its bytes, and how one in several parts is carried on.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::BoxFuture;

/// What the receiver is told of the artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    pub pipeline: String,
    /// RFC 3339 in the pipeline's zone.
    pub slot: String,
    /// Where the other destinations have it: destination, address, path.
    pub dropped: Vec<(String, String, String)>,
}

/// The parts of a delivery that the receiver acknowledged, kept by whoever keeps the ledger.
pub trait Parts: Sync {
    /// Those that were acknowledged in earlier attempts.
    fn acknowledged(&self) -> &BTreeSet<u64>;

    /// Keeps that these were acknowledged, durably.
    ///
    /// # Errors
    /// In words: they may be asked for again.
    fn acknowledge<'a>(&'a self, parts: &'a [u64]) -> BoxFuture<'a, Result<(), String>>;

    /// Waits until the next part may be sent.
    fn ready(&self) -> BoxFuture<'_, ()>;

    /// Notes that the receiver took a part, before that is kept.
    fn succeeded(&self);

    /// Waits until a part whose send failed for the `failed`-th time may be sent again within the attempt. Returns false
    /// where the attempt is to end. `asked` is the wait that the receiver asks for.
    fn again(&self, failed: u32, asked: Option<Duration>) -> BoxFuture<'_, bool>;
}

/// For a delivery that comes in one part.
#[derive(Debug, Default)]
pub struct Whole(BTreeSet<u64>);

impl Parts for Whole {
    fn acknowledged(&self) -> &BTreeSet<u64> {
        &self.0
    }

    fn acknowledge<'a>(&'a self, _parts: &'a [u64]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn succeeded(&self) {}

    fn again(&self, _failed: u32, _asked: Option<Duration>) -> BoxFuture<'_, bool> {
        Box::pin(std::future::ready(false))
    }
}
