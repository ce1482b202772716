//! `sort`: all rows, by an external merge sort.

use super::{Next, Resources, TableOperator};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::Sort;
use crate::transform::error::TransformError;
use crate::transform::key::Keys;
use crate::transform::program::Row;
use crate::transform::sort::{Records, Sorter};
use crate::transform::stored::{self, Reader};

pub(super) struct SortRows {
    keys: Keys,
    sorter: Option<Sorter<Records>>,
    key: Vec<u8>,
    payload: Vec<u8>,
}

impl SortRows {
    /// `step` is the step's key in the pipeline file.
    pub(super) fn new(sort: &Sort, step: &str, columns: &Columns, resources: &Resources<'_>) -> Self {
        let sorter = Sorter::new(resources.folder, resources.memory).stopped_by(&resources.stop);
        let keys = Keys::new(&sort.keys, step, columns);
        Self { keys, sorter: Some(sorter), key: Vec::new(), payload: Vec::new() }
    }
}

impl TableOperator for SortRows {
    fn row(&mut self, row: &Row<'_>, _: &mut Next<'_>) -> Result<(), TransformError> {
        self.key.clear();
        self.keys.append(row, &mut self.key)?;
        self.payload.clear();
        stored::write(row, &mut self.payload);
        let Some(sorter) = &mut self.sorter else { return Ok(()) };
        sorter.push(&self.key, &self.payload).map_err(TransformError::spilling)
    }

    fn finish(&mut self, next: &mut Next<'_>) -> Result<(), TransformError> {
        let Some(sorter) = self.sorter.take() else { return Ok(()) };
        let mut sorted = sorter.finish().map_err(TransformError::spilling)?;
        let mut reader = Reader::default();
        while let Some(item) = sorted.next().map_err(TransformError::spilling)? {
            next(reader.read(&item.payload))?;
        }
        Ok(())
    }

    fn counts(&self) -> Vec<u64> {
        Vec::new()
    }
}
