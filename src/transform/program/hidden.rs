//! The cells that an operator on whole tables gets besides those of columns: the arguments and conditions of its
//! expressions, computed by the program before it.

use std::collections::BTreeSet;

use super::{Action, Builder, Operation, Reaction, computed};
use crate::expr::value::CellRef;
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{Aggregate, Pivot, StepKind, TransformStep};
use crate::yaml::problem::Place;

impl Builder<'_> {
    /// Adds the operations that a table operator needs. Returns the number of cells that the program makes, and the cells
    /// of its rows.
    pub(in crate::transform) fn table_operator(
        &mut self,
        step: &TransformStep,
        masked: &BTreeSet<String>,
        columns: &mut Columns,
    ) -> (u32, Vec<CellRef>) {
        match &step.kind {
            StepKind::Aggregate(aggregate) => self.aggregate(aggregate, masked, columns),
            StepKind::Pivot(Pivot { by, names, values, .. }) => {
                let cells = by.iter().chain([names, values]).map(|column| columns.cell(&column.name));
                (columns.made(), cells.collect())
            }
            _ => (columns.made(), columns.cells().1),
        }
    }

    fn add(&mut self, at: &Place, action: Action) {
        self.operations.push(Operation { key: at.key.clone(), reaction: Reaction::Fail, action });
    }

    /// The cells of an `aggregate`: those of the groups' columns, then of each computed column its argument and its
    /// condition.
    fn aggregate(
        &mut self,
        aggregate: &Aggregate,
        masked: &BTreeSet<String>,
        columns: &mut Columns,
    ) -> (u32, Vec<CellRef>) {
        let mut made = columns.made();
        let mut cells: Vec<CellRef> = aggregate.by.iter().map(|column| columns.cell(&column.name)).collect();
        for column in &aggregate.columns {
            // First the condition: an argument is computed only where that is true.
            let filter = column.filter.as_ref().map(|filter| {
                let expression = computed(self.secrets, &column.at, filter, masked, columns);
                let (made_cell, column_name) = (made as usize, column.column.name.clone());
                self.add(&column.at, Action::Set { expression, made: made_cell, column: column_name });
                made += 1;
                made - 1
            });
            if let Some(name) = column.argument.as_ref().and_then(|argument| argument.expr.as_column()) {
                cells.push(columns.cell(name)); // nothing is to be computed
            } else if let Some(argument) = &column.argument {
                let (name, condition) = (column.column.name.clone(), filter.map(|filter| filter as usize));
                let expression = computed(self.secrets, &column.at, argument, masked, columns);
                self.add(&column.at, Action::Argument { expression, made: made as usize, column: name, condition });
                cells.push(CellRef::Made(made));
                made += 1;
            }
            cells.extend(filter.map(CellRef::Made));
        }
        (made, cells)
    }
}
