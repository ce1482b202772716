//! The cells that an operator on whole tables gets besides those of columns: the arguments and conditions of its
//! expressions, computed by the program before it.

use super::{Action, Builder};
use crate::expr::value::CellRef;
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{Aggregate, StepKind, TransformStep};

impl Builder<'_> {
    /// Adds the operations that a table operator needs. Returns the number of cells that the program makes, and the cells
    /// of its rows.
    pub(in crate::transform) fn table_operator(
        &mut self,
        step: &TransformStep,
        columns: &mut Columns,
    ) -> (u32, Vec<CellRef>) {
        match &step.kind {
            StepKind::Aggregate(aggregate) => self.aggregate(aggregate, columns),
            _ => (columns.made(), columns.cells().1),
        }
    }

    /// The cells of an `aggregate`: those of the groups' columns, then of each computed column its argument and its
    /// condition.
    fn aggregate(&mut self, aggregate: &Aggregate, columns: &mut Columns) -> (u32, Vec<CellRef>) {
        let mut made = columns.made();
        let mut cells: Vec<CellRef> = aggregate.by.iter().map(|column| columns.cell(&column.name)).collect();
        for column in &aggregate.columns {
            // First the condition: an argument is computed only where that is true.
            let filter = column.filter.as_ref().map(|filter| {
                let action = Action::Set { made: made as usize, column: column.column.name.clone() };
                self.operation(&column.at, filter, action, columns);
                made += 1;
                made - 1
            });
            if let Some(argument) = &column.argument {
                let (name, condition) = (column.column.name.clone(), filter.map(|filter| filter as usize));
                let action = Action::Argument { made: made as usize, column: name, condition };
                self.operation(&column.at, argument, action, columns);
                cells.push(CellRef::Made(made));
                made += 1;
            }
            cells.extend(filter.map(CellRef::Made));
        }
        (made, cells)
    }
}
