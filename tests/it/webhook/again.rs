//! What a second attempt finds changed: the size of batches, the artifact's dialect, secrets, the receiver's mind.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{BATCHES, expected, rows, to};
use crate::stage::receiver::Receiver;
use crate::stage::rig::{Rig, SLOT, both, document};
use crate::work::stand::{Stand, every_minute};

/// Ids that were acknowledged; none of them twice.
fn acknowledged(got: &[Value]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for request in got.iter().filter(|request| request["answer"] == 200) {
        let id = request["id"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{id} was acknowledged and sent again");
    }
    ids
}

fn edit(rig: &Rig, name: &str, from: &str, to: &str) {
    let path = rig.folder.path().join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
}

#[test]
fn rows_are_cut_as_the_first_attempt_cut_them() {
    let receiver = Receiver::start();
    let rig = to(&receiver, "body: rows, batch: {rows: 20}, in_flight: 1");
    rig.run_with_fault("webhook.send=kill_before@4");
    assert_eq!(acknowledged(&receiver.got()).len(), 3);
    edit(&rig, "reportferry.yaml", "rows: 20", "rows: 7");
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    let got = receiver.got();
    assert_eq!(rows(&got), expected());
    // What was under way as the process died goes again, under its id.
    assert!(got.len() <= expected().len().div_ceil(20) + 1, "{} requests", got.len());
}

#[test]
fn a_batch_that_is_too_large_is_cut_anew_by_a_person() {
    let receiver = Receiver::start();
    receiver.answers(&json!(vec![413; 11]));
    let rig = to(&receiver, "body: rows, batch: {rows: 20}, in_flight: 1");
    let refused = rig.run();
    assert!(!refused.status.success(), "{}", both(&refused));
    receiver.answers(&json!([]));
    edit(&rig, "reportferry.yaml", "rows: 20", "rows: 7");
    let retried = rig.reportferry(&["retry", document(&refused)["run"].as_str().unwrap()]);
    assert!(retried.status.success(), "{}", both(&retried));
    let got = receiver.got();
    assert_eq!(rows(&got), expected());
    let ids = acknowledged(&got);
    assert_eq!(ids.len(), expected().len().div_ceil(7));
    assert!(ids.iter().all(|id| id.ends_with("-cut-2")), "the same id never stands for other rows: {ids:?}");
}

#[test]
fn what_was_acknowledged_is_not_cut_anew_even_by_a_person() {
    let receiver = Receiver::start();
    receiver.answers(&json!([200, 422]));
    let rig = to(&receiver, "body: rows, batch: {rows: 20}, in_flight: 1");
    let refused = rig.run();
    assert!(!refused.status.success(), "{}", both(&refused));
    edit(&rig, "reportferry.yaml", "rows: 20", "rows: 7");
    let retried = rig.reportferry(&["retry", document(&refused)["run"].as_str().unwrap()]);
    assert!(retried.status.success(), "{}", both(&retried));
    let got = receiver.got();
    assert_eq!(rows(&got), expected());
    assert_eq!(acknowledged(&got).len(), expected().len().div_ceil(20));
}

#[test]
fn an_artifact_is_read_as_it_was_written() {
    // The second cannot be read back: its rows are kept beside it.
    for csv in ["csv: {delimiter: \";\"}, ", "csv: {record_end: \"!##!\\r\\n\"}, "] {
        let receiver = Receiver::start();
        let rig = to(&receiver, BATCHES);
        edit(&rig, "pipelines/line.yaml", "artifact: {", &format!("artifact: {{{csv}"));
        rig.run_with_fault("webhook.send=kill_before@1");
        edit(&rig, "pipelines/line.yaml", csv, "");
        let output = rig.run();
        assert!(output.status.success(), "{}", both(&output));
        assert_eq!(rows(&receiver.got()), expected());
    }
}

#[test]
fn a_crash_after_the_last_acknowledgement_leaves_a_receipt() {
    let receiver = Receiver::start();
    let rig = to(&receiver, "body: rows, batch: {rows: 20}, in_flight: 1");
    let batches = expected().len().div_ceil(20);
    rig.run_with_fault(&format!("ledger.parts=kill_after@{batches}"));
    assert_eq!(acknowledged(&receiver.got()).len(), batches);
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(receiver.got().len(), batches);
    let stand = Stand::new(rig);
    let receipt = stand.deliveries(document(&output)["run"].as_str().unwrap())[0].receipt.clone().unwrap().receipt;
    assert_eq!(receipt.verified, "all batches were acknowledged in earlier attempts");
}

#[test]
fn a_secret_that_was_rotated_is_read_again() {
    let receiver = Receiver::start();
    receiver.answers(&json!([503, 503, 503]));
    let rig = to(&receiver, "body: notice");
    let running = rig
        .command(&["run", "line", "--slot", SLOT, "--json", "--wait", "30s"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    crate::stage::eventually("the first request", || !receiver.got().is_empty());
    std::fs::write(rig.folder.path().join("token"), "rotated-t0ken").unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    let got = receiver.got();
    assert_eq!(got.last().unwrap()["headers"]["authorization"], "Bearer rotated-t0ken");
    assert_eq!(got.len(), 4);
}

#[test]
fn a_receiver_is_asked_for_no_more_at_once_than_it_may_be() {
    let receiver = Receiver::start();
    receiver.answers(&json!(vec!["slow"; 24]));
    let every_minute =
        every_minute().replace(r#"hris: {path: inbound, existing: fail, done_file: "{name}.done"}"#, "bi: {}");
    let url = format!("http://127.0.0.1:{}/", receiver.port);
    let rig = super::rig(&every_minute, &url, "allow: [loopback], body: rows, batch: {rows: 20}, in_flight: 2");
    for name in ["second", "third", "fourth"] {
        std::fs::copy(
            rig.folder.path().join("pipelines/line.yaml"),
            rig.folder.path().join(format!("pipelines/{name}.yaml")),
        )
        .unwrap();
    }
    let stand = Stand::new(rig);
    for name in ["line", "second", "third", "fourth"] {
        stand.behind(name, 1);
    }
    let worker = stand.worker();
    let batches = expected().len().div_ceil(20);
    crate::stage::eventually("four deliveries", || receiver.got().len() >= 4 * batches);
    assert!(worker.stop().success());
    let together = receiver.got().iter().map(|request| request["together"].as_u64().unwrap()).max();
    assert_eq!(together, Some(2));
}
