//! What an operator types: plan, status, runs, show, pause, backfill, prune; beside a worker on the same ledger.

use jiff::{SignedDuration, Timestamp};
use reportferry::clock::Clock;
use reportferry::ledger::state::RunState;
use reportferry::ledger::{Ledger, RunFilter};
use reportferry::schedule::missed::Fate;
use reportferry::schedule::slot::Slot;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::stage::rig::{PIPELINE, Rig, SLOT, both, document};
use super::work::stand::{Stand, every_minute, until};

fn json(rig: &Rig, arguments: &[&str]) -> Value {
    let output = rig.reportferry(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", both(&output));
    document(&output)
}

fn said(rig: &Rig, arguments: &[&str], code: i32) -> String {
    let output = rig.reportferry(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", both(&output));
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn write(rig: &Rig, name: &str, text: &str) {
    std::fs::write(rig.folder.path().join("pipelines").join(format!("{name}.yaml")), text).unwrap();
}

#[test]
fn a_plan_says_when_what_and_where() {
    let rig = Rig::new(&PIPELINE.replace("New_York}", "New_York, expected_by: \"06:30\", jitter: 2m}"));
    let plan = json(&rig, &["plan", "line", "--fires", "300"]);
    let fires = plan["fires"].as_array().unwrap();
    assert_eq!(fires.len(), 300);
    for fire in fires {
        let slot: jiff::Timestamp = fire["slot"].as_str().unwrap().parse().unwrap();
        let (begins, late): (Timestamp, Timestamp) =
            (fire["begins"].as_str().unwrap().parse().unwrap(), fire["expected_by"].as_str().unwrap().parse().unwrap());
        assert!((0..120).contains(&begins.duration_since(slot).as_secs()), "{fire}");
        assert_eq!(late.duration_since(slot), SignedDuration::from_mins(60), "{fire}");
        assert!(fire["slot"].as_str().unwrap().contains("T05:30:00-0"), "{fire}");
    }
    assert_eq!(plan["columns"], serde_json::json!(["employee_id", "course", "done", "email"]));
    assert!(
        plan["requests"].as_array().unwrap().iter().any(|request| request.as_str().unwrap().contains("/export/csv"))
    );
    let words = said(&rig, &["plan", "line"], 0);
    assert!(words.contains("LATE AFTER") && words.contains("hris: sftp ") && words.contains("{name}.done"), "{words}");
    assert!(said(&rig, &["plan", "lime"], 2).contains("did you mean \"line\"?"));
}

#[test]
fn a_plan_marks_the_days_on_which_clocks_change() {
    let rig = Rig::new(&PIPELINE.replace("30 5 * * mon-fri", "30 2 * * *"));
    write(&rig, "twice", &PIPELINE.replace("30 5 * * mon-fri", "30 1 * * *"));
    write(&rig, "hourly", &PIPELINE.replace("30 5 * * mon-fri", "0 * * * *"));
    let remarks = |pipeline: &str, fires: &str| -> Vec<String> {
        let plan = json(&rig, &["plan", pipeline, "--fires", fires]);
        let fires = plan["fires"].as_array().unwrap().clone();
        fires.iter().filter_map(|fire| fire["remark"].as_str().map(str::to_owned)).collect()
    };
    let skipped = remarks("line", "400");
    assert!(skipped.iter().any(|remark| remark == "clocks skip 02:30: it runs right after"), "{skipped:?}");
    let twice = remarks("twice", "400");
    assert!(twice.iter().any(|remark| remark == "01:30 comes twice: it runs the first time only"), "{twice:?}");
    assert!(twice.iter().any(|remark| remark.contains("it has 23 hours")), "{twice:?}");
}

#[test]
fn status_runs_and_show_tell_what_happened() {
    let rig = Rig::new(PIPELINE);
    write(&rig, "broken", "schedule: {corn: x}\n");
    assert!(said(&rig, &["status"], 2).contains("none has worked here yet"));
    std::fs::remove_file(rig.folder.path().join("pipelines/broken.yaml")).unwrap();
    assert!(rig.run().status.success());
    let status = json(&rig, &["status"]);
    let line = &status["pipelines"][0];
    assert_eq!((line["pipeline"].as_str(), line["state"].as_str()), (Some("line"), Some("delivered")));
    assert_eq!(line["slot"], SLOT);
    assert!(line["next"].is_string() && line["delivered"].is_string());
    let run = json(&rig, &["runs", "--state", "delivered,failed", "--since", "2020-01-01"]);
    assert_eq!(run.as_array().unwrap().len(), 1);
    assert_eq!(run[0]["origin"], "person");
    assert_eq!(json(&rig, &["runs", "--until", "2020-01-01"]).as_array().unwrap().len(), 0);
    assert!(said(&rig, &["runs", "lime"], 2).contains("did you mean \"line\"?"));
    let story = said(&rig, &["show", run[0]["run"].as_str().unwrap()], 0);
    for part in ["asked for by person", "requests", "1 x POST /oauth2/token 200", "shaped", "attempts", "host key"] {
        assert!(story.contains(part), "{part}: {story}");
    }
}

#[test]
fn a_paused_pipeline_skips_its_slots_and_a_backfill_does_them() {
    let stand = Stand::new(Rig::new(&every_minute()));
    stand.behind("line", 3);
    said(&stand.rig, &["pause", "line", "--why", "the HRIS is moved", "--by", "ada"], 0);
    assert!(said(&stand.rig, &["pause", "line"], 0).contains("already"));
    let worker = stand.worker();
    until("three slots are skipped", || stand.runs().iter().filter(|run| run.state == RunState::Skipped).count() >= 3);
    assert!(stand.runs().iter().all(|run| run.reason.as_deref() == Some("paused by ada: the HRIS is moved")));
    let status = json(&stand.rig, &["status"]);
    assert_eq!(status["pipelines"][0]["paused"]["by"], "ada");
    assert_eq!(status["worker"]["working"], true);
    assert_eq!(json(&stand.rig, &["status", "--attention"])["pipelines"].as_array().unwrap().len(), 1);
    said(&stand.rig, &["resume", "line"], 0);

    let dry = json(&stand.rig, &["backfill", "line", "--since", "10m"]);
    assert_eq!(dry["entered"], 0);
    let open = dry["slots"].as_array().unwrap().iter().filter(|slot| slot["to_do"] == true).count();
    assert!(open >= 9, "those that were skipped, and those before: {dry:#}");
    let done = json(&stand.rig, &["backfill", "line", "--since", "10m", "--rate", "50/s", "--yes"]);
    assert!(done["entered"].as_u64().unwrap() >= 9, "{done:#}");
    until("all are delivered", || {
        let runs = stand.runs();
        runs.len() >= 10 && runs.iter().all(|run| run.state == RunState::Delivered)
    });
    let again = json(&stand.rig, &["backfill", "line", "--since", "5m", "--yes"]);
    assert_eq!(again["entered"], 0, "what is delivered stays so: {again:#}");
    assert_eq!(worker.stop().code(), Some(0));
    assert!(
        said(&stand.rig, &["backfill", "line", "--since", "2020-01-01", "--until", "2020-01-02"], 2)
            .contains("--beyond")
    );
    assert!(said(&stand.rig, &["backfill", "line", "--since", "80d"], 2).contains("more than 10000"));
}

#[test]
fn a_slot_that_is_not_delivered_in_time_is_late() {
    let rig = Rig::new(PIPELINE);
    let runtime = Runtime::new().unwrap();
    let ledger = runtime.block_on(Ledger::open(&rig.folder.path().join("data/ledger.db"), Clock::System)).unwrap();
    let enter = |hours: i64, deadline_hours: i64| {
        let at = Timestamp::now() - SignedDuration::from_hours(hours);
        let slot = Slot::new("line", at, jiff::tz::TimeZone::UTC);
        let deadline = Timestamp::now() - SignedDuration::from_hours(deadline_hours);
        let portion = reportferry::ledger::Portion {
            pipeline: "line".to_owned(),
            plan_digest: String::new(),
            overlap: reportferry::pipeline::plan::Overlap::Queue,
            slots: vec![(slot, Fate::Do { wake: at }, Some(deadline.as_millisecond()))],
            cursor_ms: at.as_millisecond(),
        };
        runtime.block_on(ledger.enter_slots(&[portion])).unwrap();
    };
    runtime.block_on(ledger.pause("line", None)).unwrap();
    enter(5, -1);
    assert_eq!(json(&rig, &["status"])["pipelines"][0]["late"], Value::Null, "its time has not come");
    enter(3, 2);
    assert!(json(&rig, &["status"])["pipelines"][0]["late"].is_string());
    assert!(rig.reportferry(&["run", "line"]).status.success());
    assert_eq!(json(&rig, &["status"])["pipelines"][0]["late"], Value::Null, "a later slot is delivered");
}

#[test]
fn prune_removes_what_is_old_and_nothing_else() {
    let rig = Rig::new(PIPELINE);
    let data = rig.folder.path().join("data");
    // A clock of 100 days ago, for what is to be old by now.
    let old = Timestamp::now() - SignedDuration::from_hours(100 * 24);
    let (clock, _) = Clock::manual(old);
    let runtime = Runtime::new().unwrap();
    let (path, plan) = (data.join("ledger.db"), "digest");
    let ledger = runtime.block_on(Ledger::open(&path, clock)).unwrap();
    let folder = |id: &str| data.join("spool").join(id);
    let enter = |pipeline: &str, minutes: i64, state: Option<RunState>| {
        let slot = Slot::new(pipeline, old + SignedDuration::from_mins(minutes), jiff::tz::TimeZone::UTC);
        runtime.block_on(async {
            let mut run = ledger.enter(&slot, plan).await.unwrap();
            if let Some(state) = state {
                ledger.advance(&mut run, RunState::Extracting, None).await.unwrap();
                ledger.advance(&mut run, RunState::Shaping, None).await.unwrap();
                ledger.advance(&mut run, state, Some("so")).await.unwrap();
            }
        });
        std::fs::create_dir_all(folder(&slot.run_id())).unwrap();
        std::fs::write(folder(&slot.run_id()).join("bytes"), "12345").unwrap();
        slot.run_id()
    };
    let gone: Vec<String> = (0..3).map(|minute| enter("line", minute, Some(RunState::Failed))).collect();
    let newest = enter("line", 9, Some(RunState::Failed));
    let held = enter("line", 4, Some(RunState::Held));
    let open = enter("line", 5, None);
    std::fs::create_dir_all(folder("0123456789abcdef")).unwrap();
    std::fs::create_dir_all(folder("not-ours")).unwrap();
    let dry = json(&rig, &["prune"]);
    assert_eq!((&dry["runs"], &dry["folders"], &dry["bytes"]), (&3.into(), &4.into(), &20.into()), "{dry}");
    let pruned = json(&rig, &["prune", "--yes"]);
    assert_eq!((&pruned["runs"], &pruned["folders"]), (&3.into(), &4.into()), "{pruned}");
    assert_eq!(json(&rig, &["prune", "--yes"])["runs"], 0);
    let left = runtime.block_on(ledger.runs(&RunFilter { limit: 99, ..RunFilter::default() })).unwrap();
    assert_eq!(left.len(), 3);
    for id in &gone {
        assert!(!folder(id).exists() && !left.iter().any(|run| run.id == *id));
    }
    assert!(left.iter().any(|run| run.id == newest) && !folder(&newest).exists(), "history, but not its bytes");
    assert!(folder(&held).exists() && folder(&open).exists());
    assert!(folder("0123456789abcdef").exists() && folder("not-ours").exists(), "young, or not ours");
}

#[test]
fn shells_complete() {
    let rig = Rig::new(PIPELINE);
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(&rig, &["completions", shell], 0).contains("backfill"));
    }
}
