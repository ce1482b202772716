//! asyncssh's server with scripted faults: another implementation, over real SSH, that cannot, must not or does not.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use reportferry::pipeline::plan::{DeliveryPlan, Existing};
use reportferry::settings::{DestinationKind, Pickup, Publish, Sftp, Verify};
use serde_json::{Value, json};

use super::stand::{attempt, check_tree, noise, plan, spool, tree, with_done};
use crate::stage::asyncssh::Asyncssh;
use crate::stage::rig::{ARTIFACT, PIPELINE, Rig, SLOT, both, document, names};

/// More than two of the requests that may be in flight, and not a multiple of their size.
const BYTES: usize = 300_001;

struct Case {
    faults: Value,
    existing: Existing,
    /// At the final name before.
    before: Option<&'static [u8]>,
    pickup: Pickup,
    change: fn(&mut Sftp),
    change_plan: fn(&mut DeliveryPlan),
}

impl Default for Case {
    fn default() -> Self {
        let existing = Existing::Fail;
        Case { faults: json!({}), existing, before: None, pickup: Pickup::None, change: |_| {}, change_plan: |_| {} }
    }
}

impl Case {
    fn plan(&self, server: &Asyncssh) -> DeliveryPlan {
        let mut sftp = server.account().settings(server.root());
        // A rename that is refused for good is repeated no longer.
        sftp.timeouts.rename = Duration::from_millis(500);
        (self.change)(&mut sftp);
        let mut destination = super::stand::destination(DestinationKind::Sftp(Box::new(sftp)));
        Arc::get_mut(&mut destination).unwrap().pickup = self.pickup.clone();
        let mut plan = with_done(plan(&destination, "", self.existing));
        (self.change_plan)(&mut plan);
        plan
    }

    /// Attempts until each of `verdicts` has come: its `Debug` text holds all that is between its bars. Then what lies
    /// there is `left` (`ours`, or text), with its done file where it is ours; no temporary file.
    #[track_caller]
    fn check(&self, server: &Asyncssh, verdicts: &[&str], left: Option<&str>) {
        for (name, _) in tree(server.root()) {
            fs::remove_file(server.root().join(name)).unwrap();
        }
        server.misbehave(&self.faults);
        if let Some(before) = self.before {
            fs::write(server.root().join("a.csv"), before).unwrap();
        }
        let (content, plan) = (noise(BYTES), self.plan(server));
        let (spooled, mut intent) = (spool("a.csv", &content), None);
        for expected in verdicts {
            let told = format!("{:?}", attempt(&spooled, &plan, &mut intent));
            for part in expected.split('|') {
                assert!(told.contains(part), "{}: {part:?} is not in {told}", self.faults);
            }
        }
        match left {
            Some("ours") => check_tree(server.root(), &[("a.csv", &content), ("a.csv.done", b"")]),
            Some(text) => check_tree(server.root(), &[("a.csv", text.as_bytes())]),
            None => check_tree(server.root(), &[]),
        }
    }
}

const OLD: Option<&[u8]> = Some(b"old");

#[test]
fn a_server_that_cannot_rename_takes_direct_puts() {
    let server = Asyncssh::faulty();
    for (rename, verdict) in
        [(8, "Rejected|publish: direct"), (3, "Rejected|publish: direct"), (4, "Retryable|rename to")]
    {
        let faults = json!({"refuse": {"rename": rename, "posix_rename": rename}});
        for existing in [Existing::Fail, Existing::Replace] {
            Case { faults: faults.clone(), existing, ..Case::default() }.check(&server, &[verdict], None);
            let direct: fn(&mut Sftp) = |sftp| sftp.publish = Publish::Direct;
            let case = Case { faults: faults.clone(), existing, change: direct, ..Case::default() };
            case.check(&server, &["Delivered|direct"], Some("ours"));
        }
    }
}

#[test]
fn a_server_that_cannot_rename_over_needs_a_persons_word() {
    let server = Asyncssh::faulty();
    let faults = json!({"without": ["posix-rename@openssh.com"]});
    let replace = |before| Case { faults: faults.clone(), existing: Existing::Replace, before, ..Case::default() };
    replace(None).check(&server, &["Delivered|\"rename\""], Some("ours"));
    replace(OLD).check(&server, &["Rejected|replace: with_gap"], Some("old"));
    Case { change_plan: |plan| plan.replace_with_gap = true, ..replace(OLD) }.check(
        &server,
        &["Delivered|remove+rename"],
        Some("ours"),
    );
    Case { existing: Existing::Fail, ..replace(OLD) }.check(&server, &["Rejected|is there already"], Some("old"));
    // Offered, and then refused.
    let faults = json!({"refuse": {"posix_rename": 4}});
    let refused = |before| Case { faults: faults.clone(), ..replace(before) };
    refused(OLD).check(&server, &["Retryable|rename to", "Retryable|rename to"], Some("old"));
    refused(None).check(&server, &["Delivered|\"rename\""], Some("ours"));
    let with_gap: fn(&mut DeliveryPlan) = |plan| plan.replace_with_gap = true;
    Case { change_plan: with_gap, ..refused(OLD) }.check(&server, &["Delivered|remove+rename"], Some("ours"));
    let faults = json!({"refuse": {"posix_rename": 8}});
    Case { faults, ..replace(OLD) }.check(&server, &["Rejected|refuses it|replace: with_gap"], Some("old"));
}

#[test]
fn what_is_asked_for_beside_the_bytes_may_be_refused() {
    let server = Asyncssh::faulty();
    let mode: fn(&mut Sftp) = |sftp| sftp.mode = Some(0o640);
    for refused in ["setstat", "fsync", "fstat"] {
        for status in [3, 8] {
            let faults = json!({"refuse": {refused: status}});
            let verified = if refused == "fstat" { "Delivered|acknowledged; " } else { "Delivered|\"size\"" };
            Case { faults, change: mode, ..Case::default() }.check(&server, &[verified], Some("ours"));
        }
    }
}

#[test]
fn a_write_only_drop_is_delivered_to_and_not_overwritten() {
    let server = Asyncssh::faulty();
    let faults = json!({"refuse": {"stat": 3, "lstat": 3, "opendir": 3}, "write_only": true});
    let to = |existing, before| Case { faults: faults.clone(), existing, before, ..Case::default() };
    to(Existing::Fail, None).check(&server, &["Delivered|\"size\""], Some("ours"));
    to(Existing::Replace, OLD).check(&server, &["Delivered|posix-rename"], Some("ours"));
    to(Existing::Fail, OLD).check(&server, &["Retryable|rename to"], Some("old"));
    let read_back: fn(&mut Sftp) = |sftp| sftp.verify = Verify::ReadBack;
    Case { change: read_back, ..to(Existing::Fail, None) }.check(&server, &["Rejected|verify: size"], None);
    // Nothing at all is told.
    let blind = json!({"refuse": {"stat": 3, "lstat": 3, "fstat": 3, "opendir": 3}, "write_only": true});
    Case { faults: blind, ..Case::default() }.check(
        &server,
        &["Delivered|acknowledged; permission denied"],
        Some("ours"),
    );
}

#[test]
fn files_that_are_taken_at_once_are_delivered() {
    let server = Asyncssh::faulty();
    for (taken_on, pickup, direct, verdict) in [
        ("rename", Pickup::None, false, "Delivered|\"rename\""),
        ("rename", Pickup::Immediate, false, "Delivered|\"rename\""),
        // The temporary name is taken: whether by who should is not known until a person says so.
        ("close", Pickup::None, false, "Unknown|the temporary file is gone"),
        ("close", Pickup::Immediate, false, "Delivered|picked up"),
        ("close", Pickup::None, true, "Delivered|direct"),
        ("close", Pickup::Immediate, true, "Delivered|direct"),
    ] {
        server.misbehave(&json!({"taken_on": taken_on}));
        fs::remove_dir_all(server.taken()).ok();
        let change: fn(&mut Sftp) =
            if direct { |sftp| sftp.publish = Publish::Direct } else { |sftp| sftp.publish = Publish::Rename };
        let plan = Case { pickup: pickup.clone(), change, ..Case::default() }.plan(&server);
        let told = format!("{:?}", attempt(&spool("a.csv", &noise(BYTES)), &plan, &mut None));
        assert!(verdict.split('|').all(|part| told.contains(part)), "{taken_on}, {pickup:?}, {direct}: {told}");
        check_tree(server.root(), &[]);
        let taken = names(&server.taken());
        let whole = |name: &String| fs::read(server.taken().join(name)).unwrap() == noise(BYTES);
        assert_eq!(taken.iter().filter(|name| whole(name)).count(), 1, "{taken:?}");
    }
}

#[test]
fn a_quota_is_told_from_a_disk_that_is_full() {
    let server = Asyncssh::faulty();
    for (status, verdict) in [(14, "Retryable|write "), (4, "Retryable|write "), (15, "Rejected|write |quota")] {
        for room in [0, 100_000, BYTES - 1] {
            for publish in [Publish::Rename, Publish::Direct] {
                let change: fn(&mut Sftp) = match publish {
                    Publish::Rename => |_| {},
                    Publish::Direct => |sftp| sftp.publish = Publish::Direct,
                };
                let faults = json!({"room": [room, status]});
                Case { faults, change, ..Case::default() }.check(&server, &[verdict, verdict], None);
            }
        }
    }
}

#[test]
fn an_answer_that_is_never_sent_is_looked_after() {
    let server = Asyncssh::faulty();
    for (cut_after, first) in [
        ("open", "Retryable|open "),
        ("write", "Retryable|write "),
        // These three go together, and a connection that is reset takes answers with it that had come and were not read.
        ("fsync", "Retryable|.part: "),
        ("fstat", "Retryable|.part: "),
        ("close", "Retryable|.part: "),
    ] {
        Case { faults: json!({"cut_after": cut_after}), ..Case::default() }.check(
            &server,
            &[first, "Delivered"],
            Some("ours"),
        );
    }
    let found = &["Unknown|rename to", "Delivered|found"];
    Case { faults: json!({"cut_after": "rename"}), ..Case::default() }.check(&server, found, Some("ours"));
    let replace = Case { existing: Existing::Replace, before: OLD, ..Case::default() };
    Case { faults: json!({"cut_after": "posix_rename"}), ..replace }.check(&server, found, Some("ours"));
    // What cannot be seen is only known by its name, which is taken now.
    let hidden =
        json!({"cut_after": "posix_rename", "refuse": {"stat": 3, "lstat": 3, "opendir": 3}, "write_only": true});
    let replace = Case { existing: Existing::Replace, before: OLD, ..Case::default() };
    Case { faults: hidden, ..replace }.check(&server, &["Unknown|rename to", "Delivered|posix-rename"], Some("ours"));
}

#[test]
fn a_slow_server_is_waited_for_as_long_as_the_settings_say() {
    let server = Asyncssh::faulty();
    let slow = Case { faults: json!({"late_s": 0.05}), ..Case::default() };
    slow.check(&server, &["Delivered"], Some("ours"));
    let impatient: fn(&mut Sftp) = |sftp| {
        sftp.timeouts.idle = Duration::from_millis(300);
        sftp.timeouts.rename = Duration::from_secs(20);
    };
    Case { change: impatient, faults: json!({"late_s": 0.05}), ..Case::default() }.check(
        &server,
        &["Delivered"],
        Some("ours"),
    );
    let late = Case { change: impatient, faults: json!({"late_s": 2}), ..Case::default() };
    late.check(&server, &["Retryable|no acknowledgement for 0.3 s"], None);
}

/// `run` of the real binary at a faulty server.
fn rig(faults: &Value) -> (Asyncssh, Rig) {
    let server = Asyncssh::faulty();
    server.misbehave(faults);
    let rig = Rig::delivering_to(PIPELINE, &server.account());
    (server, rig)
}

#[test]
fn a_run_whose_renames_answer_is_lost_has_one_receipt_and_one_file() {
    let (_server, rig) = rig(&json!({"cut_after": "rename"}));
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    let told = document(&output);
    assert_eq!(told["deliveries"][0]["attempts"], 2, "{told:#}");
    assert_eq!(rig.arrived(), [ARTIFACT.to_owned(), format!("{ARTIFACT}.done")]);
    let again = rig.run();
    assert_eq!(document(&again), told, "{}", both(&again));
}

#[test]
fn a_run_to_a_full_server_waits_and_the_next_one_delivers() {
    let (server, rig) = rig(&json!({"room": [5000, 14]}));
    let output = rig.reportferry(&["run", "line", "--slot", SLOT, "--json", "--wait", "300ms"]);
    assert_eq!(output.status.code(), Some(6), "{}", both(&output));
    let delivery = document(&output)["deliveries"][0].clone();
    assert_eq!((&delivery["state"], &delivery["receipt"]), (&json!("waiting"), &Value::Null), "{delivery:#}");
    assert!(delivery["reason"].to_string().contains("write "), "{delivery:#}");
    assert!(rig.arrived().is_empty(), "{:?}", rig.arrived());
    server.misbehave(&json!({}));
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(rig.arrived(), [ARTIFACT.to_owned(), format!("{ARTIFACT}.done")]);
    assert_eq!(document(&rig.run()), document(&output));
}

#[test]
fn a_run_whose_file_is_taken_at_once_is_delivered_once() {
    let (server, rig) = rig(&json!({"taken_on": "rename"}));
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(names(&server.taken()), [ARTIFACT.to_owned(), format!("{ARTIFACT}.done")]);
    fs::remove_dir_all(server.taken()).unwrap();
    let again = rig.run();
    assert_eq!(document(&again), document(&output), "{}", both(&again));
    assert!(!server.taken().exists() && rig.arrived().is_empty());
}
