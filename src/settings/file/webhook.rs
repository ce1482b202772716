//! Webhook destinations, as they are written in the settings file.

use super::secret::SecretFile;
use crate::pipeline::problem::Problem;
use crate::pipeline::read::{At, FromNode, Named};
use crate::pipeline::scalars::{Length, Size, Whole};
use crate::pipeline::tree::{Kind, Node};
use crate::settings::Compress;

crate::table! {
    /// A receiver of POST requests, signed by Standard Webhooks.
    pub struct WebhookFile {
        /// `https://bi.example/hooks/learning`.
        url: At<String>,
        /// `whsec_…`, base64 of 24 to 64 bytes; or `whsk_…` for ed25519. A list during a rotation.
        secret: Option<Secrets>,
        /// Rows as JSON in batches, the file itself, or a notice. Default: rows.
        body: Option<At<BodyWord>>,
        /// How much one request carries, with `body: rows`.
        batch: Option<BatchFile>,
        /// A token for `Authorization: Bearer`.
        bearer: Option<SecretFile>,
        /// `Authorization: Basic`.
        basic: Option<At<BasicFile>>,
        /// Other headers, with secrets as their values.
        headers: Option<Named<SecretFile>>,
        /// Certificates (PEM) to trust in the place of the system's.
        ca: Option<String>,
        /// Our own certificate (PEM) and its key, where the receiver asks for one.
        client: Option<ClientFile>,
        proxy: Option<WebProxyFile>,
        /// Default: none.
        compress: Option<Compress>,
        /// Requests in any minute. Default: as many as it takes.
        per_minute: Option<Whole<1, 1_000_000>>,
        /// Requests of one delivery under way. Default: 4.
        in_flight: Option<Whole<1, 64>>,
        /// Answers that are tried again, besides 408, 425, 429 and 5xx: 400 to 599, but not 410. Default: none.
        retry_statuses: Option<Vec<At<Whole<0, 999>>>>,
        timeouts: Option<WebTimeoutsFile>,
        /// Addresses that are refused unless they stand here: private, loopback, link_local.
        allow: Option<Vec<AddressWord>>,
        /// Accept plain http beyond loopback. Default: false.
        insecure: Option<bool>,
    }
}

crate::table! {
    pub struct BatchFile {
        /// Default: 1000.
        rows: Option<Whole<1, 1_000_000>>,
        /// Default: 1MiB.
        bytes: Option<Size>,
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
        /// A file of PEM: our certificate first, then those that lead to its authority.
        cert: At<String>,
        key: SecretFile,
    }
}

crate::table! {
    pub struct WebProxyFile {
        /// `http://proxy.acme.example:3128`.
        url: At<String>,
        username: Option<String>,
        password: Option<SecretFile>,
    }
}

crate::table! {
    pub struct WebTimeoutsFile {
        /// Default: 10s.
        connect: Option<Length>,
        /// One request and its answer. Default: 60s.
        total: Option<Length>,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyWord {
    Rows,
    File,
    Notice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressWord {
    Private,
    Loopback,
    LinkLocal,
}

crate::words!(BodyWord { "rows" => BodyWord::Rows, "file" => BodyWord::File, "notice" => BodyWord::Notice });
crate::words!(AddressWord {
    "private" => AddressWord::Private, "loopback" => AddressWord::Loopback, "link_local" => AddressWord::LinkLocal,
});
crate::words!(Compress { "none" => Compress::None, "gzip" => Compress::Gzip, "zstd" => Compress::Zstd });

/// One secret, or several.
pub struct Secrets(pub Vec<SecretFile>);

impl FromNode for Secrets {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.kind {
            Kind::List(items) => {
                let read = items.iter().map(|item| SecretFile::from_node(item, problems)).collect::<Vec<_>>();
                read.into_iter().collect::<Option<Vec<_>>>().map(Self)
            }
            _ => SecretFile::from_node(node, problems).map(|secret| Self(vec![secret])),
        }
    }
}

impl schemars::JsonSchema for Secrets {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secrets".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<SecretFile>();
        schemars::json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}
