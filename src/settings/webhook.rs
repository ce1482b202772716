//! Webhook destinations, as the settings have them.

use std::path::PathBuf;
use std::time::Duration;

use super::SecretRef;

pub struct Webhook {
    /// Scheme, host, path and query. What is secret of it belongs into `auth` or `headers`.
    pub url: String,
    /// `whsec_…` and `whsk_…`: each signs every request (Standard Webhooks); several during a rotation.
    pub secrets: Vec<SecretRef>,
    pub body: WebhookBody,
    pub auth: Option<WebhookAuth>,
    pub headers: Vec<(String, SecretRef)>,
    /// Certificates (PEM) that are trusted in the place of the system's.
    pub ca: Option<PathBuf>,
    /// The client's certificate (PEM) and its key.
    pub client: Option<(PathBuf, SecretRef)>,
    pub proxy: Option<WebProxy>,
    /// Answers that mean "busy, try again" at this receiver, besides 408, 425, 429 and 5xx.
    pub retry_statuses: Vec<u16>,
    pub compress: Compress,
    /// Requests in any minute, over all runs of the process.
    pub per_minute: Option<u32>,
    /// Requests under way at once, over all runs of the process.
    pub in_flight: usize,
    pub connect: Duration,
    /// For a request and its answer; where a file is sent, for which it may stand still.
    pub total: Duration,
    pub allow: AllowAddresses,
}

impl Webhook {
    /// The secrets that requests or connections are made with.
    pub fn all_secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let auth = match &self.auth {
            Some(WebhookAuth::Bearer(secret) | WebhookAuth::Basic { password: secret, .. }) => Some(secret),
            None => None,
        };
        let headers = self.headers.iter().map(|(_, secret)| secret);
        let client = self.client.as_ref().map(|(_, key)| key);
        let proxy = self.proxy.as_ref().and_then(|proxy| proxy.password.as_ref());
        self.secrets.iter().chain(auth).chain(headers).chain(client).chain(proxy)
    }
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookBody {
    /// The rows as JSON, in batches of at most so many rows and about so many bytes.
    Rows { rows: usize, bytes: usize },
    /// The artifact itself.
    File,
    /// That there is an artifact, and where it lies.
    Notice,
}

pub enum WebhookAuth {
    Bearer(SecretRef),
    Basic { username: String, password: SecretRef },
}

/// A proxy that is asked to connect (RFC 9110, 9.3.6). It looks up the receiver's name.
pub struct WebProxy {
    /// `http://proxy.acme.example:3128`.
    pub url: String,
    pub username: Option<String>,
    pub password: Option<SecretRef>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    None,
    Gzip,
    Zstd,
}

/// Addresses that are refused unless they are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllowAddresses {
    pub private: bool,
    pub loopback: bool,
    pub link_local: bool,
}
