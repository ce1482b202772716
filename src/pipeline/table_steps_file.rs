//! Steps on whole tables in a pipeline file. Names and comments here are part of the editor's schema.

use super::plan::{Direction, Keep, NullsPosition, UnpivotNulls};
use super::value_type::ValueType;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, OneOrMore};
use crate::yaml::tree::{Node, NodeKind};

/// One or more columns to sort by.
pub struct SortFile(pub Vec<SortKeyFile>);

/// A column to sort by: its name, or a table.
pub struct SortKeyFile(pub SortKeyTable);

crate::table! {
    pub struct SortKeyTable {
        column: At<String>,
        /// Default: asc.
        order: Option<Direction>,
        /// The type that the cells are compared as. Default: text, compared by bytes.
        r#as: Option<ValueType>,
        /// The place of empty cells. Default: last, in either order; where one of several rows is kept, that in which it is
        /// another one.
        nulls: Option<NullsPosition>,
    }
}

crate::table! {
    pub struct DedupeFile {
        /// The columns whose cells are the same in duplicates.
        by: At<OneOrMore<At<String>>>,
        /// The row that is kept: the `first` or the `last` one in the order.
        keep: Keep,
        /// The order of the rows of a group. Default: the order of the rows.
        order: Option<SortFile>,
    }
}

crate::table! {
    pub struct UnpivotFile {
        /// The columns that become rows.
        columns: At<OneOrMore<At<String>>>,
        /// The new column for their names.
        name: At<String>,
        /// The new column for their cells.
        value: At<String>,
        /// Empty cells become no row (`drop`) or a row (`keep`). Default: drop.
        nulls: Option<UnpivotNulls>,
    }
}

crate::words!(Direction { "asc" => Direction::Ascending, "desc" => Direction::Descending });
crate::words!(NullsPosition { "first" => NullsPosition::First, "last" => NullsPosition::Last });
crate::words!(Keep { "first" => Keep::First, "last" => Keep::Last });
crate::words!(UnpivotNulls { "drop" => UnpivotNulls::Drop, "keep" => UnpivotNulls::Keep });

impl FromNode for SortFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.kind {
            NodeKind::Table(entries) => {
                if let Some((by, columns)) = entries.iter().find(|(key, _)| key.text == "by") {
                    problems.push(
                        by.origin.error("`sort` has no key `by`: it names its columns itself").hint(written(columns)),
                    );
                    return None;
                }
                SortKeyFile::from_node(node, problems).map(|key| Self(vec![key]))
            }
            NodeKind::Null => no_column(node, problems),
            NodeKind::List(keys) if keys.is_empty() => no_column(node, problems),
            _ => OneOrMore::from_node(node, problems).map(|keys| Self(keys.0)),
        }
    }
}

/// Returns the way in which columns to sort by are written, with those of `by` if they are names.
fn written(columns: &Node) -> String {
    let name = |node: &Node| match &node.kind {
        NodeKind::Scalar(scalar) => Some(scalar.text.clone()),
        _ => None,
    };
    let names: Option<Vec<String>> = match &columns.kind {
        NodeKind::List(items) if !items.is_empty() => items.iter().map(name).collect(),
        _ => name(columns).map(|name| vec![name]),
    };
    let names = names.unwrap_or_else(|| vec!["COLUMN".to_owned(), "{column: COLUMN, order: desc}".to_owned()]);
    format!("write `sort: [{}]`", names.join(", "))
}

fn no_column(node: &Node, problems: &mut Vec<Problem>) -> Option<SortFile> {
    problems.push(node.head().error("no column to sort by is named here"));
    None
}

impl FromNode for SortKeyFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.kind {
            NodeKind::Table(_) => SortKeyTable::from_node(node, problems).map(Self),
            _ => At::from_node(node, problems)
                .map(|column| Self(SortKeyTable { column, order: None, r#as: None, nulls: None })),
        }
    }
}

crate::schema_as!(SortFile, |generator| {
    let key = generator.subschema_for::<SortKeyFile>();
    schemars::json_schema!({"anyOf": [key, {"type": "array", "items": key}]})
});
crate::schema_as!(SortKeyFile, |generator| {
    let table = generator.subschema_for::<SortKeyTable>();
    schemars::json_schema!({"anyOf": [{"type": "string"}, table]})
});
