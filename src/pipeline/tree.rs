//! The text of a YAML file → a tree of `Node`s that know where they are written, or every syntactic `Problem`.
//!
//! All scalars stay text (`no`, `007` and `1.10` mean what they look like); what a text is read as is decided by whoever
//! knows what is expected there (`super::read`). Positions come from the parser's own marks (YAML 1.2).

use std::path::PathBuf;
use std::sync::Arc;

use super::problem::{Place, Problem};

/// Bytes of one file that a person wrote.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Nodes of one file, those that its aliases repeat included: what a billion laughs runs into.
pub const NODES_MAX: usize = 100_000;
/// Lists and tables within each other.
pub const DEPTH_MAX: usize = 64;

/// How the name of a value begins that an environment variable gave.
pub const ENVIRONMENT: &str = "environment variable ";

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    File(Place),
    /// Not in a file: ``environment variable `REPORTFERRY_DATA` ``, ``flag `data` ``.
    Named(String),
}

#[derive(Clone, Debug)]
pub struct Node {
    pub origin: Origin,
    /// Where the key stands that this value belongs to.
    pub named: Option<Origin>,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file; keys are unique.
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
    /// The scalar as it is written, quotes included.
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

    /// The key's path, as `tenants.acme.poll`; the name of what is not in a file.
    pub fn key(&self) -> &str {
        match self {
            Origin::File(place) => &place.key,
            Origin::Named(name) => name,
        }
    }
}

impl Node {
    /// Where to point at the whole of this value: at a scalar itself, at the key of a table or list.
    pub fn head(&self) -> &Origin {
        match &self.kind {
            Kind::Scalar(_) => &self.origin,
            _ => self.named.as_ref().unwrap_or(&self.origin),
        }
    }

    pub fn error(&self, what: impl Into<String>) -> Problem {
        self.head().error(what)
    }

    /// The child of a table.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Table(entries) => entries.iter().find(|(name, _)| name.text == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Where bytes `offset..offset + len` of a scalar's text stand in the file; the start of the scalar where that
    /// cannot be told (quoted texts over several lines).
    pub fn origin_within(&self, offset: usize, len: usize) -> Origin {
        let (Origin::File(place), Kind::Scalar(scalar)) = (&self.origin, &self.kind) else {
            return self.origin.clone();
        };
        let indent = place.column.saturating_sub(1) as usize;
        let Some(offsets) = scalar.raw_offsets(indent) else { return self.origin.clone() };
        let end_of_raw = scalar.raw.len();
        let raw_at = |byte: usize| offsets.get(byte).copied().unwrap_or(end_of_raw);
        let start = raw_at(offset.min(scalar.text.len()));
        // One past the end of the text still lies before the closing quote.
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
    /// For each byte of the text and its end, the byte of the raw scalar; `None` where that cannot be told.
    fn raw_offsets(&self, indent: usize) -> Option<Vec<usize>> {
        match self.style {
            Style::Block => self.block_offsets(indent),
            _ if self.raw.contains('\n') => None,
            Style::Plain => (self.raw == self.text).then(|| (0..=self.text.len()).collect()),
            Style::SingleQuoted | Style::DoubleQuoted => self.quoted_offsets(),
        }
    }

    /// `|` and `>`: each line loses its indentation, and a folded line break is a space.
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
                // The line break that ends the text may lie beyond the raw scalar.
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

/// Reads one document. `None` beside problems where nothing could be read; a tree beside problems where reading went on.
pub fn parse(file: &Arc<PathBuf>, text: &str) -> (Option<Node>, Vec<Problem>) {
    super::build::document(file, text)
}

/// A flow value (`[a, b]`, `{a: b}`) that came from the environment or a flag: all of its nodes stand at `origin`.
pub fn parse_value(origin: &Origin, text: &str) -> Option<Node> {
    let (node, problems) = parse(&Arc::new(PathBuf::new()), text);
    let mut node = node.filter(|_| problems.is_empty())?;
    relocate(&mut node, origin);
    Some(node)
}

fn relocate(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    node.named = Some(origin.clone());
    match &mut node.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| relocate(item, origin)),
        Kind::Table(entries) => entries.iter_mut().for_each(|(key, value)| {
            key.origin = origin.clone();
            relocate(value, origin);
        }),
        Kind::Null | Kind::Scalar(_) => {}
    }
}

/// The place of a byte offset in a text, with a span of at least one byte where there is one.
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
