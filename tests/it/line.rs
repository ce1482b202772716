//! The whole line by the real binary: what a person, and a tool that reads `--json`, are told.

use std::process::{Output, Stdio};

use reportferry::sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};

use super::stage::eventually;
use super::stage::rig::{ARTIFACT, PIPELINE, Rig, SLOT, both, document, sandbox, servers};

/// A sandbox of one's own, misbehaving as told.
fn docebo(rules: &str) -> (tokio::runtime::Runtime, Sandbox) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = SandboxOptions { rows: 300, misbehave: rules.parse().unwrap(), ..SandboxOptions::default() };
    let sandbox = runtime.block_on(sandbox(options));
    (runtime, sandbox)
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", both(output));
}

#[test]
fn a_run_says_what_other_tools_rely_on() {
    let rig = Rig::new(PIPELINE);
    let output = rig.run();
    assert_code(&output, 0);
    let told = document(&output);
    assert_eq!(keys(&told), ["run", "pipeline", "slot", "state", "reason", "rows", "artifact", "deliveries", "next"]);
    assert_eq!((&told["pipeline"], &told["slot"], &told["state"]), (&json!("line"), &json!(SLOT), &json!("delivered")));
    assert_eq!(told["reason"], Value::Null);
    let rows = &told["rows"];
    assert_eq!(keys(rows), ["extracted", "steps", "written", "delivered"]);
    let count = |name: &str| rows[name].as_u64().unwrap();
    assert_eq!(count("extracted"), rows["steps"][0]["dropped"].as_u64().unwrap() + count("written"));
    assert_eq!(keys(&told["artifact"]), ["name", "bytes", "sha256"]);
    assert_eq!(told["artifact"]["name"], ARTIFACT);
    let delivery = &told["deliveries"][0];
    assert_eq!(keys(delivery), ["destination", "state", "attempts", "reason", "receipt"]);
    let receipt = &delivery["receipt"];
    assert_eq!(keys(receipt), ["address", "path", "bytes", "sha256", "at", "host_key"]);
    assert_eq!(receipt["address"], format!("127.0.0.1:{}", servers().sshd.port));
    assert_eq!(receipt["host_key"], servers().sshd.fingerprints[0]);
    assert_eq!(receipt["path"], rig.drop.join("inbound").join(ARTIFACT).to_str().unwrap());

    let show = rig.reportferry(&["show", told["run"].as_str().unwrap(), "--json"]);
    assert_eq!(document(&show), told);
    let story = String::from_utf8(rig.reportferry(&["show", told["run"].as_str().unwrap()]).stdout).unwrap();
    for part in ["entered", "export started", "extracted", "transformed", "delivering", "delivered", "attempts"] {
        assert!(story.contains(part), "{part} is missing in\n{story}");
    }
}

#[test]
fn the_same_slot_again_asks_nobody_and_changes_nothing() {
    let (_runtime, docebo) = docebo("");
    let rig = Rig::with(PIPELINE, &docebo.url, &servers().sshd);
    let first = rig.run();
    assert_code(&first, 0);
    let asked = docebo.requests();
    let again = rig.run();
    assert_code(&again, 0);
    assert_eq!(document(&again), document(&first));
    assert!(String::from_utf8_lossy(&again.stderr).contains("delivered already"), "{}", both(&again));
    assert_eq!(docebo.requests(), asked);
}

#[test]
fn only_what_the_plan_declares_is_asked() {
    let (_runtime, docebo) = docebo("");
    let rig = Rig::with(PIPELINE, &docebo.url, &servers().sshd);
    assert_code(&rig.run(), 0);
    let report = "/analytics/v1/reports/619bf79c-970a-4a8e-be8a-dde48a05c652";
    for seen in docebo.log() {
        let declared = match seen.method.as_str() {
            "POST" => seen.path == "/oauth2/token",
            "GET" => {
                seen.path == "/manage/v1/user/session"
                    || seen.path == "/poweruser/v1/powerusers/11234"
                    || seen.path == format!("{report}/export/csv")
                    || seen.path.starts_with(&format!("{report}/exports/"))
            }
            _ => false,
        };
        assert!(declared, "{} {} was not declared", seen.method, seen.path);
    }
    assert_eq!(docebo.exports(), 1);
}

#[test]
fn an_empty_report_is_held_until_a_person_decides() {
    let (_runtime, docebo) = docebo("header_only");
    let rig = Rig::with(PIPELINE, &docebo.url, &servers().sshd);
    let held = rig.run();
    assert_code(&held, 4);
    let told = document(&held);
    assert_eq!(told["state"], "held");
    assert!(told["reason"].as_str().unwrap().contains("no rows"), "{told}");
    assert!(rig.arrived().is_empty());
    let id = told["run"].as_str().unwrap();
    assert_code(&rig.run(), 4);
    let retried = rig.reportferry(&["retry", id]);
    assert_code(&retried, 2);
    assert!(both(&retried).contains(&format!("reportferry release {id}")), "{}", both(&retried));

    let released = rig.reportferry(&["release", id, "--by", "ann", "--json"]);
    assert_code(&released, 0);
    assert_eq!(document(&released)["state"], "delivered");
    assert_eq!(rig.read(ARTIFACT), b"employee_id,course,done,email\n");
}

#[test]
fn a_rejected_run_stays_rejected() {
    let (_runtime, docebo) = docebo("header_only");
    let rig = Rig::with(PIPELINE, &docebo.url, &servers().sshd);
    let id = document(&rig.run())["run"].as_str().unwrap().to_owned();
    assert_code(&rig.reportferry(&["reject", &id, "--by", "ann", "--because", "wrong month"]), 0);
    assert_code(&rig.run(), 3);
    assert_code(&rig.reportferry(&["retry", &id]), 2);
    assert_code(&rig.reportferry(&["release", &id]), 2);
    assert!(rig.arrived().is_empty());
}

#[test]
fn an_empty_report_is_skipped_where_the_pipeline_says_so() {
    let (_runtime, docebo) = docebo("header_only");
    let rig = Rig::with(&format!("{PIPELINE}expect: {{when_empty: skip}}\n"), &docebo.url, &servers().sshd);
    let skipped = rig.run();
    assert_code(&skipped, 0);
    assert_eq!(document(&skipped)["state"], "skipped");
    assert!(rig.arrived().is_empty());
}

#[test]
fn a_column_that_is_gone_is_named_with_what_is_there() {
    let (_runtime, docebo) = docebo("rename=Completion Date>Completed On");
    let rig = Rig::with(PIPELINE, &docebo.url, &servers().sshd);
    let failed = rig.run();
    assert_code(&failed, 3);
    let reason = document(&failed)["reason"].as_str().unwrap().to_owned();
    for part in ["line.yaml:", "Completion Date", "Completed On"] {
        assert!(reason.contains(part), "{part:?} is missing in {reason:?}");
    }
}

#[test]
fn a_superadmin_is_refused() {
    let (_runtime, docebo) = docebo("level=super_admin");
    let rig = Rig::with(PIPELINE, &docebo.url, &servers().sshd);
    let failed = rig.run();
    assert_code(&failed, 3);
    assert!(document(&failed)["reason"].as_str().unwrap().to_lowercase().contains("superadmin"), "{}", both(&failed));
    assert_eq!(docebo.exports(), 0);
    assert_code(&rig.reportferry(&["--set", "tenants.acme.level=any", "run", "line", "--slot", SLOT]), 0);
}

#[test]
fn one_destination_that_is_down_holds_up_no_other() {
    let rig = Rig::new(&format!("{PIPELINE}  local: {{path: inbound, existing: replace}}\n"));
    let down = ["--set", "destinations.hris.sftp.port=1"];
    let output = rig.reportferry(&[&down[..], &["run", "line", "--slot", SLOT, "--json", "--wait", "1s"]].concat());
    assert_code(&output, 6);
    let told = document(&output);
    let delivery =
        |name: &str| told["deliveries"].as_array().unwrap().iter().find(|d| d["destination"] == name).unwrap().clone();
    assert_eq!(delivery("local")["state"], "delivered");
    assert_eq!(delivery("hris")["state"], "waiting");
    assert!(delivery("hris")["attempts"].as_u64().unwrap() > 1, "{told}");
    assert_eq!(rig.arrived(), [ARTIFACT]);

    std::fs::remove_file(rig.drop.join("inbound").join(ARTIFACT)).unwrap();
    let retried = rig.reportferry(&["retry", told["run"].as_str().unwrap(), "--json"]);
    assert_code(&retried, 0);
    let told = document(&retried);
    assert_eq!(told["state"], "delivered");
    assert_eq!(told["deliveries"][1]["attempts"], 1, "what was delivered is not delivered again: {told}");
}

#[test]
fn a_changed_host_key_blocks_the_run_and_shows_both() {
    let rig = Rig::new(PIPELINE);
    let pin = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let wrong = format!("destinations.hris.sftp.host_keys=[\"{pin}\"]");
    let blocked = rig.reportferry(&["--set", &wrong, "run", "line", "--slot", SLOT, "--json"]);
    assert_code(&blocked, 4);
    let told = document(&blocked);
    assert_eq!(told["state"], "blocked");
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains(pin) && reason.contains(&servers().sshd.fingerprints[0]), "{reason}");
    assert!(rig.arrived().is_empty());
    let retried = rig.reportferry(&["retry", told["run"].as_str().unwrap()]);
    assert_code(&retried, 0);
    assert_eq!(rig.arrived(), [ARTIFACT.to_owned(), format!("{ARTIFACT}.done")]);
}

#[test]
fn a_name_that_is_taken_is_rejected_and_the_file_stays() {
    let rig = Rig::new(PIPELINE);
    std::fs::write(rig.drop.join("inbound").join(ARTIFACT), "somebody else's").unwrap();
    let rejected = rig.run();
    assert_code(&rejected, 3);
    let told = document(&rejected);
    assert_eq!((&told["state"], &told["deliveries"][0]["state"]), (&json!("rejected"), &json!("rejected")));
    assert_eq!(rig.read(ARTIFACT), b"somebody else's");
    assert_eq!(rig.arrived(), [ARTIFACT]);
    std::fs::remove_file(rig.drop.join("inbound").join(ARTIFACT)).unwrap();
    assert_code(&rig.reportferry(&["retry", told["run"].as_str().unwrap()]), 0);
}

#[test]
fn a_run_that_died_after_the_export_began_continues_the_same_export() {
    let (_runtime, docebo) = docebo("");
    let rig = Rig::with(PIPELINE, &docebo.url, &servers().sshd);
    let died = rig.run_with_fault("extract.poll=kill_before@2");
    assert_eq!(died.status.code(), None, "{}", both(&died));
    assert_code(&rig.run(), 0);
    assert_eq!(docebo.exports(), 1);
}

#[test]
fn an_export_that_fails_is_started_again() {
    let (_runtime, docebo) = docebo("final_word=FAILED");
    let rig = Rig::with(PIPELINE, &docebo.url, &servers().sshd);
    let failed = rig.run();
    assert_code(&failed, 3);
    assert!(docebo.exports() > 1 && docebo.exports() <= 3, "{} exports", docebo.exports());
}

#[test]
fn two_processes_deliver_once() {
    let rig = Rig::new(PIPELINE);
    let start = || {
        rig.command(&["run", "line", "--slot", SLOT, "--json", "--wait", "20s"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children = [start(), start(), start()];
    let outputs = children.map(|child| child.wait_with_output().unwrap());
    let told: Vec<Value> = outputs.iter().map(document).collect();
    for (output, document) in outputs.iter().zip(&told) {
        assert_code(output, 0);
        assert_eq!(document, &told[0]);
    }
    assert_eq!(told[0]["deliveries"][0]["attempts"], 1);
    assert_eq!(rig.arrived(), [ARTIFACT.to_owned(), format!("{ARTIFACT}.done")]);
}

#[test]
fn an_interrupted_run_exits_cleanly_and_goes_on_later() {
    let (_runtime, docebo) = docebo("final_word=never");
    let rig = Rig::with(PIPELINE, &docebo.url, &servers().sshd);
    let mut child =
        rig.command(&["run", "line", "--slot", SLOT]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("an export is started", || {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it was interrupted");
        docebo.exports() > 0
    });
    std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_code(&output, 5);
    let runs: Value = document(&rig.reportferry(&["runs", "--json"]));
    assert_eq!(runs["runs"][0]["state"], "extracting");
}

#[test]
fn rows_may_come_from_a_file() {
    let rig = Rig::new(PIPELINE);
    let from = rig.folder.path().join("rows.csv");
    let text = "Employee Number,Course Code,Completion Date,Email,Course Enrollment Status\n\
                007,C-1,2026-01-02 03:04:05,a@example.com,Completed\n008,C-1,,b@example.com,Enrolled\n";
    std::fs::write(&from, text).unwrap();
    let output =
        rig.reportferry(&["run", "line", "--slot", SLOT, "--from", from.to_str().unwrap(), "--deliver", "--json"]);
    assert_code(&output, 0);
    assert_eq!(
        document(&output)["rows"],
        json!({"extracted": 2, "steps": [{"step": 1, "kind": "filter", "dropped": 1}], "written": 1, "delivered": 1})
    );
    let arrived = String::from_utf8(rig.read(ARTIFACT)).unwrap();
    assert!(arrived.starts_with("employee_id,course,done,email\n007,C-1,01/01/2026,"), "{arrived}");
}

#[test]
fn problems_are_shown_before_anything_is_done() {
    let rig = Rig::new(&PIPELINE.replace("hris:", "hirs:"));
    let output = rig.reportferry(&["run", "line", "--slot", SLOT]);
    assert_code(&output, 2);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("line.yaml:13:3") && said.contains("did you mean"), "{said}");
    let output = rig.run();
    assert_code(&output, 2);
    let error = &document(&output)["error"];
    let problem = &error["problems"][0];
    assert_eq!((&error["code"], &problem["line"], &problem["column"]), (&json!(2), &json!(13), &json!(3)), "{error}");
    assert!(problem["file"].as_str().unwrap().ends_with("line.yaml") && output.stderr.is_empty(), "{error}");
    let arguments = rig.reportferry(&["run", "--jsn", "--json"]);
    assert_code(&arguments, 2);
    assert!(document(&arguments)["error"]["message"].as_str().unwrap().contains("--jsn"), "{}", both(&arguments));
    let unknown = rig.reportferry(&["run", "lime"]);
    assert_code(&unknown, 2);
    assert!(both(&unknown).contains("did you mean \"line\"?"), "{}", both(&unknown));
}

#[test]
fn status_shows_the_last_slot_and_the_next() {
    let rig = Rig::new(PIPELINE);
    assert_code(&rig.run(), 0);
    let status = &document(&rig.reportferry(&["status", "--json"]))["pipelines"];
    assert_eq!(
        (&status[0]["pipeline"], &status[0]["state"], &status[0]["slot"]),
        (&json!("line"), &json!("delivered"), &json!(SLOT))
    );
    assert!(status[0]["next"].as_str().unwrap().contains("T05:30:00-0"), "{status}");
    let table = String::from_utf8(rig.reportferry(&["status"]).stdout).unwrap();
    assert!(table.contains("line") && table.contains("delivered"), "{table}");
}
