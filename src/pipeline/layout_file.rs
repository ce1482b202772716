//! A layout of several record types in a pipeline file. Names and comments here are part of the editor's schema.

use super::aggregate_file::AggregateText;
use super::fixed_file::FixedFieldFile;
use super::scalars::CellExpression;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Named, OneOrMore};
use crate::yaml::tree::{Node, NodeKind};

crate::table! {
    pub struct LayoutFile {
        /// Name: an aggregate over the rows of the file, for `header` and `trailer`: `{hours: sum(hours)}`.
        totals: Option<Named<At<AggregateText>>>,
        /// The records before the first row. Each is a list of expressions; with `fixed`, of fields. If some read totals, each
        /// file is written twice.
        header: Option<Vec<At<RecordFile>>>,
        /// Records around the rows of each group.
        group: Option<At<LayoutGroupFile>>,
        /// The records of a row. Default: one, its columns; with `fixed`, its `fields`.
        row: Option<At<Vec<At<RecordFile>>>>,
        /// The records after the last row.
        trailer: Option<Vec<At<RecordFile>>>,
    }
}

crate::table! {
    pub struct LayoutGroupFile {
        /// The columns whose values make a group. Rows must come sorted by them.
        by: OneOrMore<At<String>>,
        /// Name: an aggregate over the rows of the group, for `trailer`: `{n: count(*)}`.
        totals: Option<Named<At<AggregateText>>>,
        /// The records before the rows of a group.
        header: Option<Vec<At<RecordFile>>>,
        /// The records after the rows of a group.
        trailer: Option<Vec<At<RecordFile>>>,
    }
}

/// One record.
pub struct RecordFile(pub Vec<At<RecordItem>>);

/// A part of a record.
pub enum RecordItem {
    Cell(CellExpression),
    Field(FixedFieldFile),
}

impl FromNode for RecordFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        Vec::from_node(node, problems).map(Self)
    }
}

crate::schema_as!(RecordFile, |generator| {
    let field = generator.subschema_for::<FixedFieldFile>();
    schemars::json_schema!({
        "type": "array", "items": {"anyOf": [{"type": ["string", "number", "boolean"]}, field]}, "minItems": 1
    })
});

impl FromNode for RecordItem {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.kind {
            NodeKind::Table(_) => FixedFieldFile::from_node(node, problems).map(Self::Field),
            _ => CellExpression::from_node(node, problems).map(Self::Cell),
        }
    }
}
