//! `map`: a cell → the cell that a table has for it.

use std::sync::Arc;

use crate::expr::value::{CellRef, Span};
use crate::pipeline::plan::{Map, MapSource, MapTable, Otherwise};
use crate::transform::record::Record;

#[derive(Clone)]
pub(super) struct MapCells {
    cell: CellRef,
    /// The name of the input column.
    pub(super) column: String,
    /// True if its values must not be shown.
    pub(super) is_masked: bool,
    table: Arc<MapTable>,
    otherwise: Else,
    /// The text after a value that the table does not have.
    pub(super) what: String,
}

#[derive(Clone)]
enum Else {
    Keep,
    Value(Vec<u8>),
    NoResult,
}

impl MapCells {
    pub(super) fn new(map: &Map, cell: CellRef, is_masked: bool) -> Self {
        let otherwise = match &map.otherwise {
            Otherwise::Keep => Else::Keep,
            Otherwise::Value(text) => Else::Value(text.clone().into_bytes()),
            Otherwise::OnError(_) => Else::NoResult,
        };
        let what = match &map.source {
            MapSource::Values => "is not among the `values` of the map".to_owned(),
            MapSource::File { file, key, value: _ } => format!("is not among the values of {key:?} in {}", file.name),
        };
        Self { cell, column: map.column.name.clone(), is_masked, table: map.table.clone(), otherwise, what }
    }

    /// Returns the cell's result.
    ///
    /// # Errors
    /// The cell, if there is none.
    #[inline]
    pub(super) fn apply(&self, record: &Record<'_>, made: &[Span], arena: &mut Vec<u8>) -> Result<Span, String> {
        let span = match self.cell {
            CellRef::Input(column) => {
                let (start, end) = record.cells.bounds[column as usize];
                Span::Record { start, end }
            }
            CellRef::Made(index) => made[index as usize],
        };
        let cell = bytes_of(span, record, arena);
        let found = match self.table.get(cell) {
            Some(value) => value,
            None if cell.is_empty() => return Ok(span),
            None => match &self.otherwise {
                Else::Keep => return Ok(span),
                Else::Value(value) => value,
                Else::NoResult => return Err(String::from_utf8_lossy(cell).into_owned()),
            },
        };
        let start = arena.len();
        arena.extend_from_slice(found);
        Ok(Span::Arena { start: start as u32, end: arena.len() as u32 })
    }
}

fn bytes_of<'a>(span: Span, record: &Record<'a>, arena: &'a [u8]) -> &'a [u8] {
    match span {
        Span::Record { start, end } => &record.cells.bytes[start as usize..end as usize],
        Span::Arena { start, end } => &arena[start as usize..end as usize],
        Span::Literal { .. } => &[], // cells are never literals
    }
}
