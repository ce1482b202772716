//! `sort`: all rows, by an external merge sort.

use super::{Next, Resources, TableOperator};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::Sort;
use crate::transform::error::TransformError;
use crate::transform::program::Row;
use crate::transform::sort::{Records, Sorter};
use crate::transform::stored::{self, Reader};

pub(super) struct SortRows {
    /// The positions of the keys' cells.
    keys: Vec<usize>,
    sorter: Option<Sorter<Records>>,
    key: Vec<u8>,
    payload: Vec<u8>,
}

impl SortRows {
    pub(super) fn new(sort: &Sort, columns: &Columns, resources: &Resources<'_>) -> Self {
        let keys = sort.keys.iter().map(|column| columns.position_of(&column.name)).collect();
        let sorter = Some(Sorter::new(resources.folder, resources.memory));
        Self { keys, sorter, key: Vec::new(), payload: Vec::new() }
    }
}

impl TableOperator for SortRows {
    fn row(&mut self, row: &Row<'_>, _: &mut Next<'_>) -> Result<(), TransformError> {
        self.key.clear();
        for &key in &self.keys {
            // The bytes below 2 are escaped, so that the end of a text comes before any of its continuations.
            for &byte in row.cell(key) {
                if byte < 2 {
                    self.key.push(1);
                }
                self.key.push(byte);
            }
            self.key.push(0);
        }
        self.payload.clear();
        stored::write(row, &mut self.payload);
        let Some(sorter) = &mut self.sorter else { return Ok(()) };
        sorter.push(&self.key, &self.payload).map_err(|source| TransformError::Spill { source })
    }

    fn finish(&mut self, next: &mut Next<'_>) -> Result<(), TransformError> {
        let spilling = |source| TransformError::Spill { source };
        let Some(sorter) = self.sorter.take() else { return Ok(()) };
        let mut sorted = sorter.finish().map_err(spilling)?;
        let mut reader = Reader::default();
        while let Some(item) = sorted.next().map_err(spilling)? {
            next(reader.read(&item.payload))?;
        }
        Ok(())
    }

    fn counts(&self) -> Vec<u64> {
        Vec::new()
    }
}
