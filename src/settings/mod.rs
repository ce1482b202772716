//! `reportferry.yaml` and the environment → `Settings`; the only place that reads the environment.

/// Addresses and fingerprints.
mod address;
/// Who is told of what.
mod alerts;
/// Settings as written → settings as used.
mod check;
/// Where artifacts may go.
mod destination;
/// What may be written in the settings file.
pub mod file;
/// Variables with our prefix that others set.
mod foreign;
/// Defaults ← file ← environment ← flags.
mod layers;
/// How an SSH server is reached.
mod reach;
/// Where secrets are read.
mod secrets;
/// Receivers of POST requests.
mod webhook;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::attempt::Backoff;
use crate::deliver::sftp::{KeyProblem, NO_PASSPHRASE, NOT_TEXT, PrivateKey};
use crate::pipeline::problem::{self, Problem};
use crate::pipeline::tree::Origin;
use crate::pipeline::{open, texts, tree};
use crate::secret::Secret;

pub use address::fingerprint;
pub use alerts::{AlertKind, Alerts, Channel, Email, MailTls};
pub use destination::{
    Destination, DestinationKind, Local, ModifiedTime, Patience, Pickup, Publish, Sftp, SftpTimeouts, Verify,
};
pub use reach::{Agent, AgentSocket, Algorithms, Proxy, ProxyKind};
pub use secrets::SecretError;
pub use webhook::{AllowAddresses, Compress, WebProxy, Webhook, WebhookAuth, WebhookBody};

/// The settings file, where none is named.
pub const FILE: &str = "reportferry.yaml";

/// What holds where nothing is said, and the manual.
pub const DEFAULTS: &str = include_str!("defaults.yaml");

const FILE_LAYER: &str = "settings file";

/// The worker's settings, checked and complete. Paths are resolved against the settings file's directory.
pub struct Settings {
    /// The settings file as it was named; `None` where there was none.
    pub file: Option<PathBuf>,
    pub pipelines: PathBuf,
    /// Ledger and spool.
    pub data: PathBuf,
    /// `sqlite:PATH` or `postgres://…`.
    pub ledger: PathBuf,
    /// Health, metrics and dashboard.
    pub http: Option<SocketAddr>,
    pub tenants: BTreeMap<String, Arc<Tenant>>,
    pub destinations: BTreeMap<String, Arc<Destination>>,
    /// Secrets that expressions may name.
    pub secrets: BTreeMap<String, SecretRef>,
    /// Private keys of destinations: where each is named, where it is, and whether it has a passphrase.
    keys: Vec<(Origin, SecretRef, bool)>,
    pub work: Work,
    pub keep: Keep,
    pub alerts: Alerts,
    pub limits: Limits,
    pub log: Log,
    /// Fault rules, for tests.
    pub fault: Option<String>,
}

impl Settings {
    /// What is wrong with the private keys that destinations name, as far as it shows without a server. A key that cannot
    /// be read here may be readable where the worker runs.
    pub fn key_problems(&self) -> Vec<Problem> {
        let problem = |(origin, key, has_passphrase): &(Origin, SecretRef, bool)| {
            let wrong = |what: &str, fix: String| Some(origin.error(format!("the private key {what}")).hint(fix));
            let text = match key.read() {
                Ok(text) => text,
                Err(SecretError::FileNotText(_)) => return wrong("is not text", NOT_TEXT.to_owned()),
                Err(_) => return None,
            };
            match PrivateKey::read(text.expose()) {
                Err(KeyProblem { what, fix }) => wrong(&what, fix),
                Ok(key) if key.encrypted && !has_passphrase => {
                    wrong("is encrypted and there is no passphrase", NO_PASSPHRASE.to_owned())
                }
                Ok(_) => None,
            }
        };
        self.keys.iter().filter_map(problem).collect()
    }

    /// Reads the settings file (where none is named, `reportferry.yaml`, which may be absent), the environment and the
    /// flags (key path and value: `tenants.acme.username`). With the settings come warnings; without, every problem.
    pub fn load(file: Option<&Path>, flags: &[(String, String)]) -> Result<(Settings, Vec<Problem>), Vec<Problem>> {
        let mut variables = Vec::new();
        for (name, text) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match text.into_string() {
                Ok(text) => variables.push((name, text)),
                Err(_) if name.starts_with(layers::PREFIX) => {
                    let what = format!("the environment variable {name} does not hold text");
                    return Err(vec![Problem::error(None, what).hint("set it to text in UTF-8, or unset it")]);
                }
                Err(_) => {}
            }
        }
        Self::load_with(file, flags, variables.into_iter())
    }

    /// As [`Settings::load`], with an environment of one's own.
    pub fn load_with(
        file: Option<&Path>,
        flags: &[(String, String)],
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(Settings, Vec<Problem>), Vec<Problem>> {
        let path = Arc::new(file.unwrap_or(Path::new(FILE)).to_path_buf());
        let mut problems = Vec::new();
        let (defaults, wrong) = tree::parse(&Arc::new(PathBuf::from("defaults.yaml")), DEFAULTS);
        problems.extend(wrong);
        let said = match file.is_some() || path.exists() {
            true => open::text(&path).map_err(|problem| vec![problem.hint("`reportferry init` writes one")])?,
            false => String::new(),
        };
        let (written, wrong) = tree::parse(&path, &said);
        problems.extend(wrong);
        let (Some(defaults), Some(written)) = (defaults, written) else { return Err(problems) };
        if !matches!(written.kind, tree::Kind::Table(_) | tree::Kind::Null) {
            problems.push(written.error("a settings file is a table of keys"));
            return Err(problems);
        }
        let known = [&defaults, &written];
        let mut shape = Vec::new();
        texts::note_shape(texts::File::Settings, &said, &written, &mut shape);
        let environment = layers::environment(variables, &known, &mut problems);
        let flags = layers::flags(flags, &known, &mut problems);
        let (defaults, written) =
            (layers::Layer { name: "defaults", node: defaults }, layers::Layer { name: FILE_LAYER, node: written });
        let merged = layers::merge(vec![defaults, written, environment, flags]).map_err(|problem| vec![problem])?;
        let named = (file.is_some() || path.exists()).then(|| path.to_path_buf());
        let settings = check::settings(named, &merged, &mut problems);
        problems.extend(shape);
        texts::note(texts::File::Settings, &said, &merged, &mut problems);
        problem::sort(&mut problems);
        match settings {
            Some(settings) if !problem::any_error(&problems) => Ok((settings, problems)),
            _ => Err(problems),
        }
    }

    /// These settings in the place of `old` ones that are in use: what cannot be changed while working stays as it was.
    /// With them come the keys that would have changed.
    pub fn renewing(mut self, old: &Settings) -> (Settings, Vec<&'static str>) {
        fn keep<T: PartialEq + Clone>(new: &mut T, old: &T) -> bool {
            let changed = new != old;
            *new = old.clone();
            changed
        }
        let kept = [
            ("pipelines", keep(&mut self.pipelines, &old.pipelines)),
            ("data", keep(&mut self.data, &old.data)),
            ("ledger", keep(&mut self.ledger, &old.ledger)),
            ("http", keep(&mut self.http, &old.http)),
            ("work", keep(&mut self.work, &old.work)),
            ("log", keep(&mut self.log, &old.log)),
            ("fault", keep(&mut self.fault, &old.fault)),
        ];
        (self, kept.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect())
    }

    /// The folder that relative paths stand in: the settings file's.
    pub fn folder(&self) -> PathBuf {
        folder_of(self.file.as_deref())
    }
}

/// Whether the person at the terminal wants colours (<https://no-color.org>).
#[allow(clippy::disallowed_methods)] // the one place
pub fn wants_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Who is signed in, as far as the environment says.
#[allow(clippy::disallowed_methods)] // the one place
pub fn login() -> String {
    let name =
        ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    name.unwrap_or_else(|| "a person".to_owned())
}

fn folder_of(file: Option<&Path>) -> PathBuf {
    file.and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default()
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

/// What the worker does at once, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Runs that extract or shape at once.
    pub runs: usize,
    /// Attempts at deliveries at once.
    pub deliveries: usize,
    /// Extracts of one tenant at once.
    pub per_tenant: usize,
    /// Attempts at one destination at once, unless it says itself how many ([`Destination::requests`], [`Destination::sessions`]).
    pub per_destination: usize,
    /// How long what is running may go on after it was asked to stop.
    pub grace: Duration,
    pub deadlines: Deadlines,
}

/// How long what has come to its end is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Runs in the ledger, with their receipts.
    pub runs: Duration,
    /// Artifacts in the spool: for as long, the same bytes can be sent again.
    pub artifacts: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Self { runs: days(90), artifacts: days(30) }
    }
}

/// A stage that takes longer is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    pub extract: Duration,
    pub shape: Duration,
    /// One attempt at a delivery.
    pub attempt: Duration,
}

impl Default for Work {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self {
            runs: 8,
            deliveries: 8,
            per_tenant: 2,
            per_destination: 2,
            grace: Duration::from_secs(30),
            deadlines: Deadlines { extract: hours(6), shape: hours(2), attempt: hours(6) },
        }
    }
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
