//! Rows with cells of their own, for another thread.

use crate::expr::value::{Bounds, CellRef, Cells};
use crate::transform::program::Row;
use crate::transform::record::Record;

#[derive(Default)]
pub(super) struct JoinedRows {
    bytes: Vec<u8>,
    /// The cells of all rows, one row after the other.
    bounds: Vec<Bounds>,
    rows: Vec<Kept>,
    /// The cells of each row, in their order.
    outputs: Vec<CellRef>,
}

struct Kept {
    number: u64,
    line: u64,
    is_plain: bool,
}

impl JoinedRows {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bounds.clear();
        self.rows.clear();
        self.outputs.clear();
    }

    /// Adds a row, which has as many cells as the others.
    #[inline]
    pub(super) fn push(&mut self, row: &Row<'_>) {
        let (number, line) = row.origin();
        let mut is_plain = true;
        for cell in row.cells() {
            let start = self.bytes.len() as u32;
            self.bytes.extend_from_slice(cell.bytes);
            self.bounds.push((start, self.bytes.len() as u32));
            is_plain &= cell.is_plain;
        }
        if self.rows.is_empty() {
            self.outputs.extend((0..self.bounds.len() as u32).map(CellRef::Input));
        }
        self.rows.push(Kept { number, line, is_plain });
    }

    /// Returns the rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let width = self.outputs.len();
        self.rows.iter().enumerate().map(move |(index, Kept { number, line, is_plain })| {
            let cells = Cells { bytes: &self.bytes, bounds: &self.bounds[index * width..(index + 1) * width] };
            let record = Record { cells, is_plain: *is_plain, number: *number, line: *line };
            Row::of_record(&self.outputs, record)
        })
    }
}
