//! `kill -9` at each step of a run of changes: nothing is lost, and nothing comes twice but what the overlap repeats.

use super::{Ground, PIPELINE, both, key, of, slot};

/// The steps of such a run, in their order.
const STEPS: &[&str] = &[
    "ledger.enter",
    "extract.token",
    "extract.identity",
    "ledger.execution_id",
    "extract.records",
    "extract.records@3",
    "extract.save",
    "ledger.extract",
    "ledger.artifact",
    "ledger.attempt",
    "ledger.intent",
    "ledger.verdict",
];

fn killed(step: &str, kind: &str, prepare: fn(Ground) -> Ground) {
    let (name, nth) = step.split_once('@').unwrap_or((step, "1"));
    let fault = format!("{name}={kind}@{nth}");
    let ground = prepare(Ground::new(400, "", PIPELINE));
    ground.deliver(1);
    let first = ground.delivered(1);
    ground.docebo.misbehave("records_cap=2".parse().unwrap());
    ground.change([1, 2, 3, 4, 5]);
    let run = ["run", "line", "--slot", &slot(2), "--json", "--wait", "2s"];
    let killed = ground.rig.command(&run).env("REPORTFERRY_FAULT", &fault).output().unwrap();
    assert!(String::from_utf8_lossy(&killed.stderr).contains("fault injected"), "{fault}: {}", both(&killed));
    assert!(killed.status.code().is_none(), "{fault}: {}", both(&killed));
    ground.change([5, 6]);
    ground.deliver(2);
    let second = ground.delivered(2);
    ground.change([7]);
    ground.deliver(3);
    let third = ground.delivered(3);
    // As a reader keeps them: by key, the last one counts.
    let mut kept = first.clone();
    kept.extend(second.clone());
    kept.extend(third.clone());
    let mut expected = first;
    let changed = [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (6, 1), (7, 1)];
    expected.extend(changed.map(|(index, times)| (key(index), (80 + times).to_string())));
    assert_eq!(kept, expected, "{fault}");
    let changed: std::collections::BTreeSet<_> = changed.iter().map(|(index, _)| key(*index)).collect();
    assert!(of(&second).is_subset(&changed) && of(&third).is_subset(&changed), "{fault}: more than the overlap");
}

fn killed_at_each(prepare: fn(Ground) -> Ground, steps: &[&str]) {
    for step in steps {
        for kind in ["kill_before", "kill_after"] {
            killed(step, kind, prepare);
        }
    }
}

#[test]
fn kills_lose_no_change() {
    killed_at_each(|ground| ground, STEPS);
}

#[test]
fn kills_lose_no_change_in_postgresql() {
    let ledger: Vec<&str> = STEPS.iter().copied().filter(|step| step.starts_with("ledger.")).collect();
    killed_at_each(Ground::in_postgres, &ledger);
}
