//! Docebo reports: token, identity, export, download.
//!
//! The API is only partly documented: every step is a GET, even the one that starts an export; a missing permission
//! shows as a web page with 200 or as fewer rows; the statuses of a running export are unknown.

mod account;
mod call;
mod download;
pub(super) mod paths;
mod refusal;
mod report;
mod results;
mod session;
mod token;

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use self::report::Export;
use super::client::ApiClient;
use super::identity::Identity;
use super::message::one_line;
use super::request_log::{RequestLog, Sent};
use super::tenants::Tenants;
use super::{ExecutionId, Extract, ExtractError};
use crate::pipeline::plan::{DoceboSource, ReportRef, Via};
use crate::progress::Progress;
use crate::settings::Limits;

pub use self::account::Account;
pub use self::report::ListedReport;

/// One report of one tenant.
pub struct Docebo {
    client: ApiClient,
    report: ReportRef,
    via: Via,
    /// The start of every message: "tenant acme, report …".
    subject: String,
}

impl Docebo {
    pub(super) async fn new(source: &DoceboSource, limits: &Limits, tenants: &Tenants) -> Result<Self, ExtractError> {
        let tenant = tenants.of(&source.tenant).await?;
        let guard = paths::guard(tenant.base.clone(), &source.report, source.via);
        let subject = match &source.report {
            ReportRef::Id(id) => format!("tenant {}, report {id}", source.tenant.name),
            ReportRef::Name(name) => format!("tenant {}, report {name:?}", source.tenant.name),
        };
        let client = ApiClient { tenant, guard, log: RequestLog::default(), limits: *limits };
        Ok(Self { client, report: source.report.clone(), via: source.via, subject })
    }

    pub(super) async fn identify(&self) -> Result<Identity, ExtractError> {
        session::identify(&self.client).await
    }

    pub(super) async fn start(&self) -> Result<ExecutionId, ExtractError> {
        self.identify().await?;
        let report = report::resolve(&self.client, &self.report, &self.subject).await?;
        let export = report::start(&self.client, &report, &self.subject).await?;
        Ok(ExecutionId(export.execution_id()))
    }

    pub(super) async fn collect(
        &self,
        execution_id: &ExecutionId,
        into: &Path,
        progress: &Progress,
    ) -> Result<Extract, ExtractError> {
        let export = self.export_of(execution_id)?;
        // A new token may be another account's, so it is identified first; any token reads an older execution.
        if !self.client.tenant.identified.load(Relaxed) {
            self.identify().await?;
        }
        let finished = report::finished(&self.client, &export, &self.subject, progress).await;
        progress.set_wait(None);
        finished?;
        match self.via {
            Via::Download => download::download(&self.client, &export, into, progress, &self.subject).await,
            Via::Results => results::results(&self.client, &export, into, progress, &self.subject).await,
        }
    }

    /// Returns the counts of requests sent, by status.
    pub(super) fn sent(&self) -> Vec<Sent> {
        self.client.log.counts()
    }

    fn export_of(&self, execution_id: &ExecutionId) -> Result<Export, ExtractError> {
        let export = Export::from_execution_id(&execution_id.0).filter(|export| match &self.report {
            ReportRef::Id(id) => export.report == *id,
            ReportRef::Name(_) => true,
        });
        export.ok_or_else(|| ExtractError::Expired {
            what: format!("{}: the export {:?} is of another report", self.subject, one_line(&execution_id.0)),
        })
    }
}
