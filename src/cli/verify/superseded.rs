//! Files that a later run of ours replaced, or removed with the group that it replaced.

use std::collections::HashMap;

use super::Delivered;
use crate::deliver::Role;
use crate::ledger::{self, Ledger, LedgerError};
use crate::run::document::utc;

/// The last delivery of each path, by address and path.
type LastAt<'a> = HashMap<(&'a str, &'a str), (&'a ledger::Delivered, Role)>;

/// Fills in which files of the deliveries are superseded, according to the ledger.
///
/// # Errors
/// The ledger cannot be read.
pub(super) async fn find<'a>(
    ledger: &Ledger,
    deliveries: impl Iterator<Item = &'a mut Delivered>,
) -> Result<(), LedgerError> {
    let mut deliveries: Vec<&mut Delivered> = deliveries.collect();
    let Some(first_ms) = deliveries.iter().map(|delivered| delivered.ended_ms).min() else { return Ok(()) };
    let later = ledger.delivered_since(first_ms).await?;
    let mut last = LastAt::new();
    for delivery in &later {
        for file in &delivery.intent.files {
            last.insert((&delivery.address, &file.final_path), (delivery, file.role));
        }
    }
    for delivered in &mut deliveries {
        delivered.superseded = superseded(delivered, &last);
    }
    Ok(())
}

/// Returns for each file of the delivery how it was superseded, if it was.
fn superseded(delivered: &Delivered, last: &LastAt<'_>) -> Vec<Option<String>> {
    let later = |path: &str| {
        let (later, role) = last.get(&(delivered.address.as_str(), path))?;
        (later.ended_ms > delivered.ended_ms && later.run != delivered.run).then_some((*later, *role))
    };
    // A delivery that replaces data of a group removes the rest of it.
    let group = delivered.intent.data().find_map(|file| {
        let (later, role) = later(&file.final_path)?;
        (role == Role::Data).then_some(later)
    });
    let of_file = |path: &str| match (later(path), group) {
        (Some((later, _)), _) => {
            Some(format!("by run {}, which delivered it again at {}", later.run, utc(later.ended_ms)))
        }
        (None, Some(group)) => {
            Some(format!("by run {}, which replaced its group at {}", group.run, utc(group.ended_ms)))
        }
        (None, None) => None,
    };
    delivered.intent.files.iter().map(|file| of_file(&file.final_path)).collect()
}
