//! Secrets, as they are written in the settings file.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::pipeline::problem::Problem;
use crate::pipeline::read::{At, FromNode, table};
use crate::pipeline::tree::{Kind, Node, Origin};
use crate::secret::Secret;
use crate::settings::SecretRef;

crate::table! {
    /// Where a secret's text is to be found.
    pub struct SecretPlace {
        /// An environment variable.
        env: Option<At<String>>,
        /// A file; one newline at its end is dropped.
        file: Option<At<String>>,
    }
}

/// A secret as it is written: `{env: NAME}`, `{file: PATH}`, or the text itself.
pub struct SecretFile {
    pub secret: SecretRef,
    pub origin: Origin,
}

impl FromNode for SecretFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        // The key is pointed at, never the text.
        let origin = node.named.clone().unwrap_or_else(|| node.origin.clone());
        let secret = match &node.kind {
            Kind::Scalar(scalar) if scalar.text.trim().is_empty() => {
                problems.push(origin.error("this secret is empty").hint("write `{env: NAME}` or `{file: PATH}`"));
                return None;
            }
            Kind::Scalar(scalar) => SecretRef::Literal(Secret::new(scalar.text.clone())),
            Kind::Table(_) => place_of_secret(node, &origin, problems)?,
            _ => {
                let problem = origin.error("a secret is expected here");
                problems.push(problem.hint("write `{env: NAME}` or `{file: PATH}`"));
                return None;
            }
        };
        Some(SecretFile { secret, origin })
    }
}

fn place_of_secret(node: &Node, origin: &Origin, problems: &mut Vec<Problem>) -> Option<SecretRef> {
    let node = table(node, &["env", "file"], problems)?;
    let SecretPlace { env, file } = SecretPlace {
        env: Option::from_key(&node, "env", problems)?,
        file: Option::from_key(&node, "file", problems)?,
    };
    let named = env.iter().chain(&file).find(|named: &&At<String>| named.value.is_empty());
    if let Some(empty) = named {
        problems.push(empty.origin.error("a name is expected here"));
        return None;
    }
    match (env, file) {
        (Some(env), None) => Some(SecretRef::Env(env.value)),
        (None, Some(file)) => Some(SecretRef::File(file.value.into())),
        (Some(_), Some(file)) => {
            problems.push(file.origin.error("`env` and `file` cannot stand in one table").hint("keep one of them"));
            None
        }
        (None, None) => {
            let problem = origin.error("it is not said where this secret is to be found");
            problems.push(problem.hint("write `{env: NAME}` or `{file: PATH}`"));
            None
        }
    }
}

impl JsonSchema for SecretFile {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let place = generator.subschema_for::<SecretPlace>();
        json_schema!({"anyOf": [place, {"type": ["string", "number", "boolean"]}]})
    }
}
