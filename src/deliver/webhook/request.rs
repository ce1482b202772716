//! One request: headers, signature, sending.

use std::io;
use std::sync::Arc;

use reqwest::Response;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::WebhookTarget;
use super::body::{Body, Progress};
use super::error::{ErrorKind, WebhookError, failed};
use super::response::{self, Accepted};
use super::token::{Bearer, is_refused};
use crate::clock::Clock;
use crate::deliver::request::DeliveryRequest;
use crate::fault;
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

impl Sender<'_> {
    /// Sends one request, as a fault step. A fault may send a body in memory twice.
    pub(super) async fn post(&self, id: &str, kind: &'static str, body: &Body) -> Result<Accepted, WebhookError> {
        fault::step_async("webhook.send", || self.post_again_if_closed(id, kind, body)).await
    }

    /// If a reused connection was closing, the request goes again immediately under the same id. Each response leaves at
    /// most one connection, and allows for one such repeat.
    async fn post_again_if_closed(&self, id: &str, kind: &'static str, body: &Body) -> Result<Accepted, WebhookError> {
        loop {
            let permit = self.target.permit().await;
            let sent = self.post_once(id, kind, body).await;
            drop(permit);
            match sent {
                Err(error) if error.kind == ErrorKind::ConnectionClosed && self.target.connections.lost() => {
                    tracing::debug!(id, reason = error.reason, "the reused connection was closed, sending again");
                }
                other => return other,
            }
        }
    }

    async fn post_once(&self, id: &str, kind: &'static str, body: &Body) -> Result<Accepted, WebhookError> {
        let (target, mut bearer) = (self.target, self.target.bearer(None).await?);
        let mut response = self.send(id, kind, body, bearer.as_ref()).await?;
        if bearer.is_some() && is_refused(&response) {
            bearer = target.bearer(bearer.as_ref()).await?;
            response = self.send(id, kind, body, bearer.as_ref()).await?;
        }
        let read = response::read(response, Clock::System.now(), target, bearer.as_ref());
        let total = target.webhook.total;
        tokio::time::timeout(total, read).await.unwrap_or_else(|_| Err(WebhookError::stalled(total)))
    }

    async fn send(
        &self,
        id: &str,
        kind: &'static str,
        body: &Body,
        bearer: Option<&Bearer>,
    ) -> Result<Response, WebhookError> {
        let (target, webhook) = (self.target, &self.target.webhook);
        let timestamp = Clock::System.now().as_second();
        let signature = self.sign(id, timestamp, body).await.map_err(WebhookError::unreadable)?;
        let progress = Progress::default();
        let payload = body.payload(&progress).map_err(WebhookError::unreadable)?;
        let mut headers = self.headers(id, timestamp, &signature, kind, body.len());
        if let Some(bearer) = bearer {
            headers.insert(AUTHORIZATION, bearer.header.clone());
        }
        let request = target.client.post(target.url.clone()).headers(headers).body(payload);
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
        let mut headers = self.target.headers(id, timestamp, signature, kind);
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
