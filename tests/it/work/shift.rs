//! The real binary at work: what was missed, reloads, dead destinations, being asked to stop.

use std::net::TcpListener;

use jiff::Timestamp;
use reportferry::ledger::state::{DeliveryState, RunState};
use reportferry::sandbox::SandboxOptions;
use tokio::runtime::Runtime;

use super::stand::{Stand, every_minute};
use crate::stage::eventually;
use crate::stage::rig::{Rig, both, names, sandbox, servers};

#[test]
fn what_was_missed_is_made_up_for_and_the_worker_stops_when_asked() {
    let stand = Stand::new(Rig::new(&every_minute()));
    let since = stand.behind("line", 4);
    let worker = stand.worker();
    eventually("four slots are delivered", || {
        stand.runs().iter().filter(|run| run.state == RunState::Delivered).count() >= 4
    });
    let second = stand.rig.reportferry(&["work"]);
    assert_eq!(second.status.code(), Some(7), "{}", both(&second));
    assert!(both(&second).contains("another worker uses"), "{}", both(&second));
    assert_eq!(worker.stop().code(), Some(0));
    let runs = stand.runs();
    for minute in 1..=4 {
        let slot = since.as_millisecond() + minute * 60_000;
        assert_eq!(runs.iter().filter(|run| run.slot_ms == slot).count(), 1);
    }
    let files = names(&stand.rig.drop.join("inbound"));
    assert_eq!(files.len(), 2 * runs.len(), "a file and its done file for each slot: {files:?}");
}

#[test]
fn edited_added_and_removed_files_take_effect() {
    let stand = Stand::new(Rig::new(&every_minute().replace("* * * * *", "0 3 1 1 *")));
    let file = stand.pipeline("line");
    let text = std::fs::read_to_string(&file).unwrap();
    let worker = stand.worker();
    worker.says("worker started");
    let schedule = |name: &str| stand.known(name).and_then(|known| known.schedule);
    assert_eq!(schedule("line").as_deref(), Some("UTC 0 3 1 1 *"));

    std::fs::write(&file, text.replace("0 3 1 1 *", "0 4 1 1 *")).unwrap();
    eventually("the new schedule is kept", || schedule("line").as_deref() == Some("UTC 0 4 1 1 *"));
    std::fs::write(&file, text.replace("cron:", "corn:")).unwrap();
    eventually("the problem is kept", || {
        stand.known("line").is_some_and(|known| known.problem.is_some_and(|problem| problem.what.contains("corn")))
    });
    assert_eq!(schedule("line").as_deref(), Some("UTC 0 4 1 1 *"), "the last good one stays at work");
    worker.says("the last valid version stays in use");
    std::fs::write(&file, text.replace("0 3 1 1 *", "0 5 1 1 *")).unwrap();
    eventually("it is well again", || {
        stand.known("line").is_some_and(|known| known.problem.is_none() && known.schedule.unwrap() == "UTC 0 5 1 1 *")
    });
    std::fs::write(stand.pipeline("second"), &text).unwrap();
    eventually("the second is taken up", || schedule("second").is_some());
    std::fs::remove_file(&file).unwrap();
    eventually("the first is let go", || schedule("line").is_none());

    let away = stand.rig.folder.path().join("away");
    std::fs::rename(stand.rig.folder.path().join("pipelines"), &away).unwrap();
    worker.says("cannot list the pipelines folder");
    assert!(schedule("second").is_some(), "a folder that is away has lost no file");
    std::fs::rename(&away, stand.rig.folder.path().join("pipelines")).unwrap();
    worker.says("the pipelines folder is readable again");
    assert_eq!(worker.stop().code(), Some(0));
}

/// A port of loopback at which nobody listens.
pub(super) fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_dead_destination_is_waited_for_and_settings_are_reread() {
    let stand = Stand::new(Rig::new(&every_minute().replace("missed: all", "missed: latest")));
    let settings = stand.rig.folder.path().join("reportferry.yaml");
    let good = std::fs::read_to_string(&settings).unwrap();
    let port = format!("port: {}", servers().sshd.port);
    std::fs::write(&settings, good.replace(&port, &format!("port: {}", closed_port()))).unwrap();
    stand.behind("line", 2);
    let worker = stand.worker();
    let attempts = || -> u32 {
        stand.runs().iter().flat_map(|run| stand.deliveries(&run.id)).map(|delivery| delivery.attempts).sum()
    };
    eventually("several attempts were made", || attempts() >= 3);
    assert!(stand.runs().iter().any(|run| run.state == RunState::Delivering));
    std::fs::write(&settings, good.replace("secrets:", "data: elsewhere\nsecrets:")).unwrap();
    worker.signal("HUP");
    worker.says("keys=\"data, ledger\"");
    eventually("all is delivered", || {
        stand.runs().iter().all(|run| matches!(run.state, RunState::Delivered | RunState::Skipped))
    });
    std::fs::write(&settings, "tenants: [").unwrap();
    worker.says("settings are invalid, the last valid ones stay in use");
    assert_eq!(worker.stop().code(), Some(0));
}

#[test]
fn an_export_goes_on_with_the_next_worker() {
    let runtime = Runtime::new().unwrap();
    let docebo = runtime.block_on(sandbox(SandboxOptions {
        rows: 50,
        misbehave: "final_word=never".parse().unwrap(),
        ..SandboxOptions::default()
    }));
    let stand =
        Stand::new(Rig::with(&every_minute().replace("missed: all", "missed: latest"), &docebo.url, &servers().sshd));
    stand.behind("line", 2);
    let worker = stand.worker();
    eventually("an export was started", || stand.runs().iter().any(|run| run.execution_id.is_some()));
    assert_eq!(worker.stop().code(), Some(0));
    let run = stand.runs().into_iter().find(|run| run.execution_id.is_some()).unwrap();
    assert_eq!(run.state, RunState::Extracting, "parked, not failed");
    docebo.misbehave(Default::default());
    let worker = stand.worker();
    eventually("it is delivered", || {
        stand.runs().iter().any(|known| known.id == run.id && known.state == RunState::Delivered)
    });
    assert_eq!(docebo.exports(), 1, "the same export");
    assert_eq!(worker.stop().code(), Some(0));
}

#[test]
fn a_second_order_to_stop_does_not_wait() {
    // It takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let stand = Stand::new(Rig::new(&every_minute().replace("missed: all", "missed: latest")));
    let settings = stand.rig.folder.path().join("reportferry.yaml");
    let good = std::fs::read_to_string(&settings).unwrap();
    let port = format!("port: {}", silent.local_addr().unwrap().port());
    std::fs::write(&settings, good.replace(&format!("port: {}", servers().sshd.port), &port)).unwrap();
    stand.behind("line", 2);
    let mut worker = stand.worker();
    eventually("an attempt is under way", || {
        let deliveries = stand.runs().into_iter().flat_map(|run| stand.deliveries(&run.id)).collect::<Vec<_>>();
        deliveries.iter().any(|delivery| delivery.state == DeliveryState::Publishing)
    });
    worker.signal("TERM");
    worker.says("stopping");
    assert!(worker.child.try_wait().unwrap().is_none(), "it waits for what is under way");
    worker.signal("TERM");
    assert_eq!(worker.ended().code(), Some(5));
}

#[test]
fn a_run_that_panics_fails_and_nothing_else() {
    let stand = Stand::new(Rig::new(&every_minute()));
    let since = stand.behind("line", 3);
    let worker = stand.worker_with_fault("ledger.extract=panic");
    eventually("three slots have an end", || {
        let ended = |run: &reportferry::ledger::record::Run| {
            run.state.is_end() && run.slot_ms <= since.as_millisecond() + 180_000
        };
        stand.runs().iter().filter(|run| ended(run)).count() == 3
    });
    let states: Vec<RunState> = stand.runs().iter().map(|run| run.state).collect();
    assert_eq!(states.iter().filter(|state| **state == RunState::Failed).count(), 1, "{states:?}");
    assert_eq!(worker.stop().code(), Some(0));
    assert!(Timestamp::now() > since);
}

#[test]
fn an_older_file_is_not_put_over_a_later_one() {
    let pipeline = every_minute().replace("_{slot:%Y%m%dT%H%M}", "").replace("existing: fail", "existing: replace");
    let rig = Rig::new(&pipeline);
    let settings = rig.folder.path().join("reportferry.yaml");
    let good = std::fs::read_to_string(&settings).unwrap();
    let port = format!("port: {}", servers().sshd.port);
    std::fs::write(&settings, good.replace(&port, &format!("port: {}", closed_port()))).unwrap();
    let older = rig.reportferry(&["run", "line", "--slot", "2026-11-22T05:30:00Z", "--wait", "0s"]);
    assert_eq!(older.status.code(), Some(6), "{}", both(&older));
    std::fs::write(&settings, good).unwrap();
    let later = rig.reportferry(&["run", "line", "--slot", "2026-11-23T05:30:00Z"]);
    assert!(later.status.success(), "{}", both(&later));
    let older = rig.reportferry(&["run", "line", "--slot", "2026-11-22T05:30:00Z", "--json"]);
    let document = crate::stage::rig::document(&older);
    assert_eq!(document["state"], "skipped", "{document:#}");
    assert!(document["reason"].as_str().unwrap().contains("the later slot 2026-11-23T05:30:00"), "{document:#}");
}

#[test]
fn a_stage_that_takes_too_long_is_broken_off() {
    let runtime = Runtime::new().unwrap();
    let docebo = runtime.block_on(sandbox(SandboxOptions {
        rows: 5_000,
        misbehave: "final_word=never".parse().unwrap(),
        ..SandboxOptions::default()
    }));
    let pipeline = every_minute().replace("missed: all", "missed: latest");
    let stand = Stand::new(Rig::with(&pipeline, &docebo.url, &servers().sshd));
    let settings = stand.rig.folder.path().join("reportferry.yaml");
    let good = std::fs::read_to_string(&settings).unwrap();
    let hasty = good
        .replace("tenants:\n", "work: {deadlines: {extract: 1s, attempt: 1s}}\ntenants:\n")
        .replace("mode: \"0640\"", "mode: \"0640\", bandwidth: 1KiB");
    std::fs::write(&settings, hasty).unwrap();
    stand.behind("line", 2);
    let worker = stand.worker();
    let reasons = || {
        let runs = stand.runs().into_iter();
        let of = |run: reportferry::ledger::record::Run| {
            let deliveries = stand.deliveries(&run.id).into_iter().filter_map(|delivery| delivery.reason);
            run.reason.into_iter().chain(deliveries).collect::<Vec<_>>()
        };
        runs.flat_map(of).collect::<Vec<_>>().join("\n")
    };
    eventually("the extract is broken off", || reasons().contains("work.deadlines.extract"));
    docebo.misbehave(Default::default());
    assert_eq!(worker.stop().code(), Some(0));
    // Too slow for its time by the limit of its bandwidth: nothing is published, and it is tried again.
    let output = stand.rig.reportferry(&["run", "line", "--slot", "2026-11-23T05:30:00Z", "--wait", "0s"]);
    assert_eq!(output.status.code(), Some(6), "{}", both(&output));
    assert!(reasons().contains("work.deadlines.attempt"), "{}", reasons());
    assert!(stand.rig.arrived().is_empty(), "{:?}", stand.rig.arrived());
}

#[test]
fn what_a_person_began_is_left_to_them_and_stands_in_nobodys_way() {
    let stand = Stand::new(Rig::new(&every_minute().replace("overlap: queue", "overlap: skip")));
    // As if `run` had died before it had made anything: maybe from a file that only the person has.
    let at = Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let slot = reportferry::schedule::slot::Slot::new("line", at, jiff::tz::TimeZone::UTC);
    let runtime = Runtime::new().unwrap();
    runtime.block_on(stand.ledger.enter(&slot, "digest")).unwrap();
    stand.behind("line", 1);
    let worker = stand.worker();
    eventually("a slot of the schedule is delivered", || {
        stand.runs().iter().any(|run| run.state == RunState::Delivered)
    });
    let theirs = stand.runs().into_iter().find(|run| run.id == slot.run_id()).unwrap();
    assert_eq!(theirs.state, RunState::Due);
    assert_eq!(worker.stop().code(), Some(0));
}
