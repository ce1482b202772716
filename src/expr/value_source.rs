//! The few expressions whose results other modules know something of.

use super::Expr;
use super::node::Node;
use super::time::TimeFormat;

/// An expression that yields a column's cells, or times in a format.
pub(crate) enum ValueSource<'a> {
    /// The cells of this column, unchanged.
    Column(&'a str),
    FormatTime(&'a TimeFormat),
    Other,
}

impl Expr {
    /// Returns the source of its values, as far as it is one of these.
    pub(crate) fn value_source(&self) -> ValueSource<'_> {
        let checked = self.checked();
        match &checked.root.node {
            Node::Column(column) => ValueSource::Column(&checked.columns[*column]),
            Node::FormatTime { format, .. } => ValueSource::FormatTime(format),
            _ => ValueSource::Other,
        }
    }
}
