//! JSON: one document, or a value on each line.

use std::io;

use jiff::tz::TimeZone;

use super::RowFormat;
use super::pool::Pool;
use super::row_values::RowCells;
use super::tree::{JsonTree, write_name, write_text};
use crate::expr::decimal::{Decimal, Number, read_number};
use crate::expr::time::{DAY_SECONDS, Instant, Moment, TimeFormat, ZoneClock, print_date, print_seconds, read_iso};
use crate::expr::{read_boolean, shorten};
use crate::pipeline::columns::Columns;
use crate::pipeline::masked::MASKED;
use crate::pipeline::plan::{JsonColumns, JsonContent};
use crate::pipeline::value_type::ValueType;
use crate::transform::{Row, RowError};
use crate::yaml::problem::Problem;

/// Encodes rows as JSON.
pub(super) struct JsonFormat {
    head: Vec<u8>,
    separator: &'static [u8],
    /// The text after each row.
    end: &'static [u8],
    tail: Vec<u8>,
    writers: Pool<Writer>,
}

#[derive(Clone)]
enum Writer {
    Columns(ColumnsWriter),
    Tree(Box<JsonTree>),
}

impl JsonFormat {
    /// Returns the encoder of a document: an array of the rows, or a tree that has them in it. Each row is on a line.
    pub(super) fn document(content: &JsonContent, columns: &[String]) -> Result<Self, Vec<Problem>> {
        let writer = Writer::of(content, columns)?;
        let (mut head, mut tail) = (b"[".to_vec(), b"]".to_vec());
        if let Writer::Tree(tree) = &writer {
            let (before, after) = tree.surroundings();
            (head, tail) = (before.to_vec(), after.to_vec());
        }
        head.push(b'\n');
        tail.insert(0, b'\n');
        tail.push(b'\n');
        Ok(Self { head, separator: b",\n", end: b"", tail, writers: Pool::new(writer) })
    }

    /// Returns the encoder of a value on each line.
    pub(super) fn lines(content: &JsonContent, columns: &[String]) -> Result<Self, Vec<Problem>> {
        let writers = Pool::new(Writer::of(content, columns)?);
        Ok(Self { head: Vec::new(), separator: b"", end: b"\n", tail: Vec::new(), writers })
    }
}

impl RowFormat for JsonFormat {
    fn head(&self, _: &[String], out: &mut Vec<u8>) -> io::Result<()> {
        out.extend_from_slice(&self.head);
        Ok(())
    }

    fn row(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        out.extend_from_slice(self.separator);
        self.writers.with(|writer| match writer {
            Writer::Columns(columns) => columns.row(row, out),
            Writer::Tree(tree) => tree.row(row, out),
        })?;
        out.extend_from_slice(self.end);
        Ok(())
    }

    fn separator(&self) -> &[u8] {
        self.separator
    }

    fn tail(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.tail);
    }
}

impl Writer {
    fn of(content: &JsonContent, columns: &[String]) -> Result<Self, Vec<Problem>> {
        match content {
            JsonContent::Columns(content) => Ok(Self::Columns(ColumnsWriter::new(content, columns)?)),
            JsonContent::Tree(body) => Ok(Self::Tree(Box::new(JsonTree::compile(body, columns)?))),
        }
    }
}

/// Writes an object of all columns.
#[derive(Clone)]
struct ColumnsWriter {
    columns: Vec<TypedCells>,
    omit_null: bool,
}

/// A column, and the type of its values.
#[derive(Clone)]
struct TypedCells {
    name: String,
    /// `"name":`.
    head: Vec<u8>,
    value_type: JsonType,
    is_masked: bool,
    /// The key of the type in the pipeline file.
    key: String,
}

#[derive(Clone)]
enum JsonType {
    Text,
    Integer,
    Decimal,
    Boolean,
    Date(Option<Box<Formatted>>),
    Datetime(Option<Box<Formatted>>),
}

#[derive(Clone)]
struct Formatted {
    format: TimeFormat,
    clock: ZoneClock,
}

impl ColumnsWriter {
    fn new(content: &JsonColumns, columns: &[String]) -> Result<Self, Vec<Problem>> {
        let JsonColumns { omit_null, types, masked } = content;
        let mut known = Columns::of_header(columns);
        types.iter().for_each(|typed| known.require(&typed.column));
        let problems = known.into_problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let typed = |name: &String| {
            let mut head = Vec::new();
            write_name(name, &mut head);
            let typed = types.iter().find(|typed| typed.column.name == *name);
            let value_type = typed.map_or(JsonType::Text, |typed| JsonType::of(&typed.value_type));
            let key = typed.map(|typed| typed.at.key.clone()).unwrap_or_default();
            TypedCells { name: name.clone(), head, value_type, is_masked: masked.contains(name), key }
        };
        Ok(Self { columns: columns.iter().map(typed).collect(), omit_null: *omit_null })
    }

    fn row(&mut self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        let mut separator = b'{';
        for (column, cell) in self.columns.iter_mut().zip(row.cells()) {
            if cell.bytes.is_empty() && self.omit_null {
                continue;
            }
            out.push(separator);
            separator = b',';
            out.extend_from_slice(&column.head);
            let written = column.value_type.write(cell.bytes, out);
            written.map_err(|what| column.row_error(RowCells::origin(row), cell.bytes, what))?;
        }
        if separator == b'{' {
            out.push(b'{');
        }
        out.push(b'}');
        Ok(())
    }
}

impl TypedCells {
    #[cold]
    fn row_error(&self, (number, line): (u64, u64), cell: &[u8], what: String) -> RowError {
        let value = if self.is_masked { MASKED.to_owned() } else { shorten(&String::from_utf8_lossy(cell)) };
        RowError { number, line, column: self.name.clone(), value, what, step: self.key.clone() }
    }
}

impl JsonType {
    fn of(written: &ValueType) -> Self {
        let formatted = || {
            let format = written.format()?.clone();
            Some(Box::new(Formatted { format, clock: ZoneClock::new(TimeZone::UTC) }))
        };
        match written {
            ValueType::Text => Self::Text,
            ValueType::Integer => Self::Integer,
            ValueType::Decimal => Self::Decimal,
            ValueType::Boolean => Self::Boolean,
            ValueType::Date(_) => Self::Date(formatted()),
            ValueType::Datetime(_) => Self::Datetime(formatted()),
        }
    }

    /// Appends a cell: numbers and booleans as such, dates and times in ISO form, null for an empty one.
    ///
    /// # Errors
    /// The cell is not of the type; the text follows the value in a message.
    fn write(&mut self, cell: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        if cell.is_empty() {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match self {
            Self::Text => write_text(cell, out),
            Self::Integer => match read_number(cell) {
                Some(Number::Int(int)) => Decimal::from_int(int).print(out),
                _ => return Err("is not a whole number".to_owned()),
            },
            Self::Decimal => match read_number(cell) {
                Some(Number::Int(int)) => Decimal::from_int(int).print(out),
                Some(Number::Decimal(decimal)) => decimal.print(out),
                _ => return Err("is not a decimal number".to_owned()),
            },
            Self::Boolean => match read_boolean(cell) {
                Some(truth) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
                None => return Err("is not true or false".to_owned()),
            },
            Self::Date(formatted) => match read_time(cell, formatted)? {
                Some(Moment::Date(days)) => {
                    out.push(b'"');
                    print_date(days, out);
                    out.push(b'"');
                }
                _ => return Err("is not a date (YYYY-MM-DD)".to_owned()),
            },
            Self::Datetime(formatted) => match read_time(cell, formatted)? {
                Some(Moment::Instant(instant)) => write_instant(instant, out),
                Some(Moment::Date(days)) => write_instant(Instant::utc(days * DAY_SECONDS, 0), out),
                None => return Err("is not a date with a time (YYYY-MM-DD HH:MM:SS)".to_owned()),
            },
        }
        Ok(())
    }
}

fn read_time(cell: &[u8], formatted: &mut Option<Box<Formatted>>) -> Result<Option<Moment>, String> {
    let Some(formatted) = formatted else { return Ok(read_iso(cell)) };
    let Formatted { format, clock } = formatted.as_mut();
    format.read(cell, clock).map(Some).map_err(|_| format!("does not have the format {}", format.text()))
}

/// Appends `"YYYY-MM-DDTHH:MM:SSZ"`.
fn write_instant(instant: Instant, out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    print_seconds(instant.utc_seconds(), instant.nanoseconds, out);
    if let Some(byte) = out[start..].iter_mut().find(|byte| **byte == b' ') {
        *byte = b'T';
    }
    out.extend_from_slice(b"Z\"");
}
