//! A report's name → its id; its id → an export, begun once; the export → done.

use std::time::Duration;

use serde_json::Value;

use super::guard;
use super::line::{Call, Line, Trouble};
use super::refusal::{self, Step};
use crate::attempt::Failure;
use crate::extract::ExtractError;
use crate::fault;
use crate::pipeline::plan::ReportRef;

/// Names shown beside one that was not found.
const NEAR_MAX: usize = 3;

/// One execution of one report's export: what a ticket says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Export {
    pub report: String,
    pub execution: String,
}

impl Export {
    pub fn ticket(&self) -> String {
        format!("{}/{}", self.report, self.execution)
    }

    pub fn from_ticket(ticket: &str) -> Option<Self> {
        let (report, execution) = ticket.split_once('/')?;
        (guard::is_id(report) && guard::is_id(execution))
            .then(|| Self { report: report.to_owned(), execution: execution.to_owned() })
    }

    /// The path of the export's status; what lies below it is `tail`.
    pub fn path(&self, tail: &str) -> String {
        format!("/analytics/v1/reports/{}/exports/{}{tail}", self.report, self.execution)
    }
}

/// The `data` of an answer, or why it has none: `"success": false` comes with 200, too.
pub(super) fn data(body: &[u8], step: Step, subject: &str) -> Result<Value, ExtractError> {
    let refused =
        |how: String| ExtractError::Refused { what: format!("{subject}: cannot {}: {how}", step.doing()), hint: None };
    let mut answer: Value = serde_json::from_slice(body).map_err(|error| {
        let begin = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        refused(format!("the answer is not JSON ({error}): {:?}", refusal::quiet(&begin)))
    })?;
    if answer.get("success").and_then(Value::as_bool) == Some(false) {
        let said = refusal::words(&answer.to_string()).unwrap_or_else(|| "it does not say why".into());
        return Err(refused(format!("the platform refuses: {said}")));
    }
    match answer.get_mut("data") {
        Some(data) => Ok(data.take()),
        None => Err(refused("the answer has no data".into())),
    }
}

/// The id of the report that the plan means.
pub(super) async fn resolve(line: &Line, report: &ReportRef, subject: &str) -> Result<String, ExtractError> {
    let name = match report {
        ReportRef::Id(id) => return Ok(id.clone()),
        ReportRef::Name(name) => name,
    };
    let call = Call { step: Step::Reports, path: "/analytics/v1/reports".into(), query: vec![], subject };
    let body = line.body("extract.reports", &call).await.map_err(Trouble::into_error)?;
    let data = data(&body, Step::Reports, subject)?;
    let Some(listed) = data.as_array().or_else(|| data.get("items")?.as_array()) else {
        return Err(ExtractError::Refused {
            what: format!("{subject}: cannot list the reports: the answer is not a list"),
            hint: None,
        });
    };
    let reports: Vec<(&str, &str)> =
        listed.iter().filter_map(|item| Some((item.get("name")?.as_str()?, item.get("idReport")?.as_str()?))).collect();
    let found: Vec<&str> = reports.iter().filter(|(known, _)| known == name).map(|(_, id)| *id).collect();
    match found.as_slice() {
        [id] if guard::is_id(id) => Ok((*id).to_owned()),
        [id] => Err(ExtractError::Refused { what: format!("{subject}: its id {id:?} is no id"), hint: None }),
        [] => Err(not_found(subject, name, &reports)),
        [..] => Err(ExtractError::refused(
            format!("{subject}: {} reports have this name: {}", found.len(), found.join(", ")),
            "write the id of the one that is meant",
        )),
    }
}

fn not_found(subject: &str, name: &str, reports: &[(&str, &str)]) -> ExtractError {
    let mut near: Vec<(f64, &str)> = reports
        .iter()
        .map(|(known, _)| (strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase()), *known))
        .filter(|(likeness, _)| *likeness > 0.7)
        .collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0).then(one.1.cmp(other.1)));
    let near: Vec<String> = near.into_iter().take(NEAR_MAX).map(|(_, known)| format!("{known:?}")).collect();
    let hint = match (near.is_empty(), reports.len()) {
        (false, _) => format!("did you mean {}?", near.join(" or ")),
        (true, 0) => "the account sees no report at all: share one with it".to_owned(),
        (true, seen) => format!("none of the {seen} reports that the account sees has a name like it"),
    };
    ExtractError::refused(format!("{subject}: the account sees no report of this name"), hint)
}

/// Starts the export. This GET has a side effect: it is sent again only where the platform certainly did nothing.
pub(super) async fn start(line: &Line, report: &str, subject: &str) -> Result<Export, ExtractError> {
    let call =
        Call { step: Step::Start, path: format!("/analytics/v1/reports/{report}/export/csv"), query: vec![], subject };
    let mut tries = line.tries();
    let body = loop {
        let trouble = match fault::step_async("extract.start", || line.body_once(&call)).await {
            Ok(body) => break body,
            Err(trouble @ Trouble::NotBegun { .. }) => trouble.repeatable(),
            Err(other) => Failure::Stop(other),
        };
        tries.again(trouble).await.map_err(|trouble| match trouble {
            Trouble::Broken { what } => {
                ExtractError::Unanswered { what: format!("{what}; an export may have been started") }
            }
            other => other.into_error(),
        })?;
    };
    let data = data(&body, Step::Start, subject)?;
    let execution = match data.get("executionId") {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        _ => String::new(),
    };
    if !guard::is_id(&execution) {
        let what =
            format!("{subject}: the export was started, but {:?} is no execution id", refusal::quiet(&execution));
        return Err(ExtractError::Refused { what, hint: None });
    }
    Ok(Export { report: report.to_owned(), execution })
}

/// Waits until the export is done.
///
/// Only `SUCCEEDED`, `FAILED` and `ERROR` are known to be final; the words for "still running" were never seen, so
/// every other word is one.
pub(super) async fn finished(line: &Line, export: &Export, subject: &str) -> Result<(), ExtractError> {
    let poll = line.tenancy.settings.poll;
    let call = Call { step: Step::Status, path: export.path(""), query: vec![], subject };
    let begun = line.clock().now();
    let mut wait = poll.first;
    loop {
        line.clock().sleep(wait).await;
        let body = line.body("extract.poll", &call).await.map_err(Trouble::into_error)?;
        let data = data(&body, Step::Status, subject)?;
        let word = data.get("status").and_then(Value::as_str).unwrap_or_default().trim().to_ascii_uppercase();
        match word.as_str() {
            "SUCCEEDED" => return Ok(()),
            "FAILED" | "ERROR" => {
                let said = refusal::words(&data.to_string()).map(|said| format!(": {said}")).unwrap_or_default();
                return Err(ExtractError::Lapsed { what: format!("{subject}: the export ended as {word}{said}") });
            }
            _ => tracing::debug!(status = refusal::quiet(&word), "the export is still running"),
        }
        wait = next_wait(wait, poll.max);
        let spent = line.clock().now().duration_since(begun).unsigned_abs();
        if spent.saturating_add(wait) > poll.within {
            let what = format!(
                "{subject}: the export {} is still {:?} after {} s (poll.within)",
                export.execution,
                refusal::quiet(&word),
                spent.as_secs()
            );
            return Err(ExtractError::Later { what, wait: None });
        }
    }
}

/// Half as long again, up to `max`.
pub(super) fn next_wait(wait: Duration, max: Duration) -> Duration {
    wait.saturating_add(wait / 2).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_read_back_or_not_at_all() {
        let export = Export { report: "619bf79c-970a".into(), execution: "e_1-A".into() };
        assert_eq!(Export::from_ticket(&export.ticket()), Some(export));
        for bad in ["", "a", "/", "a/", "/b", "a/b/c", "../b", "a/..", "a/b?c"] {
            assert_eq!(Export::from_ticket(bad), None, "{bad}");
        }
    }

    #[test]
    fn waits_grow_by_half_up_to_the_most() {
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
