//! The columns that steps need from the operators on whole tables before them: the others are not kept in between.

use super::columns::Columns;
use super::plan::TransformStep;

/// Returns, for each operator on whole tables, for each column before it if the step or a later one needs it.
pub(crate) fn needed_columns(steps: &[TransformStep], header: &[String]) -> Vec<Vec<bool>> {
    let mut columns = Columns::of_header(header);
    // Those of the extract, then by turns those that an operator on whole tables takes, and those that it passes on.
    let mut rows = Vec::new();
    for step in steps {
        let is_table = step.kind.is_table();
        if is_table {
            rows.push(columns.settle());
            if step.kind.needs_all_columns() {
                columns.read_all();
            }
        }
        (step.kind.declaration().columns)(&mut columns);
        if is_table {
            rows.push(columns.settle());
        }
    }
    columns.read_all();
    rows.push(columns.settle());
    let widths = std::iter::once(header.len()).chain(rows.iter().map(|row| row.width())).collect::<Vec<_>>();
    let (mut needed, mut is_needed) = (Vec::new(), Vec::new());
    for (index, row) in rows.iter().enumerate().rev() {
        is_needed = row.needed_cells(widths[index], &is_needed);
        if index % 2 == 1 {
            needed.push(is_needed.clone());
        }
    }
    needed.reverse();
    needed
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::expr::Expr;
    use crate::pipeline::plan::{Column, Dedupe, Expression, Keep, Number, OnError, Rename, StepKind};
    use crate::yaml::problem::Place;

    fn place() -> Place {
        Place { file: Arc::new(PathBuf::from("p.yaml")), line: 1, column: 1, span: 0..0, key: String::new() }
    }

    fn column(name: &str) -> Column {
        Column { name: name.to_owned(), at: place() }
    }

    /// Parses words: `rename b=a`, `filter EXPRESSION`, `dedupe a b`, `select a b`, `drop a`, `number a`, `limit`.
    fn steps(text: &str) -> Vec<TransformStep> {
        let step = |line: &str| {
            let (word, rest) = line.trim().split_once(' ').unwrap_or((line, ""));
            let columns = || rest.split(' ').map(column).collect::<Vec<_>>();
            let kind = match word {
                "rename" => {
                    let (to, from) = rest.split_once('=').unwrap();
                    StepKind::Rename(vec![Rename { to: column(to), from: column(from) }])
                }
                "filter" => StepKind::Filter(Expression::new(Expr::parse(rest).unwrap(), |_| place())),
                "dedupe" => StepKind::Dedupe(Dedupe { by: columns(), order: Vec::new(), keep: Keep::First }),
                "select" => StepKind::Select(columns()),
                "drop" => StepKind::Drop(columns()),
                "number" => StepKind::Number(Number { column: column(rest), start: 1 }),
                "limit" => StepKind::Limit(3),
                other => panic!("{other:?}"),
            };
            TransformStep { at: place(), kind, on_error: OnError::Fail }
        };
        text.lines().map(step).collect()
    }

    /// Returns the columns of `a b c d` that each operator on whole tables gets, by their positions then: `0 1, 0`.
    fn needed(text: &str) -> String {
        let header: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let steps = steps(text);
        let positions = |needed: Vec<bool>| {
            let is_needed = needed.into_iter().enumerate().filter(|(_, is_needed)| *is_needed);
            is_needed.map(|(position, _)| position.to_string()).collect::<Vec<_>>().join(" ")
        };
        needed_columns(&steps, &header).into_iter().map(positions).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn only_columns_that_are_read_later_or_delivered_are_needed() {
        assert_eq!(needed("dedupe a"), "0 1 2 3", "all are delivered");
        assert_eq!(needed("limit\nselect c"), "2");
        assert_eq!(needed("dedupe a\nselect c"), "0 2", "that of the step itself");
        assert_eq!(needed("limit\nfilter b = 'x'\nselect c"), "1 2");
        assert_eq!(needed("dedupe a\nlimit\nselect c"), "0 2, 2", "the second does not need what the first one does");
        assert_eq!(needed("limit\ndedupe a\nselect c"), "0 2, 0 2");
        assert_eq!(needed("rename e=a\nlimit\nrename f=e\nselect f"), "0");
        assert_eq!(needed("select d a\nlimit\nselect a"), "1", "positions are those before the step");
        assert_eq!(needed("limit\nnumber e\nselect c"), "0 1 2 3, 0 1 2 3", "an operator that takes rows as they are");
    }
}
