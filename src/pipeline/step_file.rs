//! One item of `transform`: a step, and what becomes of values for which it has no result.

use super::file::StepFile;
use super::plan::OnError;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, choice, describe, table};
use crate::yaml::tree::{Node, NodeKind};

/// One step, with one key of its own, and `on_error`.
pub struct StepItem {
    pub step: StepFile,
    pub on_error: Option<At<OnError>>,
}

/// The key beside a step's own.
const ON_ERROR: &str = "on_error";

impl FromNode for StepItem {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let known = [StepFile::KEYS, &[ON_ERROR]].concat();
        let node = table(node, &known, &[], problems)?;
        if let NodeKind::Table(entries) = &node.kind
            && let [(only, value)] = entries.as_slice()
            && only.text == ON_ERROR
        {
            let what = format!("one of {} is expected beside `{ON_ERROR}`", choice(StepFile::KEYS));
            let hint = format!("`{ON_ERROR}` is written below a step's own key, not as {} alone", describe(value));
            problems.push(only.origin.error(what).hint(hint));
            return None;
        }
        let on_error = Option::from_key(&node, ON_ERROR, problems);
        let step = StepFile::of_kind(&node, problems);
        Some(Self { step: step?, on_error: on_error? })
    }
}

crate::schema_as!(StepItem, |generator| {
    let mut schema = <StepFile as schemars::JsonSchema>::json_schema(generator);
    let on_error = generator.subschema_for::<OnError>().to_value();
    let kinds = schema.get_mut("oneOf").and_then(serde_json::Value::as_array_mut);
    for kind in kinds.into_iter().flatten() {
        kind["properties"][ON_ERROR] = on_error.clone();
    }
    schema
});
