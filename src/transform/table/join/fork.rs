//! A join with a table in memory that has at most one match of a row, for the rows of one block after the other: they are
//! kept until many of them can be looked up at once.

use std::sync::Arc;

use super::super::keys::write_non_null;
use super::super::{Next, TableOperator};
use super::theirs::{Found, InMemory};
use super::{Joined, Rules, Tally};
use crate::expr::value::{Bounds, Cells};
use crate::transform::error::TransformError;
use crate::transform::program::Row;
use crate::transform::record::Record;

pub(super) struct Fork {
    table: Arc<InMemory>,
    /// The positions of our matched columns.
    keys: Vec<usize>,
    /// The number of columns that are added.
    added: usize,
    rules: Rules,
    tally: Tally,
    waiting: Waiting,
    key: Vec<u8>,
    found: Vec<Option<usize>>,
    /// The bounds of the row that is passed on.
    bounds: Vec<Bounds>,
}

/// Rows that wait to be looked up.
#[derive(Default)]
struct Waiting {
    /// Their keys, one after the other.
    keys: Vec<u8>,
    /// Their cells, one row after the other.
    cells: Joined,
    rows: Vec<WaitingRow>,
}

struct WaitingRow {
    /// The ends of its key and of its cells.
    key_end: usize,
    cells_end: usize,
    origin: (u64, u64),
    is_plain: bool,
}

/// Rows that are looked up at once.
const ROWS_MAX: usize = 256;
/// Bytes of their cells.
const BYTES_MAX: usize = 64 << 10;

impl Fork {
    pub(super) fn new(table: Arc<InMemory>, keys: Vec<usize>, added: usize, rules: Rules) -> Self {
        let (tally, waiting) = (Tally::default(), Waiting::default());
        Self { table, keys, added, rules, tally, waiting, key: Vec::new(), found: Vec::new(), bounds: Vec::new() }
    }
}

impl Fork {
    fn join_waiting(&mut self, next: &mut Next<'_>) -> Result<(), TransformError> {
        let Self { table, added, rules, tally, waiting, found, bounds, .. } = self;
        found.clear();
        table.find_all(waiting.keys(), found);
        let Waiting { keys, cells, rows } = waiting;
        let ours = cells.bytes.len();
        let (mut cell, mut key) = (0, 0);
        for (row, found) in rows.iter().zip(found) {
            let (first, start) =
                (std::mem::replace(&mut cell, row.cells_end), std::mem::replace(&mut key, row.key_end));
            if !tally.count(rules.kind, found.is_some()) {
                continue;
            }
            bounds.clear();
            bounds.extend_from_slice(&cells.bounds[first..row.cells_end]);
            // Our cells stay where they are; theirs come after those of all rows.
            cells.bytes.truncate(ours);
            let mut is_plain = row.is_plain;
            let mut matches = table.rows_of(*found);
            match matches.next().filter(|_| rules.adds()) {
                None => bounds.extend((0..*added).map(|_| (0, 0))),
                Some(found) => {
                    if let Some(second) = matches.next() {
                        return Err(rules.multiplied(&keys[start..row.key_end], [found, second], row.origin));
                    }
                    let found = Found::new(found);
                    is_plain &= found.is_plain();
                    for cell in found.cells() {
                        let start = cells.bytes.len() as u32;
                        cells.bytes.extend_from_slice(cell);
                        bounds.push((start, cells.bytes.len() as u32));
                    }
                }
            }
            let (number, line) = row.origin;
            next(Record { cells: Cells { bytes: &cells.bytes, bounds }, is_plain, number, line })?;
        }
        Ok(())
    }
}

impl Waiting {
    fn keys(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let starts = std::iter::once(0).chain(self.rows.iter().map(|row| row.key_end));
        starts.zip(&self.rows).map(|(start, row)| &self.keys[start..row.key_end])
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.cells.bytes.clear();
        self.cells.bounds.clear();
        self.rows.clear();
    }
}

impl TableOperator for Fork {
    fn row(&mut self, row: &Row<'_>, next: &mut Next<'_>) -> Result<(), TransformError> {
        let Self { keys, key, waiting, .. } = self;
        write_non_null(keys.iter().map(|column| row.cell(*column)), key);
        waiting.keys.extend_from_slice(key);
        let is_plain = waiting.cells.add_ours(row);
        let (key_end, cells_end) = (waiting.keys.len(), waiting.cells.bounds.len());
        waiting.rows.push(WaitingRow { key_end, cells_end, origin: row.origin(), is_plain });
        match waiting.rows.len() == ROWS_MAX || waiting.cells.bytes.len() >= BYTES_MAX {
            true => self.finish(next),
            false => Ok(()),
        }
    }

    /// Joins the rows that wait.
    fn finish(&mut self, next: &mut Next<'_>) -> Result<(), TransformError> {
        let joined = self.join_waiting(next);
        self.waiting.clear(); // also after an error: none is passed on twice
        joined
    }

    fn counts(&self) -> Vec<u64> {
        Vec::new()
    }

    fn take_tally(&mut self) -> Vec<u64> {
        let Tally { unmatched, dropped, added, .. } = std::mem::take(&mut self.tally);
        vec![unmatched, dropped, added]
    }
}
