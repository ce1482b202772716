//! Records as a source: what is read of the file, and its mistakes.

use std::time::Duration;

use reportferry::pipeline::columns::Columns;
use reportferry::pipeline::plan::{EnrollmentFilter, RecordList, RecordsPull, UpdatedSince};

use super::{Folder, PIPELINE, SETTINGS};

/// A pipeline with these lines below the tenant.
fn pipeline(source: &str) -> Folder {
    let report = "    report: 619bf79c-970a-4a8e-be8a-dde48a05c652\n    via: download\n";
    let text = PIPELINE.replace(report, &source.lines().map(|line| format!("    {line}\n")).collect::<String>());
    let (before, rest) = text.split_once("transform:\n").unwrap();
    let (_, after) = rest.split_once("expect:\n").unwrap();
    Folder::new(SETTINGS, &format!("{before}expect:\n{after}"))
}

fn records(source: &str) -> RecordsPull {
    let folder = pipeline(source);
    let (plan, problems) = folder.load().unwrap_or_else(|problems| panic!("{}", folder.told(&problems)));
    assert!(problems.is_empty(), "{source}: {}", folder.told(&problems));
    plan.source.records().unwrap().1.clone()
}

#[test]
fn records_are_read_to_their_last_default() {
    let users = records("records: users");
    assert_eq!((&users.list, users.updated_since), (&RecordList::Users, UpdatedSince::Never));
    assert!(!users.fields_are_listed && users.fields[0] == "user_id");
    let hour = UpdatedSince::LastDelivered { overlap: Duration::from_secs(3600) };
    assert_eq!(records("records: courses\nupdated_since: last_delivered").updated_since, hour);
    let none = UpdatedSince::LastDelivered { overlap: Duration::ZERO };
    assert_eq!(records("records: courses\nupdated_since: last_delivered\noverlap: 0s").updated_since, none);
    let moment = UpdatedSince::Moment("2026-11-01T05:30:00Z".parse().unwrap());
    assert_eq!(records("records: users\nupdated_since: 2026-11-01 05:30:00").updated_since, moment);
    let filtered = records("records: enrollments\nfilter: {courses: [305, 301, 305], statuses: completed}");
    let filter = EnrollmentFilter { courses: vec![301, 305], users: vec![], statuses: vec!["completed".into()] };
    assert_eq!(filtered.list, RecordList::CourseEnrollments(filter));
    let listed = records("records: users\nfields: [user_id, field_12]");
    assert_eq!((listed.fields, listed.fields_are_listed), (vec!["user_id".to_owned(), "field_12".to_owned()], true));
    let folder = pipeline("records: courses");
    let (plan, _) = folder.load().unwrap_or_else(|problems| panic!("{}", folder.told(&problems)));
    let columns = ["id_course", "name", "course_type", "code", "date_last_updated"].map(str::to_owned);
    assert_eq!(Columns::of_source(&plan.source).names(), Some(columns.to_vec()), "known before anything is read");
}

#[test]
fn mistakes_in_records_are_told_where_they_stand() {
    let mut told = String::new();
    for source in [
        "records: enrolments",
        "record: users",
        "records: users\nvia: results",
        "records: users\ncsv: {delimiter: \";\"}",
        "records: users\nreport: 619bf79c-970a-4a8e-be8a-dde48a05c652",
        "updated_since: last_delivered",
        "report: 619bf79c-970a-4a8e-be8a-dde48a05c652\nupdated_since: last_delivered",
        "records: users\nupdated_since: last_delivred",
        "records: users\nupdated_since: yesterday",
        "records: users\noverlap: 1h",
        "records: users\nupdated_since: 2026-11-01\noverlap: 1h",
        "records: users\nupdated_since: last_delivered\noverlap: 60",
        "records: users\nfilter: {courses: [301]}",
        "records: enrollments\nfilter: {}",
        "records: enrollments\nfilter: {course: [301]}",
        "records: enrollments\nfilter: {courses: [GDPR-101]}",
        "records: enrollments\nfilter: {statuses: [\"\"]}",
        "records: users\nfields: []",
        "records: users\nfields: [user_id, user_id, \"\"]",
        "records: users\nupdated_since: last_delivered\nfields: [username]",
        "records: enrollments\nupdatedsince: never",
    ] {
        let folder = pipeline(source);
        let problems = folder.load().map_or_else(|problems| problems, |(_, warnings)| warnings);
        assert!(!problems.is_empty(), "{source}");
        told.push_str(&format!("{}\n{}", source.replace('\n', " / "), folder.told(&problems)));
    }
    let many = (1..=101).map(|id| id.to_string()).collect::<Vec<_>>().join(", ");
    let folder = pipeline(&format!("records: enrollments\nfilter: {{courses: [{many}]}}"));
    told.push_str(&format!("101 courses\n{}", folder.told(&folder.load().map(|_| ()).unwrap_err())));
    insta::assert_snapshot!(told);
}

#[test]
fn columns_that_the_records_lack_are_found_before_a_run() {
    let folder = pipeline("records: courses");
    let text = std::fs::read_to_string(folder.path("pipelines/completions.yaml")).unwrap();
    folder.write(
        "pipelines/completions.yaml",
        text.replace("expect:\n", "transform:\n  - select: [id_course, nmae]\nexpect:\n"),
    );
    let told = folder.told(&folder.load().map(|_| ()).unwrap_err());
    assert!(told.contains("there is no column \"nmae\" here") && told.contains("did you mean \"name\"?"), "{told}");
}

#[test]
fn changes_that_would_replace_all_records_are_warned_of() {
    let warned = |name: &str, since: &str| {
        let folder = pipeline(&format!("records: users\nupdated_since: {since}"));
        let text = std::fs::read_to_string(folder.path("pipelines/completions.yaml")).unwrap();
        folder.write("pipelines/completions.yaml", text.replace("completions_{slot:%Y%m%d}.csv", name));
        let (_, warnings) = folder.load().unwrap_or_else(|problems| panic!("{}", folder.told(&problems)));
        folder.told(&warnings)
    };
    let told = warned("users.csv", "last_delivered");
    assert!(told.contains("warning: at `hris` a file with only the changes replaces the one before"), "{told}");
    assert!(!told.contains("`bi`"), "{told}");
    assert_eq!(warned("users.csv", "never"), "");
    assert_eq!(warned("users_{slot:%Y%m%dT%H%M}.csv", "last_delivered"), "");
}
