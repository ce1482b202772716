//! The text of a YAML file → a tree of `Node`s with their positions, or every syntactic `Problem`.
//!
//! All scalars stay text (`no`, `007` and `1.10` mean what they look like); the expected type decides how a text is
//! parsed (`super::read`). Positions come from the parser's own marks (YAML 1.2).

use std::path::PathBuf;
use std::sync::Arc;

use super::problem::{Place, Problem};

/// The largest file that a person writes, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// The largest number of nodes of one file, including those repeated by aliases: the limit for a billion-laughs attack.
pub const NODES_MAX: usize = 100_000;
/// The deepest nesting of lists and tables.
pub const DEPTH_MAX: usize = 64;

/// The prefix of the name of a value from an environment variable.
pub const ENVIRONMENT: &str = "environment variable ";

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    File(Place),
    /// Not in a file: ``environment variable `REPORTFERRY_DATA` ``, ``flag `data` ``.
    Named(String),
}

#[derive(Clone, Debug)]
pub struct Node {
    pub origin: Origin,
    /// The key that this value belongs to.
    pub named: Option<Origin>,
    pub kind: NodeKind,
}

#[derive(Clone, Debug)]
pub enum NodeKind {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    /// In file order; keys are unique.
    Table(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub struct Key {
    pub text: String,
    pub origin: Origin,
}

#[derive(Clone, Debug)]
pub struct Scalar {
    pub text: String,
    pub style: Style,
    /// The source text of the scalar, quotes included.
    pub raw: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// `|` and `>`.
    Block,
}

impl Origin {
    pub fn error(&self, what: impl Into<String>) -> Problem {
        match self {
            Origin::File(place) => Problem::error(place.clone(), what),
            Origin::Named(name) => Problem::error(None, format!("{name}: {}", what.into())),
        }
    }

    pub fn warning(&self, what: impl Into<String>) -> Problem {
        Problem { severity: super::problem::Severity::Warning, ..self.error(what) }
    }

    /// Returns true for a value that an environment variable gave.
    pub fn is_environment(&self) -> bool {
        matches!(self, Origin::Named(name) if name.starts_with(ENVIRONMENT))
    }

    /// Returns the key's path, such as `tenants.acme.poll`, or the name of a value from outside of files.
    pub fn key(&self) -> &str {
        match self {
            Origin::File(place) => &place.key,
            Origin::Named(name) => name,
        }
    }
}

impl Node {
    /// Returns the origin to point at for this value: a scalar itself, or the key of a table or list.
    pub fn head(&self) -> &Origin {
        match &self.kind {
            NodeKind::Scalar(_) => &self.origin,
            _ => self.named.as_ref().unwrap_or(&self.origin),
        }
    }

    pub fn error(&self, what: impl Into<String>) -> Problem {
        self.head().error(what)
    }

    /// Returns a problem at bytes `offset..offset + len` of this scalar's text, found by its parser.
    pub fn error_within(&self, offset: usize, len: usize, what: String, hint: Option<String>) -> Problem {
        Problem { hint, ..self.origin_within(offset, len).error(what) }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            NodeKind::Table(entries) => entries.iter().find(|(name, _)| name.text == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Returns the origin of bytes `offset..offset + len` of a scalar's text; the start of the scalar if that cannot be
    /// determined (quoted texts over several lines).
    pub fn origin_within(&self, offset: usize, len: usize) -> Origin {
        let (Origin::File(place), NodeKind::Scalar(scalar)) = (&self.origin, &self.kind) else {
            return self.origin.clone();
        };
        let indent = place.column.saturating_sub(1) as usize;
        let Some(offsets) = scalar.raw_offsets(indent) else { return self.origin.clone() };
        let end_of_raw = scalar.raw.len();
        let raw_at = |byte: usize| offsets.get(byte).copied().unwrap_or(end_of_raw);
        let start = raw_at(offset.min(scalar.text.len()));
        // One past the end of the text still comes before the closing quote.
        let end = raw_at((offset + len.max(1)).min(scalar.text.len())).max(start);
        let before = scalar.raw.get(..start).unwrap_or("");
        let last_line = before.rsplit('\n').next().unwrap_or("").chars().count();
        let newlines = before.matches('\n').count();
        let column = if newlines == 0 { indent + last_line + 1 } else { last_line + 1 };
        Origin::File(Place {
            line: place.line + u32::try_from(newlines).unwrap_or(0),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            span: place.span.start + start..place.span.start + end,
            ..place.clone()
        })
    }
}

impl Scalar {
    /// Returns, for each byte of the text and its end, the byte of the raw scalar; `None` if that is unknown.
    fn raw_offsets(&self, indent: usize) -> Option<Vec<usize>> {
        match self.style {
            Style::Block => self.block_offsets(indent),
            _ if self.raw.contains('\n') => None,
            Style::Plain => (self.raw == self.text).then(|| (0..=self.text.len()).collect()),
            Style::SingleQuoted | Style::DoubleQuoted => self.quoted_offsets(),
        }
    }

    /// Handles `|` and `>`: each line loses its indentation, and a folded line break is a space.
    fn block_offsets(&self, indent: usize) -> Option<Vec<usize>> {
        let mut offsets = Vec::with_capacity(self.text.len() + 1);
        let mut raw = 0;
        for character in self.text.chars() {
            offsets.extend(std::iter::repeat_n(raw, character.len_utf8()));
            let rest = self.raw.get(raw..)?;
            match rest.chars().next() {
                Some('\n') if matches!(character, '\n' | ' ') => {
                    let spaces = rest[1..].bytes().take(indent).take_while(|byte| *byte == b' ').count();
                    raw += 1 + spaces;
                }
                Some(same) if same == character => raw += same.len_utf8(),
                // The line break that ends the text may be beyond the raw scalar.
                None if character == '\n' => {}
                _ => return None,
            }
        }
        offsets.push(raw);
        Some(offsets)
    }

    fn quoted_offsets(&self) -> Option<Vec<usize>> {
        let mut offsets = Vec::with_capacity(self.text.len() + 1);
        let mut raw = 1;
        for character in self.text.chars() {
            offsets.extend(std::iter::repeat_n(raw, character.len_utf8()));
            let rest = self.raw.get(raw..)?;
            raw += match (self.style, rest.as_bytes()) {
                (Style::SingleQuoted, [b'\'', b'\'', ..]) => 2,
                (Style::DoubleQuoted, [b'\\', b'x', ..]) => 4,
                (Style::DoubleQuoted, [b'\\', b'u', ..]) => 6 * (1 + usize::from(character.len_utf16() == 2)),
                (Style::DoubleQuoted, [b'\\', b'U', ..]) => 10,
                (Style::DoubleQuoted, [b'\\', ..]) => 1 + rest[1..].chars().next()?.len_utf8(),
                _ => rest.chars().next()?.len_utf8(),
            };
        }
        offsets.push(raw);
        Some(offsets)
    }
}

/// Returns the place of a byte range in a text; the span has at least one byte where possible.
pub fn place(file: &Arc<PathBuf>, text: &str, span: std::ops::Range<usize>, key: &str) -> Place {
    let start = floor(text, span.start);
    let before = text.get(..start).unwrap_or("");
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        file: file.clone(),
        line: u32::try_from(before.matches('\n').count() + 1).unwrap_or(u32::MAX),
        column: u32::try_from(before[line_start..].chars().filter(|c| *c != '\u{feff}').count() + 1)
            .unwrap_or(u32::MAX),
        span: start..floor(text, span.end).max(start),
        key: key.to_string(),
    }
}

fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}
