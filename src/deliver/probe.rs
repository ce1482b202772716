//! The result of `doctor` for a destination: each step of a delivery to it, and the delivery plan that follows.

use std::fmt::Display;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Verdict;

/// The result of one test of a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub destination: String,
    /// `sftp`, `local`, `webhook`.
    pub kind: String,
    /// The tested address.
    pub address: String,
    /// Deliveries can succeed with the present settings.
    pub ok: bool,
    pub steps: Vec<DoctorStep>,
    /// Conclusions, as sentences.
    pub plan: Vec<String>,
    /// Recommended settings that differ from the present ones.
    pub advice: Vec<Advice>,
    /// Files that could not be removed again.
    pub left_behind: Vec<String>,
}

/// One step, in the order of execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorStep {
    pub name: String,
    pub outcome: StepOutcome,
    pub took_us: u64,
    /// The finding, or the failure.
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<Detail>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detail {
    pub what: String,
    pub is: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    Done,
    /// Supported by the server, but not permitted; the conclusions explain the effect.
    Refused,
    /// Not offered by the server.
    NotOffered,
    /// Deliveries are impossible without it.
    Failed,
}

impl DoctorStep {
    pub fn done(name: &str, took: Duration, message: impl Into<String>) -> Self {
        DoctorStep::new(name, StepOutcome::Done, took, message)
    }

    pub fn new(name: &str, outcome: StepOutcome, took: Duration, message: impl Into<String>) -> Self {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        DoctorStep { name: name.to_owned(), outcome, took_us, message: message.into(), hint: None, details: Vec::new() }
    }

    /// Returns the step for a verdict.
    pub fn failed(name: &str, took: Duration, verdict: &Verdict) -> Self {
        let hint = verdict.hint().map(str::to_owned);
        DoctorStep { hint, ..DoctorStep::new(name, StepOutcome::Failed, took, verdict.reason()) }
    }

    #[must_use]
    pub fn with(mut self, what: &str, is: impl Display) -> Self {
        self.details.push(Detail { what: what.to_owned(), is: is.to_string() });
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A recommended key of the destination, or of the pipelines that deliver to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    pub scope: Scope,
    pub key: String,
    pub value: String,
    pub why: String,
    /// Deliveries fail without it.
    pub must: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Destination,
    Delivery,
}

/// The steps so far; the listener gets each immediately.
pub struct DoctorReport {
    pub steps: Vec<DoctorStep>,
    listener: Box<dyn FnMut(&DoctorStep) + Send>,
}

impl DoctorReport {
    pub fn new(listener: impl FnMut(&DoctorStep) + Send + 'static) -> Self {
        DoctorReport { steps: Vec::new(), listener: Box::new(listener) }
    }

    pub fn record(&mut self, step: DoctorStep) {
        (self.listener)(&step);
        self.steps.push(step);
    }

    pub fn has_failed(&self) -> bool {
        self.steps.iter().any(|step| step.outcome == StepOutcome::Failed)
    }
}

/// Input of a test.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The directory below the base, as a pipeline's `path`.
    pub path: String,
    /// The present time, to compute the age of probe files that earlier tests left.
    pub now: Timestamp,
}

/// Names of probe files and directories. The test touches nothing else.
pub(super) const PROBE: &str = ".reportferry-probe-";

/// Seconds after which a probe file is abandoned: no test takes that long.
const STALE_S: i64 = 60 * 60;

/// Returns a name that no other test uses.
pub(super) fn probe_name() -> String {
    format!("{PROBE}{:016x}", fastrand::u64(..))
}

/// Returns true if a file of this name and age was left by an earlier test.
pub(super) fn is_stale(name: &str, modified_s: Option<i64>, now: Timestamp) -> bool {
    name.starts_with(PROBE) && modified_s.is_some_and(|modified_s| now.as_second() - modified_s > STALE_S)
}
