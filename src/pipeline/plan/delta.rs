//! `delta`: only the changes since the last file that the destination received.

use super::{Column, Plan, StepKind};

/// Passes on the rows that were added, changed or removed since the last file that the destination received.
pub struct Delta {
    /// The columns whose values together identify a row.
    pub by: Vec<Column>,
    /// The columns whose change makes a row changed; `None` for all but those of `by`. Of an empty list, no row
    /// is changed.
    pub compare: Option<Vec<Column>>,
    /// The new column, the last one.
    pub op: Column,
    pub words: ChangeWords,
    pub initial: FirstDelivery,
}

/// The words for what happened to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeWords {
    pub added: String,
    pub changed: String,
    pub removed: RemovedRows,
}

/// The policy for rows that the destination has and that are no longer there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemovedRows {
    /// Send their keys, with this word.
    Send(String),
    /// Send nothing. They stay in the baseline, as the destination still has them.
    Keep,
}

/// The policy for the first file, which has all rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstDelivery {
    /// Deliver it.
    All,
    /// Hold it for a person.
    Hold,
}

impl Plan {
    /// Returns the `delta` of the steps; there is one at most.
    pub fn delta(&self) -> Option<&Delta> {
        self.steps.iter().find_map(|step| match &step.kind {
            StepKind::Delta(delta) => Some(delta),
            _ => None,
        })
    }
}
