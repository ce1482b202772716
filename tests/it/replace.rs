//! Replacing is safe: done files, groups of other sizes, pipelines with the same target, files in place of the source.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::stage::account::Account;
use super::stage::rig::{Rig, both, document, servers};

const YESTERDAY: &str = "2026-11-22T05:30:00Z";
const TODAY: &str = "2026-11-23T05:30:00Z";

/// A group with constant names and one done file.
const GROUP: &str = r#"
source: {file: {path: rows.csv}}
artifact: {name: "out_{part}.csv", split: {rows: 1}}
deliver:
  hris: {path: inbound, existing: replace, publish_together: true, checksum: true, done_file: "{name}.done"}
"#;

/// Writes the rows of the next run: each file of a group has one of them.
fn rows(rig: &Rig, day: &str, count: usize) {
    let rows: String = (1..=count).map(|number| format!("{day},{number}\n")).collect();
    std::fs::write(rig.folder.path().join("rows.csv"), format!("day,number\n{rows}")).unwrap();
}

fn run_slot(rig: &Rig, slot: &str, fault: Option<&str>) -> std::process::Output {
    let mut command = rig.command(&["run", "line", "--slot", slot, "--json", "--wait", "10s"]);
    if let Some(fault) = fault {
        command.env("REPORTFERRY_FAULT", fault);
    }
    command.output().unwrap()
}

/// A rig that delivered seven files yesterday and has three rows today.
fn seven_then_three(pipeline: &str, account: &Account) -> Rig {
    let rig = Rig::delivering_to(pipeline, account);
    rows(&rig, "yesterday", 7);
    let output = run_slot(&rig, YESTERDAY, None);
    assert!(output.status.success(), "{}", both(&output));
    rows(&rig, "today", 3);
    rig
}

fn visible(rig: &Rig) -> Vec<String> {
    rig.arrived().into_iter().filter(|name| !name.starts_with('.')).collect()
}

const THREE: [&str; 5] = ["out.csv.done", "out.csv.sha256", "out_1.csv", "out_2.csv", "out_3.csv"];

/// A done file says that the checksum beside it is of exactly the files that are there.
fn assert_done_is_true(rig: &Rig, story: &str) {
    let names = visible(rig);
    if !names.contains(&"out.csv.done".to_owned()) {
        return;
    }
    let folder = rig.drop.join("inbound");
    let checked = Command::new("sha256sum")
        .args(["--check", "--strict", "out.csv.sha256"])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{story}: a done file is beside mixed files: {names:?}\n{}", both(&checked));
    let listed = String::from_utf8_lossy(&rig.read("out.csv.sha256")).lines().count();
    assert_eq!(names.len(), listed + 2, "{story}: a done file is beside files of two deliveries: {names:?}");
}

fn notes(told: &Value) -> String {
    told["deliveries"][0]["receipt"]["notes"].to_string()
}

#[test]
fn p05_a_done_file_is_never_beside_mixed_files() {
    let steps =
        ["sftp.rename", "sftp.write", "checksum.rename", "done.remove", "leftover.remove", "done.write", "done.rename"];
    let kinds = ["fail", "lost_before", "lost_after", "kill_before", "kill_after", "repeat"];
    let mut faults: Vec<String> = steps.iter().flat_map(|step| kinds.map(|kind| format!("{step}={kind}"))).collect();
    faults.extend(
        ["sftp.rename", "leftover.remove"].iter().flat_map(|step| kinds.map(|kind| format!("{step}={kind}@2"))),
    );
    // A refusal leaves a file, which is reported: `p04_…`.
    faults.retain(|fault| !fault.starts_with("leftover.remove=fail"));
    let check = |fault: &String, to: &str| {
        let (pipeline, fault) = match to {
            "local" => (GROUP.replace("hris:", "local:"), fault.replace("sftp.", "local.")),
            _ => (GROUP.to_owned(), fault.clone()),
        };
        let rig = seven_then_three(&pipeline, &servers().sshd.account());
        let story = format!("{to} {fault}");
        let struck = run_slot(&rig, TODAY, Some(&fault));
        let log = String::from_utf8_lossy(&struck.stderr).into_owned();
        assert!(log.contains("fault injected"), "{story}: the step was not reached\n{}", both(&struck));
        assert_done_is_true(&rig, &story);
        let output = run_slot(&rig, TODAY, None);
        assert!(output.status.success(), "{story}: the run did not recover\n{}", both(&output));
        assert_eq!(visible(&rig), THREE, "{story}");
        assert_done_is_true(&rig, &story);
        assert_eq!(rig.read("out_3.csv"), b"day,number\ntoday,3\n", "{story}");
    };
    let next = std::sync::atomic::AtomicUsize::new(0);
    let cells: Vec<(&String, &str)> = faults.iter().flat_map(|fault| ["sftp", "local"].map(|to| (fault, to))).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((fault, to)) = cells.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    check(fault, to);
                }
            });
        }
    });
}

#[test]
fn p04_the_rest_of_a_larger_group_is_removed_if_it_is_ours() {
    for pipeline in [GROUP.to_owned(), GROUP.replace("hris:", "local:")] {
        let rig = seven_then_three(&pipeline, &servers().sshd.account());
        let inbound = rig.drop.join("inbound");
        // A reader's own file of the same size, and a file that it took.
        std::fs::write(inbound.join("out_5.csv"), "day,number\nyesterdaz,5\n").unwrap();
        std::fs::remove_file(inbound.join("out_6.csv")).unwrap();
        let output = run_slot(&rig, TODAY, None);
        assert!(output.status.success(), "{}", both(&output));
        let mut left = THREE.map(str::to_owned).to_vec();
        left.push("out_5.csv".to_owned());
        assert_eq!(visible(&rig), left);
        let notes = notes(&document(&output));
        for part in [
            "removed ",
            "out_4.csv",
            "out_7.csv",
            "out_5.csv, which run",
            "stays beside the new files",
            "it was changed since",
        ] {
            assert!(notes.contains(part), "{part:?} is not in {notes}");
        }
        assert!(!notes.contains("out_6.csv"), "{notes}");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(log.contains("stays beside the new files"), "{log}");

        // What is refused is reported too.
        rows(&rig, "tomorrow", 2);
        let refused = run_slot(&rig, "2026-11-24T05:30:00Z", Some("leftover.remove=fail"));
        assert!(refused.status.success(), "{}", both(&refused));
        assert!(self::notes(&document(&refused)).contains("out_3.csv, which run"), "{}", both(&refused));
    }
}

#[test]
fn p04_files_with_a_done_file_each_and_files_of_other_slots() {
    // Each file of a group with companions of its own.
    let each = GROUP.replace("publish_together: true, ", "");
    let rig = seven_then_three(&each, &servers().sshd.account());
    let output = run_slot(&rig, TODAY, None);
    assert!(output.status.success(), "{}", both(&output));
    let three: Vec<String> =
        (1..=3).flat_map(|number| ["", ".done", ".sha256"].map(|end| format!("out_{number}.csv{end}"))).collect();
    assert_eq!(visible(&rig), three);

    // Another slot's names are another delivery, which stays.
    let dated = GROUP.replace("out_{part}", "out_{slot:%Y%m%d}_{part}");
    let rig = seven_then_three(&dated, &servers().sshd.account());
    let output = run_slot(&rig, TODAY, None);
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(visible(&rig).len(), 7 + 2 + 3 + 2);
}

#[test]
fn p05_an_old_done_file_that_cannot_be_removed_stops_the_delivery() {
    let rig = seven_then_three(GROUP, &servers().sshd.account());
    let done = rig.drop.join("inbound/out.csv.done");
    std::fs::remove_file(&done).unwrap();
    std::fs::create_dir(&done).unwrap();
    let output = rig.reportferry(&["run", "line", "--slot", TODAY, "--json", "--wait", "0s"]);
    assert!(matches!(output.status.code(), Some(3 | 6)), "{}", both(&output));
    let reason = document(&output)["deliveries"][0]["reason"].to_string();
    assert!(reason.contains("remove the old done file"), "{reason}");
    assert_eq!(rig.read("out_1.csv"), b"day,number\nyesterday,1\n", "nothing was replaced");
}

/// A folder with settings, in which `out` and `other` are the same folder, and pipelines by name.
fn folder(pipelines: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = crate::stage::folder();
    std::fs::create_dir(folder.path().join("pipelines")).unwrap();
    let sftp = |host: &str, more: &str| {
        format!(
            "sftp: {{host: {host}, username: acme, password: {{env: PW}}, host_keys: SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA{more}}}"
        )
    };
    let settings = format!(
        "data: data\ndestinations:\n  out: {{local: {{path: out, mkdir: true}}}}\n  other: {{local: {{path: ./out/}}}}\n  \
         below: {{local: {{path: out/in}}}}\n  hris: {{{}}}\n  hris2: {{{}}}\n  based: {{{}}}\n  ours: {{local: {{path: data/out, mkdir: true}}}}\n",
        sftp("sftp.hris.example", ""),
        sftp("SFTP.hris.example.", ", port: 22"),
        sftp("sftp.hris.example", ", base: /in"),
    );
    std::fs::write(folder.path().join("reportferry.yaml"), settings).unwrap();
    std::fs::write(folder.path().join("rows.csv"), "a\n1\n").unwrap();
    for (name, text) in pipelines {
        std::fs::write(folder.path().join("pipelines").join(format!("{name}.yaml")), text).unwrap();
    }
    folder
}

fn in_folder(folder: &tempfile::TempDir, arguments: &[&str]) -> std::process::Output {
    crate::stage::reportferry().current_dir(folder.path()).args(arguments).output().unwrap()
}

fn pipeline(schedule: &str, name: &str, deliver: &str) -> String {
    format!("{schedule}source: {{file: {{path: rows.csv}}}}\nartifact: {{name: \"{name}\"}}\ndeliver: {{{deliver}}}\n")
}

const DAILY: &str = "schedule: {cron: \"30 5 * * *\", timezone: UTC}\n";
const LATER: &str = "schedule: {cron: \"45 6 * * mon\", timezone: America/New_York}\n";

#[test]
fn p07_two_pipelines_with_the_same_target_are_a_problem() {
    let dated = "c_{slot:%Y%m%d}.csv";
    for (first, second, coincide) in [
        (pipeline(DAILY, dated, "out: {}"), pipeline(DAILY, dated, "out: {}"), true),
        // Through another destination, and at other times of the same days.
        (pipeline(DAILY, dated, "out: {existing: replace}"), pipeline(LATER, dated, "other: {}"), true),
        (pipeline(DAILY, dated, "hris: {path: /in}"), pipeline(LATER, dated, "hris2: {path: /in}"), true),
        (pipeline(DAILY, dated, "hris: {path: /in/x}"), pipeline(LATER, dated, "based: {path: x}"), true),
        (pipeline(DAILY, dated, "out: {path: in}"), pipeline(DAILY, dated, "below: {}"), true),
        // On demand: any slot may be.
        (pipeline("", dated, "out: {}"), pipeline(DAILY, dated, "out: {}"), true),
        (pipeline("", "c.csv", "out: {}"), pipeline("", "c.csv", "out: {existing: number}"), true),
        // The done files alone.
        (pipeline("", "a.csv", "out: {done_file: READY}"), pipeline("", "b.csv", "out: {done_file: READY}"), true),
        (pipeline("", "c.csv", "out: {existing: number}"), pipeline("", "c.csv", "other: {existing: number}"), false),
        (pipeline(DAILY, dated, "out: {path: a}"), pipeline(DAILY, dated, "out: {path: b}"), false),
        (pipeline(DAILY, "{pipeline}.csv", "out: {}"), pipeline(DAILY, "{pipeline}.csv", "out: {}"), false),
        (pipeline(DAILY, dated, "hris: {path: in}"), pipeline(DAILY, dated, "based: {path: in}"), false),
    ] {
        let folder = folder(&[("first", &first), ("second", &second)]);
        let check = in_folder(&folder, &["check"]);
        let told: String = both(&check).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(check.status.code(), Some(if coincide { 2 } else { 0 }), "{first}{second}{told}");
        for part in ["`second` by ", "the pipeline `first`, by ", "deliver to the same name"] {
            assert_eq!(told.contains(part), coincide, "{part:?} {first}{second}{told}");
        }
    }
    let twice = pipeline("", "c.csv", "out: {}, other: {}");
    let check = in_folder(&folder(&[("p", &twice)]), &["check"]);
    assert!(check.status.code() == Some(2) && both(&check).contains("`p` by `other` and `out`"), "{}", both(&check));
}

#[test]
fn p13_check_fails_without_pipelines_and_warns_of_subfolders() {
    let empty = folder(&[]);
    let check = in_folder(&empty, &["check"]);
    assert_eq!(check.status.code(), Some(2), "{}", both(&check));
    assert!(both(&check).contains("there is nothing to check"), "{}", both(&check));
    let hr = empty.path().join("pipelines/hr/eu");
    std::fs::create_dir_all(&hr).unwrap();
    std::fs::write(hr.join("p.yaml"), pipeline("", "c.csv", "out: {}")).unwrap();
    let check = in_folder(&empty, &["check"]);
    assert!(check.status.code() == Some(2) && both(&check).contains("hr/eu/p.yaml is not read"), "{}", both(&check));
    std::fs::write(empty.path().join("pipelines/p.yaml"), pipeline("", "c.csv", "out: {}")).unwrap();
    let check = in_folder(&empty, &["check"]);
    assert!(check.status.code() == Some(0) && both(&check).contains("hr/eu/p.yaml is not read"), "{}", both(&check));
    assert_eq!(in_folder(&empty, &["check", "--strict"]).status.code(), Some(2));
    // What a container platform mounts beside is no pipeline folder, and the warning keeps nothing from running.
    let run = in_folder(&empty, &["run", "p"]);
    assert_eq!(run.status.code(), Some(0), "{}", both(&run));
}

/// P8: one test row over the day's file, and evidence of Docebo.
#[test]
fn p08_rows_of_a_file_are_a_run_of_their_own() {
    let replacing = pipeline(DAILY, "c_{slot:%Y%m%d}.csv", "out: {existing: replace}, ours: {existing: replace}");
    let folder = folder(&[("p", &replacing)]);
    let test = folder.path().join("t.csv");
    std::fs::write(&test, "a\ntest\n").unwrap();
    let from = |more: &[&str]| in_folder(&folder, &[&["run", "p", "--slot", TODAY, "--from", "t.csv"], more].concat());
    let refused = from(&["--json"]);
    assert_eq!(refused.status.code(), Some(2), "{}", both(&refused));
    let message = document(&refused)["error"]["problems"][0].to_string();
    for part in ["t.csv would be delivered as c_20261123.csv to out (folder out)", "nothing was delivered", "--deliver"]
    {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
    assert!(!message.contains("ours"), "{message}");
    assert!(!folder.path().join("out").exists() && !folder.path().join("data/out").exists());

    let tested = from(&["--deliver", "--json"]);
    assert_eq!(tested.status.code(), Some(0), "{}", both(&tested));
    let tested = document(&tested);
    let sha256 = reportferry::digest::of(b"a\ntest\n");
    assert_eq!(tested["input"]["sha256"], sha256.as_str());
    assert_eq!(tested["input"]["path"], test.to_str().unwrap());
    let again = document(&from(&["--deliver", "--json"]));
    assert_eq!(again["run"], tested["run"], "the same slot and file are the same run");
    let run = tested["run"].as_str().unwrap();
    let shown = both(&in_folder(&folder, &["show", run]));
    assert!(shown.contains(&sha256) && shown.contains("t.csv") && shown.contains("in place of the source"), "{shown}");
    let evidence = in_folder(&folder, &["evidence", run]);
    let evidence: Value = serde_json::from_slice(&evidence.stdout).unwrap();
    assert_eq!(evidence["evidence"]["input_file"]["sha256"], sha256.as_str());
    assert!(evidence["evidence"]["plan"]["requests_it_may_send"][0].as_str().unwrap().contains("t.csv"));

    // Neither the slot's delivery, nor one that an earlier slot's file must not replace.
    let status = both(&in_folder(&folder, &["status"]));
    assert!(!status.contains("delivered"), "{status}");
    for slot in [YESTERDAY, TODAY] {
        let real = in_folder(&folder, &["run", "p", "--slot", slot, "--json"]);
        assert_eq!(real.status.code(), Some(0), "{}", both(&real));
        let real = document(&real);
        assert!(real["state"] == "delivered" && real["run"] != tested["run"] && real.get("input").is_none(), "{real}");
    }
    for to in ["out", "data/out"] {
        assert_eq!(std::fs::read(folder.path().join(to).join("c_20261123.csv")).unwrap(), b"a\n1\n");
    }
    // The test's file was replaced by the real one, which `verify` tells from a wrong file.
    let verified = in_folder(&folder, &["verify", "--json", "--since", "2026-11-01"]);
    assert_eq!(verified.status.code(), Some(0), "{}", both(&verified));
    let verified = document(&verified);
    let found = |wanted: &str| {
        let files = verified["files"].as_array().unwrap().iter();
        files.filter(|file| file["run"] == wanted).map(|file| file["found"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(found(run), ["superseded", "superseded"], "{verified:#}");

    // Changed since: other rows are another run.
    std::fs::write(&test, "a\nother\n").unwrap();
    assert_ne!(document(&from(&["--deliver", "--json"]))["run"], tested["run"]);
    let missing = in_folder(&folder, &["run", "p", "--from", "none.csv"]);
    assert!(missing.status.code() == Some(2) && both(&missing).contains("cannot read"), "{}", both(&missing));
}

#[test]
fn p08_folders_below_data_need_no_consent_unless_they_lead_elsewhere() {
    let folder = folder(&[("p", &pipeline("", "c.csv", "ours: {existing: replace}"))]);
    let run = || in_folder(&folder, &["run", "p", "--from", "rows.csv"]);
    assert_eq!(run().status.code(), Some(0), "{}", both(&run()));
    std::fs::remove_dir_all(folder.path().join("data/out")).unwrap();
    std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("elsewhere"), folder.path().join("data/out")).unwrap();
    assert_eq!(run().status.code(), Some(2), "{}", both(&run()));
}

/// Waits neither for a webhook nor a server: what cannot be looked at is not wrong.
#[test]
fn p14_only_what_is_wrong_fails_verify() {
    let rig = seven_then_three(GROUP, &servers().sshd.account());
    assert!(run_slot(&rig, TODAY, None).status.success());
    let verify = |more: &[&str]| rig.reportferry(&[&["verify", "--since", "2026-11-01"], more].concat());
    // An empty done file is as it was.
    for (more, match_them, superseded) in [(&[][..], 5, 9), (&["--checksum"], 6, 8)] {
        let verified = verify(more);
        assert_eq!(verified.status.code(), Some(0), "{}", both(&verified));
        let told = both(&verified);
        assert!(
            told.contains(&format!("{superseded} superseded by later runs"))
                && told.contains(&format!("{match_them} of 14 files match")),
            "{told}"
        );
        assert!(
            told.contains("which replaced its group at ") && told.contains("which delivered it again at "),
            "{told}"
        );
    }
    std::fs::write(rig.drop.join("inbound/out_1.csv"), "x").unwrap();
    let verified = verify(&[]);
    assert!(verified.status.code() == Some(3) && both(&verified).contains("1 wrong"), "{}", both(&verified));
    rig.settings(|text| text.replace("  hris:\n", "  gone:\n"));
    let verified = verify(&[]);
    let told = both(&verified);
    assert!(verified.status.code() == Some(0) && told.contains("14 cannot be verified"), "{told}");
    assert!(told.contains("cannot be verified: the destination is no longer in the settings"), "{told}");
}

#[test]
fn p24_one_value_or_a_list() {
    let text =
        pipeline("", "c.csv", "out: {existing: replace}").replace("artifact:", "transform:\n  - select: a\nartifact:");
    let folder = folder(&[("p", &format!("{text}alerts: {{on: failed, channels: ops}}\n"))]);
    let settings = folder.path().join("reportferry.yaml");
    let more = "  hook: {webhook: {url: \"https://hook.example/\", secret: {env: HOOK}, allow: private, retry_statuses: 404}}\n\
                alerts: {on: failed, channels: {ops: {email: {host: mail.example, from: a@b.example, to: c@d.example}}}}\n";
    let written = std::fs::read_to_string(&settings).unwrap();
    let one = "port: 22, algorithms: {kex: curve25519-sha256, host_key: ssh-ed25519, cipher: aes256-ctr, mac: hmac-sha2-256}, known_hosts: hosts";
    std::fs::write(&settings, written.replace("port: 22", one) + more).unwrap();
    let check = in_folder(&folder, &["check"]);
    assert_eq!(check.status.code(), Some(0), "{}", both(&check));
    let ran = in_folder(&folder, &["run", "p"]);
    assert_eq!(ran.status.code(), Some(0), "{}", both(&ran));
}

#[test]
fn secrets_are_read_and_never_shown() {
    let folder = folder(&[("p", &pipeline("", "c.csv", "out: {}"))]);
    let settings = folder.path().join("reportferry.yaml");
    let written = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("{written}secrets:\n  salt: {{file: salt}}\n  folder: {{file: data}}\n"))
        .unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::write(folder.path().join("salt"), "s3cr3t-salt\n").unwrap();
    let check = |value: Option<&str>, arguments: &[&str]| {
        let mut command = crate::stage::reportferry();
        command.current_dir(folder.path()).args(arguments).env_remove("PW");
        value.map(|value| command.env("PW", value));
        command.output().unwrap()
    };
    assert_eq!(check(None, &["check"]).status.code(), Some(0), "the worker may have what this process lacks");
    let failed = check(None, &["check", "--secrets"]);
    let told = both(&failed);
    assert_eq!(failed.status.code(), Some(2), "{told}");
    assert_eq!(told.matches("the environment variable PW is not set").count(), 3, "{told}");
    assert!(told.contains("it is a directory") && !told.contains("s3cr3t"), "{told}");
    std::fs::write(&settings, format!("{written}secrets:\n  salt: {{file: salt}}\n")).unwrap();
    let passed = check(Some("pa55"), &["check", "--secrets", "--json"]);
    assert_eq!(passed.status.code(), Some(0), "{}", both(&passed));
    assert!(!both(&passed).contains("pa55"), "{}", both(&passed));
}

/// What bash offers for the last of `words`.
fn completed(folder: &tempfile::TempDir, words: &[&str]) -> Vec<String> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_reportferry"));
    let script = r#"
        source <("$1" completions bash)
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _reportferry_names "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", &script.replace("$1", program.to_str().unwrap()), program.to_str().unwrap()]);
    // `$0` is the first word.
    let script_words: Vec<&str> = std::iter::once(program.to_str().unwrap()).chain(words.iter().copied()).collect();
    let output = command.args(&script_words).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {}", both(&output));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).filter(|line| !line.is_empty()).collect()
}

#[test]
fn bash_completes_pipelines_runs_destinations_and_states() {
    let folder = folder(&[("alpha", &pipeline("", "a.csv", "out: {}")), ("beta", &pipeline("", "b.csv", "out: {}"))]);
    assert_eq!(completed(&folder, &["show", ""]), Vec::<String>::new());
    assert!(!folder.path().join("data").exists(), "completion creates no ledger");
    let run = document(&in_folder(&folder, &["run", "alpha", "--json"]))["run"].as_str().unwrap().to_owned();
    assert_eq!(completed(&folder, &["run", ""]), ["alpha", "beta"]);
    assert_eq!(completed(&folder, &["run", "alpha", "b"]), ["beta"]);
    assert_eq!(completed(&folder, &["show", &run[..3]]), [run.as_str()]);
    assert_eq!(completed(&folder, &["retry", ""]), [run.as_str()]);
    assert_eq!(completed(&folder, &["doctor", "hris"]), ["hris", "hris2"]);
    assert_eq!(completed(&folder, &["replay", &run, "--to", "bel"]), ["below"]);
    assert_eq!(completed(&folder, &["runs", "--state", "fa"]), ["failed"]);
    assert_eq!(completed(&folder, &["runs", "--state", "failed,he"]), ["failed,held"]);
    assert_eq!(completed(&folder, &["runs", "--state", "=", "he"]), ["held"]);
    // The settings file that the line names.
    let elsewhere = crate::stage::folder();
    let config = folder.path().join("reportferry.yaml");
    assert_eq!(completed(&elsewhere, &["--config", config.to_str().unwrap(), "plan", "a"]), ["alpha"]);
    // The rest is as before.
    assert!(completed(&folder, &["veri"]).contains(&"verify".to_owned()));
    assert!(completed(&folder, &["verify", "--che"]).contains(&"--checksum".to_owned()));
    let zsh = String::from_utf8(in_folder(&folder, &["completions", "zsh"]).stdout).unwrap();
    for part in [
        "_reportferry_values runs'",
        "_reportferry_values pipelines'",
        "_reportferry_values destinations'",
        "_reportferry_values states'",
    ] {
        assert!(zsh.contains(part), "{part}");
    }
    std::fs::write(folder.path().join("_reportferry"), &zsh).unwrap();
    let parsed = Command::new("zsh").args(["-n", "_reportferry"]).current_dir(folder.path()).output().unwrap();
    assert!(parsed.status.success(), "{}", both(&parsed));
}
