//! Records whose fields have fixed widths.

use std::io;
use std::sync::{Mutex, PoisonError};

use memchr::memmem;

use super::RowFormat;
use super::values::{BadValue, CellList, Values};
use crate::pipeline::plan::{Align, FixedField, FixedFormat, Overflow, RecordEnd, WidthUnit};
use crate::transform::{Row, RowError};

/// Encodes rows as records of fixed length.
pub(super) struct FixedRows {
    record: FixedRecord,
    values: Values,
    /// For each thread that encodes at the moment, or did before.
    idle: Mutex<Vec<(CellList, Values)>>,
}

/// The fields of a record.
pub(super) struct FixedRecord {
    fields: Vec<FixedField>,
    unit: WidthUnit,
    record_end: RecordEnd,
}

impl FixedRows {
    pub(super) fn new(format: &FixedFormat, columns: &[String]) -> io::Result<Self> {
        let FixedFormat { record_end, unit, fields } = format;
        let record = FixedRecord::new(fields, *unit, record_end);
        let values = Values::bind(fields.iter().map(|field| &field.value), columns)?;
        Ok(Self { record, values, idle: Mutex::default() })
    }
}

impl RowFormat for FixedRows {
    fn head(&self, _: &[String], _: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    fn row(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let (mut cells, mut values) = taken.unwrap_or_else(|| (CellList::default(), self.values.clone()));
        cells.copy(row);
        let written = values.compute(&cells).and_then(|()| self.record.write(&values, &cells, out));
        idle().push((cells, values));
        written.map_err(|bad| bad.in_row(row))
    }
}

impl FixedRecord {
    pub(super) fn new(fields: &[FixedField], unit: WidthUnit, record_end: &RecordEnd) -> Self {
        Self { fields: fields.to_vec(), unit, record_end: record_end.clone() }
    }

    /// Appends a record of computed values.
    pub(super) fn write(&self, values: &Values, cells: &CellList, out: &mut Vec<u8>) -> Result<(), BadValue> {
        for (index, field) in self.fields.iter().enumerate() {
            self.write_field(field, values.get(cells, index), out).map_err(|what| values.bad(cells, index, what))?;
        }
        out.extend_from_slice(self.record_end.as_bytes());
        Ok(())
    }

    fn write_field(&self, field: &FixedField, value: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let FixedField { value: _, width, align, fill, overflow } = field;
        if memchr::memchr2(b'\n', b'\r', value).is_some() {
            return Err("contains a line end, which no field of a fixed width can have".to_owned());
        }
        if let RecordEnd::Text(end) = &self.record_end
            && memmem::find(value, end.as_bytes()).is_some()
        {
            return Err("contains `record_end`".to_owned());
        }
        let is_negative = value.starts_with(b"-") || value.starts_with(b"+");
        if is_negative && *align == Align::Right && *fill == '0' && self.width(value) < *width {
            return Err("has a sign, which zeros cannot be put before".to_owned());
        }
        let value = match self.width(value) > *width {
            false => value,
            true if *overflow == Overflow::Cut => self.cut(value, *width),
            true => {
                let unit = if self.unit == WidthUnit::Bytes { "bytes" } else { "characters" };
                return Err(format!("has {} {unit}, and its field has {width}", self.width(value)));
            }
        };
        let fill = if value.is_empty() { ' ' } else { *fill };
        let missing = width.saturating_sub(self.width(value));
        let mut bytes = [0; 4];
        let fill = fill.encode_utf8(&mut bytes).as_bytes();
        match align {
            Align::Left => {
                out.extend_from_slice(value);
                (0..missing).for_each(|_| out.extend_from_slice(fill));
            }
            Align::Right => {
                (0..missing).for_each(|_| out.extend_from_slice(fill));
                out.extend_from_slice(value);
            }
        }
        Ok(())
    }

    /// Returns the width of a text in UTF-8.
    fn width(&self, text: &[u8]) -> usize {
        match self.unit {
            WidthUnit::Bytes => text.len(),
            WidthUnit::Characters => text.iter().filter(|byte| !is_continuation(**byte)).count(),
        }
    }

    /// Returns the beginning of a text, of at most `width`, without a part of a character.
    fn cut<'a>(&self, text: &'a [u8], width: usize) -> &'a [u8] {
        let starts = text.iter().enumerate().filter(|(_, byte)| !is_continuation(**byte)).map(|(at, _)| at);
        let end = match self.unit {
            WidthUnit::Bytes => starts.take_while(|at| *at <= width).last(),
            WidthUnit::Characters => starts.take(width + 1).last(),
        };
        &text[..end.unwrap_or(0)]
    }
}

/// Returns true for a byte that continues a character of UTF-8.
fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}
