//! Records of a platform's list endpoints: what may be read of them, and from when on.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::digest;
use crate::yaml::problem::{Problem, did_you_mean};
use crate::yaml::read::{FromNode, scalar};
use crate::yaml::tree::Node;

/// The records that a plan reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsPull {
    pub list: RecordList,
    pub updated_since: UpdatedSince,
    /// The columns of the extract, in order.
    pub fields: Vec<String>,
    /// True if a person listed the fields: then each must exist.
    pub fields_are_listed: bool,
}

/// A list of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordList {
    Users,
    Courses,
    Enrollments,
    /// Enrollments in some courses, of some users, or with some statuses: another endpoint, with fields of its own.
    CourseEnrollments(EnrollmentFilter),
}

/// At least one of the lists is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnrollmentFilter {
    pub courses: Vec<u64>,
    pub users: Vec<u64>,
    pub statuses: Vec<String>,
}

/// The moment since which records must have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdatedSince {
    /// All records.
    Never,
    /// The moment up to which the newest delivered run read, less the overlap; all records before there is one.
    LastDelivered {
        overlap: Duration,
    },
    Moment(Timestamp),
}

/// `updated_since` as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdatedSinceWord {
    Never,
    LastDelivered,
    Moment(Timestamp),
}

/// The kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordsWord {
    Users,
    Courses,
    Enrollments,
}

crate::words!(RecordsWord {
    "users" => RecordsWord::Users, "courses" => RecordsWord::Courses, "enrollments" => RecordsWord::Enrollments,
});

impl RecordList {
    /// Returns the kind's word in pipeline files.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Courses => "courses",
            Self::Enrollments | Self::CourseEnrollments(_) => "enrollments",
        }
    }

    /// Returns the fields that identify a record.
    pub fn key(&self) -> &'static [&'static str] {
        match self {
            Self::Users => &["user_id"],
            Self::Courses => &["id_course"],
            // The `id` of an enrollment is the course's.
            Self::Enrollments => &["id", "user_id"],
            Self::CourseEnrollments(_) => &["course_id", "user_id"],
        }
    }

    /// Returns the field with the time of a record's last change.
    pub fn changed_at(&self) -> &'static str {
        match self {
            Self::Users => "last_update",
            Self::Courses | Self::Enrollments => "date_last_updated",
            Self::CourseEnrollments(_) => "enrollment_date_last_updated",
        }
    }

    /// Returns the columns of a plan that lists none.
    pub fn usual_fields(&self) -> &'static [&'static str] {
        match self {
            Self::Users => &[
                "user_id",
                "username",
                "first_name",
                "last_name",
                "email",
                "level",
                "status",
                "last_access_date",
                "last_update",
                "expiration_date",
            ],
            Self::Courses => &["id_course", "name", "course_type", "code", "date_last_updated"],
            Self::Enrollments => &[
                "id",
                "user_id",
                "username",
                "status",
                "score",
                "course_complete_date",
                "enroll_begin_date",
                "enroll_end_date",
                "date_last_updated",
            ],
            Self::CourseEnrollments(_) => &[
                "course_id",
                "user_id",
                "enrollment_status",
                "enrollment_completion_date",
                "enrollment_score",
                "enrollment_time_spent",
                "enrollment_date_last_updated",
            ],
        }
    }
}

impl RecordsPull {
    /// Returns the digest of what decides which records a list has, for the account `of`. Runs with the same digest
    /// continue one another: with another, all records are new to the reader. All records, and those since the last
    /// delivery, are the same source.
    pub fn digest(&self, of: &[&str]) -> String {
        let since = match self.updated_since {
            UpdatedSince::Never | UpdatedSince::LastDelivered { .. } => None,
            UpdatedSince::Moment(moment) => Some(moment),
        };
        digest::of(format!("{of:?} {:?} {:?} {since:?}", self.list, self.fields).as_bytes())
    }
}

impl UpdatedSince {
    /// Returns true if later runs read only what has changed.
    pub fn is_incremental(&self) -> bool {
        !matches!(self, Self::Never)
    }

    /// Returns the moment since which records are asked for, as the platform reads it: `2026-11-23 05:30:00`, UTC.
    /// `None` asks for all. `watermark` is that of the newest delivered run.
    pub fn from(&self, watermark: Option<&str>) -> Option<String> {
        match self {
            Self::Never => None,
            Self::Moment(moment) => Some(platform_time(*moment)),
            Self::LastDelivered { overlap } => {
                let read_until = parse_moment(watermark?)?;
                let overlap = SignedDuration::try_from(*overlap).unwrap_or(SignedDuration::MAX);
                Some(platform_time(read_until.saturating_sub(overlap).unwrap_or(Timestamp::MIN)))
            }
        }
    }
}

/// Formats a moment as the platform does, in UTC and whole seconds, rounded down: `2026-11-23 05:30:00`.
pub fn platform_time(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Parses a date or a date and time in UTC, or RFC 3339.
fn parse_moment(text: &str) -> Option<Timestamp> {
    let utc = |time: DateTime| time.to_zoned_datetime(TimeZone::UTC).ok().map(|time| time.timestamp());
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    let is_date = text.len() == "2026-11-23".len();
    match is_date {
        true => utc(text.parse::<Date>().ok()?.to_datetime(Default::default())),
        false => utc(text.parse::<DateTime>().ok()?),
    }
}

impl FromNode for UpdatedSinceWord {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "`last_delivered`, `never` or a moment", problems)?;
        match text {
            "never" => return Some(Self::Never),
            "last_delivered" => return Some(Self::LastDelivered),
            _ => {}
        }
        let moment = parse_moment(text).map(Self::Moment);
        if moment.is_none() {
            let usual = "write `last_delivered`, `never`, or a moment in UTC: `2026-11-01` or `2026-11-01 05:30:00`";
            let hint = did_you_mean(text, ["last_delivered", "never"]).unwrap_or_else(|| usual.to_owned());
            problems.push(node.error(format!("{text:?} is not a moment")).hint(hint));
        }
        moment
    }
}

crate::schema_as!(UpdatedSinceWord, {
    "anyOf": [
        {"enum": ["last_delivered", "never"]},
        {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9:.]+(Z|[+-][0-9:]+)?)?$"}
    ]
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_times_or_rfc_3339() {
        for (text, expected) in [
            ("2026-11-01", Some("2026-11-01 00:00:00")),
            ("2026-11-01 05:30:00", Some("2026-11-01 05:30:00")),
            ("2026-11-01T05:30:00.9", Some("2026-11-01 05:30:00")),
            ("2026-11-01T05:30:00-05:00", Some("2026-11-01 10:30:00")),
            ("yesterday", None),
            ("2026-13-01", None),
            ("", None),
        ] {
            assert_eq!(parse_moment(text).map(platform_time).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_overlap_is_taken_from_the_watermark() {
        let since = UpdatedSince::LastDelivered { overlap: Duration::from_secs(3600) };
        assert_eq!(since.from(Some("2026-11-23 00:30:00")).as_deref(), Some("2026-11-22 23:30:00"));
        assert_eq!(since.from(None), None, "the first run reads everything");
        assert_eq!(UpdatedSince::Never.from(Some("2026-11-23 00:30:00")), None);
    }

    #[test]
    fn a_digest_is_that_of_the_records_and_not_of_the_window() {
        let pull = |list, updated_since| RecordsPull {
            list,
            updated_since,
            fields: vec!["a".into()],
            fields_are_listed: true,
        };
        let digest = |pull: &RecordsPull| pull.digest(&["acme"]);
        let all = pull(RecordList::Users, UpdatedSince::Never);
        let changed = pull(RecordList::Users, UpdatedSince::LastDelivered { overlap: Duration::ZERO });
        assert_eq!(digest(&all), digest(&changed));
        assert_ne!(digest(&all), all.digest(&["other"]));
        assert_ne!(digest(&all), digest(&pull(RecordList::Courses, UpdatedSince::Never)));
        assert_ne!(digest(&all), digest(&pull(RecordList::Users, UpdatedSince::Moment(Timestamp::UNIX_EPOCH))));
        assert_ne!(digest(&all), digest(&RecordsPull { fields: vec!["b".into()], ..all.clone() }));
        let filter =
            |course| RecordList::CourseEnrollments(EnrollmentFilter { courses: vec![course], ..Default::default() });
        let of = |course| digest(&pull(filter(course), UpdatedSince::Never));
        assert_ne!(of(1), of(2));
    }
}
