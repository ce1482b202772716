//! Repeats the check of what each tenant's account can reach, and stores what changed. Alerts find it in the ledger.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::{Id, JoinError, JoinSet};

use crate::clock::Clock;
use crate::extract::{ExtractError, Tenants, check_scope};
use crate::ledger::{Ledger, LedgerError};
use crate::pipeline::plan::Plan;
use crate::run::{RunContext, with_causes};
use crate::settings::{Settings, Tenant};

/// Wait before a check that failed is repeated.
const FAILED_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// The reason for which a check has no result.
#[derive(Debug, thiserror::Error)]
enum ScopeCheckError {
    #[error(transparent)]
    Extract(#[from] ExtractError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The checks, and those in progress.
pub(super) struct ScopeChecks {
    ledger: Ledger,
    clock: Clock,
    tenants: Tenants,
    checks: JoinSet<Result<(), ScopeCheckError>>,
    under_way: HashMap<Id, String>,
    /// Tenants whose last check failed, with the time until which they wait.
    failed_until: HashMap<String, Timestamp>,
    /// Tenants whose failure is logged: further ones are silent.
    failing: HashSet<String>,
}

impl ScopeChecks {
    pub(super) fn new(context: &RunContext) -> Self {
        Self {
            ledger: context.ledger.clone(),
            clock: context.clock.clone(),
            tenants: context.tenants.clone(),
            checks: JoinSet::new(),
            under_way: HashMap::new(),
            failed_until: HashMap::new(),
            failing: HashSet::new(),
        }
    }

    /// Starts a check of each tenant whose last one is `scope_check` ago. Does not wait for it.
    ///
    /// # Errors
    /// The ledger is unavailable; what is due stays due.
    pub(super) async fn tick(&mut self, settings: &Settings, plans: Vec<Arc<Plan>>) -> Result<(), LedgerError> {
        while let Some(ended) = self.checks.try_join_next_with_id() {
            self.finish(ended);
        }
        let now = self.clock.now();
        self.failed_until.retain(|_, until| *until > now);
        for (name, tenant) in &settings.tenants {
            let Some(every) = tenant.scope_check else { continue };
            if self.failed_until.contains_key(name) || self.under_way.values().any(|other| other == name) {
                continue;
            }
            let last_ms = self.ledger.last_scope(name).await?.map(|last| last.at_ms);
            if last_ms.is_some_and(|last_ms| now < due_after(last_ms, every)) {
                continue;
            }
            let check = ScopeCheckTask {
                ledger: self.ledger.clone(),
                tenants: self.tenants.clone(),
                tenant: tenant.clone(),
                limits: settings.limits,
                plans: plans.clone(),
            };
            let task = self.checks.spawn(check.run());
            self.under_way.insert(task.id(), name.clone());
        }
        Ok(())
    }

    /// Aborts the checks in progress: they stay due.
    pub(super) fn abort(&mut self) {
        self.checks.abort_all();
    }

    /// Records the end of a check. Logs the first failure of a tenant and the recovery; failures in between are silent.
    fn finish(&mut self, ended: Result<(Id, Result<(), ScopeCheckError>), JoinError>) {
        let (id, failed) = match ended {
            Ok((id, Ok(()))) => (id, None),
            Ok((id, Err(error))) => (id, Some(with_causes(&error))),
            // A panic message may hold anything and is not kept.
            Err(error) => (error.id(), Some("a bug in reportferry".to_owned())),
        };
        let Some(tenant) = self.under_way.remove(&id) else { return };
        let Some(reason) = failed else {
            if self.failing.remove(&tenant) {
                tracing::info!(tenant, "scope check succeeds again");
            }
            return;
        };
        self.failed_until.insert(tenant.clone(), self.clock.now().checked_add(FAILED_WAIT).unwrap_or(Timestamp::MAX));
        if self.failing.insert(tenant.clone()) {
            tracing::warn!(tenant, reason, "scope check failed, will retry");
        }
    }
}

/// Returns the time of the next check.
fn due_after(last_ms: i64, every: Duration) -> Timestamp {
    let last = Timestamp::from_millisecond(last_ms).unwrap_or(Timestamp::MIN);
    last.saturating_add(SignedDuration::try_from(every).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}

/// One check.
struct ScopeCheckTask {
    ledger: Ledger,
    tenants: Tenants,
    tenant: Arc<Tenant>,
    limits: crate::settings::Limits,
    plans: Vec<Arc<Plan>>,
}

impl ScopeCheckTask {
    async fn run(self) -> Result<(), ScopeCheckError> {
        let check = check_scope(&self.tenant, &self.plans, &self.limits, &self.tenants).await?;
        let before = self.ledger.last_scope(&self.tenant.name).await?;
        let changes = before.map(|before| check.changes_since(&before.check)).unwrap_or_default();
        self.ledger.note_scope(&check, &changes).await?;
        let (tenant, standing) = (&self.tenant.name, check.standing.name());
        match changes.is_empty() {
            true => tracing::info!(tenant, standing, "scope checked"),
            false => tracing::warn!(tenant, standing, changes = changes.join("; "), "scope changed"),
        }
        Ok(())
    }
}
