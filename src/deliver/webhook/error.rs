//! Failed requests, and what they mean for the delivery.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::deliver::Verdict;
use crate::fault::Injected;
use crate::http::address_guard::Refused;
use crate::http::find;
use crate::tls::{self, TlsFailure};
use crate::transform::RowError;

/// Reasons for which a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WebhookError {
    pub reason: String,
    pub kind: ErrorKind,
    /// The request may have been taken, whatever its response says.
    pub may_be_taken: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ErrorKind {
    /// Nothing was sent, or the receiver asks to retry, after `wait` if it gives one.
    Retry { wait: Option<Duration> },
    /// The request was sent without a response. It is sent again under the same id, which makes that safe.
    NoResponse,
    /// The connection ended without a response; a reused one may have ended before the request arrived.
    ConnectionClosed,
    /// The receiver refused the request, or it cannot be sent.
    Rejected { hint: Option<String> },
    /// The receiver is gone for good (410).
    Gone,
}

/// Nothing was sent.
pub(super) const RETRY: ErrorKind = ErrorKind::Retry { wait: None };

impl ErrorKind {
    pub(super) fn because(self, reason: impl Into<String>) -> WebhookError {
        let may_be_taken = matches!(self, Self::NoResponse | Self::ConnectionClosed);
        WebhookError { reason: reason.into(), kind: self, may_be_taken }
    }
}

impl From<Injected> for WebhookError {
    fn from(injected: Injected) -> Self {
        let kind = if injected == Injected::Refused { RETRY } else { ErrorKind::NoResponse };
        kind.because(injected.to_string())
    }
}

impl WebhookError {
    /// Returns `Some` if another send may succeed, with the wait that the receiver asks for, if any.
    pub(super) fn retry_after(&self) -> Option<Option<Duration>> {
        match self.kind {
            ErrorKind::Retry { wait } => Some(wait),
            ErrorKind::NoResponse | ErrorKind::ConnectionClosed => Some(None),
            ErrorKind::Rejected { .. } | ErrorKind::Gone => None,
        }
    }

    /// Returns true if the request may have been taken.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(self.kind, ErrorKind::NoResponse | ErrorKind::ConnectionClosed)
    }

    /// Returns the attempt's verdict, with a reason that begins with `context`.
    pub(super) fn verdict(self, context: &str) -> Verdict {
        let reason = format!("{context}{}", self.reason);
        match self.kind {
            ErrorKind::Retry { wait } => Verdict::Retryable { reason, wait },
            ErrorKind::NoResponse | ErrorKind::ConnectionClosed => Verdict::Unknown { reason },
            ErrorKind::Rejected { hint } => Verdict::Rejected { reason, hint },
            ErrorKind::Gone => Verdict::Gone { reason },
        }
    }

    /// Returns the error of a request without progress for `timeout`.
    pub(super) fn stalled(timeout: Duration) -> Self {
        ErrorKind::NoResponse.because(format!("no progress for {} s", timeout.as_secs_f32()))
    }

    /// Returns the error of an artifact that could not be read or compressed, or a row of which cannot be sent.
    pub(super) fn unreadable(error: impl Into<io::Error>) -> Self {
        let error = error.into();
        row_error(&error).unwrap_or_else(|| RETRY.because(format!("the artifact in the spool cannot be read: {error}")))
    }
}

/// Converts the error of a row, which is the artifact's fault, to one that is not retried.
fn row_error(error: &io::Error) -> Option<WebhookError> {
    let row = error.get_ref()?.downcast_ref::<RowError>()?;
    let hint = "nothing was sent; fix the value with a step, then run the slot again".to_owned();
    Some(ErrorKind::Rejected { hint: Some(hint) }.because(format!("a row of the artifact cannot be sent: {row}")))
}

/// Returns the error of a request that failed without a response.
pub(super) fn failed(error: reqwest::Error, has_client_certificate: bool) -> WebhookError {
    let (connecting, timeout) = (error.is_connect(), error.is_timeout());
    let error = error.without_url();
    if let Some(refused) = find::<Refused>(&error) {
        return ErrorKind::Rejected { hint: None }.because(refused.to_string());
    }
    if let Some(TlsFailure { reason, hint, is_final }) = tls::explain(&error, has_client_certificate) {
        let kind = if is_final { ErrorKind::Rejected { hint } } else { RETRY };
        return kind.because(reason);
    }
    let text = root_cause(&error);
    match (connecting, timeout) {
        (true, true) => RETRY.because("the receiver does not take the connection in time"),
        (true, false) => RETRY.because(match text.strip_prefix("tunnel error: ") {
            Some(why) => format!("the proxy does not connect us: {why}"),
            None => format!("cannot connect: {text}"),
        }),
        (false, true) => ErrorKind::NoResponse.because("no answer in time"),
        (false, false) if find::<hyper::Error>(&error).is_some_and(hyper::Error::is_parse) => {
            ErrorKind::NoResponse.because(format!("the answer is not HTTP/1.1: {text}"))
        }
        (false, false) if is_closed(&error) => {
            ErrorKind::ConnectionClosed.because(format!("the receiver closed the connection without an answer: {text}"))
        }
        (false, false) => ErrorKind::NoResponse.because(format!("no answer: {text}")),
    }
}

/// Returns true if the connection ended before a response came.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    let by_hyper = find::<hyper::Error>(error)
        .is_some_and(|error| error.is_incomplete_message() || error.is_canceled() || error.is_closed());
    let ends = [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof];
    by_hyper || find::<io::Error>(error).is_some_and(|error| ends.contains(&error.kind()))
}

/// Returns the text of the root cause.
fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}
