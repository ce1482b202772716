//! The table that a join looks rows up in: its header, its rows, and its rows in memory.

use tokio_util::sync::CancellationToken;

use super::super::keys::{KeyTable, read_cell, write_cell, write_non_null};
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{Column, Join};
use crate::progress::Meter;
use crate::settings::Limits;
use crate::transform::block::ReadAhead;
use crate::transform::decode;
use crate::transform::error::TransformError;
use crate::transform::record::Records;
use crate::transform::step_inputs::OpenTable;
use crate::transform::stored::{read_number, write_number};
use crate::yaml::problem::Problem;

/// A table whose columns are known.
pub(super) struct Theirs {
    pub(super) name: String,
    table: OpenTable,
    limits: Limits,
    stop: CancellationToken,
    /// The positions of the columns that are matched, and of those that are added.
    keys: Vec<usize>,
    pub(super) added: Vec<usize>,
}

impl Theirs {
    /// Reads the header. Returns problems if the join does not fit it.
    pub(super) fn open(
        join: &Join,
        added: &[&Column],
        table: OpenTable,
        limits: Limits,
        stop: CancellationToken,
    ) -> Result<Result<Self, Vec<Problem>>, TransformError> {
        let name = join.with.name().to_owned();
        let mut theirs = Self { name, table, limits, stop, keys: Vec::new(), added: Vec::new() };
        let meter = Meter::default();
        let header = theirs.named(theirs.records(&meter))?.names().to_vec();
        let mut columns = Columns::of_table(&theirs.name, &header);
        let mut positions = |column: &Column| {
            columns.require(column);
            columns.position_of(&column.name)
        };
        theirs.keys = join.matches.iter().map(|pair| positions(&pair.theirs)).collect();
        theirs.added = added.iter().map(|column| positions(column)).collect();
        let problems = columns.into_problems();
        Ok(if problems.is_empty() { Ok(theirs) } else { Err(problems) })
    }

    /// Passes each row that has a key: its key, and its number and added cells as bytes.
    pub(super) fn read(
        &self,
        mut on_row: impl FnMut(&[u8], &[u8]) -> Result<(), TransformError>,
    ) -> Result<(), TransformError> {
        let meter = Meter::default();
        let mut records = self.named(self.records(&meter))?;
        let (mut key, mut row) = (Vec::new(), Vec::new());
        while let Some(record) = self.named(records.next())? {
            if write_non_null(self.keys.iter().map(|column| record.cell(*column)), &mut key) {
                row.clear();
                write_number(record.number << 1 | u64::from(record.is_plain), &mut row);
                self.added.iter().for_each(|column| write_cell(record.cell(*column), &mut row));
                on_row(&key, &row)?;
            }
        }
        Ok(())
    }

    /// Opens the table and reads its header.
    fn records<'m>(&self, meter: &'m Meter) -> Result<Records<'m>, TransformError> {
        let OpenTable { read, csv, rows_max } = &self.table;
        let limits = self.limits.with_rows_max(*rows_max);
        let reading = |source| TransformError::Read { source };
        let read = decode::reader(read().map_err(reading)?, csv.encoding);
        let ahead = ReadAhead::start(read, csv.delimiter).map_err(reading)?;
        let mut records = Records::new(ahead, *csv, limits, meter, self.stop.clone());
        records.header()?.ok_or(TransformError::Empty)?;
        Ok(records)
    }

    /// Adds the table's name to an error.
    fn named<T>(&self, result: Result<T, TransformError>) -> Result<T, TransformError> {
        result.map_err(|error| match error {
            TransformError::Stopped => error,
            other => TransformError::Table { name: self.name.clone(), source: Box::new(other) },
        })
    }
}

/// A row of the table, as [`Theirs::read`] passes it.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    row: &'a [u8],
    cells: usize,
    header: u64,
}

impl<'a> Found<'a> {
    #[inline]
    pub(super) fn new(row: &'a [u8]) -> Self {
        let mut cells = 0;
        let header = read_number(row, &mut cells);
        Self { row, cells, header }
    }

    /// Returns its record number.
    pub(super) fn number(self) -> u64 {
        self.header >> 1
    }

    pub(super) fn is_plain(self) -> bool {
        self.header & 1 == 1
    }

    /// Returns its added cells, each with its length before it.
    pub(super) fn stored_cells(self) -> &'a [u8] {
        &self.row[self.cells..]
    }

    /// Returns its added cells.
    #[inline]
    pub(super) fn cells(self) -> impl Iterator<Item = &'a [u8]> {
        let mut at = self.cells;
        std::iter::from_fn(move || (at < self.row.len()).then(|| read_cell(self.row, &mut at)))
    }
}

/// Rows of the table in memory, by their keys.
pub(super) struct InMemory {
    keys: KeyTable,
    /// The first and the last row of each key.
    ends: Vec<(u32, u32)>,
    rows: Vec<Stored>,
    bytes: Vec<u8>,
    longest: usize,
}

#[derive(Clone, Copy)]
struct Stored {
    start: u64,
    /// The next row with the same key, or [`NONE`].
    next: u32,
    length: u32,
}

const NONE: u32 = u32::MAX;

impl InMemory {
    pub(super) fn new() -> Self {
        Self { keys: KeyTable::new(), ends: Vec::new(), rows: Vec::new(), bytes: Vec::new(), longest: 0 }
    }

    /// Returns the bytes in use.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes()
            + self.bytes.len()
            + self.ends.len() * size_of::<(u32, u32)>()
            + self.rows.len() * size_of::<Stored>()
    }

    /// Adds a row.
    pub(super) fn push(&mut self, key: &[u8], row: &[u8]) {
        let index = self.rows.len() as u32;
        self.rows.push(Stored { start: self.bytes.len() as u64, next: NONE, length: row.len() as u32 });
        self.bytes.extend_from_slice(row);
        self.longest = self.longest.max(row.len());
        let (number, is_new) = self.keys.insert(key);
        if is_new {
            self.ends.push((index, index));
        } else {
            let last = std::mem::replace(&mut self.ends[number].1, index);
            self.rows[last as usize].next = index;
        }
    }

    /// Returns the bytes of the longest row.
    pub(super) fn longest_row(&self) -> usize {
        self.longest
    }

    /// Returns the rows with a key, in their order.
    #[inline]
    pub(super) fn matches(&self, key: &[u8]) -> Matches<'_> {
        self.rows_of(self.keys.find(key))
    }

    /// Appends the number of each key that has rows.
    pub(super) fn find_all<'k>(&self, keys: impl Iterator<Item = &'k [u8]> + Clone, found: &mut Vec<Option<usize>>) {
        self.keys.find_all(keys, found);
    }

    /// Returns the rows of the key with a number, in their order.
    #[inline]
    pub(super) fn rows_of(&self, key: Option<usize>) -> Matches<'_> {
        Matches { table: self, next: key.map_or(NONE, |number| self.ends[number].0) }
    }

    /// Passes on all rows, those with the same key in their order.
    pub(super) fn drain<E>(self, mut on_row: impl FnMut(&[u8], &[u8]) -> Result<(), E>) -> Result<(), E> {
        for (number, (first, _)) in self.ends.iter().enumerate() {
            for row in (Matches { table: &self, next: *first }) {
                on_row(self.keys.key(number), row)?;
            }
        }
        Ok(())
    }
}

/// The rows with one key.
#[derive(Clone)]
pub(super) struct Matches<'a> {
    table: &'a InMemory,
    next: u32,
}

impl<'a> Iterator for Matches<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.next == NONE {
            return None;
        }
        let Stored { start, next, length } = self.table.rows[self.next as usize];
        self.next = next;
        Some(&self.table.bytes[start as usize..start as usize + length as usize])
    }
}
