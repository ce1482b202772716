//! An `aggregate` → its plan.

use super::*;
use crate::expr::Expr;
use crate::expr::aggregate::AggregateCall;
use crate::pipeline::aggregate_file::{AggregateFile, AggregateText};

impl Check<'_> {
    pub(super) fn aggregate(&mut self, written: AggregateFile, secrets: &mut BTreeMap<String, SecretRef>) -> StepKind {
        let AggregateFile { by, columns } = written;
        let by = self.columns(by.map(|by| by.0).unwrap_or_default());
        if columns.value.0.is_empty() && by.is_empty() {
            let problem = columns.origin.error("neither a group nor a column is written here");
            self.problems.push(problem.hint("write columns: `{rows: \"count(*)\"}`"));
        }
        let mut column = |(name, At { value: AggregateText { call, node }, origin }): (Key, At<AggregateText>)| {
            let AggregateCall { function, argument, filter, warnings: _ } = call;
            let mut part = |expr: Expr| self.expression(Written { expr, node: node.clone() }, secrets);
            let (argument, filter) = (argument.map(&mut part), filter.map(&mut part));
            AggregateColumn {
                column: Column { name: name.text, at: self.place(&name.origin) },
                function,
                argument,
                filter,
                at: self.place(&origin),
            }
        };
        let columns = columns.value.0.into_iter().map(&mut column).collect();
        StepKind::Aggregate(Aggregate { by, columns })
    }
}
