//! Mistakes in the tests of a pipeline file.

use super::{Folder, PIPELINE, SETTINGS};

/// The problems of a pipeline with these tests.
fn told(tests: &str) -> String {
    let folder = Folder::new(SETTINGS, &format!("{PIPELINE}tests:\n{tests}"));
    match folder.load() {
        Ok((_, problems)) | Err(problems) => folder.told(&problems),
    }
}

#[test]
fn mistakes_in_tests_are_told_with_their_fix() {
    let row = "rows: [{Employee Number: x}]";
    for (tests, expected) in [
        (format!("  - {{name: a, {row}}}\n"), "`expect` is missing"),
        (format!("  - {{name: a, {row}, expect: {{}}}}\n"), "the test \"a\" expects nothing"),
        ("  - {name: a, rows: [], expect: {row_count: 0}}\n".to_owned(), "the rows of the source have no columns here"),
        (format!("  - {{name: a, {row}, expect: {{rows: [{{ident: 1}}]}}}}\n"), "the artifact has no column \"ident\""),
        (format!("  - {{name: a, {row}, expect: {{columns: [id]}}}}\n"), "has the columns id, course, done"),
        (
            format!("  - {{name: a, {row}, expect: {{rows: [], file: x.csv}}}}\n"),
            "`rows` and `file` are mutually exclusive",
        ),
        (format!("  - {{name: a, {row}, expect: {{error: x, row_count: 1}}}}\n"), "a run that fails has no result"),
        (
            format!("  - {{name: a, {row}, expect: {{file: ../x.csv}}}}\n"),
            "is not a path below the pipeline file's folder",
        ),
        (format!("  - {{name: a, slot: soon, {row}, expect: {{row_count: 0}}}}\n"), "\"soon\" is not a time"),
        (format!("  - {{name: a, secrets: {{salt: x}}, {row}, expect: {{row_count: 0}}}}\n"), "uses a secret \"salt\""),
        (
            "  - {name: a, rows: {file: no.csv}, expect: {row_count: 0}}\n".to_owned(),
            "warning: there is no file no.csv",
        ),
        ("  - {name: a, rows: [x], expect: {row_count: 0}}\n".to_owned(), "a row is a table of cells by column"),
        ("  - {name: a, rows: [{a: [1]}], expect: {row_count: 0}}\n".to_owned(), "a cell is a text, not a list"),
        ("  - {name: a, rows: x, expect: {row_count: 0}}\n".to_owned(), "a list of rows is expected here, not a text"),
        (
            format!(
                "  - {{name: a, {row}, expect: {{row_count: 0}}}}\n  - {{name: a, {row}, expect: {{row_count: 0}}}}\n"
            ),
            "there is a test \"a\" already",
        ),
        (format!("  - {{name: a, {row}, expect: {{balance: {{left: 0}}}}}}\n"), "`left` is not a key here"),
    ] {
        let told = told(&tests);
        let told = told.replace("pipelines/", "");
        assert!(told.contains(expected), "{tests}\n{told}");
    }
    let baseline =
        told(&format!("  - {{name: a, {row}, expect: {{row_count: 0}}, baseline: [{{Employee Number: x}}]}}\n"));
    assert!(
        baseline.contains("tests[0].baseline") && baseline.contains("this pipeline has no `delta`"),
        "its key: {baseline}"
    );
    assert!(baseline.contains("remove `baseline`, or add a `delta` step"), "{baseline}");
    let fine = told(&format!("  - {{name: a, slot: 2026-11-23T05:30, {row}, expect: {{findings: [rows.min]}}}}\n"));
    assert_eq!(fine, "");
}
