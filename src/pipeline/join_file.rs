//! A `join` in a pipeline file.

use schemars::json_schema;

use super::plan::CsvInput;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Named};
use crate::yaml::tree::{Key, Node, NodeKind};

crate::table! {
    pub struct JoinFile {
        /// The table with the columns to add: another source of the pipeline, by its name, or `{file: courses.csv}`.
        with: WithFile,
        /// Column of the rows: the table's column with the same values. A row matches if all are equal.
        r#match: At<Named<At<String>>>,
        /// The rows that are kept: all (left), those with a match (inner or semi), those without (anti). Default: left.
        kind: Option<KindWord>,
        /// The table's columns that are added: a list, or new name: the table's name. Required for left and inner.
        columns: Option<At<AddedFile>>,
        /// Allows a row to match several rows of the table, and makes a row of each match. Default: false.
        many: Option<At<bool>>,
        /// The policy for rows without a match: keep them (as left does), drop them (as inner does), or hold the run.
        unmatched: Option<At<UnmatchedWord>>,
    }
}

/// A source's name, or a file.
pub enum WithFile {
    Source(At<String>),
    File(TableFileTable),
}

crate::table! {
    pub struct TableFileTable {
        /// A CSV file beside the pipeline file.
        file: At<String>,
        /// The format of the CSV, if it is not comma-separated UTF-8.
        csv: Option<CsvInput>,
    }
}

/// Columns that are added, with the new name of each.
pub struct AddedFile(pub Vec<(Key, At<String>)>);

/// The kinds of join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindWord {
    Left,
    Inner,
    Semi,
    Anti,
}

/// The policies for rows without a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnmatchedWord {
    Keep,
    Drop,
    Hold,
}

crate::words!(KindWord {
    "left" => KindWord::Left, "inner" => KindWord::Inner, "semi" => KindWord::Semi, "anti" => KindWord::Anti,
});
crate::words!(UnmatchedWord {
    "keep" => UnmatchedWord::Keep, "drop" => UnmatchedWord::Drop, "hold" => UnmatchedWord::Hold,
});

impl FromNode for WithFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.kind {
            NodeKind::Table(_) => TableFileTable::from_node(node, problems).map(Self::File),
            _ => At::from_node(node, problems).map(Self::Source),
        }
    }
}

impl FromNode for AddedFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.kind {
            NodeKind::Table(_) => Named::from_node(node, problems).map(|named| Self(named.0)),
            _ => {
                let names = crate::yaml::read::OneOrMore::<At<String>>::from_node(node, problems)?.0;
                let same = |name: At<String>| (Key { text: name.value.clone(), origin: name.origin.clone() }, name);
                Some(Self(names.into_iter().map(same).collect()))
            }
        }
    }
}

crate::schema_as!(WithFile, |generator| {
    let table = generator.subschema_for::<TableFileTable>();
    json_schema!({"anyOf": [{"type": "string"}, table]})
});

crate::schema_as!(AddedFile, {"anyOf": [
    {"type": "string"},
    {"type": "array", "items": {"type": "string"}},
    {"type": "object", "additionalProperties": {"type": "string"}},
]});
