//! One GET of an endpoint → whether the account may read it. Nothing of what it returns is kept but the number of entries.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::call::Call;
use super::super::paths;
use super::super::refusal::ApiStep;
use super::super::token;
use crate::extract::client::{ApiClient, ApiResponse, CallError, is_web_page};
use crate::extract::message::server_message;
use crate::fault::FaultStep;
use crate::http::retry_after;

const DOING: &str = "request it";

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Allowed,
    /// 401, 403, a web page, a redirect, or `"success": false`.
    Denied,
    /// Allowed, and without an entry.
    Empty,
    NotFound,
    /// Neither allowed nor denied.
    Error,
    /// Not sent.
    NotTried,
}

impl Access {
    /// Returns the word in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Empty => "empty",
            Self::NotFound => "not found",
            Self::Error => "error",
            Self::NotTried => "not tried",
        }
    }
}

/// Access to an endpoint, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub access: Access,
    /// How it was denied, or what went wrong.
    pub detail: Option<String>,
    /// The number of entries that the account sees, if the platform states it.
    pub total: Option<u64>,
}

impl Found {
    pub(super) fn new(access: Access, detail: impl Into<String>) -> Self {
        Self { access, detail: Some(detail.into()), total: None }
    }

    pub(super) fn allowed(total: Option<u64>) -> Self {
        Self { access: Access::Allowed, detail: None, total }
    }
}

/// Requests `path`, again where the platform is busy.
pub(super) async fn attempt(client: &ApiClient, path: &str) -> Found {
    let subject = format!("tenant {}, {path}", client.tenant.settings.name);
    let mut tries = client.tries();
    loop {
        match once(client, path, &subject).await {
            Ok(found) => return found,
            Err(error) => {
                if let Err(error) = tries.again(error.repeatable()).await {
                    return Found::new(Access::Error, error.into_error().to_string());
                }
            }
        }
    }
}

async fn once(client: &ApiClient, path: &str, subject: &str) -> Result<Found, CallError> {
    let bearer = token::bearer(client, None).await?;
    // Lists are as short as they can be.
    let url = client.guard.admit(&Method::GET, path, &[("page_size", "1")])?;
    let request = client.tenant.http.get(url).bearer_auth(bearer.text.expose());
    let mut response = client.send(request, Method::GET, path, subject, DOING).await?;
    response.secret = Some(bearer.text.clone());
    if response.status.as_u16() == 401 {
        let message = message(&mut response).await;
        drop(response);
        return match renewed(client, bearer.generation).await? {
            true => Err(CallError::NotStarted { what: format!("{subject}: the token expired"), wait: None }),
            false => Ok(Found::new(Access::Denied, format!("401{message}"))),
        };
    }
    of_response(client, response).await
}

/// Returns true if the token was no longer valid: then a 401 is not evidence about the endpoint.
async fn renewed(client: &ApiClient, generation: u64) -> Result<bool, CallError> {
    let subject = format!("tenant {}", client.tenant.settings.name);
    let call = Call { step: ApiStep::Identity, path: paths::SESSION.into(), query: vec![], subject: &subject };
    client.reply(FaultStep::new("extract.identity"), &call).await?;
    Ok(token::bearer(client, None).await?.generation != generation)
}

async fn of_response(client: &ApiClient, mut response: ApiResponse) -> Result<Found, CallError> {
    let status = response.status;
    let is_page = is_web_page(response.headers());
    Ok(match status.as_u16() {
        204 => Found { access: Access::Empty, detail: None, total: Some(0) },
        200..=299 if is_page => Found::new(Access::Denied, "a web page (HTML) in place of data"),
        200..=299 => of_body(&response.body(client.limits.response_bytes).await?),
        300..=399 => Found::new(Access::Denied, format!("{} redirect", status.as_u16())),
        403 => Found::new(Access::Denied, format!("403{}", message(&mut response).await)),
        404 | 410 => Found::new(Access::NotFound, status.as_u16().to_string()),
        429 | 503 => {
            let wait = retry_after(response.headers(), client.clock().now());
            return Err(CallError::NotStarted { what: response.describe(None), wait });
        }
        code => Found::new(Access::Error, format!("{code}{}", message(&mut response).await)),
    })
}

async fn message(response: &mut ApiResponse) -> String {
    response.server_message().await.map(|message| format!(": {message}")).unwrap_or_default()
}

/// Returns the access that a JSON body shows.
fn of_body(body: &[u8]) -> Found {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return Found::new(Access::Error, "the response is not JSON");
    };
    if value.get("success").and_then(Value::as_bool) == Some(false) {
        let message = server_message(&String::from_utf8_lossy(body)).unwrap_or_else(|| "without a reason".into());
        return Found::new(Access::Denied, format!("refused: {message}"));
    }
    let data = value.get("data").unwrap_or(&value);
    let entries = data.get("items").unwrap_or(data).as_array();
    let is_empty = match (entries, data) {
        (Some(entries), _) => entries.is_empty(),
        (None, Value::Object(object)) => object.is_empty(),
        (None, data) => data.is_null(),
    };
    let has_more = data.get("has_more_data").and_then(Value::as_bool) == Some(true);
    let counted = entries.filter(|_| !has_more).map(|entries| entries.len() as u64);
    let total = data.get("total_count").and_then(Value::as_u64).or(counted);
    match is_empty && !has_more && total.unwrap_or_default() == 0 {
        true => Found { access: Access::Empty, detail: None, total: Some(0) },
        false => Found::allowed(total),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_show_access() {
        for (body, access, total) in [
            (r#"{"data":{"items":[{"id":1}],"total_count":125,"has_more_data":true}}"#, Access::Allowed, Some(125)),
            (r#"{"data":{"items":[],"total_count":0,"has_more_data":false}}"#, Access::Empty, Some(0)),
            (r#"{"data":{"items":[],"has_more_data":true}}"#, Access::Allowed, None),
            (r#"{"data":[{"idReport":"x"}]}"#, Access::Allowed, Some(1)),
            (r#"{"data":[]}"#, Access::Empty, Some(0)),
            (r#"{"data":null}"#, Access::Empty, Some(0)),
            (r#"{"data":{"theme":"x"}}"#, Access::Allowed, None),
            (r#"[1,2]"#, Access::Allowed, Some(2)),
            (r#"{"success":false,"message":"no"}"#, Access::Denied, None),
            ("<html>", Access::Error, None),
            ("", Access::Error, None),
        ] {
            let found = of_body(body.as_bytes());
            assert_eq!((found.access, found.total), (access, total), "{body}");
        }
    }
}
