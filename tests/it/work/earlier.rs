//! A pipeline file that cannot be used: its last valid version, through restarts.

use reportferry::ledger::state::RunState;
use serde_json::Value;

use super::stand::{Stand, every_minute};
use crate::stage::eventually;
use crate::stage::rig::{Rig, both, document};
use crate::watch::alerts::{Receiver, TOKEN};
use crate::watch::metrics::{get, listening};

fn desk(rig: &Rig, receiver: &Receiver) {
    std::fs::write(rig.folder.path().join("desk"), format!("http://{}/desk/{TOKEN}", receiver.address)).unwrap();
    let channel = "alerts: {on: [pipeline_invalid, recovered], \
                   channels: {desk: {webhook: {url: {file: desk}, allow: [loopback]}}}}";
    rig.settings(|text| format!("{channel}\n{text}"));
}

/// The pipeline's entry in `status --json`.
fn status(stand: &Stand) -> Value {
    document(&stand.rig.reportferry(&["status", "--json"]))["pipelines"][0].clone()
}

#[test]
fn p10_a_restart_does_not_stop_a_pipeline_that_worked() {
    let receiver = Receiver::start();
    let stand = Stand::new(Rig::new(&every_minute()));
    desk(&stand.rig, &receiver);
    let told = || receiver.got(&format!("/desk/{TOKEN}"));
    let events = || told().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let good = std::fs::read_to_string(stand.pipeline("line")).unwrap();
    let worker = stand.worker();
    eventually("its text is kept", || stand.known("line").is_some_and(|known| known.valid_sha256.is_some()));
    assert_eq!(worker.stop().code(), Some(0));

    std::fs::write(stand.pipeline("line"), good.replace("cron:", "corn:")).unwrap();
    stand.behind_known("line", 2);
    let (mut worker, address) = listening(&stand);
    worker.says("the last valid version stays in use");
    eventually("slots are delivered by it", || {
        stand.runs().iter().filter(|run| run.state == RunState::Delivered).count() >= 2
    });
    eventually("that is told", || events() == ["pipeline_invalid"]);
    let reason = told()[0]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("line.yaml:2:12") && reason.contains("did you mean \"cron\"?"), "{reason}");
    let line = status(&stand);
    assert!(line["next"].is_string(), "{line}");
    let problem = line["problem"].as_str().unwrap();
    assert!(problem.contains("its last valid version stays in use") && problem.contains("corn"), "{problem}");
    assert_eq!(get(address, "/readyz").unwrap().0, 200);
    assert!(get(address, "/metrics").unwrap().1.contains("reportferry_pipelines_with_problems 1"));
    for by_hand in [&["check"][..], &["run", "line"]] {
        let output = stand.rig.reportferry(by_hand);
        assert_eq!(output.status.code(), Some(2), "the file as it is: {}", both(&output));
    }
    // Killed and started again: it is the same event.
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    let worker = stand.worker();
    worker.says("the last valid version stays in use");
    std::fs::write(stand.pipeline("line"), &good).unwrap();
    worker.says("pipeline file is valid again");
    eventually("that is told", || events() == ["pipeline_invalid", "recovered"]);
    assert_eq!(status(&stand)["problem"], Value::Null);
    let reasons: Vec<_> = stand.runs().into_iter().filter(|run| run.state == RunState::Skipped).collect();
    assert!(reasons.is_empty(), "{reasons:?}");

    // A file that is removed stops its pipeline, and its text is forgotten.
    std::fs::remove_file(stand.pipeline("line")).unwrap();
    eventually("it is forgotten", || stand.known("line").is_some_and(|known| known.valid_sha256.is_none()));
    std::fs::write(stand.pipeline("line"), good.replace("cron:", "corn:")).unwrap();
    worker.says("it does not run, because there is no earlier version");
    eventually("that is told", || events().len() == 3);
    assert_eq!(worker.stop().code(), Some(0));
}

#[test]
fn an_earlier_version_that_does_not_fit_the_settings_any_more_stops_and_is_told() {
    let receiver = Receiver::start();
    let stand = Stand::new(Rig::new(&every_minute()));
    desk(&stand.rig, &receiver);
    let good = std::fs::read_to_string(stand.pipeline("line")).unwrap();
    let worker = stand.worker();
    eventually("its text is kept", || stand.known("line").is_some_and(|known| known.valid_sha256.is_some()));
    std::fs::write(stand.pipeline("line"), good.replace("cron:", "corn:")).unwrap();
    worker.says("the last valid version stays in use");
    eventually("that is told", || receiver.got(&format!("/desk/{TOKEN}")).len() == 1);
    assert_eq!(worker.stop().code(), Some(0));
    stand.rig.settings(|text| text.replace("  hris:", "  hr:"));
    let worker = stand.worker();
    worker.says("its last valid version does not fit the present settings");
    eventually("that is told", || receiver.got(&format!("/desk/{TOKEN}")).len() == 2);
    let reason = receiver.got(&format!("/desk/{TOKEN}"))[1]["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("it does not run") && reason.contains("hris") && reason.contains("corn"), "{reason}");
    let line = status(&stand);
    assert!(line["problem"].as_str().unwrap().contains("does not fit") && line["next"].is_null(), "{line}");
    assert_eq!(worker.stop().code(), Some(0));
}

#[test]
fn p11_a_destination_that_is_down_is_told_and_so_is_its_end() {
    let receiver = Receiver::start();
    let stand = Stand::new(Rig::new(&every_minute().replace("missed: all", "missed: latest")));
    let text = std::fs::read_to_string(stand.pipeline("line")).unwrap();
    std::fs::write(
        stand.pipeline("line"),
        format!("{text}alerts: {{on: [not_delivered, recovered], alert_after: 1s}}\n"),
    )
    .unwrap();
    desk(&stand.rig, &receiver);
    let file = stand.rig.folder.path().join("reportferry.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    let port = format!("port: {}", crate::stage::rig::servers().sshd.port);
    std::fs::write(&file, good.replace(&port, &format!("port: {}", super::shift::closed_port()))).unwrap();
    stand.behind("line", 2);
    let worker = stand.worker();
    let told = || receiver.got(&format!("/desk/{TOKEN}"));
    let of_delivery = || told().into_iter().find(|event| event["destination"] == "hris");
    eventually("that is told", || of_delivery().is_some());
    let event = of_delivery().unwrap();
    assert_eq!(event["event"], "not_delivered", "{event}");
    assert!(event["reason"].as_str().is_some_and(|reason| reason.contains("attempts so far, the last:")), "{event}");
    std::fs::write(&file, &good).unwrap();
    worker.says("settings reloaded");
    eventually("its end is told", || told().iter().any(|event| event["event"] == "recovered"));
    assert_eq!(worker.stop().code(), Some(0));
}
