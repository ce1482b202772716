//! The values of records: expressions over the cells of a row.

use std::io;

use crate::expr::bound::Bound;
use crate::expr::decimal::print_int;
use crate::expr::shorten;
use crate::expr::value::{Bounds, CellRef, Cells, Span};
use crate::pipeline::masked::MASKED;
use crate::pipeline::plan::FieldValue;
use crate::transform::{Row, RowError};

/// Cells, one after the other.
#[derive(Clone, Default)]
pub(super) struct CellList {
    bytes: Vec<u8>,
    bounds: Vec<Bounds>,
}

/// Expressions that are bound to columns, and their values for the last cells.
#[derive(Clone)]
pub(super) struct Values {
    written: Vec<FieldValue>,
    bound: Vec<Bound>,
    arena: Vec<u8>,
    spans: Vec<Span>,
}

/// A value that a record cannot have.
#[derive(Debug)]
pub(super) struct BadValue {
    column: String,
    value: String,
    what: String,
    key: String,
}

impl CellList {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bounds.clear();
    }

    pub(super) fn push(&mut self, cell: &[u8]) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(cell);
        self.bounds.push((start, self.bytes.len() as u32));
    }

    /// Takes the cells of a row in place of its own.
    pub(super) fn copy(&mut self, row: &Row<'_>) {
        self.clear();
        row.cells().for_each(|cell| self.push(cell.bytes));
    }

    pub(super) fn push_number(&mut self, number: u64) {
        let start = self.bytes.len() as u32;
        print_int(number as i64, &mut self.bytes);
        self.bounds.push((start, self.bytes.len() as u32));
    }

    pub(super) fn len(&self) -> usize {
        self.bounds.len()
    }

    /// Keeps this many cells, the first ones.
    pub(super) fn truncate(&mut self, count: usize) {
        self.bounds.truncate(count);
        self.bytes.truncate(self.bounds.last().map_or(0, |(_, end)| *end as usize));
    }

    pub(super) fn cells(&self) -> Cells<'_> {
        Cells { bytes: &self.bytes, bounds: &self.bounds }
    }
}

impl Values {
    /// Binds expressions to columns.
    ///
    /// # Errors
    /// A column that does not exist, or exists twice.
    pub(super) fn bind<'a>(written: impl Iterator<Item = &'a FieldValue>, columns: &[String]) -> io::Result<Self> {
        let written: Vec<FieldValue> = written.cloned().collect();
        let bound = written.iter().map(|value| {
            let cells =
                value.expr.columns().map(|name| position(columns, name, &value.at.key)).collect::<io::Result<_>>();
            Ok(Bound::new(&value.expr, cells?, Vec::new()))
        });
        let bound = bound.collect::<io::Result<Vec<_>>>()?;
        let spans = Vec::with_capacity(written.len());
        Ok(Self { written, bound, arena: Vec::new(), spans })
    }

    /// Computes all values.
    ///
    /// # Errors
    /// The first expression that has no result.
    pub(super) fn compute(&mut self, cells: &CellList) -> Result<(), BadValue> {
        let Self { written, bound, arena, spans } = self;
        arena.clear();
        spans.clear();
        for (value, bound) in written.iter().zip(bound) {
            match bound.eval_to_cell(cells.cells(), &[], arena) {
                Ok(span) => spans.push(span),
                Err(fault) => {
                    let what = match value.is_masked {
                        true => fault.without_value.unwrap_or(fault.what),
                        false => fault.what,
                    };
                    return Err(bad(value, fault.value.as_bytes(), what));
                }
            }
        }
        Ok(())
    }

    /// Returns a computed value.
    pub(super) fn get<'a>(&'a self, cells: &'a CellList, index: usize) -> &'a [u8] {
        match self.spans[index] {
            Span::Record { start, end } => &cells.bytes[start as usize..end as usize],
            Span::Arena { start, end } => &self.arena[start as usize..end as usize],
            Span::Literal { .. } => b"", // literals are copied into the arena
        }
    }

    /// Returns all computed values.
    pub(super) fn all<'a>(&'a self, cells: &'a CellList) -> impl Iterator<Item = &'a [u8]> {
        (0..self.spans.len()).map(|index| self.get(cells, index))
    }

    /// Returns the number of values.
    pub(super) fn count(&self) -> usize {
        self.written.len()
    }

    /// Returns the error of a value that does not fit.
    #[cold]
    pub(super) fn bad(&self, cells: &CellList, index: usize, what: impl Into<String>) -> BadValue {
        bad(&self.written[index], self.get(cells, index), what.into())
    }
}

fn bad(written: &FieldValue, value: &[u8], what: String) -> BadValue {
    let FieldValue { at, expr: _, column, is_masked } = written;
    let value = if *is_masked { MASKED.to_owned() } else { shorten(&String::from_utf8_lossy(value)) };
    BadValue { column: column.clone(), value, what, key: at.key.strip_suffix(".value").unwrap_or(&at.key).to_owned() }
}

fn position(columns: &[String], name: &str, key: &str) -> io::Result<CellRef> {
    let mut found = (0..).zip(columns).filter(|(_, column)| *column == name).map(|(position, _)| position);
    match (found.next(), found.next()) {
        (Some(position), None) => Ok(CellRef::Input(position)),
        _ => Err(io::Error::other(format!("{key}: there is no column {name:?}; there are {}", columns.join(", ")))),
    }
}

impl BadValue {
    pub(super) fn in_row(self, row: &Row<'_>) -> RowError {
        self.at(row.origin())
    }

    /// Returns it as the error of the row with this number, on this line.
    #[cold]
    pub(super) fn at(self, (number, line): (u64, u64)) -> RowError {
        let Self { column, value, what, key } = self;
        RowError { number, line, column, value, what, step: key }
    }

    /// Returns it as the error of a record that no row has.
    #[cold]
    pub(super) fn outside_rows(self) -> io::Error {
        let Self { column, value, what, key } = self;
        io::Error::other(format!("before or after the rows, column {column:?}: {value:?} {what} ({key})"))
    }
}
