//! ③ A slot → an [`Extract`]: the source's rows, unchanged, in a file on disk.
//!
//! [`Source::start`](crate::extract::Source::start) starts the export and returns its execution ID, which the run
//! records in the ledger; [`Source::collect`](crate::extract::Source::collect) waits for it and downloads the rows. A
//! run that was interrupted between the two only collects.

mod budget;
mod client;
mod docebo;
mod file;
mod guard;
mod identity;
mod in_place;
mod local_csv;
mod message;
mod open;
mod refused;
mod request_log;
mod save;
mod sniff;
mod source;
mod tenants;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use budget::Remaining;
pub use docebo::{Access, Account, Area, Certainty, ListedReport};
pub use docebo::{ScopeCheck, ScopeLine, ScopeVerdict, Standing, check_scope};
pub use identity::{Identity, Level};
pub use in_place::{FileFacts, Witness};
pub use local_csv::LocalCsv;
pub use refused::{CredentialMemory, RefusedCredentials};
pub use request_log::Sent;
pub use source::{Source, continues, requests_of};
pub use tenants::Tenants;

use crate::expect::AccountScope;

/// The source's rows, unchanged, in a file on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extract {
    pub path: PathBuf,
    pub form: Form,
    /// Bytes on disk.
    pub bytes: u64,
    pub stored: Stored,
    /// What the source said about the rows.
    pub source: SourceFacts,
}

/// The place of an extract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// In the spool, which nobody else writes.
    Spool {
        /// SHA-256 of the file on disk, lower-case hex.
        sha256: String,
    },
    /// In the source's own file, which was like this when it was opened.
    InPlace(FileFacts),
}

/// A source's statements about an extract, as far as it makes them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SourceFacts {
    /// The number of rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The assignments of the account that read them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<AccountScope>,
    /// The digest of the source whose records were read. Runs with the same one continue one another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Records changed since this moment were read, `2026-11-23 04:30:00`, UTC; all if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_from: Option<String>,
    /// Records changed after this moment are left for the next run: `2026-11-23 05:30:00`, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
}

/// The file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Csv,
    /// A ZIP that holds exactly one CSV.
    Zip,
}

/// Name of an extract that is not complete.
pub const PARTIAL: &str = "extract.part";

impl Form {
    /// Returns the extract's file name.
    pub fn file_name(self) -> &'static str {
        match self {
            Form::Csv => "extract.csv",
            Form::Zip => "extract.zip",
        }
    }
}

impl Extract {
    /// Returns an extract that an earlier process saved in `directory`, from its record in the ledger.
    pub fn saved(directory: &Path, form: Form, bytes: u64, sha256: String, source: SourceFacts) -> Self {
        Self { path: directory.join(form.file_name()), form, bytes, stored: Stored::Spool { sha256 }, source }
    }
}

/// The identity of a started export, with which an interrupted run continues: for a report `report id/execution id`, for
/// records `users/2026-11-23 04:30:00/digest`.
/// Empty for a source that starts nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionId(pub String);

/// The reason for which an extract failed.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// Refused or wrong permanently: a retry changes nothing until a person acts.
    #[error("{what}")]
    Refused { what: String, hint: Option<String> },
    /// Temporary: a retry continues with the same execution ID.
    #[error("{what}")]
    Later { what: String, wait: Option<Duration> },
    /// The export failed or no longer exists: a retry starts a new one.
    #[error("{what}")]
    Expired { what: String },
    /// A disk of this machine is full: a retry continues with the same execution ID.
    #[error("{what}")]
    DiskFull { what: String },
    /// The start was sent, but no response came: an export with an unknown ID may be running, and a retry may start a
    /// second one.
    #[error("{what}")]
    StartUnconfirmed { what: String },
}

impl ExtractError {
    pub(crate) fn refused(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), hint: Some(hint.into()) }
    }

    pub(crate) fn later(what: impl Into<String>) -> Self {
        Self::Later { what: what.into(), wait: None }
    }

    /// Returns how a person can fix it.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Refused { hint, .. } => hint.as_deref(),
            Self::StartUnconfirmed { .. } => {
                Some("the next attempt starts a new export; the first one, if any, ends by itself")
            }
            Self::Later { .. } | Self::DiskFull { .. } | Self::Expired { .. } => None,
        }
    }
}
