//! Access and need → a verdict, with what to do in the platform.

use super::attempt::Found;
use super::{Access, Area, Certainty, Endpoint, Evidence, Need, ScopeLine, ScopeVerdict, Standing, area_of};
use crate::pipeline::plan::ReportRef;

/// Returns the line of a request that plans need.
pub(super) fn needed(need: &Need, certainty: Option<Certainty>, found: Found) -> ScopeLine {
    let report = match &need.evidence {
        Evidence::Listed(ReportRef::Id(id)) => Some(id.clone()),
        Evidence::Listed(ReportRef::Name(name)) => Some(name.clone()),
        _ => None,
    };
    let area = area_of(&need.path);
    let area = if need.evidence == Evidence::Assignments { Area::Account } else { area };
    let is_optional = need.evidence == Evidence::Assignments;
    let (verdict, fix) = match found.access {
        Access::Allowed | Access::Empty => (ScopeVerdict::Needed, None),
        Access::Denied | Access::NotFound if is_optional => {
            let fix = "nothing to do: the pipelines work without it, but a change of the assignments goes unnoticed";
            (ScopeVerdict::Unclear, Some(fix.to_owned()))
        }
        Access::Denied | Access::NotFound => (ScopeVerdict::NeededDenied, Some(how_to_allow(need, area))),
        Access::Error | Access::NotTried => (ScopeVerdict::Unclear, None),
    };
    ScopeLine {
        area,
        method: need.method.clone(),
        path: need.path.clone(),
        report,
        certainty,
        pipelines: need.pipelines.clone(),
        access: found.access,
        detail: found.detail,
        total: found.total,
        verdict,
        fix,
    }
}

/// Returns the line of an endpoint that no plan needs.
pub(super) fn beside(endpoint: Endpoint, found: Found) -> ScopeLine {
    let (verdict, fix) = match found.access {
        Access::Allowed => (ScopeVerdict::Unneeded, Some(how_to_deny(endpoint.area, &endpoint.path))),
        Access::Denied => (ScopeVerdict::Closed, None),
        Access::Empty | Access::NotFound | Access::Error | Access::NotTried => (ScopeVerdict::Unclear, None),
    };
    ScopeLine {
        area: endpoint.area,
        method: "GET".to_owned(),
        path: endpoint.path,
        report: None,
        certainty: Some(endpoint.certainty),
        pipelines: Vec::new(),
        access: found.access,
        detail: found.detail,
        total: found.total,
        verdict,
        fix,
    }
}

/// Returns the standing of an account with these lines.
pub(super) fn standing(is_refused: bool, lines: &[ScopeLine]) -> Standing {
    let has = |verdict| lines.iter().any(|line| line.verdict == verdict);
    match () {
        () if is_refused => Standing::Refused,
        () if has(ScopeVerdict::NeededDenied) => Standing::Denied,
        () if has(ScopeVerdict::Unneeded) => Standing::Excess,
        () => Standing::Least,
    }
}

/// The place of the permissions, in the platform's words.
const PROFILE: &str = "Admin Menu, Power Users, Profiles";

fn how_to_allow(need: &Need, area: Area) -> String {
    match (&need.evidence, area) {
        (Evidence::SignIn | Evidence::Identity, _) => {
            "check the credentials, and that the account is active and may use the API".to_owned()
        }
        (Evidence::Listed(_), _) => format!(
            "give the Power User's profile the permission to view and export reports ({PROFILE}: Reports), and make the \
             report visible to the account (the report's Visibility)"
        ),
        (_, Area::Reports) => {
            format!("give the Power User's profile the permission to view reports ({PROFILE}: Reports)")
        }
        (_, area) => format!(
            "give the Power User's profile the permission to view this area ({PROFILE}: {}), and assign the users, courses \
             and branches that the pipelines need (Power Users, Assign resources)",
            area.title()
        ),
    }
}

fn how_to_deny(area: Area, path: &str) -> String {
    match area {
        Area::Other => {
            format!("remove the permission for {path} from the account, or skip the path (`scope: {{skip: …}}`)")
        }
        area => format!(
            "remove the permissions of this area from the Power User's profile ({PROFILE}: {}); if every user of the \
             platform may read it, skip the path (`scope: {{skip: [{path}]}}`)",
            area.title()
        ),
    }
}
