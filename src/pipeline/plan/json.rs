//! The plan of a JSON file.

use std::collections::BTreeSet;

use super::{Body, Column};
use crate::pipeline::column_type::ColumnType;
use crate::yaml::problem::Place;

/// The content of a JSON file.
pub enum JsonContent {
    /// An object of all columns for each row.
    Columns(JsonColumns),
    /// A document, or a value for each line.
    Tree(Body),
}

pub struct JsonColumns {
    /// Nulls are left out.
    pub omit_null: bool,
    /// The columns that are not text.
    pub types: Vec<TypedColumn>,
    /// The columns whose values must not be shown.
    pub masked: BTreeSet<String>,
}

pub struct TypedColumn {
    pub column: Column,
    pub column_type: ColumnType,
    /// The place of the type.
    pub at: Place,
}
