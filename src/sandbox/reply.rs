//! Responses and failures as Docebo sends them.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode, header};
use futures_util::stream;
use serde_json::{Value, json};

use super::misbehave::ReplyKind;
use crate::clock::Clock;

pub(super) type Reply = Response<Body>;

/// The response to a denied browser, and to an API client too.
pub(super) const SIGN_IN_PAGE: &str =
    "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><form>Username</form></body></html>\n";

pub(super) fn json(status: u16, value: &Value) -> Reply {
    with(status, "application/json; charset=utf-8", value.to_string().into())
}

/// Returns 200 with `{"data": …}`.
pub(super) fn data(value: Value) -> Reply {
    json(200, &json!({ "data": value }))
}

/// Returns an error in the format of the API.
pub(super) fn error(status: u16, message: &str) -> Reply {
    let name = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
    json(status, &json!({"name": name, "message": [message], "code": 1000 + status, "status": status}))
}

/// Returns an error of the token endpoint (RFC 6749, 5.2).
pub(super) fn oauth_error(error: &str, description: &str) -> Reply {
    json(if error == "invalid_client" { 401 } else { 400 }, &json!({"error": error, "error_description": description}))
}

pub(super) fn with(status: u16, kind: &str, body: Body) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(kind) = kind.parse() {
        reply.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    reply
}

/// Ends the connection without a response.
pub(super) fn reset() -> Reply {
    let error = stream::iter([Err::<Bytes, _>(io::Error::other("reset"))]);
    with(200, "application/json", Body::from_stream(error))
}

/// Returns the failure of this kind; [`ReplyKind::Stall`] never returns.
pub(super) async fn fail(kind: ReplyKind) -> Reply {
    match kind {
        ReplyKind::Status(403) => error(403, "Operation not permitted"),
        ReplyKind::Status(status) => error(status, "the sandbox fails here on request"),
        ReplyKind::RetrySeconds(status) => retry_after(status, "1"),
        ReplyKind::RetryDate(status) => {
            let at = Clock::System.now() + jiff::SignedDuration::from_secs(1);
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default();
            retry_after(status, &date)
        }
        ReplyKind::Html => with(200, "text/html; charset=utf-8", SIGN_IN_PAGE.into()),
        ReplyKind::Redirect => {
            let mut reply = with(302, "text/html; charset=utf-8", SIGN_IN_PAGE.into());
            reply.headers_mut().insert(header::LOCATION, header::HeaderValue::from_static("/learn/signin"));
            reply
        }
        ReplyKind::Unsuccessful => json(200, &json!({"success": false, "message": "Operation not permitted"})),
        ReplyKind::Garbage => with(200, "application/json", "{\"data\": [unfinished".into()),
        ReplyKind::Empty => with(200, "application/json", Body::empty()),
        ReplyKind::Reset | ReplyKind::Lost => reset(),
        ReplyKind::Stall => std::future::pending().await,
    }
}

fn retry_after(status: u16, when: &str) -> Reply {
    let mut reply = error(status, "too many requests");
    if let Ok(when) = when.parse() {
        reply.headers_mut().insert(header::RETRY_AFTER, when);
    }
    reply
}
