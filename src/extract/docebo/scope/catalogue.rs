//! The read endpoints that `scope` tries, with how sure each path is.

use serde::{Deserialize, Serialize};

use crate::settings::ScopeList;

/// An area of the platform: one group of permissions of a Power User profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    Account,
    Reports,
    Users,
    Courses,
    Enrollments,
    LearningPlans,
    Groups,
    PowerUsers,
    Settings,
    Commerce,
    Certifications,
    Audit,
    Skills,
    Notifications,
    /// Of a path from the settings.
    Other,
}

impl Area {
    /// Returns the platform's name for it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Account => "Account",
            Self::Reports => "Reports",
            Self::Users => "Users",
            Self::Courses => "Courses and catalogs",
            Self::Enrollments => "Enrollments",
            Self::LearningPlans => "Learning plans",
            Self::Groups => "Groups and branches",
            Self::PowerUsers => "Power Users",
            Self::Settings => "Platform settings",
            Self::Commerce => "E-commerce and subscriptions",
            Self::Certifications => "Certifications",
            Self::Audit => "Audit trail",
            Self::Skills => "Skills",
            Self::Notifications => "Notifications",
            Self::Other => "Other",
        }
    }
}

/// The certainty that a path exists on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// Several unrelated public clients use it.
    Seen,
    /// The platform's own description of its API has it.
    Documented,
    /// One public client uses it.
    One,
    /// Nobody is known to use it: "not found" proves nothing.
    Unverified,
    /// The settings have it.
    Settings,
}

impl Certainty {
    /// Returns the word in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Documented => "documented",
            Self::One => "one",
            Self::Unverified => "unverified",
            Self::Settings => "settings",
        }
    }
}

/// A read endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub area: Area,
    pub path: String,
    pub certainty: Certainty,
}

const CATALOGUE: &[(Area, &str, Certainty)] = &[
    (Area::Reports, super::super::paths::REPORTS, Certainty::Seen),
    (Area::Reports, "/report/v1/report", Certainty::Unverified),
    (Area::Users, "/manage/v1/user", Certainty::Seen),
    (Area::Users, "/manage/v1/user_fields", Certainty::Seen),
    (Area::Courses, "/learn/v1/courses", Certainty::Seen),
    (Area::Courses, "/learn/v1/catalog", Certainty::Seen),
    (Area::Courses, "/learn/v1/categories", Certainty::Seen),
    (Area::Courses, "/course/v1/courses", Certainty::Unverified),
    (Area::Courses, "/learn/v1/session", Certainty::Unverified),
    (Area::Enrollments, "/learn/v1/enrollments", Certainty::Seen),
    (Area::Enrollments, "/course/v1/courses/enrollments", Certainty::Seen),
    (Area::Enrollments, "/manage/v1/enrollment_fields", Certainty::Documented),
    (Area::LearningPlans, "/learningplan/v1/learningplans", Certainty::Seen),
    (Area::LearningPlans, "/learningplan/v1/learningplans/enrollments", Certainty::One),
    (Area::LearningPlans, "/learn/v1/lp", Certainty::Seen),
    (Area::Groups, "/manage/v1/orgchart", Certainty::Seen),
    (Area::Groups, "/manage/v1/group", Certainty::One),
    (Area::Groups, "/audiences/v1/audience", Certainty::One),
    (Area::PowerUsers, "/poweruser/v1/powerusers", Certainty::One),
    (Area::PowerUsers, "/poweruser/v1/profiles", Certainty::Unverified),
    (Area::Settings, "/manage/v1/theme", Certainty::Documented),
    (Area::Settings, "/manage/v1/job", Certainty::Documented),
    (Area::Settings, "/manage/v1/site/settings", Certainty::Unverified),
    (Area::Settings, "/manage/v1/subdomain", Certainty::Unverified),
    (Area::Commerce, "/learn/v1/sub_record", Certainty::Documented),
    (Area::Commerce, "/learn/v1/sub_bundle", Certainty::Documented),
    (Area::Commerce, "/ecommerce/v1/transaction", Certainty::Unverified),
    (Area::Certifications, "/learn/v1/certification", Certainty::Seen),
    (Area::Audit, "/audittrail/v1/logs", Certainty::Unverified),
    (Area::Skills, "/skill/v1/skills", Certainty::Unverified),
    (Area::Notifications, "/notifications/v1/notification", Certainty::Unverified),
];

/// Returns the endpoints to try: the built-in ones, changed by the settings.
pub(super) fn endpoints(list: &ScopeList) -> Vec<Endpoint> {
    let built_in = CATALOGUE.iter().map(|(area, path, certainty)| Endpoint {
        area: *area,
        path: (*path).to_owned(),
        certainty: *certainty,
    });
    let added = list
        .include
        .iter()
        .filter(|path| CATALOGUE.iter().all(|(_, known, _)| known != path))
        .map(|path| Endpoint { area: Area::Other, path: path.clone(), certainty: Certainty::Settings });
    built_in.chain(added).filter(|endpoint| !list.skip.contains(&endpoint.path)).collect()
}

/// Returns the area of a path, by the catalogue's longest path that it begins with.
pub(super) fn area_of(path: &str) -> Area {
    let known = CATALOGUE.iter().filter(|(_, known, _)| path.starts_with(known));
    known.max_by_key(|(_, known, _)| known.len()).map_or(Area::Account, |(area, ..)| *area)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_is_wide_and_the_settings_change_it() {
        let list = endpoints(&ScopeList::default());
        let areas: BTreeSet<Area> = list.iter().map(|endpoint| endpoint.area).collect();
        let paths: BTreeSet<&str> = list.iter().map(|endpoint| endpoint.path.as_str()).collect();
        assert!(list.len() >= 25 && paths.len() == list.len() && areas.len() >= 8, "{} in {areas:?}", list.len());
        assert!(list.iter().all(|endpoint| !endpoint.path.contains("export") && !endpoint.path.contains(['{', '?'])));
        let changed = endpoints(&ScopeList {
            include: vec!["/my/v1/thing".into(), "/manage/v1/user".into()],
            skip: vec!["/learn/v1/catalog".into()],
        });
        assert_eq!(changed.len(), list.len());
        assert!(changed.iter().any(|endpoint| endpoint.path == "/my/v1/thing" && endpoint.area == Area::Other));
        assert_eq!(area_of("/analytics/v1/reports/x/export/csv"), Area::Reports);
        assert_eq!(area_of("/manage/v1/user_fields"), Area::Users);
    }
}
