//! `aggregate`: groups in a hash table; where they do not fit into memory, parts of groups are sorted by their keys and
//! merged. The result has the order in which the groups began.

mod accumulator;
mod groups;
mod on_disk;

use std::path::PathBuf;

use self::accumulator::Overflow;
use self::groups::{Begin, Groups};
use self::on_disk::OnDisk;
use super::keys::{read_cell, write_cell};
use super::{Next, Resources, TableOperator};
use crate::expr::aggregate::Function;
use crate::expr::value::{Bounds, Cells};
use crate::pipeline::plan::{Aggregate, AggregateColumn, TransformStep};
use crate::transform::error::{RowError, TransformError};
use crate::transform::program::Row;
use crate::transform::record::Record;

pub(super) struct AggregateRows {
    shape: Shape,
    groups: Groups,
    /// The parts of groups that did not fit into memory.
    on_disk: Option<OnDisk>,
    key: Vec<u8>,
    rows: u64,
    /// Groups passed on.
    passed: u64,
    folder: PathBuf,
    memory: usize,
}

/// The step, and the cells of its rows.
struct Shape {
    /// The key of the step in the pipeline file.
    step: String,
    /// The number of cells that make the key, which come first.
    by: usize,
    computed: Vec<Computed>,
}

/// A column that is computed.
struct Computed {
    name: String,
    function: Function,
    /// The positions of its cells.
    argument: Option<usize>,
    condition: Option<usize>,
}

impl AggregateRows {
    pub(super) fn new(step: &TransformStep, aggregate: &Aggregate, resources: &Resources<'_>) -> Self {
        let mut cells = aggregate.by.len()..;
        let mut computed = |column: &AggregateColumn| Computed {
            name: column.column.name.clone(),
            function: column.function,
            argument: column.argument.as_ref().and_then(|_| cells.next()),
            condition: column.filter.as_ref().and_then(|_| cells.next()),
        };
        let computed = aggregate.columns.iter().map(&mut computed).collect();
        let shape = Shape { step: step.at.key.clone(), by: aggregate.by.len(), computed };
        let (folder, memory) = (resources.folder.to_owned(), resources.memory / 4);
        Self { shape, groups: Groups::new(), on_disk: None, key: Vec::new(), rows: 0, passed: 0, folder, memory }
    }
}

impl TableOperator for AggregateRows {
    fn row(&mut self, row: &Row<'_>, _: &mut Next<'_>) -> Result<(), TransformError> {
        let Self { shape, groups, on_disk, key, .. } = self;
        key.clear();
        for column in 0..shape.by {
            write_cell(row.cell(column), key);
        }
        let (number, line) = row.origin();
        let group = groups.group(shape, key, Begin { position: self.rows, number, line });
        self.rows += 1;
        groups.add(shape, group, row)?;
        if groups.bytes() > self.memory {
            on_disk.get_or_insert_with(|| OnDisk::new(&self.folder, self.memory)).add(shape, groups)?;
        }
        Ok(())
    }

    fn finish(&mut self, next: &mut Next<'_>) -> Result<(), TransformError> {
        let Self { shape, groups, on_disk, .. } = self;
        if self.rows == 0 && shape.by == 0 {
            // All rows are one group, also if there are none.
            groups.group(shape, &[], Begin::default());
        }
        if let Some(mut on_disk) = on_disk.take() {
            on_disk.add(shape, groups)?;
            self.passed = on_disk.finish(shape, next)?;
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

    fn counts(&self) -> Vec<u64> {
        vec![self.rows.saturating_sub(self.passed), self.passed.saturating_sub(self.rows)]
    }
}

impl Shape {
    #[cold]
    fn error(&self, column: usize, (number, line): (u64, u64), overflow: Overflow) -> TransformError {
        let (column, step) = (self.computed[column].name.clone(), self.step.clone());
        let what = "makes the sum of its group longer than 38 digits".to_owned();
        RowError { number, line, column, value: overflow.number(), what, step }.into()
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
