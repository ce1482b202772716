//! Operators that need more than one row at a time.

mod aggregate;
mod dedupe;
mod delta;
mod fill;
mod join;
mod keys;
mod limit;
mod number;
mod pivot;
mod row_buffer;
mod sort;
mod spill;
mod unpivot;

use std::path::Path;

use tokio_util::sync::CancellationToken;

pub(crate) use self::aggregate::{TotalColumn, Totals};
use super::error::TransformError;
use super::finding::StepFinding;
use super::program::Row;
use super::record::Record;
use super::step_inputs::{DeltaResult, StepInputs};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{Fill, FillWith, StepKind, TransformStep};
use crate::settings::Limits;

/// Takes all rows of one row program, and passes records to the next one.
pub(super) trait TableOperator: Send {
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

    /// Returns one that does the same with other rows, on another thread. `None` if the result of a row depends on others,
    /// or may be much larger than the row.
    ///
    /// # Errors
    /// A table that it reads cannot be read.
    fn fork(&mut self) -> Result<Option<Box<dyn TableOperator>>, TransformError> {
        Ok(None)
    }

    /// Returns the counts of a fork since the last call.
    fn take_tally(&mut self) -> Vec<u64> {
        Vec::new()
    }

    /// Adds the counts of a fork.
    fn add_tally(&mut self, _: Vec<u64>) {}

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
    /// The limits of tables that are read.
    pub limits: Limits,
    /// Looked at once in a while by operators that work without taking or passing on rows.
    pub stop: CancellationToken,
    pub step_inputs: StepInputs,
}

/// Opens an operator on whole tables; `None` for one on rows, and for one that reported problems. `columns` are its
/// input, one cell each, in their order.
///
/// # Errors
/// A table that it reads cannot be opened.
pub(super) fn open(
    step: &TransformStep,
    columns: &mut Columns,
    resources: &Resources<'_>,
) -> Result<Option<Box<dyn TableOperator>>, TransformError> {
    Ok(match &step.kind {
        StepKind::Sort(sort) => Some(Box::new(sort::SortRows::new(sort, &step.at.key, columns, resources))),
        StepKind::Dedupe(dedupe) => Some(Box::new(dedupe::DedupeRows::new(dedupe, &step.at.key, columns, resources))),
        StepKind::Limit(most) => Some(Box::new(limit::LimitRows::new(*most))),
        StepKind::Unpivot(unpivot) => Some(Box::new(unpivot::UnpivotRows::new(unpivot, columns))),
        StepKind::Join(join) => {
            let join = join::JoinRows::open(step, join, columns, resources)?;
            join.map(|join| Box::new(join) as Box<dyn TableOperator>)
        }
        StepKind::Pivot(pivot) => Some(Box::new(pivot::PivotRows::new(step, pivot, resources))),
        StepKind::Aggregate(aggregate) => Some(Box::new(aggregate::AggregateRows::new(step, aggregate, resources))),
        StepKind::Fill(Fill { columns: filled, with: FillWith::Previous }) => {
            Some(Box::new(fill::FillRows::new(filled, columns)))
        }
        StepKind::Number(number) => Some(Box::new(number::NumberRows::new(number, columns))),
        StepKind::Delta(delta) => Some(Box::new(delta::DeltaStep::new(step, delta, columns, resources))),
        StepKind::Rename(_) | StepKind::Select(_) | StepKind::Drop(_) | StepKind::Filter(_) | StepKind::Set(_) => None,
        StepKind::Map(_) | StepKind::Mask(_) | StepKind::Fill(Fill { with: FillWith::Value { .. }, .. }) => None,
    })
}
