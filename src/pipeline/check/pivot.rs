//! A `pivot` → its plan.

use super::*;
use crate::pipeline::pivot_file::{ManyWord, OtherWord, PivotFile};

impl Check<'_> {
    pub(super) fn pivot(&mut self, written: PivotFile) -> StepKind {
        let PivotFile { by, names, values, columns, many, other } = written;
        if columns.value.0.is_empty() {
            let problem = columns.origin.error("no column of the result is named here");
            self.problems.push(problem.hint("list the values of `names` that become columns"));
        }
        let mut made: Vec<PivotColumn> = Vec::new();
        for (column, name) in columns.value.0 {
            if made.iter().any(|other| other.name == name.value) {
                let problem = name.origin.error(format!("the name {:?} becomes two columns", name.value));
                self.problems.push(problem.hint("keep one of them; `set` makes a copy of a column"));
            }
            let column = Column { at: self.place(&column.origin), name: column.text };
            made.push(PivotColumn { column, name: name.value });
        }
        StepKind::Pivot(Pivot {
            by: self.columns(by.0),
            names: self.column(names),
            values: self.column(values),
            columns: made,
            first_of_many: many == Some(ManyWord::First),
            drop_others: other == Some(OtherWord::Drop),
        })
    }
}
