//! Getting in: host keys, sign-in, and the truth about what went wrong.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use reportferry::deliver::{Session, Verdict};
use reportferry::pipeline::plan::Existing;
use reportferry::secret::Secret;
use reportferry::settings::{SecretRef, Sftp};
use reportferry::ssh::{Agent, AgentSocket};

use super::stand::{check_tree, deliver, delivered, destination, noise, spool, with_done};
use super::{plan, plan_with, settings, sshd};
use crate::stage::agent::{self, silent_at};
use crate::stage::asyncssh::{Asyncssh, Methods};
use crate::stage::sshd::{Sshd, SshdOptions, free_port, keygen};

pub(super) fn literal(text: &str) -> Option<SecretRef> {
    Some(SecretRef::Literal(Secret::new(text)))
}

fn verdict_of(sftp: Sftp) -> Verdict {
    let kind = reportferry::settings::DestinationKind::Sftp(Box::new(sftp));
    match Session::connect(&destination(kind)) {
        Ok(session) => {
            session.close();
            Verdict::Skipped { reason: "connected".to_owned() }
        }
        Err(verdict) => verdict,
    }
}

#[track_caller]
pub(super) fn check_connected(sftp: Sftp) {
    assert_eq!(verdict_of(sftp), Verdict::Skipped { reason: "connected".to_owned() });
}

/// The verdict's kind, and parts of its reason and hint.
#[track_caller]
pub(super) fn check_refused(sftp: Sftp, kind: &str, parts: &[&str]) {
    let verdict = verdict_of(sftp);
    let shown = format!("{verdict:?}");
    assert!(shown.starts_with(kind), "{shown} is not {kind}");
    for part in parts {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
}

#[test]
fn a_receipt_names_the_host_key_and_the_address() {
    let sshd = sshd("", &[]);
    let receipt = delivered(deliver(&spool("a.csv", b"x"), &plan(settings(&sshd), Existing::Replace)));
    assert_eq!(receipt.host_key.as_deref(), Some(sshd.fingerprints[0].as_str()));
    assert_eq!(receipt.address, format!("127.0.0.1:{}", sshd.port));
    assert_eq!(receipt.published, "posix-rename");
}

#[test]
fn a_server_that_shows_another_key_is_distrusted() {
    let sshd = sshd("", &[]);
    let wrong = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let with = |pins: Vec<String>| {
        let mut sftp = settings(&sshd);
        sftp.host_keys = pins;
        sftp
    };
    let shown = sshd.fingerprints[0].clone();
    check_refused(
        with(vec![wrong.clone()]),
        "HostKeyMismatch",
        &[&shown, &wrong, "not the one on file", "`host_keys`"],
    );
    check_refused(with(vec![]), "HostKeyMismatch", &[&shown, "is not known"]);
    // Several pins for a rotation; padding is let be.
    check_connected(with(vec![wrong, format!("{shown}=")]));
    assert!(!sshd.log().contains("Accepted publickey for nobody"));
}

#[test]
fn a_pin_of_any_of_the_servers_keys_will_do() {
    let options = SshdOptions { host_keys: &["ed25519", "ecdsa", "rsa"], ..SshdOptions::default() };
    let sshd = Sshd::start(&options);
    for pin in &sshd.fingerprints {
        let plan = plan_with(&sshd, Existing::Replace, |sftp| sftp.host_keys = vec![pin.clone()]);
        assert_eq!(delivered(deliver(&spool("a.csv", b"x"), &plan)).host_key.as_ref(), Some(pin));
    }
    let mut sftp = settings(&sshd);
    sftp.host_keys = vec!["SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned()];
    let all: Vec<&str> = sshd.fingerprints.iter().map(String::as_str).collect();
    check_refused(sftp, "HostKeyMismatch", &all);
}

#[test]
fn known_hosts_are_read_as_openssh_reads_them() {
    let options = SshdOptions { host_keys: &["ed25519", "ecdsa", "rsa"], ..SshdOptions::default() };
    let sshd = Sshd::start(&options);
    let folder = crate::stage::folder();
    let file = folder.path().join("known_hosts");
    let with = |text: String| {
        fs::write(&file, text).unwrap();
        let mut sftp = settings(&sshd);
        sftp.host_keys = Vec::new();
        sftp.known_hosts = vec![file.clone()];
        sftp
    };
    let name = format!("[127.0.0.1]:{}", sshd.port);
    // A file that knows only one kind is shown that kind.
    for key in &sshd.host_keys {
        check_connected(with(format!("# comment\n\n{name},other {key} someone@somewhere\n")));
        check_connected(with(format!("127.0.0.1 {key}\n")));
        check_connected(with(format!("[127.0.0.*]:* {key}\n")));
    }
    let key = &sshd.host_keys[0];
    let stranger = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    check_refused(
        with(format!("{name} {stranger}\n")),
        "HostKeyMismatch",
        &["not the one on file", &sshd.fingerprints[0]],
    );
    check_refused(with(format!("elsewhere {key}\n")), "HostKeyMismatch", &["is not known"]);
    check_refused(with(format!("*,!127.0.0.1,!{name} {key}\n")), "HostKeyMismatch", &["is not known"]);
    check_refused(with(format!("@revoked * {key}\n{name} {key}\n")), "HostKeyMismatch", &["is revoked"]);
    check_refused(with(format!("@cert-authority * {key}\n")), "HostKeyMismatch", &["is not known"]);
    // Hashed by ssh-keygen itself.
    let hashed = with(format!("{name} {key}\n"));
    let made = std::process::Command::new("ssh-keygen").arg("-Hf").arg(&file).output().unwrap();
    assert!(made.status.success() && fs::read_to_string(&file).unwrap().starts_with("|1|"));
    check_connected(hashed);
    let mut absent = settings(&sshd);
    absent.known_hosts = vec![folder.path().join("absent")];
    check_refused(absent, "Rejected", &["read known_hosts", "absent"]);
}

#[test]
fn every_kind_of_key_signs_in() {
    let sshd = sshd("", &[]);
    let folder = crate::stage::folder();
    let kinds: [&[&str]; 5] = [
        &["-t", "ed25519"],
        &["-t", "ecdsa", "-b", "256"],
        &["-t", "ecdsa", "-b", "521"],
        &["-t", "rsa", "-b", "2048"],
        &["-t", "rsa", "-b", "2048", "-m", "PEM"],
    ];
    let pem: [&[&str]; 3] =
        [&["-t", "ecdsa", "-m", "PEM"], &["-t", "ecdsa", "-m", "PKCS8"], &["-t", "rsa", "-b", "2048", "-m", "PKCS8"]];
    for (index, kind) in kinds.iter().chain(&pem).enumerate() {
        for passphrase in ["", "open sesame"] {
            let file = folder.path().join(format!("{index}{}", passphrase.len()));
            keygen(&[*kind, &["-N", passphrase]].concat(), &file);
            sshd.authorize(&file);
            let with = |passphrase: Option<SecretRef>| {
                let mut sftp = settings(&sshd);
                sftp.key = Some(SecretRef::File(file.clone()));
                sftp.passphrase = passphrase;
                sftp
            };
            if passphrase.is_empty() {
                check_connected(with(None));
                continue;
            }
            check_connected(with(literal(passphrase)));
            check_refused(with(literal("wrong")), "Rejected", &["cannot be opened with the passphrase"]);
            check_refused(with(None), "Rejected", &["encrypted and there is no passphrase"]);
        }
    }
}

/// OpenSSH writes ed25519 keys in its own form alone; OpenSSL writes them as PKCS#8.
#[test]
fn an_ed25519_key_as_openssl_writes_it_signs_in() {
    use base64::Engine;
    let sshd = sshd("", &[]);
    let folder = crate::stage::folder();
    for passphrase in [None, Some("open sesame")] {
        let file = folder.path().join(format!("key{}", passphrase.is_some()));
        let openssl = |arguments: &[&str]| {
            let output = std::process::Command::new("openssl").args(arguments).output();
            let output = output.expect("there is no openssl: run tests/tools");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        let path = file.to_str().unwrap();
        let pass = format!("pass:{}", passphrase.unwrap_or_default());
        let encrypted = if passphrase.is_some() { &["-aes256", "-pass", &pass][..] } else { &[] };
        openssl(&[&["genpkey", "-algorithm", "ed25519", "-out", path][..], encrypted].concat());
        let public = openssl(&["pkey", "-in", path, "-passin", &pass, "-pubout", "-outform", "DER"]);
        let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
        blob.extend(&public[public.len() - 32..]);
        let line = format!("ssh-ed25519 {}\n", base64::engine::general_purpose::STANDARD.encode(blob));
        fs::write(format!("{path}.pub"), line).unwrap();
        sshd.authorize(&file);
        let mut sftp = settings(&sshd);
        sftp.key = Some(SecretRef::File(file));
        sftp.passphrase = passphrase.and_then(literal);
        check_connected(sftp);
    }
}

#[test]
fn a_sign_in_that_is_refused_says_what_the_server_offers() {
    let sshd = sshd("", &[]);
    let folder = crate::stage::folder();
    let stranger = folder.path().join("stranger");
    keygen(&["-t", "ed25519", "-N", ""], &stranger);
    let with_key = |key: Option<SecretRef>| {
        let mut sftp = settings(&sshd);
        sftp.key = key;
        sftp
    };
    let stranger = Some(SecretRef::File(stranger));
    check_refused(
        with_key(stranger),
        "Refused",
        &["tried publickey (refused ssh-ed25519 SHA256:", "server offers publickey"],
    );
    let mut password = with_key(None);
    password.password = literal("guess");
    check_refused(password, "Rejected", &["tried nothing", "the server offers publickey"]);
    check_refused(with_key(literal("not a key")), "Rejected", &["private key for 127.0.0.1", "BEGIN"]);
    check_refused(with_key(literal("")), "Rejected", &["private key for 127.0.0.1 (written in the settings) is empty"]);
    let absent = Some(SecretRef::File(folder.path().join("absent")));
    check_refused(with_key(absent), "Rejected", &["read the key", "absent"]);
}

#[test]
fn passwords_are_answered_however_they_are_asked_for() {
    for methods in [Methods::Password, Methods::Interactive, Methods::KeyAndPassword] {
        let server = Asyncssh::start(methods);
        let with = |password: &str| {
            let mut sftp = server.settings();
            sftp.password = literal(password);
            sftp
        };
        check_connected(with("correct horse"));
        let asked = match methods {
            Methods::Interactive | Methods::Code => "keyboard-interactive (refused)",
            _ => "password (refused)",
        };
        check_refused(with("wrong"), "Rejected", &[asked, "the server offers"]);
    }
    let server = Asyncssh::start(Methods::KeyAndPassword);
    let mut key_alone = server.settings();
    key_alone.password = None;
    check_refused(key_alone, "Rejected", &["tried publickey (accepted, more required)", "the server offers password"]);
}

#[test]
fn a_server_that_is_not_openssh_takes_deliveries() {
    let server = Asyncssh::start(Methods::Password);
    let sftp = || {
        let mut sftp = server.settings();
        sftp.password = literal("correct horse");
        sftp.base = "/".to_owned();
        sftp.mkdir = true;
        sftp.mode = Some(0o640);
        sftp
    };
    let content = noise(3_000_000);
    for existing in [Existing::Fail, Existing::Replace, Existing::Number] {
        let mut plan = with_done(plan(sftp(), existing));
        plan.directory = "in/learning".to_owned();
        let receipt = delivered(deliver(&spool("a.csv", &content), &plan));
        assert_eq!(receipt.verified, "size");
    }
    let (name, numbered) = ("in/learning/a.csv", "in/learning/a-1.csv");
    check_tree(
        server.root(),
        &[(name, &content), ("in/learning/a.csv.done", b""), (numbered, &content), ("in/learning/a-1.csv.done", b"")],
    );
}

#[test]
fn each_step_on_the_way_tells_its_own_truth() {
    let sshd = sshd("", &["ForceCommand echo Welcome to this server"]);
    check_refused(
        settings(&sshd),
        "Retryable",
        &["start SFTP", "printed text before SFTP: \\\"Welcome to this server", "login script"],
    );
    let at = |host: &str, port: u16| {
        let mut sftp = settings(&sshd);
        sftp.host = host.to_owned();
        sftp.port = port;
        sftp.timeouts.connect = Duration::from_millis(300);
        sftp
    };
    check_refused(at("no-such-host.invalid", 22), "Retryable", &["look up no-such-host.invalid"]);
    check_refused(at("127.0.0.1", free_port()), "Retryable", &["connect to 127.0.0.1", "refused"]);
    // Accepts, and says nothing.
    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = silent.local_addr().unwrap().port();
    check_refused(at("127.0.0.1", port), "Retryable", &["exchange keys with"]);
}

#[test]
fn a_server_without_a_common_cipher_is_told_with_both_lists() {
    let sshd = sshd("", &["Ciphers aes128-cbc"]);
    check_refused(
        settings(&sshd),
        "Rejected",
        &[
            "exchange keys with",
            "administrator enable",
            "no cipher algorithm in common: the server offers aes128-cbc; reportferry offers aes128-gcm",
        ],
    );
}

/// An agent may wait for a person, for ever: that is no refusal, and not waited for.
#[test]
fn an_agent_that_is_silent_is_waited_for_as_long_as_a_connection_is() {
    const SIGN: u8 = 13;
    let (sshd, folder) = (sshd("", &[]), crate::stage::folder());
    let agent = agent::Agent::start();
    agent.add(&sshd.user_key());
    let with = |socket| {
        let mut sftp = settings(&sshd);
        sftp.key = None;
        sftp.agent = Some(Agent { socket: AgentSocket::Path(socket), key: None });
        sftp.timeouts.connect = Duration::from_secs(1);
        sftp
    };
    check_connected(with(agent.socket()));
    let late = "the agent did not answer within 1.0 s";
    check_refused(with(silent_at(folder.path(), None, 0)), "Retryable", &["ask the ssh-agent at", late]);
    let folder = crate::stage::folder();
    let unsigned = with(silent_at(folder.path(), Some(agent.socket()), SIGN));
    check_refused(unsigned, "Retryable", &["publickey by agent", late, "waits for a person", "SHA256:"]);
}
