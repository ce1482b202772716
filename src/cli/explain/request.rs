//! Requests of a pipeline's own in sentences.

use crate::pipeline::plan::{AfterUnknown, AnswerMatch, Body, Method, PathPart, Request, ResponseRows, ResponseRules};

/// Returns what is sent, and what responses mean.
pub(super) fn requests(request: &Request) -> Vec<String> {
    let Request {
        method,
        path,
        rows,
        bytes: _,
        headers,
        body,
        response,
        idempotency_header,
        after_unknown,
        response_rows,
    } = request;
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
    items.extend(response_rows.as_ref().map(|rows| answers(rows)));
    items.push(match after_unknown {
        AfterUnknown::Hold => "If the response is lost, the delivery stops until a person retries it, so that nothing \
                               takes effect twice."
            .to_owned(),
        AfterUnknown::Resend => "If the response is lost, it is sent again.".to_owned(),
    });
    items
}

/// Returns how the answers for single rows are read.
fn answers(ResponseRows { at, accepted, reason, matched, bytes_max: _ }: &ResponseRows) -> String {
    let place = |pointer: &str, whole: &str| if pointer.is_empty() { whole.to_owned() } else { pointer.to_owned() };
    let found = match matched {
        AnswerMatch::Position => "by its position".to_owned(),
        AnswerMatch::Key { ours, theirs } => {
            format!("by its value of {}, which is in the answer at {theirs}", ours.name)
        }
    };
    format!(
        "The response has an answer for each row, in the list at {}, found {found}: the row is accepted if {}. The reason of a \
         refusal is at {}.",
        place(at, "its root"),
        accepted.text(),
        place(reason, "the answer itself"),
    )
}
