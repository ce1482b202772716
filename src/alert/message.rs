//! An alert as a message: what happened, to what, why, and the next command.

use serde_json::{Value, json};

use crate::expect::Finding;
use crate::ledger::next::{Need, Runs, next_command};
use crate::ledger::{Alert, AlertSend};
use crate::run::document::utc;
use crate::settings::AlertKind;

/// One message in the forms that the channels need.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// One line.
    pub subject: String,
    pub text: String,
    pub document: Value,
}

/// Characters of a reason in a message; `show` has all of them.
const REASON_CHARS_MAX: usize = 600;
/// Characters of what differs in a message, in whole lines.
const DIFFERENCE_CHARS_MAX: usize = 2_500;
/// Findings in a message.
const FINDINGS_MAX: usize = 5;
/// Lines of a summary.
const SUMMARY_LINES_MAX: usize = 50;

impl Message {
    pub fn of(alert: &Alert) -> Self {
        let subject = subject(alert);
        let mut text = format!("{subject}, since {}", utc(alert.at_ms));
        if let Some(reason) = reason(alert) {
            text.push_str(&format!("\n{reason}"));
        }
        text.push_str(&differences(alert));
        text.push_str(&format!("\nNext: {}", next(alert)));
        let mut document = document(alert);
        if !alert.findings.is_empty() {
            let findings = alert.findings.iter().take(FINDINGS_MAX).map(Finding::for_alert);
            document["findings"] = json!(findings.collect::<Vec<_>>());
        }
        Self { subject, text, document }
    }

    /// Combines many events in one message.
    pub fn summary(sends: &[AlertSend]) -> Self {
        let subject = format!("{} events at once", sends.len());
        let lines = sends.iter().take(SUMMARY_LINES_MAX).map(|send| subject_of(&send.alert));
        let mut text = format!("{subject}\n{}", lines.collect::<Vec<_>>().join("\n"));
        if sends.len() > SUMMARY_LINES_MAX {
            text.push_str(&format!("\nand {} more", sends.len() - SUMMARY_LINES_MAX));
        }
        text.push_str("\nNext: reportferry status --attention");
        let events: Vec<Value> = sends.iter().map(|send| document(&send.alert)).collect();
        Self { document: json!({"event": "summary", "events": events}), subject, text }
    }

    /// A test message.
    pub fn test() -> Self {
        let subject = "this is a test: alerts of reportferry arrive here".to_owned();
        Self { text: subject.clone(), document: json!({"event": "test", "text": subject}), subject }
    }
}

fn subject(alert: &Alert) -> String {
    subject_of(alert)
}

fn subject_of(alert: &Alert) -> String {
    let (pipeline, slot) = (&alert.pipeline, alert.slot.as_deref().unwrap_or_default());
    let to = alert.destination.as_deref().unwrap_or("its destination");
    match alert.kind {
        AlertKind::Failed => format!("{pipeline} failed, slot {slot}"),
        AlertKind::Held => format!("{pipeline} is held, slot {slot}"),
        AlertKind::Blocked => format!("{pipeline} is blocked until a person fixes the cause, slot {slot}"),
        AlertKind::Late => format!("{pipeline} is late, slot {slot}"),
        AlertKind::NotDelivered => match &alert.destination {
            Some(to) => format!("{pipeline} is not delivered to {to} yet, slot {slot}"),
            None => format!("{pipeline} has nothing to deliver yet, slot {slot}"),
        },
        AlertKind::ScopeChanged => format!("what the account of tenant {pipeline} can reach has changed"),
        AlertKind::PipelineInvalid => format!("the file of {pipeline} cannot be used"),
        AlertKind::Recovered if alert.run.is_none() => format!("the file of {pipeline} can be used again"),
        AlertKind::PickupOverdue => format!("{pipeline} was not picked up at {to} in time, slot {slot}"),
        AlertKind::Recovered if alert.destination.is_some() => {
            format!("{pipeline} was picked up late at {to}, slot {slot}")
        }
        AlertKind::Recovered => format!("{pipeline} recovered, slot {slot}"),
    }
}

fn reason(alert: &Alert) -> Option<String> {
    let reason = alert.reason.as_deref().filter(|reason| !reason.is_empty())?;
    Some(match reason.char_indices().nth(REASON_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason.to_owned(),
    })
}

/// Describes what differs, finding by finding. `show` has all of it.
fn differences(alert: &Alert) -> String {
    let mut text = String::new();
    for finding in alert.findings.iter().take(FINDINGS_MAX).map(Finding::for_alert) {
        let lines = finding.lines().into_iter().map(|line| format!("\n  {line}"));
        for line in std::iter::once(format!("\n{} {}", finding.label(), finding.expectation)).chain(lines) {
            if text.chars().count() + line.chars().count() > DIFFERENCE_CHARS_MAX {
                return text + "\n  …";
            }
            text.push_str(&line);
        }
    }
    text
}

fn next(alert: &Alert) -> String {
    let need = match alert.kind {
        AlertKind::Failed => alert.partial.map_or(Need::Failed, Need::Partial),
        AlertKind::Held => Need::Held,
        AlertKind::Blocked => Need::Blocked(alert.blockers.clone()),
        AlertKind::PickupOverdue => Need::PickupOverdue { destination: alert.destination.clone().unwrap_or_default() },
        AlertKind::NotDelivered => Need::NotDelivered { destination: alert.destination.clone() },
        AlertKind::ScopeChanged => return format!("reportferry scope {}", alert.pipeline),
        AlertKind::PipelineInvalid => Need::InvalidFile,
        AlertKind::Late | AlertKind::Recovered => Need::Late,
    };
    match &alert.run {
        Some(run) => next_command(&need, &alert.pipeline, Runs::One(run)),
        None => next_command(&Need::InvalidFile, &alert.pipeline, Runs::One("")),
    }
}

fn document(alert: &Alert) -> Value {
    let mut document = json!({"event": alert.kind.name(), "pipeline": alert.pipeline, "slot": alert.slot,
           "run": alert.run, "reason": reason(alert), "since": utc(alert.at_ms), "next": next(alert)});
    if alert.kind == AlertKind::ScopeChanged {
        document["tenant"] = document["pipeline"].take();
    }
    if let Some(destination) = &alert.destination {
        document["destination"] = json!(destination);
    }
    document
}
