//! `reportferry.yaml` and the environment → `Settings`. The only module that reads the environment.

/// Addresses and fingerprints.
mod address;
/// Alerts.
mod alerts;
/// Settings as configured → settings as used.
mod check;
/// Destinations of artifacts.
mod destination;
/// The way of HTTP clients to their servers.
mod egress;
/// The contents of the settings file.
pub mod file;
/// Environment variables of other programs with the prefix.
mod foreign;
/// Defaults ← file ← environment ← flags.
mod layers;
/// The ledger's database.
mod ledger;
/// Tokens of OAuth2 clients.
mod oauth2;
/// Private OpenPGP keys.
mod openpgp;
/// Connections to SSH servers.
mod reach;
/// References to secrets.
mod secrets;
/// Tenants.
mod tenant;
/// The uses of texts in the settings.
mod texts;
/// Receivers of POST requests.
mod webhook;
/// Limits, deadlines and retention.
mod work;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::attempt::Backoff;
use crate::disk;
use crate::secret::Secret;
use crate::ssh::{KeyProblem, NO_PASSPHRASE, NOT_TEXT, PrivateKey};
use crate::yaml;
use crate::yaml::problem::Problem;
use crate::yaml::scalars::{Length, Whole};
use crate::yaml::tree::Origin;
use crate::yaml::{open, parse, problem, tree};
use address::Filter;

pub use crate::telemetry::LogFormat;
pub use address::fingerprint;
pub use alerts::{AlertAfter, AlertKind, Alerts, Channel, Email, HttpChannel, MailTls, PipelineAlertsFile};
pub use destination::{
    Destination, DestinationKind, Local, ModifiedTime, Pickup, PickupDeadline, Publish, Sftp, SftpTimeouts, Verify,
};
pub use egress::{Egress, WebProxy};
pub use ledger::{LedgerSettings, PostgresSettings, PostgresTls};
pub use oauth2::{ClientAuth, ClientCredentials};
pub use openpgp::{OpenPgpKey, SigningKeyError};
pub use reach::{CredentialError, Proxy};
pub use secrets::{CommandProblem, SecretCommand, SecretError, read_blocking};
pub use tenant::{AllowedLevel, Grant, GrantKind, ScopeList, Tenant};
pub use texts::variable;
pub use webhook::{Compress, Webhook, WebhookAuth, WebhookBody};
pub use work::{Deadlines, Keep, Limits, WorkLimits};

/// The prefix of environment variables.
const PREFIX: &str = "REPORTFERRY_";

/// The default settings file.
pub const FILE: &str = "reportferry.yaml";

/// The defaults and the manual.
pub const DEFAULTS: &str = include_str!("defaults.yaml");

/// The worker's settings, checked and complete. Paths are resolved against the settings file's directory.
pub struct Settings {
    /// The settings file as given; `None` if there is none.
    pub file: Option<PathBuf>,
    pub pipelines: PathBuf,
    /// Ledger and spool.
    pub data: PathBuf,
    pub ledger: LedgerSettings,
    /// Health, metrics and dashboard.
    pub http: Option<SocketAddr>,
    pub tenants: BTreeMap<String, Arc<Tenant>>,
    pub destinations: BTreeMap<String, Arc<Destination>>,
    pub secrets: BTreeMap<String, SecretRef>,
    /// Keys that sign artifacts.
    pub openpgp_keys: BTreeMap<String, Arc<OpenPgpKey>>,
    /// Private keys of destinations: their origin, their source, and true if there is a passphrase.
    keys: Vec<(Origin, SecretRef, bool)>,
    /// All secrets that are read from elsewhere, with the origins of their keys.
    named_secrets: Vec<(Origin, SecretRef)>,
    /// Warnings are problems.
    pub strict: bool,
    pub work: WorkLimits,
    pub keep: Keep,
    pub alerts: Alerts,
    pub limits: Limits,
    pub log: Log,
}

/// The outcome of reading one secret. Has nothing of its text.
pub struct TriedSecret {
    /// Its key in the settings.
    pub key: String,
    pub place: String,
    pub problem: Option<Problem>,
}

impl Settings {
    /// Reads each secret and runs each secret's command, to see whether this process can. Blocks.
    pub fn try_secrets(&self) -> Vec<TriedSecret> {
        let tried = |(origin, secret): &(Origin, SecretRef)| {
            let problem = secret.read().err().map(|error| {
                let hint = match secret {
                    SecretRef::Env(name) => format!("set {name} where the worker runs, and run this there"),
                    _ => "run this where the worker runs, as its account".to_owned(),
                };
                origin.error(error.to_string()).hint(hint)
            });
            TriedSecret { key: origin.key().to_owned(), place: secret.place(), problem }
        };
        self.named_secrets.iter().map(tried).collect()
    }

    /// Returns the problems of the destinations' private keys that can be found without a server. A key that cannot be
    /// read here may be readable for the worker.
    pub fn key_problems(&self) -> Vec<Problem> {
        let problem = |(origin, key, has_passphrase): &(Origin, SecretRef, bool)| {
            let wrong = |what: &str, fix: String| Some(origin.error(format!("the private key {what}")).hint(fix));
            if matches!(key, SecretRef::Command(_)) {
                return None; // commands run for deliveries only
            }
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

    /// Returns a warning for each file with a secret that other accounts can read.
    pub fn exposed_secrets(&self) -> Vec<Problem> {
        let exposed = self.named_secrets.iter().filter_map(|(origin, secret)| {
            let SecretRef::File(path) = secret else { return None };
            let to = disk::exposed_to(path)?;
            let what = format!("{} has a secret, and {to} may read it", path.display());
            Some(origin.warning(what).hint(format!("`chmod 600 {}`", path.display())))
        });
        exposed.collect()
    }

    /// Loads the settings file (by default `reportferry.yaml`, which may be missing), the environment and the flags
    /// (key path and value: `tenants.acme.username`). Returns the settings with warnings, or every problem.
    pub fn load(file: Option<&Path>, flags: &[(String, String)]) -> Result<(Settings, Vec<Problem>), Vec<Problem>> {
        let mut variables = Vec::new();
        for (name, text) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            match text.into_string() {
                Ok(text) => variables.push((name, text)),
                Err(_) if name.starts_with(PREFIX) => {
                    let what = format!("the environment variable {name} is not text");
                    return Err(vec![Problem::error(None, what).hint("set it to text in UTF-8, or unset it")]);
                }
                Err(_) => {}
            }
        }
        Self::load_with(file, flags, variables.into_iter())
    }

    /// Loads as [`Settings::load`], with the given environment.
    pub fn load_with(
        file: Option<&Path>,
        flags: &[(String, String)],
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(Settings, Vec<Problem>), Vec<Problem>> {
        let path = Arc::new(file.unwrap_or(Path::new(FILE)).to_path_buf());
        let mut problems = Vec::new();
        let (defaults, wrong) = parse::document(&Arc::new(PathBuf::from("defaults.yaml")), DEFAULTS);
        problems.extend(wrong);
        // One that cannot be looked at is not absent.
        let is_absent = matches!(path.try_exists(), Ok(false));
        let text = match (file, is_absent) {
            (None, true) => String::new(),
            (Some(_), true) => {
                open::text(&path).map_err(|problem| vec![problem.hint("`reportferry init` writes one")])?
            }
            (_, false) => open::text(&path).map_err(|problem| vec![problem])?,
        };
        let (written, wrong) = parse::document(&path, &text);
        problems.extend(wrong);
        let (Some(defaults), Some(written)) = (defaults, written) else { return Err(problems) };
        if !matches!(written.kind, tree::NodeKind::Table(_) | tree::NodeKind::Null) {
            problems.push(written.error("a settings file is a table of keys"));
            return Err(problems);
        }
        let known = [&defaults, &written];
        let mut split = Vec::new();
        yaml::texts::check_split(texts::RULES, &text, &written, &mut split);
        let environment = layers::environment(variables, &known, &mut problems);
        let flags = layers::flags(flags, &known, &mut problems);
        let layer = |name, node| layers::Layer { name, node };
        let layers = [
            layer("defaults", defaults),
            layer(layers::FILE_LAYER, written),
            layer("environment", environment),
            layer("flags", flags),
        ];
        let merged = layers::merge(&layers).map_err(|problem| vec![problem])?;
        let named = (file.is_some() || !is_absent).then(|| path.to_path_buf());
        let settings = check::settings(named, &merged, &mut problems);
        problems.extend(split);
        yaml::texts::check(texts::RULES, &text, &merged, &mut problems);
        problem::sort(&mut problems);
        match settings {
            Some(settings) if !problem::any_error(&problems) => Ok((settings, problems)),
            _ => Err(problems),
        }
    }

    /// Returns these settings as a replacement of the `old` ones in use: keys that cannot change in a running worker
    /// keep their values, and are returned if they would have changed.
    pub fn replacing(mut self, old: &Settings) -> (Settings, Vec<&'static str>) {
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
        ];
        (self, kept.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect())
    }

    /// Returns the folder against which relative paths are resolved: the settings file's.
    pub fn folder(&self) -> PathBuf {
        folder_of(self.file.as_deref())
    }
}

/// Returns true if the terminal's user wants colours (<https://no-color.org>).
#[allow(clippy::disallowed_methods)] // the one place
pub fn wants_color() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Returns the login name for the audit record of a decision: from the environment, else of the process's account.
#[allow(clippy::disallowed_methods)] // the one place
pub fn login() -> String {
    let name =
        ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    name.unwrap_or_else(account)
}

/// Returns the zone in which people see times, and its name: that of `TZ`, else the machine's, else UTC.
pub fn local_zone() -> (TimeZone, String) {
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    let name = zone.iana_name().map_or_else(|| "local time".to_owned(), str::to_owned);
    (zone, name)
}

/// Returns the name of the process's account, or its number if it has no name, as in many containers.
fn account() -> String {
    use std::os::unix::fs::MetadataExt;
    let Ok(process) = std::fs::metadata("/proc/self") else { return "unknown".to_owned() };
    let uid = process.uid().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("uid {uid}"))
}

/// The variable that enables injected faults.
#[cfg(feature = "fault-injection")]
const FAULTS: &str = "REPORTFERRY_FAULT";

/// Returns the rules of the faults to inject, for [`crate::fault::arm`].
#[cfg(feature = "fault-injection")]
#[allow(clippy::disallowed_methods)] // the one place
pub fn fault_rules() -> Option<String> {
    std::env::var(FAULTS).ok()
}

/// Returns the path without links, also of a folder that does not exist yet; `None` if it cannot be known.
pub fn real_path(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let (ancestor, real) = path.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)))?;
    let rest = path.strip_prefix(ancestor).ok()?;
    let is_plain = rest.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    // Joined part by part, without a slash at the end.
    is_plain.then(|| rest.components().fold(real, |path, part| path.join(part)))
}

fn folder_of(file: Option<&Path>) -> PathBuf {
    file.and_then(Path::parent).map(Path::to_path_buf).unwrap_or_default()
}

/// The location of a secret. It is read when needed, never stored in a plan.
#[derive(Clone)]
pub enum SecretRef {
    Env(String),
    /// One trailing newline is dropped.
    File(PathBuf),
    /// What a command prints; its result is kept for a while.
    Command(Arc<SecretCommand>),
    /// Written out in the settings file: allowed, with a warning from `check`.
    Literal(Secret),
}

crate::options! {
    pub struct Log {
        /// Default: human.
        format: LogFormat as LogFormat = LogFormat::Human,
        /// Levels by module: `info,reportferry=debug`. Default: info.
        filter: String as Filter = "info".to_owned(),
    }
}

crate::options! {
    pub struct Budget: Copy {
        /// Default: 60.
        per_minute: u32 as Whole<1, 1_000_000> = 60,
        /// Default: 800.
        per_hour: u32 as Whole<1, 1_000_000> = 800,
        /// Requests in flight. Default: 1.
        in_flight: u32 as Whole<1, 64> = 1,
    }
}

crate::options! {
    pub struct HttpTimeouts: Copy {
        /// Default: 10s.
        connect: Duration as Length = Duration::from_secs(10),
        /// The longest time without a byte. Default: 60s.
        idle: Duration as Length = Duration::from_secs(60),
    }
}
