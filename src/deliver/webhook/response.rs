//! The receiver's response, and what it means for the delivery.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::Response;

use super::WebhookTarget;
use super::api::Meaning;
use super::error::{ErrorKind, WebhookError};
use super::token::{Bearer, secrets_with};
use crate::http::retry_after;

/// Bytes of a response that are kept.
const MESSAGE_BYTES_MAX: usize = 1024;

/// The response to an accepted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    pub status: u16,
    /// Beginning of the response.
    pub message: String,
}

/// Reads a response: its status, `Retry-After`, and the beginning of its body with our secrets redacted.
pub(super) async fn read(
    response: Response,
    now: Timestamp,
    target: &WebhookTarget,
    bearer: Option<&Bearer>,
    meaning: Option<Meaning>,
) -> Result<Accepted, WebhookError> {
    let status = response.status().as_u16();
    let wait = retry_after(response.headers(), now);
    let body = beginning(response, MESSAGE_BYTES_MAX).await;
    let message = redact(&String::from_utf8_lossy(&body), &secrets_with(&target.secrets, bearer));
    let colon = if message.is_empty() { "" } else { ": " };
    let reason = format!("the receiver answers {status}{colon}{message}");
    match meaning.unwrap_or(Meaning::Usual) {
        Meaning::Usual => {}
        Meaning::Accepted => return Ok(Accepted { status, message }),
        Meaning::Retry => return Err(ErrorKind::Retry { wait }.because(with_retry_after(reason, wait))),
        Meaning::Unknown => return Err(ErrorKind::NoResponse.because(reason)),
        Meaning::PartlyThere => {
            let hint = "the receiver has one of its rows, which says nothing about the others: `batch: {rows: 1}`";
            return Err(ErrorKind::Rejected { hint: Some(hint.to_owned()) }.because(reason));
        }
    }
    let hint = match status {
        200..=299 if meaning.is_some() => "`response.accepted` of the request does not list this status",
        200..=299 => return Ok(Accepted { status, message }),
        300..=399 => "redirects are not followed: write the address that it leads to, if you trust it",
        status if matches!(status, 408 | 425 | 429 | 500..=599) || target.webhook.retry_statuses.contains(&status) => {
            return Err(ErrorKind::Retry { wait }.because(with_retry_after(reason, wait)));
        }
        410 => return Err(ErrorKind::Gone.because(reason)),
        401 | 403 => "compare `secret`, `bearer`, `basic`, `oauth2` and `headers` with what the receiver expects",
        413 => "make the batches smaller: `batch: {rows: …, bytes: …}`, then `retry`",
        _ => return Err(ErrorKind::Rejected { hint: None }.because(reason)),
    };
    Err(ErrorKind::Rejected { hint: Some(hint.to_owned()) }.because(reason))
}

/// Adds the wait that the receiver asks for.
pub(super) fn with_retry_after(reason: String, wait: Option<Duration>) -> String {
    match wait {
        Some(wait) if !wait.is_zero() => format!("{reason} (Retry-After: {} s)", wait.as_secs()),
        _ => reason,
    }
}

/// Returns the first `max` bytes of a body.
pub(super) async fn beginning(mut response: Response, max: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < max {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(max - bytes.len())]),
            Ok(None) | Err(_) => break,
        }
    }
    bytes
}

/// Returns one line without control characters and without our secrets.
pub(super) fn redact(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), "…");
    }
    // The text may end in the middle of a secret.
    let cut =
        |secret: &String| (4..secret.len()).rev().find(|end| secret.get(..*end).is_some_and(|s| text.ends_with(s)));
    if let Some(end) = secrets.iter().filter_map(cut).max() {
        text.truncate(text.len() - end);
        text.push('…');
    }
    text.split(is_invisible).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Matches spaces, control characters, and characters without width or that change the direction of text.
fn is_invisible(c: char) -> bool {
    let formats = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    c.is_whitespace() || c.is_control() || formats
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_redacted() {
        let secrets = ["hunter2".to_owned()];
        assert_eq!(redact("bad token\r\n hunter2\u{7}!", &secrets), "bad token … !");
        assert_eq!(redact("the end is cut: hunter", &secrets), "the end is cut: …");
        assert_eq!(redact("the hunt", &secrets), "the …");
        assert_eq!(redact("a\u{1b}[31mb\u{202e}c\u{0}", &secrets), "a [31mb c");
    }
}
