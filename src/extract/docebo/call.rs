//! One GET of Docebo's API, with a valid token, and the handling of its status.

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::page::Page;
use super::refusal::{self, ApiStep};
use super::token;
use crate::extract::ExtractError;
use crate::extract::client::{ApiClient, ApiResponse, CallError, is_web_page};
use crate::extract::message::{one_line, server_message};
use crate::extract::tenants::Bearer;
use crate::fault::{self, FaultStep};
use crate::http::retry_after;

/// One GET.
pub(super) struct Call<'a> {
    pub step: ApiStep,
    pub path: String,
    pub query: Vec<(&'a str, &'a str)>,
    /// The start of every message: "tenant acme, report …".
    pub subject: &'a str,
}

impl ApiClient {
    /// Sends `call` with a valid token. A token that the platform no longer accepts is renewed once.
    pub(super) async fn open(&self, call: &Call<'_>) -> Result<ApiResponse, CallError> {
        let bearer = token::bearer(self, None).await?;
        match self.try_open(call, &bearer).await {
            Err(CallError::Unauthorized(_)) => {
                let renewed = token::bearer(self, Some(bearer.generation)).await?;
                self.try_open(call, &renewed).await
            }
            other => other,
        }
    }

    /// Returns the `data` in the body of [`ApiClient::reply`].
    pub(super) async fn data(&self, step: FaultStep, call: &Call<'_>) -> Result<Value, ExtractError> {
        let (_, body) = self.reply(step, call).await.map_err(CallError::into_error)?;
        data(&body, call.step, call.subject)
    }

    /// Returns headers and body, with retries, as the named step of [`fault`].
    pub(super) async fn reply(&self, step: FaultStep, call: &Call<'_>) -> Result<(HeaderMap, Vec<u8>), CallError> {
        let mut tries = self.tries();
        loop {
            let tried: Result<_, CallError> = fault::step_async(step, || self.reply_once(call)).await;
            match tried {
                Ok(reply) => return Ok(reply),
                Err(error) => tries.again(error.repeatable()).await?,
            }
        }
    }

    /// Returns headers and body without retries, at most `limits.response_bytes`.
    async fn reply_once(&self, call: &Call<'_>) -> Result<(HeaderMap, Vec<u8>), CallError> {
        let response = self.open(call).await?;
        let headers = response.headers().clone();
        Ok((headers, response.body(self.limits.response_bytes).await?))
    }

    /// Returns the body without retries.
    pub(super) async fn body_once(&self, call: &Call<'_>) -> Result<Vec<u8>, CallError> {
        self.reply_once(call).await.map(|(_, body)| body)
    }

    async fn try_open(&self, call: &Call<'_>, bearer: &Bearer) -> Result<ApiResponse, CallError> {
        let url = self.guard.admit(&Method::GET, &call.path, &call.query)?;
        let request = self.tenant.http.get(url).bearer_auth(bearer.text.expose());
        let mut response = self.send(request, Method::GET, &call.path, call.subject, call.step.doing()).await?;
        response.secret = Some(bearer.text.clone());
        let status = response.status;
        if status.is_success() && is_web_page(response.headers()) {
            return Err(refusal::web_page(call.step, call.subject).into());
        }
        match status.as_u16() {
            200..=299 => Ok(response),
            429 | 503 => {
                let wait = retry_after(response.headers(), self.clock().now());
                Err(CallError::NotStarted { what: response.describe(None), wait })
            }
            408 | 500 | 502 | 504 => {
                let message = response.server_message().await;
                Err(CallError::Interrupted { what: response.describe(message) })
            }
            code => {
                let message = response.server_message().await;
                let error = refusal::of_status(call.step, status, message, call.subject);
                Err(match code {
                    400 => CallError::BadRequest(error),
                    401 => CallError::Unauthorized(error),
                    _ => CallError::Final(error),
                })
            }
        }
    }
}

/// Returns the `data` of a response. `"success": false` is an error even with status 200.
pub(super) fn data(body: &[u8], step: ApiStep, subject: &str) -> Result<Value, ExtractError> {
    let refused =
        |how: String| ExtractError::Refused { what: format!("{subject}: cannot {}: {how}", step.doing()), hint: None };
    let mut response: Value = serde_json::from_slice(body).map_err(|error| {
        let begin = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        refused(format!("the response is not JSON ({error}): {:?}", one_line(&begin)))
    })?;
    if response.get("success").and_then(Value::as_bool) == Some(false) {
        let message = server_message(&response.to_string()).unwrap_or_else(|| "without a reason".into());
        return Err(refused(format!("the platform refuses: {message}")));
    }
    match response.get_mut("data") {
        Some(data) => Ok(data.take()),
        None => Err(refused("the response has no data".into())),
    }
}

/// Parses a page of rows, with the hints of its headers. The platform's own error message is preferred.
pub(super) fn page(headers: &HeaderMap, body: &[u8], step: ApiStep, subject: &str) -> Result<Page, ExtractError> {
    match Page::read(body) {
        Ok(mut page) if !page.is_refusal => {
            page.hints.note_headers(headers);
            Ok(page)
        }
        unusable => {
            let refused = data(body, step, subject).err();
            let why = unusable.err().unwrap_or_else(|| "the platform reports a failure".to_owned());
            Err(refused.unwrap_or_else(|| ExtractError::Refused {
                what: format!("{subject}: cannot {}: a page cannot be read: {}", step.doing(), one_line(&why)),
                hint: None,
            }))
        }
    }
}
