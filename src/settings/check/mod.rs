//! Settings as written → [`Settings`] with every default filled in, and every problem on the way.

/// Who is told of what.
mod alerts;
/// Places that artifacts go to.
mod destination;
/// What becomes of a delivered file.
mod pickup;
/// How an SSH server is reached.
mod reach;
/// Receivers of POST requests.
mod webhook;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::file::secret::SecretFile;
use super::file::{BackoffFile, KeepFile, LimitsFile, LogFile, SettingsFile, TenantFile, WorkFile};
use super::*;
use crate::pipeline::read::{At, FromNode, Named, Part};
use crate::pipeline::scalars::{Length, Size, Whole};
use crate::pipeline::tree::{Key, Node, Origin};

pub fn settings(file: Option<PathBuf>, node: &Node, problems: &mut Vec<Problem>) -> Option<Settings> {
    let written = SettingsFile::from_node(node, problems)?;
    let folder = folder_of(file.as_deref());
    let data = written.data.0.map(|data| folder.join(data));
    let accepted = data.as_ref().map(|data| data.join(ACCEPTED));
    let mut check = Check { folder: &folder, accepted, keys: Vec::new(), problems };
    let ledger = match written.ledger {
        Some(ledger) => ledger.0.and_then(|ledger| check.ledger(&ledger)),
        None => data.as_ref().map(|data| data.join("ledger.db")),
    };
    let http = written.http.and_then(|http| http.0);
    let tenants = check.named("tenant", written.tenants, Check::tenant);
    let destinations = check.named("destination", written.destinations, Check::destination);
    let secrets = check.named("secret", written.secrets, |check, _, secret| Some(check.secret(secret)));
    let alerts = check.alerts(written.alerts.and_then(|alerts| alerts.0));
    let keep = check.keep(written.keep.and_then(|keep| keep.0));
    let keys = check.keys;
    Some(Settings {
        keys,
        pipelines: folder.join(written.pipelines.0?),
        data: data?,
        ledger: ledger?,
        http: http.map(|http| http.value.0),
        tenants: tenants.into_iter().map(|(name, tenant)| (name, Arc::new(tenant))).collect(),
        destinations: destinations.into_iter().map(|(name, destination)| (name, Arc::new(destination))).collect(),
        secrets,
        work: work(written.work.and_then(|work| work.0)),
        keep,
        alerts,
        limits: limits(written.limits.0?),
        log: log(written.log.0?),
        fault: written.fault.and_then(|fault| fault.0),
        file,
    })
}

fn log(written: LogFile) -> Log {
    let filter = written.filter.map_or_else(|| "info".into(), |filter| filter.0);
    Log { format: written.format.unwrap_or_default(), filter }
}

fn work(written: Option<WorkFile>) -> Work {
    let defaults = Work::default();
    let Some(written) = written else { return defaults };
    let count = |number: Option<Whole<1, 1_000>>, default: usize| {
        number.and_then(|number| usize::try_from(number.0).ok()).unwrap_or(default)
    };
    let (extract, shape, attempt) =
        written.deadlines.map_or((None, None, None), |stages| (stages.extract, stages.shape, stages.attempt));
    Work {
        runs: count(written.runs, defaults.runs),
        deliveries: count(written.deliveries, defaults.deliveries),
        per_tenant: count(written.per_tenant, defaults.per_tenant),
        per_destination: count(written.per_destination, defaults.per_destination),
        grace: length(written.grace, defaults.grace),
        deadlines: Deadlines {
            extract: length(extract, defaults.deadlines.extract),
            shape: length(shape, defaults.deadlines.shape),
            attempt: length(attempt, defaults.deadlines.attempt),
        },
    }
}

fn limits(written: LimitsFile) -> Limits {
    let defaults = Limits::default();
    let bytes = |size: Size| usize::try_from(size.0).unwrap_or(usize::MAX);
    Limits {
        rows: written.rows.map_or(defaults.rows, |rows| rows.0),
        download_bytes: written.download_bytes.map_or(defaults.download_bytes, |size| size.0),
        extract_bytes: written.extract_bytes.map_or(defaults.extract_bytes, |size| size.0),
        record_bytes: written.record_bytes.map_or(defaults.record_bytes, bytes),
        answer_bytes: written.answer_bytes.map_or(defaults.answer_bytes, bytes),
    }
}

struct Check<'a> {
    folder: &'a Path,
    /// The host keys that a person accepted.
    accepted: Option<PathBuf>,
    /// As [`Settings::keys`].
    keys: Vec<(Origin, SecretRef, bool)>,
    problems: &'a mut Vec<Problem>,
}

const DAY: Duration = Duration::from_secs(86_400);

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

impl Check<'_> {
    /// Reads what a person named, one by one; a name stands in file names and columns later.
    fn named<F, T>(
        &mut self,
        what: &str,
        written: Option<Part<Named<Part<F>>>>,
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

    fn keep(&mut self, written: Option<KeepFile>) -> Keep {
        let defaults = Keep::default();
        let Some(written) = written else { return defaults };
        let mut at_least_a_day = |length: Option<At<Length>>, default: Duration| {
            length.map_or(default, |length| {
                if length.value.0 < DAY {
                    let problem = length.origin.error("what has come to its end is kept for a day at least");
                    self.problems.push(problem.hint("write `1d` or more: it is needed to do no slot twice"));
                }
                length.value.0
            })
        };
        Keep {
            runs: at_least_a_day(written.runs, defaults.runs),
            artifacts: at_least_a_day(written.artifacts, defaults.artifacts),
        }
    }

    fn ledger(&mut self, written: &At<String>) -> Option<PathBuf> {
        if let Some(path) = written.value.strip_prefix("sqlite:").filter(|path| !path.trim_matches('/').is_empty()) {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Some(self.folder.join(path));
        }
        let problem = match written.value.starts_with("postgres") {
            // The address is not shown: it holds a password.
            true => written.origin.error("a ledger in PostgreSQL is not supported yet"),
            false => written.origin.error("this is not a ledger's address"),
        };
        self.problems.push(problem.hint("write `sqlite:` and a path: `sqlite:data/ledger.db`"));
        None
    }

    /// Resolves a secret's file; warns of one that is written out in a file.
    fn secret(&mut self, written: SecretFile) -> SecretRef {
        match written.secret {
            SecretRef::File(_) => self.secret_place(&written.secret),
            SecretRef::Literal(_) => {
                if matches!(written.origin, Origin::File(_)) {
                    let problem = written.origin.warning("a secret is written out in this file");
                    self.problems.push(problem.hint("write `{env: NAME}` or `{file: PATH}` in its place"));
                }
                written.secret
            }
            SecretRef::Env(_) => written.secret,
        }
    }

    fn secret_place(&self, secret: &SecretRef) -> SecretRef {
        match secret {
            SecretRef::File(path) => SecretRef::File(self.folder.join(path)),
            other => other.clone(),
        }
    }

    fn backoff(&mut self, written: Option<At<BackoffFile>>, default: Backoff) -> Backoff {
        let Some(At { value, origin }) = written else { return default };
        let or = |length: Option<Length>, default: Duration| length.map_or(default, |length| length.0);
        let backoff = Backoff {
            first: or(value.first, default.first),
            max: or(value.max, default.max),
            within: or(value.within, default.within),
        };
        if backoff.first.is_zero() {
            self.problems.push(
                origin.error("`first` is a wait of nothing: it would ask without pause").hint("write at least `1ms`"),
            );
        }
        if backoff.first > backoff.max {
            self.problems
                .push(origin.error(format!("`first` ({:?}) is longer than `max` ({:?})", backoff.first, backoff.max)));
        }
        backoff
    }

    fn tenant(&mut self, key: &Key, written: TenantFile) -> Option<Tenant> {
        let insecure = written.insecure.unwrap_or(false);
        let base = written.docebo.0.map(|At { value, origin }| {
            if value.0.exposed && !insecure {
                let problem = origin.error("plain http would send secrets in the clear");
                self.problems.push(problem.hint("write `https://`; if it must be, add `insecure: true`"));
            }
            value.0.text
        });
        let poll = Backoff { first: secs(10), max: secs(60), within: secs(7_200) };
        let poll = self.backoff(written.poll, poll);
        let retry = self.backoff(written.retry, Backoff { first: secs(1), max: secs(60), within: secs(900) });
        let count =
            |number: Option<u64>, default: u32| number.and_then(|number| u32::try_from(number).ok()).unwrap_or(default);
        let (per_minute, per_hour, in_flight) = written.budget.map_or((None, None, None), |budget| {
            (budget.per_minute.map(|n| n.0), budget.per_hour.map(|n| n.0), budget.in_flight.map(|n| n.0))
        });
        let (connect, idle) = written.timeouts.map_or((None, None), |timeouts| (timeouts.connect, timeouts.idle));
        Some(Tenant {
            name: key.text.clone(),
            client_id: written.client_id,
            client_secret: self.secret(written.client_secret),
            username: written.username,
            password: self.secret(written.password),
            budget: Budget {
                per_minute: count(per_minute, 60),
                per_hour: count(per_hour, 800),
                in_flight: count(in_flight, 1),
            },
            poll: Poll { first: poll.first, max: poll.max, within: poll.within },
            allow_superadmin: written.allow_superadmin.unwrap_or(false),
            insecure,
            timeouts: HttpTimeouts { connect: length(connect, secs(10)), idle: length(idle, secs(60)) },
            retry,
            base: base?,
        })
    }
}

/// In the data folder: what `trust --accept` writes.
const ACCEPTED: &str = "known_hosts";

/// Bytes of a name that a person gives.
const NAME_BYTES_MAX: usize = 100;

fn length(written: Option<Length>, default: Duration) -> Duration {
    written.map_or(default, |length| length.0)
}
