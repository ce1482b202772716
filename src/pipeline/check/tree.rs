//! A tree of values → its plan.

use std::collections::BTreeSet;

use super::*;
use crate::pipeline::tree_file::{TreeFile, TreeKind, TreeValueFile};

/// The rows that a tree is made of.
pub(super) struct TreeRows<'a> {
    pub(super) columns: &'a mut Columns,
    /// The columns whose values must not be shown.
    pub(super) masked: &'a BTreeSet<String>,
    /// Leaves nulls out, unless a value says otherwise.
    pub(super) omit_null: bool,
}

/// A part of a tree.
enum TreePart {
    Tree(Tree),
    /// One that has the rows in it; what is around them is listed from the inside to the outside.
    Rows(Document),
}

/// The values of an object or list, with their names in an object.
struct Split<N> {
    before: Vec<(N, Tree)>,
    /// The one that has the rows in it.
    rows: Option<(N, Document)>,
    after: Vec<(N, Tree)>,
}

impl Check<'_> {
    /// Returns a tree; `None` if it cannot be used.
    pub(super) fn tree(&mut self, written: TreeFile, rows: &mut TreeRows<'_>) -> Option<Body> {
        let mut document = match self.part(written, rows)? {
            TreePart::Tree(tree) => return Some(Body::Rows(tree)),
            TreePart::Rows(document) => document,
        };
        document.around.reverse();
        for tree in document.outer() {
            tree.each_value(&mut |value| {
                for column in &value.expression.columns {
                    let what =
                        format!("the column {:?} is read outside of `each_row`, where there is no row", column.name);
                    let problem = Problem::error(column.at.clone(), what);
                    self.problems.push(problem.hint("move the value into `each_row`, or write a text"));
                }
            });
        }
        Some(Body::Document(document))
    }

    fn part(&mut self, written: TreeFile, rows: &mut TreeRows<'_>) -> Option<TreePart> {
        let TreeFile { kind, origin } = written;
        Some(match kind {
            TreeKind::Literal(literal) => TreePart::Tree(Tree::Literal(literal)),
            TreeKind::Value(value) => TreePart::Tree(Tree::Value(Box::new(self.tree_value(*value, rows)))),
            TreeKind::EachRow(row) => match self.part(*row, rows)? {
                TreePart::Tree(row) => TreePart::Rows(Document { around: Vec::new(), row }),
                TreePart::Rows(_) => {
                    self.problems.push(origin.error("there is an `each_row` within this one").hint("keep one of them"));
                    return None;
                }
            },
            TreeKind::Object(members) => {
                let values = members.into_iter().map(|(key, value)| (key.text, value)).collect();
                let Split { before, rows, after } = self.split(values, rows)?;
                match rows {
                    None => TreePart::Tree(Tree::Object(before)),
                    Some((name, mut document)) => {
                        document.around.push(Around::Object { before, name, after });
                        TreePart::Rows(document)
                    }
                }
            }
            TreeKind::List(items) => {
                let values = items.into_iter().map(|value| ((), value)).collect();
                let Split { before, rows, after } = self.split(values, rows)?;
                let unnamed = |items: Vec<((), Tree)>| items.into_iter().map(|((), item)| item).collect();
                match rows {
                    None => TreePart::Tree(Tree::List(unnamed(before))),
                    Some(((), mut document)) => {
                        document.around.push(Around::List { before: unnamed(before), after: unnamed(after) });
                        TreePart::Rows(document)
                    }
                }
            }
        })
    }

    /// Splits the values of an object or list at the one that has the rows in it.
    fn split<N>(&mut self, values: Vec<(N, TreeFile)>, rows: &mut TreeRows<'_>) -> Option<Split<N>> {
        let mut split = Split { before: Vec::new(), rows: None, after: Vec::new() };
        let mut is_whole = true;
        for (name, value) in values {
            let origin = value.origin.clone();
            match self.part(value, rows) {
                None => is_whole = false,
                Some(TreePart::Tree(tree)) if split.rows.is_none() => split.before.push((name, tree)),
                Some(TreePart::Tree(tree)) => split.after.push((name, tree)),
                Some(TreePart::Rows(document)) if split.rows.is_none() => split.rows = Some((name, document)),
                Some(TreePart::Rows(_)) => {
                    let problem = origin.error("a tree has one `each_row`, and this is another");
                    self.problems.push(problem.hint("keep one of them"));
                    is_whole = false;
                }
            }
        }
        is_whole.then_some(split)
    }

    fn tree_value(&mut self, written: TreeValueFile, rows: &mut TreeRows<'_>) -> TreeValue {
        let TreeValueFile { expr: At { value: CellExpression(written), origin }, omit_null } = written;
        let written = self.with_vars(written);
        for secret in written.expr.secrets() {
            let problem = written.origin_of(secret).error("secrets are read by steps only");
            self.problems.push(problem.hint("compute the value with a `set` step, and write its column here"));
        }
        let expression = Expression::new(written.expr.clone(), |column| self.place(&written.origin_of(column)));
        rows.columns.read(&expression);
        let read = expression.columns.iter().map(|column| &column.name);
        let masked = read.filter(|name| rows.masked.contains(*name)).cloned().collect();
        TreeValue { expression, at: self.place(&origin), omit_null: omit_null.unwrap_or(rows.omit_null), masked }
    }
}
