//! A tenant as configured → as used.

use super::*;
use crate::settings::file::tenant::{ScopeFile, TenantFile};
use crate::yaml::read::OneOrMore;

/// The shortest time between two scope checks: each takes some thirty requests of the budget.
const SCOPE_CHECK_MIN: Duration = Duration::from_secs(600);

/// The keys that belong to some grants alone.
struct GrantKeys {
    client_secret: Option<SecretFile>,
    username: Option<At<String>>,
    password: Option<SecretFile>,
    key: Option<SecretFile>,
}

impl Check<'_> {
    pub(super) fn tenant(&mut self, key: &Key, written: TenantFile) -> Option<Tenant> {
        let insecure = written.insecure.unwrap_or(false);
        let kind = written.grant.map(|grant| grant.value).unwrap_or_default();
        let keys = GrantKeys {
            client_secret: written.client_secret.0,
            username: written.username.0,
            password: written.password.0,
            key: written.key.0,
        };
        let grant = self.grant(kind, keys);
        let base = written.docebo.0.map(|At { value, origin }| {
            if value.0.exposed && !insecure {
                let problem = origin.error("plain http would send secrets unencrypted");
                self.problems.push(problem.hint("write `https://`; if it must be, add `insecure: true`"));
            }
            value.0.text
        });
        let poll = Backoff { initial: secs(10), max: secs(60), give_up_after: secs(7_200) };
        let poll = self.backoff(written.poll, poll);
        let retry = self.backoff(written.retry, Backoff { initial: secs(1), max: secs(60), give_up_after: secs(900) });
        let scope_check = written.scope_check.map(|At { value: Length(every), origin }| {
            if every < SCOPE_CHECK_MIN {
                let problem = origin.error("a scope check takes some thirty requests: this is too often");
                self.problems.push(problem.hint("write at least `10m`; once a day (`1d`) is usual"));
            }
            every
        });
        Some(Tenant {
            name: key.text.clone(),
            client_id: written.client_id,
            level: written.level.unwrap_or_default(),
            budget: written.budget.unwrap_or_default(),
            poll,
            timeouts: written.timeouts.unwrap_or_default(),
            retry,
            egress: self.egress(written.ca, written.proxy),
            scope: written.scope.map(|scope| self.scope_list(scope)).unwrap_or_default(),
            scope_check,
            grant: grant?,
            base: base?,
        })
    }

    /// Returns the grant with its keys; keys of other grants are problems.
    fn grant(&mut self, kind: GrantKind, keys: GrantKeys) -> Option<Grant> {
        let GrantKeys { client_secret, username, password, key } = keys;
        let origins = [
            ("client_secret", client_secret.as_ref().map(|secret| &secret.origin)),
            ("username", username.as_ref().map(|name| &name.origin)),
            ("password", password.as_ref().map(|secret| &secret.origin)),
            ("key", key.as_ref().map(|secret| &secret.origin)),
        ];
        for (key, origin) in origins {
            if let Some(origin) = origin.filter(|_| !kind.uses(key)) {
                let problem = origin.error(format!("`{key}` does not belong to `grant: {}`", kind.name()));
                self.problems.push(problem.hint(format!("remove `{key}`, or write the grant that it belongs to")));
            }
        }
        let username = username.map(|name| name.value);
        Some(match kind {
            GrantKind::Password => Grant::Password {
                client_secret: self.secret(client_secret?),
                username: username?,
                password: self.secret(password?),
            },
            GrantKind::JwtBearer => Grant::JwtBearer { username: username?, key: self.secret(key?) },
            GrantKind::ClientCredentials => Grant::ClientCredentials { client_secret: self.secret(client_secret?) },
        })
    }

    fn scope_list(&mut self, written: ScopeFile) -> ScopeList {
        let mut paths = |written: Option<OneOrMore<At<String>>>| {
            let paths = written.map(|paths| paths.0).unwrap_or_default();
            paths.into_iter().filter_map(|path| self.scope_path(path)).collect()
        };
        ScopeList { include: paths(written.include), skip: paths(written.skip) }
    }

    /// Checks a path that `scope` requests with GET: it may have neither a query nor a known side effect.
    fn scope_path(&mut self, At { value, origin }: At<String>) -> Option<String> {
        let is_plain = |segment: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !matches!(segment, "" | "." | "..") && segment.chars().all(allowed)
        };
        let mut segments = value.split('/');
        if segments.next() != Some("") || value.len() < 2 || !segments.all(is_plain) {
            let problem = origin.error(format!("{value:?} is not a path that can be tried"));
            self.problems.push(problem.hint("write a path without a host or a query: `/manage/v1/orgchart`"));
            return None;
        }
        if value.split('/').any(|segment| segment == "export") {
            let problem = origin.error(format!("{value:?} would start an export: `scope` starts none"));
            self.problems.push(problem.hint("remove it: reports are proven by the list of reports"));
            return None;
        }
        Some(value)
    }
}
