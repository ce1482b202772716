//! The policy for a final name that is taken, in a pipeline file: a word, or how long it is waited for.

use std::time::Duration;

use schemars::json_schema;

use super::plan::{AfterNameWait, Existing, NameWait};
use crate::yaml::problem::Problem;
use crate::yaml::read::FromNode;
use crate::yaml::scalars::Length;
use crate::yaml::tree::{Node, NodeKind};

/// The deadline of `existing: wait`.
const DEADLINE: Duration = Duration::from_secs(4 * 3600);

/// One of the words, or `{wait: {deadline: 4h, then: hold}}`.
pub struct ExistingFile(pub Existing);

/// The words of the policy.
#[derive(Clone, Copy)]
enum ExistingWord {
    Policy(Existing),
    Wait,
}

crate::words!(ExistingWord {
    "fail" => ExistingWord::Policy(Existing::Fail), "replace" => ExistingWord::Policy(Existing::Replace),
    "keep" => ExistingWord::Policy(Existing::Keep), "number" => ExistingWord::Policy(Existing::Number),
    "wait" => ExistingWord::Wait,
});

crate::table! {
    pub struct WaitTable {
        wait: WaitFile,
    }
}

crate::table! {
    pub struct WaitFile {
        /// The time that the reader has to take the earlier file away. Default: 4h.
        deadline: Option<Length>,
        /// The end of the delivery when the deadline has passed: `hold` it for a person, or `fail`. Default: hold.
        then: Option<AfterNameWait>,
    }
}

crate::words!(AfterNameWait { "hold" => AfterNameWait::Hold, "fail" => AfterNameWait::Fail });

impl FromNode for ExistingFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let wait = match node.kind {
            NodeKind::Table(_) => WaitTable::from_node(node, problems)?.wait,
            _ => match ExistingWord::from_node(node, problems)? {
                ExistingWord::Policy(existing) => return Some(Self(existing)),
                ExistingWord::Wait => WaitFile { deadline: None, then: None },
            },
        };
        let WaitFile { deadline, then } = wait;
        let deadline = deadline.map_or(DEADLINE, |Length(deadline)| deadline);
        Some(Self(Existing::Wait(NameWait { deadline, then: then.unwrap_or(AfterNameWait::Hold) })))
    }
}

crate::schema_as!(ExistingFile, |generator| {
    let (word, table) = (generator.subschema_for::<ExistingWord>(), generator.subschema_for::<WaitTable>());
    json_schema!({"anyOf": [word, table]})
});
