//! The values of expressions for rows that are encoded.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::expr::bound::Bound;
use crate::expr::eval::Fault;
use crate::expr::shorten;
use crate::expr::value::{Bounds, CellRef, Cells, Span};
use crate::pipeline::columns::Columns;
use crate::pipeline::masked::MASKED;
use crate::pipeline::plan::{Tree, TreeValue};
use crate::transform::{Row, RowError};
use crate::yaml::problem::Problem;

/// A row whose cells can be read by their columns' positions.
pub trait RowCells {
    fn cell(&self, column: usize) -> &[u8];

    /// Returns the number and the line of the record that it was made of, for errors.
    fn origin(&self) -> (u64, u64);
}

impl RowCells for Row<'_> {
    #[inline]
    fn cell(&self, column: usize) -> &[u8] {
        Row::cell(self, column)
    }

    fn origin(&self) -> (u64, u64) {
        Row::origin(self)
    }
}

/// No row: nothing around the rows reads a column.
pub(super) struct NoRow;

impl RowCells for NoRow {
    fn cell(&self, _: usize) -> &[u8] {
        b""
    }

    fn origin(&self) -> (u64, u64) {
        (0, 0)
    }
}

/// Checks that the columns which a tree reads exist.
pub(super) fn check_values(tree: &Tree, columns: &[String]) -> Result<(), Vec<Problem>> {
    let mut known = Columns::of_header(columns);
    tree.each_value(&mut |value| known.read(&value.expression));
    let problems = known.into_problems();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Converts the error of a value around the rows, which no row has.
pub(super) fn problem_of(error: RowError) -> Vec<Problem> {
    let RowError { value, what, step, .. } = error;
    vec![Problem::error(None, format!("{step}: {value:?} {what}"))]
}

/// The cells of a row that expressions read, and what these make.
#[derive(Clone, Default)]
pub(super) struct RowValues {
    /// The position of each cell in the row.
    columns: Vec<usize>,
    bytes: Vec<u8>,
    bounds: Vec<Bounds>,
    arena: Vec<u8>,
    origin: (u64, u64),
}

/// An expression that is bound to cells of [`RowValues`].
#[derive(Clone)]
pub(super) struct RowValue {
    bound: Bound,
    masked: BTreeSet<String>,
    pub(super) omit_null: bool,
    /// The column that it is, or else the name of the value in the tree.
    name: String,
    /// Its key in the pipeline file.
    key: String,
}

impl RowValues {
    /// Binds an expression, whose columns must be among these.
    pub(super) fn bind(&mut self, value: &TreeValue, columns: &[String]) -> RowValue {
        let TreeValue { expression, at, omit_null, masked } = value;
        let cells = expression.columns.iter().map(|column| {
            let position = columns.iter().position(|name| *name == column.name).unwrap_or(usize::MAX);
            let known = self.columns.iter().position(|known| *known == position);
            let cell = known.unwrap_or_else(|| {
                self.columns.push(position);
                self.columns.len() - 1
            });
            CellRef::Input(cell as u32)
        });
        let bound = Bound::new(&expression.expr, cells.collect(), Vec::new());
        let in_tree = at.key.strip_suffix(".expr").unwrap_or(&at.key).rsplit('.').next();
        let name = expression.expr.as_column().or(in_tree).unwrap_or_default().to_owned();
        RowValue { bound, masked: masked.clone(), omit_null: *omit_null, name, key: at.key.clone() }
    }

    /// Begins a row.
    pub(super) fn begin(&mut self, row: &dyn RowCells) {
        let Self { columns, bytes, bounds, arena, origin } = self;
        bytes.clear();
        bounds.clear();
        arena.clear();
        *origin = row.origin();
        for column in columns {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(row.cell(*column));
            bounds.push((start, bytes.len() as u32));
        }
    }

    fn cells(&self) -> Cells<'_> {
        Cells { bytes: &self.bytes, bounds: &self.bounds }
    }

    /// Returns the value as JSON; `None` for a null.
    ///
    /// # Errors
    /// The expression has no result.
    pub(super) fn json(&mut self, value: &mut RowValue) -> Result<Option<&[u8]>, RowError> {
        let mut arena = std::mem::take(&mut self.arena);
        let result = value.bound.eval_to_json(self.cells(), &mut arena);
        self.arena = arena;
        match result {
            Ok(range) => Ok(range.map(|Range { start, end }| &self.arena[start..end])),
            Err(fault) => Err(value.row_error(self.origin, *fault)),
        }
    }

    /// Returns the value as a cell; empty for a null.
    ///
    /// # Errors
    /// The expression has no result.
    pub(super) fn text(&mut self, value: &mut RowValue) -> Result<&[u8], RowError> {
        let mut arena = std::mem::take(&mut self.arena);
        let result = value.bound.eval_to_cell(self.cells(), &[], &mut arena);
        self.arena = arena;
        match result {
            Ok(Span::Record { start, end }) => Ok(&self.bytes[start as usize..end as usize]),
            Ok(Span::Arena { start, end }) => Ok(&self.arena[start as usize..end as usize]),
            Ok(Span::Literal { .. }) => Ok(&[]), // copied into the arena
            Err(fault) => Err(value.row_error(self.origin, *fault)),
        }
    }

    /// Returns the number and the line of the row's record.
    pub(super) fn origin(&self) -> (u64, u64) {
        self.origin
    }
}

impl RowValue {
    /// Converts a fault to an error of the row.
    #[cold]
    fn row_error(&self, (number, line): (u64, u64), fault: Fault) -> RowError {
        let column = self.bound.column_of(&fault);
        let is_masked = column.map_or(!self.masked.is_empty(), |column| self.masked.contains(column));
        let column = column.unwrap_or(&self.name).to_owned();
        let (value, what) = match is_masked {
            true => (MASKED.to_owned(), fault.without_value.unwrap_or(fault.what)),
            false => (shorten(&fault.value), fault.what),
        };
        RowError { number, line, column, value, what, step: self.key.clone() }
    }

    /// Returns the error of a row with a text that the format cannot have.
    #[cold]
    pub(super) fn refuse(&self, (number, line): (u64, u64), text: &[u8], what: String) -> RowError {
        let value = match self.masked.is_empty() {
            true => shorten(&String::from_utf8_lossy(text)),
            false => MASKED.to_owned(),
        };
        RowError { number, line, column: self.name.clone(), value, what, step: self.key.clone() }
    }
}
