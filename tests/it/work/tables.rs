//! Files beside a pipeline file: a changed one reloads the pipelines that name it.

use super::stand::Stand;
use crate::stage::eventually;
use crate::stage::rig::{Rig, both};

/// Every minute, with a table that does not know the only code yet.
const PIPELINE: &str = "schedule: {cron: \"* * * * *\", timezone: UTC, missed: all, overlap: queue}\n\
    source: {file: {path: in.csv}}\n\
    transform:\n  - map: {column: code, file: {path: codes.csv, key: code, value: name}, else: keep}\n\
    artifact: {name: \"a_{slot:%Y%m%dT%H%M}.csv\"}\n\
    deliver: {local: {path: inbound, existing: replace}}\n";

#[test]
fn a_changed_table_reloads_the_pipelines_that_name_it() {
    let stand = Stand::new(Rig::new(PIPELINE));
    let folder = stand.rig.folder.path();
    let table = folder.join("pipelines/codes.csv");
    std::fs::write(folder.join("in.csv"), "code\nC-1\n").unwrap();
    std::fs::write(&table, "code,name\nC-1,One\n").unwrap();
    stand.behind("line", 1);
    let worker = stand.worker();
    let digest = || stand.known("line").and_then(|known| known.valid_sha256);
    eventually("the first version is delivered", || {
        stand.rig.arrived().iter().any(|name| stand.rig.read(name) == b"code\nOne\n")
    });
    let first = digest().unwrap();

    std::fs::write(&table, "code,name\nC-1,Two\n").unwrap();
    worker.says("pipeline reloaded");
    eventually("its version is another one", || digest().is_some_and(|now| now != first));
    stand.behind_known("line", 1);
    let output = stand.rig.reportferry(&["run", "line", "--slot", "2026-11-23T05:30:00Z", "--wait", "5s"]);
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(stand.rig.read("a_20261123T0530.csv"), b"code\nTwo\n");

    // A table that is gone leaves the plan in use, and is noticed when it is there again.
    std::fs::remove_file(&table).unwrap();
    worker.says("the last valid version stays in use");
    std::fs::write(&table, "code,name\nC-1,Three\n").unwrap();
    worker.says("pipeline file is valid again");
    assert_eq!(worker.stop().code(), Some(0));
}
