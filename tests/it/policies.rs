//! Values without a result, and masked ones, by the real binary: what is held, left out, kept and shown.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use crate::stage::rig::{Rig, SALT, both, document};

/// Four rows, of which one has a score that is not a number.
const ROWS: &str = "id,score,status,email\n\
    1,10,Completed,ann@example.com\n\
    2,ten,In Progress,bob@example.com\n\
    3,,Failed,\n\
    4,40,Completed,dan@example.com\n";

/// A pipeline that delivers a CSV of the rig's folder to a folder, with these steps and expectations.
fn rig(csv: &str, steps: &str, expect: &str) -> Rig {
    let rig = Rig::new(&format!(
        "schedule: {{cron: \"30 5 * * mon-fri\", timezone: America/New_York}}\n\
         source: {{file: {{path: in.csv}}}}\n\
         transform:\n{steps}{expect}\
         artifact: {{name: a.csv}}\n\
         deliver: {{local: {{path: inbound}}}}\n"
    ));
    std::fs::write(rig.folder.path().join("in.csv"), csv).unwrap();
    rig
}

fn run(rig: &Rig, code: i32) -> (Value, Output) {
    let output = rig.run();
    assert_eq!(output.status.code(), Some(code), "{}", both(&output));
    (document(&output), output)
}

/// What `show --json` has of the run, and what `show` says.
fn shown(rig: &Rig, run: &Value) -> (Value, String) {
    let id = run["run"].as_str().unwrap();
    let text = rig.reportferry(&["show", id]);
    (document(&rig.reportferry(&["show", id, "--json"])), String::from_utf8(text.stdout).unwrap())
}

fn artifact(rig: &Rig, run: &Value) -> String {
    std::fs::read_to_string(spooled(rig, run).join("artifact/file")).unwrap()
}

fn spooled(rig: &Rig, run: &Value) -> PathBuf {
    rig.folder.path().join("data/spool").join(run["run"].as_str().unwrap())
}

fn set(policy: &str) -> String {
    format!("  - set: {{score: cast(score as integer) * 2}}\n    on_error: {policy}\n  - select: [id, score]\n")
}

#[test]
fn fail_is_the_default_and_ends_the_run_with_the_value() {
    let written = set("fail");
    for steps in [written.as_str(), &written.replace("    on_error: fail\n", "")] {
        let rig = rig(ROWS, steps, "");
        let (run, _) = run(&rig, 3);
        let reason = run["reason"].as_str().unwrap();
        assert!(reason.contains("record 2 (line 3), column \"score\": \"ten\""), "{reason}");
        assert!(reason.contains("(set.score in step 1)"), "{reason}");
    }
}

#[test]
fn hold_takes_the_value_as_empty_and_waits_for_a_person() {
    let rig = rig(ROWS, &set("hold"), "");
    let (run, _) = run(&rig, 4);
    assert_eq!((&run["state"], rig.arrived().len()), (&json!("held"), 0));
    let finding = &run["findings"][0];
    assert_eq!((&finding["expectation"], &finding["severity"]), (&json!("set in step 1"), &json!("hold")));
    assert_eq!(finding["message"], "1 value has no result, and is taken as empty");
    let rows = &finding["difference"]["offending"];
    assert_eq!(rows["columns"], json!(["line", "column", "value", "problem"]));
    assert_eq!(rows["rows"][0]["number"], 2);
    assert_eq!(rows["rows"][0]["cells"][2], "ten");
    assert_eq!(artifact(&rig, &run), "id,score\n1,20\n2,\n3,\n4,80\n");
    let (again, text) = shown(&rig, &run);
    assert_eq!(again["findings"], run["findings"]);
    assert!(text.contains("set in step 1") && text.contains("ten"), "{text}");
    let released = rig.reportferry(&["release", run["run"].as_str().unwrap(), "--wait", "5s"]);
    assert!(released.status.success(), "{}", both(&released));
    assert_eq!(rig.read("a.csv"), b"id,score\n1,20\n2,\n3,\n4,80\n");
}

#[test]
fn empty_delivers_with_a_warning() {
    let rig = rig(ROWS, &set("empty"), "");
    let (run, _) = run(&rig, 0);
    assert_eq!(rig.read("a.csv"), b"id,score\n1,20\n2,\n3,\n4,80\n");
    assert_eq!((&run["findings"][0]["severity"], run["findings"].as_array().unwrap().len()), (&json!("warn"), 1));
    assert_eq!(run["rows"]["steps"], json!([]));
}

#[test]
fn dropped_rows_are_kept_counted_and_shown() {
    let limit = "expect: {dropped_rows: {max: 25%}}\n";
    let rig = rig(ROWS, &set("drop_row"), limit);
    let (run, _) = run(&rig, 0);
    assert_eq!(rig.read("a.csv"), b"id,score\n1,20\n3,\n4,80\n");
    assert_eq!(run["rows"]["steps"], json!([{"step": 1, "kind": "set", "dropped": 1}]));
    let dropped = &run["dropped_rows"];
    assert_eq!((&dropped["rows"], &dropped["kept"]), (&json!(1), &json!(1)));
    let file = rig.folder.path().join("data").join(dropped["file"].as_str().unwrap());
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "record,line,step,column,reason,id,score,status,email\n\
         2,3,set in step 1,score,is not a valid integer of 64 bits,2,ten,In Progress,bob@example.com\n"
    );
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let (again, text) = shown(&rig, &run);
    assert_eq!(&again["dropped_rows"], dropped);
    assert!(
        text.contains(&format!("1 by on_error, kept in {} of the data folder", dropped["file"].as_str().unwrap())),
        "{text}"
    );
    assert!(
        text.contains("record 2 (line 3), column \"score\": is not a valid integer of 64 bits (set in step 1)"),
        "{text}"
    );
}

#[test]
fn more_dropped_rows_than_allowed_hold_the_run() {
    let csv = |rows: u32| {
        (0..rows)
            .fold("id,score\n".to_owned(), |text, row| text + &format!("{row},{}\n", if row < 2 { "x" } else { "1" }))
    };
    for (expect, rows, code) in [
        // 2 of 200 are 1 %, the default.
        ("", 200, 0),
        ("", 199, 4),
        ("expect: {dropped_rows: {max: 2}}\n", 10, 0),
        ("expect: {dropped_rows: {max: 1}}\n", 10, 4),
        ("expect: {dropped_rows: {max: 0.5%}}\n", 400, 0),
        ("expect: {dropped_rows: {max: 0.5%}}\n", 399, 4),
        ("expect: {dropped_rows: {max: 0}, severity: {dropped_rows: warn}}\n", 10, 0),
        ("expect: {dropped_rows: {max: 0}, severity: {dropped_rows: fail}}\n", 10, 3),
    ] {
        let rig = rig(&csv(rows), &set("drop_row"), expect);
        let (run, _) = run(&rig, code);
        let is_found = run["findings"].as_array().is_some_and(|found| found[0]["expectation"] == "dropped_rows.max");
        assert_eq!(is_found, code != 0 || expect.contains("warn"), "{expect} {rows}: {run}");
        if expect.is_empty() && code == 4 {
            let message = "2 of 199 rows dropped for values without a result, at most 1% expected";
            assert_eq!(run["findings"][0]["message"], message);
        }
    }
}

/// A condition without a result does not keep the row; a map has its policy in `else`, or as `on_error`.
#[test]
fn filters_and_maps_have_policies_too() {
    let filter =
        |policy: &str| format!("  - filter: cast(score as integer) > 5\n    on_error: {policy}\n  - select: [id]\n");
    for (policy, code) in [("empty", 0), ("hold", 4), ("drop_row", 4)] {
        let rig = rig(ROWS, &filter(policy), "");
        let (run, _) = run(&rig, code);
        assert_eq!(artifact(&rig, &run), "id\n1\n4\n", "{policy}");
        assert_eq!(run["rows"]["steps"], json!([{"step": 1, "kind": "filter", "dropped": 2}]), "{policy}");
        assert_eq!(run["dropped_rows"]["rows"], if policy == "drop_row" { json!(1) } else { Value::Null });
    }
    let map = "  - map: {column: status, values: {Completed: C, In Progress: I}}\n  - select: [id, status]\n";
    let with = |text: &str| map.replace("}}\n", &format!("}}{text}\n"));
    for (steps, code, status) in [
        (map.to_owned(), 4, Some("C,I,,C")),
        (with(", else: fail}"), 3, None),
        (with("}\n    on_error: fail"), 3, None),
        (with(", else: keep}"), 0, Some("C,I,Failed,C")),
        (with(", else: {value: X}}"), 0, Some("C,I,X,C")),
        (with(", else: empty}"), 0, Some("C,I,,C")),
        (with(", else: drop_row}"), 4, Some("C,I,C")),
        (with("}\n    on_error: drop_row"), 4, Some("C,I,C")),
    ] {
        let rig = rig(ROWS, &steps, "");
        let (run, _) = run(&rig, code);
        match status {
            None => {
                let reason = run["reason"].as_str().unwrap();
                let expected = "record 3 (line 4), column \"status\": \"Failed\" is not among the `values` of the map";
                assert!(reason.contains(expected), "{reason}");
            }
            Some(status) => {
                let text = artifact(&rig, &run);
                let found: Vec<&str> = text.lines().skip(1).map(|line| line.split_once(',').unwrap().1).collect();
                assert_eq!(found.join(","), status, "{steps}");
            }
        }
    }
}

/// Everything that the program wrote or printed, but the extract itself.
fn everything(rig: &Rig, outputs: &[&Output]) -> String {
    fn read(folder: &Path, text: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.is_dir() {
                true => read(&entry, text),
                false if entry.file_name().is_some_and(|name| name == "extract.csv") => {}
                false => text.push_str(&String::from_utf8_lossy(&std::fs::read(&entry).unwrap())),
            }
        }
    }
    let mut text: String = outputs.iter().map(|output| both(output)).collect();
    read(&rig.folder.path().join("data"), &mut text);
    text
}

#[test]
fn masked_values_are_shown_nowhere() {
    let mask = "  - mask: {mail: {hmac_sha256: email_salt}, score: redact}\n";
    let before = "  - rename: {mail: email}\n  - set: {domain: \"substr(mail, 1 + strpos(mail, '@'))\"}\n";
    let bad = "  - set: {check: cast(mail as integer)}\n";
    let computed = "  - set: {check: cast(trim(score) || 'x' as integer)}\n";
    let dated = "  - set: {check: \"parse_time(mail, 'ann%Y-%m-%d')\"}\n";
    let mapped = "  - map: {column: domain, values: {example.org: o}}\n";
    let rows = ROWS.replace("ten", "t3n-n-t3n");
    let hidden = ["ann@", "bob@", "dan@", "@example.com", "t3n"];
    let policies = ["", "    on_error: hold\n", "    on_error: empty\n", "    on_error: drop_row\n"];
    let mut shown_once = false;
    for step in [bad, computed, dated, mapped] {
        for policy in policies {
            let rig = rig(&rows, &format!("{before}{step}{policy}{mask}  - drop: [domain]\n"), "");
            let output = rig.run();
            let id = document(&output)["run"].as_str().unwrap().to_owned();
            let text = rig.reportferry(&["show", &id]);
            let all = everything(&rig, &[&output, &text]);
            for value in hidden {
                assert!(!all.contains(value), "{value} with {step}{policy}: {all}");
            }
            assert!(!all.contains(SALT), "{all}");
            shown_once |= all.contains("(masked)");
            assert!(all.contains("(masked)") || policy.contains("drop_row"), "{step}{policy}: {all}");
        }
    }
    assert!(shown_once);
    // Without the mask, the same values are shown: the test can fail.
    let rig = rig(ROWS, &format!("{before}{bad}"), "");
    assert!(everything(&rig, &[&rig.run()]).contains("ann@example.com"));
}

#[test]
fn a_keyed_hash_is_that_of_the_expression() {
    let steps = "  - set: {copy: \"hmac_sha256(email, 'email_salt')\"}\n  - mask: {email: {hmac_sha256: email_salt}}\n\
                 \x20 - select: [email, copy]\n";
    let rig = rig(ROWS, steps, "");
    run(&rig, 0);
    let text = String::from_utf8(rig.read("a.csv")).unwrap();
    let rows: Vec<(&str, &str)> = text.lines().skip(1).map(|line| line.split_once(',').unwrap()).collect();
    assert!(rows.iter().all(|(masked, hash)| masked == hash), "{text}");
    assert_eq!(rows.iter().map(|(masked, _)| masked.len()).collect::<Vec<_>>(), [64, 64, 0, 64]);
}

#[test]
fn a_masked_column_of_the_source_is_not_shown_by_errors_of_the_csv() {
    let csv = "id,email\n1,\"ann@example.com\"ann@example.com\n";
    let shown = rig(csv, "  - select: [id]\n", "").run();
    assert!(both(&shown).contains("ann@example.com"), "{}", both(&shown));
    let masked = rig(csv, "  - mask: {email: sha256}\n", "").run();
    assert!(!both(&masked).contains("ann@") && both(&masked).contains("(masked)"), "{}", both(&masked));
}

#[test]
fn dropped_rows_of_steps_after_a_sort_have_the_cells_of_the_source() {
    let steps = "  - mask: {email: redact}\n  - sort: [status]\n  - number: {column: line}\n\
                 \x20 - set: {line: cast(score as integer)}\n    on_error: drop_row\n  - select: [id]\n";
    let rig = rig(ROWS, steps, "expect: {dropped_rows: {max: 50%}}\n");
    let (run, _) = run(&rig, 0);
    let file = rig.folder.path().join("data").join(run["dropped_rows"]["file"].as_str().unwrap());
    assert_eq!(
        std::fs::read_to_string(file).unwrap(),
        "record,line,step,column,reason,id,score,status,email\n\
         2,3,set in step 4,score,is not a valid integer of 64 bits,2,ten,In Progress,(masked)\n"
    );
}

/// A run that is killed between the file of dropped rows and its record makes both again; one without any has no file.
#[test]
fn dropped_rows_are_made_again_after_a_crash() {
    let steps = set("drop_row");
    let rig = rig(ROWS, &steps, "expect: {dropped_rows: {max: 1}}\n");
    let killed = rig.run_with_fault("ledger.artifact=kill_before");
    assert!(!killed.status.success(), "{}", both(&killed));
    let spool = rig.folder.path().join("data/spool");
    let folder = std::fs::read_dir(&spool).unwrap().next().unwrap().unwrap().path();
    let before = std::fs::read(folder.join("dropped_rows.csv")).unwrap();
    std::fs::write(folder.join("dropped_rows.csv"), "unfinished").unwrap();
    let (document, _) = run(&rig, 0);
    assert_eq!(std::fs::read(folder.join("dropped_rows.csv")).unwrap(), before);
    assert_eq!(document["dropped_rows"]["rows"], 1);
    // Pruned with the artifact.
    let ledger = rusqlite::Connection::open(rig.folder.path().join("data/ledger.db")).unwrap();
    assert_eq!(ledger.execute("UPDATE runs SET updated_ms = 0", []).unwrap(), 1);
    drop(ledger);
    let pruned = rig.reportferry(&["prune", "--yes"]);
    assert!(pruned.status.success(), "{}", both(&pruned));
    assert!(!folder.exists());
}
