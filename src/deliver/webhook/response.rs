//! The receiver's response, and what it means for the delivery.

use jiff::Timestamp;
use reqwest::Response;

use super::WebhookTarget;
use super::api::Meaning;
use super::error::{ErrorKind, WebhookError};
use super::message::{beginning, redact, whole, with_retry_after};
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
    /// The whole response, if it has answers for single rows; else why there are none.
    pub body: Option<Result<Vec<u8>, String>>,
}

/// Reads a response: its status, `Retry-After`, and the beginning of its body with our secrets redacted. If it is accepted,
/// reads up to `body_max` bytes of its body.
pub(super) async fn read(
    response: Response,
    now: Timestamp,
    target: &WebhookTarget,
    bearer: Option<&Bearer>,
    (meaning, body_max): (Option<Meaning>, Option<usize>),
) -> Result<Accepted, WebhookError> {
    let status = response.status().as_u16();
    let wait = retry_after(response.headers(), now);
    let is_answered = meaning == Some(Meaning::Accepted) && matches!(status, 200..=299);
    let (start, body) = match body_max.filter(|_| is_answered) {
        Some(max) => {
            let body = whole(response, max).await;
            let start = body.as_ref().map(|body| body[..body.len().min(MESSAGE_BYTES_MAX)].to_vec());
            (start.unwrap_or_default(), Some(body))
        }
        None => (beginning(response, MESSAGE_BYTES_MAX).await, None),
    };
    let message = redact(&String::from_utf8_lossy(&start), &secrets_with(&target.secrets, bearer));
    let colon = if message.is_empty() { "" } else { ": " };
    let reason = format!("the receiver answers {status}{colon}{message}");
    match meaning.unwrap_or(Meaning::Usual) {
        Meaning::Usual => {}
        Meaning::Accepted => return Ok(Accepted { status, message, body }),
        Meaning::Retry => return Err(ErrorKind::Retry { wait }.because(with_retry_after(reason, wait))),
        Meaning::Unknown => return Err(ErrorKind::NoResponse.because(reason)),
        Meaning::PartlyThere => {
            let hint =
                "the receiver has one of its rows, which does not mean that it has the others: `batch: {rows: 1}`";
            return Err(ErrorKind::Rejected { hint: Some(hint.to_owned()) }.because(reason));
        }
    }
    let hint = match status {
        200..=299 if meaning.is_some() => "`response.accepted` of the request does not list this status",
        200..=299 => return Ok(Accepted { status, message, body: None }),
        300..=399 => "redirects are not followed: write the address that it leads to, if you trust it",
        status if matches!(status, 408 | 425 | 429 | 500..=599) || target.webhook.retry_statuses.contains(&status) => {
            let error = ErrorKind::Retry { wait }.because(with_retry_after(reason, wait));
            // Only of 503 among these is it known that the request was not handled (RFC 9110, 15.6).
            return Err(WebhookError { may_be_taken: matches!(status, 500..=599) && status != 503, ..error });
        }
        410 => return Err(ErrorKind::Gone.because(reason)),
        401 | 403 => "compare `secret`, `bearer`, `basic`, `oauth2` and `headers` with what the receiver expects",
        413 => "make the batches smaller: `batch: {rows: …, bytes: …}`, then `retry`",
        _ => return Err(ErrorKind::Rejected { hint: None }.because(reason)),
    };
    Err(ErrorKind::Rejected { hint: Some(hint.to_owned()) }.because(reason))
}
