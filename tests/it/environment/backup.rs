//! A backup of the ledger, taken while the worker writes, and put back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use reportferry::ledger::state::RunState;
use reportferry::settings::LedgerSettings;

use super::rig;
use crate::stage::eventually;
use crate::stage::postgres;
use crate::work::stand::Stand;

const SLOTS: i64 = 60;

/// The files that a reader has, and when they were last changed.
fn arrived(stand: &Stand) -> BTreeMap<String, SystemTime> {
    let folder = stand.rig.drop.join("inbound");
    let changed = |name: &String| fs::metadata(folder.join(name)).unwrap().modified().unwrap();
    stand.rig.arrived().into_iter().map(|name| (name.clone(), changed(&name))).collect()
}

fn states(stand: &Stand) -> BTreeMap<String, RunState> {
    stand.runs().into_iter().map(|run| (run.id, run.state)).collect()
}

/// Delivers many slots, takes the backup in the middle, puts it back after the end, and lets a worker continue from it.
fn check(stand: Stand, backup: impl FnOnce(&Stand), restore: impl FnOnce(Stand) -> Stand) {
    let delivered = |stand: &Stand| states(stand).values().filter(|state| **state == RunState::Delivered).count();
    stand.behind("line", SLOTS);
    let worker = stand.worker();
    eventually("some are delivered", || delivered(&stand) >= 5);
    backup(&stand);
    eventually("all are delivered", || delivered(&stand) >= SLOTS as usize);
    assert_eq!(worker.stop().code(), Some(0));
    let before = arrived(&stand);

    let stand = restore(stand);
    let known = states(&stand);
    let done = known.iter().filter(|(_, state)| **state == RunState::Delivered).map(|(run, _)| run.clone());
    let done: Vec<String> = done.collect();
    assert!(!done.is_empty() && done.len() < before.len() / 2, "the backup is of the middle: {known:?}");
    let attempts = |run: &String| stand.deliveries(run).iter().map(|delivery| delivery.attempts).sum::<u32>();
    let attempted: Vec<u32> = done.iter().map(attempts).collect();

    let worker = stand.worker();
    eventually("all that was open has ended", || {
        let states = states(&stand);
        states.len() >= SLOTS as usize && states.values().all(|state| state.is_end())
    });
    assert_eq!(worker.stop().code(), Some(0));
    // What the backup knew as delivered is not touched; what it did not know is found at its name, and stays as it is.
    assert_eq!(done.iter().map(attempts).collect::<Vec<_>>(), attempted);
    assert!(done.iter().all(|run| states(&stand)[run] == RunState::Delivered));
    let after = arrived(&stand);
    for (name, changed) in &before {
        assert_eq!(after.get(name), Some(changed), "{name} was sent again");
    }
    // New minutes may have come; there is no second file of any.
    assert!(after.keys().all(|name| !name.contains('-')), "{after:?}");
}

#[test]
fn a_backup_of_sqlite_taken_while_the_worker_writes_is_put_back() {
    let stand = Stand::new(rig(20_000));
    let folder = stand.rig.folder.path().to_owned();
    let (ledger, copy) = (folder.join("data/ledger.db"), folder.join("copy.db"));
    let backup = |_: &Stand| {
        // As docs/ledger.md says.
        let made = Command::new("sqlite3").arg(&ledger).arg(format!(".backup {}", copy.display())).output();
        match made {
            Ok(made) => assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr)),
            Err(_) => {
                let open = rusqlite::Connection::open(&ledger).unwrap();
                open.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
            }
        }
    };
    check(stand, backup, |stand| {
        let Stand { rig, .. } = stand.closed();
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(folder.join(format!("data/ledger.db{suffix}")));
        }
        fs::copy(&copy, &ledger).unwrap();
        Stand::new(rig)
    });
}

#[test]
fn a_backup_of_postgresql_taken_while_the_worker_writes_is_put_back() {
    let stand = Stand::new(rig(20_000).in_postgres());
    let LedgerSettings::Postgres(server) = stand.rig.ledger.clone() else { panic!("not PostgreSQL") };
    let dump = stand.rig.folder.path().join("ledger.sql");
    let run = |program: &str, database: &str, arguments: &[&str]| {
        let path: &Path = &postgres::programs().join(program);
        let mut command = Command::new(path);
        command.args(["--host", "127.0.0.1", "--port", &server.port.to_string(), "--username", &server.username]);
        command.args(["--dbname", database]).args(arguments).env("PGPASSWORD", postgres::PASSWORD);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let file = format!("--file={}", dump.display());
    check(
        stand,
        |_| run("pg_dump", &server.database, &[&file]),
        |stand| {
            let Stand { mut rig, .. } = stand.closed();
            let restored = postgres::database();
            run("psql", &restored.database, &["--quiet", "--set=ON_ERROR_STOP=1", &file]);
            rig.settings(|text| text.replace(&server.database, &restored.database));
            rig.ledger = LedgerSettings::Postgres(restored);
            Stand::new(rig)
        },
    );
}
