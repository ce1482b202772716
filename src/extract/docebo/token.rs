//! The account's secrets → a token that is fresh, asked for once however many want it.
//!
//! Grant `password`; `refresh_token` where one came, and `password` again where that fails. A refused password is not
//! sent again for a while: Docebo's lockout rules are unknown.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use super::line::{Line, Trouble, is_web_page};
use super::refusal;
use crate::extract::ExtractError;
use crate::fault;
use crate::http::retry_after;
use crate::secret::Secret;
use crate::settings::SecretRef;

const PATH: &str = "/oauth2/token";
const DOING: &str = "sign in";
/// A token's life where the platform does not say.
const LIFE_DEFAULT: Duration = Duration::from_secs(3600);
/// Longest life believed.
const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);
/// A token is renewed this long before its end, or a tenth of its life before, whichever is shorter.
const RENEW_BEFORE: Duration = Duration::from_secs(60);
/// A password that was refused is not sent again for this long.
const REFUSAL_KEPT: Duration = Duration::from_secs(15 * 60);

/// What opens the API.
#[derive(Clone)]
pub(super) struct Bearer {
    pub text: Secret,
    /// Counts the tokens of this tenant: tells a stale one from the one that replaced it.
    pub generation: u64,
    renew_at: Timestamp,
}

/// A tenant's token.
#[derive(Default)]
pub(super) struct TokenKeeper(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    bearer: Option<Bearer>,
    refresh: Option<Secret>,
    refused: Option<RefusedPassword>,
}

struct RefusedPassword {
    digest: [u8; 32],
    until: Timestamp,
    what: String,
}

/// The account's secrets, as read for one sign-in.
struct Credentials {
    client_secret: Secret,
    password: Secret,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: serde_json::Value,
    #[serde(default)]
    refresh_token: Option<String>,
}

/// Why a grant was not given.
enum Denied {
    /// `invalid_grant`: the password, or the refresh token, is not taken.
    Grant(ExtractError),
    Other(ExtractError),
}

impl TokenKeeper {
    /// The tenant's token; a new one where there is none, it is near its end, or it is the one that the platform no
    /// longer takes (`stale`, its generation).
    pub async fn bearer(&self, line: &Line, stale: Option<u64>) -> Result<Bearer, ExtractError> {
        // Held while the token is fetched, so that many callers make one request.
        let mut kept = self.0.lock().await;
        let now = line.clock().now();
        if let Some(bearer) = &kept.bearer
            && Some(bearer.generation) != stale
            && now < bearer.renew_at
        {
            return Ok(bearer.clone());
        }
        let generation = kept.bearer.as_ref().map_or(1, |bearer| bearer.generation + 1);
        let granted = kept.grant(line).await?;
        let life = life(&granted.expires_in);
        let renew_at = line.clock().now().saturating_add(signed(life - RENEW_BEFORE.min(life / 10)));
        let bearer = Bearer {
            text: Secret::new(granted.access_token),
            generation,
            renew_at: renew_at.unwrap_or(Timestamp::MAX),
        };
        // A refresh token that does not come anew is worth keeping only if it was not used up; ask for one anew.
        kept.refresh = granted.refresh_token.filter(|token| !token.is_empty()).map(Secret::new);
        kept.bearer = Some(bearer.clone());
        Ok(bearer)
    }
}

impl Kept {
    async fn grant(&mut self, line: &Line) -> Result<Granted, ExtractError> {
        let tenant = &line.tenancy.settings;
        let read = |what: &str, secret: &SecretRef| {
            secret.read().map_err(|error| ExtractError::Refused {
                what: format!("tenant {}: {what} cannot be read: {error}", tenant.name),
                hint: None,
            })
        };
        let credentials = Credentials {
            client_secret: read("client_secret", &tenant.client_secret)?,
            password: read("password", &tenant.password)?,
        };
        if let Some(refresh) = self.refresh.take() {
            match ask(line, &credentials, Some(&refresh)).await {
                Ok(granted) => return Ok(granted),
                // How long a refresh token lives is unknown: the password is the way back.
                Err(Denied::Grant(_)) => {}
                Err(Denied::Other(error @ ExtractError::Later { .. })) => return Err(error),
                Err(Denied::Other(_)) => {}
            }
        }
        let digest = credentials.digest(&tenant.client_id, &tenant.username);
        if let Some(refused) = self.refused.as_ref().filter(|refused| refused.digest == digest)
            && line.clock().now() < refused.until
        {
            let what = format!("{} (not sent again before {})", refused.what, refused.until);
            return Err(ExtractError::refused(what, HINT_GRANT));
        }
        match ask(line, &credentials, None).await {
            Ok(granted) => {
                self.refused = None;
                Ok(granted)
            }
            Err(Denied::Grant(error)) => {
                let until = line.clock().now().saturating_add(signed(REFUSAL_KEPT)).unwrap_or(Timestamp::MAX);
                self.refused = Some(RefusedPassword { digest, until, what: error.to_string() });
                Err(error)
            }
            Err(Denied::Other(error)) => Err(error),
        }
    }
}

impl Credentials {
    fn digest(&self, client_id: &str, username: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [client_id, username, self.client_secret.expose(), self.password.expose()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    /// `text` without what must not be shown, should the platform repeat it.
    fn hide(&self, text: &str, refresh: Option<&Secret>) -> String {
        let secrets = [Some(&self.client_secret), Some(&self.password), refresh];
        secrets
            .into_iter()
            .flatten()
            .map(Secret::expose)
            .filter(|secret| !secret.is_empty())
            .fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"))
    }
}

/// One grant: by the refresh token if given, else by the password.
async fn ask(line: &Line, credentials: &Credentials, refresh: Option<&Secret>) -> Result<Granted, Denied> {
    let tenant = &line.tenancy.settings;
    let subject = format!("tenant {}", tenant.name);
    let mut form =
        vec![("client_id", tenant.client_id.as_str()), ("client_secret", credentials.client_secret.expose())];
    match refresh {
        Some(refresh) => form.extend([("grant_type", "refresh_token"), ("refresh_token", refresh.expose())]),
        None => form.extend([
            ("grant_type", "password"),
            ("scope", "api"),
            ("username", &tenant.username),
            ("password", credentials.password.expose()),
        ]),
    }
    let url = line.guard.admit(&Method::POST, PATH, &[]).map_err(Denied::Other)?;
    let mut encoded = url.clone();
    encoded.query_pairs_mut().extend_pairs(form);
    let form = Secret::new(encoded.query().unwrap_or_default());
    // Asking twice gives two tokens: harmless.
    let mut tries = line.tries();
    let (status, body) = loop {
        let posted: Result<_, Trouble> =
            fault::step_async("extract.token", || post(line, url.clone(), &form, &subject)).await;
        match posted {
            Ok(answered) => break answered,
            Err(trouble) => {
                let again = tries.again(trouble.repeatable()).await;
                again.map_err(|trouble| Denied::Other(trouble.into_error()))?;
            }
        }
    };
    let hide = |text: &str| refusal::quiet(&credentials.hide(text, refresh));
    if !status.is_success() {
        let body = credentials.hide(&String::from_utf8_lossy(&body), refresh);
        return Err(denied(&subject, status, &body, refresh.is_some()));
    }
    let granted: Granted = serde_json::from_slice(&body).map_err(|_| {
        let said = refusal::words(&String::from_utf8_lossy(&body))
            .map(|said| format!(": {}", hide(&said)))
            .unwrap_or_default();
        Denied::Other(ExtractError::refused(
            format!("{subject}: cannot sign in: the answer holds no token{said}"),
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
    line: &Line,
    url: reqwest::Url,
    form: &Secret,
    subject: &str,
) -> Result<(reqwest::StatusCode, Vec<u8>), Trouble> {
    let request = line
        .tenancy
        .http
        .post(url)
        .header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.expose().to_owned());
    let mut answer = line.send(request, Method::POST, PATH, subject, DOING).await?;
    let status = answer.status;
    if is_web_page(answer.headers()) || status.is_redirection() {
        return Err(ExtractError::refused(
            format!("{subject}: cannot sign in: {status}, and a web page or a redirect, not a token"),
            "is the tenant's address the platform's own (or its custom domain)? Redirects are not followed",
        )
        .into());
    }
    let what = format!("{subject}: cannot sign in: {status}");
    match status.as_u16() {
        429 | 503 => Err(Trouble::NotBegun { what, wait: retry_after(answer.headers(), line.clock().now()) }),
        408 | 500..=599 => Err(Trouble::Broken { what }),
        200..=299 => Ok((status, answer.body(line.limits.answer_bytes).await?)),
        _ => Ok((status, answer.error_body().await.into_bytes())),
    }
}

const HINT_GRANT: &str = "the username or password is wrong, or the account is not active; it is not tried again, \
                          because Docebo may lock the account";

/// The OAuth errors of RFC 6749, 5.2, each with what a person does about it.
fn denied(subject: &str, status: reqwest::StatusCode, body: &str, refreshing: bool) -> Denied {
    let code = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|value| Some(value.get("error")?.as_str()?.to_owned()))
        .unwrap_or_default();
    let said = refusal::words(body).filter(|said| *said != code).map(|said| format!(": {said}")).unwrap_or_default();
    let shown = if code.is_empty() { status.to_string() } else { refusal::quiet(&code) };
    let what = format!("{subject}: cannot sign in: {shown}{said}");
    match code.as_str() {
        "invalid_grant" => Denied::Grant(ExtractError::refused(what, HINT_GRANT)),
        _ if refreshing => Denied::Grant(ExtractError::Refused { what, hint: None }),
        "invalid_client" => Denied::Other(ExtractError::refused(
            what,
            "client_id or client_secret is not that of an OAuth2 app of this platform (Admin, API and SSO, API \
             credentials)",
        )),
        "unsupported_grant_type" | "unauthorized_client" => Denied::Other(ExtractError::refused(
            what,
            "switch on the grant \"Resource Owner Password Credentials\" for the OAuth2 app (Admin, API and SSO, API \
             credentials)",
        )),
        "invalid_scope" => Denied::Other(ExtractError::refused(what, "the OAuth2 app does not give the scope \"api\"")),
        _ => Denied::Other(ExtractError::Refused { what, hint: None }),
    }
}

/// `expires_in`, a number of seconds or the text of one.
fn life(expires_in: &serde_json::Value) -> Duration {
    let seconds = expires_in.as_u64().or_else(|| expires_in.as_str()?.trim().parse().ok());
    seconds.map_or(LIFE_DEFAULT, Duration::from_secs).min(LIFE_MAX)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_life_however_it_is_written() {
        for (json, seconds) in [
            ("3600", 3600),
            ("\"120\"", 120),
            ("null", 3600),
            ("\"soon\"", 3600),
            ("-1", 3600),
            ("99999999", 86400),
            ("86400", 86400),
        ] {
            assert_eq!(life(&serde_json::from_str(json).unwrap()), Duration::from_secs(seconds), "{json}");
        }
    }
}
