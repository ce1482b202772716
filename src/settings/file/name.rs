//! Name templates in the settings file.

use crate::name::NameTemplate;
use crate::yaml::problem::Problem;
use crate::yaml::read::{FromNode, scalar};
use crate::yaml::tree::{Node, NodeKind};

impl FromNode for NameTemplate {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        if let Some(name) = braces_without_quotes(node) {
            let problem = node.origin.error(format!("`{name}` without quotes is parsed as a table"));
            problems.push(problem.hint(format!("put it in quotes: `\"{name}\"`")));
            return None;
        }
        let (text, _) = scalar(node, "a file name", problems)?;
        NameTemplate::parse(text)
            .map_err(|problem| {
                problems.push(node.error_within(problem.offset, problem.len, problem.what, problem.hint))
            })
            .ok()
    }
}

/// Returns `{slot:%Y%m%d}` that was parsed as a table with one key without a value.
pub fn braces_without_quotes(node: &Node) -> Option<String> {
    match &node.kind {
        NodeKind::Table(entries) => match entries.as_slice() {
            [(key, Node { kind: NodeKind::Null, .. })] => Some(format!("{{{}}}", key.text)),
            _ => None,
        },
        _ => None,
    }
}
