//! Several sources in one pipeline: the first one's rows, and others that joins read.

use serde_json::Value;
use tokio::runtime::Runtime;

use reportferry::sandbox::{Sandbox, SandboxOptions};

use super::stage::rig::{self, Rig, both, document, names, servers};

const COMPLETIONS: &str = "{docebo: {tenant: acme, report: 619bf79c-970a-4a8e-be8a-dde48a05c652}}";
const PROGRESS: &str = "{docebo: {tenant: acme, report: 3f1d8c90-7b64-4c1e-8f0b-91c6d3a7e522}}";

/// The completions of those who are in the report of progress.
fn pipeline() -> String {
    format!(
        r#"
sources:
  completions: {COMPLETIONS}
  progress: {PROGRESS}
transform:
  - join: {{with: progress, match: {{"Employee Number": Employee Number, "Course Code": Course Code}}, kind: semi}}
  - select: ["Employee Number", "Course Code"]
artifact: {{name: out.csv}}
deliver: {{local: {{path: inbound, existing: replace}}}}
"#
    )
}

/// A sandbox of its own: its exports are counted.
fn sandbox(runtime: &Runtime) -> Sandbox {
    runtime.block_on(rig::sandbox(SandboxOptions { rows: 200, polls: 1, ..SandboxOptions::default() }))
}

fn folder(pipeline: &str) -> Rig {
    let rig = Rig::new(pipeline);
    std::fs::write(rig.folder.path().join("users.csv"), "id,manager\n1,Ann\n2,Bob\n").unwrap();
    std::fs::write(rig.folder.path().join("rows.csv"), "user,course\n1,A\n2,B\n3,C\n").unwrap();
    rig
}

const FILES: &str = r#"
sources:
  rows: {file: {path: rows.csv}}
  users: {file: {path: users.csv}, rows: {max: 2}}
transform:
  - join: {with: users, match: {user: id}, columns: [manager]}
artifact: {name: out.csv}
deliver: {local: {path: inbound, existing: replace}}
"#;

#[test]
fn a_join_reads_another_source_and_its_limits_hold() {
    let rig = folder(FILES);
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(rig.read("out.csv"), b"user,course,manager\n1,A,Ann\n2,B,Bob\n3,C,\n");

    let rig = folder(&FILES.replace("max: 2", "max: 1"));
    let output = rig.run();
    let reason = document(&output)["reason"].to_string();
    assert!(reason.contains("more than 1 rows") && reason.contains("users"), "{reason}");

    let rig =
        folder(&FILES.replace("rows: {file: {path: rows.csv}}", "rows: {file: {path: rows.csv}, rows: {max: 2}}"));
    let reason = document(&rig.run())["reason"].to_string();
    assert!(reason.contains("more than 2 rows"), "{reason}");
}

#[test]
fn plan_explain_and_evidence_name_all_sources() {
    let rig = Rig::new(&pipeline());
    let plan = document(&rig.reportferry(&["plan", "line", "--json"]));
    for part in ["619bf79c", "3f1d8c90"] {
        assert!(plan["requests"].to_string().contains(part), "{plan}");
    }
    let explained = both(&rig.reportferry(&["explain", "line"]));
    for part in ["The rows come from the source `completions`.", "The source `progress` is read besides", "3f1d8c90"] {
        assert!(explained.contains(part), "{part:?} is not in {explained}");
    }
    let connected = rig.reportferry(&["check", "--connect", "--json"]);
    assert!(connected.status.success(), "{}", both(&connected));
    let scope = both(&rig.reportferry(&["scope", "acme", "--json"]));
    assert!(scope.contains("619bf79c") && scope.contains("3f1d8c90"), "{scope}");
}

/// A killed run continues each of its exports and starts none of them again.
#[test]
fn a_run_killed_at_its_second_source_continues_each_export() {
    let runtime = Runtime::new().unwrap();
    let expected = {
        let sandbox = sandbox(&runtime);
        let rig = Rig::with(&pipeline(), &sandbox.url, &servers().sshd);
        let output = rig.run();
        assert!(output.status.success(), "{}", both(&output));
        assert_eq!(sandbox.exports(), 2);
        rig.read("out.csv")
    };
    assert!(expected.len() > 100, "the reports have rows in common");
    for fault in [
        "ledger.other_execution_id=kill_after",
        "extract.poll=kill_after@3",
        "extract.download=kill_before@2",
        "extract.download=kill_after@2",
        "extract.save=kill_before@2",
        "extract.save=kill_after@2",
        "ledger.other_extract=kill_before",
        "ledger.other_extract=kill_after",
        "ledger.artifact=kill_before",
        "ledger.other_extract=fail",
    ] {
        for in_postgres in [false, true] {
            if in_postgres && !fault.starts_with("ledger.other") {
                continue;
            }
            let sandbox = sandbox(&runtime);
            let mut rig = Rig::with(&pipeline(), &sandbox.url, &servers().sshd);
            if in_postgres {
                rig = rig.in_postgres();
            }
            let struck = rig.run_with_fault(fault);
            let log = String::from_utf8_lossy(&struck.stderr).into_owned();
            assert!(log.contains("fault injected"), "{fault} was not reached\n{}", both(&struck));
            assert!(rig.arrived().is_empty(), "{fault}");
            let output = rig.run();
            assert!(output.status.success(), "{fault}: {}", both(&output));
            assert_eq!(sandbox.exports(), 2, "{fault}: an export was started again");
            assert!(rig.read("out.csv") == expected, "{fault}: other bytes");
        }
    }
}

#[test]
fn the_extracts_of_other_sources_are_kept_checked_and_removed() {
    let runtime = Runtime::new().unwrap();
    let sandbox = sandbox(&runtime);
    let rig = Rig::with(&pipeline(), &sandbox.url, &servers().sshd);
    rig.run_with_fault("ledger.artifact=kill_before");
    let spool = std::fs::read_dir(rig.folder.path().join("data/spool")).unwrap().next().unwrap().unwrap().path();
    let extract = std::fs::read_dir(spool.join("sources/progress")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&extract, "damaged").unwrap();
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(sandbox.exports(), 2, "it was downloaded again, not exported again");
    assert_eq!(names(&spool), ["artifact", "lock"], "the extracts are removed with the delivery");
}

/// Returns the problems of a pipeline, each with its hint.
fn problems(pipeline: &str) -> Vec<(String, String)> {
    let rig = folder(pipeline);
    let file = rig.folder.path().join("pipelines/line.yaml");
    let checked = rig.reportferry(&["check", file.to_str().unwrap(), "--json"]);
    let document: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let text = |problem: &Value, key: &str| problem[key].as_str().unwrap_or_default().to_owned();
    let all = document["problems"].as_array().cloned().unwrap_or_default();
    let texts = all.iter().map(|problem| (text(problem, "message"), text(problem, "hint")));
    // The rig's secrets are in files that others may read.
    texts.filter(|(message, _)| !message.contains("has a secret")).collect()
}

#[test]
fn mistakes_with_sources_are_named_with_their_fix() {
    let edited = |from: &str, to: &str| {
        assert!(FILES.contains(from), "{from}");
        problems(&FILES.replacen(from, to, 1))
    };
    assert_eq!(problems(FILES), []);
    let users = "  users: {file: {path: users.csv}, rows: {max: 2}}\n";
    for (found, expected) in [
        (
            edited("sources:\n", "source: {file: {path: rows.csv}}\nsources:\n"),
            "`source` and `sources` are mutually exclusive",
        ),
        (
            edited("  rows: {file: {path: rows.csv}}\n", "  file: {path: rows.csv}\n"),
            "`file` is a kind of source, and a name is expected here",
        ),
        (edited("with: users", "with: user"), "there is no source `user` in this pipeline"),
        (edited(users, &format!("{users}  more: {{file: {{path: users.csv}}}}\n")), "no step reads the source `more`"),
        (edited("  users:", "  us/ers:"), "\"us/ers\" cannot be a source's name"),
        (edited("rows: {max: 2}", "rows: {max: 0}"), "at least 1 is allowed"),
        (edited("rows: {max: 2}", "rows: {max: 999999999999}"), "no effect above the settings' limits.rows"),
        (edited("rows: {max: 2}", "row: {max: 2}"), "row"),
        (
            edited(
                "{file: {path: users.csv}, rows: {max: 2}}",
                "{docebo: {tenant: acme, records: users, updated_since: last_delivered}}",
            ),
            "`users` reads only what has changed, which only the first source can do",
        ),
        (problems("sources: {}\nartifact: {name: a.csv}\ndeliver: {local: {}}\n"), "no source is named here"),
        (problems("artifact: {name: a.csv}\ndeliver: {local: {}}\n"), "`source` is missing"),
    ] {
        assert!(found.iter().any(|(message, _)| message.contains(expected)), "{expected:?} is not in {found:?}");
    }
}
