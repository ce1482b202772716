//! Alerts and their notifications, as types.

use super::next::{Blocker, PartialRows};
use crate::expect::Finding;
use crate::settings::AlertKind;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub kind: AlertKind,
    /// The run, and its slot; `None` for an event of the pipeline.
    pub run: Option<String>,
    /// The pipeline; the tenant, of a change of its scope.
    pub pipeline: String,
    pub slot: Option<String>,
    /// The delivery that it concerns, if it concerns one.
    pub destination: Option<String>,
    pub reason: Option<String>,
    /// What blocks its run now; of alerts about a blocked run that are due.
    pub blockers: Vec<Blocker>,
    /// What was found about its artifact; of alerts about a held or failed run that are due.
    pub findings: Vec<Finding>,
    /// The rows that its receivers refused or did not answer for; of alerts about a failed run that are due.
    pub partial: Option<PartialRows>,
    pub slot_ms: i64,
    /// Time of the event.
    pub at_ms: i64,
}

impl Alert {
    /// Identity: one kind of event happens to a run or delivery once, and to a pipeline once at a time.
    pub(super) fn id(&self) -> String {
        let kind = self.kind.name();
        match (&self.run, &self.destination) {
            (Some(run), Some(destination)) => format!("{kind}:{run}:{destination}"),
            (Some(run), None) => format!("{kind}:{run}"),
            (None, _) => format!("{kind}:{}:{}", self.pipeline, self.at_ms),
        }
    }
}

/// An alert to send over a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertSend {
    pub alert: Alert,
    pub channel: String,
    /// Failed attempts.
    pub attempts: u32,
    /// Time at which it was first due.
    pub since_ms: i64,
}

/// Outcome of an attempt to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    Done,
    Again { due_ms: i64, reason: String },
    GivenUp { reason: String },
}
