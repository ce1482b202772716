//! What servers did in public reports, each as a case: asyncssh's server does it over real SSH, and OpenSSH where it can.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use reportferry::deliver::Verdict;
use reportferry::pipeline::plan::{DeliveryPlan, Existing};
use reportferry::settings::{ModifiedTime, Publish, Sftp};
use serde_json::{Value, json};

use super::stand::{
    attempt, check_tree, deliver, delivered, noise, plan as to, rejected, spool, with_content, with_done,
};
use super::{plan, plan_with, sshd};
use crate::servers::Desk;
use crate::stage::asyncssh::Asyncssh;
use crate::stage::rig::{ARTIFACT, PIPELINE, Rig, SLOT, both, document};

const BYTES: usize = 300_001;

fn plan_at(server: &Asyncssh, existing: Existing, change: impl FnOnce(&mut Sftp)) -> DeliveryPlan {
    let mut sftp = server.account().settings(server.root());
    change(&mut sftp);
    plan(sftp, existing)
}

fn faulty(faults: &Value) -> Asyncssh {
    let server = Asyncssh::faulty();
    server.misbehave(faults);
    server
}

/// `run` of the real binary to `server`, with more in its settings; and how long it took.
fn run(server: &Asyncssh, pipeline: &str, more: &str) -> (Rig, Value, String, Duration) {
    let rig = Rig::delivering_to(pipeline, &server.account());
    if !more.is_empty() {
        rig.settings(|text| text.replace("mode: \"0640\"", more));
    }
    let began = Instant::now();
    let output = rig.reportferry(&["run", "line", "--slot", SLOT, "--json", "--wait", "20s"]);
    assert!(output.status.success(), "{}", both(&output));
    (rig, document(&output), String::from_utf8_lossy(&output.stderr).into_owned(), began.elapsed())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// `doctor` at the server, with more in its settings: whether deliveries can go there, and all that was found.
fn doctor(server: &Asyncssh, base: &Path, more: &str) -> (bool, Value) {
    let desk = Desk::new(&format!("{}{more}", server.account().written(base)));
    let output = desk.reportferry(&["doctor", "hris", "--json"]);
    let found = document(&output);
    (found["ok"].as_bool().unwrap(), found)
}

#[test]
fn d02_a_listing_that_stalls_costs_the_delivery_nothing() {
    for stalls in ["readdir", "opendir"] {
        let server = faulty(&json!({"late": {stalls: 70}}));
        let (rig, told, log, took) = run(&server, PIPELINE, "timeouts: {idle: 5s}");
        assert_eq!(told["deliveries"][0]["attempts"], 1, "{told:#}");
        assert_eq!(rig.arrived(), [ARTIFACT.to_owned(), format!("{ARTIFACT}.done")]);
        assert!(log.contains("sweep of temporary files abandoned"), "{log}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
}

#[test]
fn d02_old_temporary_files_are_swept_after_the_receipt() {
    let server = faulty(&json!({}));
    let rig = Rig::delivering_to(PIPELINE, &server.account());
    let inbound = rig.drop.join("inbound");
    let old = |name: &str| {
        fs::write(inbound.join(name), b"x").unwrap();
        let long_ago = std::time::SystemTime::now() - Duration::from_secs(200_000);
        fs::File::options().write(true).open(inbound.join(name)).unwrap().set_modified(long_ago).unwrap();
    };
    (0..2_000).for_each(|number| old(&format!("theirs-{number}.csv")));
    (0..150).for_each(|number| old(&format!(".a.csv.{number:016x}.part")));
    old(".a.csv.old.0123456789abcdef.part");
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    let arrived = rig.arrived();
    assert_eq!(arrived.len(), 2_000 + 3, "{:?}", &arrived[..10]);
    assert!(arrived.contains(&".a.csv.old.0123456789abcdef.part".to_owned()), "a reader's file that was moved aside");
}

#[test]
fn d03_a_file_that_a_scanner_holds_is_delivered_and_uploaded_once() {
    for held in [json!([4, 3, "used by another process"]), json!([3, 2, "Permission denied"]), json!([9, 1, ""])] {
        let server = faulty(&json!({"refuse_for": {"rename": held}}));
        let (rig, told, _, _) = run(&server, PIPELINE, "");
        assert_eq!(told["deliveries"][0]["attempts"], 1, "{told:#}");
        assert_eq!(rig.arrived(), [ARTIFACT.to_owned(), format!("{ARTIFACT}.done")]);
    }
}

#[test]
fn d04_doctor_and_delivery_agree_on_a_server_that_refuses_fsync() {
    for status in [2, 4, 5, 8] {
        let server = faulty(&json!({"refuse": {"fsync": status}}));
        let receipt = delivered(deliver(&spool("a.csv", b"x"), &plan_at(&server, Existing::Replace, |_| {})));
        assert!(receipt.notes[0].contains("fsync"), "{:?}", receipt.notes);
        let (ok, found) = doctor(&server, server.root(), "");
        assert!(ok && found["advice"].to_string().contains("\"key\":\"fsync\""), "{found:#}");
    }
}

#[test]
fn d06_a_mode_that_is_refused_is_in_the_receipt_and_in_the_story() {
    let server = faulty(&json!({"refuse": {"setstat": 3, "fsetstat": 3}}));
    let (rig, told, log, _) = run(&server, PIPELINE, "mode: \"0664\", mtime: slot");
    let notes = told["deliveries"][0]["receipt"]["notes"].to_string();
    assert!(notes.contains("the mode 0664") && notes.contains("modification time"), "{told:#}");
    assert!(log.contains("the mode 0664"), "{log}");
    let story = rig.reportferry(&["show", told["run"].as_str().unwrap()]);
    assert!(String::from_utf8_lossy(&story.stdout).contains("refused the mode 0664"), "{}", both(&story));
}

#[test]
fn d07_directories_that_are_made_can_be_entered_by_who_may_read() {
    let server = faulty(&json!({"umask": 0o077}));
    for (change, expected) in [
        ((|sftp: &mut Sftp| sftp.mode = Some(0o664)) as fn(&mut Sftp), (0o775, 0o664)),
        (|sftp| (sftp.mode, sftp.dir_mode) = (Some(0o640), Some(0o2770)), (0o2770, 0o640)),
        (|_| {}, (0o700, 0o600)),
    ] {
        let mut plan = plan_at(&server, Existing::Fail, |sftp| {
            sftp.mkdir = true;
            change(sftp);
        });
        plan.directory = "a/b".to_owned();
        let receipt = delivered(deliver(&spool("a.csv", b"x"), &plan));
        assert!(receipt.notes.is_empty(), "{:?}", receipt.notes);
        let at = |path: &str| mode(&server.root().join(path));
        assert_eq!((at("a"), at("a/b"), at("a/b/a.csv")), (expected.0, expected.0, expected.1));
        fs::remove_dir_all(server.root().join("a")).unwrap();
    }
}

#[test]
fn the_modification_time_is_the_slots_or_the_artifacts() {
    let server = sshd("", &[]);
    let spooled = spool("a.csv", b"x");
    let about =
        reportferry::deliver::DeliveryMeta { slot: "2026-11-23T05:30:00-05:00".to_owned(), ..Default::default() };
    for (mtime, expected_s) in [(ModifiedTime::Slot, 1_795_429_800), (ModifiedTime::Artifact, 1_000_000_000)] {
        let made = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        fs::File::options().write(true).open(&spooled.artifact.path).unwrap().set_modified(made).unwrap();
        let plan = with_done(plan_with(&server, Existing::Replace, |sftp| sftp.mtime = Some(mtime)));
        let put = reportferry::deliver::DeliveryRequest { about: &about, ..super::stand::put(&spooled, &plan) };
        let mut session = super::stand::connect(&plan);
        let intent = session.prepare(&put).unwrap();
        delivered(session.publish(&put, &intent, None, &Default::default()));
        for name in ["a.csv", "a.csv.done"] {
            let there = fs::metadata(server.root().join(name)).unwrap();
            let since =
                |at: std::io::Result<std::time::SystemTime>| at.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
            assert_eq!(
                (since(there.modified()).as_secs(), since(there.accessed()).as_secs()),
                (expected_s, expected_s)
            );
        }
    }
}

#[test]
fn d08_a_close_or_a_fsync_may_take_longer_than_the_idle_timeout() {
    for slow in ["close", "fsync"] {
        let server = faulty(&json!({"late": {slow: 3}}));
        let plan = plan_at(&server, Existing::Fail, |sftp| sftp.timeouts.idle = Duration::from_secs(1));
        delivered(deliver(&spool("a.csv", &noise(BYTES)), &plan));
        check_tree(server.root(), &[("a.csv", &noise(BYTES))]);
    }
}

#[test]
fn d09_a_staging_directory_on_another_file_system_is_named() {
    let shared = crate::stage::memory_folder().expect("/dev/shm is another file system");
    let staging = shared.path().display().to_string();
    let (openssh, other) = (sshd("", &[]), faulty(&json!({"without": ["statvfs@openssh.com"]})));
    for existing in [Existing::Fail, Existing::Replace] {
        for (root, sftp) in [
            (openssh.root(), super::settings(&openssh)),
            (other.root().to_owned(), other.account().settings(other.root())),
        ] {
            let sftp = Sftp { base: String::new(), staging: Some(staging.clone()), ..sftp };
            let mut plan = plan(sftp, existing);
            plan.directory = root.display().to_string();
            let began = Instant::now();
            let (reason, hint) = rejected(deliver(&spool("a.csv", b"x"), &plan));
            assert!(reason.contains("another file system") && hint.contains("leave `staging` out"), "{reason} {hint}");
            assert!(began.elapsed() < Duration::from_secs(5), "judged at once");
            check_tree(&root, &[]);
            check_tree(shared.path(), &[]);
        }
    }
    let account = openssh.account().written(Path::new("")).replace(", base: \"\"", "");
    let desk = Desk::new(&format!("{account}, staging: {staging:?}"));
    let output = desk.reportferry(&["doctor", "hris", "--json", "--path", &openssh.root().display().to_string()]);
    let found = document(&output);
    assert!(found["ok"] == false && found["plan"].to_string().contains("another file system"), "{found:#}");
    assert_eq!(found["advice"][0]["key"], "staging", "{found:#}");
}

#[test]
fn d10_a_file_of_another_owner_in_a_sticky_directory_is_named() {
    for faults in [json!({"refuse": {"posix_rename": 3, "rename": 3}}), json!({"refuse": {"posix_rename": 4}})] {
        let server = faulty(&faults);
        fs::set_permissions(server.root(), fs::Permissions::from_mode(0o1777)).unwrap();
        if chown(server.root(), Some(1234), None).is_err() {
            return; // only root can give files away
        }
        fs::write(server.root().join("a.csv"), b"theirs").unwrap();
        chown(server.root().join("a.csv"), Some(4321), None).unwrap();
        let (reason, hint) = rejected(deliver(&spool("a.csv", b"x"), &plan_at(&server, Existing::Replace, |_| {})));
        assert!(reason.contains("may not replace the existing file") && reason.contains("user 4321"), "{reason}");
        assert!(!hint.contains("with_gap") && !hint.contains("direct"), "{hint}");
        check_tree(server.root(), &[("a.csv", b"theirs")]);
    }
}

#[test]
fn d11_a_gateway_gets_the_file_once_and_its_old_one_stays_until_then() {
    let server = faulty(&json!({"gateway": true, "without": ["posix-rename@openssh.com"]}));
    let plan = plan_at(&server, Existing::Replace, |sftp| sftp.publish = Publish::Direct);
    for before in [&[b'x'; 87][..], &noise(BYTES + 1)] {
        fs::write(server.root().join("a.csv"), before).unwrap();
        let receipt = delivered(attempt(&spool("a.csv", &noise(BYTES)), &plan, &mut None));
        assert_eq!((receipt.verified.as_str(), receipt.published.as_str()), ("size", "direct"));
        check_tree(server.root(), &[("a.csv", &noise(BYTES))]);
    }
    let (ok, found) = doctor(&server, server.root(), ", publish: direct");
    assert!(ok, "{found:#}");
}

#[test]
fn a_direct_put_that_was_cut_off_is_begun_again() {
    for cut_after in ["write", "close"] {
        let server = faulty(&json!({"cut_after": cut_after}));
        let plan = plan_at(&server, Existing::Fail, |sftp| sftp.publish = Publish::Direct);
        let (spooled, mut intent) = (spool("a.csv", &noise(BYTES)), None);
        let first = attempt(&spooled, &plan, &mut intent);
        assert!(matches!(first, Verdict::Unknown { .. }), "{first:?}");
        delivered(attempt(&spooled, &plan, &mut intent));
        check_tree(server.root(), &[("a.csv", &noise(BYTES))]);
    }
}

#[test]
fn d14_the_directory_that_may_not_be_made_is_named() {
    let server = faulty(&json!({"refuse": {"mkdir": 3}}));
    let mut plan = plan_at(&server, Existing::Fail, |sftp| sftp.mkdir = true);
    plan.directory = "newdir/deep".to_owned();
    let (reason, hint) = rejected(deliver(&spool("a.csv", b"x"), &plan));
    let asked = format!("make the directory {}/newdir: permission denied", server.root().display());
    assert!(reason.starts_with(&asked) && hint.contains("let the account write there"), "{reason} {hint}");
}

#[test]
fn d24_a_file_in_the_path_and_a_directory_at_the_name_are_named() {
    let (openssh, other) = (sshd("", &[]), faulty(&json!({})));
    let roots = [
        (openssh.root(), super::settings(&openssh)),
        (other.root().to_owned(), other.account().settings(other.root())),
    ];
    for (root, sftp) in roots {
        fs::write(root.join("file"), b"theirs").unwrap();
        fs::create_dir(root.join("a.csv")).unwrap();
        for publish in [Publish::Rename, Publish::Direct] {
            for mkdir in [false, true] {
                for existing in [Existing::Fail, Existing::Replace] {
                    let sftp = Sftp { publish, mkdir, name: sftp.name.clone(), ..settings_again(&sftp) };
                    let mut through = plan(sftp, existing);
                    let (reason, _) = rejected(deliver(&spool("a.csv", b"x"), &through));
                    assert!(reason.contains("a.csv is a directory"), "{publish:?} {mkdir} {existing:?}: {reason}");
                    through.directory = "file/deep".to_owned();
                    let (reason, _) = rejected(deliver(&spool("b.csv", b"x"), &through));
                    assert!(
                        reason.contains("file is a file, not a directory"),
                        "{publish:?} {mkdir} {existing:?}: {reason}"
                    );
                }
            }
        }
        check_tree(&root, &[("file", b"theirs")]);
    }
}

fn settings_again(sftp: &Sftp) -> Sftp {
    let mut again = Sftp::new(&sftp.name, &sftp.host, sftp.port, &sftp.username);
    (again.key, again.host_keys, again.base) = (sftp.key.clone(), sftp.host_keys.clone(), sftp.base.clone());
    again
}

#[test]
fn d22_a_done_file_with_content_arrives_where_empty_files_are_dropped() {
    let server = faulty(&json!({"drops_empty": true}));
    for publish in [Publish::Rename, Publish::Direct] {
        let plan = || plan_at(&server, Existing::Replace, |sftp| sftp.publish = publish);
        let (reason, hint) = rejected(deliver(&spool("a.csv", b"x"), &with_done(plan())));
        assert!(reason.contains("dropped the empty done file") && hint.contains("content:"), "{reason} {hint}");
        delivered(deliver(&spool("a.csv", b"x"), &with_content(plan(), "{name}")));
        check_tree(server.root(), &[("a.csv", b"x"), ("a.csv.done", b"a.csv\n")]);
        fs::remove_file(server.root().join("a.csv.done")).unwrap();
    }
    let (_, found) = doctor(&server, server.root(), "");
    assert!(found["advice"].to_string().contains("content"), "{found:#}");
}

#[test]
fn d22_a_pipeline_says_what_its_done_file_holds() {
    let server = faulty(&json!({}));
    let done = "done_file: {name: \"{name}.done\", content: \"{name} {slot:%d/%m/%Y} {pipeline}\"}";
    let pipeline = PIPELINE.replace("done_file: \"{name}.done\"", done);
    let (rig, _, _, _) = run(&server, &pipeline, "");
    let expected = format!("{ARTIFACT} 23/11/2026 line\n");
    assert_eq!(String::from_utf8(rig.read(&format!("{ARTIFACT}.done"))).unwrap(), expected);
}

#[test]
fn local_folders_honour_the_same_keys() {
    let home = crate::stage::folder();
    let local = reportferry::settings::Local {
        path: home.path().join("drop"),
        mkdir: true,
        mode: Some(0o664),
        dir_mode: None,
        mtime: Some(ModifiedTime::Artifact),
    };
    let destination = super::stand::destination(reportferry::settings::DestinationKind::Local(local));
    let spooled = spool("a.csv", b"x");
    let made = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::options().write(true).open(&spooled.artifact.path).unwrap().set_modified(made).unwrap();
    let plan = with_content(to(&destination, "a/b", Existing::Fail), "{name}");
    delivered(deliver(&spooled, &plan));
    let at = |path: &str| home.path().join("drop").join(path);
    assert_eq!((mode(&at("")), mode(&at("a")), mode(&at("a/b")), mode(&at("a/b/a.csv"))), (0o775, 0o775, 0o775, 0o664));
    assert_eq!(fs::metadata(at("a/b/a.csv")).unwrap().modified().unwrap(), made);
    assert_eq!(fs::read(at("a/b/a.csv.done")).unwrap(), b"a.csv\n");
    // A file in the path, and a directory at the name.
    let (_, hint) = rejected(deliver(&spooled, &to(&destination, "a/b/a.csv/c", Existing::Fail)));
    assert!(hint.contains("a part of the path is a file"), "{hint}");
    fs::create_dir(at("d.csv")).unwrap();
    for existing in [Existing::Fail, Existing::Replace, Existing::Keep] {
        let (reason, _) = rejected(deliver(&spool("d.csv", b"x"), &to(&destination, "", existing)));
        assert!(reason.contains("is a directory, not a file"), "{reason}");
    }
}
