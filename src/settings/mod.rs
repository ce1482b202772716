//! `reportferry.yaml` and the environment → [`Settings`]; the only place that reads the environment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::attempt::Backoff;
use crate::secret::Secret;

/// The worker's settings, checked and complete. Paths are resolved against the settings file's directory.
pub struct Settings {
    /// The settings file as it was named; `None` where there was none.
    pub file: Option<PathBuf>,
    pub pipelines: PathBuf,
    /// Ledger and spool.
    pub data: PathBuf,
    /// `sqlite:PATH` or `postgres://…`.
    pub ledger: String,
    pub tenants: BTreeMap<String, Arc<Tenant>>,
    pub destinations: BTreeMap<String, Arc<Destination>>,
    /// Secrets that expressions may name.
    pub secrets: BTreeMap<String, SecretRef>,
    pub limits: Limits,
    pub log: Log,
    /// Fault rules, for tests.
    pub fault: Option<String>,
}

/// Where a secret's text is to be found. It is read when it is needed, never kept in a plan.
#[derive(Clone)]
pub enum SecretRef {
    Env(String),
    /// One trailing newline is dropped.
    File(PathBuf),
    /// Written out in the settings file: allowed, with a warning from `check`.
    Literal(Secret),
}

/// One Docebo platform and the account used on it.
pub struct Tenant {
    pub name: String,
    /// Scheme, host and port, without a path: `https://acme.docebosaas.com`.
    pub base: String,
    pub client_id: String,
    pub client_secret: SecretRef,
    pub username: String,
    pub password: SecretRef,
    pub budget: Budget,
    pub poll: Poll,
    /// Accept an account that is, or may be, a Superadmin.
    pub allow_superadmin: bool,
    /// Accept plain HTTP beyond loopback.
    pub insecure: bool,
    pub timeouts: HttpTimeouts,
    /// Attempts for one request that is safe to repeat.
    pub retry: Backoff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    pub per_minute: u32,
    pub per_hour: u32,
    pub in_flight: u32,
}

/// How an export's status is asked for: after `first`, then each wait half again as long, up to `max`, at most `within`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    pub first: Duration,
    pub max: Duration,
    pub within: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpTimeouts {
    pub connect: Duration,
    /// No byte received for this long.
    pub idle: Duration,
}

/// A named place that artifacts go to.
pub struct Destination {
    pub name: String,
    pub kind: DestinationKind,
    pub retry: Backoff,
}

pub enum DestinationKind {
    Sftp(Box<Sftp>),
    Local(Local),
}

pub struct Sftp {
    pub host: String,
    pub port: u16,
    pub username: String,
    pub password: Option<SecretRef>,
    /// The private key's text, OpenSSH or PEM.
    pub key: Option<SecretRef>,
    pub passphrase: Option<SecretRef>,
    /// `SHA256:…` fingerprints; at least one, or `known_hosts`.
    pub host_keys: Vec<String>,
    pub known_hosts: Option<PathBuf>,
    /// Deliveries stay below this directory.
    pub base: String,
    /// Where the temporary file is written: beside the final name, or in this directory below the base.
    pub staging: Option<String>,
    pub publish: Publish,
    pub verify: Verify,
    pub mkdir: bool,
    /// Permission bits to set, as `0o640`.
    pub mode: Option<u32>,
    /// Bytes of one write request: 32,000 to 255,000.
    pub write_bytes: u32,
    /// Write requests in flight; `write_bytes × in_flight` bounds the memory of a session.
    pub in_flight: u32,
    pub timeouts: SftpTimeouts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// Temporary name, then rename.
    Rename,
    /// Straight to the final name, for servers that forbid rename.
    Direct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The size, by stat.
    Size,
    /// Read the file back and compare its SHA-256.
    ReadBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SftpTimeouts {
    pub connect: Duration,
    /// No acknowledgement for this long ends the session.
    pub idle: Duration,
    /// A rename on an object store is a copy.
    pub rename: Duration,
}

pub struct Local {
    /// Deliveries stay below this directory.
    pub path: PathBuf,
    pub mkdir: bool,
    pub mode: Option<u32>,
}

/// Nothing is without a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of one extract.
    pub rows: u64,
    /// Bytes of one extract as downloaded.
    pub download_bytes: u64,
    /// Bytes of one extract when unpacked.
    pub extract_bytes: u64,
    /// Bytes of one CSV record.
    pub record_bytes: usize,
    /// Bytes of one JSON answer (a page of results).
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rows: 100_000_000,
            download_bytes: 20 << 30,
            extract_bytes: 100 << 30,
            record_bytes: 1 << 20,
            answer_bytes: 64 << 20,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum LogFormat {
    #[default]
    Human,
    Json,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub format: LogFormat,
    /// A `tracing` filter: `info`, `reportferry=debug`.
    pub filter: String,
}
