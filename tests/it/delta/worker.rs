//! `delta` by the worker on its schedule, to the SFTP server: what a delivery that failed leaves as it was.

use reportferry::ledger::record::Run;
use reportferry::ledger::state::RunState;

use super::*;
use crate::stage::eventually;
use crate::stage::resets::{From, Resets};
use crate::stage::rig::servers;
use crate::work::stand::{Stand, Working};

const EVERY_MINUTE: &str = r#"
schedule: {cron: "* * * * *", timezone: UTC, missed: all, overlap: queue}
source: {file: {path: in.csv}}
transform:
  - delta: {by: [id, course], compare: [status]}
expect: {when_empty: skip}
artifact: {name: "d_{slot:%Y%m%dT%H%M}.csv"}
deliver: {hris: {path: inbound}}
"#;

/// A note that makes the files larger than what the line lets through.
const NOTE: &str = "a note that is not compared and is as long as this";

/// The rows of these ids, of which those below `done` are done.
fn rows(ids: std::ops::Range<u32>, done: u32) -> String {
    let status = |id: u32| if id < done { "done" } else { "open" };
    ids.map(|id| format!("{id:05},C,{},{NOTE}\n", status(id))).collect()
}

/// Added, changed, removed and unchanged rows between the two.
const COUNTS: [u64; 4] = [1_000, 2_000, 3_000, 1_000];

fn first() -> String {
    rows(0..6_000, 0)
}

fn second() -> String {
    rows(3_000..7_000, 5_000)
}

/// The second file: only what differs, by the key.
fn changes() -> String {
    let line = |id: u32| match id {
        0..3_000 => format!("{id:05},C,,,removed\n"),
        3_000..5_000 => format!("{id:05},C,done,{NOTE},changed\n"),
        6_000.. => format!("{id:05},C,open,{NOTE},added\n"),
        _ => String::new(),
    };
    (0..7_000).map(line).collect()
}

/// The files under their final names, in the order of their slots.
fn files(stand: &Stand) -> Vec<String> {
    stand.rig.arrived().into_iter().filter(|name| name.starts_with("d_")).collect()
}

/// The content of a file after its header.
fn content(stand: &Stand, name: &str) -> String {
    let text = String::from_utf8(stand.rig.read(name)).unwrap();
    text.strip_prefix("id,course,status,note,change_type\n").unwrap_or_else(|| panic!("{text:.100}")).to_owned()
}

/// Waits until a run has this state, and returns the earliest one that has.
fn run_that_is(stand: &Stand, worker: &Working, state: RunState) -> Run {
    let mut found = None;
    eventually(&format!("a run is {state:?}\n{}", worker.log()), || {
        found = stand.runs().into_iter().rev().find(|run| run.state == state);
        found.is_some()
    });
    found.unwrap()
}

fn shown(stand: &Stand, run: &Run) -> Value {
    document(&stand.rig.reportferry(&["show", &run.id, "--json"]))
}

#[test]
fn a_failed_upload_of_the_worker_leaves_the_baseline_so_that_the_next_slot_has_the_same_changes() {
    let stand = Stand::new(Rig::new(EVERY_MINUTE));
    let write = |rows: &str| fs::write(stand.rig.folder.path().join("in.csv"), format!("{HEADER}{rows}")).unwrap();
    let baselines = || names(&stand.rig.folder.path().join("data/baselines/line/hris"));
    write(&first());
    stand.behind("line", 12);
    // Ends with the receipt of the first slot, so that the second one reads other rows.
    assert!(!stand.worker_with_fault("ledger.verdict=kill_after").ended().success());
    let all = first().replace('\n', ",added\n");
    assert!(files(&stand).len() == 1 && content(&stand, &files(&stand)[0]) == all, "{:?}", stand.rig.arrived());
    let after_first = baselines();
    assert_eq!(after_first.len(), 1);

    // The line is cut in the middle of each upload, until the worker gives up.
    write(&second());
    let settings = stand.rig.folder.path().join("reportferry.yaml");
    let good = fs::read_to_string(&settings).unwrap();
    let proxy = Resets::start(servers().sshd.port, From::Client, 64 << 10);
    stand.rig.settings(|text| {
        let port = format!("port: {}", servers().sshd.port);
        text.replace(&port, &format!("port: {}", proxy.port)).replace("give_up_after: 1h", "give_up_after: 1s")
    });
    let worker = stand.worker();
    let failed = run_that_is(&stand, &worker, RunState::Failed);
    assert_eq!(worker.stop().code(), Some(0));
    let failed = shown(&stand, &failed);
    assert!(failed["deliveries"][0]["attempts"].as_u64() > Some(1), "{failed:#}");
    assert_eq!((counts(&failed), files(&stand).len()), (COUNTS, 1), "{failed:#}");
    let kept = baselines();
    assert!(after_first.iter().all(|name| kept.contains(name)), "{kept:?}");

    // One of the slots that wait is delivered, and those after it find nothing new.
    fs::write(&settings, good).unwrap();
    let worker = stand.worker();
    let skipped = run_that_is(&stand, &worker, RunState::Skipped);
    assert_eq!(worker.stop().code(), Some(0));
    let delivered: Vec<Run> = stand.runs().into_iter().rev().filter(|run| run.state == RunState::Delivered).collect();
    let [first, second] = delivered.as_slice() else { panic!("{} files", delivered.len()) };
    let [_, file] = &files(&stand)[..] else { panic!("{:?}", files(&stand)) };
    assert!(content(&stand, file) == changes(), "only what changed");
    let second = shown(&stand, second);
    assert_eq!(counts(&second), COUNTS);
    for document in [&failed, &second] {
        assert_eq!(id(&document["delta"]["compared_with"]), first.id, "{document:#}");
    }
    assert_eq!(counts(&shown(&stand, &skipped)), [0, 0, 0, 4_000]);
    // Those of failed slots stay until `prune` removes them.
    let has = |name: &str| baselines().iter().any(|kept| kept == name);
    assert!(has(second["delta"]["baseline"]["sha256"].as_str().unwrap()) && !has(&after_first[0]), "{:?}", baselines());
}
