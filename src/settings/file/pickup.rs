//! The pickup of delivered files in the settings file: a word, or a table of one kind.

use schemars::json_schema;

use crate::name::NameTemplate;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, entries, scalar};
use crate::yaml::scalars::Length;
use crate::yaml::tree::{Node, NodeKind, Origin};

/// `none`, `moved`, `immediate`, `{moved: {deadline: 4h}}` or `{ack_file: "{name}.ack"}`.
pub enum PickupFile {
    Word(PickupWord),
    Kind(Box<PickupForm>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickupWord {
    None,
    Moved,
    Immediate,
}

crate::words!(PickupWord {
    "none" => PickupWord::None, "moved" => PickupWord::Moved, "immediate" => PickupWord::Immediate,
});

crate::kinds! {
    pub enum PickupForm {
        /// The reader moves the file away.
        Moved = "moved": At<PickupDeadlineFile>,
        /// The reader writes an acknowledgement file: `"{name}.ack"`.
        AckFile = "ack_file": At<AckFile>,
    }
}

crate::table! {
    pub struct PickupDeadlineFile {
        /// The time that the reader has before an alert is sent. Default: no alert, and only `verify` reports it.
        deadline (was within): Option<At<Length>>,
        /// The polling interval, at least 10s. Default: 5m.
        every: Option<At<Length>>,
    }
}

crate::table! {
    pub struct AckTable {
        /// The acknowledgement's name, in the directory of the data: `{name}.ack`.
        #[schemars(with = "String")]
        name: At<NameTemplate>,
        /// The time that the reader has before an alert is sent. Default: no alert, and only `verify` reports it.
        deadline (was within): Option<At<Length>>,
        /// The polling interval, at least 10s. Default: 5m.
        every: Option<At<Length>>,
    }
}

/// The acknowledgement's name, or a table with it.
pub struct AckFile(pub AckTable);

const KIND_KEYS: &[&str] = &["deadline", "every"];

impl FromNode for PickupFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let is_word = match &node.kind {
            NodeKind::Scalar(scalar) => !scalar.text.trim_start().starts_with('{'),
            NodeKind::Table(_) => false,
            NodeKind::Null | NodeKind::List(_) => {
                scalar(node, "a word, or a table with `moved` or `ack_file`,", problems)?;
                return None;
            }
        };
        if matches!(&node.kind, NodeKind::Scalar(scalar) if scalar.text == "ack_file") {
            let problem = node.error("missing: the acknowledgement's name");
            problems.push(problem.hint("write `{ack_file: \"{name}.ack\"}`: `{name}` is the data file's name"));
            return None;
        }
        if is_word {
            return PickupWord::from_node(node, problems).map(Self::Word);
        }
        let entries = entries(node, problems)?;
        let outside = entries.iter().find(|(key, _)| KIND_KEYS.contains(&key.text.as_str()));
        if let Some((key, _)) = outside {
            let problem = key.origin.error(format!("`{}` belongs within the kind", key.text));
            let hint = "write `{moved: {deadline: 4h}}` or `{ack_file: {name: \"{name}.ack\", deadline: 4h}}`";
            problems.push(problem.hint(hint));
            return None;
        }
        PickupForm::from_node(node, problems).map(|kind| Self::Kind(Box::new(kind)))
    }
}

impl FromNode for AckFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.kind {
            // Names contain braces too: a value from a variable is a table only if it contains a key.
            NodeKind::Scalar(scalar) if matches!(node.origin, Origin::File(_)) || !scalar.text.contains(": ") => {
                let name = At::from_node(node, problems)?;
                Some(Self(AckTable { name, deadline: None, every: None }))
            }
            _ => AckTable::from_node(node, problems).map(Self),
        }
    }
}

crate::schema_as!(PickupFile, |generator| {
    let (word, kind) = (generator.subschema_for::<PickupWord>(), generator.subschema_for::<PickupForm>());
    json_schema!({"anyOf": [word, kind]})
});
crate::schema_as!(AckFile, |generator| {
    let table = generator.subschema_for::<AckTable>();
    json_schema!({"anyOf": [{"type": "string"}, table]})
});
