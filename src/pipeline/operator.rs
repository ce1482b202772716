//! The declaration of each transform operator: its key, its share of the row balance, and its effect on the columns.

mod aggregate;
mod delta;
mod join;
mod pivot;

use super::columns::Columns;
use super::plan::{Dedupe, FillWith, OnError, StepKind, TransformStep};

/// The effect of an operator on the number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowShare {
    Dropped,
    Merged,
    Added,
}

impl RowShare {
    /// Returns its name in the row balance.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Merged => "merged",
            Self::Added => "added",
        }
    }
}

/// The properties of an operator that `check`, `plan` and the run use. No field has a default, so an operator that
/// leaves one out does not compile:
///
/// ```compile_fail,E0063
/// use reportferry::pipeline::operator::Declaration;
/// let without_columns = Declaration { kind: "sample", rows: &[] };
/// ```
/// ```compile_fail,E0063
/// use reportferry::pipeline::operator::Declaration;
/// let without_rows = Declaration { kind: "sample", columns: Box::new(|_| ()) };
/// ```
pub struct Declaration<'a> {
    /// Its key in a pipeline file.
    pub kind: &'static str,
    /// Its ways of changing the number of rows, in the order in which it counts them.
    pub rows: &'static [RowShare],
    /// Converts the input columns to the output columns, and reports missing ones.
    pub columns: Box<dyn FnOnce(&mut Columns) + 'a>,
}

impl StepKind {
    /// Returns true for an operator that sees all rows in their order: one on whole tables, which may need all of them, or
    /// one with state from row to row.
    pub fn is_table(&self) -> bool {
        match self {
            Self::Sort(_) | Self::Dedupe(_) | Self::Limit(_) | Self::Unpivot(_) => true,
            Self::Join(_) | Self::Aggregate(_) | Self::Pivot(_) => true,
            Self::Rename(_) | Self::Select(_) | Self::Drop(_) | Self::Filter(_) | Self::Set(_) => false,
            Self::Map(_) | Self::Mask(_) => false,
            Self::Fill(fill) => matches!(fill.with, FillWith::Previous),
            Self::Number(_) | Self::Delta(_) => true,
        }
    }

    /// Returns true for an operator on whole tables that keeps rows, and so has a part of the memory.
    pub fn keeps_rows(&self) -> bool {
        self.is_table() && !matches!(self, Self::Limit(_) | Self::Unpivot(_) | Self::Fill(_) | Self::Number(_))
    }

    /// Returns true for an operator on whole tables that uses every column before it, also one that it does not name.
    pub fn needs_all_columns(&self) -> bool {
        match self {
            Self::Unpivot(_) | Self::Fill(_) | Self::Number(_) | Self::Delta(_) => true,
            // The examples of rows without a match show all columns.
            Self::Join(join) => join.holds_unmatched(),
            Self::Sort(_) | Self::Dedupe(_) | Self::Limit(_) | Self::Aggregate(_) | Self::Pivot(_) => false,
            Self::Rename(_) | Self::Select(_) | Self::Drop(_) | Self::Filter(_) | Self::Set(_) => false,
            Self::Map(_) | Self::Mask(_) => false,
        }
    }

    pub fn declaration(&self) -> Declaration<'_> {
        match self {
            Self::Rename(renames) => {
                Declaration { kind: "rename", rows: &[], columns: Box::new(|columns| columns.rename(renames)) }
            }
            Self::Select(kept) => {
                Declaration { kind: "select", rows: &[], columns: Box::new(|columns| columns.select(kept)) }
            }
            Self::Drop(dropped) => {
                Declaration { kind: "drop", rows: &[], columns: Box::new(|columns| columns.drop(dropped)) }
            }
            Self::Filter(condition) => Declaration {
                kind: "filter",
                rows: &[RowShare::Dropped],
                columns: Box::new(|columns| columns.read(condition)),
            },
            Self::Set(assigns) => {
                Declaration { kind: "set", rows: &[], columns: Box::new(|columns| columns.set(assigns)) }
            }
            Self::Sort(sort) => Declaration {
                kind: "sort",
                rows: &[],
                columns: Box::new(|columns| columns.require_each_once(sort.keys.iter().map(|key| &key.column))),
            },
            Self::Dedupe(Dedupe { by, order, keep: _ }) => Declaration {
                kind: "dedupe",
                rows: &[RowShare::Merged],
                columns: Box::new(move |columns| {
                    columns.require_each_once(by);
                    columns.require_each_once(order.iter().map(|key| &key.column));
                }),
            },
            Self::Limit(_) => Declaration { kind: "limit", rows: &[RowShare::Dropped], columns: Box::new(|_| ()) },
            Self::Unpivot(unpivot) => Declaration {
                kind: "unpivot",
                // A row whose cells are all empty may become none.
                rows: &[RowShare::Added, RowShare::Dropped],
                columns: Box::new(|columns| columns.unpivot(unpivot)),
            },
            Self::Join(join) => Declaration {
                kind: "join",
                rows: &[RowShare::Dropped, RowShare::Added],
                columns: Box::new(|columns| join::columns(join, columns)),
            },
            Self::Aggregate(aggregate) => Declaration {
                kind: "aggregate",
                rows: &[RowShare::Merged, RowShare::Added],
                columns: Box::new(|columns| aggregate::columns(aggregate, columns)),
            },
            Self::Pivot(pivot) => pivot::declaration(pivot),
            Self::Map(map) => {
                Declaration { kind: "map", rows: &[], columns: Box::new(|columns| columns.make(&map.column, &map.to)) }
            }
            Self::Mask(masks) => Declaration {
                kind: "mask",
                rows: &[],
                columns: Box::new(|columns| columns.replace(masks.iter().map(|mask| &mask.column))),
            },
            Self::Fill(fill) => {
                Declaration { kind: "fill", rows: &[], columns: Box::new(|columns| columns.fill(&fill.columns)) }
            }
            Self::Number(number) => {
                Declaration { kind: "number", rows: &[], columns: Box::new(|columns| columns.put(&number.column)) }
            }
            Self::Delta(delta) => delta::declaration(delta),
        }
    }
}

impl TransformStep {
    /// Returns the policy for values without a result, wherever it is written.
    pub fn policy(&self) -> OnError {
        match &self.kind {
            StepKind::Map(map) => map.on_error(),
            _ => self.on_error,
        }
    }

    /// Returns the ways in which the step changes the number of rows: those of its operator, and dropping rows by its
    /// policy.
    pub fn row_shares(&self) -> &'static [RowShare] {
        match (self.kind.declaration().rows, self.policy()) {
            ([], OnError::DropRow) => &[RowShare::Dropped],
            (rows, _) => rows,
        }
    }
}
