//! The accounts that may read an area of the platform, and what is there to read.

use serde_json::json;

use super::area::{Area, PATHS};
use super::misbehave::{AccessRules, Misbehaviour, ReplyKind};
use super::oauth::Account;
use super::reply::{self, Reply};

/// Lists without entries.
const EMPTY: &[&str] = &["/learn/v1/sub_bundle"];

/// Returns the way in which the account is denied this path, if it is.
pub(super) fn denied(account: Account, path: &str, rules: &AccessRules) -> Option<ReplyKind> {
    let area = Area::of(path)?;
    if let Some(kind) = rules.denied.get(&area) {
        return Some(*kind);
    }
    let may_read = account.areas.contains(&area) || rules.allowed.contains(&area);
    (!may_read).then_some(ReplyKind::Status(403))
}

/// Returns the list at a path that no other module serves.
pub(super) fn list(path: &str) -> Reply {
    if !PATHS.iter().any(|(known, _)| *known == path) {
        return reply::error(404, "Page not found");
    }
    let items = if EMPTY.contains(&path) { json!([]) } else { json!([{"id": 1, "name": "Sample"}]) };
    let count = items.as_array().map_or(0, Vec::len);
    reply::data(json!({"items": items, "count": count, "has_more_data": false, "total_count": count}))
}

/// Returns a Power User's assignments and permissions.
pub(super) fn power_user(account: Option<Account>, wrong: &Misbehaviour) -> Reply {
    let Some(account) = account.filter(|account| account.level == "power_user") else {
        return reply::error(404, "Power User not found");
    };
    let permission =
        |area: &Area| json!({"area": area.name(), "code": format!("/framework/admin/{}/view", area.name())});
    let mut permissions: Vec<_> = account.areas.iter().chain(&wrong.access.allowed).map(permission).collect();
    permissions.extend(wrong.access.permission.iter().map(|code| json!({"area": "other", "code": code})));
    reply::data(json!({
        "total_assigned_users": wrong.access.assigned_users.unwrap_or(125),
        "total_assigned_courses": wrong.access.assigned_courses.unwrap_or(24),
        "total_assigned_branches": 8, "total_assigned_groups": 0, "permissions": permissions,
    }))
}
