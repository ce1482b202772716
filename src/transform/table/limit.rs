//! `limit`: the first rows.

use super::{Next, TableOperator};
use crate::transform::error::TransformError;
use crate::transform::program::Row;
use crate::transform::stored::{self, Reader};

pub(super) struct LimitRows {
    /// The rows that may still pass.
    left: u64,
    dropped: u64,
    stored: Vec<u8>,
    reader: Reader,
}

impl LimitRows {
    pub(super) fn new(most: u64) -> Self {
        Self { left: most, dropped: 0, stored: Vec::new(), reader: Reader::default() }
    }
}

impl TableOperator for LimitRows {
    fn row(&mut self, row: &Row<'_>, next: &mut Next<'_>) -> Result<(), TransformError> {
        if self.left == 0 {
            self.dropped += 1;
            return Ok(());
        }
        self.left -= 1;
        self.stored.clear();
        stored::write(row, &mut self.stored);
        next(self.reader.read(&self.stored))
    }

    fn finish(&mut self, _: &mut Next<'_>) -> Result<(), TransformError> {
        Ok(())
    }

    fn counts(&self) -> Vec<u64> {
        vec![self.dropped]
    }
}
