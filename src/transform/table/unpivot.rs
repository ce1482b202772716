//! `unpivot`: columns as rows.

use super::{Next, TableOperator};
use crate::expr::value::{Bounds, Cells};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{Unpivot, UnpivotNulls};
use crate::transform::error::TransformError;
use crate::transform::program::Row;
use crate::transform::record::Record;

pub(super) struct UnpivotRows {
    /// The positions of the cells that each row keeps.
    kept: Vec<usize>,
    /// The position of each unpivoted cell, and where its column's name is in `bytes`.
    unpivoted: Vec<(usize, Bounds)>,
    nulls: UnpivotNulls,
    /// All names, then the cells of the row.
    bytes: Vec<u8>,
    names_end: usize,
    bounds: Vec<Bounds>,
    added: u64,
    dropped: u64,
}

impl UnpivotRows {
    /// `columns` are the input of the step, one cell each.
    pub(super) fn new(unpivot: &Unpivot, columns: &Columns) -> Self {
        let is_unpivoted = |name: &String| unpivot.columns.iter().any(|column| column.name == *name);
        let (names, _) = columns.cells();
        let kept = names.iter().enumerate().filter(|(_, name)| !is_unpivoted(name)).map(|(at, _)| at).collect();
        let mut bytes = Vec::new();
        let unpivoted = unpivot.columns.iter().map(|column| {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(column.name.as_bytes());
            (columns.position_of(&column.name), (start, bytes.len() as u32))
        });
        let unpivoted = unpivoted.collect();
        let (names_end, nulls) = (bytes.len(), unpivot.nulls);
        Self { kept, unpivoted, nulls, bytes, names_end, bounds: Vec::new(), added: 0, dropped: 0 }
    }
}

/// Appends a cell. Returns where it is.
fn append(cell: &[u8], bytes: &mut Vec<u8>) -> Bounds {
    let start = bytes.len() as u32;
    bytes.extend_from_slice(cell);
    (start, bytes.len() as u32)
}

impl TableOperator for UnpivotRows {
    fn row(&mut self, row: &Row<'_>, next: &mut Next<'_>) -> Result<(), TransformError> {
        let Self { kept, unpivoted, nulls, bytes, names_end, bounds, added, dropped } = self;
        let (number, line) = row.origin();
        bytes.truncate(*names_end);
        bounds.clear();
        bounds.extend(kept.iter().map(|position| append(row.cell(*position), bytes)));
        let (kept_end, mut rows) = (bytes.len(), 0);
        for (position, name) in unpivoted.iter() {
            let cell = row.cell(*position);
            if cell.is_empty() && *nulls == UnpivotNulls::Drop {
                continue;
            }
            rows += 1;
            bytes.truncate(kept_end);
            bounds.truncate(kept.len());
            bounds.push(*name);
            bounds.push(append(cell, bytes));
            next(Record { cells: Cells { bytes, bounds }, is_plain: false, number, line })?;
        }
        match rows {
            0 => *dropped += 1,
            rows => *added += rows - 1,
        }
        Ok(())
    }

    fn finish(&mut self, _: &mut Next<'_>) -> Result<(), TransformError> {
        Ok(())
    }

    fn counts(&self) -> Vec<u64> {
        vec![self.added, self.dropped]
    }
}
