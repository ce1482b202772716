//! One request → its response: admitted by the guard and within the budget, with errors classified by whether the
//! request may be repeated.

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response, StatusCode};

use super::ExtractError;
use super::budget::RequestPermit;
use super::guard::Guard;
use super::message::{one_line, server_message};
use super::request_log::RequestLog;
use super::tenants::TenantState;
use crate::attempt::{Failure, Tries};
use crate::clock::Clock;
use crate::fault::Injected;
use crate::secret::Secret;
use crate::settings::Limits;

/// The number of attempts for a request that is safe to repeat.
const TRIES_MAX: u32 = 6;
/// The maximum number of bytes read from an error response.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// A plan's client of its platform's API.
pub(super) struct ApiClient {
    pub tenant: Arc<TenantState>,
    pub guard: Guard,
    pub log: RequestLog,
    pub limits: Limits,
}

/// A response whose body is still to be read. It counts as in flight until dropped.
pub(super) struct ApiResponse {
    response: Response,
    pub status: StatusCode,
    /// The token, redacted if the platform repeats it.
    pub secret: Option<Secret>,
    subject: String,
    doing: &'static str,
    _permit: RequestPermit,
}

/// The error of a call without a usable response.
#[derive(Debug)]
pub(super) enum CallError {
    /// The platform certainly did nothing: it was unreachable or busy.
    NotStarted {
        what: String,
        wait: Option<Duration>,
    },
    /// The connection was lost or the platform failed: the request may have taken effect.
    Interrupted {
        what: String,
    },
    /// 400.
    BadRequest(ExtractError),
    /// 401: the token is not accepted, or no longer.
    Unauthorized(ExtractError),
    Final(ExtractError),
}

impl CallError {
    pub(super) fn into_error(self) -> ExtractError {
        match self {
            Self::NotStarted { what, wait } => ExtractError::Later { what, wait },
            Self::Interrupted { what } => ExtractError::later(what),
            Self::BadRequest(error) | Self::Unauthorized(error) | Self::Final(error) => error,
        }
    }

    /// Classifies the error of a request that is safe to repeat.
    pub(super) fn repeatable(self) -> Failure<CallError> {
        match self {
            Self::NotStarted { wait, .. } => Failure::Again { error: self, wait },
            Self::Interrupted { .. } => Failure::Again { error: self, wait: None },
            Self::BadRequest(_) | Self::Unauthorized(_) | Self::Final(_) => Failure::Stop(self),
        }
    }
}

impl From<Injected> for CallError {
    fn from(injected: Injected) -> Self {
        match injected {
            Injected::Refused => Self::Final(ExtractError::Refused { what: injected.to_string(), hint: None }),
            Injected::Lost => Self::Interrupted { what: injected.to_string() },
        }
    }
}

impl From<ExtractError> for CallError {
    fn from(error: ExtractError) -> Self {
        Self::Final(error)
    }
}

impl ApiClient {
    pub(super) fn clock(&self) -> &Clock {
        &self.tenant.clock
    }

    pub(super) fn tries(&self) -> Tries<'_> {
        Tries::new(&self.tenant.settings.retry, TRIES_MAX, self.clock())
    }

    /// Sends a request that the guard has admitted, waits for the response head, and counts it.
    pub(super) async fn send(
        &self,
        request: reqwest::RequestBuilder,
        method: Method,
        path: &str,
        subject: &str,
        doing: &'static str,
    ) -> Result<ApiResponse, CallError> {
        let permit = self.tenant.budget.acquire().await;
        let begun = Instant::now();
        let sent = request.send().await;
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = sent.as_ref().ok().map(Response::status);
        let status_code = status.map(|status| status.as_u16());
        self.log.add(method.as_str(), path, status_code, ms);
        let response = sent.map_err(|error| {
            let cause = cause(&error);
            if error.is_connect() || error.is_builder() {
                let base = self.tenant.base.origin().ascii_serialization();
                let what = format!("{subject}: cannot {doing}: {base} cannot be reached: {cause}");
                CallError::NotStarted { what, wait: None }
            } else {
                CallError::Interrupted { what: format!("{subject}: cannot {doing}: {cause}") }
            }
        })?;
        let status = response.status();
        Ok(ApiResponse { response, status, secret: None, subject: subject.to_owned(), doing, _permit: permit })
    }
}

impl ApiResponse {
    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Returns the length of the body, if the platform states it.
    pub(super) fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    pub(super) async fn chunk(&mut self) -> Result<Option<impl AsRef<[u8]> + Send + 'static>, CallError> {
        match self.response.chunk().await {
            Ok(chunk) => Ok(chunk),
            Err(error) => {
                let what =
                    format!("{}: cannot {}: the response was interrupted: {}", self.subject, self.doing, cause(&error));
                Err(CallError::Interrupted { what })
            }
        }
    }

    /// Returns the whole body, at most `max` bytes.
    pub(super) async fn body(mut self, max: usize) -> Result<Vec<u8>, CallError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            let chunk = chunk.as_ref();
            if body.len() + chunk.len() > max {
                let what = format!("{}: cannot {}: the response has more than {max} bytes", self.subject, self.doing);
                return Err(ExtractError::refused(what, "raise limits.response_bytes").into());
            }
            body.extend_from_slice(chunk);
        }
        Ok(body)
    }

    pub(super) async fn error_body(&mut self) -> String {
        let mut body = Vec::new();
        while body.len() < ERROR_BYTES_MAX {
            match self.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(chunk.as_ref()),
                Ok(None) | Err(_) => break,
            }
        }
        String::from_utf8_lossy(&body).into_owned()
    }

    /// Returns the platform's error message, with the token redacted.
    pub(super) async fn server_message(&mut self) -> Option<String> {
        let body = self.error_body().await;
        let message = server_message(&body)?;
        Some(match &self.secret {
            Some(secret) => message.replace(secret.expose(), "[token]"),
            None => message,
        })
    }

    /// Returns "tenant acme: cannot list the reports: 503 Service Unavailable: …".
    pub(super) fn describe(&self, message: Option<String>) -> String {
        let message = message.map(|message| format!(": {message}")).unwrap_or_default();
        format!("{}: cannot {}: {}{message}", self.subject, self.doing, self.status)
    }
}

pub(super) fn is_web_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// Returns the innermost cause, the most useful one to a person; never the URL.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() { "connection timed out" } else { "response timed out" }.to_owned();
    }
    if let Some(failure) = crate::tls::explain(error, false) {
        return failure.about("the platform");
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    one_line(&inner.to_string())
}
