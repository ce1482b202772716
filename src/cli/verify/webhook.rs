//! What `verify` knows of a delivery by webhook: what its receiver acknowledged, and nothing of what it keeps.

use super::{Found, Looked};
use crate::ledger::record::{Delivery, StoredReceipt};
use crate::ledger::{Ledger, LedgerError};
use crate::run::document::utc;

/// What is found of every such delivery.
pub(super) const ACKNOWLEDGED: &str = "acknowledged";

/// Whether this is a receipt of a webhook's, whatever the settings say of its destination by now.
pub(super) fn is_by_webhook(delivery: &Delivery) -> bool {
    delivery.receipt.as_ref().is_some_and(|stored| stored.receipt.published.starts_with("webhook-id "))
}

/// Returns what is known of a delivery by webhook. It has a receipt, so all of it was acknowledged.
///
/// # Errors
/// The ledger cannot be read.
pub(super) async fn look(ledger: &Ledger, run: &str, delivery: Delivery) -> Result<Looked, LedgerError> {
    let (Some(stored), Some(intent)) = (delivery.receipt, delivery.intent) else {
        return Ok(Looked { run: run.to_owned(), files: Vec::new(), pickup: None });
    };
    let acknowledged = match intent.cutting {
        Some(_) => {
            // A delivery of one batch keeps none apart: its receipt says it.
            let batches = ledger.parts(run, &delivery.destination).await?.len().max(1);
            format!("{batches} of {batches} batches acknowledged")
        }
        None => "acknowledged".to_owned(),
    };
    let how = format!("cannot be verified: the receiver keeps what it got; {acknowledged}, {}", last(&stored));
    let files = intent.files.into_iter().map(|file| Found {
        run: run.to_owned(),
        destination: delivery.destination.clone(),
        path: file.final_path,
        role: file.role,
        found: ACKNOWLEDGED,
        how: how.clone(),
    });
    Ok(Looked { run: run.to_owned(), files: files.collect(), pickup: None })
}

/// The last status and its moment. Nothing was sent any more where an earlier attempt had all acknowledged.
fn last(stored: &StoredReceipt) -> String {
    match stored.receipt.verified.starts_with("status ") {
        true => format!("last {} at {}", stored.receipt.verified, utc(stored.ended_ms)),
        false => format!("by {}", utc(stored.ended_ms)),
    }
}
