//! The declaration of each transform operator: its key, its share of the row balance, and its effect on the columns.

mod delta;

use super::columns::Columns;
use super::plan::StepKind;

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
    /// Returns true for an operator on whole tables, which may need all rows.
    pub fn is_table(&self) -> bool {
        match self {
            Self::Sort(_) | Self::Delta(_) => true,
            Self::Rename(_) | Self::Select(_) | Self::Drop(_) | Self::Filter(_) | Self::Set(_) => false,
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
                columns: Box::new(|columns| columns.require_each_once(&sort.keys)),
            },
            Self::Delta(delta) => Declaration {
                kind: "delta",
                rows: &[RowShare::Dropped, RowShare::Added],
                columns: Box::new(|columns| delta::columns(delta, columns)),
            },
        }
    }
}
