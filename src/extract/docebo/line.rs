//! One call → its answer: admitted by the guard, within the budget, with a fresh token, and its failures sorted by the
//! one question that counts afterwards: may it be sent again?

use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Response, StatusCode};

use super::budget::Leave;
use super::guard::Guard;
use super::note::{Notes, RequestNote};
use super::refusal::{self, Step};
use super::tenancy::Tenancy;
use super::token::Bearer;
use crate::attempt::{Failure, Tries};
use crate::clock::Clock;
use crate::extract::ExtractError;
use crate::fault::{self, Injected};
use crate::http::retry_after;
use crate::settings::Limits;

/// Tries for one request that is safe to repeat.
const TRIES_MAX: u32 = 6;
/// Bytes read of an answer that is an error.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// A plan's line to its platform.
pub(super) struct Line {
    pub tenancy: Arc<Tenancy>,
    pub guard: Guard,
    pub notes: Notes,
    pub limits: Limits,
}

/// One GET.
pub(super) struct Call<'a> {
    pub step: Step,
    pub path: String,
    pub query: Vec<(&'a str, &'a str)>,
    /// "tenant acme, report …": begins every message about it.
    pub subject: &'a str,
}

/// A success whose body is still to be read. The place in flight is kept until it is dropped.
pub(super) struct Answer {
    response: Response,
    pub status: StatusCode,
    bearer: Option<Bearer>,
    subject: String,
    doing: &'static str,
    _leave: Leave,
}

/// Why a call brought no answer that can be used.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The platform certainly did nothing: it was not reached, or said that it is busy.
    NotBegun {
        what: String,
        wait: Option<Duration>,
    },
    /// Contact was lost, or the platform failed: it may or may not have done it.
    Broken {
        what: String,
    },
    /// 400.
    BadRequest(ExtractError),
    /// 401: the token is not taken (any more).
    Unauthorized(ExtractError),
    Final(ExtractError),
}

impl Trouble {
    pub fn into_error(self) -> ExtractError {
        match self {
            Self::NotBegun { what, wait } => ExtractError::Later { what, wait },
            Self::Broken { what } => ExtractError::later(what),
            Self::BadRequest(error) | Self::Unauthorized(error) | Self::Final(error) => error,
        }
    }

    /// For a request that is safe to repeat.
    pub fn repeatable(self) -> Failure<Trouble> {
        match self {
            Self::NotBegun { wait, .. } => Failure::Again { error: self, wait },
            Self::Broken { .. } => Failure::Again { error: self, wait: None },
            Self::BadRequest(_) | Self::Unauthorized(_) | Self::Final(_) => Failure::Stop(self),
        }
    }
}

impl From<Injected> for Trouble {
    fn from(injected: Injected) -> Self {
        match injected {
            Injected::Refused => Self::Final(ExtractError::Refused { what: injected.to_string(), hint: None }),
            Injected::Lost => Self::Broken { what: injected.to_string() },
        }
    }
}

impl From<ExtractError> for Trouble {
    fn from(error: ExtractError) -> Self {
        Self::Final(error)
    }
}

impl Line {
    pub fn clock(&self) -> &Clock {
        &self.tenancy.clock
    }

    /// Sends `call` with a token that is fresh; one that the platform does not take any more is renewed once.
    pub async fn open(&self, call: &Call<'_>) -> Result<Answer, Trouble> {
        let bearer = self.tenancy.token.bearer(self, None).await?;
        match self.try_open(call, &bearer).await {
            Err(Trouble::Unauthorized(_)) => {
                let renewed = self.tenancy.token.bearer(self, Some(bearer.generation)).await?;
                self.try_open(call, &renewed).await
            }
            other => other,
        }
    }

    /// A new row of tries for one request.
    pub fn tries(&self) -> Tries<'_> {
        Tries::new(&self.tenancy.settings.retry, TRIES_MAX, self.clock())
    }

    /// The body of [`Line::reply`].
    pub async fn body(&self, step: &'static str, call: &Call<'_>) -> Result<Vec<u8>, Trouble> {
        self.reply(step, call).await.map(|(_, body)| body)
    }

    /// Headers and body as the named step of [`fault`], repeated as `attempt` sees fit.
    pub async fn reply(&self, step: &'static str, call: &Call<'_>) -> Result<(HeaderMap, Vec<u8>), Trouble> {
        let mut tries = self.tries();
        loop {
            let tried: Result<_, Trouble> = fault::step_async(step, || self.reply_once(call)).await;
            match tried {
                Ok(reply) => return Ok(reply),
                Err(trouble) => tries.again(trouble.repeatable()).await?,
            }
        }
    }

    /// [`Line::open`], then the whole body, at most `limits.answer_bytes`.
    async fn reply_once(&self, call: &Call<'_>) -> Result<(HeaderMap, Vec<u8>), Trouble> {
        let answer = self.open(call).await?;
        let headers = answer.headers().clone();
        Ok((headers, answer.body(self.limits.answer_bytes).await?))
    }

    /// The body, asked for once.
    pub async fn body_once(&self, call: &Call<'_>) -> Result<Vec<u8>, Trouble> {
        self.reply_once(call).await.map(|(_, body)| body)
    }

    async fn try_open(&self, call: &Call<'_>, bearer: &Bearer) -> Result<Answer, Trouble> {
        let url = self.guard.admit(&Method::GET, &call.path, &call.query)?;
        let request = self.tenancy.http.get(url).bearer_auth(bearer.text.expose());
        let mut answer = self.send(request, Method::GET, &call.path, call.subject, call.step.doing()).await?;
        answer.bearer = Some(bearer.clone());
        let status = answer.status;
        if status.is_success() && is_web_page(answer.response.headers()) {
            return Err(refusal::web_page(call.step, call.subject).into());
        }
        match status.as_u16() {
            200..=299 => Ok(answer),
            429 | 503 => {
                let wait = retry_after(answer.response.headers(), self.clock().now());
                Err(Trouble::NotBegun { what: answer.failed_by(None), wait })
            }
            408 | 500 | 502 | 504 => Err(Trouble::Broken { what: answer.words().await }),
            code => {
                let said = answer.said().await;
                let error = refusal::of_status(call.step, status, said, call.subject);
                Err(match code {
                    400 => Trouble::BadRequest(error),
                    401 => Trouble::Unauthorized(error),
                    _ => Trouble::Final(error),
                })
            }
        }
    }

    /// Sends a request that the guard has admitted, waits for the answer's head, and notes it.
    pub async fn send(
        &self,
        request: reqwest::RequestBuilder,
        method: Method,
        path: &str,
        subject: &str,
        doing: &'static str,
    ) -> Result<Answer, Trouble> {
        let leave = self.tenancy.budget.leave().await;
        let begun = Instant::now();
        let sent = request.send().await;
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = sent.as_ref().ok().map(Response::status);
        let status_code = status.map(|status| status.as_u16());
        self.notes.add(RequestNote { method: method.to_string(), path: path.to_owned(), status: status_code, ms });
        let response = sent.map_err(|error| {
            let cause = cause(&error);
            if error.is_connect() || error.is_builder() {
                let base = self.tenancy.base.origin().ascii_serialization();
                let what = format!("{subject}: cannot {doing}: {base} cannot be reached: {cause}");
                Trouble::NotBegun { what, wait: None }
            } else {
                Trouble::Broken { what: format!("{subject}: cannot {doing}: {cause}") }
            }
        })?;
        let status = response.status();
        Ok(Answer { response, status, bearer: None, subject: subject.to_owned(), doing, _leave: leave })
    }
}

impl Answer {
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Bytes of the body, where the platform says.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next bytes of the body.
    pub async fn chunk(&mut self) -> Result<Option<impl AsRef<[u8]> + Send + 'static>, Trouble> {
        match self.response.chunk().await {
            Ok(chunk) => Ok(chunk),
            Err(error) => {
                let what = format!("{}: cannot {}: the answer broke off: {}", self.subject, self.doing, cause(&error));
                Err(Trouble::Broken { what })
            }
        }
    }

    /// The whole body, at most `most` bytes.
    pub async fn body(mut self, most: usize) -> Result<Vec<u8>, Trouble> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            let chunk = chunk.as_ref();
            if body.len() + chunk.len() > most {
                let what = format!("{}: cannot {}: the answer has more than {most} bytes", self.subject, self.doing);
                return Err(ExtractError::refused(what, "raise limits.answer_bytes").into());
            }
            body.extend_from_slice(chunk);
        }
        Ok(body)
    }

    /// The beginning of an error's body.
    pub async fn error_body(&mut self) -> String {
        let mut body = Vec::new();
        while body.len() < ERROR_BYTES_MAX {
            match self.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(chunk.as_ref()),
                Ok(None) | Err(_) => break,
            }
        }
        String::from_utf8_lossy(&body).into_owned()
    }

    /// The platform's own words about an error; should it repeat the token, not that.
    async fn said(&mut self) -> Option<String> {
        let body = self.error_body().await;
        let said = refusal::words(&body)?;
        Some(match &self.bearer {
            Some(bearer) => said.replace(bearer.text.expose(), "[token]"),
            None => said,
        })
    }

    async fn words(&mut self) -> String {
        let said = self.said().await;
        self.failed_by(said)
    }

    fn failed_by(&self, said: Option<String>) -> String {
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        format!("{}: cannot {}: {}{said}", self.subject, self.doing, self.status)
    }
}

pub(super) fn is_web_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.trim_start().to_ascii_lowercase().starts_with("text/html")
}

/// The innermost reason, which is the one that a person can use; never the URL.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() { "no connection in time" } else { "no byte came in time" }.to_owned();
    }
    if let Some(failure) = crate::tls::explain(error, false) {
        return failure.about("the platform");
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    refusal::quiet(&inner.to_string())
}
