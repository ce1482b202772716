//! Servers that cannot, must not or do not: what is published all the same, and what is told.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use reportferry::deliver::{FinalName, Verdict};
use reportferry::pipeline::plan::Existing;
use reportferry::progress::Meter;
use reportferry::settings::{Publish, Sftp, Verify};

use super::stand::{RUN, check_tree, connect, deliver, delivered, noise, put, rejected, spool, tree, with_done};
use super::{plan_with, sshd};
use crate::stage::eventually;

#[test]
fn replacing_without_posix_rename_needs_a_persons_word() {
    let sshd = sshd("-P posix-rename", &[]);
    let mut plan = plan_with(&sshd, Existing::Replace, |_| {});
    // A free name needs no replacing.
    let receipt = delivered(deliver(&spool("a.csv", b"one"), &plan));
    assert_eq!(receipt.published, "rename");
    let (reason, hint) = rejected(deliver(&spool("a.csv", b"two"), &plan));
    assert!(reason.contains("posix-rename@openssh.com") && hint.contains("replace: with_gap"), "{reason} {hint}");
    check_tree(&sshd.root(), &[("a.csv", b"one")]);
    plan.replace_with_gap = true;
    let receipt = delivered(deliver(&spool("a.csv", b"two"), &plan));
    assert_eq!(receipt.published, "remove+rename");
    check_tree(&sshd.root(), &[("a.csv", b"two")]);
}

#[test]
fn a_refused_request_is_done_without() {
    for denied in ["-P fsync", "-P setstat", "-P fstat", "-P lstat", "-P opendir,readdir", "-P read"] {
        let sshd = sshd(denied, &[]);
        let plan = with_done(plan_with(&sshd, Existing::Fail, |sftp| sftp.mode = Some(0o640)));
        let receipt = delivered(deliver(&spool("a.csv", b"x"), &plan));
        match denied {
            "-P fstat" => {
                assert!(receipt.verified.starts_with("acknowledged; permission denied"), "{}", receipt.verified)
            }
            _ => assert_eq!(receipt.verified, "size", "{denied}"),
        }
        assert_eq!(receipt.published, "rename");
        check_tree(&sshd.root(), &[("a.csv", b"x"), ("a.csv.done", b"")]);
    }
}

#[test]
fn a_server_that_hides_its_files_still_refuses_to_overwrite() {
    let sshd = sshd("-P lstat,stat", &[]);
    fs::write(sshd.root().join("a.csv"), "theirs").unwrap();
    let plan = plan_with(&sshd, Existing::Fail, |sftp| sftp.timeouts.rename = Duration::from_millis(500));
    let verdict = deliver(&spool("a.csv", b"x"), &plan);
    assert!(matches!(verdict, Verdict::Retryable { .. }), "{verdict:?}");
    check_tree(&sshd.root(), &[("a.csv", b"theirs")]);
    let mut session = connect(&plan);
    let spooled = spool("a.csv", b"x");
    let intent = session.prepare(&put(&spooled, &plan)).unwrap();
    let seen = session.inspect(&intent).unwrap();
    assert!(matches!(seen.files[0].final_name, FinalName::Hidden { .. }), "{seen:?}");
}

#[test]
fn a_server_that_forbids_renaming_takes_direct_puts() {
    let sshd = sshd("-P rename,posix-rename", &[]);
    let soon = |sftp: &mut Sftp| sftp.timeouts.rename = Duration::from_millis(500);
    for existing in [Existing::Fail, Existing::Replace] {
        let (reason, hint) = rejected(deliver(&spool("a.csv", b"x"), &plan_with(&sshd, existing, soon)));
        assert!(reason.contains("rename to") && hint.contains("publish: direct"), "{reason} {hint}");
        check_tree(&sshd.root(), &[]);
    }
    let direct = |existing| with_done(plan_with(&sshd, existing, |sftp| sftp.publish = Publish::Direct));
    let receipt = delivered(deliver(&spool("a.csv", b"one"), &direct(Existing::Fail)));
    assert_eq!(receipt.published, "direct");
    let (reason, _) = rejected(deliver(&spool("a.csv", b"two"), &direct(Existing::Fail)));
    assert!(reason.contains("is there already"), "{reason}");
    check_tree(&sshd.root(), &[("a.csv", b"one"), ("a.csv.done", b"")]);
    delivered(deliver(&spool("a.csv", b"two"), &direct(Existing::Replace)));
    check_tree(&sshd.root(), &[("a.csv", b"two"), ("a.csv.done", b"")]);
    // Taken between the look and the put: the exclusive open refuses.
    let (plan, spooled) = (direct(Existing::Keep), spool("b.csv", b"b"));
    let mut session = connect(&plan);
    let intent = session.prepare(&put(&spooled, &plan)).unwrap();
    fs::write(sshd.root().join("b.csv"), "theirs").unwrap();
    let verdict = session.publish(&put(&spooled, &plan), &intent, None, &Meter::default());
    assert!(matches!(verdict, Verdict::Skipped { .. }), "{verdict:?}");
    assert_eq!(fs::read(sshd.root().join("b.csv")).unwrap(), b"theirs");
}

#[test]
fn a_direct_put_that_was_cut_short_is_recognised_and_begun_again() {
    let sshd = sshd("", &[]);
    let plan = plan_with(&sshd, Existing::Fail, |sftp| sftp.publish = Publish::Direct);
    let spooled = spool("a.csv", b"0123456789");
    let path = sshd.root().join("a.csv");
    for (left, ours) in
        [(&b""[..], true), (b"0123", true), (b"012345678", true), (b"theirs", false), (b"012345678x", false)]
    {
        let mut session = connect(&plan);
        let intent = session.prepare(&put(&spooled, &plan)).unwrap();
        fs::write(&path, left).unwrap();
        let seen = session.inspect(&intent).unwrap();
        let verdict = session.publish(&put(&spooled, &plan), &intent, Some(&seen), &Meter::default());
        assert_eq!(matches!(verdict, Verdict::Delivered(_)), ours, "{left:?}: {verdict:?}");
        check_tree(&sshd.root(), &[("a.csv", if ours { b"0123456789" } else { left })]);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_read_only_account_is_rejected_with_a_hint() {
    let sshd = sshd("-R", &[]);
    let (reason, hint) = rejected(deliver(&spool("a.csv", b"x"), &plan_with(&sshd, Existing::Fail, |_| {})));
    assert!(reason.contains("open") && reason.contains("permission denied"), "{reason}");
    assert!(hint.contains("let the account write there"), "{hint}");
}

#[test]
fn reading_back_proves_the_bytes_where_it_is_allowed() {
    let content = noise(3_000_001);
    let server = sshd("", &[]);
    let plan = plan_with(&server, Existing::Replace, |sftp| sftp.verify = Verify::ReadBack);
    for size in [0, 1, 32_000, 64_001, content.len()] {
        let receipt = delivered(deliver(&spool("a.csv", &content[..size]), &plan));
        assert_eq!(receipt.verified, "read_back");
        check_tree(&server.root(), &[("a.csv", &content[..size])]);
    }
    let server = sshd("-P read", &[]);
    let plan = plan_with(&server, Existing::Replace, |sftp| sftp.verify = Verify::ReadBack);
    let (reason, hint) = rejected(deliver(&spool("a.csv", &content), &plan));
    assert!(reason.contains("read back") && hint.contains("verify: size"), "{reason} {hint}");
    check_tree(&server.root(), &[]);
}

#[test]
fn a_final_file_that_cannot_be_read_counts_by_its_size_unless_it_may_be_replaced() {
    let sshd = sshd("-P read", &[]);
    for (existing, how) in [(Existing::Fail, "found"), (Existing::Replace, "posix-rename")] {
        let (plan, spooled) = (plan_with(&sshd, existing, |_| {}), spool("a.csv", b"ours"));
        let mut session = connect(&plan);
        let intent = session.prepare(&put(&spooled, &plan)).unwrap();
        fs::write(sshd.root().join("a.csv"), "ours").unwrap();
        let seen = session.inspect(&intent).unwrap();
        assert!(matches!(seen.files[0].final_name, FinalName::SameSize { .. }), "{seen:?}");
        let receipt = delivered(session.publish(&put(&spooled, &plan), &intent, Some(&seen), &Meter::default()));
        assert_eq!(receipt.published, how);
        fs::remove_file(sshd.root().join("a.csv")).unwrap();
    }
}

#[test]
fn a_staging_directory_keeps_the_drop_clean() {
    let sshd = sshd("", &[]);
    let mut plan = plan_with(&sshd, Existing::Fail, |sftp| {
        sftp.staging = Some("staging".to_owned());
        sftp.mkdir = true;
    });
    plan.directory = "in".to_owned();
    let spooled = spool("a.csv", b"x");
    let intent = connect(&plan).prepare(&put(&spooled, &plan)).unwrap();
    assert!(intent.files[0].temporary.ends_with(&format!("/staging/.a.csv.{RUN}.part")), "{intent:?}");
    delivered(deliver(&spooled, &plan));
    check_tree(&sshd.root(), &[("in/a.csv", b"x")]);
    assert!(sshd.root().join("staging").is_dir());
}

#[test]
fn a_large_file_arrives_whole_while_the_server_changes_keys() {
    let content = noise(50_000_000);
    for config in [&["RekeyLimit 1M"][..], &[]] {
        let sshd = sshd("", config);
        let plan = plan_with(&sshd, Existing::Fail, |sftp| {
            sftp.verify = Verify::ReadBack;
            sftp.in_flight = 128;
        });
        let spooled = spool("a.csv", &content);
        let meter = Meter::default();
        let mut session = connect(&plan);
        let put = put(&spooled, &plan);
        let intent = session.prepare(&put).unwrap();
        delivered(session.publish(&put, &intent, None, &meter));
        assert_eq!(meter.done(), content.len() as u64);
        check_tree(&sshd.root(), &[("a.csv", &content)]);
    }
}

#[test]
fn large_write_requests_arrive_whole() {
    let sshd = sshd("", &[]);
    let content = noise(2_000_003);
    let plan = plan_with(&sshd, Existing::Fail, |sftp| {
        sftp.write_bytes = 255_000;
        sftp.in_flight = 8;
    });
    delivered(deliver(&spool("a.csv", &content), &plan));
    check_tree(&sshd.root(), &[("a.csv", &content)]);
}

#[test]
fn a_connection_cut_while_writing_publishes_nothing_and_can_be_tried_again() {
    let sshd = sshd("", &[]);
    let content = noise(60_000_000);
    let spooled = spool("a.csv", &content);
    let plan = with_done(plan_with(&sshd, Existing::Fail, |_| {}));
    let put = put(&spooled, &plan);
    let mut session = connect(&plan);
    let intent = session.prepare(&put).unwrap();
    let (meter, over) = (Meter::default(), AtomicBool::new(false));
    let verdict = std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("a megabyte is sent", || meter.done() >= 1_000_000 || over.load(SeqCst));
            sshd.cut_connections();
        });
        let verdict = session.publish(&put, &intent, None, &meter);
        over.store(true, SeqCst);
        verdict
    });
    assert!(matches!(&verdict, Verdict::Retryable { reason, .. } if reason.starts_with("write ")), "{verdict:?}");
    let left = tree(&sshd.root());
    assert_eq!(left.len(), 1, "only a temporary file: {:?}", left.keys());
    assert!(left.values().all(|written| written.len() < content.len()));
    // Everything on the old session fails at once.
    assert!(matches!(session.inspect(&intent), Err(Verdict::Retryable { .. })));
    let mut session = connect(&plan);
    let seen = session.inspect(&intent).unwrap();
    assert_eq!((&seen.files[0].final_name, seen.files[0].temporary), (&FinalName::Absent, true));
    delivered(session.publish(&put, &intent, Some(&seen), &meter));
    check_tree(&sshd.root(), &[("a.csv", &content), ("a.csv.done", b"")]);
}

/// A proxy that passes bytes on until it is told to stand still; the connections stay open.
fn proxy_to(port: u16, still: &'static AtomicBool) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let pass = |mut from: TcpStream, mut to: TcpStream| {
            std::thread::spawn(move || {
                let mut block = [0; 16 * 1024];
                while let Ok(count @ 1..) = from.read(&mut block) {
                    if !still.load(SeqCst) && to.write_all(&block[..count]).is_err() {
                        break;
                    }
                }
            })
        };
        pass(client.try_clone().unwrap(), server.try_clone().unwrap());
        pass(server, client);
    });
    own
}

#[test]
fn a_server_that_falls_silent_is_given_up_after_the_idle_time() {
    static STILL: AtomicBool = AtomicBool::new(false);
    let sshd = sshd("", &[]);
    let port = proxy_to(sshd.port, &STILL);
    let plan = plan_with(&sshd, Existing::Fail, |sftp| {
        sftp.port = port;
        sftp.timeouts.idle = Duration::from_millis(500);
    });
    let spooled = spool("a.csv", &noise(60_000_000));
    let put = put(&spooled, &plan);
    let mut session = connect(&plan);
    let intent = session.prepare(&put).unwrap();
    let meter = Meter::default();
    let over = AtomicBool::new(false);
    let started = Instant::now();
    let verdict = std::thread::scope(|scope| {
        scope.spawn(|| {
            eventually("a megabyte is sent", || meter.done() >= 1_000_000 || over.load(SeqCst));
            STILL.store(true, SeqCst);
        });
        let verdict = session.publish(&put, &intent, None, &meter);
        over.store(true, SeqCst);
        verdict
    });
    drop(session); // must not wait either
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    match verdict {
        Verdict::Retryable { reason, .. } => assert!(reason.contains("no acknowledgement for 0.5 s"), "{reason}"),
        other => panic!("{other:?}"),
    }
}
