//! OAuth2 client credentials → a token, fetched once for all concurrent requests.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::error::{ErrorKind, RETRY, WebhookError, failed};
use super::message::{beginning, redact, with_retry_after};
use super::{confidential, rejected};
use crate::clock::Clock;
use crate::deliver::Verdict;
use crate::http::address_guard::admit_url;
use crate::http::{retry_after, token_lifetime, usable_for};
use crate::secret::Secret;
use crate::settings::{ClientAuth, ClientCredentials, Webhook};

/// Largest response of a token endpoint.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// A token, as requests send it.
#[derive(Clone)]
pub(super) struct Bearer {
    /// The value of `Authorization`.
    pub header: HeaderValue,
    /// The token itself, to redact if the receiver repeats it.
    pub text: Secret,
    generation: u64,
}

/// The token of one receiver. Holds secrets, and so has no `Debug`.
pub(super) struct TokenSource {
    url: Url,
    form: Secret,
    basic: Option<HeaderValue>,
    /// Texts to redact if the token endpoint repeats them.
    secrets: Vec<String>,
    timeout: Duration,
    has_client_certificate: bool,
    /// Locked while a token is fetched, so that concurrent requests wait for it.
    issued: Mutex<Option<Issued>>,
}

struct Issued {
    bearer: Bearer,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: serde_json::Value,
}

/// An error response (RFC 6749, 5.2).
#[derive(Default, Deserialize)]
struct Denied {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl TokenSource {
    /// Prepares the token request. Sends nothing.
    ///
    /// # Errors
    /// `Rejected`: the address must not be reached, or the client's id and secret cannot be sent.
    pub(super) fn new(credentials: &ClientCredentials, secret: &Secret, webhook: &Webhook) -> Result<Self, Verdict> {
        let ClientCredentials { token_url, client_id, client_secret: _, scope, audience, auth } = credentials;
        let url = Url::parse(token_url).map_err(|error| rejected(format!("the token address: {error}")))?;
        if webhook.egress.proxy.is_none() {
            admit_url(&url, webhook.allow).map_err(|refused| rejected(format!("the token address: {refused}")))?;
        }
        let (id, encoded_secret) = (form_encoded(client_id), form_encoded(secret.expose()));
        let mut secrets = vec![encoded_secret.clone()];
        let mut form = "grant_type=client_credentials".to_owned();
        for (name, value) in [("scope", scope), ("audience", audience)] {
            if let Some(value) = value {
                form.push_str(&format!("&{name}={}", form_encoded(value)));
            }
        }
        let basic = match auth {
            ClientAuth::Basic => {
                let pair = STANDARD.encode(format!("{id}:{encoded_secret}"));
                secrets.push(pair.clone());
                Some(confidential(&Secret::new(format!("Basic {pair}")))?)
            }
            ClientAuth::Body => {
                form.push_str(&format!("&client_id={id}&client_secret={encoded_secret}"));
                None
            }
        };
        secrets.push(secret.expose().to_owned());
        Ok(Self {
            url,
            form: Secret::new(form),
            basic,
            secrets,
            timeout: webhook.total,
            has_client_certificate: webhook.client.is_some(),
            issued: Mutex::default(),
        })
    }

    /// Returns the token. Fetches one if there is none, it expires soon, or it is `stale`, which the receiver refused.
    pub(super) async fn bearer(&self, client: &Client, stale: Option<&Bearer>) -> Result<Bearer, WebhookError> {
        let mut issued = self.issued.lock().await;
        if let Some(Issued { bearer, renew_at }) = &*issued
            && stale.is_none_or(|stale| stale.generation != bearer.generation)
            && Instant::now() < *renew_at
        {
            return Ok(bearer.clone());
        }
        let generation = issued.as_ref().map_or(1, |issued| issued.bearer.generation + 1);
        let began = Instant::now();
        let fetching = tokio::time::timeout(self.timeout, self.fetch(client));
        let granted = fetching.await.unwrap_or_else(|_| Err(WebhookError::stalled(self.timeout)));
        let Granted { access_token, token_type: _, expires_in } = granted.map_err(before_sending)?;
        let text = Secret::new(access_token);
        let header = confidential(&Secret::new(format!("Bearer {}", text.expose())));
        let header = header.map_err(|_| refused("the token has characters that a header must not have"))?;
        let bearer = Bearer { header, text, generation };
        let renew_at = began + usable_for(token_lifetime(&expires_in));
        *issued = Some(Issued { bearer: bearer.clone(), renew_at });
        Ok(bearer)
    }

    async fn fetch(&self, client: &Client) -> Result<Granted, WebhookError> {
        let mut request = client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(self.form.expose().to_owned());
        if let Some(basic) = &self.basic {
            request = request.header(AUTHORIZATION, basic.clone());
        }
        let response = request.send().await.map_err(|error| failed(error, self.has_client_certificate))?;
        let status = response.status().as_u16();
        let wait = retry_after(response.headers(), Clock::System.now());
        let body = beginning(response, RESPONSE_BYTES_MAX).await;
        match status {
            200..=299 => self.granted(&body),
            408 | 425 | 429 | 500..=599 => {
                let reason = format!("the token endpoint answers {status}");
                Err(ErrorKind::Retry { wait }.because(with_retry_after(reason, wait)))
            }
            300..=399 => Err(refused(format!("it answers {status}, and redirects are not followed"))),
            _ => Err(self.denied(status, &body)),
        }
    }

    fn granted(&self, body: &[u8]) -> Result<Granted, WebhookError> {
        let granted: Granted =
            serde_json::from_slice(body).map_err(|_| refused("its response is not JSON with an `access_token`"))?;
        // RFC 6749, 7.1: a token of an unknown type must not be used.
        match &granted.token_type {
            Some(kind) if !kind.eq_ignore_ascii_case("bearer") => {
                Err(refused(format!("the token is of the type {:?}, not a bearer token", redact(kind, &self.secrets))))
            }
            _ if granted.access_token.is_empty() => Err(refused("the token is empty")),
            _ => Ok(granted),
        }
    }

    fn denied(&self, status: u16, body: &[u8]) -> WebhookError {
        let Denied { error, error_description } = serde_json::from_slice(body).unwrap_or_default();
        let texts = [error.as_str(), error_description.as_str()].map(|text| redact(text, &self.secrets));
        let texts: Vec<String> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        let colon = if texts.is_empty() { "" } else { ": " };
        let hint = match error.as_str() {
            "invalid_client" => "compare `client_id` and `client_secret`, and try the other `auth`: basic or body",
            "invalid_scope" => "compare `scope` with what the client may request",
            "unauthorized_client" | "unsupported_grant_type" => "the client must be allowed to use client credentials",
            _ => "compare `oauth2` with what the token endpoint expects",
        };
        let kind = ErrorKind::Rejected { hint: Some(hint.to_owned()) };
        kind.because(format!("the token endpoint answers {status}{colon}{}", texts.join(": ")))
    }
}

fn refused(what: impl std::fmt::Display) -> WebhookError {
    let hint = "is `token_url` the token endpoint?".to_owned();
    ErrorKind::Rejected { hint: Some(hint) }.because(format!("the token endpoint: {what}"))
}

/// Converts an error of the token request: the receiver was sent nothing.
fn before_sending(error: WebhookError) -> WebhookError {
    let kind = match error.kind {
        ErrorKind::NoResponse | ErrorKind::ConnectionClosed => RETRY,
        kind => kind,
    };
    kind.because(format!("no token: {}", error.reason))
}

/// Encodes a value as `application/x-www-form-urlencoded`.
fn form_encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"*-._".contains(byte);
    let encode = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if plain(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Returns the texts of a token and the receiver's other secrets.
pub(super) fn secrets_with(secrets: &[String], bearer: Option<&Bearer>) -> Vec<String> {
    secrets.iter().cloned().chain(bearer.map(|bearer| bearer.text.expose().to_owned())).collect()
}

/// Returns true if the receiver refused the token, which another one may not be.
pub(super) fn is_refused(response: &Response) -> bool {
    response.status().as_u16() == 401
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        assert_eq!(form_encoded("https://a/.default b+ü&="), "https%3A%2F%2Fa%2F.default+b%2B%C3%BC%26%3D");
    }
}
