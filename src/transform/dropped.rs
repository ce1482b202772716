//! Rows that steps dropped because a value had no result, and the reasons.

use std::collections::BTreeSet;

use super::error::TransformError;
use crate::pipeline::masked::MASKED;

/// The largest number of dropped rows that are kept; others are only counted.
pub const DROPPED_KEPT_MAX: usize = 100_000;

/// The dropped rows of a transform.
#[derive(Clone, Debug, Default)]
pub struct DroppedRows {
    /// All of them, kept or not.
    pub total: u64,
    /// At most [`DROPPED_KEPT_MAX`], by their records.
    pub rows: Vec<DroppedRow>,
}

/// A row that a step dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedRow {
    /// The record number in the extract, from 1.
    pub record: u64,
    pub line: u64,
    /// The index of the step.
    pub step: usize,
    /// The column of the value without a result.
    pub column: String,
    pub reason: String,
}

impl DroppedRows {
    pub(super) fn add(&mut self, row: impl FnOnce() -> DroppedRow) {
        self.total += 1;
        if self.rows.len() < DROPPED_KEPT_MAX {
            self.rows.push(row());
        }
    }

    /// Adds rows of later records.
    pub(super) fn append(&mut self, later: Self) {
        self.total += later.total;
        let left = DROPPED_KEPT_MAX.saturating_sub(self.rows.len());
        self.rows.extend(later.rows.into_iter().take(left));
    }

    /// Joins the rows that several steps dropped.
    pub(super) fn join(parts: impl Iterator<Item = Self>) -> Self {
        let mut joined = Self::default();
        for part in parts {
            joined.total += part.total;
            joined.rows.extend(part.rows);
        }
        joined.rows.sort_by_key(|row| (row.record, row.step));
        joined.rows.truncate(DROPPED_KEPT_MAX);
        joined
    }
}

/// Replaces the value of an error in a masked column.
pub(super) fn hide(error: TransformError, masked: &BTreeSet<String>) -> TransformError {
    match error {
        TransformError::Row(mut error) if masked.contains(&error.column) => {
            MASKED.clone_into(&mut error.value);
            TransformError::Row(error)
        }
        TransformError::DuplicateKey { mut key, first, second, step } => {
            let values = key.iter_mut().filter(|(column, _)| masked.contains(column));
            values.for_each(|(_, value)| MASKED.clone_into(value));
            TransformError::DuplicateKey { key, first, second, step }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rows_are_kept_and_all_are_counted() {
        let row = |record: u64, step| DroppedRow {
            record,
            line: record + 1,
            step,
            column: String::new(),
            reason: String::new(),
        };
        let max = DROPPED_KEPT_MAX as u64;
        let mut first = DroppedRows::default();
        (0..max).for_each(|number| first.add(|| row(number * 2, 0)));
        assert_eq!((first.total, first.rows.len()), (max, DROPPED_KEPT_MAX));
        first.add(|| row(max * 2, 0));
        assert_eq!((first.total, first.rows.len()), (max + 1, DROPPED_KEPT_MAX));
        let mut second = DroppedRows::default();
        [3, 1, 2].into_iter().for_each(|record| second.add(|| row(record, 4)));
        let joined = DroppedRows::join([first, second].into_iter());
        assert_eq!((joined.total, joined.rows.len()), (max + 4, DROPPED_KEPT_MAX));
        let order: Vec<_> = joined.rows[..6].iter().map(|row| (row.record, row.step)).collect();
        assert_eq!(order, [(0, 0), (1, 4), (2, 0), (2, 4), (3, 4), (4, 0)]);
    }
}
