//! Why a transform ends without a result.

use std::io;

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
    #[error("record {number} (line {line}) has {found} cells, the header has {expected}")]
    Ragged { number: u64, line: u64, found: usize, expected: usize },
    #[error("record {number} (line {line}) is not UTF-8")]
    NotUtf8 { number: u64, line: u64 },
    #[error("record {number} (line {line}) is longer than {limit} bytes (limits.record_bytes)")]
    RecordTooLong { number: u64, line: u64, limit: usize },
    #[error("the extract has more than {limit} rows (limits.rows), the first too many on line {line}")]
    TooManyRows { limit: u64, line: u64 },
    #[error("record {number} (line {line}) opens a quote that is never closed: the extract is cut off")]
    UnclosedQuote { number: u64, line: u64 },
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("stopped")]
    Stopped,
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
