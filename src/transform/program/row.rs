//! A transformed row, whose cells are where they were made.

use crate::expr::shorten;
use crate::expr::value::{CellRef, Cells, Span};
use crate::transform::error::RowError;
use crate::transform::record::Record;

/// Encodes a row: appends it. Any thread may call it, so it depends on the row alone. A value that the format cannot have
/// is an error.
pub type Encode<'a> = dyn Fn(&Row<'_>, &mut Vec<u8>) -> Result<(), RowError> + Sync + 'a;

/// A transformed row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub(super) outputs: &'a [CellRef],
    pub(super) made: &'a [Span],
    pub(super) arena: &'a [u8],
    pub(super) record: Record<'a>,
}

/// One cell of a transformed row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell<'a> {
    pub bytes: &'a [u8],
    /// True if it is known to contain no comma, quote or line end.
    pub is_plain: bool,
}

impl<'a> Row<'a> {
    /// Returns a row with cells of a record only.
    #[inline]
    pub(crate) fn of_record(outputs: &'a [CellRef], record: Record<'a>) -> Self {
        Self { outputs, made: &[], arena: &[], record }
    }

    /// Appends the cells that the program computed, and their bytes.
    #[inline]
    pub(in crate::transform) fn keep_made(&self, made: &mut Vec<Span>, arena: &mut Vec<u8>) {
        let shift = arena.len() as u32;
        made.extend(self.made.iter().map(|span| match *span {
            Span::Arena { start, end } => Span::Arena { start: start + shift, end: end + shift },
            other => other,
        }));
        arena.extend_from_slice(self.arena);
    }

    /// Returns the cells, where neighbours in the record and in the row are one, with the commas between them: in a record
    /// without quotes that is what a CSV has. `None` if the record has any.
    #[inline]
    pub fn plain_parts(&self) -> Option<impl Iterator<Item = Cell<'a>>> {
        let row = *self;
        let mut rest = self.outputs;
        let next = move || {
            let (first, after) = rest.split_first()?;
            let CellRef::Input(first) = *first else {
                rest = after;
                return Some(row.cell_of(*first));
            };
            let Cells { bytes, bounds } = row.record.cells;
            // A record that an operator made has its cells elsewhere, without commas.
            let follows = |column: u32| {
                let (before, after) = (bounds[column as usize - 1].1, bounds[column as usize].0);
                after == before + 1 && bytes[before as usize] == b','
            };
            let is_next = |(output, column): &(&CellRef, u32)| **output == CellRef::Input(*column) && follows(*column);
            let others = after.iter().zip(first + 1..).take_while(is_next).count();
            rest = &after[others..];
            let (start, end) = (bounds[first as usize].0, bounds[first as usize + others].1);
            Some(Cell { bytes: &bytes[start as usize..end as usize], is_plain: true })
        };
        self.record.is_plain.then(|| std::iter::from_fn(next))
    }

    pub fn cells(&self) -> impl Iterator<Item = Cell<'a>> {
        let row = *self;
        self.outputs.iter().map(move |output| row.cell_of(*output))
    }

    /// Returns the cell of an output column, by its position.
    #[inline]
    pub(crate) fn cell(&self, column: usize) -> &'a [u8] {
        self.cell_of(self.outputs[column]).bytes
    }

    /// Returns an error about a value of the row. `step` is the key in the pipeline file that it does not fit.
    #[cold]
    pub(crate) fn error(&self, column: &str, value: &[u8], what: impl Into<String>, step: &str) -> RowError {
        let Record { number, line, .. } = self.record;
        let value = shorten(&String::from_utf8_lossy(value));
        RowError { number, line, column: column.to_owned(), value, what: what.into(), step: step.to_owned() }
    }

    /// Returns the number of the record that it was made of, from 1.
    pub fn number(&self) -> u64 {
        self.record.number
    }

    /// Returns the record that it was made of.
    #[inline]
    pub(crate) fn record(&self) -> Record<'a> {
        self.record
    }

    /// Returns the number and the line of the record that it was made of.
    pub(crate) fn origin(&self) -> (u64, u64) {
        (self.record.number, self.record.line)
    }

    #[inline]
    fn cell_of(&self, output: CellRef) -> Cell<'a> {
        let Self { made, arena, record, .. } = *self;
        let span = match output {
            CellRef::Input(column) => {
                return Cell { bytes: record.cell(column as usize), is_plain: record.is_plain };
            }
            CellRef::Made(index) => made[index as usize],
        };
        match span {
            Span::Record { start, end } => {
                Cell { bytes: &record.cells.bytes[start as usize..end as usize], is_plain: record.is_plain }
            }
            Span::Arena { start, end } => Cell { bytes: &arena[start as usize..end as usize], is_plain: false },
            Span::Literal { .. } => Cell { bytes: &[], is_plain: true }, // sets copy literals into the arena
        }
    }
}
