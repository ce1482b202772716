//! Plans → the requests that they need, each with the pipelines that need it.

use std::sync::Arc;

use super::super::paths;
use crate::extract::guard::base_of;
use crate::pipeline::plan::{Plan, Pull, ReportRef};
use crate::settings::Tenant;

/// The evidence that a needed request is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The sign-in was accepted.
    SignIn,
    /// The account was identified.
    Identity,
    /// The assignments were read; not needed where they are refused.
    Assignments,
    /// The report is in the list of reports: starting its export would have an effect.
    Listed(ReportRef),
    /// The request was sent.
    Sent,
    /// It cannot be sent without an ID.
    Unknown,
}

/// A request that plans need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub method: String,
    pub path: String,
    pub pipelines: Vec<String>,
    pub evidence: Evidence,
}

/// Returns what the plans of a tenant need. Signing in and the identity are needed without a plan too.
pub(super) fn needs(plans: &[Arc<Plan>], tenant: &Tenant) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::new();
    let mut add = |method: &str, path: &str, pipeline: Option<&str>, evidence: Evidence| {
        let same = |need: &&mut Need| need.method == method && need.path == path && need.evidence == evidence;
        let pipelines = pipeline.map(str::to_owned);
        match needs.iter_mut().find(same) {
            Some(need) => need.pipelines.extend(pipelines.filter(|name| !need.pipelines.contains(name))),
            None => needs.push(Need {
                method: method.to_owned(),
                path: path.to_owned(),
                pipelines: pipelines.into_iter().collect(),
                evidence,
            }),
        }
    };
    add("POST", paths::TOKEN, None, Evidence::SignIn);
    add("GET", paths::SESSION, None, Evidence::Identity);
    add("GET", &paths::assignments("{account}"), None, Evidence::Assignments);
    let sources = plans.iter().flat_map(|plan| plan.docebo_sources().map(move |docebo| (plan, docebo)));
    for (plan, docebo) in sources.filter(|(_, docebo)| docebo.tenant.name == tenant.name) {
        let Ok(base) = base_of(&tenant.name, &tenant.base) else { continue };
        let report = match &docebo.pull {
            Pull::Report(pull) => Some(&pull.report),
            Pull::Records(_) => None,
        };
        if report.is_some() {
            // The permission for a report's export gives the list too.
            add("GET", paths::REPORTS, Some(&plan.name), Evidence::Sent);
        }
        for (method, path) in paths::guard(base, &docebo.pull).requests() {
            let evidence = match (path.as_str(), report) {
                (paths::TOKEN, _) => Evidence::SignIn,
                (paths::SESSION, _) => Evidence::Identity,
                (paths::REPORTS, _) => continue,
                (path, _) if path == paths::assignments("{account}") => Evidence::Assignments,
                (path, Some(report)) if path.starts_with(paths::REPORTS) => Evidence::Listed(report.clone()),
                (path, _) if path.contains('{') => Evidence::Unknown,
                _ => Evidence::Sent,
            };
            add(method.as_str(), &path, Some(&plan.name), evidence);
        }
    }
    needs
}
