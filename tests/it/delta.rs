//! `delta` by the real binary: only what has changed since the last file that the destination received, through crashes,
//! holds and slots out of order.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::stage::rig::{Rig, both, document, names};

/// Rows that are gone, and that the destination keeps.
mod kept;
/// What voids a run, where slots come out of order, and what must wait.
mod order;
/// The worker and the SFTP server.
mod worker;

const PIPELINE: &str = "source: {file: {path: in.csv}}
transform:
  - delta: {by: [id, course], compare: [status]}
expect: {when_empty: skip}
artifact: {name: \"d_{slot:%d}.csv\"}
deliver: {local: {path: inbound}}
";

const HEADER: &str = "id,course,status,note\n";

/// Runs of a pipeline with `delta`, a slot a day.
struct Days {
    rig: Rig,
}

impl Days {
    fn new(pipeline: &str) -> Self {
        Self { rig: Rig::new(pipeline) }
    }

    fn pipeline(&self, text: &str) {
        fs::write(self.rig.folder.path().join("pipelines/line.yaml"), text).unwrap();
    }

    fn rows(&self, rows: &str) {
        fs::write(self.rig.folder.path().join("in.csv"), format!("{HEADER}{rows}")).unwrap();
    }

    fn run_with(&self, day: u8, fault: &str, wait: &str) -> Output {
        let slot = format!("2026-11-{day:02}T05:30:00Z");
        let mut command = self.rig.command(&["run", "line", "--slot", &slot, "--json", "--wait", wait]);
        if !fault.is_empty() {
            command.env("REPORTFERRY_FAULT", fault);
        }
        command.output().unwrap()
    }

    /// The document of the day's run with these rows, which ends with this code.
    fn run(&self, day: u8, rows: &str, code: i32) -> Value {
        self.rows(rows);
        self.again(day, code)
    }

    fn again(&self, day: u8, code: i32) -> Value {
        ended(&self.run_with(day, "", "5s"), code)
    }

    /// The document that a command about a run prints.
    fn command(&self, arguments: &[&str], code: i32) -> Value {
        ended(&self.rig.reportferry(&[arguments, &["--json"]].concat()), code)
    }

    /// The rows that arrived of a day, without the header.
    fn arrived(&self, day: u8) -> Vec<String> {
        let text = String::from_utf8(self.rig.read(&format!("d_{day:02}.csv"))).unwrap();
        let mut lines = text.lines().map(str::to_owned);
        assert_eq!(lines.next().unwrap(), format!("{},change_type", HEADER.trim_end()));
        lines.collect()
    }

    fn folder(&self) -> PathBuf {
        self.rig.folder.path().join("data/baselines/line/local")
    }

    /// The only baseline: its name is its digest, and nobody else can read it.
    fn baseline(&self) -> String {
        let found = names(&self.folder());
        let [name] = found.as_slice() else { panic!("one baseline, not {found:?}") };
        let path = self.folder().join(name);
        assert_eq!(reportferry::digest::of_file(&path).unwrap(), *name);
        let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&self.folder())), (0o600, 0o700));
        name.clone()
    }
}

fn ended(output: &Output, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{}", both(output));
    document(output)
}

fn id(document: &Value) -> &str {
    document["run"].as_str().unwrap()
}

fn reason(document: &Value) -> &str {
    document["reason"].as_str().unwrap()
}

/// Added, changed, removed and unchanged rows.
fn counts(document: &Value) -> [u64; 4] {
    ["added", "changed", "removed", "unchanged"].map(|name| document["delta"][name].as_u64().unwrap())
}

const FIRST: &str = "2,C,open,x\n1,C,open,x\n1,B,open,x\n";
/// One row is the same but for a column that is not compared, one has changed, one is gone, one is new.
const SECOND: &str = "1,B,open,y\n1,C,done,x\n10,C,open,x\n";
const CHANGES: [&str; 3] = ["1,C,done,x,changed", "10,C,open,x,added", "2,C,,,removed"];

#[test]
fn each_file_has_the_changes_since_the_last_one() {
    for days in [Days::new(PIPELINE), Days { rig: Rig::new(PIPELINE).in_postgres() }] {
        let first = days.run(1, FIRST, 0);
        assert_eq!(days.arrived(1), ["1,B,open,x,added", "1,C,open,x,added", "2,C,open,x,added"]);
        assert_eq!((counts(&first), &first["delta"]["compared_with"]), ([3, 0, 0, 0], &Value::Null));
        let of_first = days.baseline();
        assert_eq!(
            (&first["delta"]["baseline"]["sha256"], &first["delta"]["baseline"]["keys"]),
            (&of_first.as_str().into(), &3.into())
        );

        let second = days.run(2, SECOND, 0);
        assert_eq!(days.arrived(2), CHANGES);
        assert_eq!(counts(&second), [1, 1, 1, 1]);
        let compared_with = &second["delta"]["compared_with"];
        assert_eq!((id(compared_with), &compared_with["slot"]), (id(&first), &first["slot"]));
        assert_eq!(second["rows"]["steps"][0]["dropped"], 1, "{}", second["rows"]);
        assert_eq!(second["rows"]["steps"][1]["added"], 1);
        let of_second = days.baseline();
        assert_ne!(of_first, of_second);

        // Nothing has changed: the slot is skipped, and the baseline stays.
        let third = days.run(3, SECOND, 0);
        assert_eq!((third["state"].as_str(), counts(&third)), (Some("skipped"), [0, 0, 0, 3]));
        assert_eq!(days.baseline(), of_second);

        let shown = days.rig.reportferry(&["show", id(&second)]);
        let text = String::from_utf8(shown.stdout).unwrap();
        let line = format!("  delta     1 added, 1 changed, 1 removed, 1 unchanged; since run {}, slot", id(&first));
        assert!(text.contains(&line), "{text}");
        assert!(text.contains("baseline moved"), "{text}");
        let evidence = days.rig.reportferry(&["evidence", id(&second)]);
        assert!(String::from_utf8(evidence.stdout).unwrap().contains(&of_first));
    }
}

#[test]
fn rows_without_one_key_each_fail_the_run_and_name_it() {
    let days = Days::new(PIPELINE);
    let twice = days.run(1, "1,C,open,x\n2,C,open,x\n1,C,done,x\n", 3);
    assert!(reason(&twice).contains("record 3 (line 4) has the same key as record 1 (line 2): id \"1\", course \"C\""));
    assert!(reason(&twice).contains("add `dedupe` before it"), "{twice}");
    let empty = days.run(2, "1,C,open,x\n2,,open,x\n", 3);
    assert!(reason(&empty).contains("record 2 (line 3), column \"course\""), "{empty}");
    assert!(days.rig.arrived().is_empty() && !days.folder().exists());
}

#[test]
fn the_first_file_is_held_if_the_pipeline_says_so() {
    let days = Days::new(&PIPELINE.replace("compare:", "initial: hold, words: {added: A}, op: op, compare:"));
    let held = days.run(1, FIRST, 4);
    assert_eq!(reason(&held), "no file was delivered before: all 3 rows are passed on as added");
    assert!(days.rig.arrived().is_empty() && !days.folder().exists(), "a baseline is staged by a delivery");
    days.command(&["release", id(&held)], 0);
    let text = String::from_utf8(days.rig.read("d_01.csv")).unwrap();
    assert!(text.starts_with("id,course,status,note,op\n1,B,open,x,A\n"), "{text}");
    assert_eq!(counts(&days.run(2, SECOND, 0)), [1, 1, 1, 1]);
}

/// Checks that what the destination has is not known: held, sent by a release alone, and right from then on.
fn is_held(days: &Days, day: u8, told: &str, next: [u64; 4]) {
    let before = names(&days.folder());
    let held = days.run(day, FIRST, 4);
    assert!(reason(&held).contains(told) && reason(&held).contains("all 3 rows are passed on as added"), "{held}");
    days.command(&["reject", id(&held), "--because", "no"], 0);
    assert_eq!(names(&days.folder()), before, "a rejected run moves nothing");
    let held = days.again(day + 1, 4);
    assert!(!days.rig.arrived().contains(&format!("d_{day:02}.csv")), "never a silent full feed");
    days.command(&["release", id(&held)], 0);
    assert_eq!(days.arrived(day + 1), ["1,B,open,x,added", "1,C,open,x,added", "2,C,open,x,added"]);
    assert_eq!(counts(&days.run(day + 2, SECOND, 0)), next);
}

#[test]
fn what_cannot_be_compared_is_held_and_sent_whole_by_a_release_alone() {
    let days = Days::new(PIPELINE);
    days.run(1, FIRST, 0);
    days.pipeline(&PIPELINE.replace("[status]", "[status, note]"));
    is_held(&days, 2, "has other compared columns: added \"note\"", [1, 2, 1, 0]);
    days.pipeline(PIPELINE);
    is_held(&days, 5, "has other compared columns: removed \"note\"", [1, 1, 1, 1]);
    let path = days.folder().join(days.baseline());
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let damaged = days.run(8, SECOND, 4);
    assert!(reason(&damaged).contains("is lost") && reason(&damaged).contains("damaged"), "{damaged}");
    // A file that is restored is as good as before.
    fs::write(&path, &whole).unwrap();
    assert_eq!(days.run(9, SECOND, 0)["state"], "skipped");
    fs::remove_file(&path).unwrap();
    is_held(&days, 10, "is lost", [1, 1, 1, 1]);
    days.baseline();
}

#[test]
fn files_that_were_not_of_changes_are_not_compared_with() {
    let days = Days::new(PIPELINE);
    days.run(1, FIRST, 0);
    days.pipeline(&PIPELINE.replace("delta: {by: [id, course], compare: [status]}", "sort: id"));
    days.run(2, "1,B,open,x\n5,C,open,x\n", 0);
    days.pipeline(PIPELINE);
    is_held(&days, 3, "was not one of changes", [1, 1, 1, 1]);
}

#[test]
fn what_is_found_about_changes_shows_their_rows_and_the_step_is_explained() {
    let expected = "{when_empty: skip, values: {change_type: [added, changed]}, severity: {values: warn}}";
    let days = Days::new(&PIPELINE.replace("{when_empty: skip}", expected));
    days.run(1, FIRST, 0);
    let second = days.run(2, SECOND, 0);
    let rows = &second["findings"][0]["difference"]["offending"]["rows"];
    assert_eq!(rows[0]["cells"], serde_json::json!(["2", "C", "", "", "removed"]), "{second}");
    // A second pass over the rows wrote no other baseline.
    assert_eq!(second["delta"]["baseline"]["sha256"], days.baseline());
    assert_eq!(days.run(3, SECOND, 0)["state"], "skipped");
    let explained = days.rig.reportferry(&["explain", "line"]);
    let text = String::from_utf8(explained.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = "only what has changed since the last file that the destination received is delivered, sorted by \"id\", \"course\"";
    assert!(text.contains(sentence), "{text}");
}

#[test]
fn a_step_without_a_result_for_a_removed_row_names_the_baseline() {
    let number = |policy: &str| {
        let set = "{set: {note: \"case change_type when 'removed' then cast(course as integer) end\"}";
        PIPELINE.replace("expect:", &format!("  - {set}{policy}}}\nexpect:"))
    };
    let days = Days::new(&number(""));
    days.run(1, FIRST, 0);
    let failed = days.run(2, SECOND, 3);
    let told = "a removed row of the baseline, column \"course\": \"C\" is not a valid integer";
    assert!(reason(&failed).starts_with(told), "{failed}");
    days.pipeline(&number(", on_error: hold"));
    let held = days.run(3, SECOND, 4);
    assert_eq!(held["findings"][0]["difference"]["offending"]["rows"][0]["number"], 0, "{held}");
    let shown = days.rig.reportferry(&["show", id(&held)]);
    let text = String::from_utf8(shown.stdout).unwrap();
    let row = |line: &str| line.split_whitespace().take(2).eq(["baseline", "-"]);
    assert!(text.lines().any(row), "{text}");
}

#[test]
fn a_replay_and_the_rows_of_a_file_move_nothing() {
    let days = Days::new(PIPELINE);
    let first = days.run(1, FIRST, 0);
    days.run(2, SECOND, 0);
    let baseline = days.baseline();
    for run in [id(&first), id(&days.again(2, 0))] {
        days.command(&["replay", run, "--as", &format!("again-{run}.csv")], 0);
    }
    assert_eq!(days.rig.read(&format!("again-{}.csv", id(&first))), days.rig.read("d_01.csv"));
    let other = days.rig.folder.path().join("other.csv");
    fs::write(&other, format!("{HEADER}9,C,open,x\n")).unwrap();
    let from = ["run", "line", "--from", other.to_str().unwrap(), "--deliver", "--slot", "2026-11-20T05:30:00Z"];
    let of_file = days.command(&from, 0);
    assert_eq!((counts(&of_file), &of_file["delta"]["baseline"]), ([1, 0, 3, 0], &Value::Null));
    assert_eq!(days.baseline(), baseline);
    assert_eq!(counts(&days.run(3, FIRST, 0)), [1, 1, 1, 1], "compared with the second, whatever was sent besides");
}

#[test]
fn receipt_and_baseline_move_together_wherever_a_run_is_killed() {
    let steps = [
        "ledger.artifact",
        "baseline.stage",
        "ledger.attempt",
        "ledger.intent",
        "local.rename",
        "ledger.verdict",
        "baseline.remove",
    ];
    let kinds = ["kill_before", "kill_after"];
    let faults = steps.iter().flat_map(|step| kinds.map(|kind| format!("{step}={kind}")));
    let others = ["ledger.verdict=lost_after", "ledger.verdict=repeat", "baseline.stage=repeat"].map(str::to_owned);
    for fault in faults.chain(others) {
        let days = Days::new(PIPELINE);
        days.run(1, FIRST, 0);
        days.rows(SECOND);
        let output = days.run_with(2, &fault, "5s");
        let is_killed = fault.contains("kill");
        assert_eq!(output.status.code().is_none(), is_killed, "{fault}: {}", both(&output));
        // Other rows now: the run that was begun keeps its own once its artifact is recorded.
        let second = days.again(2, 0);
        assert_eq!(
            (second["state"].as_str(), days.arrived(2)),
            (Some("delivered"), CHANGES.map(str::to_owned).to_vec()),
            "{fault}"
        );
        assert_eq!(second["deliveries"][0]["receipt"]["sha256"], second["artifact"]["sha256"], "{fault}");
        let current = second["delta"]["baseline"]["sha256"].as_str().unwrap();
        assert!(names(&days.folder()).contains(&current.to_owned()), "{fault}");
        // Nothing is sent twice, and nothing is missing.
        let third = days.run(3, SECOND, 0);
        assert_eq!((third["state"].as_str(), counts(&third)), (Some("skipped"), [0, 0, 0, 3]), "{fault}");
        assert_eq!(counts(&days.run(4, FIRST, 0)), [1, 1, 1, 1], "{fault}");
    }
}

#[test]
fn a_baseline_that_the_spool_lost_is_made_again() {
    let days = Days::new(PIPELINE);
    let first = days.run(1, FIRST, 0);
    days.rows(SECOND);
    let output = days.run_with(2, "baseline.stage=kill_before", "5s");
    assert!(output.status.code().is_none());
    let spool = days.rig.folder.path().join("data/spool");
    for run in names(&spool).into_iter().filter(|run| run != id(&first)) {
        fs::write(spool.join(run).join("baseline"), "torn").unwrap();
    }
    let failed = days.again(2, 3);
    assert!(reason(&failed).contains("no longer holds the baseline"), "{failed}");
    days.command(&["retry", id(&failed)], 0);
    assert_eq!(days.arrived(2), CHANGES);
    assert_eq!(days.run(3, SECOND, 0)["state"], "skipped");
}

#[test]
fn prune_removes_orphans_and_never_what_is_current() {
    let days = Days::new(PIPELINE);
    days.run(1, FIRST, 0);
    let current = days.baseline();
    let orphan = days.folder().join("00".repeat(32));
    fs::write(&orphan, "left by a crash").unwrap();
    let pruned = || days.command(&["prune", "--yes"], 0)["baselines"].clone();
    assert_eq!(pruned(), 0, "a delivery may be about to begin");
    for name in names(&days.folder()) {
        let file = File::options().write(true).open(days.folder().join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(400 * 86_400)).unwrap();
    }
    assert_eq!((pruned(), days.baseline()), (1.into(), current));
}
