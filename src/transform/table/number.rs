//! `number`: passes each row on at once, with its number.

use std::io::Write;

use super::row_buffer::RowBuffer;
use super::{Next, TableOperator};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::Number;
use crate::transform::error::TransformError;
use crate::transform::program::Row;

pub(super) struct NumberRows {
    /// The position of the column; that after the last cell if it is new.
    position: usize,
    next: u64,
    text: Vec<u8>,
    buffer: RowBuffer,
}

impl NumberRows {
    pub(super) fn new(number: &Number, columns: &Columns) -> Self {
        let names = columns.cells().0;
        let position = names.iter().position(|name| *name == number.column.name).unwrap_or(names.len());
        Self { position, next: number.start, text: Vec::new(), buffer: RowBuffer::default() }
    }
}

impl TableOperator for NumberRows {
    fn row(&mut self, row: &Row<'_>, next: &mut Next<'_>) -> Result<(), TransformError> {
        self.text.clear();
        write!(self.text, "{}", self.next).map_err(|source| TransformError::Write { source })?;
        self.next += 1;
        self.buffer.clear();
        let mut width = 0;
        for (index, cell) in row.cells().enumerate() {
            match index == self.position {
                true => self.buffer.push(&self.text, true),
                false => self.buffer.push(cell.bytes, cell.is_plain),
            }
            width += 1;
        }
        if self.position == width {
            self.buffer.push(&self.text, true);
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
