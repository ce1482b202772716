//! One record of a layout.

use std::io;
use std::sync::Arc;

use crate::encode::csv::CsvFormat;
use crate::encode::fixed::FixedRecord;
use crate::encode::values::{BadValue, CellList, Values};
use crate::pipeline::plan::{LayoutBase, LayoutRecord, RecordEnd, WidthUnit};

/// The format that records have in common.
pub(super) struct Writers<'a> {
    pub(super) base: &'a LayoutBase,
    pub(super) csv: &'a Arc<CsvFormat>,
}

/// Writes one record.
pub(super) struct RecordWriter {
    values: Values,
    parts: Parts,
}

enum Parts {
    Cells(Arc<CsvFormat>),
    Fields(FixedRecord),
}

impl Writers<'_> {
    /// Binds records to the names that they read.
    ///
    /// # Errors
    /// A name that does not exist, or exists twice.
    pub(super) fn bind(&self, records: &[LayoutRecord], names: &[String]) -> io::Result<Vec<RecordWriter>> {
        records.iter().map(|record| self.writer(record, names)).collect()
    }

    fn writer(&self, record: &LayoutRecord, names: &[String]) -> io::Result<RecordWriter> {
        Ok(match record {
            LayoutRecord::Cells(values) => {
                RecordWriter { values: Values::bind(values.iter(), names)?, parts: Parts::Cells(self.csv.clone()) }
            }
            LayoutRecord::Fields(fields) => {
                let (record_end, unit) = match self.base {
                    LayoutBase::Fixed { record_end, unit } => (record_end, *unit),
                    LayoutBase::Csv(_) => (&RecordEnd::Lf, WidthUnit::Characters), // has no such records
                };
                RecordWriter {
                    values: Values::bind(fields.iter().map(|field| &field.value), names)?,
                    parts: Parts::Fields(FixedRecord::new(fields, unit, record_end)),
                }
            }
        })
    }
}

impl RecordWriter {
    /// Appends the record of some cells.
    ///
    /// # Errors
    /// A value that the record cannot have.
    pub(super) fn write(&mut self, cells: &CellList, out: &mut Vec<u8>) -> Result<(), BadValue> {
        let Self { values, parts } = self;
        values.compute(cells)?;
        match parts {
            Parts::Cells(csv) => csv.values(values, cells, out),
            Parts::Fields(record) => record.write(values, cells, out),
        }
    }
}
