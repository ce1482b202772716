//! Names that wait for the encoded file: for its number of rows, and for its digest.

use std::fmt;

use super::{DIGEST_DIGITS, TemplatePart};

/// A name in which `{count}` and `{sha256}` are not filled in yet. Without these, it waits for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PendingName {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Piece {
    Text(String),
    /// The number of rows, with at least this many digits.
    Count(usize),
    /// So many digits of the digest.
    Digest(usize),
}

/// The parts of a file's content that its name may hold.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// Data rows, without header and trailer records.
    pub rows: u64,
    /// The SHA-256 of the bytes before compression and encryption, in lower-case hex.
    pub sha256: &'a str,
}

impl PendingName {
    /// Returns the file's name. It is as valid as the longest that was checked.
    pub fn complete(&self, Content { rows, sha256 }: Content<'_>) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Count(digits) => format!("{rows:0digits$}"),
            Piece::Digest(digits) => sha256.chars().take(*digits).collect(),
        };
        self.pieces.iter().map(text).collect()
    }

    /// Returns a name of the greatest length that the content can give.
    pub(super) fn longest(&self) -> String {
        self.complete(Content { rows: u64::MAX, sha256: &"0".repeat(DIGEST_DIGITS) })
    }

    pub(super) fn push(&mut self, piece: Piece) {
        match (self.pieces.last_mut(), piece) {
            (Some(Piece::Text(last)), Piece::Text(text)) => last.push_str(&text),
            (_, piece) => self.pieces.push(piece),
        }
    }

    /// Removes one of these characters from the end.
    pub(super) fn trim_one(&mut self, separators: &[char]) {
        if let Some(Piece::Text(last)) = self.pieces.last_mut() {
            last.truncate(last.strip_suffix(separators).unwrap_or(last).len());
        }
    }
}

impl From<&str> for PendingName {
    /// A name that is known.
    fn from(name: &str) -> Self {
        Self { pieces: vec![Piece::Text(name.to_owned())] }
    }
}

impl From<String> for PendingName {
    fn from(name: String) -> Self {
        Self { pieces: vec![Piece::Text(name)] }
    }
}

/// Writes what is known of the name, with `{count}` and `{sha256:8}` where it waits.
impl fmt::Display for PendingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Count(digits) => f.write_str(&super::suggestions::written(&TemplatePart::Count(*digits))),
            Piece::Digest(digits) => f.write_str(&super::suggestions::written(&TemplatePart::Digest(*digits))),
        })
    }
}
