//! SIGTERM at any moment.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{TO_FOLDER, all_delivered, rig};
use crate::stage::eventually;
use crate::stage::rig::{Rig, both};
use crate::work::stand::{Stand, Working};

/// Much less than any wait that the program makes for others.
const SOON: Duration = Duration::from_secs(15);

/// Waits until the process handles SIGTERM itself: before that, the system ends it.
fn handles_sigterm(child: &mut Child) {
    let status = format!("/proc/{}/status", child.id());
    eventually("the process handles SIGTERM", || {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
        let caught = caught.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or_default();
        caught & (1 << 14) != 0
    });
}

fn start(rig: &Rig, arguments: &[&str]) -> Child {
    rig.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Sends SIGTERM, and returns the exit code, which must come soon.
fn terminate(child: Child) -> Option<i32> {
    let mut process = Working::of(child);
    let begun = Instant::now();
    process.signal("TERM");
    let code = process.ended().code();
    assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
    code
}

#[test]
fn a_worker_stops_while_it_waits_for_a_lock_at_its_start() {
    let rig = rig(10);
    let data = rig.folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let lock = File::create(data.join("ledger.db.lock")).unwrap();
    lock.lock().unwrap();
    let mut worker = start(&rig, &["work"]);
    handles_sigterm(&mut worker);
    assert_eq!(terminate(worker), Some(0));
    assert!(!data.join("worker.lock").exists(), "it never came that far");
    // A command that waits for it too.
    let mut command = start(&rig, &["status"]);
    handles_sigterm(&mut command);
    assert_eq!(terminate(command), Some(5));
}

#[test]
fn a_worker_stops_while_the_database_does_not_respond_at_its_start() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let rig = rig(10);
    let port = silent.local_addr().unwrap().port();
    rig.settings(|text| {
        format!("{text}ledger: {{postgres: {{host: 127.0.0.1, port: {port}, username: x, tls: disable}}}}\n")
    });
    let mut worker = start(&rig, &["work"]);
    let _connection = silent.accept().unwrap();
    handles_sigterm(&mut worker);
    assert_eq!(terminate(worker), Some(0));
}

#[test]
fn a_worker_stops_as_soon_as_it_handles_signals() {
    let rig = rig(10);
    for _ in 0..5 {
        let mut worker = start(&rig, &["work"]);
        handles_sigterm(&mut worker);
        assert_eq!(terminate(worker), Some(0));
    }
}

#[test]
fn a_worker_stops_while_the_ledger_cannot_be_written() {
    let stand = Stand::new(rig(1000));
    stand.behind("line", 2);
    let worker = stand.worker();
    all_delivered(&stand, 2);
    let writer = rusqlite::Connection::open(stand.rig.folder.path().join("data/ledger.db")).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    // What makes it write, and wait: a new pipeline.
    std::fs::write(stand.pipeline("other"), TO_FOLDER).unwrap();
    std::thread::sleep(Duration::from_secs(3)); // it polls for files every second
    let begun = Instant::now();
    assert_eq!(worker.stop().code(), Some(0));
    assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
    writer.execute_batch("ROLLBACK").unwrap();
    assert!(stand.known("other").is_none(), "it was waiting");
}

#[test]
fn a_slow_check_is_interrupted() {
    let rig = rig(10);
    let pipeline = format!("{TO_FOLDER}description: {}\n", "x".repeat(200));
    for number in 0..5_000 {
        std::fs::write(rig.folder.path().join(format!("pipelines/p{number}.yaml")), &pipeline).unwrap();
    }
    let mut check = start(&rig, &["check"]);
    handles_sigterm(&mut check);
    assert_eq!(terminate(check), Some(5));
}

#[test]
fn a_second_signal_ends_a_worker_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let rig = Rig::with(
        &super::TO_FOLDER.replace(
            "source: {file: {path: in.csv, copy: true}}",
            "source: {docebo: {tenant: acme, report: 619bf79c-970a-4a8e-be8a-dde48a05c652}}",
        ),
        &format!("http://{}", silent.local_addr().unwrap()),
        &crate::stage::rig::servers().sshd,
    );
    let stand = Stand::new(rig);
    stand.behind("line", 1);
    let worker = stand.worker();
    let _connection = silent.accept().unwrap();
    worker.signal("TERM");
    worker.says("stopping");
    assert!(matches!(terminate_again(worker), Some(0 | 5)));
}

fn terminate_again(mut worker: Working) -> Option<i32> {
    let begun = Instant::now();
    let pid = worker.child.id().to_string();
    let _ = Command::new("kill").args(["-s", "TERM", &pid]).status(); // it may have ended
    let code = worker.ended().code();
    assert!(begun.elapsed() < SOON, "it took {:?}", begun.elapsed());
    code
}

#[test]
fn a_command_that_waits_is_interrupted_and_says_so() {
    let rig = rig(10);
    let data = rig.folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let lock = File::create(data.join("ledger.db.lock")).unwrap();
    lock.lock().unwrap();
    let mut command = rig.command(&["runs"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    handles_sigterm(&mut command);
    let pid = command.id().to_string();
    assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
    let output = command.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", both(&output));
    assert!(both(&output).contains("interrupted: the ledger has the progress"), "{}", both(&output));
}
