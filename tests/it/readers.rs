//! Profiles of readers: what they fill in, what they refuse, and the pipelines that `init` writes for them.

use std::path::Path;

use super::stage::rig::{both, document};

const PIPELINE: &str = "reader: degreed-completions
source: {docebo: {tenant: acme, report: {name: Course completions}}}
transform:
  - rename: {UserID: Employee Number, CourseID: Course Code, CompletionDate: Completion Date}
  - set: {ContentType: \"'Course'\"}
  - select: [UserID, CourseID, CompletionDate, ContentType]
artifact: {name: a.csv}
deliver: {hris: {}}
";

/// Runs the command in a folder that `init` made, with this pipeline.
fn with(pipeline: &str, arguments: &[&str]) -> std::process::Output {
    let folder = crate::stage::folder();
    let init = ["init", "--reader", "degreed-completions"];
    let init = crate::stage::reportferry().args(init).arg(folder.path()).output().unwrap();
    assert!(init.status.success(), "{}", both(&init));
    std::fs::remove_file(folder.path().join("pipelines/degreed-completions.yaml")).unwrap();
    std::fs::write(folder.path().join("pipelines/line.yaml"), pipeline).unwrap();
    crate::stage::reportferry().current_dir(folder.path()).args(arguments).output().unwrap()
}

#[test]
fn a_profile_is_filled_in_and_checked() {
    let output = with(PIPELINE, &["check", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let explained = with(PIPELINE, &["explain", "line"]);
    let text = both(&explained);
    for part in [
        "UserID is not at most 255 characters long",
        "It is made for the reader degreed-completions",
        "has no CourseID",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for (from, to, line, expected) in [
        ("reader: degreed-completions", "reader: degreed", 1, "there is no reader \"degreed\""),
        ("CompletionDate, ContentType]", "CompletionDate]", 1, "requires the column \"ContentType\""),
        (
            "Date}\n  - set: {ContentType: \"'Course'\"}\n  - select: [UserID, CourseID,",
            "Date, Titel: T}\n  - set: {ContentType: \"'Course'\"}\n  - select: [Titel, UserID, CourseID,",
            1,
            "has no column \"Titel\"",
        ),
        ("  - select: [UserID, CourseID, CompletionDate, ContentType]\n", "", 1, "are known only with the extract"),
        (
            "{name: a.csv}",
            "{name: a.csv, csv: {header: none}}",
            7,
            "the reader degreed-completions fixes `artifact.csv.header`",
        ),
    ] {
        assert!(PIPELINE.contains(from), "{from}");
        let output = with(&PIPELINE.replace(from, to), &["check", "--json"]);
        assert_eq!(output.status.code(), Some(2), "{to}: {}", both(&output));
        let problems = document(&output)["problems"].as_array().unwrap().clone();
        let found = problems.iter().find(|problem| problem["message"].as_str().unwrap().contains(expected));
        let found = found.unwrap_or_else(|| panic!("{expected}: {problems:#?}"));
        assert_eq!(found["line"], line, "{found:#}");
    }
}

#[test]
fn a_value_that_the_reader_does_not_take_holds_the_run() {
    let long = "x".repeat(256);
    let tests = format!(
        "{PIPELINE}tests:\n  - name: too long\n    rows: [{{Employee Number: {long}, Course Code: C, Completion Date: \"20260105\"}}]\n    \
         expect: {{row_count: 1, findings: [length]}}\n  - name: as long as may be\n    rows: [{{Employee Number: {}, Course Code: C, \
         Completion Date: \"20260105\"}}]\n    expect: {{row_count: 1}}\n",
        &long[1..]
    );
    let output = with(&tests, &["test"]);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
}

#[test]
fn init_writes_a_pipeline_for_each_reader_that_checks_and_passes_its_tests() {
    let listed = crate::stage::reportferry().args(["readers", "--json"]).output().unwrap();
    let readers = document(&listed)["readers"].as_array().unwrap().clone();
    assert!(!readers.is_empty());
    for reader in &readers {
        let name = reader["name"].as_str().unwrap();
        let folder = crate::stage::folder();
        let reportferry = |arguments: &[&str]| {
            crate::stage::reportferry().current_dir(folder.path()).args(arguments).output().unwrap()
        };
        let init = reportferry(&["init", "--reader", name]);
        assert!(init.status.success(), "{name}: {}", both(&init));
        let checked = reportferry(&["check"]); // its host key is yet to be accepted
        assert_eq!(checked.status.code(), Some(0), "{name}: {}", both(&checked));
        let tested = reportferry(&["test", "--require-tests"]);
        assert_eq!(tested.status.code(), Some(0), "{name}: {}", both(&tested));
        let shown = reportferry(&["readers", name]);
        assert!(both(&shown).contains(reader["title"].as_str().unwrap()), "{name}");
    }
}

#[test]
fn the_folder_of_examples_is_not_read_by_a_worker() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = crate::stage::reportferry().current_dir(root).args(["check", "--strict", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
}

#[test]
fn other_programs_read_the_files_of_ten_readers() {
    const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");
    const READERS: [&str; 11] = [
        "sap-learning-history",
        "oracle-hcm-learning-record",
        "cornerstone-external-training",
        "degreed-completions",
        "uk-lrs",
        "mcle-attendance",
        "ce-broker-text",
        "ce-broker-roster",
        "ukg-hrsd",
        "oracle-retail",
        "snowflake-drop",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = crate::stage::folder();
    let settings = "destinations:\n  hris: {local: {path: out, mkdir: true}}\n  warehouse: {local: {path: out, mkdir: true}}\n\
                    tenants: {acme: {docebo: \"http://127.0.0.1:9\", client_id: c, client_secret: {env: NONE}, username: u, \
                    password: {env: NONE}}}\n";
    std::fs::write(folder.path().join("reportferry.yaml"), settings).unwrap();
    std::fs::create_dir(folder.path().join("pipelines")).unwrap();
    let long = "Abcdefghij".repeat(4);
    let rows = format!(
        "Employee Number,First Name,Last Name,Instructor,Course Code,Course Name,Course Provider,Course Enrollment Status,\
         Enrollment Date,Completion Date,Final Score,Credits\n\
         0000000042,Ana,López-Núñez,\"M | \"\"Mary\"\" !##!\",0101,\"Fire | \"\"Safety\"\" \\ first\",Acme,Completed,2026-01-01 \
         08:00:00,2026-01-05 12:30:00,88,1.5\n\
         0000000043,,李,\"A, B\",C-2,\"Ethik, größer\",,Completed,2026-01-01 08:00:00,2026-01-05 12:30:00,,2\n\
         0000000044,\"B\\o\",{long},,C-2,\"Ethik, größer\",,Completed,2026-01-01 08:00:00,2026-01-05 12:30:00,100,0.25\n\
         0000000045,Eve,Ito,,C-2,\"Ethik, größer\",,In Progress,2026-01-01 08:00:00,,,\n"
    );
    std::fs::write(folder.path().join("rows.csv"), rows).unwrap();
    for name in READERS {
        let file = format!("pipelines/{name}.yaml");
        std::fs::copy(root.join(format!("pipelines/readers/{name}.yaml")), folder.path().join(&file)).unwrap();
        let output = crate::stage::reportferry()
            .current_dir(folder.path())
            .args(["run", name, "--from", "rows.csv", "--deliver", "--slot", "2026-11-23T05:30:00Z", "--json"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{name}: {}", both(&output));
    }
    let script = root.join("tests/it/readers/read_back.py");
    let read = std::process::Command::new(PYTHON).arg(script).arg(folder.path()).output().unwrap();
    assert!(read.status.success(), "{}", both(&read));
}

#[test]
fn settings_with_a_problem_are_the_only_problem_of_a_test_with_several_sources() {
    let folder = crate::stage::folder();
    std::fs::create_dir(folder.path().join("pipelines")).unwrap();
    let pipeline = include_str!("../../pipelines/readers/hris-with-managers.yaml");
    std::fs::write(folder.path().join("pipelines/line.yaml"), pipeline).unwrap();
    std::fs::write(folder.path().join("reportferry.yaml"), "tenats: {}\n").unwrap();
    let output = crate::stage::reportferry().current_dir(folder.path()).arg("check").output().unwrap();
    let said = both(&output);
    assert!(said.contains("tenats") && !said.contains("no step reads"), "{said}");
}
