//! What surrounds the process fails: outputs that cannot be written, disks that are full, signals at any moment, files that
//! are none, accounts that look around; and a ledger that is put back from a backup.

mod backup;
mod disk;
mod inputs;
mod outputs;
mod private;
mod signals;
mod sorts;

use reportferry::ledger::state::RunState;

use crate::stage::eventually;
use crate::stage::rig::Rig;
use crate::work::stand::Stand;

/// A file into the folder `drop`, each slot under a name of its own, every minute.
const TO_FOLDER: &str = r#"
schedule: {cron: "* * * * *", timezone: UTC, missed: all, overlap: queue}
source: {file: {path: in.csv, copy: true}}
artifact: {name: "{slot:%Y%m%dT%H%M}.csv"}
deliver: {local: {path: inbound, done_file: "{name}.done"}}
"#;

/// A rig whose pipeline copies a file of this many bytes.
fn rig(bytes: usize) -> Rig {
    let rig = Rig::new(TO_FOLDER);
    let row = "00001207,AML-001,2026-11-23\n";
    let text = format!("id,course,done\n{}", row.repeat(bytes.div_ceil(row.len())));
    std::fs::write(rig.folder.path().join("in.csv"), text).unwrap();
    rig
}

/// Waits until this many runs are there and all are delivered.
fn all_delivered(stand: &Stand, at_least: usize) {
    eventually(&format!("{at_least} runs are delivered"), || {
        let runs = stand.runs();
        runs.len() >= at_least && runs.iter().all(|run| run.state == RunState::Delivered)
    });
}
