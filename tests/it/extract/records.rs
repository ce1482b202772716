//! Lists of records: every paging, and what is refused.

use reportferry::extract::Extract;
use reportferry::pipeline::plan::{EnrollmentFilter, Pull, RecordList, RecordsPull, UpdatedSince};
use reportferry::progress::Progress;

use super::stage::{Case, Stage, check, csv_of, on_threads, outcome};

/// The enrollments of the sandbox's [`ROWS`](super::stage::ROWS).
const ENROLLMENTS: usize = 626;

fn pull(list: RecordList) -> RecordsPull {
    let fields = list.usual_fields().iter().map(|field| (*field).to_owned()).collect();
    RecordsPull { list, updated_since: UpdatedSince::Never, fields, fields_are_listed: false }
}

fn records(misbehave: &'static str) -> Case {
    Case::new(misbehave).with(|case| case.pull = Pull::Records(pull(RecordList::Enrollments)))
}

async fn pulled(stage: &Stage) -> (Extract, String) {
    let extract = stage.pull().await.expect("an extract");
    let csv = csv_of(&extract, &stage.limits).expect("a CSV");
    (extract, String::from_utf8(csv).expect("UTF-8"))
}

#[test]
fn every_paging_brings_every_record_once() {
    on_threads(async {
        let (extract, expected) = pulled(&records("").stage().await).await;
        assert_eq!(expected.lines().count(), 1 + ENROLLMENTS);
        assert_eq!(extract.source.rows, Some(ENROLLMENTS as u64));
        assert!(extract.source.watermark.is_some() && extract.source.updated_from.is_none());
        for misbehave in [
            "ids=number",
            "empty_page",
            "cursor=each",
            "cursor=same",
            "cursor=each,empty_page",
            "records_cap=50",
            "short_first",
            "no_more_flag",
            "no_totals",
            "no_more_flag,no_totals",
            "no_more_flag,no_totals,records_cap=50",
            "no_totals,short_first,cursor=each",
            "repeats",
            "repeats,no_totals,records_cap=7",
            "grows",
            "cut_pages=3",
            "records=429*2",
            "records=429_seconds*1",
            "records=503*1,no_totals",
            "records=500*2",
            "records=reset*2",
            "records=401*1",
            "expire_token_after=2",
            "token_seconds=1",
        ] {
            let stage = records(misbehave).stage().await;
            let (_, csv) = pulled(&stage).await;
            let sorted = |csv: &str| {
                let mut lines: Vec<String> = csv.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            assert!(sorted(&csv) == sorted(&expected), "{misbehave}: {} lines", csv.lines().count());
            stage.nothing_undeclared();
        }
    });
}

#[test]
fn lists_that_may_be_incomplete_are_refused_with_their_numbers() {
    on_threads(async {
        for (misbehave, words) in [
            ("more_total=5", ["refused", "626 different records came, and the platform states 631"]),
            ("lost_records=10", ["refused", "616 different records came, and the platform states 626"]),
            ("lost_records=10,repeats", ["refused", "616 different records came, and the platform states 626"]),
            ("shrinks", ["later", "625 different records came, and the platform states 626 at first"]),
            ("cursor=stuck", ["refused", "page 2 repeats the records of an earlier page"]),
            ("cursor=stuck,no_totals", ["refused", "page 2 repeats the records of an earlier page"]),
            ("records=403", ["refused", "permission to view these records"]),
            ("records=404", ["refused", "no such list of records"]),
            ("records=html", ["refused", "web page"]),
            ("records=unsuccessful", ["refused", "Operation not permitted"]),
            ("records=garbage", ["refused", "not JSON"]),
            ("records=500", ["later", "500"]),
            ("records=redirect", ["refused", "redirects are not followed"]),
            ("level=godadmin", ["refused", "Superadmin"]),
        ] {
            check(records(misbehave), &words).await;
        }
        let few = |case: &mut Case| case.limits.rows = 625;
        check(records("").with(few), &["refused", "more than 625 records", "limits.rows"]).await;
        let enough = |case: &mut Case| case.limits.rows = 626;
        check(records("").with(enough), &["626 rows, Csv"]).await;
        let small = |case: &mut Case| case.limits.response_bytes = 1000;
        check(records("").with(small), &["refused", "more than 1000 bytes", "limits.response_bytes"]).await;
    });
}

#[test]
fn every_list_is_read_with_its_own_fields() {
    on_threads(async {
        for (list, rows, first) in [
            (RecordList::Users, 313, "20000,user000001,"),
            (RecordList::Courses, 24, "300,"),
            (RecordList::Enrollments, 626, "300,20000,user000001,completed,80,"),
        ] {
            let header = list.usual_fields().join(",");
            let stage = records("").with(|case| case.pull = Pull::Records(pull(list))).stage().await;
            let (extract, csv) = pulled(&stage).await;
            assert_eq!(extract.source.rows, Some(rows));
            assert!(csv.starts_with(&format!("{header}\n{first}")), "{csv}");
        }
        let filter = EnrollmentFilter { courses: vec![300, 303], users: vec![], statuses: vec!["completed".into()] };
        let some = pull(RecordList::CourseEnrollments(filter));
        let stage = records("cursor=each,records_cap=5").with(|case| case.pull = Pull::Records(some)).stage().await;
        let (extract, csv) = pulled(&stage).await;
        assert_eq!((extract.source.rows, csv.lines().count()), (Some(53), 54));
        assert!(csv.lines().skip(1).all(|line| line.starts_with("300,") || line.starts_with("303,")), "{csv}");
        let log = stage.sandbox.log();
        let query = log.iter().rev().find_map(|request| request.query.clone()).expect("a query");
        assert!(query.contains("course_id%5B%5D=300&course_id%5B%5D=303&enrollment_status%5B%5D=completed"), "{query}");
        let fields = |fields: &[&str]| RecordsPull {
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            fields_are_listed: true,
            ..pull(RecordList::Users)
        };
        let (listed, misspelt) = (fields(&["field_12", "user_id"]), fields(&["user_id", "emial"]));
        let (_, csv) = pulled(&records("").with(|case| case.pull = Pull::Records(listed)).stage().await).await;
        assert!(csv.starts_with("field_12,user_id\nCost centre 100,20000\n"), "{csv}");
        let misspelt = |case: &mut Case| case.pull = Pull::Records(misspelt);
        check(records("").with(misspelt), &["refused", "no record has the field \"emial\"", "did you mean \"email\"?"])
            .await;
    });
}

#[test]
fn a_window_is_kept_through_an_interruption() {
    on_threads(async {
        let overlap = std::time::Duration::from_secs(3600);
        let since = RecordsPull { updated_since: UpdatedSince::LastDelivered { overlap }, ..pull(RecordList::Users) };
        let other = RecordsPull { list: RecordList::Courses, ..since.clone() };
        let stage = records("").with(|case| case.pull = Pull::Records(since)).stage().await;
        stage.sandbox.change_records("users", [3, 5], "2026-11-23T05:00:00Z".parse().expect("a time"));
        let begun = stage.source().await.start(Some("2026-11-23 05:30:00")).await.expect("an ID");
        assert!(begun.0.starts_with("users/2026-11-23 04:30:00/"), "{begun:?}");
        // Another process continues, which knows only the ID.
        let extract =
            stage.source().await.collect(&begun, stage.spool(), &Progress::default()).await.expect("an extract");
        assert_eq!(extract.source.updated_from.as_deref(), Some("2026-11-23 04:30:00"));
        assert_eq!(extract.source.rows, Some(2));
        let csv = String::from_utf8(csv_of(&extract, &stage.limits).expect("a CSV")).expect("UTF-8");
        let ids: Vec<&str> = csv.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        assert_eq!(ids, ["20003", "20005"]);
        // One that was begun for another source is not.
        let stage = records("").with(|case| case.pull = Pull::Records(other)).stage().await;
        let refused =
            stage.source().await.collect(&begun, stage.spool(), &Progress::default()).await.expect_err("an error");
        assert!(refused.to_string().contains("was begun for another source"), "{refused}");
    });
}

#[test]
fn an_empty_list_has_its_header() {
    on_threads(async {
        let moment = UpdatedSince::Moment("2026-11-23T05:30:00Z".parse().expect("a time"));
        let since = RecordsPull { updated_since: moment, ..pull(RecordList::Courses) };
        let stage = records("").with(|case| case.pull = Pull::Records(since)).stage().await;
        assert_eq!(outcome(&stage).await, "0 rows, Csv");
        let (_, csv) = pulled(&stage).await;
        assert_eq!(csv, "id_course,name,course_type,code,date_last_updated\n");
    });
}
