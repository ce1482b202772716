//! The plans of files with typed columns.

use std::collections::BTreeSet;

use super::{Column, TypedColumn};
use crate::feature;

/// The types of an artifact's columns.
pub struct ColumnTypes {
    /// The columns that are not text.
    pub typed: Vec<TypedColumn>,
    /// The columns whose values must not be shown.
    pub masked: BTreeSet<String>,
}

/// A Parquet file.
pub struct Parquet {
    pub feature: feature::Parquet,
    pub compression: ParquetCompression,
    /// The largest number of rows of a row group.
    pub row_group: usize,
    pub types: ColumnTypes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParquetCompression {
    Zstd,
    Gzip,
    None,
}

/// A workbook with one sheet.
pub struct Xlsx {
    pub feature: feature::Xlsx,
    /// A name that Excel can have.
    pub sheet: String,
    pub bold_header: bool,
    pub widths: Vec<ColumnWidth>,
    pub types: ColumnTypes,
}

/// The width of a column, in characters.
pub struct ColumnWidth {
    pub column: Column,
    pub characters: u16,
}
