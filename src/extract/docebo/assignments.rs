//! The assignments of the account: how many users, courses, branches and groups, and which permissions.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::Value;

use super::call::{Call, data};
use super::paths;
use super::refusal::ApiStep;
use crate::expect::AccountScope;
use crate::extract::ExtractError;
use crate::extract::client::{ApiClient, CallError};
use crate::extract::guard::is_id;
use crate::extract::identity::{Identity, Level};
use crate::extract::message::one_line;
use crate::fault;

/// The time for which assignments that were refused are not requested again.
const REFUSAL_KEPT: SignedDuration = SignedDuration::from_hours(1);
/// The largest number of permissions that are kept.
const PERMISSIONS_MAX: usize = 1_000;
/// The keys of the numbers begin so: `total_assigned_users`.
const TOTAL: &str = "total_assigned_";

/// Returns the assignments for the facts of an extract; `None` if they are unknown. Never a reason to fail: one request,
/// and none for an hour after a refusal.
pub(super) async fn of_run(client: &ApiClient, identity: &Identity) -> Option<AccountScope> {
    let state = || client.tenant.assignments_refused_until.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let now = client.clock().now();
    let is_refused = state().is_some_and(|until| now < until);
    if is_refused || identity.level != Level::PowerUser {
        return None;
    }
    match read(client, identity).await {
        Ok(scope) => Some(scope),
        Err(error) => {
            let is_final = !matches!(error, CallError::NotStarted { .. } | CallError::Interrupted { .. });
            let reason = error.into_error().to_string();
            tracing::debug!(reason, "assignments unknown");
            if is_final {
                *state() = now.checked_add(REFUSAL_KEPT).ok();
            }
            None
        }
    }
}

/// Requests the assignments once.
pub(super) async fn read(client: &ApiClient, identity: &Identity) -> Result<AccountScope, CallError> {
    let subject = format!("tenant {}", client.tenant.settings.name);
    if !is_id(&identity.id) {
        let what = format!("{subject}: the account has no valid ID");
        return Err(ExtractError::Refused { what, hint: None }.into());
    }
    let path = paths::assignments(&identity.id);
    let call = Call { step: ApiStep::Assignments, path, query: vec![], subject: &subject };
    let body = fault::step_async("extract.assignments", || client.body_once(&call)).await?;
    Ok(parse(&data(&body, call.step, &subject)?, identity))
}

fn parse(data: &Value, identity: &Identity) -> AccountScope {
    let count = |value: &Value| value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
    let totals = data.as_object().into_iter().flatten();
    let assigned: BTreeMap<String, u64> =
        totals.filter_map(|(key, value)| Some((one_line(key.strip_prefix(TOTAL)?), count(value)?))).collect();
    let text = |permission: &Value, key: &str| permission.get(key).and_then(Value::as_str).map(one_line);
    let listed = data.get("permissions").and_then(Value::as_array).into_iter().flatten();
    let mut permissions: Vec<String> = listed
        .filter_map(|permission| match (text(permission, "area"), text(permission, "code")) {
            (Some(area), Some(code)) => Some(format!("{area}: {code}")),
            (Some(one), None) | (None, Some(one)) => Some(one),
            (None, None) => permission.as_str().map(one_line),
        })
        .take(PERMISSIONS_MAX)
        .collect();
    permissions.sort();
    permissions.dedup();
    AccountScope { username: identity.username.clone(), level: identity.level_word.clone(), assigned, permissions }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn assignments_are_read_in_every_form() {
        let identity = Identity {
            id: "7".into(),
            username: "svc".into(),
            level: Level::PowerUser,
            level_word: "power_user".into(),
        };
        let data = json!({
            "total_assigned_users": 3, "total_assigned_courses": "12", "total_assigned_groups": null, "other": 1,
            "permissions": [{"area": "report", "code": "view"}, {"code": "b"}, "a", {"area": "report", "code": "view"}, 4],
        });
        let scope = parse(&data, &identity);
        assert_eq!(scope.assigned, BTreeMap::from([("users".into(), 3), ("courses".into(), 12)]));
        assert_eq!(scope.permissions, ["a", "b", "report: view"]);
        assert_eq!((scope.username.as_str(), scope.level.as_str()), ("svc", "power_user"));
        for strange in [json!(null), json!([]), json!("x"), json!({"permissions": {}})] {
            assert!(parse(&strange, &identity).assigned.is_empty(), "{strange}");
        }
    }
}
