//! Rows before and after steps, types, marks, masks, and the file's bytes.

use serde_json::json;

use super::Case;
use crate::stage::rig::{PIPELINE, Rig, SLOT, both, document};

#[test]
fn the_result_and_the_files_bytes_are_shown() {
    let case = Case::new("");
    insta::assert_snapshot!(case.text(&["preview", "p"], 0));
    assert!(!case.path("data").exists(), "no ledger is made");
    assert!(!case.path("out").exists(), "nothing is delivered");
}

#[test]
fn each_step_is_shown_before_and_after() {
    let case = Case::new("");
    for step in ["1", "2", "3", "4", "5"] {
        let text = case.text(&["preview", "p", "--step", step], 0);
        // What a later step hides is shown nowhere.
        assert!(!text.contains("acme.example"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 170), "{text}");
        insta::assert_snapshot!(format!("step_{step}"), text);
    }
    let output = case.reportferry(&["preview", "p", "--step", "6"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(both(&output).contains("`--step 1` to `--step 5`"), "{}", both(&output));
}

#[test]
fn the_document_has_types_nulls_and_marks() {
    let case = Case::new("");
    let told = document(&case.reportferry(&["preview", "p", "--step", "1", "--json"]));
    assert_eq!(told["step"], json!({"number": 1, "kind": "filter"}));
    assert_eq!(told["before"]["columns"][3], json!({"name": "done", "type": "datetime", "empty": 1, "masked": false}));
    let dropped = &told["before"]["rows"][1];
    assert_eq!((&dropped["record"], &dropped["dropped"]), (&json!(2), &json!(true)));
    assert_eq!(dropped["cells"][3], json!(null));
    assert_eq!(dropped["cells"][1], json!("•••"));
    assert_eq!(told["rows"]["steps"], json!([{"step": 1, "kind": "filter", "dropped": 1}]));
    let told = document(&case.reportferry(&["preview", "p", "--step", "3", "--json"]));
    assert_eq!(told["after"]["rows"][0]["changed"], json!([1, 3]));
    let told = document(&case.reportferry(&["preview", "p", "--rows", "1", "--json"]));
    assert_eq!(told["artifact"]["lines"][0], json!("\u{feff}id;mail;done;score\r\n"));
    assert_eq!((told["after"]["rows"].as_array().unwrap().len(), &told["after"]["seen"]), (1, &json!(2)));
}

#[test]
fn what_a_keyed_hash_reads_is_hidden_before_a_join_and_a_map_too() {
    let case = Case::new("");
    let pipeline = |steps: &str| {
        let (source, _) = super::PIPELINE.split_once("transform:").unwrap();
        let text = format!("{source}transform:\n{steps}artifact: {{name: out.csv}}\ndeliver: {{out: {{}}}}\n");
        case.write("pipelines/p.yaml", &text);
    };
    case.write("pipelines/users.csv", "Mail,Team\nAnn@acme.example,A\nBob@acme.example,B\n");
    pipeline(
        "
  - set: {copy: upper(Email)}
  - join: {with: {file: users.csv}, match: {Email: Mail}, columns: {address: Mail, team: Team}}
  - map: {column: address, to: who, values: {Bob@acme.example: bob@acme.example}, else: keep}
  - set: {id: \"case when team = 'A' then hmac_sha256(who, 'email_salt') end\"}
  - select: [id, team, copy]
",
    );
    for step in ["1", "2", "3", "4", "5"] {
        let text = case.text(&["preview", "p", "--step", step], 0);
        assert!(!text.to_lowercase().contains("acme.example"), "{text}");
    }
    let told = document(&case.reportferry(&["preview", "p", "--step", "4", "--json"]));
    for part in ["before", "after"] {
        let columns = told[part]["columns"].as_array().unwrap().iter();
        let masked: Vec<&str> = columns
            .filter(|column| column["masked"] == json!(true))
            .map(|column| column["name"].as_str().unwrap())
            .collect();
        assert_eq!(masked, ["Email", "copy", "address", "who"], "{part}: the team and the hash are shown");
    }

    // An error before the hash does not show it either.
    pipeline(
        "
  - rename: {address: Email}
  - set: {number: cast(address as integer)}
  - set: {id: \"hmac_sha256(address, 'email_salt')\"}
",
    );
    let output = case.reportferry(&["preview", "p"]);
    assert_eq!(output.status.code(), Some(2), "{}", both(&output));
    let told = both(&output);
    assert!(told.contains("\"(masked)\" is not a valid integer of 64 bits (set.number in step 2)"), "{told}");
}

#[test]
fn a_preview_says_that_it_compares_with_nothing() {
    let case = Case::new("");
    let delta = "  - sort: [done]\n  - delta: {by: [id]}\n";
    let text = case.read("pipelines/p.yaml").replace("  - sort: [done]\n", delta);
    case.write(
        "pipelines/p.yaml",
        &text.replace("score]\nexpect", "score, change_type]\nexpect").replace("out.csv", "'{slot:%d}.csv'"),
    );
    let notes = |step: &[&str]| {
        let previewed = document(&case.reportferry(&[&["preview", "p", "--json"], step].concat()));
        previewed["notes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|note| note.as_str().unwrap().contains("delta"))
            .count()
    };
    assert_eq!([notes(&[]), notes(&["--step", "4"]), notes(&["--step", "5"])], [1, 0, 1]);
    let told =
        "note: `delta` (step 5) shows every row as added: a preview does not compare with what was delivered before";
    assert!(case.text(&["preview", "p"], 0).contains(told));
}

#[test]
fn a_long_file_is_read_in_part_unless_a_step_needs_all() {
    let case = Case::new("");
    let rows: String =
        (0..5_000).map(|row| format!("{row},e,Completed,2026-01-05 10:00:00,{},\n", 5_000 - row)).collect();
    case.write("rows.csv", &format!("{}\n{rows}", super::ROWS.lines().next().unwrap()));
    let told = document(&case.reportferry(&["preview", "p", "--step", "2", "--json"]));
    assert_eq!((&told["complete"], &told["rows"]["extracted"]), (&json!(false), &json!(1_000)));
    let told = document(&case.reportferry(&["preview", "p", "--json"]));
    assert_eq!((&told["complete"], &told["rows"]["extracted"]), (&json!(true), &json!(5_000)));
}

#[test]
fn a_given_file_may_be_a_zip_and_what_is_wrong_is_told() {
    use std::io::Write;
    let case = Case::new("");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(case.path("export.zip")).unwrap());
    zip.start_file("r.csv", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(super::ROWS.as_bytes()).unwrap();
    zip.finish().unwrap();
    assert!(case.text(&["preview", "p", "--from", "export.zip"], 0).contains("rows of export.zip"));
    case.write("page.csv", "<!doctype html><html>");
    case.write("short.csv", "Employee Number,status\n1,Completed\n");
    for (file, told) in [
        ("page.csv", "the file is a web page"),
        ("none.csv", "cannot read none.csv"),
        ("short.csv", "there is no column \"Email\" here"),
    ] {
        let output = case.reportferry(&["preview", "p", "--from", file]);
        assert_eq!(output.status.code(), Some(2), "{}", both(&output));
        assert!(both(&output).contains(told), "{}", both(&output));
    }
}

#[test]
fn nothing_is_requested_unless_it_is_asked_for() {
    let rig = Rig::new(&PIPELINE.replace("artifact:", "expect: {rows: {min: 1000000}}\nartifact:"));
    let requests = || crate::stage::rig::servers().sandbox.url.clone();
    let output = rig.reportferry(&["preview", "line"]);
    assert_eq!(output.status.code(), Some(2), "{}", both(&output));
    assert!(both(&output).contains("`--pull` requests the rows"), "{}", both(&output));
    let pulled = document(&rig.reportferry(&["preview", "line", "--pull", "--json"]));
    assert_eq!(pulled["source"], json!("the source, as of now"), "{}", requests());
    assert!(rig.arrived().is_empty());
    // A held run's rows are in the spool.
    let held = rig.reportferry(&["run", "line", "--slot", SLOT, "--json", "--wait", "5s"]);
    assert_eq!(held.status.code(), Some(4), "{}", both(&held));
    let saved = document(&rig.reportferry(&["preview", "line", "--json"]));
    assert!(saved["source"].as_str().unwrap().starts_with("run "), "{saved:#}");
    assert_eq!(saved["after"], pulled["after"]);
}
