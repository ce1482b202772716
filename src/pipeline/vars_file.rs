//! The values that a pipeline file names: `vars: {ukprn: "10001234"}`.

use crate::yaml::problem::Problem;
use crate::yaml::read::{FromNode, scalar};
use crate::yaml::tree::Node;

/// A text, a number or a boolean, as it is written.
pub struct VarText(pub String);

crate::schema_as!(VarText, {"type": ["string", "number", "boolean"]});

impl FromNode for VarText {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a text, a number or a boolean", problems)?;
        if text.is_empty() {
            problems.push(node.error("the value is empty").hint("write a text, or remove the name"));
            return None;
        }
        Some(Self(text.to_owned()))
    }
}
