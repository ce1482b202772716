//! The tests in a pipeline file. Names and comments here are part of the editor's schema.

use std::ops::Range;

use schemars::json_schema;

use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Lenient, Named, OneOrMore, describe, entries};
use crate::yaml::scalars::Whole;
use crate::yaml::tree::{Key, Node, NodeKind, Origin};

crate::table! {
    pub struct TestFile {
        /// The test's name.
        name: At<String>,
        /// The slot of the run: `2026-11-23T05:30:00-05:00`, or without an offset in the pipeline's time zone.
        /// Default: 2026-01-05T06:00:00.
        slot: Option<At<String>>,
        /// The rows of the source: a list of tables (column: cell), or `{file: rows.csv}`, a CSV as the source has it.
        rows: InputRows,
        /// The rows of the other sources, by the source's name, as in `rows`.
        sources: Option<Named<InputRows>>,
        /// The values of secrets in this test, by name. Default: a fixed text.
        secrets: Option<Named<At<String>>>,
        /// The expected result.
        expect: Lenient<ExpectedFile>,
        /// The rows of the source at the delivery before, as in `rows`; `delta` compares with them. Default: the first delivery.
        baseline: Option<At<InputRows>>,
        /// The key of the artifact that is tested, where `artifacts` has several with rows.
        artifact: Option<At<String>>,
    }
}

crate::table! {
    pub struct ExpectedFile {
        /// The delivered rows, all of them, in their order.
        rows: Option<RowList>,
        /// A file with the exact bytes of the artifact.
        file: Option<At<String>>,
        /// A part of the error with which the run fails.
        error: Option<At<String>>,
        /// The keys of the expectations with findings, as `not_null`, and the steps with some, as `map in step 2`. Default:
        /// none that stops a run.
        findings: Option<OneOrMore<At<String>>>,
        /// The number of delivered rows.
        row_count: Option<Whole<0, { u64::MAX }>>,
        /// The names of the delivered columns, in order.
        columns: Option<Vec<String>>,
        /// Rows that are delivered among others; the columns that are written are compared.
        contains: Option<RowList>,
        /// Numbers of rows.
        balance: Option<BalanceFile>,
        /// The exact bytes of the artifact, as a text in UTF-8: for small files.
        text: Option<At<String>>,
    }
}

crate::table! {
    /// Those that are written are compared.
    pub struct BalanceFile {
        /// The rows of the source.
        extracted: Option<Whole<0, { u64::MAX }>>,
        /// The rows that steps dropped.
        dropped: Option<Whole<0, { u64::MAX }>>,
        /// The rows that steps merged into others.
        merged: Option<Whole<0, { u64::MAX }>>,
        /// The rows that steps added.
        added: Option<Whole<0, { u64::MAX }>>,
        /// The delivered rows.
        written: Option<Whole<0, { u64::MAX }>>,
    }
}

/// Rows in a pipeline file, each a table of cells by column.
pub struct RowList {
    pub rows: Vec<Vec<(Key, String)>>,
    pub origin: Origin,
    /// Bytes of the file's text from the first row to the last, brackets included. Empty if that is unknown.
    pub span: Range<usize>,
}

/// The rows of a test's source.
pub enum InputRows {
    List(RowList),
    File(At<String>),
}

impl FromNode for RowList {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let NodeKind::List(items) = &node.kind else {
            let problem = node.error(format!("a list of rows is expected here, not {}", describe(node)));
            problems.push(problem.hint("a row is a table of cells by column: `- {course: C1, done: 2026-01-05}`"));
            return None;
        };
        let rows = items.iter().filter_map(|item| row(item, problems)).collect();
        Some(Self { rows, origin: node.head().clone(), span: extent(node) })
    }
}

fn row(item: &Node, problems: &mut Vec<Problem>) -> Option<Vec<(Key, String)>> {
    let mut cell = |(key, node): &(Key, Node)| match &node.kind {
        NodeKind::Scalar(scalar) => Some((key.clone(), scalar.text.clone())),
        NodeKind::Null => Some((key.clone(), String::new())),
        NodeKind::List(_) | NodeKind::Table(_) => {
            problems.push(node.error(format!("a cell is a text, not {}", describe(node))).hint("put it in quotes"));
            None
        }
    };
    let cells = entries(item, &mut Vec::new());
    match cells {
        Some(entries) => entries.iter().map(&mut cell).collect(),
        None => {
            let problem = item.error(format!("a row is a table of cells by column, not {}", describe(item)));
            problems.push(problem.hint("write `- {course: C1, done: 2026-01-05}`"));
            None
        }
    }
}

/// Returns the bytes of a list: from its first character to its last row's last, or its closing bracket.
fn extent(node: &Node) -> Range<usize> {
    let (Origin::File(place), NodeKind::List(items)) = (&node.origin, &node.kind) else { return 0..0 };
    let end = items.iter().map(end_of).max().unwrap_or(place.span.end);
    place.span.start..end.max(place.span.end)
}

fn end_of(node: &Node) -> usize {
    let end = |origin: &Origin| match origin {
        Origin::File(place) => place.span.end,
        Origin::Named(_) => 0,
    };
    let inner = match &node.kind {
        NodeKind::Null | NodeKind::Scalar(_) => 0,
        NodeKind::List(items) => items.iter().map(end_of).max().unwrap_or(0),
        NodeKind::Table(entries) => {
            entries.iter().map(|(key, value)| end(&key.origin).max(end_of(value))).max().unwrap_or(0)
        }
    };
    inner.max(end(&node.origin))
}

impl FromNode for InputRows {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        crate::table! {
            struct Named {
                file: At<String>,
            }
        }
        match &node.kind {
            NodeKind::Table(_) => Named::from_node(node, problems).map(|named| Self::File(named.file)),
            _ => RowList::from_node(node, problems).map(Self::List),
        }
    }
}

crate::schema_as!(RowList, {
    "type": "array", "items": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}
});
crate::schema_as!(InputRows, |generator| {
    let rows = generator.subschema_for::<RowList>();
    json_schema!({"anyOf": [rows, {
        "type": "object", "additionalProperties": false, "required": ["file"], "properties": {"file": {"type": "string"}}
    }]})
});
