//! Personal data at rest: who may read it, and for how long it stays.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{all_delivered, rig};
use crate::stage::rig::{Rig, SLOT, both, document, names};
use crate::work::stand::Stand;

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Everything below a folder, and the folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut index = 0;
    while let Some(path) = found.get(index).cloned() {
        if path.is_dir() {
            found.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        index += 1;
    }
    found
}

fn check_private(data: &Path) {
    let open: Vec<PathBuf> = below(data).into_iter().filter(|path| mode(path) & 0o077 != 0).collect();
    assert!(open.is_empty(), "others may read {open:?}");
}

/// The rig's command, with a umask that takes nothing away.
fn permissive(rig: &Rig, arguments: &[&str]) -> Command {
    let command = rig.command(arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 0; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

#[test]
fn data_is_private_whatever_the_umask() {
    let rig = Rig::new(crate::stage::rig::PIPELINE);
    let data = rig.folder.path().join("data");
    // The receiver takes nothing: the extract stays.
    fs::remove_dir(rig.drop.join("inbound")).unwrap();
    let output = permissive(&rig, &["run", "line", "--slot", SLOT, "--json", "--wait", "0s"]).output().unwrap();
    let spool = data.join("spool").join(document(&output)["run"].as_str().unwrap());
    assert!(spool.join("extract.csv").exists() || spool.join("extract.zip").exists(), "{:?}", names(&spool));
    let trusted = permissive(&rig, &["trust", "hris", "--accept"]).output().unwrap();
    assert!(trusted.status.success(), "{}", both(&trusted));
    for name in ["ledger.db", "known_hosts", "spool"] {
        assert!(data.join(name).exists(), "{name}: {:?}", names(&data));
    }
    check_private(&data);

    // The ledger's files beside it, while it is open, and the lock of a worker.
    let stand = Stand::new(rig);
    for path in below(&data) {
        let open = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
    }
    let worker = stand.worker();
    worker.says("others may no longer read these folders and files");
    worker.says("worker started");
    assert!(data.join("ledger.db-wal").exists() && data.join("worker.lock").exists(), "{:?}", names(&data));
    check_private(&data);
    // Secrets of the rig are written with the test's umask.
    worker.says("may read it");
    assert_eq!(worker.stop().code(), Some(0));
}

#[test]
fn files_for_readers_keep_the_modes_of_the_umask() {
    let rig = rig(1000);
    let output = permissive(&rig, &["run", "line", "--slot", SLOT]).output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    let arrived = rig.arrived();
    assert!(!arrived.is_empty() && arrived.iter().all(|name| mode(&rig.drop.join("inbound").join(name)) == 0o666));
}

#[test]
fn a_secret_that_others_may_read_is_a_warning_and_with_strict_a_problem() {
    let rig = rig(10);
    let chmod = |mode: u32| {
        for name in ["client_secret", "password", "salt"] {
            fs::set_permissions(rig.folder.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    let warnings = |arguments: &[&str], code: i32| {
        let output = rig.reportferry(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", both(&output));
        // A long line is wrapped.
        let text = both(&output).replace('│', " ");
        text.split_whitespace().collect::<Vec<_>>().join(" ").matches("may read it").count()
    };
    chmod(0o640); // our own group
    assert_eq!(warnings(&["check", "--strict"], 0), 0);
    chmod(0o644);
    assert_eq!(warnings(&["check"], 0), 3);
    assert_eq!(warnings(&["check", "--strict"], 2), 3);
    assert_eq!(warnings(&["--set", "strict=true", "check"], 2), 3);
    assert_eq!(warnings(&["--set", "strict=true", "work"], 2), 3, "it does not start");
    chmod(0o600);
    assert_eq!(warnings(&["check", "--strict"], 0), 0);
}

#[test]
fn extracts_of_ended_runs_are_removed_and_what_was_made_of_them_stays() {
    let stand = Stand::new(rig(1000));
    let data = stand.rig.folder.path().join("data");
    fs::remove_dir(stand.rig.drop.join("inbound")).unwrap(); // rejected
    let run = document(&stand.rig.reportferry(&["run", "line", "--slot", SLOT, "--json"]));
    assert_eq!(run["state"], "rejected", "{run}");
    let spool = data.join("spool").join(run["run"].as_str().unwrap());
    let pruned = |arguments: &[&str]| {
        let output = stand.rig.reportferry(&[&["prune", "--json"], arguments].concat());
        let document = document(&output);
        (document["extracts"].as_u64().unwrap(), document["folders"].as_u64().unwrap())
    };
    assert_eq!(pruned(&["--yes"]), (0, 0), "three days are not over");
    let days_ago = |days: i64| {
        let ledger = rusqlite::Connection::open(data.join("ledger.db")).unwrap();
        let moved = "UPDATE runs SET updated_ms = updated_ms - ?1 * 86400000";
        assert_eq!(ledger.execute(moved, [days]).unwrap(), 1);
    };
    days_ago(4);
    assert_eq!(pruned(&["--yes", "--set", "keep.extracts=5d"]), (0, 0));
    assert_eq!(pruned(&[]), (1, 0));
    assert!(spool.join("extract.csv").exists(), "it was only counted");
    assert_eq!(pruned(&["--yes"]), (1, 0));
    assert_eq!(names(&spool), ["artifact", "lock"]);
    assert_eq!(pruned(&["--yes"]), (0, 0));
    // The same bytes can still be sent.
    fs::create_dir(stand.rig.drop.join("inbound")).unwrap();
    let retried = stand.rig.reportferry(&["retry", run["run"].as_str().unwrap()]);
    assert!(retried.status.success(), "{}", both(&retried));
    all_delivered(&stand, 1);
}
