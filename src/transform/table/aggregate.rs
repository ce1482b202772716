//! `aggregate`: groups in a hash table; where they do not fit into memory, parts of groups are sorted by their keys and
//! merged. The result has the order in which the groups began.

mod accumulator;
mod groups;
mod on_disk;
mod totals;

use std::ops::RangeFrom;

use self::accumulator::Fault;
use self::groups::{Begin, Groups};
use self::on_disk::OnDisk;
pub(crate) use self::totals::{TotalColumn, Totals};
use super::keys::{read_cell, write_cell};
use super::spill::Spill;
use super::{Next, Resources, TableOperator};
use crate::expr::aggregate::Function;
use crate::expr::shorten;
use crate::expr::value::{Bounds, Cells};
use crate::pipeline::plan::{Aggregate, AggregateColumn, Column, TransformStep};
use crate::transform::error::{RowError, TransformError};
use crate::transform::program::Row;
use crate::transform::record::Record;

/// Rows in groups, each with the columns that are computed of it.
pub(super) struct Grouping {
    pub(super) shape: Shape,
    groups: Groups,
    /// The parts of groups that did not fit into memory.
    on_disk: Option<OnDisk>,
    key: Vec<u8>,
    rows: u64,
    /// Groups passed on.
    passed: u64,
    spill: Spill,
}

/// The step, and the cells of its rows.
pub(super) struct Shape {
    /// The key of the step in the pipeline file.
    pub(super) step: String,
    /// The number of cells that make the key, which come first.
    pub(super) by: usize,
    pub(super) computed: Vec<Computed>,
}

/// A column that is computed.
pub(super) struct Computed {
    pub(super) name: String,
    pub(super) function: Function,
    /// The positions of its cells.
    pub(super) argument: Option<usize>,
    pub(super) condition: Option<usize>,
}

impl Grouping {
    pub(super) fn new(shape: Shape, resources: &Resources<'_>) -> Self {
        // Groups, which may take twice as much while they grow, their parts, and distinct values.
        let spill = Spill::new(resources, 4);
        Self { shape, groups: Groups::new(), on_disk: None, key: Vec::new(), rows: 0, passed: 0, spill }
    }

    /// Returns the number of the row's group.
    #[inline]
    pub(super) fn group(&mut self, row: &Row<'_>) -> usize {
        let Self { shape, groups, key, rows, .. } = self;
        key.clear();
        for column in 0..shape.by {
            write_cell(row.cell(column), key);
        }
        let (number, line) = row.origin();
        *rows += 1;
        groups.group(shape, key, Begin { position: *rows, number, line })
    }

    /// Adds the value of a row to a column.
    #[inline]
    pub(super) fn add_cell(
        &mut self,
        group: usize,
        column: usize,
        cell: &[u8],
        origin: (u64, u64),
    ) -> Result<(), TransformError> {
        Ok(self.groups.add_cell(&self.shape, group, column, cell, origin)?)
    }

    /// Moves the groups to the disk if they need too much memory.
    #[inline]
    pub(super) fn spill_if_full(&mut self) -> Result<(), TransformError> {
        if self.groups.bytes() <= self.spill.memory {
            return Ok(());
        }
        let Self { shape, groups, on_disk, spill, .. } = self;
        on_disk.get_or_insert_with(|| OnDisk::new(spill)).add(shape, groups)
    }

    /// Passes on a row of each group.
    pub(super) fn finish(&mut self, next: &mut Next<'_>) -> Result<(), TransformError> {
        let Self { shape, groups, on_disk, spill, .. } = self;
        if let Some(mut on_disk) = on_disk.take() {
            on_disk.add(shape, groups)?;
            self.passed = on_disk.finish(shape, spill, next)?;
            return Ok(());
        }
        let mut result = ResultRow::default();
        for group in 0..groups.len() {
            result.begin(groups.key(group));
            groups.print(shape, group, &mut result);
            self.passed += 1;
            next(result.record(groups.begin(group)))?;
        }
        Ok(())
    }

    /// Returns the number of rows beyond the first of each group.
    pub(super) fn merged(&self) -> u64 {
        self.rows.saturating_sub(self.passed)
    }
}

impl Computed {
    /// Takes the next cells for an argument and a filter, if there are any.
    fn new(
        name: &str,
        function: Function,
        (has_argument, has_filter): (bool, bool),
        cells: &mut RangeFrom<usize>,
    ) -> Self {
        let argument = if has_argument { cells.next() } else { None };
        let condition = if has_filter { cells.next() } else { None };
        Self { name: name.to_owned(), function, argument, condition }
    }
}

impl Shape {
    #[cold]
    fn error(&self, column: usize, (number, line): (u64, u64), fault: Fault) -> RowError {
        let (column, step) = (self.computed[column].name.clone(), self.step.clone());
        let (value, what) = match fault {
            Fault::TooLong(number) => (number, "makes the sum of its group longer than 38 digits"),
            Fault::Second(value) => {
                (value, "is a second value; write `many: first` to keep the first one, or add a column to `by`")
            }
        };
        RowError { number, line, column, value: shorten(&value), what: what.to_owned(), step }
    }
}

pub(super) struct AggregateRows(Grouping);

impl AggregateRows {
    pub(super) fn new(step: &TransformStep, aggregate: &Aggregate, resources: &Resources<'_>) -> Self {
        let mut cells = aggregate.by.len()..;
        let computed = aggregate.columns.iter().map(|column| {
            let AggregateColumn { column: Column { name, .. }, function, argument, filter, at: _ } = column;
            Computed::new(name, *function, (argument.is_some(), filter.is_some()), &mut cells)
        });
        let computed = computed.collect();
        let shape = Shape { step: step.at.key.clone(), by: aggregate.by.len(), computed };
        Self(Grouping::new(shape, resources))
    }
}

impl TableOperator for AggregateRows {
    fn row(&mut self, row: &Row<'_>, _: &mut Next<'_>) -> Result<(), TransformError> {
        let group = self.0.group(row);
        self.0.groups.add(&self.0.shape, group, row)?;
        self.0.spill_if_full()
    }

    fn finish(&mut self, next: &mut Next<'_>) -> Result<(), TransformError> {
        let Grouping { shape, groups, rows, .. } = &mut self.0;
        if *rows == 0 && shape.by == 0 {
            // All rows are one group, also if there are none.
            groups.group(shape, &[], Begin::default());
        }
        self.0.finish(next)
    }

    fn counts(&self) -> Vec<u64> {
        vec![self.0.merged(), self.0.passed.saturating_sub(self.0.rows)]
    }
}

/// A row of the result: the group's key, then the computed cells.
#[derive(Default)]
struct ResultRow {
    bytes: Vec<u8>,
    bounds: Vec<Bounds>,
}

impl ResultRow {
    /// Begins with the cells of the key.
    fn begin(&mut self, key: &[u8]) {
        self.bytes.clear();
        self.bounds.clear();
        let mut at = 0;
        while at < key.len() {
            let cell = read_cell(key, &mut at);
            self.cell(|out| out.extend_from_slice(cell));
        }
    }

    /// Adds a cell.
    fn cell(&mut self, print: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len() as u32;
        print(&mut self.bytes);
        self.bounds.push((start, self.bytes.len() as u32));
    }

    fn record(&self, Begin { number, line, .. }: Begin) -> Record<'_> {
        Record { cells: Cells { bytes: &self.bytes, bounds: &self.bounds }, is_plain: false, number, line }
    }
}
