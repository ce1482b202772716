//! The closed set of sources: Docebo, or a local file.

use std::path::{Path, PathBuf};

use super::docebo::note::{RequestNote, Sent};
use super::docebo::session::Identity;
use super::docebo::tenancy::Tenants;
use super::docebo::{Docebo, guard};
use super::{Extract, ExtractError, Ticket, file};
use crate::pipeline::plan;
use crate::progress::Progress;
use crate::settings::Limits;

/// One plan's source, ready to be asked.
pub enum Source {
    Docebo(Box<Docebo>),
    File { path: PathBuf, limits: Limits },
}

impl Source {
    /// # Errors
    /// The tenant's address is no URL, or the client for it cannot be made.
    pub fn new(source: &plan::Source, limits: &Limits, tenants: &Tenants) -> Result<Self, ExtractError> {
        Ok(match source {
            plan::Source::Docebo(docebo) => Self::Docebo(Box::new(Docebo::new(docebo, limits, tenants)?)),
            plan::Source::File(file) => Self::File { path: file.path.clone(), limits: *limits },
        })
    }

    /// Begins: signs in, checks who the account is, finds the report, starts its export. The ticket is to be written
    /// down before anything else happens.
    ///
    /// # Errors
    /// Each variant of [`ExtractError`] but `Lapsed`.
    pub async fn start(&self) -> Result<Ticket, ExtractError> {
        match self {
            Self::Docebo(docebo) => docebo.start().await,
            Self::File { .. } => Ok(Ticket(String::new())),
        }
    }

    /// Waits for what `ticket` names and brings it into the directory `into`, as `extract.zip` or `extract.csv`. It
    /// can be called again with the same ticket, in this process or another.
    ///
    /// # Errors
    /// Each variant of [`ExtractError`] but `Unanswered`.
    pub async fn collect(&self, ticket: &Ticket, into: &Path, progress: &Progress) -> Result<Extract, ExtractError> {
        match self {
            Self::Docebo(docebo) => docebo.collect(ticket, into, progress).await,
            Self::File { path, limits } => file::collect(path, into, limits, progress).await,
        }
    }

    /// Signs in and asks who the account is: what `check --connect` shows. None where there is no account.
    ///
    /// # Errors
    /// `Refused`, also for an account that the settings do not allow, and `Later`.
    pub async fn identify(&self) -> Result<Option<Identity>, ExtractError> {
        match self {
            Self::Docebo(docebo) => docebo.identify().await.map(Some),
            Self::File { .. } => Ok(None),
        }
    }

    /// How often each request was sent, and how it was answered.
    pub fn sent(&self) -> Vec<Sent> {
        match self {
            Self::Docebo(docebo) => docebo.sent(),
            Self::File { .. } => Vec::new(),
        }
    }

    /// The last 200 requests that this source sent.
    pub fn requests(&self) -> Vec<RequestNote> {
        match self {
            Self::Docebo(docebo) => docebo.requests(),
            Self::File { .. } => Vec::new(),
        }
    }
}

/// What a plan's source may send or read, for people: `GET https://…/analytics/v1/reports/…/export/csv`.
pub fn requests_of(source: &plan::Source) -> Vec<String> {
    match source {
        plan::Source::Docebo(docebo) => guard::declared(docebo),
        plan::Source::File(source) => file::declared(&source.path),
    }
}
