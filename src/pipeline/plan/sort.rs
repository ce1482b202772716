//! `sort`: all rows in the order of some columns.

use super::Column;

/// Sorts the rows by the bytes of these columns; equal ones keep their order.
pub struct Sort {
    pub keys: Vec<Column>,
}
