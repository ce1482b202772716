//! Delivery by webhook: signed POST requests (Standard Webhooks) with the rows, the file, or a notice of it.
//!
//! A delivery has one id and each batch its own, the same in every attempt. A receiver that has seen an id responds with
//! 2xx and does nothing, so after a lost response the same id is sent again.

mod answers;
mod api;
mod batch;
mod body;
mod client;
mod connections;
pub mod doctor;
mod error;
mod message;
mod prepare;
mod publish;
mod request;
mod response;
mod rows;
mod send_batches;
pub mod signature;
mod token;

pub(crate) use rows::open_rows;

pub use send_batches::{AckedBatch, AckedBatches, BatchEvent, BatchRows};

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::Verdict;
use crate::http::{self, address_guard::admit_url};
use crate::secret::Secret;
use crate::settings::{SecretRef, Webhook, WebhookAuth};
use connections::Connections;
use error::WebhookError;
use signature::Key;
use token::{Bearer, TokenSource};

/// One receiver, kept between deliveries so that its connections are reused and its limits hold for all of them. Holds
/// secrets, and so has no `Debug`.
pub struct WebhookTarget {
    /// The destination's name.
    name: String,
    webhook: Arc<Webhook>,
    client: Client,
    url: Url,
    /// `host:port`.
    address: String,
    headers: HeaderMap,
    keys: Vec<Key>,
    /// The source of the token, with OAuth2.
    token: Option<TokenSource>,
    /// Texts to redact if the receiver repeats them.
    secrets: Vec<String>,
    rate: Option<DefaultDirectRateLimiter>,
    /// Requests in flight at once, over all deliveries.
    in_flight: Semaphore,
    connections: Connections,
    /// Secrets and certificates, read from outside the settings.
    material: Vec<Vec<u8>>,
}

impl WebhookTarget {
    /// Reads secrets and certificates, and creates the client. Sends nothing. Blocks while files are read.
    ///
    /// # Errors
    /// `Rejected`: a secret or certificate is missing or invalid, or an address must not be reached.
    pub fn open(name: &str, webhook: &Arc<Webhook>) -> Result<Self, Verdict> {
        let url = Url::parse(&webhook.url).map_err(|error| rejected(format!("the address: {error}")))?;
        let host = url.host_str().unwrap_or_default();
        if webhook.egress.proxy.is_none() {
            admit_url(&url, webhook.allow).map_err(|refused| rejected(refused.to_string()))?;
        }
        let material = material(webhook)?;
        let mut secrets = Vec::new();
        let mut read = |secret: &SecretRef| {
            let secret = secret.read().map_err(|error| rejected(error.to_string()))?;
            secrets.push(secret.expose().to_owned());
            Ok::<Secret, Verdict>(secret)
        };
        let mut keys = Vec::new();
        for secret in &webhook.secrets {
            keys.push(Key::parse(&read(secret)?).map_err(|error| rejected(error.to_string()))?);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &webhook.headers {
            let name: HeaderName =
                name.parse().map_err(|_| rejected(format!("{name:?} is not a valid header name")))?;
            headers.insert(name, confidential(&read(value)?)?);
        }
        // Redact it if the receiver repeats its headers.
        let (mut encoded, mut token) = (None, None);
        match &webhook.auth {
            Some(WebhookAuth::Bearer(secret)) => {
                let value = Secret::new(format!("Bearer {}", read(secret)?.expose()));
                headers.insert(AUTHORIZATION, confidential(&value)?);
            }
            Some(WebhookAuth::Basic { username, password }) => {
                let pair = format!("{username}:{}", read(password)?.expose());
                let value = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, pair);
                headers.insert(AUTHORIZATION, confidential(&Secret::new(format!("Basic {value}")))?);
                encoded = Some(value);
            }
            Some(WebhookAuth::OAuth2(credentials)) => {
                let secret = read(&credentials.client_secret)?;
                token = Some(TokenSource::new(credentials, &secret, webhook)?);
            }
            None => {}
        }
        let client_key = webhook.client.as_ref().map(|(_, key)| read(key)).transpose()?;
        if let Some(password) = webhook.egress.proxy.as_ref().and_then(|proxy| proxy.password.as_ref()) {
            read(password)?;
        }
        secrets.extend(encoded);
        Ok(Self {
            name: name.to_owned(),
            client: client::build(webhook, client_key)?,
            address: format!("{host}:{}", url.port_or_known_default().unwrap_or_default()),
            url,
            headers,
            keys,
            token,
            secrets,
            rate: webhook.per_minute.and_then(NonZeroU32::new).map(rate_limiter),
            in_flight: Semaphore::new(webhook.in_flight),
            connections: Connections::new(webhook.in_flight),
            material,
            webhook: webhook.clone(),
        })
    }

    /// Returns true if the webhook was opened for these settings, and its secrets and certificates are unchanged. Blocks
    /// while files are read.
    ///
    /// # Errors
    /// `Rejected`: a secret or certificate can no longer be read.
    pub fn is_current(&self, webhook: &Arc<Webhook>) -> Result<bool, Verdict> {
        Ok(Arc::ptr_eq(&self.webhook, webhook) && self.material == material(webhook)?)
    }

    /// Returns true if `other` was opened for the same settings and secrets.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.webhook, &other.webhook) && self.material == other.material
    }

    /// Returns true while the settings or a run still refer to this webhook.
    pub fn is_configured(&self) -> bool {
        Arc::strong_count(&self.webhook) > 1
    }

    /// Returns the token, with OAuth2; another one than `stale`, which the receiver refused.
    async fn bearer(&self, stale: Option<&Bearer>) -> Result<Option<Bearer>, WebhookError> {
        match &self.token {
            Some(token) => token.bearer(&self.client, stale).await.map(Some),
            None => Ok(None),
        }
    }

    /// Waits until another request may be sent. It counts as in flight until the permit is dropped.
    async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        if let Some(rate) = &self.rate {
            rate.until_ready().await;
        }
        self.in_flight.acquire().await.ok() // never closed
    }
}

/// A bucket that refills while it is emptied lets twice as many through in the first minute; so its burst is a tenth.
fn rate_limiter(per_minute: NonZeroU32) -> DefaultDirectRateLimiter {
    let burst = NonZeroU32::new(per_minute.get().div_ceil(10)).unwrap_or(NonZeroU32::MIN);
    let refill = NonZeroU32::new(per_minute.get() - burst.get()).unwrap_or(NonZeroU32::MIN);
    RateLimiter::direct(Quota::per_minute(refill).allow_burst(burst))
}

/// Reads everything that the settings refer to, to detect changes.
fn material(webhook: &Webhook) -> Result<Vec<Vec<u8>>, Verdict> {
    let mut all = Vec::new();
    for secret in webhook.all_secrets() {
        let secret = secret.read().map_err(|error| rejected(error.to_string()))?;
        all.push(secret.expose().as_bytes().to_vec());
    }
    for path in webhook.egress.ca.iter().chain(webhook.client.as_ref().map(|(cert, _)| cert)) {
        all.push(http::pem(path).map_err(|error| rejected(error.to_string()))?);
    }
    Ok(all)
}

fn confidential(value: &Secret) -> Result<HeaderValue, Verdict> {
    let mut value: HeaderValue =
        value.expose().parse().map_err(|_| rejected("a secret has characters that a header must not have"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn rejected(reason: impl Into<String>) -> Verdict {
    Verdict::Rejected { reason: reason.into(), hint: None }
}
