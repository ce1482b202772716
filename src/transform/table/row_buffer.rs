//! A row with some cells of another one, in memory that is used again.

use crate::expr::value::{Bounds, Cells};
use crate::transform::program::Row;
use crate::transform::record::Record;

#[derive(Default)]
pub(super) struct RowBuffer {
    bytes: Vec<u8>,
    bounds: Vec<Bounds>,
    is_plain: bool,
}

impl RowBuffer {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bounds.clear();
        self.is_plain = true;
    }

    /// Adds a cell, which is plain if it contains no comma, quote or line end.
    #[inline]
    pub(super) fn push(&mut self, cell: &[u8], is_plain: bool) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(cell);
        self.bounds.push((start, self.bytes.len() as u32));
        self.is_plain &= is_plain;
    }

    /// Returns the cells as a record, with the number and line of `row`.
    pub(super) fn record(&self, row: &Row<'_>) -> Record<'_> {
        let (number, line) = row.origin();
        let cells = Cells { bytes: &self.bytes, bounds: &self.bounds };
        Record { cells, is_plain: self.is_plain, number, line }
    }
}
