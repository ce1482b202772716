//! The plan of a `pivot`.

use super::Column;

/// One row for each group of rows, with a column for each of some names.
pub struct Pivot {
    /// The columns whose values make a group.
    pub by: Vec<Column>,
    /// The column with the names, and the one with the values.
    pub names: Column,
    pub values: Column,
    /// At least one.
    pub columns: Vec<PivotColumn>,
    /// Keeps the first of several values; else a second one is an error.
    pub first_of_many: bool,
    /// Drops rows with another name; else one is an error.
    pub drop_others: bool,
}

/// A column of a pivot: its name in the result, and the name of its values in the rows.
pub struct PivotColumn {
    pub column: Column,
    pub name: String,
}
