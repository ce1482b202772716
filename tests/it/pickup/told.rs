//! The worker's binary: overdue deliveries are told once, through kills, and so is a late pick-up.

use super::*;
use crate::watch::alerts::{Receiver, TOKEN};
use crate::work::stand::Stand;

fn desk(rig: &Rig, receiver: &Receiver) {
    std::fs::write(rig.folder.path().join("desk"), format!("http://{}/desk/{TOKEN}\n", receiver.address)).unwrap();
    let path = rig.folder.path().join("reportferry.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        format!("alerts: {{channels: {{desk: {{webhook: {{url: {{file: desk}}, allow: [loopback]}}}}}}}}\n{text}"),
    )
    .unwrap();
}

/// Messages that have left, as the ledger has it.
fn sent(rig: &Rig) -> i64 {
    let path = rig.folder.path().join("data/ledger.db");
    crate::stage::count(path, "SELECT COUNT(*) FROM notifications WHERE state = 'sent'")
}

#[test]
fn an_overdue_delivery_is_told_once_and_so_is_its_late_end() {
    let receiver = Receiver::start();
    let stand = Stand::new(Rig::new(PIPELINE));
    desk(&stand.rig, &receiver);
    says(&stand.rig, "{moved: {deadline: 2s, every: 10s}}");
    let run = delivered(&stand.rig);
    let told = || receiver.got(&format!("/desk/{TOKEN}"));
    receiver.answers("500 Broken");
    let mut worker = stand.worker();
    worker.says("pickup overdue");
    worker.says("alert not sent, will retry");
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    assert!(told().is_empty());
    receiver.answers("200 OK");
    let mut worker = stand.worker();
    // A worker that dies before that is written down tells it twice, and says so.
    eventually("that it was told is written down", || sent(&stand.rig) == 1);
    let event = &told()[0];
    assert_eq!((&event["event"], &event["destination"]), (&"pickup_overdue".into(), &"hris".into()), "{event}");
    assert!(event["next"].as_str().unwrap().starts_with(&format!("reportferry verify {run}")), "{event}");
    assert_eq!(event["reason"], "not picked up in time");
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    std::fs::remove_file(inbound(&stand.rig, ARTIFACT)).unwrap();
    let worker = stand.worker();
    eventually("the late end is told", || told().iter().any(|event| event["event"] == "recovered"));
    // Another event goes out in a later round: by then, what would be sent twice was.
    stand.late("other");
    eventually("a later event is sent", || told().iter().any(|event| event["event"] == "late"));
    let told: Vec<Value> = told().iter().map(|event| event["event"].clone()).collect();
    assert_eq!(told, ["pickup_overdue", "recovered", "late"]);
    worker.says("picked up");
    assert_eq!(worker.stop().code(), Some(0));
}

#[test]
fn what_is_picked_up_in_time_is_told_to_nobody() {
    let receiver = Receiver::start();
    let stand = Stand::new(Rig::new(PIPELINE));
    desk(&stand.rig, &receiver);
    says(&stand.rig, "{ack_file: {name: \"{name}.ack\", deadline: 4s}}");
    let run = delivered(&stand.rig);
    let deadline = Instant::now() + Duration::from_secs(4);
    std::fs::write(inbound(&stand.rig, &format!("{ARTIFACT}.ack")), "").unwrap();
    let worker = stand.worker();
    worker.says("picked up");
    eventually("the deadline has passed", || Instant::now() > deadline);
    stand.late("other");
    let told = || receiver.got(&format!("/desk/{TOKEN}"));
    eventually("a later event is sent", || !told().is_empty());
    assert_eq!(told().iter().map(|event| event["event"].clone()).collect::<Vec<_>>(), ["late"]);
    let shown = document(&stand.rig.reportferry(&["show", &run, "--json"]));
    assert_eq!(shown["deliveries"][0]["pickup"]["state"], "picked_up");
    assert_eq!(worker.stop().code(), Some(0));
}
