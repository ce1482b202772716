//! Verification of webhook deliveries: only the receiver's acknowledgement is known, not what it stores.

use super::{VerifiedDelivery, VerifiedFile};
use crate::ledger::record::{Delivery, StoredReceipt};
use crate::ledger::{Ledger, LedgerError};
use crate::run::document::utc;

/// The `found` value of every webhook delivery.
pub(super) const ACKNOWLEDGED: &str = "acknowledged";

/// Returns true if the receipt is a webhook's, whatever kind the destination has now.
pub(super) fn is_webhook(delivery: &Delivery) -> bool {
    delivery.receipt.as_ref().is_some_and(|stored| stored.receipt.published.starts_with("webhook-id "))
}

/// Returns the result for a webhook delivery. It has a receipt, so all of it was acknowledged.
///
/// # Errors
/// The ledger cannot be read.
pub(super) async fn verify(ledger: &Ledger, run: &str, delivery: Delivery) -> Result<VerifiedDelivery, LedgerError> {
    let (Some(stored), Some(intent)) = (delivery.receipt, delivery.intent) else {
        return Ok(VerifiedDelivery { run: run.to_owned(), files: Vec::new(), pickup: None });
    };
    let acknowledged = match intent.batching {
        Some(_) => {
            // A delivery of one batch records no batches, only its receipt.
            let batches = ledger.parts(run, &delivery.destination).await?.len().max(1);
            format!("{batches} of {batches} batches acknowledged")
        }
        None => "acknowledged".to_owned(),
    };
    let how = format!("cannot be verified: the receiver stores the data; {acknowledged}, {}", last_status(&stored));
    let files = intent.files.into_iter().map(|file| VerifiedFile {
        run: run.to_owned(),
        destination: delivery.destination.clone(),
        path: file.final_path,
        role: file.role,
        found: ACKNOWLEDGED,
        how: how.clone(),
    });
    Ok(VerifiedDelivery { run: run.to_owned(), files: files.collect(), pickup: None })
}

/// Returns the last status and its time. There is no status if earlier attempts had everything acknowledged.
fn last_status(stored: &StoredReceipt) -> String {
    match stored.receipt.verified.starts_with("status ") {
        true => format!("last {} at {}", stored.receipt.verified, utc(stored.ended_ms)),
        false => format!("by {}", utc(stored.ended_ms)),
    }
}
