//! What becomes of a delivered file, as it is written in the settings file: a word, or a table of one kind.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::pipeline::problem::Problem;
use crate::pipeline::read::{At, FromNode, entries, scalar};
use crate::pipeline::scalars::Length;
use crate::pipeline::tree::{Kind, Node, Origin};
use crate::pipeline::written::Name;

/// `none`, `moved`, `immediate`, `{moved: {within: 4h}}` or `{ack_file: "{name}.ack"}`.
pub enum PickupFile {
    Word(PickupWord),
    Kind(Box<PickupKind>),
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
    pub enum PickupKind {
        /// The reader takes the file away.
        Moved = "moved": At<PatienceFile>,
        /// The reader writes a file beside it: `"{name}.ack"`.
        AckFile = "ack_file": At<AckFile>,
    }
}

crate::table! {
    pub struct PatienceFile {
        /// How long the reader has: later, an alert tells. Default: nobody waits, and only `verify` tells.
        within: Option<At<Length>>,
        /// How often the worker looks, 10s at least. Default: 5m.
        every: Option<At<Length>>,
    }
}

crate::table! {
    pub struct AckTable {
        /// The acknowledgement's name, in the directory of the data: `{name}.ack`.
        #[schemars(with = "String")]
        name: At<Name>,
        /// How long the reader has: later, an alert tells. Default: nobody waits, and only `verify` tells.
        within: Option<At<Length>>,
        /// How often the worker looks, 10s at least. Default: 5m.
        every: Option<At<Length>>,
    }
}

/// The acknowledgement's name, or a table with it.
pub struct AckFile(pub AckTable);

const BESIDE: &[&str] = &["within", "every"];

impl FromNode for PickupFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let is_word = match &node.kind {
            Kind::Scalar(scalar) => !scalar.text.trim_start().starts_with('{'),
            Kind::Table(_) => false,
            Kind::Null | Kind::List(_) => {
                scalar(node, "a word, or a table with `moved` or `ack_file`,", problems)?;
                return None;
            }
        };
        if matches!(&node.kind, Kind::Scalar(scalar) if scalar.text == "ack_file") {
            let problem = node.error("it is not said what the acknowledgement is called");
            problems.push(problem.hint("write `{ack_file: \"{name}.ack\"}`: `{name}` is the data file's name"));
            return None;
        }
        if is_word {
            return PickupWord::from_node(node, problems).map(Self::Word);
        }
        let entries = entries(node, problems)?;
        let outside = entries.iter().find(|(key, _)| BESIDE.contains(&key.text.as_str()));
        if let Some((key, _)) = outside {
            let problem = key.origin.error(format!("`{}` stands within the kind, not beside it", key.text));
            let hint = "write `{moved: {within: 4h}}` or `{ack_file: {name: \"{name}.ack\", within: 4h}}`";
            problems.push(problem.hint(hint));
            return None;
        }
        PickupKind::from_node(node, problems).map(|kind| Self::Kind(Box::new(kind)))
    }
}

impl FromNode for AckFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.kind {
            // Braces stand in a name too: a table in a variable is one that has a key.
            Kind::Scalar(scalar) if matches!(node.origin, Origin::File(_)) || !scalar.text.contains(": ") => {
                let name = At::from_node(node, problems)?;
                Some(Self(AckTable { name, within: None, every: None }))
            }
            _ => AckTable::from_node(node, problems).map(Self),
        }
    }
}

crate::schema_as!([] PickupFile, "Pickup", |generator| {
    let (word, kind) = (generator.subschema_for::<PickupWord>(), generator.subschema_for::<PickupKind>());
    json_schema!({"anyOf": [word, kind]})
});
crate::schema_as!([] AckFile, "AckFile", |generator| {
    let table = generator.subschema_for::<AckTable>();
    json_schema!({"anyOf": [{"type": "string"}, table]})
});
