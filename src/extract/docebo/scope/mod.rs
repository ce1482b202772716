//! Compares what the account may reach with what the plans need. Every request is a GET, besides the token's POST.

mod attempt;
mod catalogue;
mod difference;
mod needs;
mod verdict;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::attempt::{Found, attempt};
use self::catalogue::{Endpoint, area_of, endpoints};
use self::needs::{Evidence, Need, needs};
use super::report::{self, ListedReport};
use super::{assignments, paths, session};
use crate::expect::AccountScope;
use crate::extract::ExtractError;
use crate::extract::client::{ApiClient, CallError};
use crate::extract::identity::Identity;
use crate::extract::request_log::RequestLog;
use crate::extract::tenants::Tenants;
use crate::pipeline::plan::{Plan, ReportRef};
use crate::settings::{AllowedLevel, Limits, Tenant};

pub use self::attempt::Access;
pub use self::catalogue::{Area, Certainty};

/// The result of one check of a tenant's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeCheck {
    pub tenant: String,
    pub address: String,
    /// `password`, `jwt_bearer` or `client_credentials`.
    pub grant: String,
    /// The level that the settings allow: `power_user` or `any`.
    pub allowed_level: String,
    pub standing: Standing,
    /// `None` if the account could not be identified.
    pub identity: Option<Identity>,
    /// The reason for which extracts refuse the account.
    pub refusal: Option<String>,
    /// `None` if the account may not read them.
    pub assignments: Option<AccountScope>,
    /// First what the plans need, then what was tried beside it.
    pub lines: Vec<ScopeLine>,
    /// The requests sent, by method.
    pub requests: BTreeMap<String, u64>,
}

/// The account as a whole, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Extracts refuse the account.
    Refused,
    /// A needed request is denied.
    Denied,
    /// More is allowed than needed.
    Excess,
    /// Nothing is known to be allowed beside what is needed.
    Least,
}

impl Standing {
    /// Returns the word in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::Excess => "excess",
            Self::Least => "least",
        }
    }
}

/// One request: what came of it, and what that means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeLine {
    pub area: Area,
    pub method: String,
    pub path: String,
    /// The report, of a request for its export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<String>,
    /// How sure the path is; `None` for what only the plans need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certainty: Option<Certainty>,
    /// The pipelines that need it.
    pub pipelines: Vec<String>,
    pub access: Access,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The number of entries that the account sees, if the platform states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    pub verdict: ScopeVerdict,
    /// What to do in the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// The meaning of a request's access for the pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeVerdict {
    /// Needed and allowed.
    Needed,
    /// Needed but denied.
    NeededDenied,
    /// Allowed but not needed.
    Unneeded,
    /// Denied and not needed.
    Closed,
    /// Neither allowed nor denied, or nothing to see.
    Unclear,
}

/// Signs in, and tries what the plans need and the endpoints of the catalogue.
///
/// # Errors
/// The platform cannot be reached now, or the tenant's settings cannot be used. An account that is refused is a result.
pub async fn check_scope(
    tenant: &Arc<Tenant>,
    plans: &[Arc<Plan>],
    limits: &Limits,
    tenants: &Tenants,
) -> Result<ScopeCheck, ExtractError> {
    let (needs, endpoints) = (needs(plans, tenant), endpoints(&tenant.scope));
    let state = tenants.of(tenant).await?;
    let sent = needs.iter().filter(|need| need.evidence == Evidence::Sent).map(|need| need.path.as_str());
    // The list of reports proves what is needed of them.
    let tried = endpoints.iter().map(|endpoint| endpoint.path.as_str()).chain(sent).chain([paths::REPORTS]);
    let guard = paths::scope_guard(state.base.clone(), tried);
    let client = ApiClient { tenant: state, guard, log: RequestLog::default(), limits: *limits };
    let (identity, refusal) = match session::account(&client).await {
        Ok(identity) => {
            let refusal = identity.check(tenant, &format!("tenant {}", tenant.name)).err();
            (Some(identity), refusal)
        }
        Err(error @ ExtractError::Refused { .. }) => (None, Some(error)),
        Err(error) => return Err(error),
    };
    let refusal = refusal.map(|error| match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    });
    let mut check = Checking { client: &client, found: HashMap::new(), reports: None, assignments: None };
    let lines = match &identity {
        Some(identity) => check.lines(&needs, endpoints, identity).await,
        None => not_signed_in(&needs, refusal.as_deref().unwrap_or_default()),
    };
    let assignments = check.assignments.and_then(Result::ok);
    let mut requests: BTreeMap<String, u64> = BTreeMap::new();
    for sent in client.log.counts() {
        *requests.entry(sent.method).or_default() += sent.count;
    }
    let level = match tenant.level {
        AllowedLevel::PowerUser => "power_user",
        AllowedLevel::Any => "any",
    };
    Ok(ScopeCheck {
        tenant: tenant.name.clone(),
        address: tenant.base.clone(),
        grant: tenant.grant.kind().name().to_owned(),
        allowed_level: level.to_owned(),
        standing: verdict::standing(refusal.is_some(), &lines),
        identity,
        refusal,
        assignments,
        lines,
        requests,
    })
}

/// A check in progress.
struct Checking<'a> {
    client: &'a ApiClient,
    /// What came of the paths that were requested.
    found: HashMap<String, Found>,
    reports: Option<Result<Vec<ListedReport>, String>>,
    assignments: Option<Result<AccountScope, Found>>,
}

impl Checking<'_> {
    async fn lines(&mut self, needs: &[Need], endpoints: Vec<Endpoint>, identity: &Identity) -> Vec<ScopeLine> {
        self.assignments = Some(assignments::read(self.client, identity).await.map_err(|error| {
            let is_temporary = matches!(error, CallError::NotStarted { .. } | CallError::Interrupted { .. });
            let access = if is_temporary { Access::Error } else { Access::Denied };
            Found::new(access, error.into_error().to_string())
        }));
        let mut lines = Vec::new();
        for need in needs {
            let found = self.needed(need).await;
            let certainty = endpoints.iter().find(|endpoint| endpoint.path == need.path);
            let certainty = certainty.map(|endpoint| endpoint.certainty);
            lines.push(verdict::needed(need, certainty, found));
        }
        for endpoint in endpoints {
            if needs.iter().all(|need| need.path != endpoint.path) {
                let found = self.try_path(&endpoint.path).await;
                lines.push(verdict::beside(endpoint, found));
            }
        }
        lines
    }

    async fn needed(&mut self, need: &Need) -> Found {
        match &need.evidence {
            Evidence::SignIn => Found { detail: Some("signed in".into()), ..Found::allowed(None) },
            Evidence::Identity => Found { detail: Some("identified".into()), ..Found::allowed(None) },
            Evidence::Assignments => match &self.assignments {
                Some(Ok(_)) => Found::allowed(None),
                Some(Err(found)) => found.clone(),
                None => Found::new(Access::NotTried, "not asked"),
            },
            Evidence::Listed(report) => self.listed(report).await,
            Evidence::Sent => self.try_path(&need.path).await,
            Evidence::Unknown => Found::new(Access::NotTried, "it cannot be tried without an ID"),
        }
    }

    async fn try_path(&mut self, path: &str) -> Found {
        if let Some(found) = self.found.get(path) {
            return found.clone();
        }
        let found = attempt(self.client, path).await;
        self.found.insert(path.to_owned(), found.clone());
        found
    }

    /// Returns what the list of reports shows about a report: nothing of it is started.
    async fn listed(&mut self, report: &ReportRef) -> Found {
        let list = self.try_path(paths::REPORTS).await;
        if !matches!(list.access, Access::Allowed | Access::Empty) {
            return list;
        }
        if self.reports.is_none() {
            let subject = format!("tenant {}", self.client.tenant.settings.name);
            self.reports = Some(report::list(self.client, &subject).await.map_err(|error| error.to_string()));
        }
        let count = match &self.reports {
            Some(Ok(reports)) => reports.iter().filter(|known| is_report(known, report)).count(),
            Some(Err(reason)) => return Found::new(Access::Error, reason.clone()),
            None => 0,
        };
        match count {
            0 => Found::new(Access::Denied, "the report is not in the account's list of reports"),
            _ => Found { detail: Some("visible in the list of reports; not started".into()), ..Found::allowed(None) },
        }
    }
}

fn is_report(known: &ListedReport, report: &ReportRef) -> bool {
    match report {
        ReportRef::Id(id) => known.id == *id,
        ReportRef::Name(name) => known.name == *name,
    }
}

/// Returns the lines of an account that cannot sign in: nothing was tried.
fn not_signed_in(needs: &[Need], reason: &str) -> Vec<ScopeLine> {
    let found = |need: &Need| match need.evidence {
        Evidence::SignIn => Found::new(Access::Denied, reason),
        _ => Found::new(Access::NotTried, "the account could not be identified"),
    };
    needs.iter().map(|need| verdict::needed(need, None, found(need))).collect()
}
