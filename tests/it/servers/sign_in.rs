//! Signing in by agent, by several proofs, and by questions.

use std::fs;

use super::{Desk, reached};
use crate::sftp::sshd;
use crate::stage::agent::Agent;
use crate::stage::asyncssh::{Asyncssh, Methods};
use crate::stage::rig::both;
use crate::stage::sshd::{Sshd, fingerprint, keygen};

/// Reaches the server with `more` in place of the account's key.
fn without_key(sshd: &Sshd, more: &str) -> Desk {
    let settings = reached(sshd).replace(&format!("key: {{file: {:?}}}", sshd.user_key()), more);
    Desk::new(&format!("{settings}, host_keys: [\"{}\"]", sshd.fingerprints[0]))
}

#[track_caller]
fn check(desk: &Desk, exit: i32, parts: &[&str]) {
    let output = desk.reportferry(&["doctor", "hris"]);
    let said = both(&output);
    assert_eq!(output.status.code(), Some(exit), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn an_agents_keys_of_every_kind_sign_in() {
    let sshd = sshd("", &[]);
    let folder = crate::stage::folder();
    for (index, kind) in [&["-t", "ed25519"][..], &["-t", "ecdsa"], &["-t", "rsa", "-b", "2048"]].iter().enumerate() {
        let (agent, key, stranger) =
            (Agent::start(), folder.path().join(format!("{index}")), folder.path().join(format!("s{index}")));
        for file in [&key, &stranger] {
            keygen(&[kind, &["-N", ""][..]].concat(), file);
        }
        sshd.authorize(&key);
        agent.add(&stranger);
        agent.add(&key);
        let by = format!("agent: {:?}", agent.socket());
        check(&without_key(&sshd, &by), 0, &["by publickey by agent"]);
        let one = format!("{by}, agent_key: \"{}\"", fingerprint(&key));
        check(&without_key(&sshd, &one), 0, &["by publickey by agent"]);
        let (other, shown) = (format!("{by}, agent_key: \"{}\"", fingerprint(&stranger)), fingerprint(&stranger));
        check(&without_key(&sshd, &other), 3, &["tried publickey by agent (refused", &shown, "offers publickey"]);
    }
}

#[test]
fn the_environments_agent_is_used_where_the_settings_say_so() {
    let sshd = sshd("", &[]);
    let agent = Agent::start();
    let desk = without_key(&sshd, "agent: true");
    let with = |socket: &str| desk.command(&["doctor", "hris"]).env("SSH_AUTH_SOCK", socket).output().unwrap();
    let socket = agent.socket().display().to_string();
    let empty = with(&socket);
    assert!(both(&empty).contains("has no key") && empty.status.code() == Some(3), "{}", both(&empty));
    agent.add(&sshd.user_key());
    assert_eq!(with(&socket).status.code(), Some(0), "{}", both(&with(&socket)));
    let unset = desk.command(&["doctor", "hris"]).env_remove("SSH_AUTH_SOCK").output().unwrap();
    assert!(both(&unset).contains("SSH_AUTH_SOCK is not set"), "{}", both(&unset));
    let absent = with("/nowhere/agent");
    assert!(both(&absent).contains("ask the ssh-agent at /nowhere/agent (by SSH_AUTH_SOCK)"), "{}", both(&absent));
    let wrong = without_key(&sshd, &format!("agent: {socket:?}, agent_key: \"{}\"", sshd.fingerprints[0]));
    check(&wrong, 3, &["has SHA256:", "not SHA256:"]);
    // Nothing is used that the settings do not name.
    let key = desk.folder.path().join("stranger");
    keygen(&["-t", "ed25519", "-N", ""], &key);
    let desk = without_key(&sshd, &format!("key: {{file: {key:?}}}"));
    let output = desk.command(&["doctor", "hris"]).env("SSH_AUTH_SOCK", &socket).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
}

#[test]
fn a_key_and_an_agents_key_are_shown_where_two_are_asked_for() {
    let sshd = sshd("", &["AuthenticationMethods publickey,publickey"]);
    let (agent, folder) = (Agent::start(), crate::stage::folder());
    let second = folder.path().join("second");
    keygen(&["-t", "ed25519", "-N", ""], &second);
    sshd.authorize(&second);
    agent.add(&second);
    let both_keys = format!("key: {{file: {:?}}}, agent: {:?}", sshd.user_key(), agent.socket());
    check(&without_key(&sshd, &both_keys), 0, &["publickey, then publickey by agent"]);
    check(&without_key(&sshd, &format!("key: {{file: {:?}}}", sshd.user_key())), 3, &["the server offers publickey"]);
}

#[test]
fn several_questions_get_their_answers() {
    let server = Asyncssh::start(Methods::Code);
    let settings = server.settings();
    let desk = |answers: &str| {
        let desk = Desk::new(&format!(
            "host: 127.0.0.1, port: {}, username: acme, password: {{file: password}}, host_keys: [\"{}\"]{answers}",
            settings.port, settings.host_keys[0]
        ));
        fs::write(desk.folder.path().join("password"), "correct horse").unwrap();
        fs::write(desk.folder.path().join("code"), "246810").unwrap();
        desk
    };
    let answered = desk(", keyboard_interactive: {verification code: {file: code}}");
    check(&answered, 0, &["by keyboard-interactive"]);
    check(
        &desk(""),
        3,
        &["keyboard-interactive (refused; it asked \"Verification code:\", to which there is no answer"],
    );
    check(
        &desk(", keyboard_interactive: {verification code: {file: password}}"),
        3,
        &["keyboard-interactive (refused)"],
    );
    let loud = answered.reportferry(&["doctor", "hris", "--json", "--set", "log.filter=trace"]);
    assert!(!both(&loud).contains("correct horse") && !both(&loud).contains("246810"), "{}", both(&loud));
}

#[test]
fn d15_check_names_a_key_that_cannot_be_used() {
    let desk = |key: &str| {
        let settings = format!("host: h.example, username: acme, host_keys: [\"SHA256:{}\"], {key}", "A".repeat(43));
        Desk::new(&settings)
    };
    let folder = crate::stage::folder();
    let (plain, encrypted) = (folder.path().join("plain"), folder.path().join("encrypted"));
    keygen(&["-t", "ed25519", "-N", ""], &plain);
    keygen(&["-t", "ed25519", "-N", "secret"], &encrypted);
    let public = format!("key: {{file: \"{}.pub\"}}", plain.display());
    let (locked, jump) = (format!("key: {{file: {encrypted:?}}}"), format!("jump: {{host: j, username: u, {public}}}"));
    for (key, parts) in [
        (public.as_str(), ["the private key is a public key (ssh-ed25519)", "without `.pub`"]),
        (&locked, ["the private key is encrypted and there is no passphrase", "ssh-keygen -p -N ''"]),
        (&format!("password: x, {jump}"), ["the private key is a public key (ssh-ed25519)", "without `.pub`"]),
    ] {
        let output = desk(key).reportferry(&["check"]);
        let said = both(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)) && said.contains("reportferry.yaml:3"), "{said}");
    }
    let der = folder.path().join("der");
    fs::write(&der, [0x30, 0x82, 0xff, 0xfe]).unwrap();
    let said = both(&desk(&format!("key: {{file: {der:?}}}")).reportferry(&["check"]));
    assert!(said.contains("the private key is not text") && said.contains("-inform DER"), "{said}");
    // What can be used, and what cannot be read on this machine, is no problem.
    for key in [format!("key: {{file: {plain:?}}}"), "key: {file: /nowhere/key}".to_owned()] {
        let said = both(&desk(&key).reportferry(&["check"]));
        assert!(!said.contains("the private key"), "{said}");
    }
    let literal = std::fs::read_to_string(plain).unwrap().replace('\n', "\\n");
    let said = both(&desk(&format!("key: '{literal}'")).reportferry(&["check"]));
    assert!(!said.contains("the private key") && said.contains("written out"), "{said}");
}
