//! Tests that pass and fail, their differences, and `--update`.

use serde_json::json;

use super::Case;
use crate::stage::rig::{both, document};

/// Three rows, of which the first and the last remain.
const INPUT: &str = "
    rows:
      - {Employee Number: \"007\", Email: a@x.example, status: Completed, done: 2026-01-05 10:00:00, score: 88}
      - {Employee Number: \"008\", Email: b@x.example, status: Open}
      - {Employee Number: \"009\", Email: c@x.example, status: Completed, done: 2026-01-06 10:00:00, score: 9}
    secrets: {email_salt: a-value-of-this-test-which-is-long-enough}
";

/// HMAC-SHA-256 of `a@x.example` with that key, by Python's `hmac`.
const MAIL: &str = "86aaedf04bb31a883f2c78cdaafb22c8ca30cee47e1ef8b03acb58f6e7d8b6c8";

/// The same of `c@x.example`.
const LAST_MAIL: &str = "57057f92a3ff7faf352dbde443a1b20d53eb211ae8dd9a8da1e63511daaed171";

fn case(expect: &str) -> Case {
    Case::new(&format!("tests:\n  # kept\n  - name: rows{INPUT}    expect:{expect}\n# the end\n"))
}

#[test]
fn a_changed_a_missing_and_an_extra_row_are_shown() {
    let expected = format!(
        "
      rows:
        - {{id: \"006\", mail: x, done: 01/01/2026, score: 1}}
        - {{id: \"007\", mail: {MAIL}, done: 05/01/2026, score: 88}}
"
    );
    let case = case(&expected);
    let text = case.text(&["test"], 3);
    insta::assert_snapshot!(text);
    let told = document(&case.reportferry(&["test", "--json"]));
    assert_eq!((&told["ok"], &told["failed"]), (&json!(false), &json!(1)));
    let rows = told["pipelines"][0]["tests"][0]["differences"][0]["rows"].as_array().unwrap();
    let kinds: Vec<&str> = rows.iter().map(|row| row["row"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["missing", "changed", "extra"]);
    assert!(!case.path("data").exists(), "no ledger is made");
    assert!(!case.path("out").exists(), "nothing is delivered");
}

#[test]
fn assertions_hold_or_are_told() {
    for (expect, told) in [
        ("{row_count: 2, columns: [id, mail, done, score], balance: {extracted: 3, dropped: 1, written: 2}}", None),
        ("{contains: [{id: \"009\", done: 01/06/2026}]}", None),
        ("{row_count: 2, findings: [rows.min]}", None),
        ("{row_count: 3}", Some("row_count: 3 expected, not 2")),
        ("{balance: {dropped: 2}}", Some("balance.dropped: 2 expected, not 1")),
        ("{contains: [{id: \"008\"}]}", Some("contains: not among the rows")),
        ("{findings: [not_null]}", Some("findings: not_null expected, and there is rows.min")),
        ("{error: no such}", Some("error: \"no such\" expected, but the run does not fail")),
    ] {
        let case = case(&format!(" {expect}\n"));
        match told {
            None => assert!(case.text(&["test"], 0).ends_with("1 passed, 0 failed\n")),
            Some(told) => {
                let text = case.text(&["test"], 3);
                assert!(text.contains(told), "{expect}\n{text}");
            }
        }
    }
}

#[test]
fn a_finding_that_stops_a_run_must_be_named_and_errors_too() {
    let row = |row: &str, expect: &str| {
        let case = Case::new(&format!("tests:\n  - {{name: t, rows: [{row}], expect: {expect}}}\n"));
        let output = case.reportferry(&["test"]);
        (output.status.code().unwrap(), both(&output))
    };
    let unscored = "{Employee Number: 1, Email: x, status: Completed, done: 2026-01-05, score: }";
    let (code, text) = row(unscored, "{row_count: 1}");
    assert!(code == 3 && text.contains("held by not_null: 1 of 1 row has no score"), "{text}");
    assert_eq!(row(unscored, "{row_count: 1, findings: [not_null]}").0, 0);
    let wrong = "{Employee Number: 1, Email: x, status: Completed, done: soon, score: 1}";
    assert_eq!(row(wrong, "{error: 'column \"done\"'}").0, 0);
    let (code, text) = row(wrong, "{row_count: 1}");
    assert!(code == 3 && text.contains("the run fails: record 1 (line 2), column \"done\""), "{text}");
    let (code, text) = row("{Employee Number: 1}", "{row_count: 1}");
    assert!(code == 3 && text.contains("there is no column \"status\" here"), "{text}");
}

#[test]
fn update_writes_rows_and_files_that_then_pass() {
    let case = Case::new(&format!(
        "tests:\n  # kept\n  - name: rows{INPUT}    expect:\n      # kept too\n      rows:\n        - {{id: \"007\"}} # not kept\n      row_count: 2\n  - name: file{INPUT}    expect: {{file: p/expected.csv}}\n  - name: flow{INPUT}    expect: {{rows: []}}\n# the end\n"
    ));
    assert!(case.text(&["test"], 3).contains("`--update` writes it"));
    let text = case.text(&["test", "--update"], 0);
    assert!(text.contains("  updated rows\n  updated file\n  updated flow\n0 passed, 0 failed, 3 updated"), "{text}");
    assert_eq!(case.text(&["test"], 0), "p\n  ok      rows\n  ok      file\n  ok      flow\n3 passed, 0 failed\n");
    let edited = case.read("pipelines/p.yaml");
    for kept in ["  # kept\n", "      # kept too\n", "      row_count: 2\n", "# the end\n"] {
        assert!(edited.contains(kept), "{kept}\n{edited}");
    }
    assert!(edited.contains("        - {id: \"007\", mail: "), "{edited}");
    let file = case.read("pipelines/p/expected.csv");
    assert!(file.starts_with("\u{feff}id;mail;done;score\r\n007;") && file.ends_with(";01/06/2026;9\r\n"), "{file:?}");
    assert_eq!(document(&case.reportferry(&["test", "--update", "--json"]))["updated"], json!(0));
    assert_eq!(case.read("pipelines/p.yaml"), edited);

    // A file that differs in one line end is told by its lines.
    case.write("pipelines/p/expected.csv", &file.replacen(";88\r\n", ";88\n", 1));
    let text = case.text(&["test"], 3);
    assert!(text.contains("01/05/2026;88␊\n") && text.contains("01/05/2026;88␍␊\n"), "{text}");
    assert!(text.contains("<BOM>id;mail;done;score␍␊"), "{text}");
}

#[test]
fn a_text_is_compared_byte_by_byte_and_is_not_updated() {
    let text = |end: &str| {
        format!(
            "\"\\uFEFFid;mail;done;score\\r\\n007;{MAIL};01/05/2026;88\\r\\n\\\n        009;{LAST_MAIL};01/06/2026;9{end}\""
        )
    };
    assert!(case(&format!(" {{text: {}, row_count: 2}}\n", text("\\r\\n"))).text(&["test"], 0).contains("1 passed"));
    let case = case(&format!(" {{text: {}}}\n", text("\\n")));
    let told = case.text(&["test"], 3);
    assert!(told.contains("the artifact (+) differs from `text` (-)"), "{told}");
    assert!(told.contains(";9␊\n") && told.contains(";9␍␊\n"), "{told}");
    let before = case.read("pipelines/p.yaml");
    assert!(case.text(&["test", "--update"], 3).contains("0 passed, 1 failed"));
    assert_eq!(case.read("pipelines/p.yaml"), before);
    let two = both(&self::case(" {text: a, file: b.csv}\n").reportferry(&["check"]));
    assert!(two.contains("`file` and `text` are mutually exclusive"), "{two}");
}

/// A pipeline with `delta`, and one test with these rows.
fn changes(rows: &str) -> Case {
    let case = Case::new("");
    case.write(
        "pipelines/p.yaml",
        &format!(
            "\
source: {{file: {{path: rows.csv}}}}
transform:
  - filter: id <> '0'
  - set: {{key: \"concat('k', id)\"}}
  - delta: {{by: [key], compare: [status]}}
  - map: {{column: change_type, values: {{added: A, changed: C, removed: R}}, else: fail}}
  - drop: id
artifact: {{name: 'p_{{slot:%Y%m%d}}.csv'}}
deliver: {{out: {{}}}}
tests:
  - name: t
{rows}
"
        ),
    );
    case
}

const NOW: &str = "
    rows:
      - {id: 3, status: open}
      - {id: 1, status: done, note: new}
      - {id: 2, status: open, note: other}
    expect:";

#[test]
fn rows_are_compared_with_the_baseline_of_a_test() {
    let rows = "[{id: 1, status: open}, {id: 2, status: open, gone: x}, {id: 0, status: open}, {id: 4, status: done}]";
    let expected = "
      rows:
        - {key: k1, status: done, note: new, change_type: C, gone: \"\"}
        - {key: k3, status: open, change_type: A}
        - {key: k4, change_type: R}
      balance: {extracted: 3, dropped: 1, added: 1, written: 3}";
    let case = changes(&format!("    baseline: {rows}{NOW}{expected}"));
    assert_eq!(case.text(&["test"], 0), "p\n  ok      t\n1 passed, 0 failed\n");
    // The same rows in a file, which have the columns of its header.
    let case = changes(&format!("    baseline: {{file: before.csv}}{NOW}{}", expected.replace(", gone: \"\"", "")));
    case.write("pipelines/before.csv", "id,note,status\n4,x,done\n1,x,open\n2,x,open\n0,x,open\n");
    assert_eq!(case.text(&["test"], 0), "p\n  ok      t\n1 passed, 0 failed\n");
    // Without a baseline, it is the first delivery.
    let case = changes(&format!("{NOW} {{contains: [{{key: k2, change_type: A}}], row_count: 3}}"));
    case.text(&["test"], 0);
    // A row that is unchanged is not delivered.
    let case = changes(&format!("    baseline: {rows}{NOW} {{contains: [{{key: k2}}]}}"));
    assert!(case.text(&["test"], 3).contains("contains: not among the rows"));
}

#[test]
fn a_baseline_that_could_not_be_delivered_fails_its_test_whatever_it_expects() {
    let case = changes(&format!("    baseline: [{{id: 1, status: x}}, {{id: 1, status: y}}]{NOW} {{error: same key}}"));
    let text = case.text(&["test"], 3);
    let told =
        "baseline: its rows could not have been delivered: record 2 (line 3) has the same key as record 1 (line 2)";
    assert!(text.contains(told), "{text}");
    let case = changes(&format!("    baseline: {{file: before.csv}}{NOW} {{row_count: 3}}"));
    case.write("pipelines/before.csv", "id,status\n1,open\n");
    let text = case.text(&["test"], 3);
    assert!(text.contains("held by delta in step 3: the baseline, of run `baseline` of the test"), "{text}");
    assert!(text.contains("has other columns: added \"note\""), "{text}");
    std::fs::remove_file(case.path("pipelines/before.csv")).unwrap();
    let text = case.text(&["test"], 3);
    assert!(text.contains("baseline: its rows could not have been delivered: cannot read "), "{text}");
}

#[test]
fn pipelines_without_tests_are_listed() {
    let case = Case::new("");
    assert_eq!(case.text(&["test"], 0), "p  no tests\n0 passed, 0 failed; 1 pipeline without tests\n");
    assert!(case.text(&["test", "p", "--require-tests"], 3).contains("which --require-tests does not allow"));
    assert_eq!(case.text(&["test", "pipelines/p.yaml"], 0), case.text(&["test", "pipelines"], 0));
    let output = case.reportferry(&["test", "q"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(both(&output).contains("there is no pipeline \"q\""), "{}", both(&output));
}
