//! The done file in a pipeline file: its name, or a table with its name and its content.

use schemars::json_schema;

use crate::name::content::ContentTemplate;
use crate::name::{NameProblem, NameTemplate};
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, scalar};
use crate::yaml::tree::{Node, NodeKind, Origin};

crate::table! {
    pub struct DoneTable {
        /// Its name: `{name}.done`.
        #[schemars(with = "String")]
        name: At<NameTemplate>,
        /// Its content, with `{name}`, `{slot:%Y-%m-%d}`, `{pipeline}` and `{run}`; a newline is appended. Default:
        /// empty.
        #[schemars(with = "Option<String>")]
        content: Option<ContentTemplate>,
    }
}

/// `"{name}.done"` or `{name: "{name}.done", content: "{name}"}`.
pub struct DoneFile(pub DoneTable);

impl FromNode for DoneFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.kind {
            // Names contain braces too: a value from a variable is a table only if it contains a key.
            NodeKind::Scalar(scalar) if matches!(node.origin, Origin::File(_)) || !scalar.text.contains(": ") => {
                Some(Self(DoneTable { name: At::from_node(node, problems)?, content: None }))
            }
            _ => DoneTable::from_node(node, problems).map(Self),
        }
    }
}

impl FromNode for ContentTemplate {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "the done file's content", problems)?;
        let within = |problem: NameProblem| node.error_within(problem.offset, problem.len, problem.what, problem.hint);
        ContentTemplate::parse(text).map_err(|problem| problems.push(within(problem))).ok()
    }
}

crate::schema_as!(DoneFile, |generator| {
    let table = generator.subschema_for::<DoneTable>();
    json_schema!({"anyOf": [{"type": "string"}, table]})
});
