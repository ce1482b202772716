//! Records around the rows of each group. Rows come sorted, so only the last row's group is kept.

use std::cmp::Ordering;
use std::io;

use super::Progress;
use super::record::{RecordWriter, Writers};
use super::running::RunningTotals;
use crate::encode::values::{BadValue, CellList};
use crate::pipeline::masked::MASKED;
use crate::pipeline::plan::{LayoutFormat, LayoutGroup};
use crate::transform::{Row, RowError};

/// The group that is being written.
pub(super) struct Group {
    by: Vec<Key>,
    header: Vec<RecordWriter>,
    trailer: Vec<RecordWriter>,
    totals: RunningTotals,
    /// True while it has rows.
    is_open: bool,
    /// The relation of the next row to the last one, if it is known.
    next: Option<Next>,
    rows: u64,
    /// The record and the line of the last row.
    last: (u64, u64),
}

/// A column whose values make a group.
struct Key {
    position: usize,
    name: String,
    is_masked: bool,
    /// The value of the last row as it came, and as it is written.
    value: Vec<u8>,
    written: Vec<u8>,
    /// The place of empty cells among the others, once there was one.
    empty: Option<EmptyCells>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EmptyCells {
    First,
    Last,
}

/// The relation of a row to the one before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    SameGroup,
    OtherGroup,
}

impl Group {
    pub(super) fn new(group: &LayoutGroup, writers: &Writers<'_>, columns: &[String]) -> io::Result<Self> {
        let LayoutGroup { by, totals, header, trailer } = group;
        let keys = by.iter().map(|key| {
            let name = key.column.name.clone();
            let position = columns.iter().position(|column| *column == name);
            let missing = || format!("artifact.layout.group.by: there is no column {name:?}");
            let position = position.ok_or_else(|| io::Error::other(missing()))?;
            let is_masked = key.is_masked;
            Ok(Key { position, name, is_masked, value: Vec::new(), written: Vec::new(), empty: None })
        });
        let names: Vec<String> = columns.iter().cloned().chain(LayoutFormat::group_header_names()).collect();
        Ok(Self {
            by: keys.collect::<io::Result<_>>()?,
            header: writers.bind(header, &names)?,
            trailer: writers.bind(trailer, &LayoutGroup::trailer_names(by, totals))?,
            totals: RunningTotals::new("artifact.layout.group.totals", totals, columns)?,
            is_open: false,
            next: None,
            rows: 0,
            last: (0, 0),
        })
    }

    /// Compares a row with the last one, before its characters are replaced by those of a charset.
    ///
    /// # Errors
    /// Rows are not sorted.
    pub(super) fn compare(&mut self, row: &Row<'_>) -> Result<(), RowError> {
        let mut next = Next::SameGroup;
        for index in 0..self.by.len() {
            let key = &mut self.by[index];
            let cell = row.cell(key.position);
            if !self.is_open || next == Next::OtherGroup {
                key.take(cell);
                continue;
            }
            match key.order(cell) {
                Some(Ordering::Equal) => {}
                Some(_) => {
                    key.take(cell);
                    next = Next::OtherGroup;
                }
                None => return Err(self.not_sorted(index, row)),
            }
        }
        self.next = Some(if self.is_open { next } else { Next::OtherGroup });
        Ok(())
    }

    #[cold]
    fn not_sorted(&self, index: usize, row: &Row<'_>) -> RowError {
        let Key { position, name, is_masked, .. } = &self.by[index];
        let value = if *is_masked { MASKED.as_bytes() } else { row.cell(*position) };
        let by = self.by.iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ");
        let what = format!(
            "comes before that of the row above it in the order of texts, and the rows of a group must follow each \
             other: add the step `sort: [{by}]`"
        );
        row.error(name, value, what, "artifact.layout.group.by")
    }

    /// Writes what is between a row and the one before it, if it begins a group.
    pub(super) fn begin_row(
        &mut self,
        row: &Row<'_>,
        row_cells: &CellList,
        progress: &mut Progress,
        cells: &mut CellList,
        out: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        if self.next.is_none() {
            self.compare(row)?;
        }
        if self.next.take() == Some(Next::OtherGroup) {
            self.end(progress, cells, out).map_err(|bad| bad.at(self.last))?;
            for Key { position, written, .. } in &mut self.by {
                written.clear();
                written.extend_from_slice(row.cell(*position));
            }
            self.is_open = true;
            progress.groups += 1;
            cells.clone_from(row_cells);
            cells.push(progress.file_name.as_bytes());
            progress.write(&mut self.header, cells, out).map_err(|bad| bad.in_row(row))?;
        }
        self.last = row.origin();
        Ok(())
    }

    /// Adds a row that was written.
    pub(super) fn add(&mut self, row: &Row<'_>, row_cells: &CellList) -> Result<(), RowError> {
        self.rows += 1;
        self.totals.add(row, row_cells)
    }

    /// Ends the group, if it has rows.
    pub(super) fn end(
        &mut self,
        progress: &mut Progress,
        cells: &mut CellList,
        out: &mut Vec<u8>,
    ) -> Result<(), BadValue> {
        if !std::mem::take(&mut self.is_open) {
            return Ok(());
        }
        cells.clear();
        self.by.iter().for_each(|key| cells.push(&key.written));
        self.totals.push_to(cells);
        cells.push_number(std::mem::take(&mut self.rows));
        cells.push(progress.file_name.as_bytes());
        self.totals.reset();
        progress.write(&mut self.trailer, cells, out)
    }
}

impl Key {
    fn take(&mut self, cell: &[u8]) {
        self.value.clear();
        self.value.extend_from_slice(cell);
    }

    /// Compares a cell with the last one; `None` if it comes before it. Empty cells are first or last, as in a sorted
    /// table.
    fn order(&mut self, cell: &[u8]) -> Option<Ordering> {
        let place = match (self.value.is_empty(), cell.is_empty()) {
            (false, false) | (true, true) => {
                return Some(cell.cmp(self.value.as_slice())).filter(|order| *order != Ordering::Less);
            }
            (true, false) => EmptyCells::First,
            (false, true) => EmptyCells::Last,
        };
        (*self.empty.get_or_insert(place) == place).then_some(Ordering::Greater)
    }
}
