//! `unpivot`: columns as rows.

use super::Column;

/// Makes of each row one for each of some columns, with the column's name and its cell in two columns.
pub struct Unpivot {
    pub columns: Vec<Column>,
    pub name: Column,
    pub value: Column,
    pub nulls: UnpivotNulls,
}

/// The policy for empty cells of unpivoted columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnpivotNulls {
    Drop,
    Keep,
}
