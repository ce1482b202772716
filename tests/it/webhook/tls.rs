//! TLS that does not come about: certificates of receivers and of ours, each wrong in one thing.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

use super::delivery;
use super::storms::{feed_to, run};
use crate::stage::receiver::{Receiver, SECRET};
use crate::stage::rig::both;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stage/certificates.py");

/// A client certificate of version 1 and its key, of an authority that nobody knows; good until 2126.
const V1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBHjCBxAIUfAsIVEyxhiUVQ7H054Xpu3xX/u8wCgYIKoZIzj0EAwIwFDESMBAG
A1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyNjA3MDMwMVoYDzIxMjYxMTAyMDcwMzAx
WjANMQswCQYDVQQDDAJ1czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHLNpiAo
32SzKyDYCj9SbyOfigmVSjTlN5dnqMn7mLkQ2bvkuPqoJ0sNZC6X2cZkaKrTYLkC
M7aH2wORx0eIH14wCgYIKoZIzj0EAwIDSQAwRgIhAP2Z/6Lr+UGA6rdtqKs4htQz
0eAOFfEJ1gZMCY/Fq0FXAiEA7YlfZAEAsCwizVjXgHHvV9EtWr2OIA0WprVKrGwF
o18=
-----END CERTIFICATE-----
";
const V1_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKpjJranNxLcq+lyN
tOlJkjWmsJSV9sSL/3W9fa2oNfyhRANCAARyzaYgKN9ksysg2Ao/Um8jn4oJlUo0
5TeXZ6jJ+5i5ENm75Lj6qCdLDWQul9nGZGiq02C5AjO2h9sDkcdHiB9e
-----END PRIVATE KEY-----
";

fn certificates() -> tempfile::TempDir {
    let folder = crate::stage::folder();
    let output = Command::new(PYTHON).arg(SCRIPT).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(folder.path().join("v1.pem"), V1).unwrap();
    std::fs::write(folder.path().join("v1.key"), V1_KEY).unwrap();
    folder
}

fn ca(folder: &Path, name: &str) -> String {
    format!("ca: {:?}", folder.join(format!("{name}.pem")))
}

fn client(folder: &Path, certificate: &str, key: &str) -> String {
    let (certificate, key) = (folder.join(format!("{certificate}.pem")), folder.join(format!("{key}.key")));
    format!("client: {{cert: {certificate:?}, key: {{file: {key:?}}}}}")
}

/// It is rejected, in these words, and nothing of Rust's is among them. In TLS 1.3 a refusal of our certificate follows the
/// handshake, and a connection that breaks before it came is tried again.
fn rejected(output: &std::process::Output, words: &[&str]) {
    let told = both(output);
    assert_eq!(output.status.code(), Some(3), "{told}");
    let delivery = delivery(output);
    assert_eq!(delivery["state"], "rejected", "{told}");
    assert!((1..=2).contains(&delivery["attempts"].as_u64().unwrap()), "{told}");
    let reason = delivery["reason"].as_str().unwrap();
    for word in words {
        assert!(reason.contains(word), "{word}: {reason}");
    }
    for word in ["Error(", "Other", "peer"] {
        assert!(!reason.contains(word), "{reason}");
    }
}

#[test]
fn d16_a_receivers_certificate_that_is_wrong_is_rejected_in_plain_words() {
    let folder = certificates();
    let at = |name: &str| folder.path().join(name);
    for (server, trusted, words) in [
        ("expired", Some("authority"), "TLS: the receiver's certificate expired on 20"),
        ("future", Some("authority"), "TLS: the receiver's certificate is not valid before 20"),
        ("elsewhere", Some("authority"), "TLS: the receiver's certificate is for bi.example, not for localhost"),
        ("root", Some("root"), "TLS: the receiver presents a CA certificate as its own; it needs a server certificate"),
        ("root", None, "TLS: the receiver presents a CA certificate as its own"),
        ("selfsigned", None, "TLS: the receiver's certificate is self-signed, or its issuer is not trusted here"),
        ("selfsigned", Some("authority"), "is self-signed, or its issuer is not trusted here; write `ca: FILE`"),
        ("server", Some("stranger"), "is self-signed, or its issuer is not trusted here"),
        ("notforservers", Some("authority"), "its extended key usage does not list serverAuth"),
    ] {
        let files = [at(&format!("{server}.pem")), at(&format!("{server}.key"))];
        let receiver = Receiver::with(SECRET, &[&files[0], &files[1]]);
        let more = trusted.map(|name| ca(folder.path(), name)).unwrap_or_default();
        let rig = feed_to(3, &format!("https://localhost:{}/", receiver.port), &more);
        rejected(&run(&rig, "2s"), &[words]);
        assert!(receiver.got().is_empty());
    }
}

#[test]
fn d16_a_client_certificate_that_cannot_be_used_is_rejected_and_checked() {
    let folder = certificates();
    let at = |name: &str| folder.path().join(name);
    let receiver = Receiver::with(SECRET, &[&at("server.pem"), &at("server.key"), &at("authority.pem")]);
    let rig = |more: &str| {
        let more = format!("{}, {more}", ca(folder.path(), "authority"));
        feed_to(3, &format!("https://localhost:{}/", receiver.port), &more)
    };
    for (certificate, key, words) in [
        ("v1", "v1", "the client certificate is X.509 v1"),
        ("client", "chained", "the client certificate and its key do not belong together"),
        ("clientexpired", "clientexpired", "the client certificate expired on 20"),
        ("clientfuture", "clientfuture", "the client certificate is not valid before 20"),
        ("wrongorder", "chained", "the certificates are in the wrong order: that of the key is number 2"),
    ] {
        let rig = rig(&client(folder.path(), certificate, key));
        let checked = rig.reportferry(&["check"]);
        // Lines are wrapped by the length of the folder's path.
        let told = both(&checked).replace("\n  │ ", " ");
        assert!(told.contains(words), "{words}: {told}");
        rejected(&run(&rig, "2s"), &[words, &format!("{certificate}.pem")]);
    }
    assert!(receiver.got().is_empty());
    for (certificate, key) in [("client", "client"), ("rightorder", "chained")] {
        let rig = rig(&client(folder.path(), certificate, key));
        let checked = both(&rig.reportferry(&["check"]));
        assert!(!checked.contains("certificate"), "{checked}");
        let output = run(&rig, "2s");
        assert!(output.status.success(), "{certificate}: {}", both(&output));
    }
}

#[test]
fn d16_a_client_certificate_that_the_receiver_refuses_is_rejected() {
    let folder = certificates();
    let at = |name: &str| folder.path().join(name);
    let receiver = Receiver::with(SECRET, &[&at("server.pem"), &at("server.key"), &at("authority.pem")]);
    for (more, words) in [
        (String::new(), "TLS: the receiver requires a client certificate; write `client: {cert: FILE"),
        (client(folder.path(), "unknown", "unknown"), "does not know the authority that issued it"),
        (client(folder.path(), "clientserver", "clientserver"), "refuses the client certificate"),
    ] {
        let more = format!("{}, {more}", ca(folder.path(), "authority"));
        let rig = feed_to(3, &format!("https://localhost:{}/", receiver.port), &more);
        rejected(&run(&rig, "2s"), &[words]);
    }
    assert!(receiver.got().is_empty());
}

#[test]
fn d16_a_port_that_does_not_speak_tls_is_named() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
            // What the client sends is read, so that closing resets nothing.
            let _read = stream.read(&mut [0; 4096]).unwrap_or_default();
        }
    });
    let output = run(&feed_to(3, &format!("https://localhost:{port}/"), ""), "0s");
    assert!(both(&output).contains("TLS: the receiver does not answer in TLS; check the port"), "{}", both(&output));
}

#[test]
fn d16_a_ca_file_without_certificates_is_named() {
    let folder = certificates();
    let ca = format!("ca: {:?}", folder.path().join("server.key"));
    let output = run(&feed_to(3, "https://localhost:1/", &ca), "0s");
    rejected(&output, &["holds no certificate"]);
}
