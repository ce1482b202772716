//! Requests of a pipeline's own in sentences.

use crate::pipeline::plan::{AfterUnknown, Body, Method, PathPart, Request, ResponseRules};

/// Returns what is sent, and what responses mean.
pub(super) fn requests(request: &Request) -> Vec<String> {
    let Request { method, path, rows, bytes: _, headers, body, response, idempotency_header, after_unknown } = request;
    let part = |part: &PathPart| match part {
        PathPart::Literal(text) => text.clone(),
        PathPart::Column { column, is_masked: _ } => format!("{{{}}}", column.name),
    };
    let path: String = path.iter().map(part).collect();
    let below = if path.is_empty() { String::new() } else { format!(" to {path} below that address") };
    let carries = match (rows, body) {
        (1, _) | (_, Body::Rows(_)) => "one row".to_owned(),
        (rows, Body::Document(_)) => format!("at most {rows} rows"),
    };
    let mut items = vec![format!(
        "Each request is a {}{below} and carries {carries}, as JSON of the pipeline's own.",
        match method {
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
        }
    )];
    items.extend(headers.iter().map(|(name, value)| format!("It has the header {name}: {value}.")));
    items.extend(
        idempotency_header
            .iter()
            .map(|name| format!("The header {name} has an id that is the same when the request is sent again.")),
    );
    let ResponseRules { accepted, already_accepted, retry } = response;
    for (statuses, what) in [
        (accepted, "Only these statuses accept it"),
        (already_accepted, "The receiver has it already, which counts as delivered, with the statuses"),
        (retry, "It is sent again after the statuses"),
    ] {
        if !statuses.is_empty() {
            let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
            items.push(format!("{what}: {}.", statuses.join(", ")));
        }
    }
    items.push(match after_unknown {
        AfterUnknown::Hold => "If the response is lost, the delivery stops until a person retries it, so that nothing \
                               takes effect twice."
            .to_owned(),
        AfterUnknown::Resend => "If the response is lost, it is sent again.".to_owned(),
    });
    items
}
