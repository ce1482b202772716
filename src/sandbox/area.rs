//! The areas of the platform, and their paths.

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

/// The paths of the platform by their beginnings.
pub(super) const PATHS: &[(&str, Area)] = &[
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
