//! Recovery, proven: every named step of an extract, a delivery and the ledger × every kind of fault; then random kills.
//!
//! Each cell runs the real binary against the sandbox and a real server, OpenSSH or ProFTPD, with one fault armed, runs
//! it again without, and looks for what must hold: one whole file, its done file, one receipt, nothing else.

mod kills;
mod steps;

use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::stage::account::Account;
use super::stage::proftpd::Proftpd;
use super::stage::rig::{ARTIFACT, PIPELINE, Rig, both, document, servers};

/// Between two looks: short beside any step, long enough to leave the cores to the processes watched.
const WATCH_PAUSE: Duration = Duration::from_micros(200);

const KINDS: [&str; 6] = ["fail", "lost_before", "lost_after", "kill_before", "kill_after", "repeat"];

/// The bytes that an undisturbed run delivers: the sandbox gives the same rows each time.
fn expected() -> &'static [u8] {
    static EXPECTED: OnceLock<Vec<u8>> = OnceLock::new();
    EXPECTED.get_or_init(|| {
        let rig = Rig::new(PIPELINE);
        let output = rig.run();
        assert!(output.status.success(), "{}", both(&output));
        let bytes = rig.read(ARTIFACT);
        assert!(bytes.len() > 1000, "the report must be worth breaking");
        bytes
    })
}

/// What must hold whenever anyone looks: the final name is absent or whole, and the done file comes after it.
fn look(rig: &Rig) {
    let inbound = rig.drop.join("inbound");
    let done_first = inbound.join(format!("{ARTIFACT}.done")).exists();
    match std::fs::read(inbound.join(ARTIFACT)) {
        Ok(bytes) => assert!(bytes == expected(), "half a file was seen under the final name: {} bytes", bytes.len()),
        Err(_) => assert!(!done_first, "the done file was there before the data"),
    }
}

/// Looks all the time while `work` goes on.
fn watched<T>(rig: &Rig, work: impl FnOnce() -> T) -> T {
    let look = || {
        look(rig);
        std::thread::sleep(WATCH_PAUSE);
    };
    crate::stage::alongside(look, work)
}

/// The end that every story must have.
fn assert_delivered_once(rig: &Rig, pipeline: &str, story: &str) {
    let output = rig.run();
    assert!(output.status.success(), "{story}: the run did not recover\n{}", both(&output));
    let told = document(&output);
    assert_eq!(told["state"], "delivered", "{story}: {told}");
    let delivery = &told["deliveries"][0];
    assert_eq!(delivery["state"], "delivered", "{story}: {told}");
    assert_eq!(delivery["receipt"]["bytes"], expected().len(), "{story}: {told}");
    assert_eq!(delivery["receipt"]["sha256"], told["artifact"]["sha256"], "{story}: {told}");
    let mut files = vec![ARTIFACT.to_owned(), format!("{ARTIFACT}.done")];
    if pipeline.contains("manifest: true") {
        files.extend([format!("{ARTIFACT}.json"), format!("{ARTIFACT}.sha256")]);
        assert_beside(rig, &told);
    }
    assert_eq!(rig.arrived(), files, "{story}");
    assert!(rig.read(ARTIFACT) == expected(), "{story}: other bytes arrived");
    let again = rig.run();
    assert_eq!(document(&again), told, "{story}: the same slot again must change nothing");
}

/// The checksum is what coreutils reads, and the manifest says what the data is.
fn assert_beside(rig: &Rig, told: &serde_json::Value) {
    let folder = rig.drop.join("inbound");
    let checked = std::process::Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", &format!("{ARTIFACT}.sha256")])
        .current_dir(&folder)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", both(&checked));
    let manifest: serde_json::Value = serde_json::from_slice(&rig.read(&format!("{ARTIFACT}.json"))).unwrap();
    for (key, value) in [("name", &told["artifact"]["name"]), ("bytes", &told["artifact"]["bytes"])] {
        assert_eq!(manifest[key], *value);
    }
    assert_eq!((&manifest["sha256"], &manifest["run"]), (&told["artifact"]["sha256"], &told["run"]));
    assert_eq!((&manifest["slot"], &manifest["rows"]), (&told["slot"], &told["rows"]["delivered"]));
    assert_eq!(manifest["columns"], serde_json::json!(["employee_id", "course", "done", "email"]));
}

/// The OpenSSH server that the tests share.
fn openssh() -> Account {
    servers().sshd.account()
}

/// A fault at one step, then recovery.
fn check(server: &Account, pipeline: &str, step: &str, kind: &str, prepare: fn(Rig) -> Rig) {
    struck(&prepare(Rig::delivering_to(pipeline, server)), pipeline, &format!("{step}={kind}"));
}

fn struck(rig: &Rig, pipeline: &str, fault: &str) {
    expected();
    let struck = watched(rig, || rig.run_with_fault(fault));
    let log = String::from_utf8_lossy(&struck.stderr);
    assert!(
        log.contains("fault injected"),
        "{fault}: the step was not reached, so nothing was proven\n{}",
        both(&struck)
    );
    if fault.contains("=kill") {
        assert!(struck.status.code().is_none(), "{fault}: the process should have died\n{}", both(&struck));
    }
    watched(rig, || assert_delivered_once(rig, pipeline, fault));
}

/// Cells of one row group, side by side on the machine's cores.
fn check_all(server: &Account, pipeline: &str, steps: &[&str]) {
    check_all_in(server, pipeline, steps, |rig| rig);
}

fn check_all_in(server: &Account, pipeline: &str, steps: &[&str], prepare: fn(Rig) -> Rig) {
    let cells: Vec<(&str, &str)> = steps.iter().flat_map(|step| KINDS.iter().map(move |kind| (*step, *kind))).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((step, kind)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(server, pipeline, step, kind, prepare);
                }
            });
        }
    });
}

#[test]
fn every_step_of_an_extract_can_break() {
    // By name: the list of reports is a step too.
    let pipeline = PIPELINE.replace("619bf79c-970a-4a8e-be8a-dde48a05c652", "{name: Compliance completions}");
    check_all(&openssh(), &pipeline, steps::EXTRACT);
}

#[test]
fn every_step_of_the_ledger_can_break() {
    check_all(&openssh(), PIPELINE, steps::LEDGER);
}

#[test]
fn every_step_of_a_ledger_in_postgresql_can_break() {
    check_all_in(&openssh(), PIPELINE, steps::LEDGER, Rig::in_postgres);
}

#[test]
fn every_step_of_an_sftp_delivery_can_break() {
    check_all(&openssh(), PIPELINE, steps::SFTP);
}

#[test]
fn every_step_of_a_delivery_to_proftpd_can_break() {
    let server = Proftpd::start(&[]);
    check_all(&server.account(), PIPELINE, steps::SFTP);
    // Where a delivery's course is read back from.
    check_all(&server.account(), PIPELINE, &["ledger.intent", "ledger.verdict"]);
}

#[test]
fn every_step_of_a_delivery_that_replaces_at_proftpd_can_break() {
    let server = Proftpd::start(&[]);
    check_all(&server.account(), &replacing(PIPELINE), &steps_of_replacing());
}

#[test]
fn every_step_of_the_files_beside_at_proftpd_can_break() {
    let server = Proftpd::start(&[]);
    check_all(&server.account(), &with_files_beside(), steps::COMPANIONS);
}

#[test]
fn every_step_of_a_delivery_over_several_sessions_can_break() {
    let server = Proftpd::start(&[]);
    for account in [openssh(), server.account()] {
        for fault in steps::SEVERAL.iter().flat_map(|step| KINDS.map(|kind| format!("{step}={kind}"))) {
            let rig = Rig::delivering_to(PIPELINE, &account);
            rig.settings(|text| text.replace("mode: \"0640\"", "mode: \"0640\", sessions: 3, parallel: 1KiB"));
            struck(&rig, PIPELINE, &fault);
        }
    }
}

#[test]
fn bytes_that_a_server_acknowledged_and_lost_are_never_published() {
    let server = Proftpd::start(&[]);
    for account in [openssh(), server.account()] {
        check(&account, PIPELINE, "sftp.write", "drop", |rig| rig);
        check(&account, &replacing(PIPELINE), "sftp.write", "drop", |rig| rig);
    }
}

fn replacing(pipeline: &str) -> String {
    pipeline.replace("existing: fail", "existing: replace")
}

/// posix-rename needs no look at what is there.
fn steps_of_replacing() -> Vec<&'static str> {
    steps::SFTP.iter().copied().filter(|step| *step != "sftp.lstat").collect()
}

#[test]
fn every_step_of_an_sftp_delivery_that_replaces_can_break() {
    check_all(&openssh(), &replacing(PIPELINE), &steps_of_replacing());
}

/// With a checksum and a manifest between the data and the done file.
fn with_files_beside() -> String {
    PIPELINE.replace("existing: fail,", "existing: fail, checksum: true, manifest: true,")
}

#[test]
fn every_step_of_the_files_beside_can_break() {
    check_all(&openssh(), &with_files_beside(), steps::COMPANIONS);
    let replacing = replacing(&with_files_beside());
    check_all(&openssh(), &replacing, &["checksum.rename", "manifest.write", "manifest.rename", "done.rename"]);
    let steps: Vec<&str> = steps::COMPANIONS.iter().copied().filter(|step| !step.ends_with(".close")).collect();
    check_all(&openssh(), &with_files_beside().replace("hris:", "local:"), &steps);
}

#[test]
fn every_step_of_a_local_delivery_can_break() {
    check_all(&openssh(), &PIPELINE.replace("hris:", "local:"), steps::LOCAL);
}
