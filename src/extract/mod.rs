//! ③ A slot → an [`Extract`]: the rows as they came, on disk, with facts about them.
//!
//! [`Source::start`](crate::extract::Source::start) begins the export and answers a ticket; the run writes it into the
//! ledger; [`Source::collect`](crate::extract::Source::collect) waits and brings the rows. A run that was cut short
//! between the two only collects.

pub mod docebo;
pub mod file;
mod open;
mod save;
mod sniff;
mod source;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use docebo::budget::Remaining;
pub use docebo::note::{RequestNote, Sent};
pub use docebo::session::{Identity, Level};
pub use docebo::tenancy::Tenants;
pub use source::{Source, requests_of};

/// The steps at which [`crate::fault`] can strike here, in the order in which a run passes them.
pub const FAULT_STEPS: &[&str] = &[
    "extract.token",
    "extract.identity",
    "extract.reports",
    "extract.start",
    "extract.poll",
    "extract.download",
    "extract.save",
];

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

impl Form {
    /// The extract's name in its folder.
    pub fn file_name(self) -> &'static str {
        match self {
            Form::Csv => "extract.csv",
            Form::Zip => "extract.zip",
        }
    }
}

impl Extract {
    /// An extract that an earlier process saved in `directory`, by what was written down of it.
    pub fn kept(directory: &Path, form: Form, bytes: u64, sha256: String) -> Self {
        Self { path: directory.join(form.file_name()), form, bytes, sha256 }
    }
}

/// What a source must be able to say so that a run that was cut short goes on where it stopped: for Docebo
/// `report id/execution id`. Empty where the source has nothing to start.
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
    /// The export's start was sent and its answer never came: an export may be running that nobody can name. Starting
    /// again may make a second one.
    #[error("{what}")]
    Unanswered { what: String },
}

impl ExtractError {
    pub(crate) fn refused(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), hint: Some(hint.into()) }
    }

    pub(crate) fn later(what: impl Into<String>) -> Self {
        Self::Later { what: what.into(), wait: None }
    }

    /// What a person may do about it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused { hint, .. } => hint.as_deref(),
            Self::Unanswered { .. } => Some("the next try starts a new export; the first one, if any, ends by itself"),
            Self::Later { .. } | Self::Lapsed { .. } => None,
        }
    }
}
