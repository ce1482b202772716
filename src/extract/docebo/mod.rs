//! Docebo reports and records: token, identity, export, download, pages.
//!
//! The API is only partly documented: every step is a GET, even the one that starts an export; a missing permission
//! shows as a web page with 200 or as fewer rows; the statuses of a running export are unknown.

mod account;
mod assertion;
mod assignments;
mod call;
mod credentials;
mod download;
mod page;
pub(super) mod paths;
mod records;
mod refusal;
mod report;
mod results;
mod scope;
mod session;
mod token;

use std::path::Path;

use self::records::Window;
use self::report::Export;
use super::client::ApiClient;
use super::identity::Identity;
use super::message::one_line;
use super::request_log::{RequestLog, Sent};
use super::tenants::Tenants;
use super::{ExecutionId, Extract, ExtractError};
use crate::pipeline::plan::{DoceboSource, Pull, RecordsPull, ReportPull, ReportRef, Via};
use crate::progress::Progress;
use crate::settings::Limits;

pub use self::account::Account;
pub use self::report::ListedReport;
pub use self::scope::{Access, Area, Certainty, ScopeCheck, ScopeLine, ScopeVerdict, Standing, check_scope};

/// One report or list of records of one tenant.
pub struct Docebo {
    client: ApiClient,
    pull: Pull,
    /// The digest of the source, under which the ledger keeps what was read of its records.
    digest: Option<String>,
    /// The start of every message: "tenant acme, report …".
    subject: String,
}

impl Docebo {
    pub(super) async fn new(source: &DoceboSource, limits: &Limits, tenants: &Tenants) -> Result<Self, ExtractError> {
        let tenant = tenants.of(&source.tenant).await?;
        let guard = paths::guard(tenant.base.clone(), &source.pull);
        let what = match &source.pull {
            Pull::Report(ReportPull { report: ReportRef::Id(id), .. }) => format!("report {id}"),
            Pull::Report(ReportPull { report: ReportRef::Name(name), .. }) => format!("report {name:?}"),
            Pull::Records(pull) => pull.list.word().to_owned(),
        };
        let subject = format!("tenant {}, {what}", source.tenant.name);
        let client = ApiClient { tenant, guard, log: RequestLog::default(), limits: *limits };
        Ok(Self { client, pull: source.pull.clone(), digest: digest_of(source), subject })
    }

    pub(super) async fn identify(&self) -> Result<Identity, ExtractError> {
        session::identify(&self.client).await
    }

    pub(super) async fn start(&self, watermark: Option<&str>) -> Result<ExecutionId, ExtractError> {
        self.identify().await?;
        match &self.pull {
            Pull::Report(pull) => {
                let report = report::resolve(&self.client, &pull.report, &self.subject).await?;
                let export = report::start(&self.client, &report, &self.subject).await?;
                Ok(ExecutionId(export.execution_id()))
            }
            Pull::Records(pull) => Ok(self.window(pull, watermark).execution_id()),
        }
    }

    pub(super) async fn collect(
        &self,
        execution_id: &ExecutionId,
        into: &Path,
        progress: &Progress,
    ) -> Result<Extract, ExtractError> {
        let source = match &self.pull {
            Pull::Report(pull) => Collected::Export(pull, self.export_of(pull, execution_id)?),
            Pull::Records(pull) => Collected::Window(pull, self.window_of(pull, execution_id)?),
        };
        // A new token may be another account's, so it is identified first; any token reads an older execution.
        let identity = session::known(&self.client).await?;
        let mut extract = match source {
            Collected::Export(pull, export) => self.collect_export(pull, &export, into, progress).await?,
            Collected::Window(pull, window) => {
                records::records(&self.client, pull, window, into, progress, &self.subject).await?
            }
        };
        extract.source.scope = assignments::of_run(&self.client, &identity).await;
        Ok(extract)
    }

    /// Waits for an export and saves its rows.
    async fn collect_export(
        &self,
        pull: &ReportPull,
        export: &Export,
        into: &Path,
        progress: &Progress,
    ) -> Result<Extract, ExtractError> {
        let finished = report::finished(&self.client, export, &self.subject, progress).await;
        progress.set_wait(None);
        finished?;
        match pull.via {
            Via::Download => download::download(&self.client, export, into, progress, &self.subject).await,
            Via::Results => results::results(&self.client, export, into, progress, &self.subject).await,
        }
    }

    /// Reads one record, to see if the account may; a report is not asked for.
    pub(super) async fn probe(&self) -> Result<(), ExtractError> {
        self.identify().await?;
        match &self.pull {
            Pull::Report(_) => Ok(()),
            Pull::Records(pull) => records::probe(&self.client, pull, &self.subject).await,
        }
    }

    /// Returns the counts of requests sent, by status.
    pub(super) fn sent(&self) -> Vec<Sent> {
        self.client.log.counts()
    }

    fn export_of(&self, pull: &ReportPull, execution_id: &ExecutionId) -> Result<Export, ExtractError> {
        let export = Export::from_execution_id(&execution_id.0).filter(|export| match &pull.report {
            ReportRef::Id(id) => export.report == *id,
            ReportRef::Name(_) => true,
        });
        export.ok_or_else(|| ExtractError::Expired {
            what: format!("{}: the export {:?} is of another report", self.subject, one_line(&execution_id.0)),
        })
    }

    fn window(&self, pull: &RecordsPull, watermark: Option<&str>) -> Window {
        let digest = self.digest.clone().unwrap_or_default();
        Window { word: pull.list.word(), updated_from: pull.updated_since.from(watermark), digest }
    }

    /// Returns the window that an earlier process began to read.
    fn window_of(&self, pull: &RecordsPull, execution_id: &ExecutionId) -> Result<Window, ExtractError> {
        let window = self.window(pull, None).begun(execution_id);
        window.ok_or_else(|| ExtractError::Expired {
            what: format!("{}: {:?} was begun for another source", self.subject, one_line(&execution_id.0)),
        })
    }
}

/// The subject of one collection.
enum Collected<'a> {
    Export(&'a ReportPull, Export),
    Window(&'a RecordsPull, Window),
}

/// Returns the digest under which the ledger keeps what was read of the source's records; `None` for a report.
pub(super) fn digest_of(source: &DoceboSource) -> Option<String> {
    match &source.pull {
        Pull::Report(_) => None,
        // Another account may see other records.
        Pull::Records(pull) => {
            let tenant = &source.tenant;
            Some(pull.digest(&[&tenant.name, &tenant.base, tenant.username().unwrap_or(&tenant.client_id)]))
        }
    }
}
