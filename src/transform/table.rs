//! Operators that need more than one row at a time.

mod delta;
mod sort;

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::error::TransformError;
use super::finding::StepFinding;
use super::program::Row;
use super::record::Record;
use super::step_inputs::{DeltaResult, StepInputs};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{StepKind, TransformStep};

/// Takes all rows of one row program, and passes records to the next one.
pub(super) trait TableOperator {
    /// Takes the next row.
    ///
    /// # Errors
    /// Its temporary file cannot be written; a row that it cannot take; an error of `next`.
    fn row(&mut self, row: &Row<'_>, next: &mut Next<'_>) -> Result<(), TransformError>;

    /// Passes on what it kept, after the last row.
    ///
    /// # Errors
    /// As [`TableOperator::row`].
    fn finish(&mut self, next: &mut Next<'_>) -> Result<(), TransformError>;

    /// Returns its part of the row balance, in the order of its declaration.
    fn counts(&self) -> Vec<u64>;

    /// Returns what a person should know, after the last row.
    fn findings(&mut self) -> Vec<StepFinding> {
        Vec::new()
    }

    /// Returns the result of `delta`, after the last row.
    fn delta(&mut self) -> Option<DeltaResult> {
        None
    }
}

/// Takes the records that an operator passes on.
pub(super) type Next<'a> = dyn FnMut(Record<'_>) -> Result<(), TransformError> + 'a;

/// The means of an operator on whole tables.
pub(super) struct Resources<'a> {
    /// The folder of temporary files, which have no names.
    pub folder: &'a Path,
    /// Bytes of memory.
    pub memory: usize,
    /// Looked at once in a while by operators that work without taking or passing on rows.
    pub stop: CancellationToken,
    pub step_inputs: StepInputs,
}

/// Opens an operator on whole tables; `None` for one on rows. `columns` are its input, one cell each, in their order.
pub(super) fn open(
    step: &TransformStep,
    columns: &Columns,
    resources: &Resources<'_>,
) -> Option<Box<dyn TableOperator>> {
    match &step.kind {
        StepKind::Sort(sort) => Some(Box::new(sort::SortRows::new(sort, columns, resources))),
        StepKind::Delta(delta) => Some(Box::new(delta::DeltaStep::new(step, delta, columns, resources))),
        StepKind::Rename(_) | StepKind::Select(_) | StepKind::Drop(_) | StepKind::Filter(_) | StepKind::Set(_) => None,
    }
}
