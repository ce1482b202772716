//! What is asked of a tenant without a run: `doctor TENANT`, `reports`, `check --connect`.

use serde_json::{Value, json};

use super::stage::rig::{PIPELINE, Rig, both, document};

const REPORT: &str = "619bf79c-970a-4a8e-be8a-dde48a05c652";

fn json_of(rig: &Rig, arguments: &[&str], code: i32) -> Value {
    let output = rig.reportferry(&[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", both(&output));
    document(&output)
}

fn text_of(rig: &Rig, arguments: &[&str], code: i32) -> String {
    let output = rig.reportferry(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", both(&output));
    both(&output)
}

fn outcomes(section: &Value) -> Vec<(&str, &str)> {
    let steps = section["steps"].as_array().unwrap();
    steps.iter().map(|step| (step["name"].as_str().unwrap(), step["outcome"].as_str().unwrap())).collect()
}

#[test]
fn doctor_shows_the_account_and_each_report_that_is_used() {
    let rig = Rig::new(PIPELINE);
    let found = json_of(&rig, &["doctor", "acme"], 0);
    assert_eq!(outcomes(&found), [("sign-in", "done"), ("reports", "done"), ("report of line", "done")]);
    assert!(found["steps"][0]["message"].as_str().unwrap().ends_with("is a Power User"), "{found:#}");
    let text = text_of(&rig, &["doctor", "acme"], 0);
    assert!(text.contains("tenant acme\n") && text.contains("its reports can be fetched"), "{text}");
    assert!(text_of(&rig, &["doctor", "acne"], 2).contains("did you mean \"acme\"?"));

    let other = PIPELINE.replace(REPORT, "00000000-0000-4000-8000-000000000000");
    std::fs::write(rig.folder.path().join("pipelines/line.yaml"), other).unwrap();
    let text = text_of(&rig, &["doctor", "acme"], 3);
    assert!(text.contains("the account does not see report 00000000-"), "{text}");

    std::fs::write(rig.folder.path().join("password"), "wrong").unwrap();
    let found = json_of(&rig, &["doctor", "acme"], 3);
    assert_eq!(outcomes(&found), [("sign-in", "failed")], "{found:#}");
    assert!(found["steps"][0]["hint"].is_string(), "{found:#}");
}

#[test]
fn reports_are_listed_with_their_pipelines_and_columns() {
    let rig = Rig::new(PIPELINE);
    let found = json_of(&rig, &["reports", "acme"], 0);
    let of =
        |found: &Value| found["reports"].as_array().unwrap().iter().find(|one| one["id"] == REPORT).unwrap().clone();
    assert_eq!(of(&found)["pipelines"], json!(["line"]));
    assert!(of(&found)["columns"].is_null(), "nothing is exported unasked: {found:#}");
    let found = json_of(&rig, &["reports", "acme", REPORT], 0);
    let columns = of(&found)["columns"].clone();
    assert!(columns.as_array().unwrap().contains(&json!("Course Enrollment Status")), "{columns}");
    let text = text_of(&rig, &["reports", "acme"], 0);
    assert!(text.contains(&format!("{REPORT}  Compliance completions  used by line\n")), "{text}");
    assert!(text_of(&rig, &["reports", "acme", "None"], 2).contains("the account sees no report \"None\""));
    let left = std::fs::read_dir(rig.folder.path().join("data")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("columns-")), "{left:?}");
}

#[test]
fn check_connect_compares_the_columns_and_tries_the_destinations() {
    let rig = Rig::new(PIPELINE);
    let found = json_of(&rig, &["check", "--connect"], 0);
    let sections = found["connect"].as_array().unwrap();
    assert_eq!(sections[0]["tested"], "tenant acme");
    assert_eq!(outcomes(&sections[0]).last(), Some(&("columns of line", "done")), "{found:#}");
    assert_eq!((&sections[1]["tested"], &sections[1]["ok"]), (&json!("destination hris, inbound"), &json!(true)));
    assert!(json_of(&rig, &["check"], 0)["connect"].is_null());

    let renamed = PIPELINE.replace("Course Code", "Course Number");
    std::fs::write(rig.folder.path().join("pipelines/line.yaml"), renamed).unwrap();
    let text = text_of(&rig, &["check", "--connect"], 3);
    assert!(text.contains("FAILED columns of line") && text.contains("Course Number"), "{text}");
    assert!(text.contains("destination hris, inbound\n"), "the others are tried too: {text}");
}

#[test]
fn a_tenant_and_a_destination_have_different_names() {
    let rig = Rig::new(PIPELINE);
    rig.settings(|text| text.replace("  local:\n", "  acme:\n"));
    let text = text_of(&rig, &["check"], 2);
    assert!(text.contains("\"acme\" is a tenant's name too"), "{text}");
}
