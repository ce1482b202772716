use super::*;
use crate::stage::eventually;
use crate::stage::rig::{ARTIFACT, SLOT};
use crate::work::stand::Stand;

fn hold(rig: &Rig) -> String {
    json(rig, &["run", "line", "--slot", SLOT], 4)["run"].as_str().unwrap().to_owned()
}

/// The bytes in the spool.
fn held_bytes(rig: &Rig, run: &str) -> Vec<u8> {
    std::fs::read(rig.folder.path().join("data/spool").join(run).join("artifact/file")).unwrap()
}

#[test]
fn the_difference_is_shown() {
    let rig = Rig::new(&held_pipeline());
    let run = hold(&rig);
    let told = json(&rig, &["show", &run], 0);
    assert_eq!(told["findings"][0]["expectation"], "rows.min");
    put(&rig, &run, &checked(findings(Severity::Hold), "Region Email"));
    let text = said(&rig, &["show", &run], 0);
    for line in [
        "  held by   columns: the report has 1 new column, and 1 is missing\n            + Region\n            - Team\n            ~ Email (moved)\n",
        &format!("            to accept this: reportferry accept {run} --header\n"),
        "  held by   rows.change: 40 rows, 66% fewer than usual\n            40 rows, usually 118; compared with\n",
        "              2026-11-16T05:30:00-05:00  121 rows  run 1ce9631402faa34b\n",
        "            row   employee_id  name\n            3     0007         Grace\\u{1b}[31m Hopper\n",
        "            2 of 12 rows, the first and the last\n",
        "  warning   scope: the account's assignments changed\n            courses: 12, now 9\n",
    ] {
        assert!(text.contains(line), "{line}\nis missing in\n{text}");
    }
    assert!(!text.contains('\u{1b}') && !text.contains("--scope"), "a warning needs no decision: {text}");
    let told = json(&rig, &["show", &run], 0);
    assert_eq!(told["findings"][0]["difference"]["header"]["added"], serde_json::json!(["Region"]));
    assert_eq!(told["findings"][2]["difference"]["offending"]["total"], 12);
    let status = json(&rig, &["status"], 0);
    let entry = &status["pipelines"][0]["attention"][0];
    assert_eq!(entry["expectations"], serde_json::json!(["columns", "rows.change", "unique"]));
    assert_eq!(json(&rig, &["runs"], 0)["runs"].as_array().map(Vec::len), Some(1));
    let listed = rig.reportferry(&["runs", "--json"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("\"warnings\": 1"), "{}", both(&listed));
    assert!(said(&rig, &["runs"], 0).contains("; 1 warning"));
}

#[test]
fn a_release_delivers_the_held_bytes_whatever_the_plan_says_now() {
    let rig = Rig::new(&held_pipeline());
    let run = hold(&rig);
    let held = held_bytes(&rig, &run);
    assert!(said(&rig, &["replay", &run], 2).contains("never released"));
    assert!(said(&rig, &["retry", &run], 2).contains("release"));
    // Other rows, and still not enough of them.
    let edited = held_pipeline().replace("= ''Completed''", "<> ''Completed''").replace("1000000", "2000000");
    std::fs::write(rig.folder.path().join("pipelines/line.yaml"), edited).unwrap();
    let released = json(&rig, &["release", &run, "--by", "ann", "--because", "the summer break"], 0);
    assert_eq!(released["state"], "delivered");
    assert_eq!(rig.read(ARTIFACT), held);
    let decision = &released["decision"];
    assert_eq!((&decision["decision"], &decision["by"]), (&"released".into(), &"ann".into()));
    assert_eq!(decision["because"], "the summer break");
    let (recorded, history) = recorded(&rig, &run);
    assert_eq!(recorded.released_by.as_deref(), Some("ann"));
    assert!(history.contains(&"released by ann, reason the summer break".to_owned()), "{history:?}");
    assert!(said(&rig, &["show", &run], 0).contains("  released  by ann at "));
    assert!(said(&rig, &["release", &run], 2).contains("is delivered, not held"));
    json(&rig, &["replay", &run, "--as", "again.csv"], 0);
    assert_eq!(rig.read("again.csv"), held, "what was released may be sent again");
}

#[test]
fn a_changed_spool_is_refused_with_its_cause() {
    let rig = Rig::new(&held_pipeline());
    let run = hold(&rig);
    let path = rig.folder.path().join("data/spool").join(&run).join("artifact/file");
    let held = std::fs::read(&path).unwrap();
    let mut other = held.clone();
    *other.last_mut().unwrap() = b'!';
    std::fs::write(&path, &other).unwrap();
    // Not as text, whose lines are wrapped.
    let refused = || json(&rig, &["release", &run], 2)["error"].to_string();
    let text = refused();
    assert!(text.contains("changed in the spool") && text.contains("SHA-256") && text.contains("reject"), "{text}");
    std::fs::write(&path, &held[1..]).unwrap();
    assert!(refused().contains("bytes in"));
    assert_eq!(recorded(&rig, &run).0.released_by, None);
    std::fs::write(&path, &held).unwrap();
    said(&rig, &["release", &run], 0);
    assert_eq!(rig.read(ARTIFACT), held);
}

#[test]
fn a_killed_release_is_not_done_or_the_worker_continues_it() {
    for (fault, is_recorded) in [("ledger.release=kill_before", false), ("ledger.release=kill_after", true)] {
        let rig = Rig::new(&held_pipeline());
        let run = hold(&rig);
        let held = held_bytes(&rig, &run);
        let killed = rig.command(&["release", &run, "--by", "ann"]).env("REPORTFERRY_FAULT", fault).output().unwrap();
        assert!(killed.status.code().is_none(), "{}", both(&killed));
        assert!(rig.arrived().is_empty());
        let state = recorded(&rig, &run).0.state.name();
        assert_eq!(state, if is_recorded { "delivering" } else { "held" }, "{fault}");
        if is_recorded {
            let stand = Stand::new(rig);
            let worker = stand.worker();
            eventually("the worker delivers it", || stand.runs()[0].state.name() == "delivered");
            worker.stop();
            assert_eq!(stand.rig.read(ARTIFACT), held);
        } else {
            said(&rig, &["release", &run], 0);
            assert_eq!(rig.read(ARTIFACT), held);
        }
    }
}

#[test]
fn released_bytes_that_are_lost_later_are_not_replaced() {
    let rig = Rig::new(&held_pipeline());
    let run = hold(&rig);
    let down = ["--set", "destinations.hris.sftp.port=1", "release", &run, "--wait", "0s"];
    json(&rig, &down, 6);
    std::fs::remove_dir_all(rig.folder.path().join("data/spool").join(&run).join("artifact")).unwrap();
    let failed = json(&rig, &["retry", &run], 3);
    assert!(failed["reason"].as_str().unwrap().contains("no longer holds the released"), "{failed}");
    assert!(rig.arrived().is_empty());
    // Fetched again, and checked again.
    assert_eq!(json(&rig, &["retry", &run], 4)["state"], "held");
    assert!(rig.arrived().is_empty());
}

#[test]
fn a_rejected_run_is_final_and_says_who_and_why() {
    let rig = Rig::new(&held_pipeline());
    let run = hold(&rig);
    let rejected = json(&rig, &["reject", &run, "--by", "ann", "--because", "wrong month"], 0);
    assert_eq!((&rejected["state"], &rejected["decision"]["because"]), (&"rejected".into(), &"wrong month".into()));
    for command in ["release", "retry", "replay", "reject"] {
        said(&rig, &[command, &run], 2);
    }
    assert!(rig.arrived().is_empty());
    assert!(json(&rig, &["status"], 0)["pipelines"][0]["attention"].as_array().unwrap().is_empty());
}

#[test]
fn a_run_that_failed_by_an_expectation_is_fetched_anew() {
    let rig = Rig::new(&held_pipeline());
    let run = hold(&rig);
    put(&rig, &run, &checked(findings(Severity::Fail), "Region Email"));
    let file = rig.folder.path().join("data/ledger.db");
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.execute("UPDATE runs SET state = 'failed', reason = 'other columns'", []).unwrap();
    drop(connection);
    assert!(said(&rig, &["show", &run], 0).contains("  failed by columns"));
    assert!(said(&rig, &["replay", &run], 2).contains(&format!("retry {run}")));
    std::fs::write(rig.folder.path().join("pipelines/line.yaml"), PIPELINE).unwrap();
    let first = recorded(&rig, &run).0.execution_id;
    assert_eq!(json(&rig, &["retry", &run], 0)["state"], "delivered");
    let (recorded, history) = recorded(&rig, &run);
    assert_ne!(recorded.execution_id, first, "a new export");
    assert!(history.contains(&"artifact discarded other columns".to_owned()), "{history:?}");
}

#[test]
fn a_header_is_accepted_after_it_was_shown() {
    let rig = Rig::new(&held_pipeline());
    let run = hold(&rig);
    put(&rig, &run, &checked(Vec::new(), ""));
    let none = said(&rig, &["accept", &run, "--header"], 2);
    assert!(none.contains("does not know the columns"), "{none}");
    assert!(said(&rig, &["accept", &run, "--scope"], 2).contains("does not know"));
    assert!(said(&rig, &["accept", &run], 2).contains("--header"));
    let other =
        json(&rig, &["run", "line", "--slot", "2026-11-24T05:30:00-05:00"], 4)["run"].as_str().unwrap().to_owned();
    put(&rig, &run, &checked(Vec::new(), "Name Team Email"));
    put(&rig, &other, &checked(findings(Severity::Hold), "Email Name Region"));
    said(&rig, &["accept", &run, "--header", "--yes"], 0);
    assert!(said(&rig, &["accept", &run, "--header"], 2).contains("nothing differs"));

    let shown = said(&rig, &["accept", &other, "--header"], 0);
    for part in [
        "    + Region\n    - Team\n    ~ Email (moved)\n",
        "nothing was changed",
        &format!("accept {other} --header --yes"),
    ] {
        assert!(shown.contains(part), "{part}\nis missing in\n{shown}");
    }
    assert!(said(&rig, &["accept", &run, "--header"], 2).contains("nothing differs"), "nothing was changed");
    for fault in ["ledger.accept=kill_before", "ledger.accept=kill_after"] {
        let arguments = ["accept", &other, "--header", "--yes", "--by", "ann", "--because", "the report was renamed"];
        let killed = rig.command(&arguments).env("REPORTFERRY_FAULT", fault).output().unwrap();
        assert!(killed.status.code().is_none(), "{}", both(&killed));
    }
    let again = said(&rig, &["accept", &other, "--header", "--yes"], 2);
    assert!(again.contains("nothing differs") && again.contains("accepted by ann"), "the second was recorded: {again}");
    let history = recorded(&rig, &other).1;
    assert_eq!(history.iter().filter(|event| event.starts_with("accepted")).count(), 1, "{history:?}");
    let back = json(&rig, &["accept", &run, "--header", "--yes"], 0);
    assert_eq!((&back["accepted"], &back["kind"]), (&true.into(), &"header".into()));
    assert_eq!(back["next"], format!("reportferry release {run}, or reportferry reject {run} --because TEXT"));
}

#[test]
fn a_file_sets_no_baseline() {
    let rig = Rig::new(&held_pipeline());
    let file = rig.folder.path().join("in.csv");
    std::fs::write(&file, "Employee Number,Course Code,Course Enrollment Status,Completion Date,Email\n").unwrap();
    let run = json(&rig, &["run", "line", "--from", file.to_str().unwrap(), "--deliver"], 4);
    let refused = said(&rig, &["accept", run["run"].as_str().unwrap(), "--header"], 2);
    assert!(refused.contains("is of the file"), "{refused}");
}
