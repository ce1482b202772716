//! Webhook destinations, as configured and as used.

use std::path::PathBuf;
use std::time::Duration;

use super::SecretRef;
use super::egress::{AddressWord, Egress, WebProxyFile};
use super::oauth2::{ClientCredentials, ClientCredentialsFile};
use super::secrets::SecretFile;
use crate::http::address_guard::AllowAddresses;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Named, OneOrMore};
use crate::yaml::scalars::{Length, Size, Whole};
use crate::yaml::tree::{Node, NodeKind};

pub struct Webhook {
    /// Scheme, host, path and query. Secrets belong in `auth` or `headers`.
    pub url: String,
    /// `whsec_…` and `whsk_…`: each signs every request (Standard Webhooks); several during a rotation.
    pub secrets: Vec<SecretRef>,
    pub body: WebhookBody,
    pub auth: Option<WebhookAuth>,
    pub headers: Vec<(String, SecretRef)>,
    pub egress: Egress,
    /// The client's certificate (PEM) and its key.
    pub client: Option<(PathBuf, SecretRef)>,
    /// Statuses that mean "busy, try again" at this receiver, besides 408, 425, 429 and 5xx.
    pub retry_statuses: Vec<u16>,
    pub compress: Compress,
    /// Requests per minute, over all runs of the process.
    pub per_minute: Option<u32>,
    /// Requests in flight, over all runs of the process.
    pub in_flight: usize,
    pub connect: Duration,
    /// The longest request with its response; for a file, the longest time without progress.
    pub total: Duration,
    pub allow: AllowAddresses,
    /// True if the settings define what requests carry, so that a pipeline must not.
    pub has_body: bool,
}

impl Webhook {
    /// Returns true if the receiver can verify the sender: by a signature, an account or a token.
    pub fn is_authenticated(&self) -> bool {
        !self.secrets.is_empty() || self.auth.is_some() || !self.headers.is_empty() || self.client.is_some()
    }

    /// Returns the secrets of requests and connections.
    pub fn all_secrets(&self) -> impl Iterator<Item = &SecretRef> {
        let auth = match &self.auth {
            Some(WebhookAuth::Bearer(secret) | WebhookAuth::Basic { password: secret, .. }) => Some(secret),
            Some(WebhookAuth::OAuth2(credentials)) => Some(&credentials.client_secret),
            None => None,
        };
        let headers = self.headers.iter().map(|(_, secret)| secret);
        let client = self.client.as_ref().map(|(_, key)| key);
        self.secrets.iter().chain(auth).chain(headers).chain(client).chain(self.egress.secret())
    }
}

/// The content of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookBody {
    /// The rows as JSON, in batches of at most this many rows and about this many bytes.
    Rows { rows: usize, bytes: usize },
    /// The artifact itself.
    File,
    /// A notice that there is an artifact, with its location.
    Notice,
}

pub enum WebhookAuth {
    Bearer(SecretRef),
    Basic {
        username: String,
        password: SecretRef,
    },
    /// A token that is fetched and renewed.
    OAuth2(Box<ClientCredentials>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    None,
    Gzip,
    Zstd,
}

crate::table! {
    /// A receiver of POST requests, signed by Standard Webhooks.
    pub struct WebhookFile {
        /// `https://bi.example/hooks/learning`.
        url: At<String>,
        /// `whsec_…`, base64 of 24 to 64 bytes; or `whsk_…` for ed25519. A list during a rotation.
        secret: Option<Secrets>,
        /// Rows as JSON in batches, the file itself, or a notice. Default: rows.
        body: Option<At<BodyWord>>,
        /// The size of one request, with `body: rows`.
        batch: Option<Batch>,
        /// A token for `Authorization: Bearer`.
        bearer: Option<SecretFile>,
        /// `Authorization: Basic`.
        basic: Option<At<BasicFile>>,
        /// Other headers, with secrets as their values.
        headers: Option<Named<SecretFile>>,
        /// Certificates (PEM) that replace the system's.
        ca: Option<String>,
        /// The client certificate (PEM) and its key, if the receiver requires one.
        client: Option<ClientFile>,
        proxy: Option<WebProxyFile>,
        /// Default: none.
        compress: Option<Compress>,
        /// Requests per minute. Default: unlimited.
        per_minute: Option<Whole<1, 1_000_000>>,
        /// Requests of one delivery in flight. Default: 4.
        in_flight: Option<Whole<1, 64>>,
        /// Statuses that are retried, besides 408, 425, 429 and 5xx: 400 to 599, but not 410. Default: none.
        retry_statuses: Option<OneOrMore<At<Whole<0, 999>>>>,
        timeouts: Option<WebTimeouts>,
        /// Addresses that are allowed although they are refused by default: private, loopback, link_local.
        allow: Option<OneOrMore<AddressWord>>,
        /// Accept plain http beyond loopback. Default: false.
        insecure: Option<bool>,
        /// A token for `Authorization: Bearer`, fetched with OAuth2 client credentials.
        oauth2: Option<At<ClientCredentialsFile>>,
    }
}

crate::table! {
    pub struct BasicFile {
        username: String,
        password: SecretFile,
    }
}

crate::table! {
    pub struct ClientFile {
        /// A PEM file with the client certificate first, then the chain to its authority.
        cert: At<String>,
        key: SecretFile,
    }
}

crate::options! {
    pub struct Batch: Copy {
        /// Default: 1000.
        rows: usize as Whole<1, 1_000_000> = 1_000,
        /// Default: 1MiB.
        bytes: usize as Size = 1 << 20,
    }
}

crate::options! {
    pub struct WebTimeouts: Copy {
        /// Default: 10s.
        connect: Duration as Length = Duration::from_secs(10),
        /// The longest request with its response; for a file, the longest time without progress. Default: 60s.
        total: Duration as Length = Duration::from_secs(60),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyWord {
    Rows,
    File,
    Notice,
}

crate::words!(BodyWord { "rows" => BodyWord::Rows, "file" => BodyWord::File, "notice" => BodyWord::Notice });
crate::words!(Compress { "none" => Compress::None, "gzip" => Compress::Gzip, "zstd" => Compress::Zstd });

/// One secret, or several.
pub struct Secrets(pub Vec<SecretFile>);

impl FromNode for Secrets {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.kind {
            NodeKind::List(items) => {
                let read = items.iter().map(|item| SecretFile::from_node(item, problems)).collect::<Vec<_>>();
                read.into_iter().collect::<Option<Vec<_>>>().map(Self)
            }
            _ => SecretFile::from_node(node, problems).map(|secret| Self(vec![secret])),
        }
    }
}

crate::schema_as!(Secrets, |generator| {
    let one = generator.subschema_for::<SecretFile>();
    schemars::json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
});
