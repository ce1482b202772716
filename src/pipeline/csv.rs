//! The format of a CSV: its delimiter and its encoding.

use serde::{Deserialize, Serialize};

use super::csv_escape::{DecimalPoint, Escape};
use crate::yaml::problem::{Problem, did_you_mean};
use crate::yaml::read::{FromNode, list, scalar, unknown_word};
use crate::yaml::tree::{Node, NodeKind, Style};

crate::options! {
    /// The format of a CSV that is read: RFC 4180 in UTF-8 by default.
    pub struct CsvInput: Copy {
        /// One ASCII character between the cells; a tab is written `"\t"`. Default: `,`.
        delimiter: u8 as Delimiter = b',',
        /// Refuses text after a closing quote, NUL bytes, and a header with a different delimiter. Default: true.
        strict: bool as bool = true,
        /// The file's character encoding; bytes that are not valid in it are refused. Default: utf-8.
        encoding: Encoding as Encoding = Encoding::Utf8,
    }
}

/// A character encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Windows1252,
    Iso8859_1,
    Iso8859_15,
    /// With the byte order of the byte order mark, which is required.
    Utf16,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    pub const ALL: [Self; 7] =
        [Self::Utf8, Self::Windows1252, Self::Iso8859_1, Self::Iso8859_15, Self::Utf16, Self::Utf16Le, Self::Utf16Be];

    /// Returns the name used in pipeline files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Windows1252 => "windows-1252",
            Self::Iso8859_1 => "iso-8859-1",
            Self::Iso8859_15 => "iso-8859-15",
            Self::Utf16 => "utf-16",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
        }
    }
}

impl FromNode for Encoding {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "an encoding", problems)?;
        let names = Encoding::ALL.map(Encoding::name);
        let found = Encoding::ALL.into_iter().find(|encoding| encoding.name().eq_ignore_ascii_case(text));
        if found.is_none() {
            let hint = match text.to_ascii_lowercase().replace(['_', ' '], "-").as_str() {
                "utf8" | "utf-8-sig" | "utf8-bom" | "unicode" => Some("utf-8"),
                "cp1252" | "1252" | "win1252" | "ansi" | "windows1252" => Some("windows-1252"),
                "latin1" | "latin-1" | "iso8859-1" | "l1" => Some("iso-8859-1"),
                "latin9" | "latin-9" | "latin0" | "iso8859-15" => Some("iso-8859-15"),
                "utf16" | "ucs-2" | "ucs2" => Some("utf-16"),
                "utf16le" | "utf-16-le" => Some("utf-16le"),
                "utf16be" | "utf-16-be" => Some("utf-16be"),
                _ => None,
            };
            let hint = hint.map(|name| format!("did you mean {name:?}?")).or_else(|| did_you_mean(text, names));
            let hint = hint.unwrap_or_else(|| format!("the encodings are {}", list(&names)));
            problems.push(node.error(format!("{text:?} is not a supported encoding")).hint(hint));
        }
        found
    }
}

crate::schema_as!(Encoding, {"type": "string", "enum": Encoding::ALL.map(Encoding::name)});

/// One ASCII character between the cells.
pub struct Delimiter(pub u8);

crate::schema_as!(Delimiter, {"type": "string", "minLength": 1, "maxLength": 1});

impl FromNode for Delimiter {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, style) = scalar(node, "a delimiter", problems)?;
        let meant = match (style, text.to_lowercase().as_str()) {
            (Style::Block, _) => Some("\"|\""),
            (_, "\\t" | "tab" | "<tab>" | "tabulator") => Some("\"\\t\""),
            (_, "pipe" | "bar") => Some("\"|\""),
            (_, "comma") => Some("\",\""),
            (_, "semicolon") => Some("\";\""),
            (_, "space") => Some("\" \""),
            _ => None,
        };
        if let Some(meant) = meant {
            let what = match style {
                Style::Block => "`|` and `>` without quotes begin a text of several lines".to_owned(),
                _ => format!("{text:?} is not one character"),
            };
            // The position of a block scalar is below its key.
            let at = node.named.as_ref().filter(|_| style == Style::Block).unwrap_or(&node.origin);
            problems.push(at.error(what).hint(format!("write `delimiter: {meant}`")));
            return None;
        }
        match text.as_bytes() {
            [byte] if byte.is_ascii() && !b"\"\r\n\0".contains(byte) => Some(Delimiter(*byte)),
            _ => {
                problems.push(
                    node.error(format!("{text:?} cannot separate cells"))
                        .hint("write one ASCII character: `,`, `;`, `|`, or `\"\\t\"` for a tab"),
                );
                None
            }
        }
    }
}

impl From<Delimiter> for u8 {
    fn from(delimiter: Delimiter) -> Self {
        delimiter.0
    }
}

/// The largest number of bytes at the end of a record.
const RECORD_END_MAX: usize = 8;

impl FromNode for RecordEnd {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "`lf`, `crlf` or a text", problems)?;
        match text {
            "lf" | "\n" => return Some(RecordEnd::Lf),
            "crlf" | "\r\n" => return Some(RecordEnd::CrLf),
            _ => {}
        }
        let is_word = text.chars().all(|char| char.is_alphanumeric() || matches!(char, '_' | '\\'));
        if is_word || text.len() > RECORD_END_MAX || text.contains(['"', '\0']) {
            let hint = match text.to_lowercase().as_str() {
                "crlf" | "\\r\\n" | "windows" | "dos" => "write `record_end: crlf`",
                "lf" | "\\n" | "unix" => "write `record_end: lf`",
                _ => "write `lf`, `crlf`, or a text of at most 8 bytes in double quotes: `\"~\\r\\n\"`",
            };
            problems.push(node.error(format!("{text:?} cannot end a record")).hint(hint));
            return None;
        }
        Some(RecordEnd::Text(text.to_owned()))
    }
}

crate::schema_as!(RecordEnd, {"type": "string", "minLength": 1, "maxLength": 8});

impl FromNode for Header {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        if let NodeKind::List(names) = &node.kind {
            if names.is_empty() {
                let problem = node.error("a list of names for the columns is expected, and this one is empty");
                problems.push(problem.hint("write `header: none` for a file without one"));
                return None;
            }
            return Vec::from_node(node, problems).map(Header::List);
        }
        let known = ["names", "upper", "none"];
        let (text, _) = scalar(node, "`names`, `upper`, `none` or a list of names", problems)?;
        match text {
            "names" => Some(Header::Names),
            "upper" => Some(Header::Upper),
            "none" => Some(Header::None),
            _ => {
                problems.push(unknown_word(&node.origin, text, &known, &[("true", "names"), ("false", "none")]));
                None
            }
        }
    }
}

crate::schema_as!(Header, {
    "anyOf": [{"enum": ["names", "upper", "none"]}, {"type": "array", "items": {"type": "string"}}]
});

/// The dialect of the artifact's CSV.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CsvDialect {
    pub delimiter: u8,
    pub quote: QuoteStyle,
    pub record_end: RecordEnd,
    pub header: Header,
    /// A UTF-8 byte order mark at the start.
    pub bom: bool,
    /// Prefixes cells that a spreadsheet would run as a formula with an apostrophe.
    pub formula_guard: bool,
    pub escape: Option<Escape>,
    /// The text of an empty cell, never in quotes.
    pub null_text: String,
    pub decimal: DecimalPoint,
}

impl CsvDialect {
    /// Returns true if a reader of RFC 4180 reads the cells as they were, given the delimiter and the record end.
    pub fn is_readable(&self) -> bool {
        let Self { record_end, escape, null_text, decimal, .. } = self;
        !matches!(record_end, RecordEnd::Text(_))
            && escape.is_none()
            && null_text.is_empty()
            && *decimal == DecimalPoint::Point
    }
}

impl Default for CsvDialect {
    /// RFC 4180, with the line end of Unix.
    fn default() -> Self {
        Self {
            delimiter: b',',
            quote: QuoteStyle::Necessary,
            record_end: RecordEnd::Lf,
            header: Header::Names,
            bom: false,
            formula_guard: false,
            escape: None,
            null_text: String::new(),
            decimal: DecimalPoint::Point,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuoteStyle {
    /// Where the cell needs it.
    Necessary,
    Always,
    /// A cell that needs quotes is an error, unless it can be escaped.
    Never,
    /// Around every cell but numbers and empty ones.
    Text,
}

/// The end of each record, including the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordEnd {
    Lf,
    CrLf,
    /// A text that the reader asks for, as `~\r\n`.
    Text(String),
}

impl RecordEnd {
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            RecordEnd::Lf => b"\n",
            RecordEnd::CrLf => b"\r\n",
            RecordEnd::Text(text) => text.as_bytes(),
        }
    }
}

/// The record before the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Header {
    /// The columns' names.
    Names,
    /// The columns' names in upper case.
    Upper,
    /// None.
    None,
    /// These names, one for each column.
    List(Vec<String>),
}
