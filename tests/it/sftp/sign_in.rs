//! What people and servers do at a sign-in: keys as they are pasted, refusals in passing, and the server's own words.

use std::fs;
use std::process::Output;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reportferry::settings::{SecretRef, Sftp};
use serde_json::{Value, json};

use super::session::{check_connected, check_refused, literal};
use super::{settings, sshd};
use crate::stage::asyncssh::{Asyncssh, Methods};
use crate::stage::rig::{PIPELINE, Rig, both, document};
use crate::stage::sshd::keygen;

#[test]
fn d15_keys_as_people_paste_them_sign_in() {
    let sshd = sshd("", &[]);
    let folder = crate::stage::folder();
    let kinds: [&[&str]; 4] = [
        &["-t", "ed25519"],
        &["-t", "rsa", "-b", "2048", "-m", "PEM"],
        &["-t", "ecdsa", "-m", "PKCS8"],
        &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "open sesame"],
    ];
    for (index, kind) in kinds.iter().enumerate() {
        let file = folder.path().join(index.to_string());
        keygen(&[&["-N", ""], *kind].concat(), &file);
        sshd.authorize(&file);
        let key = fs::read_to_string(&file).unwrap();
        let end = key.rfind("-----END").unwrap();
        for pasted in [
            key.replace('\n', "\\n"),
            format!("\u{feff}{key}"),
            key.lines().map(|line| format!("    {line}\n")).collect(),
            format!("\"{}\"", key.trim()),
            key.replace('\n', " "),
            key.replace('\n', "\r\n"),
            format!("{}\n{}", &key[..end], &key[end..]),
            STANDARD.encode(&key),
        ] {
            let mut sftp = settings(&sshd);
            sftp.key = literal(&pasted);
            sftp.passphrase = literal("open sesame").filter(|_| kind.contains(&"open sesame"));
            check_connected(sftp);
        }
    }
}

#[test]
fn d15_keys_that_cannot_be_used_are_named_with_the_fix_before_anybody_is_asked() {
    let folder = crate::stage::folder();
    let file = folder.path().join("key");
    keygen(&["-t", "ed25519", "-N", "secret"], &file);
    let with = |key: Option<SecretRef>| {
        let mut sftp = Sftp::new("hris", "no-such-host.invalid", 22, "acme");
        sftp.key = key;
        sftp
    };
    let public = folder.path().join("key.pub");
    let place = format!("the file {}", public.display());
    check_refused(with(Some(SecretRef::File(public))), "Rejected", &[&place, "is a public key", "without `.pub`"]);
    let ppk = literal("PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\n");
    check_refused(with(ppk), "Rejected", &["PuTTY's form", "puttygen key.ppk -O private-openssh -o key"]);
    check_refused(with(Some(SecretRef::File(file))), "Rejected", &["there is no passphrase", "ssh-keygen -p -N ''"]);
}

#[test]
fn d13_a_password_that_has_expired_is_said_to_be() {
    for methods in [Methods::Expired, Methods::ExpiredInteractive] {
        let server = Asyncssh::start(methods);
        let mut sftp = server.settings();
        sftp.key = None;
        sftp.password = literal("correct horse");
        check_refused(sftp, "Rejected", &["the password of acme at 127.0.0.1", "has expired", "set a new password"]);
    }
}

#[test]
fn d19_a_server_that_takes_sha1_signatures_only_is_named_with_the_fix() {
    let server = Asyncssh::start(Methods::Sha1);
    let parts = ["SHA-1 signatures (ssh-rsa) only", "ssh-keygen -t ed25519", "rsa-sha2-256"];
    check_refused(server.settings(), "Rejected", &parts);
    let sshd = sshd("", &["PubkeyAcceptedAlgorithms ssh-rsa"]);
    let (folder, mut sftp) = (crate::stage::folder(), settings(&sshd));
    let key = folder.path().join("key");
    keygen(&["-t", "rsa", "-N", ""], &key);
    sshd.authorize(&key);
    sftp.key = Some(SecretRef::File(key));
    // This one does not say so beforehand.
    check_refused(sftp, "Refused", &["refused ssh-rsa SHA256:", "SHA-1 signatures only", "ed25519"]);
}

#[test]
fn d20_a_disconnection_is_told_in_the_servers_words_and_tried_again() {
    let server = Asyncssh::faulty();
    let why = "Too many connections for this user";
    let steps = ["sign in to 127.0.0.1", "sign in to 127.0.0.1", "open a channel at 127.0.0.1"];
    for (at, step) in ["begin", "key", "done"].into_iter().zip(steps) {
        server.misbehave(&json!({"disconnect": [at, why]}));
        check_refused(server.settings(), "Retryable", &[step, why]);
        // An account that is known by other means than an ed25519 key is not asked any further than its name.
        let mut sftp = server.settings();
        let key = crate::stage::file();
        fs::copy(server.account().key, key.path()).unwrap();
        locked(key.path());
        (sftp.key, sftp.passphrase) = (Some(SecretRef::File(key.path().to_owned())), literal("secret"));
        let said = if at == "begin" { why } else { "the server closed the connection" };
        check_refused(sftp, "Retryable", &[step, said]);
    }
}

/// Puts a passphrase on a key.
fn locked(key: &std::path::Path) {
    let arguments = ["-q", "-p", "-P", "", "-N", "secret", "-f"];
    assert!(std::process::Command::new("ssh-keygen").args(arguments).arg(key).output().unwrap().status.success());
}

#[test]
fn d20_a_connection_that_ends_on_a_password_is_not_tried_for_a_day() {
    let server = Asyncssh::start(Methods::Password);
    server.misbehave(&json!({"disconnect": ["key", "Too many authentication failures"]}));
    let mut sftp = server.settings();
    sftp.key = None;
    sftp.password = literal("correct horse");
    check_refused(sftp, "Refused", &["closed the connection when the password was shown", "check the password"]);
}

#[test]
fn d20_what_is_shown_to_whoever_signs_in_is_told_at_a_refusal() {
    let server = Asyncssh::faulty();
    server.misbehave(&json!({"banner": "Wartung bis 18 Uhr", "refuse_sign_ins": 9}));
    check_refused(server.settings(), "Refused", &["the server says: \\\"Wartung bis 18 Uhr"]);
}

#[test]
fn d21_text_before_sftp_is_skipped_or_shown() {
    let server = Asyncssh::faulty();
    let banner = "Zugriff nur f\u{fc}r Befugte\r\n";
    server.misbehave(&json!({"prints": banner}));
    check_connected(server.settings());
    server.misbehave(&json!({"prints": banner, "prints_only": true}));
    let words = "the server printed text before SFTP: \\\"Zugriff nur f\u{fc}r Befugte";
    check_refused(server.settings(), "Retryable", &["start SFTP with 127.0.0.1", words, "login script"]);
    // A program that is not there says so by its status alone.
    let sshd = sshd("", &["Subsystem sftp /nowhere/sftp-server"]);
    check_refused(settings(&sshd), "Retryable", &["start SFTP with 127.0.0.1", "ended with status 127"]);
}

const SLOTS: [&str; 3] = ["2026-11-23T05:30:00-05:00", "2026-11-24T05:30:00-05:00", "2026-11-25T05:30:00-05:00"];

fn run(rig: &Rig, slot: &str) -> (Output, Value) {
    let output = rig.reportferry(&["run", "line", "--slot", slot, "--json", "--wait", "10s"]);
    let found = run_of(&output)["deliveries"][0].clone();
    (output, found)
}

fn run_of(output: &Output) -> Value {
    let found = document(output);
    found.get("runs").map_or(found.clone(), |runs| runs[0].clone())
}

#[test]
fn d12_a_key_that_is_refused_in_passing_is_shown_again_where_deliveries_succeeded_before() {
    let server = Asyncssh::faulty();
    let rig = Rig::delivering_to(PIPELINE, &server.account());
    server.misbehave(&json!({"refuse_sign_ins": 1}));
    let (output, first) = run(&rig, SLOTS[0]);
    let refused = first["state"] == "rejected" && first["attempts"] == 1;
    assert!(refused && output.status.code() == Some(3), "without receipts it is a mistake: {}", both(&output));
    let id = run_of(&output)["run"].as_str().unwrap().to_owned();
    assert!(rig.reportferry(&["retry", &id]).status.success());
    server.misbehave(&json!({"refuse_sign_ins": 1}));
    let (output, second) = run(&rig, SLOTS[1]);
    assert!(second["state"] == "delivered" && second["attempts"] == 2, "{}", both(&output));
    server.misbehave(&json!({"refuse_sign_ins": 99}));
    let (output, third) = run(&rig, SLOTS[2]);
    assert!(third["state"] == "rejected" && third["attempts"] == 4, "{}", both(&output));
    assert!(third["reason"].as_str().unwrap().contains("refused ssh-ed25519 SHA256:"), "{third:#}");
}

#[test]
fn d12_a_directory_that_is_not_there_is_looked_for_again_where_deliveries_succeeded_before() {
    let server = Asyncssh::faulty();
    let rig = Rig::delivering_to(PIPELINE, &server.account());
    let inbound = rig.drop.join("inbound");
    fs::remove_dir(&inbound).unwrap();
    let (output, first) = run(&rig, SLOTS[0]);
    assert!(first["state"] == "rejected" && first["attempts"] == 1, "{}", both(&output));
    fs::create_dir(&inbound).unwrap();
    assert!(run(&rig, SLOTS[1]).0.status.success());
    fs::rename(&inbound, rig.drop.join("away")).unwrap();
    let (output, third) = run(&rig, SLOTS[2]);
    assert!(third["state"] == "rejected" && third["attempts"] == 4, "{}", both(&output));
}
