//! The plan of an `aggregate`.

use super::{Column, Expression};
use crate::expr::aggregate::Function;
use crate::yaml::problem::Place;

/// One row for each group of rows.
pub struct Aggregate {
    /// The columns whose values make a group; none makes one group of all rows.
    pub by: Vec<Column>,
    pub columns: Vec<AggregateColumn>,
}

/// A column that is computed from the rows of each group.
pub struct AggregateColumn {
    pub column: Column,
    pub function: Function,
    /// `None` for `count(*)`.
    pub argument: Option<Expression>,
    /// The condition on the rows that are looked at.
    pub filter: Option<Expression>,
    pub at: Place,
}
