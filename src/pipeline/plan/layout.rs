//! Several record types in one file.

use super::{Column, CsvDialect, FieldValue, FixedField, RecordEnd, WidthUnit};
use crate::expr::aggregate::Function;

/// A file of several record types.
pub struct LayoutFormat {
    pub base: LayoutBase,
    /// Aggregates over the rows of a file.
    pub totals: Vec<LayoutTotal>,
    pub header: LayoutHeader,
    pub group: Option<LayoutGroup>,
    /// The records of a row; `None` for one with its columns.
    pub row: Option<Vec<LayoutRecord>>,
    /// The records after the last row.
    pub trailer: Vec<LayoutRecord>,
}

/// The records before the first row.
pub enum LayoutHeader {
    /// What they read is known before the first row.
    Before(Vec<LayoutRecord>),
    /// Some read what is known after the last row.
    After(Vec<LayoutRecord>),
}

/// The format that its records have in common.
#[derive(Clone)]
pub enum LayoutBase {
    Csv(CsvDialect),
    Fixed { record_end: RecordEnd, unit: WidthUnit },
}

/// Records around the rows of each group.
pub struct LayoutGroup {
    /// The columns whose values make a group, at least one.
    pub by: Vec<LayoutKey>,
    pub totals: Vec<LayoutTotal>,
    pub header: Vec<LayoutRecord>,
    pub trailer: Vec<LayoutRecord>,
}

/// A column whose values make a group.
pub struct LayoutKey {
    pub column: Column,
    /// True if its values must not be shown.
    pub is_masked: bool,
}

/// The parts of a record, at least one.
pub enum LayoutRecord {
    Cells(Vec<FieldValue>),
    Fields(Vec<FixedField>),
}

/// An aggregate that records outside of the rows read by its name.
pub struct LayoutTotal {
    pub name: String,
    /// As it is written.
    pub text: String,
    pub function: Function,
    /// `None` for `count(*)`.
    pub argument: Option<FieldValue>,
    /// The condition on the rows that are looked at.
    pub filter: Option<FieldValue>,
}

impl LayoutFormat {
    /// The names that records outside of `row` read besides columns and totals.
    pub const FILE_NAME: &str = "file_name";
    pub const GROUPS: &str = "groups";
    pub const ROWS: &str = "rows";
    pub const RECORDS: &str = "records";

    /// Returns all records of it that are written down, with their fields.
    pub fn records(&self) -> impl Iterator<Item = &LayoutRecord> {
        let group = self.group.iter().flat_map(|group| group.header.iter().chain(&group.trailer));
        self.header.records().iter().chain(group).chain(self.row.iter().flatten()).chain(&self.trailer)
    }

    /// Returns the first part of a record that reads the file's name. In records of rows, that is the name of a column.
    pub fn reading_file_name(&self) -> Option<&FieldValue> {
        let group = self.group.iter().flat_map(|group| group.header.iter().chain(&group.trailer));
        let records = self.header.records().iter().chain(group).chain(&self.trailer);
        let mut values = records.flat_map(LayoutRecord::values);
        values.find(|value| value.expr.columns().any(|name| name == Self::FILE_NAME))
    }

    /// Returns the names that the records before the first row read without waiting for the last one.
    pub fn header_names() -> Vec<String> {
        [Self::FILE_NAME, Self::RECORDS].map(str::to_owned).into()
    }

    /// Returns the names that the records before a group read besides the columns.
    pub fn group_header_names() -> Vec<String> {
        Self::header_names()
    }

    /// Returns the names that the records after the last row read, and those before the first row that wait for it.
    pub fn trailer_names(totals: &[LayoutTotal]) -> Vec<String> {
        let totals = totals.iter().map(|total| total.name.as_str());
        let names = totals.chain([Self::ROWS, Self::GROUPS, Self::FILE_NAME, Self::RECORDS]);
        names.map(str::to_owned).collect()
    }
}

impl LayoutHeader {
    /// Returns its records, in order.
    pub fn records(&self) -> &[LayoutRecord] {
        match self {
            Self::Before(records) | Self::After(records) => records,
        }
    }
}

impl LayoutRecord {
    fn values(&self) -> Vec<&FieldValue> {
        match self {
            Self::Cells(cells) => cells.iter().collect(),
            Self::Fields(fields) => fields.iter().map(|field| &field.value).collect(),
        }
    }
}

impl LayoutGroup {
    /// Returns the names that the records after a group read.
    pub fn trailer_names(by: &[LayoutKey], totals: &[LayoutTotal]) -> Vec<String> {
        let names = by.iter().map(|key| key.column.name.as_str()).chain(totals.iter().map(|total| total.name.as_str()));
        let names = names.chain([LayoutFormat::ROWS, LayoutFormat::FILE_NAME, LayoutFormat::RECORDS]);
        names.map(str::to_owned).collect()
    }
}
