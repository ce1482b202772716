//! Why a transform ends without a result.

use std::io;

use super::decode::{DecodeError, UndeclaredEncoding};
use crate::pipeline::problem::Problem;

/// Characters of a value that an error shows.
pub const SHOWN_CHARS_MAX: usize = 40;

/// Why a transform ends without a result. Nothing of a half-written artifact is of use then.
#[derive(Debug, thiserror::Error)]
pub enum TransformError {
    #[error("reading the extract")]
    Read { source: io::Error },
    #[error("writing the artifact")]
    Write { source: io::Error },
    #[error("the extract is empty: it has not even a header")]
    Empty,
    /// The steps do not go with the header.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Problems(Vec<Problem>),
    /// The CSV itself is wrong.
    #[error(transparent)]
    Csv(#[from] CsvFault),
    #[error("the file is separated by {}, not {}: {why}; add `csv: {{delimiter: {}}}` to the source", shown(*.found), shown(*.expected), yaml(*.found))]
    Delimiter { found: char, expected: char, why: &'static str },
    #[error(transparent)]
    Encoding(UndeclaredEncoding),
    #[error(transparent)]
    Decode(DecodeError),
    #[error("the extract has more than {limit} rows (limits.rows), the first too many on line {line}")]
    TooManyRows { limit: u64, line: u64 },
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("stopped")]
    Stopped,
}

impl TransformError {
    /// Reading failed: because the bytes are no text, or because they could not be had.
    pub(super) fn reading(source: io::Error) -> Self {
        match source.get_ref().and_then(|inner| inner.downcast_ref::<DecodeError>()) {
            Some(error) => Self::Decode(error.clone()),
            None => Self::Read { source },
        }
    }
}

/// A delimiter in a message.
fn shown(delimiter: char) -> String {
    match delimiter {
        '\t' => "tabs".to_owned(),
        other => format!("`{}`", other.escape_debug()),
    }
}

/// A delimiter as it is written in YAML.
fn yaml(delimiter: char) -> String {
    format!("\"{}\"", delimiter.escape_debug())
}

/// A record that the CSV does not give whole or in one reading.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}; {hint}", place(*.number, *.line))]
pub struct CsvFault {
    /// From 1; 0 is the header.
    pub number: u64,
    pub line: u64,
    /// With the column, and what stands there: what follows "record 1 (line 2)".
    pub what: String,
    pub hint: String,
}

fn place(number: u64, line: u64) -> String {
    match number {
        0 => format!("the header (line {line})"),
        number => format!("record {number} (line {line})"),
    }
}

/// A row for which a step has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {number} (line {line}), column {column:?}: {value:?} {what} (step {step})")]
pub struct RowError {
    /// From 1, the header not counted.
    pub number: u64,
    pub line: u64,
    /// The column that the value came from, or else the one that was being set; `filter` where there is neither.
    pub column: String,
    /// At most [`SHOWN_CHARS_MAX`] characters.
    pub value: String,
    pub what: String,
    /// The key of the step in the pipeline file, as `transform[2].filter`.
    pub step: String,
}

/// The beginning of a value, with `…` where it goes on.
pub(crate) fn shorten(value: &str) -> String {
    match value.char_indices().nth(SHOWN_CHARS_MAX) {
        None => value.to_owned(),
        Some(_) => value.chars().take(SHOWN_CHARS_MAX - 1).chain(['…']).collect(),
    }
}
