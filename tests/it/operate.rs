//! What an operator types: plan, status, runs, show, pause, backfill, prune; beside a worker on the same ledger.

use jiff::{SignedDuration, Timestamp, ToSpan};
use reportferry::clock::Clock;
use reportferry::ledger::state::RunState;
use reportferry::ledger::{KnownPipeline, Ledger, RunFilter};
use reportferry::schedule::missed::SlotDecision;
use reportferry::schedule::slot::Slot;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::stage::rig::{PIPELINE, Rig, SLOT, both, document};
use super::stage::{PATIENCE, eventually};
use super::work::stand::{Stand, every_minute};

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
    let plan = json(&rig, &["plan", "line", "--next", "300"]);
    let slots = plan["slots"].as_array().unwrap();
    assert_eq!(slots.len(), 300);
    for fire in slots {
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
    let remarks = |pipeline: &str, count: &str| -> Vec<String> {
        let plan = json(&rig, &["plan", pipeline, "--next", count]);
        let slots = plan["slots"].as_array().unwrap().clone();
        slots.iter().filter_map(|fire| fire["remark"].as_str().map(str::to_owned)).collect()
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
    assert!(said(&rig, &["status"], 2).contains("never started"));
    std::fs::remove_file(rig.folder.path().join("pipelines/broken.yaml")).unwrap();
    assert!(rig.run().status.success());
    let status = json(&rig, &["status"]);
    let line = &status["pipelines"][0];
    assert_eq!((line["pipeline"].as_str(), line["state"].as_str()), (Some("line"), Some("delivered")));
    assert_eq!(line["slot"], SLOT);
    assert!(line["next"].is_string() && line["delivered"].is_string());
    let run = json(&rig, &["runs", "--state", "delivered,failed", "--since", "2020-01-01"])["runs"].clone();
    assert_eq!(run.as_array().unwrap().len(), 1);
    assert_eq!(run[0]["origin"], "person");
    assert_eq!(json(&rig, &["runs", "--until", "2020-01-01"])["runs"].as_array().unwrap().len(), 0);
    assert!(said(&rig, &["runs", "lime"], 2).contains("did you mean \"line\"?"));
    let story = said(&rig, &["show", run[0]["run"].as_str().unwrap()], 0);
    for part in [
        "origin person",
        "requests",
        "to tenant acme: 1 x POST /oauth2/token 200",
        "took      waited ",
        "transformed",
        "attempts",
        "host key",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
}

#[test]
fn a_paused_pipeline_skips_its_slots_and_a_backfill_does_them() {
    let stand = Stand::new(Rig::new(&every_minute()));
    stand.behind("line", 3);
    said(&stand.rig, &["pause", "line", "--because", "the HRIS is moved", "--by", "ada"], 0);
    assert!(said(&stand.rig, &["pause", "line"], 0).contains("already"));
    let worker = stand.worker();
    eventually("three slots are skipped", || {
        stand.runs().iter().filter(|run| run.state == RunState::Skipped).count() >= 3
    });
    assert!(stand.runs().iter().all(|run| run.reason.as_deref() == Some("paused by ada: the HRIS is moved")));
    let status = json(&stand.rig, &["status"]);
    assert_eq!(status["pipelines"][0]["paused"]["by"], "ada");
    assert_eq!(status["worker"]["working"], true);
    let attention = stand.rig.reportferry(&["status", "--attention", "--json"]);
    assert_eq!(attention.status.code(), Some(8), "{}", both(&attention));
    assert_eq!(document(&attention)["pipelines"].as_array().unwrap().len(), 1);
    said(&stand.rig, &["resume", "line"], 0);

    let dry = json(&stand.rig, &["backfill", "line", "--since", "10m"]);
    assert_eq!(dry["entered"], 0);
    let open = dry["slots"].as_array().unwrap().iter().filter(|slot| slot["to_do"] == true).count();
    assert!(open >= 9, "those that were skipped, and those before: {dry:#}");
    let done = json(&stand.rig, &["backfill", "line", "--since", "10m", "--rate", "50/s", "--yes"]);
    assert!(done["entered"].as_u64().unwrap() >= 9, "{done:#}");
    eventually("all are delivered", || {
        let runs = stand.runs();
        runs.len() >= 10 && runs.iter().all(|run| run.state == RunState::Delivered)
    });
    let again = json(&stand.rig, &["backfill", "line", "--since", "5m", "--yes"]);
    assert_eq!(again["entered"], 0, "what is delivered stays so: {again:#}");
    assert_eq!(worker.stop().code(), Some(0));
    assert!(
        said(&stand.rig, &["backfill", "line", "--since", "2020-01-01", "--until", "2020-01-02"], 2)
            .contains("--include-pruned")
    );
    assert!(said(&stand.rig, &["backfill", "line", "--since", "80d"], 2).contains("more than 10000"));
}

#[test]
fn a_slot_that_is_not_delivered_in_time_is_late() {
    let rig = Rig::new(PIPELINE);
    let runtime = Runtime::new().unwrap();
    let ledger = runtime
        .block_on(Ledger::open(&crate::stage::sqlite(&rig.folder.path().join("data/ledger.db")), Clock::System))
        .unwrap();
    let enter = |hours: i64, deadline_hours: i64| {
        let at = Timestamp::now() - SignedDuration::from_hours(hours);
        let slot = Slot::new("line", at, jiff::tz::TimeZone::UTC);
        let deadline = Timestamp::now() - SignedDuration::from_hours(deadline_hours);
        let portion = reportferry::ledger::Portion {
            pipeline: "line".to_owned(),
            plan_digest: String::new(),
            overlap: reportferry::schedule::Overlap::Queue,
            alert_after: None,
            slots: vec![(slot, SlotDecision::Run { next_run_at: at }, Some(deadline.as_millisecond()))],
            cursor_ms: at.as_millisecond(),
        };
        runtime.block_on(ledger.enter_slots(&[portion])).unwrap();
    };
    let kept = |schedule: Option<&str>| {
        let schedule = schedule.map(str::to_owned);
        let known = KnownPipeline { name: "line".to_owned(), schedule, cursor_ms: 0, ..KnownPipeline::default() };
        runtime.block_on(ledger.record_pipelines(&[known])).unwrap();
    };
    kept(Some("America/New_York 30 5 * * mon-fri"));
    enter(5, -1);
    assert_eq!(json(&rig, &["status"])["pipelines"][0]["late"], Value::Null, "its time has not come");
    enter(3, 2);
    assert!(json(&rig, &["status"])["pipelines"][0]["late"].is_string());
    kept(None);
    assert_eq!(json(&rig, &["status"])["pipelines"][0]["late"], Value::Null, "it has no schedule any more");
    kept(Some("America/New_York 30 5 * * mon-fri"));
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
    let ledger = runtime.block_on(Ledger::open(&crate::stage::sqlite(&path), clock)).unwrap();
    let folder = |id: &str| data.join("spool").join(id);
    let enter = |pipeline: &str, minutes: i64, state: Option<RunState>| {
        let slot = Slot::new(pipeline, old + SignedDuration::from_mins(minutes), jiff::tz::TimeZone::UTC);
        runtime.block_on(async {
            let mut run = ledger.enter(&slot, plan).await.unwrap();
            if let Some(state) = state {
                ledger.advance(&mut run, RunState::Extracting, None).await.unwrap();
                ledger.advance(&mut run, RunState::Transforming, None).await.unwrap();
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

/// A ledger whose clock stood `days` ago, in the rig's folder.
fn ledger_of_old(rig: &Rig, runtime: &Runtime, days: i64) -> (Ledger, Timestamp) {
    let old = Timestamp::now() - SignedDuration::from_hours(days * 24);
    let (clock, _) = Clock::manual(old);
    (
        runtime
            .block_on(Ledger::open(&crate::stage::sqlite(&rig.folder.path().join("data/ledger.db")), clock))
            .unwrap(),
        old,
    )
}

async fn fail(ledger: &Ledger, slot: &Slot) {
    let mut run = ledger.enter(slot, "digest").await.unwrap();
    ledger.advance(&mut run, RunState::Extracting, None).await.unwrap();
    ledger.advance(&mut run, RunState::Failed, Some("so")).await.unwrap();
}

fn daily(rig: &Rig) {
    write(rig, "daily", &PIPELINE.replace("30 5 * * mon-fri", "30 5 * * *").replace("completions_", "daily_"));
}

#[test]
fn what_was_pruned_is_not_done_again_unless_a_person_says_so() {
    let rig = Rig::new(PIPELINE);
    daily(&rig);
    let runtime = Runtime::new().unwrap();
    let (ledger, _) = ledger_of_old(&rig, &runtime, 100);
    let zone = jiff::tz::TimeZone::get("America/New_York").unwrap();
    let days_ago = |days: i32| {
        let day = (Timestamp::now().to_zoned_datetime(zone.clone()).date() - days.days()).at(5, 30, 0, 0);
        Slot::new("daily", day.to_zoned_datetime(zone.clone()).unwrap().timestamp(), zone.clone())
    };
    runtime.block_on(async {
        fail(&ledger, &days_ago(60)).await;
        fail(&ledger, &days_ago(59)).await;
        fail(&ledger, &days_ago(-3)).await;
        fail(&ledger, &days_ago(-2)).await;
    });
    // It ended 100 days ago by its own clock; the slots to come were done early, and stay known.
    assert_eq!(json(&rig, &["--set", "keep.runs=30d", "prune", "--yes"])["runs"], 2);
    assert_eq!(json(&rig, &["runs"])["runs"].as_array().unwrap().len(), 2);

    let (slot, after) = (days_ago(60).rfc3339(), days_ago(58).rfc3339());
    // Whatever `keep.runs` says by now: what was forgotten stays forgotten.
    for (arguments, refused) in [
        (["run", "daily", "--slot", &slot].as_slice(), true),
        (&["backfill", "daily", "--since", "62d", "--until", "50d"], true),
        (&["backfill", "daily", "--since", &after, "--until", "50d"], false),
        (&["backfill", "daily", "--since", "62d", "--until", "50d", "--include-pruned"], false),
        (&["--set", "keep.runs=30d", "backfill", "daily", "--since", &after, "--until", "50d"], true),
        (&["backfill", "line", "--since", "62d", "--until", "50d"], false),
    ] {
        let words = said(&rig, arguments, if refused { 2 } else { 0 });
        assert_eq!(words.contains("add `--include-pruned` if delivering"), refused, "{arguments:?}: {words}");
    }
    assert!(rig.arrived().is_empty());
    said(&rig, &["run", "daily", "--slot", &slot, "--include-pruned"], 0);
    assert_eq!(rig.arrived().len(), 2, "the file and its done file");
}

#[test]
fn a_skipped_slot_is_taken_up_and_what_was_done_stays() {
    let rig = Rig::new(PIPELINE);
    daily(&rig);
    let runtime = Runtime::new().unwrap();
    let ledger = runtime
        .block_on(Ledger::open(&crate::stage::sqlite(&rig.folder.path().join("data/ledger.db")), Clock::System))
        .unwrap();
    let dry = json(&rig, &["backfill", "daily", "--since", "5d"]);
    let slots: Vec<Slot> = dry["slots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|slot| {
            let at = slot["slot"].as_str().unwrap().parse().unwrap();
            Slot::new("daily", at, jiff::tz::TimeZone::get("America/New_York").unwrap())
        })
        .collect();
    assert!(slots.len() >= 4 && dry["slots"][0]["state"].is_null() && dry["dry"] == true, "{dry:#}");
    let skip =
        |slot: &Slot| (slot.clone(), SlotDecision::Skip { reason: "missed: no worker".into() }, Some(slot.at_ms()));
    let portion = reportferry::ledger::Portion {
        pipeline: "daily".to_owned(),
        plan_digest: String::new(),
        overlap: reportferry::schedule::Overlap::Queue,
        alert_after: None,
        slots: vec![skip(&slots[0]), skip(&slots[1])],
        cursor_ms: slots[1].at_ms(),
    };
    runtime.block_on(ledger.enter_slots(&[portion])).unwrap();
    runtime.block_on(fail(&ledger, &slots[2]));
    // Skipped for a reason of its own: something was fetched for it.
    runtime.block_on(async {
        let mut run = ledger.run(&slots[1].run_id()).await.unwrap().unwrap();
        ledger.note_execution_id(&mut run, Some("report/execution")).await.unwrap();
    });
    let skipped = slots[0].run_id();
    assert!(said(&rig, &["retry", &skipped], 2).contains("backfill daily --since"));
    let slot = slots[0].rfc3339();
    assert!(said(&rig, &["run", "daily", "--slot", &slot], 0).contains("skipped already\n  it never started"));

    said(&rig, &["pause", "daily", "--by", "ada"], 0);
    let words = said(&rig, &["backfill", "daily", "--since", "5d", "--rate", "10/h", "--yes"], 0);
    for part in
        ["skipped, to backfill  missed: no worker", "skipped, kept", "failed, kept", "no worker is running", "by ada"]
    {
        assert!(words.contains(part), "{part}: {words}");
    }
    let runs = runtime.block_on(ledger.runs(&RunFilter { limit: 99, ..RunFilter::default() })).unwrap();
    let state = |slot: &Slot| runs.iter().find(|run| run.id == slot.run_id()).unwrap();
    let (taken, last) = (state(&slots[0]), state(&slots[slots.len() - 1]));
    assert_eq!((taken.state, taken.deadline_ms, taken.reason.as_deref()), (RunState::Due, None, None));
    assert_eq!((state(&slots[1]).state, state(&slots[2]).state), (RunState::Skipped, RunState::Failed));
    // The ledger itself refuses what a command should not even ask for.
    let all: Vec<(Slot, i64)> = slots.iter().map(|slot| (slot.clone(), 1)).collect();
    assert_eq!(runtime.block_on(ledger.backfill(&all, "digest", "ada")).unwrap(), 0);
    let spread = last.next_run_at_ms.unwrap() - taken.next_run_at_ms.unwrap();
    assert_eq!(spread, 360_000 * (slots.len() as i64 - 3), "ten an hour, oldest first");
    assert_eq!(json(&rig, &["status"])["pipelines"][0]["late"], Value::Null, "what is made up for is not late");
    // Without a worker, a person does one.
    said(&rig, &["run", "daily", "--slot", &slot], 0);
    assert_eq!(json(&rig, &["runs", "daily", "--state", "delivered"])["runs"][0]["origin"], "backfill");
}

#[test]
fn pruning_much_keeps_nobody_waiting() {
    let rig = Rig::new(PIPELINE);
    let runtime = Runtime::new().unwrap();
    let (ledger, old) = ledger_of_old(&rig, &runtime, 200);
    let at = |second: i64| Slot::new("line", old + SignedDuration::from_secs(second), jiff::tz::TimeZone::UTC);
    let reason = || SlotDecision::Skip { reason: "so".to_owned() };
    let portion = reportferry::ledger::Portion {
        pipeline: "line".to_owned(),
        plan_digest: String::new(),
        overlap: reportferry::schedule::Overlap::Queue,
        alert_after: None,
        slots: (0..2_601).map(|second| (at(-second), reason(), None)).collect(),
        cursor_ms: old.as_millisecond(),
    };
    runtime.block_on(ledger.enter_slots(&[portion])).unwrap();
    let now = runtime
        .block_on(Ledger::open(&crate::stage::sqlite(&rig.folder.path().join("data/ledger.db")), Clock::System))
        .unwrap();
    let before_ms = Timestamp::now().as_millisecond();
    let (forgotten, waits) = runtime.block_on(async {
        let pruning = tokio::spawn({
            let now = now.clone();
            async move { now.prune(before_ms).await.unwrap() }
        });
        let (mut waits, begun) = (0, std::time::Instant::now());
        while !pruning.is_finished() {
            assert!(begun.elapsed() < PATIENCE, "the pruning does not end");
            ledger.note_worker(0, false).await.unwrap();
            waits += 1;
        }
        (pruning.await.unwrap(), waits)
    });
    assert_eq!(forgotten, 2_600, "all but the newest");
    assert!(waits > 6, "written {waits} times beside six portions");
    assert_eq!(runtime.block_on(now.pruned_up_to("line")).unwrap(), Some(at(-1).at_ms()));
    assert_eq!(runtime.block_on(now.events(&at(-9).run_id())).unwrap(), [], "nothing hangs about");
}

#[test]
fn a_pipeline_whose_file_is_gone_is_shown_while_something_of_it_waits() {
    let rig = Rig::new(PIPELINE);
    daily(&rig);
    said(&rig, &["pause", "daily", "--because", "moved"], 0);
    std::fs::remove_file(rig.folder.path().join("pipelines/daily.yaml")).unwrap();
    let status = json(&rig, &["status"]);
    assert_eq!(status["pipelines"][0]["problem"], "its file was removed");
    assert_eq!(status["pipelines"][1]["pipeline"], "line");
    said(&rig, &["resume", "daily"], 0);
    assert_eq!(json(&rig, &["status"])["pipelines"].as_array().unwrap().len(), 1);
    assert!(said(&rig, &["pause", "dayly"], 2).contains("there is no pipeline"));
}

#[test]
fn times_of_day_are_read_strictly() {
    let rig = Rig::new(PIPELINE);
    for wrong in ["6:30", "24:00", "06:60", "+6:30", "06:30:00", "soon", "-1:00", "0630"] {
        write(&rig, "line", &PIPELINE.replace("New_York}", &format!("New_York, expected_by: \"{wrong}\"}}")));
        let words = said(&rig, &["check"], 2);
        assert!(words.contains("is not a time of day") && words.contains("line.yaml:2:"), "{wrong}: {words}");
    }
}

#[test]
fn shells_complete() {
    let rig = Rig::new(PIPELINE);
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(&rig, &["completions", shell], 0).contains("backfill"));
    }
}

#[test]
fn nobody_minds_a_reader_that_has_seen_enough() {
    let rig = Rig::new(PIPELINE);
    for arguments in [&["status"][..], &["status", "--json"], &["completions", "bash"], &["schema"], &["plan", "line"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = rig.command(arguments).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", both(&output));
        assert!(output.stderr.is_empty(), "{arguments:?}: {}", both(&output));
    }
}
