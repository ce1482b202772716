//! `doctor` against real servers: what it finds, what it says to write, and that it leaves nothing.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{Desk, reached};
use crate::sftp::sshd;
use crate::stage::asyncssh::{Asyncssh, Methods};
use crate::stage::proftpd::Proftpd;
use crate::stage::proxy::{Manner, Proxy};
use crate::stage::rig::{both, document, names};

fn pinned(sshd: &crate::stage::sshd::Sshd, more: &str) -> Desk {
    Desk::at(sshd, &format!(", host_keys: [\"{}\"]{more}", sshd.fingerprints[0]))
}

/// `name=outcome` of every step.
fn steps(document: &Value) -> String {
    let step = |step: &Value| format!("{}={}", step["name"].as_str().unwrap(), step["outcome"].as_str().unwrap());
    document["steps"].as_array().unwrap().iter().map(step).collect::<Vec<_>>().join(" ")
}

fn step<'d>(document: &'d Value, name: &str) -> &'d Value {
    let steps = document["steps"].as_array().unwrap();
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name} in {document:#}"))
}

/// `key: value` of every setting; `!` before those without which nothing can be delivered.
fn advice(document: &Value) -> Vec<String> {
    let sign = |advice: &Value| if advice["must"] == true { "!" } else { "" };
    let line = |advice: &Value| {
        format!("{}{}: {}", sign(advice), advice["key"].as_str().unwrap(), advice["value"].as_str().unwrap())
    };
    document["advice"].as_array().unwrap().iter().map(line).collect()
}

#[track_caller]
fn check(output: &Output, exit: i32, folder: &Path, left: &[&str]) -> Value {
    assert_eq!(output.status.code(), Some(exit), "{}", both(output));
    assert_eq!(names(folder), left, "{}", both(output));
    document(output)
}

/// The steps at a server that can do all that a delivery uses.
const ALL_THAT_IS_USED: &str = "look up=done connect=done key exchange=done host key=done sign in=done sftp=done \
    directory=done open=done write=done fsync=done fstat=done close=done lstat=done read back=done \
    set permissions=done set times=done rename=done open a taken name=done rename over=refused posix-rename=done \
    remove=done mkdir=done rmdir=done free space=done write much=done list=done";

#[test]
fn an_openssh_server_is_known_through_and_through() {
    let sshd = sshd("", &[]);
    let desk = pinned(&sshd, "");
    let found = check(&desk.reportferry(&["doctor", "hris", "--json"]), 0, &sshd.root(), &[]);
    assert_eq!(steps(&found), ALL_THAT_IS_USED);
    assert!(advice(&found).is_empty() && found["ok"] == true, "{found:#}");
    let exchange = step(&found, "key exchange").to_string();
    for part in ["OpenSSH", "aes128-gcm@openssh.com", "the server offers", "reportferry offers", "ssh-ed25519"] {
        assert!(exchange.contains(part), "{part} is not in {exchange}");
    }
    let key = step(&found, "host key")["message"].as_str().unwrap();
    assert!(key.contains(&sshd.fingerprints[0]) && key.contains("pinned in `host_keys`"), "{key}");
    let sign_in = step(&found, "sign in").to_string();
    assert!(sign_in.contains("by publickey") && sign_in.contains("offered"), "{sign_in}");
    // What was found is kept.
    let last = desk.reportferry(&["doctor", "hris", "--last", "--json"]);
    assert_eq!(document(&last), found, "{}", both(&last));
    let shown = String::from_utf8(desk.reportferry(&["doctor", "hris", "--last"]).stdout).unwrap();
    assert!(shown.contains("ok     posix-rename") && shown.contains("deliveries can go there"), "{shown}");
}

#[test]
fn a_server_that_forbids_renaming_is_told_how_to_be_used() {
    let sshd = sshd("-P rename,posix-rename,setstat,statvfs", &[]);
    let desk = pinned(&sshd, ", mode: \"0640\", timeouts: {rename: 1s}");
    let output = desk.reportferry(&["doctor", "hris", "--json"]);
    let found = check(&output, 3, &sshd.root(), &[]);
    assert_eq!(advice(&found), ["!publish: direct", "done_file: \"{name}.done\""]);
    assert!(found["plan"].to_string().contains("`mode` has no effect"), "{found:#}");
    // With what it says, it is content.
    let desk = pinned(&sshd, ", publish: direct, timeouts: {rename: 1s}");
    let output = desk.reportferry(&["doctor", "hris"]);
    let said = both(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("done_file: \"{name}.done\"    # possible"), "{said}");
    assert!(names(&sshd.root()).is_empty());
}

#[test]
fn where_only_removing_first_replaces_the_gap_is_named() {
    let sshd = sshd("-P posix-rename,fsync", &[]);
    let found = check(&pinned(&sshd, "").reportferry(&["doctor", "hris", "--json"]), 0, &sshd.root(), &[]);
    assert_eq!(advice(&found), ["replace: with_gap"]);
    assert_eq!(step(&found, "fsync")["outcome"], "not_offered");
    assert_eq!(step(&found, "posix-rename")["outcome"], "not_offered");
}

#[test]
fn a_server_that_may_not_be_written_to_fails_at_that_step() {
    let sshd = sshd("-R", &[]);
    let found = check(&pinned(&sshd, "").reportferry(&["doctor", "hris", "--json"]), 3, &sshd.root(), &[]);
    assert!(steps(&found).ends_with("directory=done open=failed"), "{found:#}");
    let hint = step(&found, "open")["hint"].as_str().unwrap();
    assert!(hint.contains("let the account write there"), "{hint}");
    let absent = check(
        &pinned(&sshd, "").reportferry(&["doctor", "hris", "--path", "no/where", "--json"]),
        3,
        &sshd.root(),
        &[],
    );
    assert!(steps(&absent).ends_with("directory=failed"), "{absent:#}");
    let out = pinned(&sshd, "").reportferry(&["doctor", "hris", "--path", "../x"]);
    assert_eq!(out.status.code(), Some(2), "{}", both(&out));
}

#[test]
fn directories_are_made_for_the_visit_and_old_probes_are_swept() {
    let sshd = sshd("", &[]);
    let root = sshd.root();
    let old = root.join(".reportferry-probe-0123456789abcdef");
    let fresh = root.join(".reportferry-probe-fedcba9876543210");
    for path in [&old, &fresh, &root.join("kept")] {
        fs::write(path, b"x").unwrap();
    }
    let long_ago = SystemTime::now() - Duration::from_secs(7200);
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    fs::File::options().write(true).open(root.join("kept")).unwrap().set_modified(long_ago).unwrap();
    let left = [".reportferry-probe-fedcba9876543210", "kept"];
    let swept = check(&pinned(&sshd, "").reportferry(&["doctor", "hris", "--json"]), 0, &root, &left);
    assert!(steps(&swept).contains("sweep=done"), "{swept:#}");
    let made = pinned(&sshd, ", mkdir: true");
    let found = check(&made.reportferry(&["doctor", "hris", "--path", "a/b", "--json"]), 0, &root, &left);
    assert!(steps(&found).contains("make the directory=done make the directory=done directory=done"), "{found:#}");
}

#[test]
fn what_is_made_is_removed_by_another_connection_when_the_first_is_lost() {
    let sshd = sshd("", &[]);
    // The large write is the only one that carries so much.
    let proxy = Proxy::start(Manner { cuts_after: Some(150_000), ..Manner::default() });
    let desk = pinned(&sshd, &format!(", proxy: {{http: \"127.0.0.1:{}\"}}", proxy.port));
    let found = check(&desk.reportferry(&["doctor", "hris", "--json"]), 0, &sshd.root(), &[]);
    assert!(steps(&found).ends_with("write much=refused"), "{found:#}");
    assert!(steps(&found).starts_with("look up=done connect=done proxy=done key exchange=done"), "{found:#}");
}

#[test]
fn each_step_on_the_way_is_where_it_ends() {
    let sshd = sshd("", &[]);
    let sftp = reached(&sshd);
    let pin = format!(", host_keys: [\"{}\"]", sshd.fingerprints[0]);
    let wrong = ", host_keys: [\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]";
    let closed = crate::stage::sshd::free_port();
    for (settings, last, parts) in [
        (sftp.replace("127.0.0.1", "no-such-host.invalid") + &pin, "look up=failed", vec!["no-such-host.invalid"]),
        (
            sftp.replace(&format!("port: {}", sshd.port), &format!("port: {closed}")) + &pin,
            "connect=failed",
            vec!["refused"],
        ),
        (
            sftp.clone() + &pin + ", algorithms: {cipher: [aes192-cbc]}",
            "key exchange=failed",
            vec!["the server offers", "reportferry offers aes192-cbc"],
        ),
        (
            sftp.clone() + wrong,
            "host key=failed",
            vec![&sshd.fingerprints[0], "SHA256:AAAA", "reportferry trust hris --accept SHA256:"],
        ),
        (sftp.clone(), "host key=failed", vec!["is not known"]),
        (sftp.replace("username: ", "username: not-") + &pin, "sign in=failed", vec!["the server offers publickey"]),
    ] {
        let output = Desk::new(&settings).reportferry(&["doctor", "hris", "--json"]);
        let found = check(&output, 3, &sshd.root(), &[]);
        assert!(steps(&found).ends_with(last), "{settings}\n{found:#}");
        for part in parts {
            assert!(found.to_string().contains(part), "{part} is not in {found:#}");
        }
    }
    let unknown = Desk::new(&sftp).reportferry(&["doctor", "hrsi"]);
    assert!(
        both(&unknown).contains("did you mean \"hris\"?") && unknown.status.code() == Some(2),
        "{}",
        both(&unknown)
    );
    let never = Desk::new(&sftp).reportferry(&["doctor", "hris", "--last"]);
    assert!(both(&never).contains("has not been probed yet") && never.status.code() == Some(2), "{}", both(&never));
}

#[test]
fn another_server_is_looked_at_as_well() {
    let server = Asyncssh::start(Methods::Password);
    let settings = server.settings();
    let secret = crate::stage::file();
    fs::write(secret.path(), "correct horse").unwrap();
    let desk = Desk::new(&format!(
        "host: 127.0.0.1, port: {}, username: acme, password: {{file: {:?}}}, host_keys: [\"{}\"]",
        settings.port,
        secret.path(),
        settings.host_keys[0]
    ));
    let output = desk.reportferry(&["doctor", "hris", "--json"]);
    let found = check(&output, 0, server.root(), &[]);
    assert!(steps(&found).contains("posix-rename=done remove=done"), "{found:#}");
    assert!(!both(&output).contains("correct horse"));
}

#[test]
fn proftpd_is_known_through_and_through() {
    let looked_at = |config: &[&str], exit: i32| {
        let server = Proftpd::start(config);
        let desk = Desk::new(&server.account().written(&server.root()));
        check(&desk.reportferry(&["doctor", "hris", "--json"]), exit, &server.root(), &[])
    };
    let found = looked_at(&[], 0);
    assert_eq!(steps(&found), ALL_THAT_IS_USED);
    let renamed_over = step(&found, "rename over").to_string();
    assert!(renamed_over.contains("status 11"), "{renamed_over}");
    assert!(advice(&found).is_empty() && found["ok"] == true, "{found:#}");
    assert!(step(&found, "key exchange").to_string().contains("mod_sftp"), "{found:#}");
    let found = looked_at(&["SFTPExtensions -posixRename"], 0);
    assert_eq!(step(&found, "posix-rename")["outcome"], "not_offered");
    assert_eq!(advice(&found), ["replace: with_gap"]);
    let found = looked_at(&["<Limit RNFR>\nDenyAll\n</Limit>"], 3);
    assert_eq!(advice(&found), ["!publish: direct", "done_file: \"{name}.done\""]);
}

#[test]
fn a_folder_of_this_machine_is_tried_too() {
    let folder = crate::stage::folder();
    let settings = |path: &Path, more: &str| {
        Desk::with(&format!("destinations:\n  archive:\n    local: {{path: {path:?}, mode: \"0640\"{more}}}\n"))
    };
    let output = settings(folder.path(), "").reportferry(&["doctor", "archive", "--json"]);
    let found = check(&output, 0, folder.path(), &[]);
    assert_eq!(
        steps(&found),
        "directory=done open=done write=done fsync=done stat=done set permissions=done link=done remove=done rename=done \
         write again=done rename over=done remove=done fsync the directory=done mkdir=done free space=done"
    );
    assert!(step(&found, "directory").to_string().contains("permissions"), "{found:#}");
    let below = folder.path().join("a/b");
    let made = settings(&below, ", mkdir: true").reportferry(&["doctor", "archive", "--json"]);
    check(&made, 0, folder.path(), &[]);
    let absent = settings(&below, "").reportferry(&["doctor", "archive", "--json"]);
    let absent = check(&absent, 3, folder.path(), &[]);
    assert!(step(&absent, "directory")["hint"].to_string().contains("mkdir: true"), "{absent:#}");
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let no_folder = settings(&file, "").reportferry(&["doctor", "archive", "--json"]);
    assert!(steps(&check(&no_folder, 3, folder.path(), &["file"])).ends_with("directory=failed"));
}
