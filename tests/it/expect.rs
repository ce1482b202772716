//! Expectations by the real binary: what is held, delivered and failed, and what the ledger keeps of it.

use std::process::Output;

use reportferry::clock::Clock;
use reportferry::expect::{Checked, Difference};
use reportferry::ledger::Ledger;

use crate::stage::rig::{Rig, SLOT, both, document, names};

/// Rows that meet every expectation of [`EXPECT`].
const GOOD: &str = "employee_id,course,status,score,manager,done,note\n\
    00000001,C-1,Completed,100,,2026-11-22,x\n\
    00000002,C-1,In Progress,,00000001,2026-11-20,\n\
    00000001,C-2,Completed,0,,2026-11-01,y\n";

const EXPECT: &str = "  rows: {min: 1, max: 10}
  columns: [employee_id, course, status, score, manager, done, note]
  types: {done: date, score: integer}
  not_null: [employee_id, course]
  unique: [employee_id, course]
  values: {status: [Completed, In Progress]}
  range: {score: {min: 0, max: 100}}
  length: {course: 10}
  match: {employee_id: '^[0-9]{8}$'}
  references: {manager: employee_id}
  fresh: {source_column: done, max_age: 36h}
  size: {max: 1KiB}
";

/// A pipeline that delivers a CSV of the rig's folder to a folder, with these expectations.
fn rig(csv: &str, expect: &str) -> Rig {
    let rig = Rig::new(&format!(
        "schedule: {{cron: \"30 5 * * mon-fri\", timezone: America/New_York}}\n\
         source: {{file: {{path: in.csv}}}}\n\
         transform: [{{select: [employee_id, course, status, score, manager, done]}}]\n\
         expect:\n{expect}\
         artifact: {{name: a.csv}}\n\
         deliver: {{local: {{path: inbound}}}}\n"
    ));
    std::fs::write(rig.folder.path().join("in.csv"), csv).unwrap();
    rig
}

/// What the ledger keeps of the run's check.
fn checked(rig: &Rig, output: &Output) -> Checked {
    let id = document(output)["run"].as_str().unwrap().to_owned();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::open(&rig.ledger, Clock::System).await.unwrap();
        let run = ledger.run(&id).await.unwrap().unwrap();
        ledger.close().await;
        run.checked
    })
}

fn ends_with(rig: &Rig, code: i32) -> Output {
    let output = rig.run();
    assert_eq!(output.status.code(), Some(code), "{}", both(&output));
    output
}

#[test]
fn rows_that_meet_all_expectations_are_delivered() {
    let rig = rig(GOOD, EXPECT);
    let output = ends_with(&rig, 0);
    let checked = checked(&rig, &output);
    assert!(checked.findings.is_empty(), "{checked:?}");
    let header = GOOD.lines().next().unwrap().split(',').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((checked.facts.header, checked.facts.rows), (header, 3));
    assert_eq!(rig.arrived(), ["a.csv"]);
}

#[test]
fn each_expectation_holds_a_run_and_shows_its_rows() {
    let row = |row: &str| format!("{GOOD}{row}\n");
    for (csv, key, message) in [
        (row(",C-3,Completed,1,,2026-11-22,"), "not_null", "1 of 4 rows has no employee_id"),
        (
            row("00000002,C-1,Completed,1,,2026-11-22,"),
            "unique",
            "2 of 4 rows have the same employee_id and course as another row",
        ),
        (row("00000003,C-1,Complete,1,,2026-11-22,"), "values", "is not \"Completed\" or \"In Progress\""),
        (
            row("00000003,C-1,Completed,101,,2026-11-22,"),
            "range",
            "a value of score that is not a number from 0 to 100",
        ),
        (row("00000003,C-1,Completed,1.0,,2026-11-22,"), "types", "a value of score that is not a whole number"),
        (
            row("00000003,C-ÄÄÄÄÄÄÄÄÄ,Completed,1,,2026-11-22,"),
            "length",
            "a value of course that is not at most 10 characters long",
        ),
        (row("3,C-1,Completed,1,,2026-11-22,"), "match", "a value of employee_id that does not match ^[0-9]{8}$"),
        (row("00000003,C-1,Completed,1,00000009,2026-11-22,"), "references", "does not occur in employee_id"),
        (row("00000003,C-1,Completed,1,,11/22/2026,"), "types", "a value of done that is not a date (YYYY-MM-DD)"),
        (
            GOOD.replace("2026-11-22", "2026-11-21"),
            "fresh",
            "the newest done is 2026-11-22 00:00:00 UTC, 1d 10h before the slot",
        ),
        (GOOD.replace(",note\n", ",remark\n"), "columns", "added \"remark\"; missing \"note\""),
        (GOOD.lines().next().unwrap().to_owned() + "\n", "when_empty", "there are no rows"),
    ] {
        let fresh = if key == "fresh" { EXPECT.replace("36h", "34h") } else { EXPECT.to_owned() };
        let rig = rig(&csv, &fresh);
        let output = ends_with(&rig, 4);
        let reason = document(&output)["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(message), "{key}: {reason}");
        let checked = checked(&rig, &output);
        let finding = checked.findings.iter().find(|finding| finding.expectation == key).unwrap();
        assert!(reason.contains(&finding.message) && checked.findings.len() == 1, "{key}: {checked:?}");
        if let Some(Difference::Offending(rows)) = &finding.difference {
            assert_eq!(rows.columns, ["employee_id", "course", "status", "score", "manager", "done"], "as delivered");
            let last = csv.lines().last().unwrap().rsplit_once(',').unwrap().0;
            assert_eq!(rows.rows.last().unwrap().cells.join(","), last, "{key}");
        }
        assert!(rig.arrived().is_empty(), "{key}");
    }
}

#[test]
fn a_severity_decides_what_happens() {
    let twice = format!("{GOOD}00000002,C-1,Completed,1,,2026-11-22,\n");
    for (severity, code, arrived) in [("hold", 4, 0), ("warn", 0, 1), ("fail", 3, 0)] {
        let rig = rig(&twice, &format!("{EXPECT}  severity: {{unique: {severity}}}\n"));
        let output = ends_with(&rig, code);
        assert_eq!(checked(&rig, &output).findings.len(), 1, "{severity}");
        assert_eq!(rig.arrived().len(), arrived, "{severity}");
    }
}

#[test]
fn an_artifact_has_its_size_after_encoding() {
    let rig = rig(GOOD, "  size: {max: 100}\n");
    let output = ends_with(&rig, 4);
    let reason = document(&output)["reason"].as_str().unwrap().to_owned();
    let bytes = document(&output)["artifact"]["bytes"].as_u64().unwrap();
    assert_eq!(reason, format!("the artifact has {bytes} bytes, at most 100 expected"));
}

#[test]
fn a_column_that_the_extract_lacks_fails_the_run_and_names_the_line() {
    let rig = rig(GOOD, "  fresh: {source_column: Done, max_age: 36h}\n");
    let reason = document(&ends_with(&rig, 3))["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("line.yaml:5:") && reason.contains("did you mean \"done\"?"), "{reason}");
}

#[test]
fn a_sort_on_disk_finds_what_one_in_memory_finds_and_leaves_nothing() {
    let mut csv = GOOD.lines().next().unwrap().to_owned() + "\n";
    let rows = 150_000;
    for row in 0..rows {
        // One key of the first rows comes again at the end.
        let id = if row == rows - 1 { 7 } else { row };
        csv.push_str(&format!("{id:08},C-1,Completed,1,{:08},2026-11-22,\n", if row == 100 { rows } else { row / 2 }));
    }
    let found = ["1MiB", "64MiB"].map(|memory| {
        let rig = rig(&csv, "  unique: employee_id\n  references: {manager: employee_id}\n");
        rig.settings(|text| format!("{text}limits: {{memory: {memory}}}\n"));
        let output = ends_with(&rig, 4);
        let spool = rig.folder.path().join("data/spool").join(document(&output)["run"].as_str().unwrap());
        assert!(names(&spool).iter().all(|name| ["artifact", "extract.csv", "lock"].contains(&name.as_str())));
        checked(&rig, &output)
    });
    assert_eq!(found[0], found[1]);
    let shown: Vec<Vec<u64>> = found[0]
        .findings
        .iter()
        .filter_map(|finding| match &finding.difference {
            Some(Difference::Offending(rows)) => Some(rows.rows.iter().map(|row| row.number).collect()),
            _ => None,
        })
        .collect();
    assert_eq!(shown, [vec![8, rows], vec![101]], "{:?}", found[0].findings);
    assert!(SLOT.starts_with("2026-11-23"));
}
