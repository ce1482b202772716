//! An operator on whole tables and the program after it, and the way of a row through several.

use std::collections::BTreeSet;

use super::error::TransformError;
use super::program::{Program, Row};
use super::record::Record;
use super::table::TableOperator;

pub(super) struct Link {
    pub(super) operator: Box<dyn TableOperator>,
    /// The columns before the operator whose values must not be shown.
    pub(super) masked: BTreeSet<String>,
    pub(super) program: Program,
}

/// Takes the rows at the end.
pub(super) type OnRow<'a> = dyn FnMut(&Row<'_>) -> Result<(), TransformError> + 'a;

/// Passes a row of a program through the operators and programs after it.
#[inline]
pub(super) fn pass_on(row: &Row<'_>, rest: &mut [Link], on_row: &mut OnRow<'_>) -> Result<(), TransformError> {
    match rest.split_first_mut() {
        None => on_row(row),
        Some((Link { operator, masked: _, program }, rest)) => {
            operator.row(row, &mut |record| pass(program, rest, record, on_row))
        }
    }
}

/// Passes a record through a program and the operator and programs after it.
#[inline]
pub(super) fn pass(
    program: &mut Program,
    rest: &mut [Link],
    record: Record<'_>,
    on_row: &mut OnRow<'_>,
) -> Result<(), TransformError> {
    match program.row(record)? {
        Some(row) => pass_on(&row, rest, on_row),
        None => Ok(()),
    }
}
