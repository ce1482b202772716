//! Cells as bytes whose order is that of the cells' values.
//!
//! The bytes of no value are the beginning of another's, so keys of several columns are those of each column, one after
//! the other. A null is one byte: 0 comes before the first byte of any value, and 255 after it, in both directions.

use jiff::tz::TimeZone;

use super::error::RowError;
use super::program::Row;
use crate::expr::decimal::{DIGITS_MAX, Decimal, Number, read_number};
use crate::expr::time::{Instant, Moment, TimeFormat, ZoneClock, read_iso};
use crate::expr::{read_boolean, shorten};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{Direction, NullsPosition, SortKey};
use crate::pipeline::value_type::ValueType;

/// The keys of one step.
pub(super) struct Keys {
    keys: Vec<Key>,
    /// The step's key in the pipeline file, for errors.
    step: String,
}

struct Key {
    /// The position of the cell, and the column's name.
    position: usize,
    name: String,
    encoder: Encoder,
}

/// Writes cells of one type as ordered bytes.
pub(super) struct Encoder {
    kind: ValueKind,
    direction: Direction,
    null: u8,
}

enum ValueKind {
    Text,
    Integer,
    Decimal,
    Boolean,
    Date(Option<Formatted>),
    Datetime(Option<Formatted>),
}

struct Formatted {
    format: TimeFormat,
    clock: ZoneClock,
}

const NULL_FIRST: u8 = 0;
const NULL_LAST: u8 = 0xFF;

impl Keys {
    /// `columns` are the input of the step, one cell each.
    pub(super) fn new(keys: &[SortKey], step: &str, columns: &Columns) -> Self {
        let key = |SortKey { column, value_type, direction, nulls }: &SortKey| Key {
            position: columns.position_of(&column.name),
            name: column.name.clone(),
            encoder: Encoder::new(value_type, *direction, *nulls),
        };
        Self { keys: keys.iter().map(key).collect(), step: step.to_owned() }
    }

    /// Appends the keys of a row.
    ///
    /// # Errors
    /// A cell is not of its type.
    #[inline]
    pub(super) fn append(&mut self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        for Key { position, name, encoder } in &mut self.keys {
            let cell = row.cell(*position);
            encoder.append(cell, out).map_err(|what| row_error(row, name, cell, what, &self.step))?;
        }
        Ok(())
    }
}

#[cold]
fn row_error(row: &Row<'_>, column: &str, cell: &[u8], what: String, step: &str) -> RowError {
    let (number, line) = row.origin();
    let value = shorten(&String::from_utf8_lossy(cell));
    RowError { number, line, column: column.to_owned(), value, what, step: step.to_owned() }
}

impl Encoder {
    pub(super) fn new(value_type: &ValueType, direction: Direction, nulls: NullsPosition) -> Self {
        let formatted = || {
            value_type.format().map(|format| Formatted { format: format.clone(), clock: ZoneClock::new(TimeZone::UTC) })
        };
        let kind = match value_type {
            ValueType::Text => ValueKind::Text,
            ValueType::Integer => ValueKind::Integer,
            ValueType::Decimal => ValueKind::Decimal,
            ValueType::Boolean => ValueKind::Boolean,
            ValueType::Date(_) => ValueKind::Date(formatted()),
            ValueType::Datetime(_) => ValueKind::Datetime(formatted()),
        };
        let null = match nulls {
            NullsPosition::First => NULL_FIRST,
            NullsPosition::Last => NULL_LAST,
        };
        Self { kind, direction, null }
    }

    /// Appends a cell's bytes.
    ///
    /// # Errors
    /// The cell is not of the type; the text follows the value in a message.
    #[inline]
    pub(super) fn append(&mut self, cell: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        if cell.is_empty() {
            out.push(self.null);
            return Ok(());
        }
        let start = out.len();
        match &mut self.kind {
            ValueKind::Text => text(cell, out),
            ValueKind::Integer => integer(cell, out)?,
            ValueKind::Decimal => decimal(cell, out)?,
            ValueKind::Boolean => match read_boolean(cell) {
                Some(truth) => out.push(1 + u8::from(truth)),
                None => return Err("is not true or false".to_owned()),
            },
            ValueKind::Date(formatted) => match read(cell, formatted)? {
                Some(Moment::Date(days)) => out.extend_from_slice(&be_bytes::<3>((days + DAYS_OFFSET) as u64)),
                _ => return Err("is not a date (YYYY-MM-DD)".to_owned()),
            },
            ValueKind::Datetime(formatted) => match read(cell, formatted)? {
                Some(Moment::Instant(instant)) => datetime(instant, out),
                Some(Moment::Date(days)) => datetime(Instant::utc(days * DAY_SECONDS, 0), out),
                None => return Err("is not a date with a time (YYYY-MM-DD HH:MM:SS)".to_owned()),
            },
        }
        if self.direction == Direction::Descending {
            out[start..].iter_mut().for_each(|byte| *byte = !*byte);
        }
        Ok(())
    }
}

/// Parses a date or time; `None` if it has no ISO form.
fn read(cell: &[u8], formatted: &mut Option<Formatted>) -> Result<Option<Moment>, String> {
    let Some(Formatted { format, clock }) = formatted else { return Ok(read_iso(cell)) };
    let moment = format.read(cell, clock);
    moment.map(Some).map_err(|reason| format!("does not have the format {:?}: {reason}", format.text()))
}

/// Appends a text and the end of it, which comes before any other byte. Bytes below 2 are escaped, and 255 is not in UTF-8.
#[inline]
fn text(cell: &[u8], out: &mut Vec<u8>) {
    if cell.iter().all(|byte| *byte >= 2) {
        out.extend_from_slice(cell);
    } else {
        for &byte in cell {
            if byte < 2 {
                out.push(1);
            }
            out.push(byte);
        }
    }
    out.push(0);
}

/// Appends a whole number: 128 and the number of its bytes, then these. Of a negative one, the complement.
fn integer(cell: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let Some(Number::Int(int)) = read_number(cell) else {
        return Err("is not a whole number of 64 bits".to_owned());
    };
    let start = out.len();
    let bytes = int.unsigned_abs().to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    out.push(0x80 + (bytes.len() - first) as u8);
    out.extend_from_slice(&bytes[first..]);
    if int < 0 {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
    Ok(())
}

/// The first byte of a positive decimal is this and its exponent: it is `0.d₁d₂… × 10^exponent`, with `d₁` above 0. So it
/// is between 192 − 37 and 192 + 38.
const EXPONENT_OFFSET: i32 = 0xC0;

/// Appends a decimal: its exponent, its digits in pairs, each pair and 1 in a byte, and 0. Of a negative one, the
/// complement. Zero is 128.
fn decimal(cell: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let Decimal { unscaled, scale } = match read_number(cell) {
        Some(Number::Int(int)) => Decimal::from_int(int),
        Some(Number::Decimal(decimal)) => decimal,
        _ => return Err(format!("is not a decimal number of up to {DIGITS_MAX} digits, without an exponent")),
    };
    if unscaled == 0 {
        out.push(0x80);
        return Ok(());
    }
    let start = out.len();
    let mut digits = [0; DIGITS_MAX as usize + 2];
    let (mut rest, mut first) = (unscaled.unsigned_abs(), DIGITS_MAX as usize + 1);
    let end = first;
    while rest > 0 {
        first -= 1;
        digits[first] = (rest % 10) as u8;
        rest /= 10;
    }
    let exponent = (end - first) as i32 - i32::from(scale);
    out.push((EXPONENT_OFFSET + exponent) as u8);
    let last = digits[first..end].iter().rposition(|digit| *digit != 0).map_or(end, |last| first + last + 1);
    // An odd number of digits ends with a pair whose second digit is the 0 after the last one.
    for pair in digits[first..last + (last - first) % 2].chunks(2) {
        out.push(pair[0] * 10 + pair.get(1).copied().unwrap_or(0) + 1);
    }
    out.push(0);
    if unscaled < 0 {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
    Ok(())
}

const DAY_SECONDS: i64 = crate::expr::time::DAY_SECONDS;
/// Makes the days of all years that can be read numbers of 3 bytes, whose first one is neither 0 nor 255.
const DAYS_OFFSET: i64 = 1 << 22;
/// Does the same for seconds, in 5 bytes.
const SECONDS_OFFSET: i64 = 1 << 39;

/// Appends the seconds, then 0, or the nanoseconds in four bytes of which the first is not 0.
fn datetime(instant: Instant, out: &mut Vec<u8>) {
    out.extend_from_slice(&be_bytes::<5>((instant.utc_seconds() + SECONDS_OFFSET) as u64));
    match instant.nanoseconds {
        0 => out.push(0),
        nanoseconds => out.extend_from_slice(&(nanoseconds | 1 << 30).to_be_bytes()),
    }
}

/// Returns the last `N` bytes of a number, the highest first.
fn be_bytes<const N: usize>(number: u64) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&number.to_be_bytes()[8 - N..]);
    bytes
}

#[cfg(test)]
mod tests;
