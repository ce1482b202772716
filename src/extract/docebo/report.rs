//! A report: its name → its ID → an export, started once → the finished export.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::call::{Call, data};
use super::paths;
use super::refusal::ApiStep;
use crate::attempt::Failure;
use crate::extract::client::{ApiClient, CallError};
use crate::extract::message::{one_line, server_message};
use crate::extract::{ExtractError, guard};
use crate::fault::{self, FaultStep};
use crate::pipeline::plan::ReportRef;
use crate::progress::{Progress, Wait};

/// The number of names suggested for one that was not found.
const NEAR_MAX: usize = 3;

/// One execution of a report's export, as identified by an execution ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Export {
    pub report: String,
    pub execution: String,
}

impl Export {
    pub(super) fn execution_id(&self) -> String {
        format!("{}/{}", self.report, self.execution)
    }

    pub(super) fn from_execution_id(execution_id: &str) -> Option<Self> {
        let (report, execution) = execution_id.split_once('/')?;
        (guard::is_id(report) && guard::is_id(execution))
            .then(|| Self { report: report.to_owned(), execution: execution.to_owned() })
    }

    /// Returns the path of the export's status, followed by `tail`.
    pub(super) fn path(&self, tail: &str) -> String {
        paths::execution(&self.report, &self.execution, tail)
    }
}

/// A report as the platform lists it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ListedReport {
    pub id: String,
    pub name: String,
}

/// Lists the reports that the account sees, in the platform's order.
pub(super) async fn list(client: &ApiClient, subject: &str) -> Result<Vec<ListedReport>, ExtractError> {
    let call = Call { step: ApiStep::Reports, path: paths::REPORTS.into(), query: vec![], subject };
    let data = client.data(FaultStep::new("extract.reports"), &call).await?;
    let Some(listed) = data.as_array().or_else(|| data.get("items")?.as_array()) else {
        return Err(ExtractError::Refused {
            what: format!("{subject}: cannot list the reports: the response is not a list"),
            hint: None,
        });
    };
    let text = |item: &Value, key: &str| Some(item.get(key)?.as_str()?.to_owned());
    Ok(listed
        .iter()
        .filter_map(|item| Some(ListedReport { id: text(item, "idReport")?, name: text(item, "name")? }))
        .collect())
}

/// Returns the ID of the plan's report.
pub(super) async fn resolve(client: &ApiClient, report: &ReportRef, subject: &str) -> Result<String, ExtractError> {
    let name = match report {
        ReportRef::Id(id) => return Ok(id.clone()),
        ReportRef::Name(name) => name,
    };
    let reports = list(client, subject).await?;
    let found: Vec<&str> = reports.iter().filter(|known| known.name == *name).map(|known| known.id.as_str()).collect();
    match found.as_slice() {
        [id] if guard::is_id(id) => Ok((*id).to_owned()),
        [id] => Err(ExtractError::Refused { what: format!("{subject}: its ID {id:?} is not valid"), hint: None }),
        [] => Err(not_found(subject, name, &reports)),
        [..] => Err(ExtractError::refused(
            format!("{subject}: {} reports have this name: {}", found.len(), found.join(", ")),
            "write the ID of the right one",
        )),
    }
}

fn not_found(subject: &str, name: &str, reports: &[ListedReport]) -> ExtractError {
    let mut near: Vec<(f64, &str)> = reports
        .iter()
        .map(|known| (strsim::jaro_winkler(&known.name.to_lowercase(), &name.to_lowercase()), known.name.as_str()))
        .filter(|(likeness, _)| *likeness > 0.7)
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
    let near: Vec<String> = near.into_iter().take(NEAR_MAX).map(|(_, known)| format!("{known:?}")).collect();
    let hint = match (near.is_empty(), reports.len()) {
        (false, _) => format!("did you mean {}?", near.join(" or ")),
        (true, 0) => "the account sees no reports: share one with it".to_owned(),
        (true, seen) => format!("none of the {seen} reports that the account sees has a similar name"),
    };
    ExtractError::refused(format!("{subject}: the account sees no report of this name"), hint)
}

/// Starts the export. This GET has a side effect: it is repeated only if the platform certainly did nothing.
pub(super) async fn start(client: &ApiClient, report: &str, subject: &str) -> Result<Export, ExtractError> {
    let call = Call { step: ApiStep::Start, path: paths::export(report), query: vec![], subject };
    let mut tries = client.tries();
    let body = loop {
        let failure = match fault::step_async("extract.start", || client.body_once(&call)).await {
            Ok(body) => break body,
            Err(error @ CallError::NotStarted { .. }) => error.repeatable(),
            Err(other) => Failure::Stop(other),
        };
        tries.again(failure).await.map_err(|error| match error {
            CallError::Interrupted { what } => {
                ExtractError::StartUnconfirmed { what: format!("{what}; an export may have been started") }
            }
            other => other.into_error(),
        })?;
    };
    let data = data(&body, ApiStep::Start, subject)?;
    let execution = match data.get("executionId") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => String::new(),
    };
    if !guard::is_id(&execution) {
        let what = format!("{subject}: the export was started, but {:?} is not an execution ID", one_line(&execution));
        return Err(ExtractError::Refused { what, hint: None });
    }
    Ok(Export { report: report.to_owned(), execution })
}

/// Waits until the export is done. Meanwhile, `progress` has its last status and the time of the next poll.
///
/// Only `SUCCEEDED`, `FAILED` and `ERROR` are known to be final; every other status is taken for "still running".
pub(super) async fn finished(
    client: &ApiClient,
    export: &Export,
    subject: &str,
    progress: &Progress,
) -> Result<(), ExtractError> {
    let poll = client.tenant.settings.poll;
    let call = Call { step: ApiStep::Status, path: export.path(""), query: vec![], subject };
    let begun = client.clock().now();
    let (mut wait, mut last) = (poll.initial, String::new());
    loop {
        let next_poll = client.clock().now().saturating_add(SignedDuration::try_from(wait).unwrap_or_default());
        let next_poll = next_poll.unwrap_or(Timestamp::MAX);
        progress.set_wait(Some(Wait { status: last, next_poll }));
        client.clock().sleep(wait).await;
        let data = client.data(FaultStep::new("extract.poll"), &call).await?;
        let status = data.get("status").and_then(Value::as_str).unwrap_or_default().trim().to_ascii_uppercase();
        match status.as_str() {
            "SUCCEEDED" => return Ok(()),
            "FAILED" | "ERROR" => {
                let message =
                    server_message(&data.to_string()).map(|message| format!(": {message}")).unwrap_or_default();
                return Err(ExtractError::Expired {
                    what: format!("{subject}: the export ended as {status}{message}"),
                });
            }
            _ => tracing::debug!(status = one_line(&status), "export still running"),
        }
        last = one_line(&status);
        wait = next_wait(wait, poll.max);
        let spent = client.clock().now().duration_since(begun).unsigned_abs();
        if spent.saturating_add(wait) > poll.give_up_after {
            let what = format!(
                "{subject}: the export {} is still {:?} after {} s (poll.give_up_after)",
                export.execution,
                one_line(&status),
                spent.as_secs()
            );
            return Err(ExtractError::Later { what, wait: None });
        }
    }
}

/// Returns the next wait: half as long again, up to `max`.
pub(super) fn next_wait(wait: Duration, max: Duration) -> Duration {
    wait.saturating_add(wait / 2).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn execution_ids_are_parsed_or_refused() {
        let export = Export { report: "619bf79c-970a".into(), execution: "e_1-A".into() };
        assert_eq!(Export::from_execution_id(&export.execution_id()), Some(export));
        for bad in ["", "a", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a/b?c"] {
            assert_eq!(Export::from_execution_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn waits_grow_by_half_up_to_the_maximum() {
        let (mut wait, max) = (Duration::from_secs(10), Duration::from_secs(60));
        let waits: Vec<u64> = std::iter::from_fn(|| {
            let now = wait;
            wait = next_wait(wait, max);
            Some(now.as_secs())
        })
        .take(7)
        .collect();
        assert_eq!(waits, [10, 15, 22, 33, 50, 60, 60]);
    }
}
