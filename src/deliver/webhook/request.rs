//! One request: headers, signature, sending.

use std::io;
use std::sync::Arc;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, Url};

use super::WebhookTarget;
use super::api::{meaning, url_below};
use super::body::{Body, Progress};
use super::error::{ErrorKind, WebhookError, failed};
use super::response::{self, Accepted};
use super::token::{Bearer, is_refused};
use crate::clock::Clock;
use crate::deliver::request::DeliveryRequest;
use crate::fault;
use crate::pipeline::plan::{Method, Request};
use crate::progress::Meter;
use crate::settings::{Compress, WebhookBody};

/// Sends the requests of one delivery.
pub(super) struct Sender<'a> {
    pub target: &'a Arc<WebhookTarget>,
    pub delivery: &'a DeliveryRequest<'a>,
    /// Id of the delivery.
    pub id: &'a str,
    pub meter: &'a Meter,
}

/// One request.
struct Post<'a> {
    id: &'a str,
    kind: &'static str,
    url: Url,
    body: &'a Body,
}

impl Sender<'_> {
    /// Sends one request, as a fault step. A fault may send a body in memory twice. `may_be_there` is true if the receiver
    /// may have all that it carries.
    pub(super) async fn post(
        &self,
        id: &str,
        kind: &'static str,
        path: &str,
        body: &Body,
        may_be_there: bool,
    ) -> Result<Accepted, WebhookError> {
        let url = url_below(&self.target.url, path)?;
        let post = Post { id, kind, url, body };
        fault::step_async("webhook.send", || self.post_again_if_closed(&post, may_be_there)).await
    }

    /// If a reused connection was closing, the request goes again immediately under the same id. Each response leaves at
    /// most one connection, and allows for one such repeat.
    async fn post_again_if_closed(&self, post: &Post<'_>, may_be_there: bool) -> Result<Accepted, WebhookError> {
        let (id, mut may_be_there) = (post.id, may_be_there);
        loop {
            let permit = self.target.permit().await;
            let sent = self.post_once(post, may_be_there).await;
            drop(permit);
            match sent {
                Err(error)
                    if error.kind == ErrorKind::ConnectionClosed
                        && self.target.connections.lost()
                        && !self.delivery.plan.holds_unanswered() =>
                {
                    may_be_there = true;
                    tracing::debug!(id, reason = error.reason, "the reused connection was closed, sending again");
                }
                other => return other,
            }
        }
    }

    async fn post_once(&self, post: &Post<'_>, may_be_there: bool) -> Result<Accepted, WebhookError> {
        let (target, mut bearer) = (self.target, self.target.bearer(None).await?);
        let mut response = self.send(post, bearer.as_ref()).await?;
        if bearer.is_some() && is_refused(&response) {
            bearer = target.bearer(bearer.as_ref()).await?;
            response = self.send(post, bearer.as_ref()).await?;
        }
        let request = self.delivery.plan.request.as_ref();
        let meaning = request.map(|request| meaning(request, response.status().as_u16(), may_be_there));
        let body_max = request.and_then(|request| request.response_rows.as_ref()).map(|rows| rows.bytes_max);
        let read = response::read(response, Clock::System.now(), target, bearer.as_ref(), (meaning, body_max));
        let total = target.webhook.total;
        tokio::time::timeout(total, read).await.unwrap_or_else(|_| Err(WebhookError::stalled(total)))
    }

    async fn send(&self, post: &Post<'_>, bearer: Option<&Bearer>) -> Result<Response, WebhookError> {
        let Post { id, kind, url, body } = post;
        let method =
            self.delivery.plan.request.as_ref().map_or(reqwest::Method::POST, |request| match request.method {
                Method::Post => reqwest::Method::POST,
                Method::Put => reqwest::Method::PUT,
                Method::Patch => reqwest::Method::PATCH,
            });
        let (target, webhook) = (self.target, &self.target.webhook);
        let timestamp = Clock::System.now().as_second();
        let signature = self.sign(id, timestamp, body).await.map_err(WebhookError::unreadable)?;
        let progress = Progress::default();
        let payload = body.payload(&progress).map_err(WebhookError::unreadable)?;
        let mut headers = self.headers(id, timestamp, &signature, kind, body.len());
        if let Some(bearer) = bearer {
            headers.insert(AUTHORIZATION, bearer.header.clone());
        }
        let request = target.client.request(method, url.clone()).headers(headers).body(payload);
        let failed = |error| failed(error, webhook.client.is_some());
        let response = match body {
            Body::Memory { .. } => request.timeout(webhook.total).send().await.map_err(failed)?,
            // A large file may take long, as long as it makes progress.
            Body::File { .. } => tokio::select! {
                response = request.send() => response.map_err(failed)?,
                () = progress.stalled(webhook.total) => return Err(WebhookError::stalled(webhook.total)),
            },
        };
        target.connections.responded(&response);
        Ok(response)
    }

    async fn sign(&self, id: &str, timestamp: i64, body: &Body) -> io::Result<String> {
        if body.is_small() {
            return body.sign(&self.target.keys, id, timestamp);
        }
        let (target, id, body) = (self.target.clone(), id.to_owned(), body.clone());
        blocking(move || body.sign(&target.keys, &id, timestamp)).await
    }

    fn headers(&self, id: &str, timestamp: i64, signature: &str, kind: &'static str, length: u64) -> HeaderMap {
        let webhook = &self.target.webhook;
        let mut headers = match &self.delivery.plan.request {
            Some(request) => self.target.request_headers(request, id, timestamp, signature),
            None => self.target.headers(id, timestamp, signature, kind),
        };
        set_header(&mut headers, "content-length", &length.to_string());
        if !self.target.connections.are_kept() {
            set_header(&mut headers, "connection", "close");
        }
        match webhook.compress {
            Compress::None => {}
            Compress::Gzip => set_header(&mut headers, "content-encoding", "gzip"),
            Compress::Zstd => set_header(&mut headers, "content-encoding", "zstd"),
        }
        if webhook.body == WebhookBody::File {
            // RFC 9530: the digest of the decoded content.
            let digest = format!("sha-256=:{}:", base64_of_hex(&self.delivery.artifact.sha256));
            set_header(&mut headers, "repr-digest", &digest);
            set_header(&mut headers, "x-artifact-name", &percent_encoded(&self.delivery.artifact.name));
        }
        headers
    }
}

impl WebhookTarget {
    /// Headers of every request.
    pub(super) fn headers(&self, id: &str, timestamp: i64, signature: &str, kind: &str) -> HeaderMap {
        let mut headers = self.headers.clone();
        set_header(&mut headers, "webhook-id", id);
        set_header(&mut headers, "webhook-timestamp", &timestamp.to_string());
        set_header(&mut headers, "webhook-signature", signature);
        set_header(&mut headers, "content-type", kind);
        headers
    }
}

impl WebhookTarget {
    /// Headers of the requests that a pipeline defines: those of webhooks only where they are signed.
    fn request_headers(&self, request: &Request, id: &str, timestamp: i64, signature: &str) -> HeaderMap {
        const JSON: &str = "application/json";
        let mut headers = match self.keys.is_empty() {
            false => self.headers(id, timestamp, signature, JSON),
            true => self.headers.clone(),
        };
        set_header(&mut headers, "content-type", JSON);
        let own = request.headers.iter().map(|(name, value)| (name, value.as_str()));
        for (name, value) in own.chain(request.idempotency_header.iter().map(|name| (name, id))) {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        }
        headers
    }
}

/// Runs work off the async threads. Drops the message of a panic, which may hold anything.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(io::Error::other("a bug in reportferry")))
}

/// Sets a header, unless the value is empty.
fn set_header(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

fn base64_of_hex(hex: &str) -> String {
    let bytes: Vec<u8> =
        (0..hex.len() / 2).filter_map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()).collect();
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes)
}

/// Returns a name for a header value: all but plain ASCII is percent-encoded (RFC 3986).
fn percent_encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%';
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_digests_fit_into_headers() {
        assert_eq!(percent_encoded("a b%ü.csv"), "a%20b%25%C3%BC.csv");
        assert_eq!(base64_of_hex("00ff10"), "AP8Q");
    }
}
