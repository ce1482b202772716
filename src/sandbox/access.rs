//! The areas of the platform, the accounts that may read them, and what is there to read.

use std::collections::BTreeMap;

use serde_json::json;

use super::misbehave::{Misbehaviour, ReplyKind};
use super::oauth::Account;
use super::reply::{self, Reply};

/// An area of the platform, as permissions are given by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    Users,
    Courses,
    Enrollments,
    Reports,
    LearningPlans,
    Groups,
    PowerUsers,
    Settings,
    Commerce,
    Certifications,
}

impl Area {
    pub const ALL: &[Self] = &[
        Self::Users,
        Self::Courses,
        Self::Enrollments,
        Self::Reports,
        Self::LearningPlans,
        Self::Groups,
        Self::PowerUsers,
        Self::Settings,
        Self::Commerce,
        Self::Certifications,
    ];

    /// Returns the name in `--misbehave`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Courses => "courses",
            Self::Enrollments => "enrollments",
            Self::Reports => "reports",
            Self::LearningPlans => "learning_plans",
            Self::Groups => "groups",
            Self::PowerUsers => "power_users",
            Self::Settings => "settings",
            Self::Commerce => "commerce",
            Self::Certifications => "certifications",
        }
    }

    /// Returns the area of a path; `None` for one that every account may read.
    pub(super) fn of(path: &str) -> Option<Self> {
        let is_in = |(beginning, _): &&(&str, Area)| {
            path.strip_prefix(beginning).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let longest = PATHS.iter().filter(is_in).max_by_key(|(beginning, _)| beginning.len());
        // An account may always read its own session and its own assignments.
        let is_own = path == "/manage/v1/user/session" || path.starts_with("/poweruser/v1/powerusers/");
        longest.map(|(_, area)| *area).filter(|_| !is_own)
    }
}

/// What the platform has, by the beginning of the path.
const PATHS: &[(&str, Area)] = &[
    ("/manage/v1/user", Area::Users),
    ("/manage/v1/user_fields", Area::Users),
    ("/learn/v1/courses", Area::Courses),
    ("/learn/v1/catalog", Area::Courses),
    ("/learn/v1/categories", Area::Courses),
    ("/learn/v1/enrollments", Area::Enrollments),
    ("/course/v1/courses/enrollments", Area::Enrollments),
    ("/manage/v1/enrollment_fields", Area::Enrollments),
    ("/analytics/v1/reports", Area::Reports),
    ("/learn/v1/lp", Area::LearningPlans),
    ("/learningplan/v1/learningplans", Area::LearningPlans),
    ("/manage/v1/orgchart", Area::Groups),
    ("/manage/v1/group", Area::Groups),
    ("/audiences/v1/audience", Area::Groups),
    ("/poweruser/v1/powerusers", Area::PowerUsers),
    ("/manage/v1/theme", Area::Settings),
    ("/manage/v1/job", Area::Settings),
    ("/learn/v1/sub_record", Area::Commerce),
    ("/learn/v1/sub_bundle", Area::Commerce),
    ("/learn/v1/certification", Area::Certifications),
];

/// Lists without entries.
const EMPTY: &[&str] = &["/learn/v1/sub_bundle"];

/// Rules about areas, of `--misbehave`.
#[derive(Clone, Debug, Default)]
pub struct AccessRules {
    /// Denied to every account, in this way.
    pub denied: BTreeMap<Area, ReplyKind>,
    /// Allowed to every account.
    pub allowed: Vec<Area>,
    /// Numbers of assigned users and courses.
    pub assigned_users: Option<u64>,
    pub assigned_courses: Option<u64>,
    /// A further permission of every account.
    pub permission: Option<String>,
}

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
