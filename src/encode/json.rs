//! JSON: one document, or a value on each line.

use std::io;

use super::RowFormat;
use super::pool::Pool;
use super::row_values::RowCells;
use super::tree::{JsonTree, write_name, write_text};
use super::typed::{TypedCell, TypedCells, typed_cells};
use crate::expr::decimal::Decimal;
use crate::expr::time::{Instant, print_date, print_seconds};
use crate::pipeline::plan::{JsonColumns, JsonContent};
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
    columns: Vec<NamedCells>,
    omit_null: bool,
}

/// A column, and its name as it is written.
#[derive(Clone)]
struct NamedCells {
    /// `"name":`.
    head: Vec<u8>,
    cells: TypedCells,
}

impl ColumnsWriter {
    fn new(content: &JsonColumns, columns: &[String]) -> Result<Self, Vec<Problem>> {
        let JsonColumns { omit_null, types, masked } = content;
        let named = |cells: TypedCells| {
            let mut head = Vec::new();
            write_name(&cells.name, &mut head);
            NamedCells { head, cells }
        };
        let columns = typed_cells(types, masked, "json", columns)?.into_iter().map(named).collect();
        Ok(Self { columns, omit_null: *omit_null })
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
            match column.cells.read(cell.bytes) {
                Ok(value) => write(value, out),
                Err(what) => return Err(column.cells.row_error(RowCells::origin(row), cell.bytes, what)),
            }
        }
        if separator == b'{' {
            out.push(b'{');
        }
        out.push(b'}');
        Ok(())
    }
}

/// Appends a value: numbers and booleans as such, dates and times in ISO form, null for none.
fn write(value: Option<TypedCell<'_>>, out: &mut Vec<u8>) {
    match value {
        None => out.extend_from_slice(b"null"),
        Some(TypedCell::Text(text)) => write_text(text, out),
        Some(TypedCell::Integer(int)) => Decimal::from_int(int).print(out),
        Some(TypedCell::Decimal(decimal)) => decimal.print(out),
        Some(TypedCell::Boolean(truth)) => out.extend_from_slice(if truth { b"true" } else { b"false" }),
        Some(TypedCell::Date(days)) => {
            out.push(b'"');
            print_date(days, out);
            out.push(b'"');
        }
        Some(TypedCell::Datetime(instant)) => write_instant(instant, out),
    }
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
