//! The closed set of sources: Docebo, or a local file.

use std::path::{Path, PathBuf};

use super::docebo::{Docebo, digest_of, paths};
use super::identity::Identity;
use super::request_log::Sent;
use super::tenants::Tenants;
use super::{ExecutionId, Extract, ExtractError, file};
use crate::pipeline::plan::{self, UpdatedSince};
use crate::progress::Progress;
use crate::settings::Limits;

/// One plan's source, ready for requests.
pub enum Source {
    Docebo(Box<Docebo>),
    File { path: PathBuf, copy: bool, limits: Limits },
}

impl Source {
    /// Creates the source of a plan.
    ///
    /// # Errors
    /// The tenant's address is not a URL, or its HTTP client cannot be created.
    pub async fn new(source: &plan::Source, limits: &Limits, tenants: &Tenants) -> Result<Self, ExtractError> {
        Ok(match source {
            plan::Source::Docebo(docebo) => Self::of_docebo(docebo, limits, tenants).await?,
            plan::Source::File(file) => Self::File { path: file.path.clone(), copy: file.copy, limits: *limits },
        })
    }

    /// Creates a source in a tenant.
    ///
    /// # Errors
    /// See [`Source::new`].
    pub async fn of_docebo(
        source: &plan::DoceboSource,
        limits: &Limits,
        tenants: &Tenants,
    ) -> Result<Self, ExtractError> {
        Ok(Self::Docebo(Box::new(Docebo::new(source, limits, tenants).await?)))
    }

    /// Signs in, checks the account, finds the report and starts its export. The caller must record the execution ID
    /// before it does anything else. `watermark` is the moment up to which the newest delivered run read: the execution
    /// reads the records that changed since.
    ///
    /// # Errors
    /// Each variant of [`ExtractError`] but `Expired`.
    pub async fn start(&self, watermark: Option<&str>) -> Result<ExecutionId, ExtractError> {
        match self {
            Self::Docebo(docebo) => docebo.start(watermark).await,
            Self::File { .. } => Ok(ExecutionId(String::new())),
        }
    }

    /// Returns true if it prepares its rows only when asked; otherwise they are there.
    pub fn has_exports(&self) -> bool {
        matches!(self, Self::Docebo(_))
    }

    /// Waits for the export and saves it in the directory `into`, as `extract.zip` or `extract.csv`; a local file may
    /// stay where it is. May be repeated with the same execution ID, in this process or another.
    ///
    /// # Errors
    /// Each variant of [`ExtractError`] but `StartUnconfirmed`.
    pub async fn collect(
        &self,
        execution_id: &ExecutionId,
        into: &Path,
        progress: &Progress,
    ) -> Result<Extract, ExtractError> {
        match self {
            Self::Docebo(docebo) => docebo.collect(execution_id, into, progress).await,
            Self::File { path, copy: true, limits } => file::copy(path, into, limits, progress).await,
            Self::File { path, copy: false, limits } => file::in_place(path, limits, progress).await,
        }
    }

    /// Signs in and returns the account; `None` if the source has no accounts.
    ///
    /// # Errors
    /// `Refused`, also for an account that the settings do not allow, or `Later`.
    pub async fn identify(&self) -> Result<Option<Identity>, ExtractError> {
        match self {
            Self::Docebo(docebo) => docebo.identify().await.map(Some),
            Self::File { .. } => Ok(None),
        }
    }

    /// Tries to read one record; of any other source, only signs in.
    ///
    /// # Errors
    /// `Refused` or `Later`.
    pub async fn probe(&self) -> Result<(), ExtractError> {
        match self {
            Self::Docebo(docebo) => docebo.probe().await,
            Self::File { .. } => Ok(()),
        }
    }

    /// Returns the counts of requests sent, by status.
    pub fn sent(&self) -> Vec<Sent> {
        match self {
            Self::Docebo(docebo) => docebo.sent(),
            Self::File { .. } => Vec::new(),
        }
    }
}

/// Describes what a plan's source may send or read: `GET https://…/analytics/v1/reports/…/export/csv`.
pub fn requests_of(source: &plan::Source) -> Vec<String> {
    match source {
        plan::Source::Docebo(docebo) => paths::declared(docebo),
        plan::Source::File(source) => file::declared(&source.path),
    }
}

/// Returns the digest of the source whose watermark the next run reads; `None` if it needs none.
pub fn continues(source: &plan::Source) -> Option<String> {
    match source {
        plan::Source::Docebo(docebo) => {
            let (_, records) = source.records()?;
            matches!(records.updated_since, UpdatedSince::LastDelivered { .. }).then(|| digest_of(docebo))?
        }
        plan::Source::File(_) => None,
    }
}
