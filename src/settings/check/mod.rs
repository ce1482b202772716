//! The settings file → [`Settings`] with every default filled in, and every problem found.

/// Alerts.
mod alerts;
/// Destinations of artifacts.
mod destination;
/// The ledger's database.
mod ledger;
/// The pickup of delivered files.
mod pickup;
/// Connections to SSH servers.
mod reach;
/// Tenants.
mod tenant;
/// Receivers of POST requests.
mod webhook;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::address::Listen;
use super::file::{BackoffFile, SettingsFile};
use super::openpgp::OpenPgpKeyFile;
use super::secrets::SecretFile;
use super::*;
use crate::yaml::read::{At, FromNode, Lenient, Named};
use crate::yaml::scalars::Length;
use crate::yaml::tree::{Key, Node, Origin};

pub(super) fn settings(file: Option<PathBuf>, node: &Node, problems: &mut Vec<Problem>) -> Option<Settings> {
    let written = SettingsFile::from_node(node, problems)?;
    let folder = folder_of(file.as_deref());
    let data = written.data.0.map(|data| folder.join(data));
    let accepted = data.as_ref().map(|data| data.join(ACCEPTED));
    let commands = written.secret_commands.is_some_and(|allowed| secret_commands(&allowed, problems));
    let mut check =
        Check { folder: &folder, accepted, commands, keys: Vec::new(), named_secrets: Vec::new(), problems };
    let ledger = match written.ledger {
        Some(ledger) => ledger.0.and_then(|ledger| check.ledger(ledger.0)),
        None => data.as_ref().map(|data| LedgerSettings::Sqlite(data.join("ledger.db"))),
    };
    let http = written.http.and_then(|http| http.0).map(|http| check.listener(http));
    let tenants = check.named("tenant", written.tenants, Check::tenant);
    let destinations = check.named("destination", written.destinations, Check::destination);
    for name in destinations.keys().filter(|name| tenants.contains_key(*name)) {
        if let Some(twice) = node.get("destinations").and_then(|all| all.get(name)) {
            let problem = twice.error(format!("{name:?} is a tenant's name too"));
            check.problems.push(problem.hint("give one of them another name: `doctor` takes either"));
        }
    }
    let secrets = check.named("secret", written.secrets, |check, _, secret| Some(check.secret(secret)));
    let openpgp_keys = check.named("openpgp_key", written.openpgp_keys, Check::openpgp_key);
    let alerts = check.alerts(written.alerts.and_then(|alerts| alerts.0));
    let (keys, named_secrets) = (check.keys, check.named_secrets);
    Some(Settings {
        keys,
        named_secrets,
        pipelines: folder.join(written.pipelines.0?),
        data: data?,
        strict: written.strict.unwrap_or(false),
        ledger: ledger?,
        http,
        tenants: tenants.into_iter().map(|(name, tenant)| (name, Arc::new(tenant))).collect(),
        destinations: destinations.into_iter().map(|(name, destination)| (name, Arc::new(destination))).collect(),
        secrets,
        openpgp_keys: openpgp_keys.into_iter().map(|(name, key)| (name, Arc::new(key))).collect(),
        work: written.work.and_then(|work| work.0).unwrap_or_default(),
        keep: written.keep.and_then(|keep| keep.0).unwrap_or_default(),
        alerts,
        limits: written.limits.0?,
        log: written.log.0?,
        file,
    })
}

struct Check<'a> {
    folder: &'a Path,
    /// The file of host keys accepted by `trust`.
    accepted: Option<PathBuf>,
    /// True if secrets may be read by commands.
    commands: bool,
    /// As [`Settings::keys`].
    keys: Vec<(Origin, SecretRef, bool)>,
    /// As [`Settings::named_secrets`].
    named_secrets: Vec<(Origin, SecretRef)>,
    problems: &'a mut Vec<Problem>,
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

impl Check<'_> {
    /// Reads a table with user-chosen names, which become parts of file names and columns.
    fn named<F, T>(
        &mut self,
        what: &str,
        written: Option<Lenient<Named<Lenient<F>>>>,
        read: impl Fn(&mut Self, &Key, F) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut found = BTreeMap::new();
        for (key, part) in written.and_then(|named| named.0).map(|named| named.0).unwrap_or_default() {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            if key.text.is_empty() || key.text.len() > NAME_BYTES_MAX || !key.text.chars().all(allowed) {
                let problem = key.origin.error(format!("{:?} cannot be a {what}'s name", key.text));
                self.problems.push(problem.hint("use up to 100 letters, digits, `.`, `_` and `-`"));
            }
            if let Some(value) = part.0.and_then(|written| read(self, &key, written)) {
                found.insert(key.text, value);
            }
        }
        found
    }

    /// Resolves a secret's location; warns of one that is written out in the settings file.
    fn secret(&mut self, written: SecretFile) -> SecretRef {
        let secret = match written.secret {
            SecretRef::Env(_) => written.secret,
            SecretRef::File(path) => SecretRef::File(self.folder.join(path)),
            SecretRef::Command(command) => SecretRef::Command(self.command(command, &written.origin)),
            SecretRef::Literal(_) => {
                if matches!(written.origin, Origin::File(_)) {
                    let problem = written.origin.warning("a secret is written out in this file");
                    self.problems.push(problem.hint("write `{env: NAME}` or `{file: PATH}` in its place"));
                }
                return written.secret;
            }
        };
        self.named_secrets.push((written.origin, secret.clone()));
        secret
    }

    fn openpgp_key(&mut self, name: &Key, OpenPgpKeyFile { key, passphrase }: OpenPgpKeyFile) -> Option<OpenPgpKey> {
        let passphrase = passphrase.map(|passphrase| self.secret(passphrase));
        Some(OpenPgpKey { origin: name.origin.clone(), key: self.secret(key), passphrase })
    }

    /// Resolves the program of a secret's command, if the settings allow commands.
    fn command(&mut self, mut command: Arc<SecretCommand>, origin: &Origin) -> Arc<SecretCommand> {
        if !self.commands {
            let problem = origin.error("these settings do not allow secrets from commands");
            self.problems.push(problem.hint("write `secret_commands: true` at the top of the settings file"));
        }
        // A name alone is looked up in `PATH`.
        if let Some(command) = Arc::get_mut(&mut command)
            && command.program.components().count() > 1
        {
            command.program = self.folder.join(&command.program);
        }
        command
    }

    fn backoff(&mut self, written: Option<At<BackoffFile>>, default: Backoff) -> Backoff {
        let Some(At { value, origin }) = written else { return default };
        let or = |length: Option<Length>, default: Duration| length.map_or(default, |length| length.0);
        let backoff = Backoff {
            initial: or(value.initial, default.initial),
            max: or(value.max, default.max),
            give_up_after: or(value.give_up_after, default.give_up_after),
        };
        if backoff.initial.is_zero() {
            self.problems
                .push(origin.error("`initial` is zero: it would retry without pause").hint("write at least `1ms`"));
        }
        if backoff.initial > backoff.max {
            self.problems.push(
                origin.error(format!("`initial` ({:?}) is longer than `max` ({:?})", backoff.initial, backoff.max)),
            );
        }
        backoff
    }

    /// Warns of an address that others may reach: the listener asks nobody who they are.
    fn listener(&mut self, At { value: Listen(address), origin }: At<Listen>) -> SocketAddr {
        if !address.ip().is_loopback() {
            let what =
                format!("the page at {address} has no sign-in: whoever reaches it reads pipeline names and metrics");
            self.problems
                .push(origin.warning(what).hint("write `127.0.0.1:8080`, or let only your monitoring reach it"));
        }
        address
    }
}

/// Returns true if secrets may be read by commands. A flag of one command cannot allow that.
fn secret_commands(allowed: &At<bool>, problems: &mut Vec<Problem>) -> bool {
    let is_flag = matches!(allowed.origin, Origin::Named(_)) && !allowed.origin.is_environment();
    if is_flag && allowed.value {
        let problem =
            allowed.origin.error("only the settings file and the environment can allow secrets from commands");
        problems.push(problem.hint("write `secret_commands: true` there"));
    }
    allowed.value && !is_flag
}

/// The file in the data folder that `trust --accept` writes.
const ACCEPTED: &str = "known_hosts";

/// The longest name that a user may choose, in bytes.
const NAME_BYTES_MAX: usize = 100;

fn length(written: Option<Length>, default: Duration) -> Duration {
    written.map_or(default, |length| length.0)
}
