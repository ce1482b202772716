//! Uniqueness and references, which need all rows: values as numbers, sorted on disk where memory does not suffice.
//!
//! A number has 80 bits of a keyed hash of the values, and the row. With a hundred million rows, two different values
//! have the same hash once in a hundred million runs. Whoever finds a collision beforehand would get a run held, which a
//! repeated value does as well.

use std::io;
use std::path::Path;

use super::offending::Offending;
use super::part_of;
use crate::pipeline::plan::Severity;
use crate::transform::Row;
use crate::transform::key_hash::KeyHash;
use crate::transform::sort::{Sorter, Words};

/// Bits of a number below its hash.
const ROW_BITS: u32 = 48;
/// The bits of a hash that are in a number.
const HASH_BITS: u128 = u128::MAX << ROW_BITS;
/// Set for a value that refers to another.
const REFERRING: u128 = 1 << (ROW_BITS - 1);

/// The values of all rows, for one expectation.
pub(super) struct KeyCheck {
    pub(super) severity: Severity,
    kind: KeyKind,
    hash: KeyHash,
    sorter: Sorter<Words>,
}

/// Positions and names of the columns.
pub(super) enum KeyKind {
    Unique { columns: Vec<usize>, names: Vec<String> },
    References { from: usize, to: usize, from_name: String, to_name: String },
}

/// The rows that do not meet an expectation.
pub(super) struct KeyResult {
    pub(super) kind: KeyKind,
    pub(super) severity: Severity,
    pub(super) offending: Offending,
}

impl KeyCheck {
    pub(super) fn new(kind: KeyKind, severity: Severity, folder: &Path, memory: usize) -> Self {
        Self { severity, kind, hash: KeyHash::new(), sorter: Sorter::new(folder, memory) }
    }

    /// # Errors
    /// The temporary file cannot be written.
    #[inline]
    pub(super) fn row(&mut self, row: &Row<'_>, number: u64) -> io::Result<()> {
        let number = u128::from(number);
        match &self.kind {
            KeyKind::Unique { columns, .. } => self.sorter.push(self.hash.of(row, columns) & HASH_BITS | number),
            KeyKind::References { from, to, .. } => {
                let (from, to) = (row.cell(*from), row.cell(*to));
                if !to.is_empty() {
                    self.sorter.push(self.hash.of_bytes(to) & HASH_BITS | number)?;
                }
                if from.is_empty() || from == to {
                    return Ok(());
                }
                self.sorter.push(self.hash.of_bytes(from) & HASH_BITS | REFERRING | number)
            }
        }
    }

    /// # Errors
    /// The temporary file cannot be written or read.
    pub(super) fn finish(self) -> io::Result<KeyResult> {
        let Self { severity, kind, sorter, .. } = self;
        let mut offending = Offending::default();
        let mut sorted = sorter.finish()?;
        let row_of = |word: u128| (word & (REFERRING - 1)) as u64;
        let mut hash = None;
        // The first row of a value, until there is a second one.
        let mut lone = None;
        let mut is_dangling = false;
        while let Some(&word) = sorted.next()? {
            let is_new = hash.replace(word >> ROW_BITS) != Some(word >> ROW_BITS);
            match &kind {
                KeyKind::Unique { .. } if is_new => lone = Some(row_of(word)),
                KeyKind::Unique { .. } => {
                    lone.take().into_iter().for_each(|first| offending.add(first));
                    offending.add(row_of(word));
                }
                KeyKind::References { .. } => {
                    // The values that are referred to come first.
                    is_dangling = if is_new { word & REFERRING != 0 } else { is_dangling };
                    if is_dangling {
                        offending.add(row_of(word));
                    }
                }
            }
        }
        Ok(KeyResult { kind, severity, offending })
    }
}

impl KeyKind {
    /// Returns the names of the columns.
    pub(super) fn names(&self) -> Vec<String> {
        match self {
            Self::Unique { names, .. } => names.clone(),
            Self::References { from_name, to_name, .. } => vec![from_name.clone(), to_name.clone()],
        }
    }

    /// Returns the key in the pipeline file.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Unique { .. } => "unique",
            Self::References { .. } => "references",
        }
    }
}

impl KeyResult {
    pub(super) fn message(&self, rows: u64) -> String {
        let part = part_of(self.offending.total, rows);
        match &self.kind {
            KeyKind::Unique { names, .. } => format!("{part} the same {} as another row", names.join(" and ")),
            KeyKind::References { from_name, to_name, .. } => {
                format!("{part} a value of {from_name} that does not occur in {to_name}")
            }
        }
    }
}
