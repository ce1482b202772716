//! Disks with no room left, for real: the kernel refuses the bytes, and the server says so in its own words.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use reportferry::deliver::Verdict;
use reportferry::pipeline::plan::{DeliveryPlan, Existing};

use super::plan;
use super::stand::{RUN, attempt, check_tree, connect, delivered, noise, put, spool, with_done};
use super::{plan_with, sshd};
use crate::stage::proftpd::Proftpd;

/// More than the room of a disk that is full in the middle.
const BYTES: usize = 3_000_000;
const ROOM: usize = 1_000_000;

/// The first write hits a disk that is full: the temporary name leads to `/dev/full`, which needs no right that an
/// ordinary user has not.
fn check_full(plan: &DeliveryPlan, root: &Path, said: &str) {
    let spooled = spool("a.csv", &noise(BYTES));
    let mut intent = Some(connect(plan).prepare(&put(&spooled, plan)).unwrap());
    let temporary = root.join(format!(".a.csv.{RUN}.part"));
    assert_eq!(Path::new(&intent.as_ref().unwrap().files[0].temporary), temporary);
    symlink("/dev/full", &temporary).unwrap();
    let mut session = connect(plan);
    let verdict =
        session.publish(&put(&spooled, plan), intent.as_ref().unwrap(), None, &reportferry::progress::Meter::default());
    match &verdict {
        Verdict::Retryable { reason, .. } => assert!(reason.starts_with("write ") && reason.contains(said), "{reason}"),
        other => panic!("{other:?}"),
    }
    // Before anybody reads what lies there: it has no end.
    assert!(!temporary.is_symlink(), "the temporary name is still there");
    check_tree(root, &[]);
    delivered(attempt(&spooled, plan, &mut intent));
    check_tree(root, &[("a.csv", &noise(BYTES)), ("a.csv.done", b"")]);
}

#[test]
fn a_full_disk_publishes_nothing_and_is_tried_again() {
    let server = sshd("", &[]);
    check_full(&with_done(plan_with(&server, Existing::Fail, |_| {})), &server.root(), "failure (status 4");
    let server = Proftpd::start(&[]);
    let plan = with_done(plan(server.account().settings(&server.root()), Existing::Fail));
    check_full(&plan, &server.root(), "status ");
}

/// In the middle of a file: what the server may write is limited as `ulimit -f` does, and the limit is lifted later.
#[test]
fn a_disk_that_is_full_in_the_middle_of_a_file_publishes_nothing_and_is_tried_again() {
    let server = sshd("", &[]);
    let limit = |bytes: &str| {
        let limited = Command::new("prlimit")
            .arg("--pid")
            .arg(server.pid().to_string())
            .arg(format!("--fsize={bytes}:"))
            .output();
        let limited = limited.expect("there is no prlimit, of util-linux");
        assert!(limited.status.success(), "{}", String::from_utf8_lossy(&limited.stderr));
    };
    limit(&ROOM.to_string());
    let (content, plan) = (noise(BYTES), with_done(plan_with(&server, Existing::Replace, |_| {})));
    fs::write(server.root().join("a.csv"), "old").unwrap();
    let (spooled, mut intent) = (spool("a.csv", &content), None);
    for _ in 0..2 {
        let verdict = attempt(&spooled, &plan, &mut intent);
        match &verdict {
            Verdict::Retryable { reason, .. } => assert!(reason.starts_with("write "), "{reason}"),
            other => panic!("{other:?}"),
        }
        check_tree(&server.root(), &[("a.csv", b"old")]);
    }
    limit("unlimited");
    delivered(attempt(&spooled, &plan, &mut intent));
    check_tree(&server.root(), &[("a.csv", &content), ("a.csv.done", b"")]);
}
