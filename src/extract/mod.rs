//! ③ A slot → an [`Extract`]: the rows as they came, on disk, with facts about them.

pub mod docebo;
pub mod file;

use std::path::PathBuf;
use std::time::Duration;

/// The rows as they came, on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extract {
    pub path: PathBuf,
    pub form: Form,
    /// Bytes on disk.
    pub bytes: u64,
    /// SHA-256 of the file on disk, lower-case hex.
    pub sha256: String,
}

/// How the CSV lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Csv,
    /// A ZIP with exactly one CSV in it.
    Zip,
}

/// What a source must be able to say so that a run that was cut short goes on where it stopped: the export's execution
/// id. Empty where the source has nothing to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket(pub String);

/// Why an extract did not come about.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// Refused or wrong for good: trying again changes nothing until a person acts.
    #[error("{what}")]
    Refused { what: String, hint: Option<String> },
    /// It may go better later: the same ticket goes on.
    #[error("{what}")]
    Later { what: String, wait: Option<Duration> },
    /// The ticket is worth nothing any more (the export failed, or is gone): start again with a new one.
    #[error("{what}")]
    Lapsed { what: String },
}
