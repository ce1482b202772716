//! A destination → the truth about each step of a delivery to it, and the delivery plan that follows.

mod local;

use std::fmt::Display;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Verdict, sftp, webhook};
use crate::settings::{Destination, DestinationKind};

/// Everything that one look at a destination found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub destination: String,
    /// `sftp`, `local`, `webhook`.
    pub kind: String,
    /// Where it was looked.
    pub address: String,
    /// Whether deliveries can succeed as the settings stand.
    pub ok: bool,
    pub steps: Vec<Step>,
    /// What follows, in words.
    pub plan: Vec<String>,
    /// Settings that differ from what follows.
    pub advice: Vec<Advice>,
    /// What could not be removed again.
    pub left_behind: Vec<String>,
}

/// One step, in the order in which they were done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub name: String,
    pub outcome: Outcome,
    pub took_us: u64,
    /// What was found, or why not.
    pub said: String,
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
pub enum Outcome {
    Done,
    /// The other side can do it, and does not let us; what follows says what that means.
    Refused,
    /// The other side never said that it could.
    NotOffered,
    /// Nothing can be delivered without it.
    Failed,
}

impl Step {
    pub fn done(name: &str, took: Duration, said: impl Into<String>) -> Self {
        Step::new(name, Outcome::Done, took, said)
    }

    pub fn new(name: &str, outcome: Outcome, took: Duration, said: impl Into<String>) -> Self {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        Step { name: name.to_owned(), outcome, took_us, said: said.into(), hint: None, details: Vec::new() }
    }

    /// A step that ended in a verdict.
    pub fn failed(name: &str, took: Duration, verdict: &Verdict) -> Self {
        let (reason, hint) = match verdict {
            Verdict::Rejected { reason, hint }
            | Verdict::Refused { reason, hint, .. }
            | Verdict::Distrusted { reason, hint } => (reason.clone(), hint.clone()),
            Verdict::Unreached { reason, .. }
            | Verdict::Unknown { reason }
            | Verdict::Skipped { reason }
            | Verdict::Gone { reason } => (reason.clone(), None),
            Verdict::Delivered(_) => (String::new(), None),
        };
        Step { hint, ..Step::new(name, Outcome::Failed, took, reason) }
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

/// A key to write, and where: below the destination, or in the pipelines that deliver to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    pub scope: Scope,
    pub key: String,
    pub value: String,
    pub why: String,
    /// Whether deliveries fail without it.
    pub must: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    Destination,
    Delivery,
}

/// Steps as they are done; whoever listens hears each at once.
pub struct Report {
    pub steps: Vec<Step>,
    listener: Box<dyn FnMut(&Step) + Send>,
}

impl Report {
    pub fn new(listener: impl FnMut(&Step) + Send + 'static) -> Self {
        Report { steps: Vec::new(), listener: Box::new(listener) }
    }

    pub fn tell(&mut self, step: Step) {
        (self.listener)(&step);
        self.steps.push(step);
    }

    pub fn has_failed(&self) -> bool {
        self.steps.iter().any(|step| step.outcome == Outcome::Failed)
    }
}

/// Where and when to look.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The directory below the base, as a pipeline's `path`.
    pub path: String,
    /// For the age of what earlier visits left behind.
    pub now: Timestamp,
}

/// Names of probe files and directories; nothing else is ever touched.
pub(super) const PROBE: &str = ".reportferry-probe-";

/// Seconds after which a probe's file is nobody's: no visit takes so long.
const STALE_S: i64 = 60 * 60;

/// A name that no other visit has.
pub(super) fn probe_name() -> String {
    format!("{PROBE}{:016x}", fastrand::u64(..))
}

/// Whether a file of this name and age was left behind by an earlier visit.
pub(super) fn is_stale(name: &str, modified_s: Option<i64>, now: Timestamp) -> bool {
    name.starts_with(PROBE) && modified_s.is_some_and(|modified_s| now.as_second() - modified_s > STALE_S)
}

/// Looks at a destination, step by step. Everything that it makes there it removes again.
pub fn probe(destination: &Destination, visit: &Visit, report: Report) -> Probe {
    let mut probe = match &destination.kind {
        DestinationKind::Sftp(sftp) => sftp::probe(sftp, visit, report),
        DestinationKind::Local(local) => local::probe(local, visit, report),
        DestinationKind::Webhook(webhook) => webhook::doctor::probe(destination, webhook, visit, report),
    };
    probe.destination = destination.name.clone();
    probe
}
