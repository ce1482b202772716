//! The done file, as a pipeline file writes it: its name, or a table with its name and its content.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::problem::Problem;
use super::read::{At, FromNode, scalar};
use super::tree::{Kind, Node, Origin};
use super::written::Name;
use crate::encode::content::ContentTemplate;

crate::table! {
    pub struct DoneTable {
        /// Its name: `{name}.done`.
        #[schemars(with = "String")]
        name: At<Name>,
        /// What it holds, with `{name}`, `{slot:%Y-%m-%d}`, `{pipeline}` and `{run}`; a newline is added at its end.
        /// Default: nothing.
        #[schemars(with = "Option<String>")]
        content: Option<Content>,
    }
}

/// `"{name}.done"` or `{name: "{name}.done", content: "{name}"}`.
pub struct DoneFile(pub DoneTable);

/// What the done file holds.
pub struct Content(pub ContentTemplate);

impl FromNode for DoneFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.kind {
            // Braces are part of a name too: a table in a variable is one that has a key.
            Kind::Scalar(scalar) if matches!(node.origin, Origin::File(_)) || !scalar.text.contains(": ") => {
                Some(Self(DoneTable { name: At::from_node(node, problems)?, content: None }))
            }
            _ => DoneTable::from_node(node, problems).map(Self),
        }
    }
}

impl FromNode for Content {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "the done file's content", problems)?;
        match ContentTemplate::parse(text) {
            Ok(template) => Some(Self(template)),
            Err(problem) => {
                let at = node.origin_within(problem.offset, problem.len);
                problems.push(Problem { hint: problem.hint, ..at.error(problem.what) });
                None
            }
        }
    }
}

crate::schema_as!([] DoneFile, "DoneFile", |generator| {
    let table = generator.subschema_for::<DoneTable>();
    json_schema!({"anyOf": [{"type": "string"}, table]})
});
