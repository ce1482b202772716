//! A plan's report → the requests that it may send: only GETs, except the token's POST.

use reqwest::{Method, Url};

use crate::extract::guard::{Guard, base_of};
use crate::pipeline::plan::{DoceboSource, Pull, RecordList, ReportRef, Via};

pub(super) const TOKEN: &str = "/oauth2/token";
pub(super) const SESSION: &str = "/manage/v1/user/session";
pub(super) const REPORTS: &str = "/analytics/v1/reports";

/// Returns the path of an account's assignments.
pub(super) fn assignments(account: &str) -> String {
    format!("/poweruser/v1/powerusers/{account}")
}

/// Returns the path that starts a report's export.
pub(super) fn export(report: &str) -> String {
    format!("{REPORTS}/{report}/export/csv")
}

/// Returns the path of an export's status; with `tail`, of its rows.
pub(super) fn execution(report: &str, execution: &str, tail: &str) -> String {
    format!("{REPORTS}/{report}/exports/{execution}{tail}")
}

/// Returns the path suffix of an export's rows.
pub(super) fn tail(via: Via) -> &'static str {
    match via {
        Via::Download => "/download",
        Via::Results => "/results",
    }
}

/// Returns the path of a list of records.
pub(super) fn records(list: &RecordList) -> &'static str {
    match list {
        RecordList::Users => "/manage/v1/user",
        RecordList::Courses => "/learn/v1/courses",
        RecordList::Enrollments => "/learn/v1/enrollments",
        RecordList::CourseEnrollments(_) => "/course/v1/courses/enrollments",
    }
}

/// Returns the guard of what a plan pulls.
pub(super) fn guard(base: Url, pull: &Pull) -> Guard {
    match pull {
        Pull::Report(pull) => report_guard(base, &pull.report, pull.via),
        Pull::Records(pull) => {
            guard_of(base, [SESSION.to_owned(), assignments("{account}"), records(&pull.list).to_owned()])
        }
    }
}

fn report_guard(base: Url, report: &ReportRef, via: Via) -> Guard {
    let (id, listed) = match report {
        ReportRef::Id(id) => (id.as_str(), None),
        ReportRef::Name(_) => ("{report}", Some(REPORTS.to_owned())),
    };
    let paths = [
        Some(SESSION.to_owned()),
        Some(assignments("{account}")),
        listed,
        Some(export(id)),
        Some(execution(id, "{execution}", "")),
        Some(execution(id, "{execution}", tail(via))),
    ];
    guard_of(base, paths.into_iter().flatten())
}

/// Returns the guard of the token's request and these GETs.
fn guard_of(base: Url, paths: impl IntoIterator<Item = String>) -> Guard {
    let gets = paths.into_iter().map(|path| (Method::GET, path));
    Guard::new(base, std::iter::once((Method::POST, TOKEN.to_owned())).chain(gets))
}

/// Returns the guard of what is asked about an account without a pipeline.
pub(super) fn account_guard(base: Url) -> Guard {
    guard_of(base, [SESSION, REPORTS].map(str::to_owned))
}

/// Returns the guard of `scope`: the account, and the paths that it tries.
pub(super) fn scope_guard<'a>(base: Url, tried: impl Iterator<Item = &'a str>) -> Guard {
    let own = [SESSION.to_owned(), assignments("{account}")];
    guard_of(base, own.into_iter().chain(tried.map(str::to_owned)))
}

/// Lists every request that the plan may send, as `METHOD URL`, with IDs known only from a response in braces.
pub(in crate::extract) fn declared(source: &DoceboSource) -> Vec<String> {
    match base_of(&source.tenant.name, &source.tenant.base) {
        Ok(base) => guard(base, &source.pull).declared(),
        Err(error) => vec![error.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_requests_are_listed() {
        let lines = report_guard(
            base_of("acme", "https://acme.docebosaas.com").unwrap(),
            &ReportRef::Name("Compliance".into()),
            Via::Results,
        )
        .declared();
        insta::assert_snapshot!(lines.join("\n"), @r"
        POST https://acme.docebosaas.com/oauth2/token
        GET https://acme.docebosaas.com/manage/v1/user/session
        GET https://acme.docebosaas.com/poweruser/v1/powerusers/{account}
        GET https://acme.docebosaas.com/analytics/v1/reports
        GET https://acme.docebosaas.com/analytics/v1/reports/{report}/export/csv
        GET https://acme.docebosaas.com/analytics/v1/reports/{report}/exports/{execution}
        GET https://acme.docebosaas.com/analytics/v1/reports/{report}/exports/{execution}/results
        ");
    }
}
