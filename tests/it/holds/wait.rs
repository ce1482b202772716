use reportferry::ledger::state::RunState;

use super::*;
use crate::stage::eventually;
use crate::work::stand::{Stand, every_minute};

fn pipeline(while_held: &str) -> String {
    let schedule = format!("overlap: queue, while_held: {while_held}}}");
    format!("{}expect: {{rows: {{min: 1000000}}}}\n", every_minute().replace("overlap: queue}", &schedule))
}

fn count(stand: &Stand, state: RunState) -> usize {
    stand.runs().iter().filter(|run| run.state == state).count()
}

#[test]
fn later_slots_wait_for_the_decision_through_a_restart() {
    let stand = Stand::new(Rig::new(&pipeline("wait")));
    assert!(said(&stand.rig, &["plan", "line"], 0).contains("slots wait while a run is held"));
    stand.behind("line", 3);
    let worker = stand.worker();
    eventually("the first is held, the others wait", || {
        count(&stand, RunState::Held) == 1 && count(&stand, RunState::Due) >= 2
    });
    worker.stop();
    let worker = stand.worker();
    worker.says("worker started");
    let oldest = || stand.runs().into_iter().min_by_key(|run| run.slot_ms).unwrap();
    let held = oldest();
    assert_eq!(held.state, RunState::Held);
    let reason = format!("waits for a decision on the held run of slot {}", held.slot);
    let waiting = stand.runs().into_iter().filter(|run| run.state == RunState::Due).collect::<Vec<_>>();
    assert!(waiting.len() >= 2 && waiting.iter().all(|run| run.reason.as_ref() == Some(&reason)), "{waiting:?}");
    let status = json(&stand.rig, &["status"], 0);
    assert_eq!(status["pipelines"][0]["reason"], reason.as_str());
    assert!(said(&stand.rig, &["status"], 0).contains(", waits for a decision"));
    said(&stand.rig, &["reject", &held.id, "--because", "wrong month"], 0);
    eventually("the next begins, and is held", || count(&stand, RunState::Held) == 1);
    let next = stand.runs().into_iter().find(|run| run.state == RunState::Held).unwrap();
    assert_eq!(next.slot_ms, held.slot_ms + 60_000, "slots keep their order");
    said(&stand.rig, &["release", &next.id, "--because", "checked"], 0);
    eventually("the one after it too", || {
        stand.runs().iter().any(|run| run.state == RunState::Held && run.slot_ms == next.slot_ms + 60_000)
    });
    worker.stop();
}

#[test]
fn later_slots_run_where_they_do_not_wait() {
    let stand = Stand::new(Rig::new(&pipeline("continue")));
    assert!(!said(&stand.rig, &["plan", "line"], 0).contains("slots wait"));
    stand.behind("line", 3);
    let worker = stand.worker();
    eventually("each is held", || count(&stand, RunState::Held) >= 3);
    worker.stop();
}
