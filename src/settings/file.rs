//! What may be written in the settings file. Names and comments here are the editor's schema too.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{LogFormat, Publish, SecretRef, Verify};
use crate::pipeline::problem::Problem;
use crate::pipeline::read::{At, FromNode, Named, Part, scalar, table};
use crate::pipeline::scalars::{Length, Size, Whole};
use crate::pipeline::tree::{Kind, Node, Origin};
use crate::secret::Secret;

crate::table! {
    /// The worker's settings. Any key can also be set by the environment: REPORTFERRY_TENANTS__ACME__USERNAME.
    pub struct SettingsFile {
        /// The folder of pipeline files. Default: pipelines.
        #[schemars(with = "Option<String>")]
        pipelines: Part<String>,
        /// Ledger and spool. Default: data.
        #[schemars(with = "Option<String>")]
        data: Part<String>,
        /// `sqlite:PATH`. Default: `ledger.db` in the data folder.
        ledger: Option<Part<At<String>>>,
        /// The address of health, metrics and dashboard: `127.0.0.1:8080`. Default: no listener.
        #[schemars(with = "Option<String>")]
        http: Option<Part<At<Listen>>>,
        /// Docebo platforms and the accounts used on them, by name.
        tenants: Option<Part<Named<Part<TenantFile>>>>,
        /// Places that artifacts go to, by name.
        destinations: Option<Part<Named<Part<DestinationFile>>>>,
        /// Secrets that expressions may name.
        secrets: Option<Part<Named<Part<SecretFile>>>>,
        #[schemars(with = "Option<LimitsFile>")]
        limits: Part<LimitsFile>,
        #[schemars(with = "Option<LogFile>")]
        log: Part<LogFile>,
        #[schemars(skip)]
        fault: Option<Part<String>>,
    }
}

crate::table! {
    /// One Docebo platform and the account used on it.
    pub struct TenantFile {
        /// Scheme and host, without a path: `https://acme.docebosaas.com`.
        #[schemars(with = "String")]
        docebo: Part<At<Address>>,
        /// The OAuth2 app's client id.
        client_id: String,
        client_secret: SecretFile,
        /// A Power User with report permissions only.
        username: String,
        password: SecretFile,
        /// Requests, for all pipelines of the tenant.
        budget: Option<BudgetFile>,
        /// How an export's status is asked for.
        poll: Option<At<BackoffFile>>,
        timeouts: Option<HttpTimeoutsFile>,
        /// Attempts for one request that is safe to repeat.
        retry: Option<At<BackoffFile>>,
        /// Accept an account that is, or may be, a Superadmin. Default: false.
        allow_superadmin: Option<bool>,
        /// Accept plain http beyond loopback. Default: false.
        insecure: Option<bool>,
    }
}

crate::table! {
    pub struct BudgetFile {
        /// Default: 60.
        per_minute: Option<Whole<1, 1_000_000>>,
        /// Default: 800.
        per_hour: Option<Whole<1, 1_000_000>>,
        /// Requests under way. Default: 1.
        in_flight: Option<Whole<1, 64>>,
    }
}

crate::table! {
    /// Waits that grow from `first` to `max`, given up after `within`.
    pub struct BackoffFile {
        first: Option<Length>,
        max: Option<Length>,
        within: Option<Length>,
    }
}

crate::table! {
    pub struct HttpTimeoutsFile {
        /// Default: 10s.
        connect: Option<Length>,
        /// No byte for this long. Default: 60s.
        idle: Option<Length>,
    }
}

crate::table! {
    /// One place that artifacts go to: `sftp` or `local`.
    pub struct DestinationFile {
        /// A server's SFTP drop.
        sftp: Option<Part<SftpFile>>,
        /// A folder of this machine.
        local: Option<Part<LocalFile>>,
        /// When failed deliveries are tried again. Default: 1s doubling to 15m, for 24h.
        retry: Option<At<BackoffFile>>,
    }
}

crate::table! {
    pub struct SftpFile {
        #[schemars(with = "String")]
        host: Host,
        /// Default: 22.
        port: Option<Whole<1, 65_535>>,
        username: String,
        password: Option<SecretFile>,
        /// The private key's text, OpenSSH or PEM.
        key: Option<SecretFile>,
        passphrase: Option<SecretFile>,
        /// `SHA256:…` fingerprints, as `ssh-keyscan HOST | ssh-keygen -lf -` shows them.
        #[schemars(with = "Option<Vec<String>>")]
        host_keys: Option<Vec<Part<Fingerprint>>>,
        /// A known_hosts file.
        known_hosts: Option<String>,
        /// Deliveries stay below this directory. Default: where sign-in leads, and absolute paths are taken as they are.
        #[schemars(with = "Option<String>")]
        base: Option<Remote>,
        /// Where the temporary file is written, below the base. Default: beside the final name.
        #[schemars(with = "Option<String>")]
        staging: Option<Remote>,
        /// By a temporary name and rename, or straight to the final name. Default: rename.
        publish: Option<Publish>,
        /// By the size, or by reading the file back. Default: size.
        verify: Option<Verify>,
        /// Make directories that are not there. Default: false.
        mkdir: Option<bool>,
        /// Permissions to set: "0640".
        mode: Option<Mode>,
        /// Bytes of one write request. Default: 32000.
        write_bytes: Option<Whole<32_000, 255_000>>,
        /// Write requests under way. Default: 128.
        in_flight: Option<Whole<1, 1_024>>,
        timeouts: Option<SftpTimeoutsFile>,
    }
}

crate::table! {
    pub struct SftpTimeoutsFile {
        /// Default: 20s.
        connect: Option<Length>,
        /// No acknowledgement for this long. Default: 60s.
        idle: Option<Length>,
        /// A rename on an object store is a copy. Default: 10m.
        rename: Option<Length>,
    }
}

crate::table! {
    pub struct LocalFile {
        /// Deliveries stay below this directory.
        path: At<String>,
        /// Make directories that are not there. Default: false.
        mkdir: Option<bool>,
        /// Permissions to set: "0640".
        mode: Option<Mode>,
    }
}

crate::table! {
    /// What grows beyond a limit is refused.
    pub struct LimitsFile {
        /// Rows of one extract.
        rows: Option<Whole<1, { u64::MAX }>>,
        /// Bytes of one extract as it is downloaded.
        download_bytes: Option<Size>,
        /// Bytes of one extract when unpacked.
        extract_bytes: Option<Size>,
        /// Bytes of one CSV record.
        record_bytes: Option<Size>,
        /// Bytes of one JSON answer.
        answer_bytes: Option<Size>,
    }
}

crate::table! {
    pub struct LogFile {
        /// Default: human.
        format: Option<LogFormat>,
        /// Levels by module: `info,reportferry=debug`. Default: info.
        #[schemars(with = "Option<String>")]
        filter: Option<Filter>,
    }
}

crate::words!(LogFormat { "human" => LogFormat::Human, "json" => LogFormat::Json });
crate::words!(Publish { "rename" => Publish::Rename, "direct" => Publish::Direct });
crate::words!(Verify { "size" => Verify::Size, "read_back" => Verify::ReadBack });

macro_rules! parsed {
    ($(#[$meta:meta])* $Name:ident($Inner:ty), $expected:literal, $parse:expr) => {
        $(#[$meta])*
        pub struct $Name(pub $Inner);

        impl FromNode for $Name {
            fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
                let (text, _) = scalar(node, $expected, problems)?;
                $parse(text).map(Self).map_err(|(what, hint)| problems.push(node.error(what).hint(hint))).ok()
            }
        }
    };
}

parsed!(
    /// A platform's address, plain http among them still.
    Address(super::address::Base), "an address", super::address::base_of
);
parsed!(Host(String), "a server's name", super::address::host);
parsed!(Fingerprint(String), "a fingerprint", super::address::fingerprint);
parsed!(Listen(std::net::SocketAddr), "an address to listen on", super::address::listen);
parsed!(
    /// A directory on a server.
    Remote(String), "a directory", super::address::remote
);
parsed!(
    /// A `tracing` filter.
    Filter(String), "a log filter", super::address::log_filter
);

crate::table! {
    /// Where a secret's text is to be found.
    pub struct SecretPlace {
        /// An environment variable.
        env: Option<At<String>>,
        /// A file; one newline at its end is dropped.
        file: Option<At<String>>,
    }
}

/// A secret as it is written: `{env: NAME}`, `{file: PATH}`, or the text itself.
pub struct SecretFile {
    pub secret: SecretRef,
    pub origin: Origin,
}

impl FromNode for SecretFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        // The key is pointed at, never the text.
        let origin = node.named.clone().unwrap_or_else(|| node.origin.clone());
        let secret = match &node.kind {
            Kind::Scalar(scalar) if scalar.text.is_empty() => {
                problems.push(origin.error("this secret is empty").hint("write `{env: NAME}` or `{file: PATH}`"));
                return None;
            }
            Kind::Scalar(scalar) => SecretRef::Literal(Secret::new(scalar.text.clone())),
            Kind::Table(_) => place_of_secret(node, &origin, problems)?,
            _ => {
                let problem = origin.error("a secret is expected here");
                problems.push(problem.hint("write `{env: NAME}` or `{file: PATH}`"));
                return None;
            }
        };
        Some(SecretFile { secret, origin })
    }
}

fn place_of_secret(node: &Node, origin: &Origin, problems: &mut Vec<Problem>) -> Option<SecretRef> {
    let node = table(node, &["env", "file"], problems)?;
    let SecretPlace { env, file } = SecretPlace {
        env: Option::from_key(&node, "env", problems)?,
        file: Option::from_key(&node, "file", problems)?,
    };
    let named = env.iter().chain(&file).find(|named: &&At<String>| named.value.is_empty());
    if let Some(empty) = named {
        problems.push(empty.origin.error("a name is expected here"));
        return None;
    }
    match (env, file) {
        (Some(env), None) => Some(SecretRef::Env(env.value)),
        (None, Some(file)) => Some(SecretRef::File(file.value.into())),
        (Some(_), Some(file)) => {
            problems.push(file.origin.error("`env` and `file` cannot stand in one table").hint("keep one of them"));
            None
        }
        (None, None) => {
            let problem = origin.error("it is not said where this secret is to be found");
            problems.push(problem.hint("write `{env: NAME}` or `{file: PATH}`"));
            None
        }
    }
}

impl JsonSchema for SecretFile {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let place = generator.subschema_for::<SecretPlace>();
        json_schema!({"anyOf": [place, {"type": ["string", "number", "boolean"]}]})
    }
}

/// Permission bits in octal.
pub struct Mode(pub u32);

impl FromNode for Mode {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "permissions", problems)?;
        let digits = text.strip_prefix("0o").unwrap_or(text);
        let octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
        match u32::from_str_radix(digits, 8) {
            Ok(mode) if octal && mode <= 0o777 => Some(Mode(mode)),
            _ => {
                problems.push(
                    node.error(format!("{text:?} are not permissions"))
                        .hint("write them in octal, in quotes: `\"0640\"`"),
                );
                None
            }
        }
    }
}

impl JsonSchema for Mode {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Mode".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string", "pattern": "^(0o)?[0-7]{3,4}$"}, {"type": "integer"}]})
    }
}
