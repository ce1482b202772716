//! `fill` and `number`: cells that depend on the row's neighbours or its position, or are given.

use super::{Column, Expression};

/// Fills empty cells of these columns.
pub struct Fill {
    pub columns: Vec<Column>,
    pub with: FillWith,
}

pub enum FillWith {
    /// The last cell above that is not empty.
    Previous,
    /// This text, by an expression for each column.
    Value { text: String, values: Vec<Expression> },
}

/// Numbers the rows that arrive at the step.
pub struct Number {
    /// An existing column is replaced in place; a new one is added at the end.
    pub column: Column,
    pub start: u64,
}
