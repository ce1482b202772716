//! OAuth2 client credentials: an authorization server that checks RFC 6749, tokens that are refused, secrets.

use serde_json::{Value, json};

use super::super::stage::receiver::Receiver;
use super::super::stage::rig::{Rig, both, document};
use super::pipeline;

pub(crate) const CLIENT_SECRET: &str = "s3cret/of+the client";
pub(crate) const ENCODED: &str = "s3cret%2Fof%2Bthe+client";

/// A rig whose destination `bi` signs in with a token. Small batches, several in flight.
pub(crate) fn rig(receiver: &Receiver, more: &str) -> Rig {
    let rig = Rig::new(&pipeline());
    std::fs::write(rig.folder.path().join("client"), CLIENT_SECRET).unwrap();
    let settings = rig.folder.path().join("reportferry.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let at = format!("http://127.0.0.1:{}", receiver.port);
    let bi = format!(
        "destinations:\n  bi:\n    webhook: {{url: \"{at}/in\", allow: [loopback], batch: {{rows: 20}}, \
         oauth2: {{token_url: \"{at}/token\", client_id: the-client, client_secret: {{file: client}}{more}}}}}\n    \
         retry: {{initial: 20ms, max: 2s, give_up_after: 1h}}\n"
    );
    std::fs::write(&settings, text.replace("destinations:\n", &bi)).unwrap();
    rig
}

/// The token requests and the others.
fn split(got: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    got.into_iter().partition(|request| request["path"] == "/token")
}

#[test]
fn one_token_serves_all_requests() {
    for (more, form) in [
        (", scope: \"a b\", audience: https://api", json!({"scope": "a b", "audience": "https://api"})),
        (", auth: body", json!({})),
    ] {
        let receiver = Receiver::api("any");
        let rig = rig(&receiver, more);
        let output = rig.run();
        assert!(output.status.success(), "{}", both(&output));
        let (tokens, requests) = split(receiver.got());
        assert_eq!((tokens.len(), &tokens[0]["form"]), (1, &form));
        assert!(requests.len() > 5, "several batches, four in flight at once");
        assert!(requests.iter().all(|request| request["answer"] == 200));
    }
}

#[test]
fn a_refused_token_is_renewed_once() {
    let receiver = Receiver::api("any");
    receiver.answers(&json!([null, null, 401]));
    let rig = rig(&receiver, "");
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    let (tokens, _) = split(receiver.got());
    assert!(tokens.len() > 1, "another token");

    let receiver = Receiver::api("any");
    receiver.answers(&json!([401, 401, 401, 401, 401, 401, 401, 401, 401, 401]));
    let rig = self::rig(&receiver, "");
    let output = rig.run();
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    assert_eq!(document(&output)["deliveries"][0]["state"], "rejected");
    let (_, requests) = split(receiver.got());
    assert!(requests.len() <= 8, "each of the four batches twice: {}", requests.len());
    for request in &requests {
        let sent = request["headers"]["authorization"].as_str().unwrap();
        let token = sent.strip_prefix("Bearer ").unwrap();
        assert!(!both(&output).contains(token), "a receiver that repeats the token does not reveal it");
    }
}

#[test]
fn a_token_endpoint_that_fails_is_tried_again_and_one_that_refuses_is_not() {
    let receiver = Receiver::api("any");
    receiver.token_answers(&json!([503, "drop"]));
    let output = rig(&receiver, "").reportferry(&["run", "line", "--slot", super::SLOT, "--json", "--wait", "30s"]);
    assert!(output.status.success(), "{}", both(&output));

    let receiver = Receiver::api("any");
    let rig = rig(&receiver, ", scope: s");
    std::fs::write(rig.folder.path().join("client"), "another-secret").unwrap();
    let output = rig.run();
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    let reason = document(&output)["deliveries"][0]["reason"].to_string();
    assert!(reason.contains("no token: the token endpoint answers 400"), "{reason}");
    assert!(!both(&output).contains("another-secret"));
}

#[test]
fn the_token_endpoint_is_guarded_like_any_address() {
    let receiver = Receiver::api("any");
    let rig = rig(&receiver, "");
    let settings = rig.folder.path().join("reportferry.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let text = text.replace(&format!("http://127.0.0.1:{}/token", receiver.port), "https://169.254.169.254/token");
    std::fs::write(&settings, text).unwrap();
    let output = rig.run();
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    assert!(both(&output).contains("169.254.169.254"), "{}", both(&output));
    assert!(receiver.got().is_empty());
}

#[test]
fn neither_token_nor_secret_is_written_anywhere() {
    let receiver = Receiver::api("any");
    receiver.answers(&json!([null, 401, 401]));
    let rig = rig(&receiver, "");
    let output = rig.reportferry(&["run", "line", "--slot", super::SLOT, "--json", "-vv"]);
    let (_, requests) = split(receiver.got());
    let mut secrets = vec![CLIENT_SECRET.to_owned(), ENCODED.to_owned()];
    secrets.extend(
        requests.iter().map(|request| {
            request["headers"]["authorization"].as_str().unwrap().trim_start_matches("Bearer ").to_owned()
        }),
    );
    std::fs::remove_file(rig.folder.path().join("client")).unwrap();
    let mut written = vec![both(&output).into_bytes()];
    let mut folders = vec![rig.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => written.push(std::fs::read(entry.path()).unwrap()),
                _ => {}
            }
        }
    }
    assert!(written.len() > 3, "the ledger and the spool are searched");
    for secret in &secrets {
        let is_there = |bytes: &Vec<u8>| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!written.iter().any(is_there), "{secret}");
    }
}
