//! The request of a delivery → its plan.

use std::collections::BTreeSet;

use super::tree::TreeRows;
use super::*;
use crate::pipeline::answers_file::ResponseRowsFile;
use crate::pipeline::request_file::{IdempotencyFile, RequestBatchFile, RequestFile, RequestPath, ResponseFile};
use crate::settings::Destination;
use crate::yaml::scalars::Whole;

/// Default most rows of a request that may carry several.
const ROWS_DEFAULT: usize = 1_000;

/// Default most bytes of a request's rows.
const BYTES_DEFAULT: usize = 1 << 20;

impl Check<'_> {
    /// Returns the request; `None` if it cannot be used. Its expressions and columns are bound to those of `rows`.
    pub(super) fn request(&mut self, written: RequestFile, rows: &mut TreeRows<'_>) -> Option<Request> {
        let RequestFile { method, path, batch, headers, json, response, idempotency, after_unknown } = written;
        let method = method.unwrap_or(Method::Post);
        let path = match path {
            Some(path) => self.request_path(&path, rows.masked)?,
            None => Vec::new(),
        };
        let names_columns = path.iter().any(|part| matches!(part, PathPart::Column { .. }));
        for part in &path {
            if let PathPart::Column { column, is_masked: _ } = part {
                rows.columns.require(column);
            }
        }
        let body = self.tree(json.value, rows)?;
        let is_single = names_columns || matches!(body, Body::Rows(_));
        let (batch_rows, bytes) = self.request_batch(batch, is_single, names_columns);
        let headers = self.request_headers(headers.map(|headers| headers.0).unwrap_or_default());
        let idempotency_header = idempotency.and_then(|IdempotencyFile { header: name }| {
            let is_valid = self.request_header(&name.value, &name.origin);
            is_valid.then_some(name.value)
        });
        let (response, answers) = self.response(response);
        let response_rows = answers.map(|answers| Arc::new(self.response_rows(answers, rows.columns)));
        let recognises = method == Method::Put || idempotency_header.is_some() || !response.already_accepted.is_empty();
        let default = if recognises { AfterUnknown::Resend } else { AfterUnknown::Hold };
        let after_unknown = after_unknown.unwrap_or(default);
        Some(Request {
            method,
            path,
            rows: batch_rows,
            bytes,
            headers,
            body,
            response,
            idempotency_header,
            after_unknown,
            response_rows,
        })
    }

    /// Checks that the destination takes requests of the pipeline's own.
    pub(super) fn check_request_destination(&mut self, key: &Key, at: &Origin, destination: Option<&Destination>) {
        let Some(destination) = destination else { return };
        let Some(webhook) = destination.webhook() else {
            let what = format!("`{}` is not a webhook: `request` has no effect", key.text);
            self.problems.push(at.error(what).hint("remove it, or write `webhook: {url: …}` for the destination"));
            return;
        };
        if webhook.has_body {
            let what = format!("`request` and the `body` or `batch` of `{}` are mutually exclusive", key.text);
            self.problems.push(at.error(what).hint("remove these from the destination in the settings"));
        }
    }

    /// Checks that the request sets no header of its destination's.
    pub(super) fn check_request_headers(&mut self, request: &Request, at: &Origin, destination: Option<&Destination>) {
        let Some(webhook) = destination.and_then(Destination::webhook) else { return };
        let names = request.headers.iter().map(|(name, _)| name).chain(&request.idempotency_header);
        for name in names {
            if webhook.headers.iter().any(|(theirs, _)| theirs.eq_ignore_ascii_case(name)) {
                let problem = at.error(format!("the destination sets the header `{name}` too"));
                self.problems.push(problem.hint("keep it in one of them"));
            }
        }
    }

    fn request_batch(
        &mut self,
        batch: Option<At<RequestBatchFile>>,
        is_single: bool,
        names_columns: bool,
    ) -> (usize, usize) {
        let Some(At { value: RequestBatchFile { rows, bytes }, origin }) = batch else {
            return (if is_single { 1 } else { ROWS_DEFAULT }, BYTES_DEFAULT);
        };
        let rows = match rows.map(usize::from) {
            Some(several) if several > 1 && is_single => {
                let (what, hint) = match names_columns {
                    true => ("the path names columns, so a request carries one row", "remove `batch`"),
                    false => (
                        "the body has no `each_row`, so a request carries one row",
                        "write the row below `each_row: …`, or remove `batch`",
                    ),
                };
                self.problems.push(origin.error(what).hint(hint));
                1
            }
            Some(rows) => rows,
            None if is_single => 1,
            None => ROWS_DEFAULT,
        };
        (rows, bytes.map_or(BYTES_DEFAULT, |bytes| usize::try_from(bytes.0).unwrap_or(usize::MAX)))
    }

    fn request_path(&mut self, written: &At<RequestPath>, masked: &BTreeSet<String>) -> Option<Vec<PathPart>> {
        let (text, origin, place) = (written.value.0.as_str(), &written.origin, self.place(&written.origin));
        let mut wrong = |what: String, hint: &str| {
            self.problems.push(origin.error(what).hint(hint));
            None
        };
        if !text.starts_with('/') {
            return wrong(
                "a path begins with `/`".to_owned(),
                "it is added to the destination's address: `/statements`",
            );
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, more)) = rest.split_once('{') {
            let Some((name, after)) = more.split_once('}') else {
                return wrong("`{` is not closed".to_owned(), "a column is written as `{employee_id}`");
            };
            parts.push(PathPart::Literal(literal.to_owned()));
            let column = Column { name: name.to_owned(), at: place.clone() };
            parts.push(PathPart::Column { column, is_masked: masked.contains(name) });
            rest = after;
        }
        parts.push(PathPart::Literal(rest.to_owned()));
        parts.retain(|part| !matches!(part, PathPart::Literal(text) if text.is_empty()));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/-._~!$&'()*+,;=:@".contains(c);
        for part in &parts {
            if let PathPart::Literal(text) = part
                && let Some(other) = text.chars().find(|c| !is_plain(*c))
            {
                let hint = "a query belongs into the destination's `url`; other characters may come from a column";
                return wrong(format!("{other:?} cannot be in a path"), hint);
            }
        }
        let is_dots = |segment: &str| matches!(segment, "." | "..");
        if text.trim_start_matches('/').split('/').any(|segment| segment.is_empty() || is_dots(segment)) && text != "/"
        {
            return wrong(
                "a segment of the path is empty, `.` or `..`".to_owned(),
                "the path stays below the destination's address",
            );
        }
        Some(parts)
    }

    fn request_headers(&mut self, written: Vec<(Key, At<String>)>) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for (key, value) in written {
            let is_visible = value.value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            if !is_visible || value.value.trim() != value.value {
                let problem = value.origin.error("a header's value is ASCII text without spaces around it");
                self.problems.push(problem.hint("secrets belong into the destination's `headers`"));
            } else if self.request_header(&key.text, &key.origin) {
                headers.push((key.text, value.value));
            }
        }
        headers
    }

    /// Returns true if a request may have this header. Refuses what the delivery or the destination sets.
    fn request_header(&mut self, name: &str, origin: &Origin) -> bool {
        const REFUSED: [&str; 8] = [
            "authorization",
            "host",
            "content-length",
            "content-encoding",
            "transfer-encoding",
            "connection",
            "cookie",
            "proxy-authorization",
        ];
        let lower = name.to_ascii_lowercase();
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let problem = if name.is_empty() || !name.chars().all(is_token) {
            origin.error(format!("{name:?} cannot be a header's name"))
        } else if REFUSED.contains(&lower.as_str()) || lower.starts_with("webhook-") {
            let problem = origin.error(format!("`{name}` cannot be set by a pipeline"));
            problem.hint("the destination in the settings signs in: `basic`, `bearer`, `oauth2` or `headers`")
        } else {
            return true;
        };
        self.problems.push(problem);
        false
    }

    fn response(&mut self, written: Option<ResponseFile>) -> (ResponseRules, Option<ResponseRowsFile>) {
        let Some(ResponseFile { accepted, already_accepted, retry, rows }) = written else { return Default::default() };
        let statuses = |written: Option<OneOrMore<At<Whole<0, 999>>>>| written.map(|all| all.0).unwrap_or_default();
        let rules = ResponseRules {
            accepted: self.statuses(statuses(accepted), 200..=299),
            already_accepted: self.statuses(statuses(already_accepted), 400..=499),
            retry: self.statuses(statuses(retry), 400..=599),
        };
        if let Some(both) = rules.retry.iter().find(|status| rules.already_accepted.contains(status)) {
            let what = format!("`response` has {both} in both `already_accepted` and `retry`");
            self.problems.push(Problem::error(None, what).hint("keep it in one of them"));
        }
        (rules, rows)
    }

    fn statuses(&mut self, written: Vec<At<Whole<0, 999>>>, range: std::ops::RangeInclusive<u16>) -> Vec<u16> {
        let mut statuses = Vec::new();
        for At { value, origin } in written {
            let status = u16::from(value);
            if range.contains(&status) && status != 410 {
                statuses.push(status);
            } else {
                let (first, last) = (range.start(), range.end());
                let problem = origin.error(format!("{status} cannot be in this list"));
                self.problems.push(problem.hint(format!("write statuses from {first} to {last}, but not 410")));
            }
        }
        statuses
    }
}
