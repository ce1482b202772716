//! `fill` with the last value above: passes each row on at once.

use super::row_buffer::RowBuffer;
use super::{Next, TableOperator};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::Column;
use crate::transform::error::TransformError;
use crate::transform::program::Row;

pub(super) struct FillRows {
    /// The last value above and if it is plain, by the position of the cell, for the columns that are filled.
    last: Vec<Option<(Vec<u8>, bool)>>,
    buffer: RowBuffer,
}

impl FillRows {
    pub(super) fn new(filled: &[Column], columns: &Columns) -> Self {
        let is_filled = |name: &String| filled.iter().any(|column| column.name == *name);
        let last = columns.cells().0.iter().map(|name| is_filled(name).then(|| (Vec::new(), true))).collect();
        Self { last, buffer: RowBuffer::default() }
    }
}

impl TableOperator for FillRows {
    fn row(&mut self, row: &Row<'_>, next: &mut Next<'_>) -> Result<(), TransformError> {
        self.buffer.clear();
        for (cell, last) in row.cells().zip(&mut self.last) {
            match last {
                Some((last, is_plain)) if cell.bytes.is_empty() => self.buffer.push(last, *is_plain),
                Some((last, is_plain)) => {
                    last.clear();
                    last.extend_from_slice(cell.bytes);
                    *is_plain = cell.is_plain;
                    self.buffer.push(cell.bytes, cell.is_plain);
                }
                None => self.buffer.push(cell.bytes, cell.is_plain),
            }
        }
        next(self.buffer.record(row))
    }

    fn finish(&mut self, _: &mut Next<'_>) -> Result<(), TransformError> {
        Ok(())
    }

    fn counts(&self) -> Vec<u64> {
        Vec::new()
    }
}
