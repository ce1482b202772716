//! Held runs: what is shown, who decides, and what is delivered then.

/// Release, reject, accept, and a run that failed by an expectation.
mod decide;
/// Slots after a held one.
mod wait;

use reportferry::clock::Clock;
use reportferry::expect::{Checked, Difference, EarlierRows, Facts, Finding, OffendingRow, OffendingRows};
use reportferry::ledger::Ledger;
use reportferry::ledger::record::Run;
use reportferry::pipeline::plan::Severity;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::stage::rig::{PIPELINE, Rig, both, document};

/// More rows than the report has are expected.
fn held_pipeline() -> String {
    format!("{PIPELINE}expect: {{rows: {{min: 1000000}}}}\n")
}

fn said(rig: &Rig, arguments: &[&str], code: i32) -> String {
    let output = rig.reportferry(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", both(&output));
    both(&output)
}

fn json(rig: &Rig, arguments: &[&str], code: i32) -> Value {
    let output = rig.reportferry(&[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", both(&output));
    document(&output)
}

fn names(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn finding(expectation: &str, severity: Severity, message: &str, difference: Difference) -> Finding {
    let (expectation, message) = (expectation.to_owned(), message.to_owned());
    Finding { expectation, severity, message, difference: Some(difference) }
}

/// One finding of each kind.
pub(crate) fn findings(severity: Severity) -> Vec<Finding> {
    let earlier = |rows| EarlierRows { run: "1ce9631402faa34b".into(), slot: "2026-11-16T05:30:00-05:00".into(), rows };
    let row = |number, id: &str| OffendingRow { number, cells: vec!["Grace\u{1b}[31m Hopper".into(), id.into()] };
    vec![
        finding(
            "columns",
            severity,
            "the report has 1 new column, and 1 is missing",
            Difference::Header { added: names("Region"), removed: names("Team"), moved: names("Email"), listed: false },
        ),
        finding(
            "rows.change",
            severity,
            "40 rows, 66% fewer than usual",
            Difference::Rows { rows: 40, usual: 118, earlier: vec![earlier(118), earlier(121)] },
        ),
        finding(
            "unique",
            severity,
            "12 of 1,204 rows have an employee_id of another row",
            Difference::Offending(OffendingRows {
                total: 12,
                columns: names("name employee_id"),
                checked_columns: names("employee_id"),
                rows: vec![row(3, "0007"), row(1204, "0007")],
            }),
        ),
        finding(
            "scope",
            Severity::Warn,
            "the account's assignments changed",
            Difference::Scope { changes: vec!["courses: 12, now 9".to_owned()] },
        ),
    ]
}

pub(crate) fn checked(findings: Vec<Finding>, header: &str) -> Checked {
    Checked {
        findings,
        skip: None,
        facts: Facts { header: names(header), rows: 40, scope: None, delta: None },
        dropped_rows: None,
        artifacts: std::collections::BTreeMap::new(),
    }
}

/// Puts what was found into the ledger, as a run with these expectations would.
fn put(rig: &Rig, run: &str, checked: &Checked) {
    let file = rig.folder.path().join("data/ledger.db");
    let text = serde_json::to_string(checked).unwrap();
    let changed = rusqlite::Connection::open(file)
        .unwrap()
        .execute("UPDATE runs SET checked_json = ?1 WHERE id = ?2", [text.as_str(), run])
        .unwrap();
    assert_eq!(changed, 1);
}

/// The run as the ledger has it, with its history in words.
fn recorded(rig: &Rig, run: &str) -> (Run, Vec<String>) {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let ledger = Ledger::open(&rig.ledger, Clock::System).await.unwrap();
        let events = ledger.events(run).await.unwrap();
        let told = events.iter().map(|event| format!("{} {}", event.event.name(), event.event.detail())).collect();
        let run = ledger.run(run).await.unwrap().unwrap();
        ledger.close().await;
        (run, told)
    })
}
