//! `pivot`: the groups of `aggregate`, with a column for each of some names.

use super::aggregate::{Computed, Grouping, Shape};
use super::keys::KeyTable;
use super::{Next, Resources, TableOperator};
use crate::expr::aggregate::Function;
use crate::expr::shorten;
use crate::pipeline::plan::{Pivot, PivotColumn, TransformStep};
use crate::transform::error::{RowError, TransformError};
use crate::transform::program::Row;

pub(super) struct PivotRows {
    grouping: Grouping,
    /// The names that become columns, in the order of those.
    names: KeyTable,
    /// The name of the column with the names.
    names_column: String,
    step: String,
    drop_others: bool,
    dropped: u64,
}

impl PivotRows {
    pub(super) fn new(step: &TransformStep, pivot: &Pivot, resources: &Resources<'_>) -> Self {
        let mut names = KeyTable::new();
        pivot.columns.iter().for_each(|made| {
            names.insert(made.name.as_bytes());
        });
        let function = if pivot.first_of_many { Function::First } else { Function::Only };
        let computed = |PivotColumn { column, name: _ }: &PivotColumn| Computed {
            name: column.name.clone(),
            function,
            argument: None,
            condition: None,
        };
        let computed = pivot.columns.iter().map(computed).collect();
        let shape = Shape { step: step.at.key.clone(), by: pivot.by.len(), computed };
        Self {
            grouping: Grouping::new(shape, resources),
            names,
            names_column: pivot.names.name.clone(),
            step: step.at.key.clone(),
            drop_others: pivot.drop_others,
            dropped: 0,
        }
    }

    #[cold]
    fn other(&self, name: &[u8], (number, line): (u64, u64)) -> TransformError {
        let value = shorten(&String::from_utf8_lossy(name));
        let what = "is not a column of the pivot; list it under `columns`, or write `other: drop`".to_owned();
        RowError { number, line, column: self.names_column.clone(), value, what, step: self.step.clone() }.into()
    }
}

impl TableOperator for PivotRows {
    fn row(&mut self, row: &Row<'_>, _: &mut Next<'_>) -> Result<(), TransformError> {
        let name = row.cell(self.grouping.shape.by);
        let Some(column) = self.names.find(name) else {
            if !self.drop_others {
                return Err(self.other(name, row.origin()));
            }
            self.dropped += 1;
            return Ok(());
        };
        let group = self.grouping.group(row);
        self.grouping.add_cell(group, column, row.cell(self.grouping.shape.by + 1), row.origin())?;
        self.grouping.spill_if_full()
    }

    fn finish(&mut self, next: &mut Next<'_>) -> Result<(), TransformError> {
        self.grouping.finish(next)
    }

    fn counts(&self) -> Vec<u64> {
        vec![self.dropped, self.grouping.merged()]
    }
}
