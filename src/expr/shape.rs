//! The few expressions whose results other modules know something of.

use super::Expr;
use super::node::Node;
use super::time::TimeFormat;

/// An expression that yields a column's cells, or times in a format.
pub(crate) enum Shape<'a> {
    /// The cells of this column, unchanged.
    Column(&'a str),
    FormatTime(&'a TimeFormat),
    Other,
}

impl Expr {
    pub(crate) fn shape(&self) -> Shape<'_> {
        let checked = self.checked();
        match &checked.root.node {
            Node::Column(column) => Shape::Column(&checked.columns[*column]),
            Node::FormatTime { format, .. } => Shape::FormatTime(format),
            _ => Shape::Other,
        }
    }
}
