//! ProFTPD's mod_sftp: the contract over a second real server, and what it says that OpenSSH does not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use reportferry::deliver::Session;
use reportferry::pipeline::plan::Existing;
use reportferry::secret::Secret;
use reportferry::settings::{DestinationKind, SecretRef, Verify};

use super::contract;
use super::plan;
use super::stand::{self, Stand, Wish, check_tree, deliver, delivered, noise, rejected, spool, with_done};
use crate::stage::proftpd::{PASSWORD, Proftpd};

fn stand_on_proftpd() -> Stand {
    let server = Arc::new(Proftpd::start(&[]));
    let (root, account) = (server.root(), server.account());
    let base = root.clone();
    let kind = move |wish: Wish| {
        let mut sftp = account.settings(&base);
        sftp.mkdir = wish.mkdir;
        sftp.mode = wish.mode;
        DestinationKind::Sftp(Box::new(sftp))
    };
    Stand { root, kind: Box::new(kind), _under: Box::new(server) }
}

contract::contract!(stand_on_proftpd);

#[test]
fn a_key_or_a_password_signs_in() {
    let server = Proftpd::start(&[]);
    let sftp = || server.account().settings(&server.root());
    let receipt = delivered(deliver(&spool("a.csv", b"x"), &plan(sftp(), Existing::Replace)));
    assert_eq!((receipt.published.as_str(), receipt.host_key), ("posix-rename", Some(server.account().pin)));
    let by_password = |password: &str| {
        let mut sftp = sftp();
        (sftp.key, sftp.password) = (None, Some(SecretRef::Literal(Secret::new(password))));
        Session::connect(&stand::destination(DestinationKind::Sftp(Box::new(sftp)))).map(Session::close)
    };
    assert!(by_password(PASSWORD).is_ok());
    let (reason, _) = rejected(by_password("wrong").unwrap_err());
    assert!(reason.contains("password (refused)") && reason.contains("the server offers"), "{reason}");
}

#[test]
fn replacing_where_no_rename_over_is_offered_needs_a_persons_word() {
    let server = Proftpd::start(&["SFTPExtensions -posixRename"]);
    let mut plan = with_done(plan(server.account().settings(&server.root()), Existing::Replace));
    let receipt = delivered(deliver(&spool("a.csv", b"one"), &plan));
    assert_eq!(receipt.published, "rename");
    let (reason, hint) = rejected(deliver(&spool("a.csv", b"two"), &plan));
    assert!(reason.contains("posix-rename@openssh.com") && hint.contains("replace: with_gap"), "{reason} {hint}");
    check_tree(&server.root(), &[("a.csv", b"one"), ("a.csv.done", b"")]);
    plan.replace_with_gap = true;
    let receipt = delivered(deliver(&spool("a.csv", b"two"), &plan));
    assert_eq!(receipt.published, "remove+rename");
    check_tree(&server.root(), &[("a.csv", b"two"), ("a.csv.done", b"")]);
}

#[test]
fn large_files_are_read_back_whole() {
    let server = Proftpd::start(&[]);
    let content = noise(20_000_001);
    for write_bytes in [32_000, 255_000] {
        let mut sftp = server.account().settings(&server.root());
        (sftp.verify, sftp.write_bytes) = (Verify::ReadBack, write_bytes);
        let receipt = delivered(deliver(&spool("a.csv", &content), &plan(sftp, Existing::Replace)));
        assert_eq!(receipt.verified, "read_back");
        assert!(fs::read(server.root().join("a.csv")).unwrap() == content);
    }
}

/// Permissions of the file system, for an account that is locked up in its drop.
#[test]
fn an_account_that_is_locked_up_writes_where_it_may() {
    let server = Proftpd::locked_up();
    let root = server.root();
    for (name, mode) in [("in", 0o755), ("blind", 0o300), ("closed", 0o555)] {
        fs::create_dir(root.join(name)).unwrap();
        set_mode(&root.join(name), mode);
        server.give(&root.join(name));
    }
    set_mode(&root, 0o555);
    let to = |directory: &str, mkdir: bool, existing: Existing| {
        let mut sftp = server.account().settings(&server.base());
        sftp.mkdir = mkdir;
        let mut plan = with_done(plan(sftp, existing));
        plan.directory = directory.to_owned();
        deliver(&spool("a.csv", b"x"), &plan)
    };
    for (existing, name) in [(Existing::Fail, "fails"), (Existing::Replace, "replaces")] {
        for directory in ["in", "blind"] {
            delivered(to(directory, false, existing));
            for file in ["a.csv", "a.csv.done"] {
                let kept = root.join(directory).join(format!("{name}-{file}"));
                fs::rename(root.join(directory).join(file), kept).unwrap();
            }
        }
        for (directory, mkdir, part) in [
            ("", false, "open "),
            ("closed", false, "open "),
            ("new", true, "make the directory "),
            ("new", false, "open "),
        ] {
            let (reason, hint) = rejected(to(directory, mkdir, existing));
            assert!(reason.starts_with(part) && !hint.is_empty(), "{directory:?}, {mkdir}: {reason} {hint}");
        }
    }
    set_mode(&root, 0o755);
    set_mode(&root.join("blind"), 0o755);
    let names: Vec<String> = stand::tree(&root).into_keys().collect();
    let four = ["fails-a.csv", "fails-a.csv.done", "replaces-a.csv", "replaces-a.csv.done"];
    let expected: Vec<String> = ["blind", "in"].iter().flat_map(|at| four.map(|name| format!("{at}/{name}"))).collect();
    assert_eq!(names, expected);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_its_limits_refuse_is_told_and_leaves_nothing() {
    for (limit, verdict) in [
        // Said as a disk that is full: it may have room later.
        ("MaxStoreFileSize 100 Kb", "Retryable { reason: \"write "),
        ("<Limit STOR>\nDenyAll\n</Limit>", "Rejected { reason: \"open "),
        ("<Limit RNTO>\nDenyAll\n</Limit>", "Rejected { reason: \"rename "),
        ("<Limit RNFR>\nDenyAll\n</Limit>", "Rejected { reason: \"rename "),
    ] {
        let server = Proftpd::start(&[limit]);
        let plan = plan(server.account().settings(&server.root()), Existing::Fail);
        let ended = format!("{:?}", deliver(&spool("a.csv", &noise(1_000_000)), &plan));
        assert!(ended.starts_with(verdict), "{limit}: {ended}");
        check_tree(&server.root(), &[]);
    }
}
