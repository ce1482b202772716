//! Errors that end a transform.

use std::io;

use super::decode::{DecodeError, UndeclaredEncoding};
use super::sort::Stopped;
use crate::pipeline::step_name;
use crate::yaml::problem::Problem;

/// An error that ends a transform. The unfinished artifact is discarded.
#[derive(Debug, thiserror::Error)]
pub enum TransformError {
    #[error("reading the extract")]
    Read { source: io::Error },
    #[error("writing the artifact")]
    Write { source: io::Error },
    /// The temporary file of a sort.
    #[error("sorting the rows on disk")]
    Spill { source: io::Error },
    #[error("the extract is empty, without even a header")]
    Empty,
    /// The steps do not fit the header.
    #[error("{}", .0.iter().map(step_name::of_problem).collect::<Vec<_>>().join("; "))]
    Problems(Vec<Problem>),
    /// The CSV is malformed.
    #[error(transparent)]
    Csv(#[from] CsvFault),
    #[error("the file is separated by {}, not {}: {why}; add `csv: {{delimiter: {}}}` to the source", shown(*.found), shown(*.expected), yaml(*.found))]
    Delimiter { found: char, expected: char, why: &'static str },
    #[error(transparent)]
    Encoding(UndeclaredEncoding),
    #[error(transparent)]
    Decode(DecodeError),
    #[error(
        "the extract has more than {limit} rows (limits.rows, or the source's `rows`), the first too many on line {line}"
    )]
    TooManyRows { limit: u64, line: u64 },
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("stopped")]
    Stopped,
    /// A table that a step reads besides the rows.
    #[error("reading {name}")]
    Table { name: String, source: Box<TransformError> },
    /// The baseline of a `delta` cannot be read or written.
    #[error("reading or writing the baseline of `delta`")]
    Baseline { source: io::Error },
    #[error(
        "{} has the same key as {}: {} ({}); `delta` needs unique keys: add `dedupe` before it, or columns to `by`",
        place(second.0, second.1), place(first.0, first.1), shown_key(key), step_name::of_key(step)
    )]
    DuplicateKey {
        /// The columns and values of the key.
        key: Vec<(String, String)>,
        /// The number and the line of both records.
        first: (u64, u64),
        second: (u64, u64),
        step: String,
    },
}

impl TransformError {
    /// Converts an error of a temporary file, which may be that of a sort that was stopped.
    pub(super) fn spilling(source: io::Error) -> Self {
        match source.get_ref().is_some_and(|inner| inner.is::<Stopped>()) {
            true => Self::Stopped,
            false => Self::Spill { source },
        }
    }

    /// Converts a read error: malformed text, or a failure of the input.
    pub(super) fn reading(source: io::Error) -> Self {
        match source.get_ref().and_then(|inner| inner.downcast_ref::<DecodeError>()) {
            Some(error) => Self::Decode(error.clone()),
            None => Self::Read { source },
        }
    }
}

/// Formats a delimiter for a message.
fn shown(delimiter: char) -> String {
    match delimiter {
        '\t' => "tabs".to_owned(),
        other => format!("`{}`", other.escape_debug()),
    }
}

/// Formats a delimiter as YAML.
fn yaml(delimiter: char) -> String {
    format!("\"{}\"", delimiter.escape_debug())
}

/// A record that is incomplete or ambiguous.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}; {hint}", place(*.number, *.line))]
pub struct CsvFault {
    /// The record number, from 1; 0 is the header.
    pub number: u64,
    pub line: u64,
    /// The text after "record 1 (line 2)", with column and content.
    pub what: String,
    pub hint: String,
}

/// Formats the columns and values of a key.
fn shown_key(key: &[(String, String)]) -> String {
    key.iter().map(|(column, value)| format!("{column} {value:?}")).collect::<Vec<_>>().join(", ")
}

fn place(number: u64, line: u64) -> String {
    match number {
        0 => format!("the header (line {line})"),
        number => format!("record {number} (line {line})"),
    }
}

fn row_place(number: u64, line: u64) -> String {
    match number {
        0 => "a removed row of the baseline".to_owned(),
        number => place(number, line),
    }
}

/// A row for which a step has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}, column {column:?}: {value:?} {what} ({})", row_place(*.number, *.line), step_name::of_key(step))]
pub struct RowError {
    /// The record number, from 1, without the header; 0 is a row that `delta` takes from its baseline.
    pub number: u64,
    pub line: u64,
    /// The column of the value, or else the one being set; `filter` if there is neither.
    pub column: String,
    /// At most [`SHOWN_CHARS_MAX`](crate::expr::SHOWN_CHARS_MAX) characters.
    pub value: String,
    pub what: String,
    /// The key of the step in the pipeline file, as `transform[2].filter`.
    pub step: String,
}
