//! `dedupe`: one row of each group.

use super::{Column, SortKey};

/// Keeps one row of those that have the same cells in some columns.
pub struct Dedupe {
    pub by: Vec<Column>,
    pub keep: Keep,
    /// The order of a group's rows; theirs, if it is empty.
    pub order: Vec<SortKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    First,
    Last,
}
