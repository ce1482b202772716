//! A sandbox, a plan for it and a spool; what comes of pulling it, in words.

use std::future::Future;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reportferry::attempt::Backoff;
use reportferry::clock::Clock;
use reportferry::extract::{Extract, ExtractError, Source, Tenants, requests_of};
use reportferry::pipeline::plan::{self, CsvInput, DoceboSource, Pull, ReportPull, ReportRef, Via};
use reportferry::progress::Progress;
use reportferry::sandbox::{REPORTS, Sandbox, SandboxOptions};
use reportferry::secret::Secret;
use reportferry::settings::{AllowedLevel, Budget, Grant, HttpTimeouts, Limits, SecretRef, Tenant};

pub(super) const CLIENT_SECRET: &str = "s3cret-of-the-client";
pub(super) const PASSWORD: &str = "pass-w0rd of the account";
pub(super) const ROWS: u64 = 2500;

/// What one case is, before its one difference.
pub(super) struct Case {
    pub misbehave: &'static str,
    pub pull: Pull,
    pub rows: u64,
    pub tenant: Tenant,
    pub limits: Limits,
}

/// A report of the platform.
pub(super) fn report(report: ReportRef, via: Via) -> Pull {
    Pull::Report(ReportPull { report, via, csv: CsvInput::default() })
}

pub(super) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The grant of an account by its password.
pub(super) fn password_grant(username: &str, client_secret: &str, password: SecretRef) -> Grant {
    let client_secret = SecretRef::Literal(Secret::new(client_secret));
    Grant::Password { client_secret, username: username.to_owned(), password }
}

impl Case {
    pub(super) fn new(misbehave: &'static str) -> Self {
        let tenant = Tenant {
            name: "acme".into(),
            base: String::new(),
            client_id: "reportferry".into(),
            grant: password_grant("svc-reporting", CLIENT_SECRET, SecretRef::Literal(Secret::new(PASSWORD))),
            budget: Budget { per_minute: 60_000, per_hour: 600_000, in_flight: 2 },
            poll: Backoff { initial: ms(1), max: ms(4), give_up_after: ms(30_000) },
            level: AllowedLevel::PowerUser,
            scope: Default::default(),
            scope_check: None,
            timeouts: HttpTimeouts { connect: ms(10_000), idle: ms(10_000) },
            egress: Default::default(),
            retry: Backoff { initial: ms(1), max: ms(4), give_up_after: ms(30_000) },
        };
        let pull = report(ReportRef::Id(REPORTS[0].id.into()), Via::Download);
        Self { misbehave, pull, rows: ROWS, tenant, limits: Limits::default() }
    }

    pub(super) fn results(misbehave: &'static str) -> Self {
        Self { pull: report(ReportRef::Id(REPORTS[0].id.into()), Via::Results), ..Self::new(misbehave) }
    }

    pub(super) fn named(misbehave: &'static str, name: &str) -> Self {
        Self { pull: report(ReportRef::Name(name.into()), Via::Download), ..Self::new(misbehave) }
    }

    /// Waits for the export only this long.
    pub(super) fn impatient(self) -> Self {
        self.with(|case| case.tenant.poll.give_up_after = ms(300))
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Case)) -> Self {
        change(&mut self);
        self
    }

    pub(super) async fn stage(self) -> Stage {
        let options = SandboxOptions {
            rows: self.rows,
            client_secret: CLIENT_SECRET.into(),
            password: PASSWORD.into(),
            misbehave: self.misbehave.parse().expect("a misbehaviour"),
            ..SandboxOptions::default()
        };
        let sandbox = Sandbox::start(options).await.expect("a free port");
        let tenant =
            if self.tenant.base.is_empty() { Tenant { base: sandbox.url.clone(), ..self.tenant } } else { self.tenant };
        let source = plan::Source::Docebo(DoceboSource { tenant: Arc::new(tenant), pull: self.pull });
        let spool = crate::stage::folder();
        Stage { sandbox, source, limits: self.limits, tenants: Tenants::new(Clock::System), spool }
    }
}

/// A sandbox, a plan for it, and a spool.
pub(super) struct Stage {
    pub sandbox: Sandbox,
    pub source: plan::Source,
    pub limits: Limits,
    pub tenants: Tenants,
    pub spool: tempfile::TempDir,
}

impl Stage {
    pub(super) async fn source(&self) -> Source {
        Source::new(&self.source, &self.limits, &self.tenants).await.expect("a source")
    }

    pub(super) fn spool(&self) -> &Path {
        self.spool.path()
    }

    /// Start and collect, as a run does.
    pub(super) async fn pull(&self) -> Result<Extract, ExtractError> {
        let source = self.source().await;
        let execution_id = source.start(None).await?;
        source.collect(&execution_id, self.spool(), &Progress::default()).await
    }

    /// Nothing but what the plan declares came to the platform.
    pub(super) fn nothing_undeclared(&self) {
        let declared: Vec<String> = requests_of(&self.source)
            .iter()
            .map(|line| line.replace(&self.sandbox.url, "").replace("{report}", "*").replace("{execution}", "*"))
            .map(|line| line.replace("{account}", "*"))
            .collect();
        for seen in self.sandbox.log() {
            let parts: Vec<&str> = seen.path.split('/').collect();
            let fits = declared.iter().any(|line| {
                let (method, path) = line.split_once(' ').expect("a method and a path");
                let pattern: Vec<&str> = path.split('/').collect();
                method == seen.method
                    && pattern.len() == parts.len()
                    && pattern.iter().zip(&parts).all(|(pattern, part)| *pattern == "*" || pattern == part)
            });
            assert!(fits, "{seen:?} is not among {declared:#?}");
            assert!(seen.agent.starts_with("reportferry/"), "{seen:?}");
        }
    }
}

pub(super) fn csv_of(extract: &Extract, limits: &Limits) -> Result<Vec<u8>, std::io::Error> {
    let mut csv = Vec::new();
    extract.open(limits)?.read_to_end(&mut csv)?;
    Ok(csv)
}

pub(super) fn rows_of(csv: &[u8]) -> usize {
    csv::Reader::from_reader(csv).into_records().collect::<Result<Vec<_>, _>>().expect("whole rows").len()
}

/// Verdict, words and hint on one line; "2500 rows, Zip" where it went well.
pub(super) async fn outcome(stage: &Stage) -> String {
    match stage.pull().await {
        Ok(extract) => match csv_of(&extract, &stage.limits) {
            Ok(csv) => {
                assert!(extract.is_intact());
                assert!(!stage.spool().join("extract.part").exists());
                format!("{} rows, {:?}", rows_of(&csv), extract.form)
            }
            Err(error) => format!("unreadable: {error}"),
        },
        Err(error) => {
            let verdict = match &error {
                ExtractError::Refused { .. } => "refused",
                ExtractError::Later { .. } => "later",
                ExtractError::DiskFull { .. } => "disk full",
                ExtractError::Expired { .. } => "expired",
                ExtractError::StartUnconfirmed { .. } => "unconfirmed",
            };
            assert!(!stage.spool().join("extract.csv").exists() && !stage.spool().join("extract.zip").exists());
            format!("{verdict}: {error} | {}", error.hint().unwrap_or_default())
        }
    }
}

/// What comes of the case holds every one of `words`; nothing secret is in it; nothing undeclared was sent.
pub(super) async fn check(case: Case, words: &[&str]) -> Stage {
    let about = format!("{} {:?}", case.misbehave, case.pull);
    let stage = case.stage().await;
    let outcome = outcome(&stage).await;
    for word in words {
        assert!(outcome.contains(word), "{about}: {word:?} is not in: {outcome}");
    }
    for secret in [CLIENT_SECRET, PASSWORD] {
        assert!(!outcome.contains(secret), "{about}: a secret shows: {outcome}");
    }
    stage.nothing_undeclared();
    stage
}

pub(super) fn on_threads<T>(work: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(work)
}
