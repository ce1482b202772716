//! Docebo reports: token, identity, export, download.
//!
//! What is known of the API, and how surely, decides the shape: every step is a GET, even the one that starts an
//! export; a missing right shows as a web page with 200 or as fewer rows; the running words were never named.

pub(super) mod budget;
mod download;
pub(super) mod guard;
mod line;
pub(super) mod note;
pub(super) mod refusal;
mod report;
mod results;
pub(super) mod session;
pub(super) mod tenancy;
mod token;

use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;

use self::guard::Guard;
use self::line::Line;
use self::note::{Notes, RequestNote, Sent};
use self::report::Export;
use self::session::Identity;
use self::tenancy::Tenants;
use super::{Extract, ExtractError, Ticket};
use crate::pipeline::plan::{DoceboSource, ReportRef, Via};
use crate::progress::Progress;
use crate::settings::Limits;

/// One report of one tenant.
pub struct Docebo {
    line: Line,
    report: ReportRef,
    via: Via,
    /// Begins every message: "tenant acme, report …".
    subject: String,
}

impl Docebo {
    pub(super) fn new(source: &DoceboSource, limits: &Limits, tenants: &Tenants) -> Result<Self, ExtractError> {
        let tenancy = tenants.of(&source.tenant)?;
        let guard = Guard::new(tenancy.base.clone(), &source.report, source.via);
        let subject = match &source.report {
            ReportRef::Id(id) => format!("tenant {}, report {id}", source.tenant.name),
            ReportRef::Name(name) => format!("tenant {}, report {name:?}", source.tenant.name),
        };
        let line = Line { tenancy, guard, notes: Notes::default(), limits: *limits };
        Ok(Self { line, report: source.report.clone(), via: source.via, subject })
    }

    pub(super) async fn identify(&self) -> Result<Identity, ExtractError> {
        session::identify(&self.line).await
    }

    pub(super) async fn start(&self) -> Result<Ticket, ExtractError> {
        self.identify().await?;
        let report = report::resolve(&self.line, &self.report, &self.subject).await?;
        let export = report::start(&self.line, &report, &self.subject).await?;
        Ok(Ticket(export.ticket()))
    }

    pub(super) async fn collect(
        &self,
        ticket: &Ticket,
        into: &Path,
        progress: &Progress,
    ) -> Result<Extract, ExtractError> {
        let export = self.export_of(ticket)?;
        // A newer token reads an older execution; but it is a new account's until it says who it is.
        if !self.line.tenancy.identified.load(Relaxed) {
            self.identify().await?;
        }
        report::finished(&self.line, &export, &self.subject).await?;
        match self.via {
            Via::Download => download::download(&self.line, &export, into, progress, &self.subject).await,
            Via::Results => results::results(&self.line, &export, into, progress, &self.subject).await,
        }
    }

    pub(super) fn requests(&self) -> Vec<RequestNote> {
        self.line.notes.all()
    }

    /// How often each request was sent, and how it was answered.
    pub(super) fn sent(&self) -> Vec<Sent> {
        self.line.notes.counts()
    }

    fn export_of(&self, ticket: &Ticket) -> Result<Export, ExtractError> {
        let export = Export::from_ticket(&ticket.0).filter(|export| match &self.report {
            ReportRef::Id(id) => export.report == *id,
            ReportRef::Name(_) => true,
        });
        export.ok_or_else(|| ExtractError::Lapsed {
            what: format!("{}: the ticket {:?} is of another report", self.subject, refusal::quiet(&ticket.0)),
        })
    }
}
