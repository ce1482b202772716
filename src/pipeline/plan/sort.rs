//! `sort`: all rows in the order of some columns.

use super::Column;
use crate::pipeline::value_type::ValueType;

/// Sorts the rows by these keys; equal ones keep their order.
pub struct Sort {
    pub keys: Vec<SortKey>,
}

/// A column to sort by, and its order.
pub struct SortKey {
    pub column: Column,
    pub value_type: ValueType,
    pub direction: Direction,
    pub nulls: NullsPosition,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// The place of empty cells, whatever the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullsPosition {
    First,
    Last,
}
