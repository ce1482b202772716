//! The watermark of a pipeline's records: the moment up to which its delivered runs have read.

use super::store::params;
use super::{Ledger, LedgerError};

impl Ledger {
    /// Returns the latest moment up to which a delivered run of the pipeline read the source with this digest; `None`
    /// before the first one. Only delivered runs count, and a run of an older slot moves nothing back.
    pub async fn watermark(&self, pipeline: &str, source_digest: &str) -> Result<Option<String>, LedgerError> {
        let (pipeline, digest) = (pipeline.to_owned(), source_digest.to_owned());
        self.read("read the watermark", move |tx| {
            const SELECT: &str = "SELECT MAX(watermark) AS watermark FROM runs \
                                  WHERE state = 'delivered' AND pipeline = $1 AND source_digest = $2";
            tx.query_one(SELECT, params![&pipeline, &digest])?.get("watermark")
        })
        .await
    }
}
