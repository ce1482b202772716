//! The characters of a CSV that are written otherwise: escaped ones, and the decimal point.

use serde::{Deserialize, Serialize};

use crate::yaml::problem::Problem;
use crate::yaml::read::{FromNode, scalar};
use crate::yaml::tree::{Node, NodeKind};

/// The character that escapes others, and the way line ends are escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escape {
    pub character: u8,
    pub line_ends: EscapedLineEnds,
}

/// The way line ends are escaped outside of quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EscapedLineEnds {
    /// As `\n` and `\r`.
    Letters,
    /// As they are, after the escape character.
    Kept,
}

/// The decimal point of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecimalPoint {
    Point,
    Comma,
}

crate::words!(EscapedLineEnds { "letters" => EscapedLineEnds::Letters, "kept" => EscapedLineEnds::Kept });
crate::words!(DecimalPoint { "." => DecimalPoint::Point, "," => DecimalPoint::Comma });

crate::table! {
    pub(super) struct EscapeFile {
        /// The character: `"\\"`.
        character: EscapeCharacter,
        /// Line ends become `\n` and `\r` (letters), or follow the character as they are (kept). Default: letters.
        line_ends: Option<EscapedLineEnds>,
    }
}

/// One ASCII character that escapes others.
pub(super) struct EscapeCharacter(pub(super) u8);

crate::schema_as!(EscapeCharacter, {"type": "string", "minLength": 1, "maxLength": 1});

impl FromNode for EscapeCharacter {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "an escape character", problems)?;
        match text.as_bytes() {
            [byte] if byte.is_ascii_punctuation() && *byte != b'"' => Some(Self(*byte)),
            _ => {
                let problem = node.error(format!("{text:?} cannot escape characters"));
                problems.push(problem.hint("write one ASCII punctuation mark: `escape: \"\\\\\"`"));
                None
            }
        }
    }
}

impl FromNode for Escape {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (character, line_ends) = match &node.kind {
            NodeKind::Table(_) => {
                let EscapeFile { character, line_ends } = EscapeFile::from_node(node, problems)?;
                (character, line_ends)
            }
            _ => (EscapeCharacter::from_node(node, problems)?, None),
        };
        Some(Self { character: character.0, line_ends: line_ends.unwrap_or(EscapedLineEnds::Letters) })
    }
}

crate::schema_as!(Escape, |generator| {
    let (character, file) = (generator.subschema_for::<EscapeCharacter>(), generator.subschema_for::<EscapeFile>());
    schemars::json_schema!({"anyOf": [character, file]})
});

impl DecimalPoint {
    pub fn byte(self) -> u8 {
        match self {
            Self::Point => b'.',
            Self::Comma => b',',
        }
    }
}
