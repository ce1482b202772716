//! The tenants: the accounts that they accept, and what the last scope check of the worker found.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use serde::Serialize;

use crate::extract::{ScopeVerdict, Standing};
use crate::ledger::{Ledger, LedgerError, StoredScope};
use crate::run::document::utc;
use crate::settings::{AllowedLevel, Tenant};

#[derive(Serialize)]
pub(super) struct TenantDocument {
    tenant: String,
    /// The level that the account may have: `power_user` or `any`.
    level: &'static str,
    /// The last scope check; `None` if there was none.
    scope: Option<ScopeDocument>,
}

#[derive(Serialize)]
struct ScopeDocument {
    at: String,
    standing: Standing,
    account: Option<String>,
    /// The reason for which extracts refuse the account.
    refusal: Option<String>,
    /// Needed requests that are denied, and endpoints that are allowed but not needed.
    denied: usize,
    unneeded: usize,
    /// What changed since the check before.
    changes: Vec<String>,
}

impl From<StoredScope> for ScopeDocument {
    fn from(StoredScope { at_ms, check, changes }: StoredScope) -> Self {
        let count = |verdict| check.lines.iter().filter(|line| line.verdict == verdict).count();
        Self {
            at: utc(at_ms),
            standing: check.standing,
            denied: count(ScopeVerdict::NeededDenied),
            unneeded: count(ScopeVerdict::Unneeded),
            account: check.identity.map(|identity| identity.username),
            refusal: check.refusal,
            changes,
        }
    }
}

/// Reads the last scope check of each tenant.
pub(super) async fn gather(
    tenants: &BTreeMap<String, Arc<Tenant>>,
    ledger: &Ledger,
) -> Result<Vec<TenantDocument>, LedgerError> {
    let mut found = Vec::new();
    for (name, tenant) in tenants {
        let level = match tenant.level {
            AllowedLevel::PowerUser => "power_user",
            AllowedLevel::Any => "any",
        };
        let scope = ledger.last_scope(name).await?.map(ScopeDocument::from);
        found.push(TenantDocument { tenant: name.clone(), level, scope });
    }
    Ok(found)
}

/// Renders the tenants of which there is something to say; `at` renders a time.
pub(super) fn text(tenants: &[TenantDocument], at: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    for tenant in tenants {
        if tenant.level == "any" {
            let name = &tenant.tenant;
            let _ = writeln!(text, "level   {name} accepts any account, also a Superadmin (`level: any`)");
        }
        if let Some(scope) = &tenant.scope {
            let _ = writeln!(text, "scope   {} {}, checked {}", tenant.tenant, describe(scope), at(&scope.at));
            for change in &scope.changes {
                let _ = writeln!(text, "        changed: {change}");
            }
        }
    }
    text
}

fn describe(scope: &ScopeDocument) -> String {
    let account = scope.account.as_deref().unwrap_or("its account");
    match scope.standing {
        Standing::Refused => format!("refuses {account}"),
        Standing::Denied => format!("denies {account} {} needed requests", scope.denied),
        Standing::Excess => format!("allows {account} {} endpoints that no pipeline needs", scope.unneeded),
        Standing::Least => format!("allows {account} what the pipelines need, and nothing else that is known"),
    }
}
