//! Inputs that are not files, and secrets that cannot be read.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use super::{TO_FOLDER, all_delivered, rig};
use crate::stage::rig::{SLOT, both, document};
use crate::work::stand::Stand;

fn make_pipe(path: &std::path::Path) {
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
}

#[test]
fn what_is_no_file_in_the_pipelines_folder_is_reported_and_not_waited_for() {
    let stand = Stand::new(rig(1000));
    let path = |name: &str| stand.pipeline(name);
    make_pipe(&path("pipe"));
    let _socket = UnixListener::bind(path("socket")).unwrap();
    fs::create_dir(path("folder")).unwrap();
    symlink("nowhere", path("dangling")).unwrap();
    symlink("/dev/zero", path("device")).unwrap();
    let real = stand.rig.folder.path().join("linked.txt");
    fs::write(&real, TO_FOLDER.replace("{slot:", "linked-{slot:")).unwrap();
    symlink(&real, path("linked")).unwrap();

    let checked = stand.rig.reportferry(&["check", "--json"]);
    assert_eq!(checked.status.code(), Some(2), "{}", both(&checked));
    let document = document(&checked);
    let problems: Vec<&str> =
        document["problems"].as_array().unwrap().iter().map(|problem| problem["message"].as_str().unwrap()).collect();
    for (name, what) in [
        ("pipe", "it is a named pipe, not a file"),
        ("socket", "it is a socket, not a file"),
        ("folder", "it is a directory, not a file"),
        ("device", "it is a device, not a file"),
        ("dangling", "is a link to a file that does not exist"),
    ] {
        let found = problems.iter().find(|problem| problem.contains(&format!("/{name}.yaml")));
        assert!(found.is_some_and(|problem| problem.ends_with(what)), "{name}: {problems:#?}");
    }
    assert_eq!(document["pipelines"].as_array().unwrap().len(), 2);

    stand.behind("line", 2);
    let worker = stand.worker();
    all_delivered(&stand, 2);
    worker.says("it is a named pipe, not a file");
    assert_eq!(stand.known("pipe").unwrap().schedule, None);
    // A link that leads nowhere for a moment does not end its pipeline.
    fs::rename(&real, real.with_extension("away")).unwrap();
    worker.says("the last valid version stays in use");
    assert!(stand.known("linked").unwrap().schedule.is_some());
    assert_eq!(worker.stop().code(), Some(0));
}

#[test]
fn settings_and_rows_are_read_from_files_only() {
    let rig = rig(1000);
    let pipe = rig.folder.path().join("pipe");
    make_pipe(&pipe);
    let pipe = pipe.to_str().unwrap();
    let from = rig.reportferry(&["run", "line", "--slot", SLOT, "--from", pipe]);
    assert_eq!(from.status.code(), Some(2), "{}", both(&from));
    assert!(both(&from).contains("it is a named pipe, not a file"), "{}", both(&from));
    let settings = crate::stage::reportferry().args(["--config", pipe, "check"]).output().unwrap();
    assert_eq!(settings.status.code(), Some(2), "{}", both(&settings));
    assert!(both(&settings).contains("it is a named pipe, not a file"), "{}", both(&settings));
}

#[test]
fn each_way_in_which_a_secret_cannot_be_read_has_its_own_cause() {
    let rig = rig(1000);
    fs::write(rig.folder.path().join("pipelines/line.yaml"), crate::stage::rig::PIPELINE).unwrap();
    let salt = rig.folder.path().join("salt");
    let mut slots = 23..;
    let mut failed = || {
        let slot = format!("2026-11-{}T05:30:00-05:00", slots.next().unwrap());
        let output = rig.reportferry(&["run", "line", "--slot", &slot, "--json", "--wait", "0s"]);
        document(&output)["reason"].as_str().unwrap_or_else(|| panic!("{}", both(&output))).to_owned()
    };
    fs::remove_file(&salt).unwrap();
    assert!(failed().contains("salt: it does not exist"));
    symlink("nowhere", &salt).unwrap();
    assert!(failed().contains("salt: it is a link to a file that does not exist"));
    fs::remove_file(&salt).unwrap();
    fs::create_dir(&salt).unwrap();
    assert!(failed().contains("salt: it is a directory, not a file"));
    fs::remove_dir(&salt).unwrap();
    make_pipe(&salt);
    assert!(failed().contains("salt: it is a named pipe, not a file"));
    fs::remove_file(&salt).unwrap();
    fs::write(&salt, "x").unwrap();
    fs::set_permissions(&salt, fs::Permissions::from_mode(0o000)).unwrap();
    // Root reads everything.
    if fs::read(&salt).is_err() {
        assert!(failed().contains("salt: this account may not read it"));
    }
}
