//! Final names that a reader must free first (`existing: wait`), and names during the upload (`upload_as`).

use std::process::Output;

use serde_json::Value;

use super::stage::rig::{Rig, both, document, servers};

const SLOTS: [&str; 3] = ["2026-11-22T05:30:00Z", "2026-11-23T05:30:00Z", "2026-11-24T05:30:00Z"];

fn rig(existing: &str) -> Rig {
    let pipeline = format!(
        "source: {{file: {{path: rows.csv}}}}\nartifact: {{name: out.asc}}\n\
         deliver: {{hris: {{path: inbound, existing: {existing}}}}}\n"
    );
    let rig = Rig::delivering_to(&pipeline, &servers().sshd.account());
    rows(&rig, "first");
    rig
}

fn rows(rig: &Rig, day: &str) {
    std::fs::write(rig.folder.path().join("rows.csv"), format!("day\n{day}\n")).unwrap();
}

fn run(rig: &Rig, slot: &str, fault: Option<&str>) -> Output {
    let mut command = rig.command(&["run", "line", "--slot", slot, "--json", "--wait", "1s"]);
    if let Some(fault) = fault {
        command.env("REPORTFERRY_FAULT", fault);
    }
    command.output().unwrap()
}

/// State and reason of the delivery.
fn delivery(output: &Output) -> (String, String) {
    let of = &document(output)["deliveries"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&of["state"]), text(&of["reason"]))
}

fn taken(rig: &Rig, content: &str) {
    let path = rig.drop.join("inbound/out.asc");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("day\n{content}\n"));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn a_taken_name_is_waited_for_in_the_order_of_the_slots() {
    let rig = rig("wait");
    assert!(run(&rig, SLOTS[0], None).status.success());
    rows(&rig, "second");
    let second = run(&rig, SLOTS[1], None);
    let (state, reason) = delivery(&second);
    assert_eq!(state, "waiting", "{}", both(&second));
    assert!(reason.contains("inbound/out.asc is there already"), "{reason}");
    rows(&rig, "third");
    let third = run(&rig, SLOTS[2], None);
    let (state, reason) = delivery(&third);
    assert_eq!(state, "waiting", "{}", both(&third));
    assert!(reason.contains("waits behind the delivery of the earlier slot 2026-11-23T05:30:00"), "{reason}");
    taken(&rig, "first");
    let third = run(&rig, SLOTS[2], None);
    assert_eq!(delivery(&third).0, "waiting", "the name is free, and the second slot is first: {}", both(&third));
    assert!(run(&rig, SLOTS[1], None).status.success());
    taken(&rig, "second");
    assert!(run(&rig, SLOTS[2], None).status.success());
    taken(&rig, "third");
}

#[test]
fn a_name_that_stays_taken_ends_as_the_pipeline_says() {
    for (then, expected, code) in [("hold", "blocked", 4), ("fail", "rejected", 3)] {
        let rig = rig(&format!("{{wait: {{deadline: 1ms, then: {then}}}}}"));
        assert!(run(&rig, SLOTS[0], None).status.success());
        run(&rig, SLOTS[1], None);
        std::thread::sleep(std::time::Duration::from_millis(10));
        let late = run(&rig, SLOTS[1], None);
        let (state, reason) = delivery(&late);
        assert_eq!((state.as_str(), late.status.code()), (expected, Some(code)), "{}", both(&late));
        assert!(reason.contains("has not taken it away within the deadline; `retry` waits for it again"), "{reason}");
        taken(&rig, "first");
        let id = document(&late)["run"].as_str().unwrap().to_owned();
        let retried = rig.reportferry(&["retry", &id]);
        assert!(retried.status.success(), "{}", both(&retried));
        taken(&rig, "first");
    }
}

#[test]
fn data_is_written_under_the_name_that_the_server_asks_for() {
    for fault in ["sftp.rename=kill_before", "sftp.write=lost_after", "sftp.close=kill_after"] {
        let rig = rig("fail, upload_as: \"{stem}.prg\", done_file: \"{stem}.ok\"");
        let cut = run(&rig, SLOTS[0], Some(fault));
        if fault.contains("kill") {
            assert!(!cut.status.success());
            assert_eq!(rig.arrived(), ["out.prg"], "{fault}: {}", both(&cut));
        }
        let output = run(&rig, SLOTS[0], None);
        assert!(output.status.success(), "{fault}: {}", both(&output));
        assert_eq!(rig.arrived(), ["out.asc", "out.ok"], "{fault}");
        taken(&rig, "first");
    }
}

#[test]
fn files_of_a_group_are_never_written_over_each_other() {
    // Both would be `out.prg` until they have their names.
    let pipeline = "source: {file: {path: rows.csv}}\nartifacts: {a: {name: out.csv}, b: {name: out.asc}}\n\
                    deliver: {hris: {path: inbound, upload_as: \"{stem}.prg\"}}\n";
    for (pipeline, expected) in [
        (pipeline.to_owned(), "would be written over each other"),
        (pipeline.replace("out.asc", "out.prg"), "\"out.prg\" is written and published under one name"),
    ] {
        let rig = Rig::delivering_to(&pipeline, &servers().sshd.account());
        rows(&rig, "first");
        let output = run(&rig, SLOTS[0], None);
        let (state, reason) = delivery(&output);
        assert_eq!((state.as_str(), output.status.code()), ("rejected", Some(3)), "{}", both(&output));
        assert!(reason.contains(expected), "{reason}");
        assert!(rig.arrived().is_empty(), "{:?}", rig.arrived());
    }
}

#[test]
fn names_for_uploads_are_checked() {
    for (existing, expected) in [
        ("fail, upload_as: x.prg", "every data file would be written under the same name"),
        ("fail, upload_as: \"{name}\"", "the data file would be written under its final name"),
        ("fail, upload_as: \"{stem}/x\"", "without slashes"),
        ("later", "is not `fail`, `replace`, `keep`, `number` or `wait`"),
        ("{wait: {deadline: soon}}", "soon"),
        ("{wait: {then: never}}", "is not `hold` or `fail`"),
    ] {
        let output = rig(existing).reportferry(&["check"]);
        assert_eq!(output.status.code(), Some(2), "{existing}");
        assert!(both(&output).contains(expected), "{existing}: {}", both(&output));
    }
}
