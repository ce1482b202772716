//! The account's credentials → a valid token, fetched once for all concurrent callers.
//!
//! The grant is that of the settings, or `refresh_token` if there is one, with the former as the fallback. Refused
//! credentials are not sent again for a while, also by the next process, because Docebo's lockout rules are unknown.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::Deserialize;

use super::credentials::Credentials;
use super::paths;
use crate::extract::ExtractError;
use crate::extract::client::{ApiClient, CallError, is_web_page};
use crate::extract::message::{one_line, server_message};
use crate::extract::refused::RefusedCredentials;
use crate::extract::tenants::{Bearer, RefusedPassword, TokenState};
use crate::fault;
use crate::http::{retry_after, token_lifetime, usable_for};
use crate::secret::Secret;
use crate::settings::GrantKind;

const DOING: &str = "sign in";
/// The time for which refused credentials are not sent again.
const REFUSAL_KEPT: Duration = Duration::from_secs(15 * 60);

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: serde_json::Value,
    #[serde(default)]
    refresh_token: Option<String>,
}

enum Denied {
    /// `invalid_grant`: the password or refresh token is not accepted.
    Grant(ExtractError),
    Other(ExtractError),
}

/// Returns the tenant's token. Fetches a new one if there is none, it expires soon, or it has the generation `stale`,
/// which the platform no longer accepts.
pub(super) async fn bearer(client: &ApiClient, stale: Option<u64>) -> Result<Bearer, ExtractError> {
    let mut state = client.tenant.token.lock().await;
    let now = client.clock().now();
    if let Some(bearer) = &state.bearer
        && Some(bearer.generation) != stale
        && now < bearer.renew_at
    {
        return Ok(bearer.clone());
    }
    let generation = state.bearer.as_ref().map_or(1, |bearer| bearer.generation + 1);
    let granted = grant(&mut state, client).await?;
    let usable_for = usable_for(token_lifetime(&granted.expires_in));
    let renew_at = client.clock().now().saturating_add(signed(usable_for));
    let bearer =
        Bearer { text: Secret::new(granted.access_token), generation, renew_at: renew_at.unwrap_or(Timestamp::MAX) };
    // A refresh token may be valid only once, so one that is not replaced is dropped.
    state.refresh = granted.refresh_token.filter(|token| !token.is_empty()).map(Secret::new);
    state.bearer = Some(bearer.clone());
    Ok(bearer)
}

async fn grant(state: &mut TokenState, client: &ApiClient) -> Result<Granted, ExtractError> {
    let (tenant, began) = (&client.tenant.settings, Instant::now());
    let credentials = Credentials::read(tenant).await?;
    if let Some(refresh) = state.refresh.take().filter(|_| credentials.can_refresh()) {
        match request_grant(client, &credentials, Some(&refresh)).await {
            Ok(granted) => return Ok(granted),
            // A refresh token's lifetime is unknown: the grant of the settings is the fallback.
            Err(Denied::Grant(_)) => {}
            Err(Denied::Other(error @ ExtractError::Later { .. })) => return Err(error),
            Err(Denied::Other(_)) => {}
        }
    }
    match grant_by(state, client, &credentials).await {
        // Sent again only if they are others: they were kept, and rotated meanwhile.
        Err(refused @ ExtractError::Refused { .. }) if tenant.forget_secrets(began) => {
            let fresh = Credentials::read(tenant).await?;
            match fresh.digest() == credentials.digest() {
                true => Err(refused),
                false => grant_by(state, client, &fresh).await,
            }
        }
        other => other,
    }
}

/// Requests a grant by these credentials, unless they were refused just now.
async fn grant_by(
    state: &mut TokenState,
    client: &ApiClient,
    credentials: &Credentials,
) -> Result<Granted, ExtractError> {
    let digest = credentials.digest();
    let refused = state.refused.as_ref().filter(|refused| refused.digest == digest);
    if let Some(refused) = refused.filter(|refused| client.clock().now() < refused.until) {
        return Err(not_sent(&refused.what, refused.until, credentials));
    }
    let remembered = remembered(client, credentials).await?;
    let granted = request_grant(client, credentials, None).await;
    state.refused = None;
    match granted {
        Ok(granted) => {
            if let (true, Some(memory)) = (remembered, &client.tenant.memory) {
                memory.remember(&client.tenant.settings.name, None).await;
            }
            Ok(granted)
        }
        Err(Denied::Grant(error)) => {
            let at = client.clock().now();
            let until = at.saturating_add(signed(REFUSAL_KEPT)).unwrap_or(Timestamp::MAX);
            state.refused = Some(RefusedPassword { digest, until, what: error.to_string() });
            if let Some(memory) = &client.tenant.memory
                && let Some(digest) = memory.digest(&credentials.parts())
            {
                let refused = RefusedCredentials { digest, at, until, reason: error.to_string() };
                memory.remember(&client.tenant.settings.name, Some(refused)).await;
            }
            Err(error)
        }
        Err(Denied::Other(error)) => Err(error),
    }
}

/// Returns true if an earlier process recorded a refusal that no longer counts.
///
/// # Errors
/// It counts: these credentials were refused, and may not be sent yet.
async fn remembered(client: &ApiClient, credentials: &Credentials) -> Result<bool, ExtractError> {
    let Some(memory) = &client.tenant.memory else { return Ok(false) };
    let Some(refused) = memory.recall(&client.tenant.settings.name).await else { return Ok(false) };
    let is_same = memory.digest(&credentials.parts()).is_some_and(|digest| digest == refused.digest);
    match is_same && client.clock().now() < refused.until {
        true => Err(not_sent(&refused.reason, refused.until, credentials)),
        false => Ok(true),
    }
}

fn not_sent(what: &str, until: Timestamp, credentials: &Credentials) -> ExtractError {
    ExtractError::refused(format!("{what} (not sent again before {until})"), credentials.hint_refused())
}

/// Requests a token by the refresh token if given, otherwise by the grant of the settings.
async fn request_grant(
    client: &ApiClient,
    credentials: &Credentials,
    refresh: Option<&Secret>,
) -> Result<Granted, Denied> {
    let tenant = &client.tenant.settings;
    let subject = format!("tenant {}", tenant.name);
    let form = credentials.form(client, refresh).map_err(Denied::Other)?;
    let url = client.guard.admit(&Method::POST, paths::TOKEN, &[]).map_err(Denied::Other)?;
    // A repeated request gives a second token, which is harmless.
    let mut tries = client.tries();
    let (status, body) = loop {
        let posted: Result<_, CallError> =
            fault::step_async("extract.token", || post(client, url.clone(), &form, &subject)).await;
        match posted {
            Ok(response) => break response,
            Err(error) => {
                let again = tries.again(error.repeatable()).await;
                again.map_err(|error| Denied::Other(error.into_error()))?;
            }
        }
    };
    let redact = |text: &str| one_line(&credentials.redact(text, refresh));
    if !status.is_success() {
        let body = credentials.redact(&String::from_utf8_lossy(&body), refresh);
        return Err(denied(&subject, status, &body, credentials, refresh.is_some()));
    }
    let granted: Granted = serde_json::from_slice(&body).map_err(|_| {
        let message = server_message(&String::from_utf8_lossy(&body))
            .map(|message| format!(": {}", redact(&message)))
            .unwrap_or_default();
        Denied::Other(ExtractError::refused(
            format!("{subject}: cannot sign in: the response holds no token{message}"),
            "is the tenant's address the platform's?",
        ))
    })?;
    if granted.access_token.is_empty() || !granted.access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Denied::Other(ExtractError::Refused {
            what: format!("{subject}: cannot sign in: the token is empty or cannot be sent"),
            hint: None,
        }));
    }
    Ok(granted)
}

async fn post(
    client: &ApiClient,
    url: reqwest::Url,
    form: &Secret,
    subject: &str,
) -> Result<(reqwest::StatusCode, Vec<u8>), CallError> {
    let request = client
        .tenant
        .http
        .post(url)
        .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.expose().to_owned());
    let mut response = client.send(request, Method::POST, paths::TOKEN, subject, DOING).await?;
    let status = response.status;
    if is_web_page(response.headers()) || status.is_redirection() {
        return Err(ExtractError::refused(
            format!("{subject}: cannot sign in: {status}, and a web page or a redirect, not a token"),
            "is the tenant's address the platform's own (or its custom domain)? Redirects are not followed",
        )
        .into());
    }
    let what = format!("{subject}: cannot sign in: {status}");
    match status.as_u16() {
        429 | 503 => Err(CallError::NotStarted { what, wait: retry_after(response.headers(), client.clock().now()) }),
        408 | 500..=599 => Err(CallError::Interrupted { what }),
        200..=299 => Ok((status, response.body(client.limits.response_bytes).await?)),
        _ => Ok((status, response.error_body().await.into_bytes())),
    }
}

/// Returns the error for an OAuth error response (RFC 6749, 5.2), with a hint.
fn denied(
    subject: &str,
    status: reqwest::StatusCode,
    body: &str,
    credentials: &Credentials,
    refreshing: bool,
) -> Denied {
    let code = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|value| Some(value.get("error")?.as_str()?.to_owned()))
        .unwrap_or_default();
    let message = server_message(body).filter(|message| *message != code);
    let message = message.map(|message| format!(": {message}")).unwrap_or_default();
    let shown = if code.is_empty() { status.to_string() } else { one_line(&code) };
    let what = format!("{subject}: cannot sign in: {shown}{message}");
    match code.as_str() {
        "invalid_grant" => Denied::Grant(ExtractError::refused(what, credentials.hint_refused())),
        _ if refreshing => Denied::Grant(ExtractError::Refused { what, hint: None }),
        "invalid_client" if credentials.kind == GrantKind::ClientCredentials => {
            Denied::Grant(ExtractError::refused(what, credentials.hint_refused()))
        }
        "invalid_client" => Denied::Other(ExtractError::refused(
            what,
            "client_id or client_secret is wrong for the OAuth2 app of this platform (Admin, API and SSO, API \
             credentials)",
        )),
        "unsupported_grant_type" | "unauthorized_client" => {
            Denied::Other(ExtractError::refused(what, credentials.hint_unsupported()))
        }
        "invalid_scope" => {
            Denied::Other(ExtractError::refused(what, "the OAuth2 app does not grant the scope \"api\""))
        }
        _ => Denied::Other(ExtractError::Refused { what, hint: None }),
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
