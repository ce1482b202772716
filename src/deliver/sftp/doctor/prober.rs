//! Tries one request at a time: each result becomes a step of the report and a finding.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::deliver::Verdict;
use crate::deliver::probe::{DoctorReport, DoctorStep, StepOutcome};
use crate::deliver::sftp::error::SftpError;
use crate::deliver::sftp::rules::Measured;
use crate::settings::Sftp;
use crate::sftp::{self, Client, Status, Transport, or_refusal};

/// Paths at which the probe file is written, and to which it is renamed.
pub(super) struct ProbePaths {
    /// Empty for the directory after sign-in.
    pub directory: String,
    pub staging: String,
    pub now: Timestamp,
}

/// Server capabilities; `None` was not tried.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub written: bool,
    pub lists: Option<bool>,
    pub syncs: Option<bool>,
    /// Result of comparing the size reported while the file is open.
    pub measures: Measured,
    /// The same after closing.
    pub measures_closed: Measured,
    /// Reason why a rename from `staging` cannot work.
    pub crosses: Option<String>,
    /// Files are visible by name.
    pub sees: Option<bool>,
    /// The file was gone after closing.
    pub taken_on_close: bool,
    pub taken_on_rename: bool,
    pub drops_empty: bool,
    pub reads: Option<bool>,
    pub sets_mode: Option<bool>,
    pub sets_times: Option<bool>,
    pub renames: Option<bool>,
    /// A plain rename replaces an existing file.
    pub renames_over: Option<bool>,
    pub posix_renames: Option<bool>,
    /// An exclusive open refuses an existing file.
    pub is_exclusive: Option<bool>,
    pub removes: Option<bool>,
    pub makes_directories: Option<bool>,
    pub takes_large: Option<bool>,
    pub free_bytes: Option<u64>,
}

/// Files and directories that the test created on the server and has not removed.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub files: BTreeSet<String>,
    pub directories: Vec<String>,
}

impl Made {
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.iter().chain(&self.directories).map(String::as_str)
    }
}

/// The test cannot continue; the last step gives the reason.
pub(super) struct Ended;

pub(super) struct Prober<'a, T> {
    pub client: &'a mut Client<T>,
    pub sftp: &'a Sftp,
    report: &'a mut DoctorReport,
    pub found: Findings,
    pub made: Made,
}

pub(super) type ProbeResult<T> = Result<T, Ended>;

impl<'a, T: Transport> Prober<'a, T> {
    pub(super) fn new(client: &'a mut Client<T>, sftp: &'a Sftp, report: &'a mut DoctorReport) -> Self {
        Prober { client, sftp, report, found: Findings::default(), made: Made::default() }
    }

    pub(super) fn into_found(self) -> (Findings, Made) {
        (self.found, self.made)
    }

    /// Runs `op` as a step; returns `None` if the server refuses it.
    pub(super) fn attempt<R>(
        &mut self,
        name: &str,
        op: impl FnOnce(&mut Client<T>) -> Result<R, sftp::Error>,
        summary: impl FnOnce(&R) -> String,
    ) -> ProbeResult<Option<R>> {
        let began = Instant::now();
        match self.ask(name, "try", name, op)? {
            Ok(done) => {
                self.report.record(DoctorStep::done(name, began.elapsed(), summary(&done)));
                Ok(Some(done))
            }
            Err(status) => {
                self.report.record(DoctorStep::new(name, StepOutcome::Refused, began.elapsed(), status.to_string()));
                Ok(None)
            }
        }
    }

    /// Runs `op`, which does `doing` to `subject`, for the step `name`; returns its result or the server's refusal.
    pub(super) fn ask<R>(
        &mut self,
        name: &str,
        doing: &'static str,
        subject: &str,
        op: impl FnOnce(&mut Client<T>) -> Result<R, sftp::Error>,
    ) -> ProbeResult<Result<R, Status>> {
        let began = Instant::now();
        or_refusal(op(self.client)).or_else(|lost| self.end(name, began, SftpError::new(doing, subject, lost)))
    }

    /// Runs `op` as a step that deliveries depend on.
    pub(super) fn require<R>(
        &mut self,
        name: &'static str,
        path: &str,
        op: impl FnOnce(&mut Client<T>) -> Result<R, sftp::Error>,
        summary: impl FnOnce(&R) -> String,
    ) -> ProbeResult<R> {
        let began = Instant::now();
        match self.client.doing(name, path, op) {
            Ok(done) => {
                self.report.record(DoctorStep::done(name, began.elapsed(), summary(&done)));
                Ok(done)
            }
            Err(error) => self.end(name, began, error),
        }
    }

    pub(super) fn end<R>(&mut self, name: &str, began: Instant, error: SftpError) -> ProbeResult<R> {
        if let sftp::Error::Lost(why) = &error.source {
            self.client.abort(why);
        }
        self.failed(name, began, &error.before_publishing())
    }

    pub(super) fn failed<R>(&mut self, name: &str, began: Instant, verdict: &Verdict) -> ProbeResult<R> {
        self.report.record(DoctorStep::failed(name, began.elapsed(), verdict));
        Err(Ended)
    }

    pub(super) fn record(&mut self, name: &str, outcome: StepOutcome, took: Duration, summary: impl Into<String>) {
        self.report.record(DoctorStep::new(name, outcome, took, summary));
    }
}
