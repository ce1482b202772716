//! The encoding of the artifact in a pipeline file.

use super::plan::{Charset, Unmappable};
use crate::yaml::problem::{Problem, did_you_mean};
use crate::yaml::read::{FromNode, list, scalar};
use crate::yaml::tree::{Node, NodeKind};

crate::table! {
    pub(super) struct EncodingTable {
        /// The character encoding: `windows-1252`, `iso-8859-15`, `us-ascii`, `utf-16le`, …
        charset: CharsetWord,
        /// The policy for characters that it lacks. Default: fail.
        unmappable: Option<Unmappable>,
    }
}

crate::words!(Unmappable {
    "fail" => Unmappable::Fail, "replace" => Unmappable::Replace, "transliterate" => Unmappable::Transliterate,
});

/// A charset, or UTF-8.
#[derive(Clone, Copy)]
pub(super) struct CharsetWord(pub(super) Option<Charset>);

/// The encoding: a charset, or a table.
pub struct EncodingFile {
    /// `None` for UTF-8.
    pub(super) charset: Option<Charset>,
    pub(super) unmappable: Unmappable,
}

impl FromNode for CharsetWord {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a charset", problems)?;
        if text.eq_ignore_ascii_case("utf-8") {
            return Some(Self(None));
        }
        let found = Charset::of_name(text);
        if found.is_none() {
            let names: Vec<&str> = std::iter::once("utf-8").chain(Charset::all().map(Charset::name)).collect();
            let meant = match text.to_ascii_lowercase().replace(['_', ' '], "-").as_str() {
                "utf8" | "utf-8-sig" | "unicode" => Some("utf-8"),
                "ascii" => Some("us-ascii"),
                "cp1252" | "1252" | "win1252" | "ansi" => Some("windows-1252"),
                "latin1" | "latin-1" | "iso8859-1" => Some("iso-8859-1"),
                "latin9" | "latin-9" | "iso8859-15" => Some("iso-8859-15"),
                "utf16" | "utf-16" | "ucs-2" => Some("utf-16le"),
                _ => None,
            };
            let hint = meant.map(|name| format!("did you mean {name:?}?"));
            let hint = hint.or_else(|| did_you_mean(text, names.iter().copied()));
            let hint = hint.unwrap_or_else(|| format!("the charsets are {}", list(&names)));
            problems.push(node.error(format!("{text:?} is not a supported charset")).hint(hint));
        }
        found.map(|charset| Self(Some(charset)))
    }
}

crate::schema_as!(CharsetWord, {
    "type": "string",
    "enum": std::iter::once("utf-8").chain(Charset::all().map(Charset::name)).collect::<Vec<_>>()
});

impl FromNode for EncodingFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (CharsetWord(charset), unmappable) = match &node.kind {
            NodeKind::Table(_) => {
                let EncodingTable { charset, unmappable } = EncodingTable::from_node(node, problems)?;
                (charset, unmappable)
            }
            _ => (CharsetWord::from_node(node, problems)?, None),
        };
        Some(Self { charset, unmappable: unmappable.unwrap_or(Unmappable::Fail) })
    }
}

crate::schema_as!(EncodingFile, |generator| {
    let (word, table) = (generator.subschema_for::<CharsetWord>(), generator.subschema_for::<EncodingTable>());
    schemars::json_schema!({"anyOf": [word, table]})
});
