//! Webhooks: a receiver that verifies by a published library, answers that go wrong, crashes, addresses, TLS.

mod again;
mod answers;
mod long;
pub(crate) mod oauth2;
mod readers;
mod requests;
mod storms;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::stage::receiver::{Receiver, SECRET};
use super::stage::rig::{PIPELINE, Rig, SLOT, both, document};

/// 400 rows of the sandbox, fewer after the filter, in batches of 20.
const BATCHES: &str = "body: rows, batch: {rows: 20}";
const TOKEN: &str = "t0ken-of-the-bearer";

fn pipeline() -> String {
    PIPELINE.replace(r#"hris: {path: inbound, existing: fail, done_file: "{name}.done"}"#, "bi: {}")
}

/// A rig whose destination `bi` is this receiver; `more` are further keys of the webhook.
fn rig(pipeline: &str, url: &str, more: &str) -> Rig {
    rig_with(pipeline, url, more, "    retry: {initial: 20ms, max: 2s, give_up_after: 1h}\n")
}

/// The same, with these further lines of the destination.
fn rig_with(pipeline: &str, url: &str, more: &str, lines: &str) -> Rig {
    let rig = Rig::new(pipeline);
    std::fs::write(rig.folder.path().join("hook"), SECRET).unwrap();
    std::fs::write(rig.folder.path().join("token"), TOKEN).unwrap();
    let settings = rig.folder.path().join("reportferry.yaml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let bi = format!(
        "destinations:\n  bi:\n    webhook: {{url: \"{url}\", secret: {{file: hook}}, bearer: {{file: token}}, {more}}}\n{lines}"
    );
    std::fs::write(&settings, text.replace("destinations:\n", &bi)).unwrap();
    rig
}

fn to(receiver: &Receiver, more: &str) -> Rig {
    to_path(receiver, "/hooks?x=1", more)
}

pub(crate) fn to_path(receiver: &Receiver, path: &str, more: &str) -> Rig {
    rig(&pipeline(), &format!("http://127.0.0.1:{}{path}", receiver.port), &format!("allow: [loopback], {more}"))
}

fn delivery(output: &std::process::Output) -> Value {
    document(output)["deliveries"][0].clone()
}

/// The rows by what came first under each id, in the order of the batches.
pub(crate) fn rows(got: &[Value]) -> Vec<Value> {
    let mut batches: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for request in got.iter().filter(|request| request["answer"] == 200 || request["answer"] == "drop") {
        let data = &request["body"]["data"];
        let (number, of) = (data["batch"]["number"].as_u64().unwrap(), data["batch"]["of"].as_u64().unwrap());
        let id = request["id"].as_str().unwrap();
        assert!(id.split("-cut-").next().unwrap().ends_with(&format!("-bi-{number}-of-{of}")), "{id}");
        let rows = data["rows"].as_array().unwrap().clone();
        assert_eq!(data["batch"]["rows"], rows.len());
        let known = batches.entry(number).or_insert_with(|| rows.clone());
        assert_eq!(*known, rows, "the same id carries the same rows");
    }
    batches.into_values().flatten().collect()
}

/// What a local drop gets of the same run, as objects.
pub(crate) fn expected() -> Vec<Value> {
    let rig = Rig::new(&PIPELINE.replace("hris:", "local:"));
    assert!(rig.run().status.success());
    let text = rig.read("completions_20261123.csv");
    let mut reader = csv::Reader::from_reader(&text[..]);
    let headers = reader.headers().unwrap().clone();
    let object = |record: csv::StringRecord| {
        let cell = |cell: &str| if cell.is_empty() { Value::Null } else { json!(cell) };
        Value::Object(headers.iter().zip(&record).map(|(key, value)| (key.to_owned(), cell(value))).collect())
    };
    reader.records().map(|record| object(record.unwrap())).collect()
}

#[test]
fn rows_arrive_in_signed_batches() {
    let receiver = Receiver::start();
    let rig = to(&receiver, BATCHES);
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    let got = receiver.got();
    let expected = expected();
    assert!(expected.len() > 100);
    assert_eq!(got.len(), expected.len().div_ceil(20));
    assert_eq!(rows(&got), expected);
    let ids: BTreeSet<&str> = got.iter().map(|request| request["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), got.len());
    let first = &got[0];
    assert_eq!(first["path"], "/hooks?x=1");
    assert_eq!(first["headers"]["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(first["body"]["type"], "reportferry.rows");
    assert_eq!(first["body"]["data"]["slot"], SLOT);
    let receipt = delivery(&output)["receipt"].clone();
    assert_eq!(
        (&receipt["address"], &receipt["path"]),
        (&json!(format!("127.0.0.1:{}", receiver.port)), &json!("/hooks"))
    );
    let again = rig.run();
    assert!(again.status.success());
    assert_eq!(receiver.got().len(), got.len(), "a delivered slot is not delivered again");
}

#[test]
fn answers_that_go_wrong_are_made_good_under_the_same_ids() {
    let receiver = Receiver::start();
    receiver.answers(&json!([503, 200, "drop", [429, {"Retry-After": "1"}], 200, 500, 408, 425, "drop"]));
    let rig = to(&receiver, BATCHES);
    let output = rig.reportferry(&["run", "line", "--slot", SLOT, "--json", "--wait", "30s"]);
    assert!(output.status.success(), "{}", both(&output));
    let got = receiver.got();
    assert_eq!(rows(&got), expected());
    // Within an attempt or in another one: seven answers were not an acknowledgement.
    assert!(got.len() >= expected().len().div_ceil(20) + 7, "{}", got.len());
    let mut taken = BTreeMap::new();
    for request in got.iter().filter(|request| request["answer"] == 200) {
        *taken.entry(request["id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    assert!(taken.values().all(|count| *count == 1), "an acknowledged batch is never sent again: {taken:?}");
}

/// ed25519 gives the same signature for the same message: Python's `cryptography` says which.
#[test]
fn ed25519_signatures_are_those_of_another_library() {
    use reportferry::deliver::webhook::signature::{Key, sign};
    const SCRIPT: &str = "
import base64, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(sys.argv[1]))
print('v1a,' + base64.b64encode(key.sign(sys.argv[2].encode())).decode())
";
    let seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");
    let output = Command::new(python).args(["-c", SCRIPT, seed, "id-1.1700000000.{\"a\":\"ü\"}"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let key =
        Key::parse(&reportferry::secret::Secret::new(format!("whsk_{seed}"))).unwrap_or_else(|error| panic!("{error}"));
    let ours = sign(&[key], "id-1", 1_700_000_000, "{\"a\":\"ü\"}".as_bytes());
    assert_eq!(ours, String::from_utf8(output.stdout).unwrap().trim());
}

#[test]
fn a_refusal_is_final_and_told() {
    let receiver = Receiver::start();
    receiver.answers(&json!([422]));
    let rig = to(&receiver, "in_flight: 1");
    let output = rig.run();
    assert_eq!(output.status.code(), Some(3), "{}", both(&output));
    let delivery = delivery(&output);
    let reason = delivery["reason"].as_str().unwrap();
    assert!(reason.contains("the receiver answers 422: no: Bearer …"), "{reason}");
    assert_eq!((&delivery["state"], receiver.got().len()), (&json!("rejected"), 1));
    assert!(!both(&output).contains(TOKEN));
    receiver.answers(&json!([[302, {"Location": "http://127.0.0.1:1/"}]]));
    let redirected = rig.reportferry(&["retry", document(&output)["run"].as_str().unwrap()]);
    assert!(both(&redirected).contains("redirects are not followed"), "{}", both(&redirected));
    assert_eq!(receiver.got().len(), 2);
}

#[test]
fn a_destination_that_is_gone_gets_nothing_until_a_person_says_so() {
    let receiver = Receiver::start();
    receiver.answers(&json!([410]));
    let rig = to(&receiver, "body: notice");
    let gone = rig.run();
    assert_eq!(gone.status.code(), Some(4), "{}", both(&gone));
    assert!(both(&gone).contains("answers 410"), "{}", both(&gone));
    let later = rig.reportferry(&["run", "line", "--slot", "2026-11-24T05:30:00-05:00", "--json"]);
    assert_eq!(later.status.code(), Some(4), "{}", both(&later));
    assert_eq!(receiver.got().len(), 1, "nothing was sent for the later slot");
    let retried = rig.reportferry(&["retry", document(&later)["run"].as_str().unwrap()]);
    assert!(retried.status.success(), "{}", both(&retried));
    assert_eq!(receiver.got().len(), 2);
}

#[test]
fn every_step_of_a_webhook_can_break() {
    let expected = expected();
    for step in ["webhook.send", "ledger.parts"] {
        for kind in ["fail", "lost_before", "lost_after", "kill_before", "kill_after", "repeat"] {
            for nth in ["@1", "@3"] {
                let receiver = Receiver::start();
                let rig = to(&receiver, "batch: {rows: 20}, in_flight: 1");
                let fault = format!("{step}={kind}{nth}");
                rig.run_with_fault(&fault);
                let output = rig.run();
                let output = if output.status.success() { output } else { rig.run() };
                assert!(output.status.success(), "{fault}: {}", both(&output));
                let got = receiver.got();
                assert_eq!(rows(&got), expected, "{fault}");
                let sent = |id: &Value| got.iter().filter(|request| request["id"] == *id).count();
                let again = got.iter().filter(|request| sent(&request["id"]) > 1).count();
                // What the ledger has is not sent again; what was under way goes again under its id.
                let most = if step == "ledger.parts" && kind == "repeat" { 0 } else { 4 };
                assert!(again <= most, "{fault}: {again} requests share an id");
                if step == "ledger.parts" && matches!(kind, "kill_after" | "repeat") {
                    let first = got.iter().filter(|request| request["body"]["data"]["batch"]["number"] == 1).count();
                    assert_eq!(first, 1, "{fault}: an acknowledged batch was sent again");
                }
                let delivery = delivery(&output);
                assert_eq!(delivery["state"], "delivered", "{fault}");
            }
        }
    }
}

#[test]
fn addresses_of_this_network_are_refused_unless_they_are_asked_for() {
    let receiver = Receiver::start();
    let port = receiver.port;
    for host in ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1"] {
        let rig = rig(&pipeline(), &format!("http://{host}:{port}/"), "insecure: true, allow: [private]");
        let output = rig.run();
        assert_eq!(output.status.code(), Some(3), "{host}: {}", both(&output));
        assert!(
            both(&output).contains("loopback address") && both(&output).contains("allow: [loopback]"),
            "{}",
            both(&output)
        );
    }
    let metadata = rig(&pipeline(), "http://169.254.169.254/", "insecure: true, allow: [loopback]");
    assert!(both(&metadata.run()).contains("link-local"), "{}", both(&metadata.run()));
    assert!(receiver.got().is_empty());
}

#[test]
fn files_and_notices_come_whole_and_packed() {
    for (compress, encoding) in [("none", Value::Null), ("gzip", json!("gzip")), ("zstd", json!("zstd"))] {
        let receiver = Receiver::start();
        receiver.answers(&json!([503]));
        let rig = to(&receiver, &format!("body: file, compress: {compress}"));
        let output = rig.run();
        assert!(output.status.success(), "{}", both(&output));
        let got = receiver.got();
        assert_eq!(got.len(), 2);
        assert_eq!(got[0]["id"], got[1]["id"]);
        let sha256 = document(&output)["artifact"]["sha256"].clone();
        assert_eq!((&got[1]["sha256"], &got[1]["encoding"]), (&sha256, &encoding));
        assert_eq!(got[1]["headers"]["x-artifact-name"], "completions_20261123.csv");
        assert!(got[1]["headers"]["repr-digest"].as_str().unwrap().starts_with("sha-256=:"));
    }
    let receiver = Receiver::start();
    let both_of_them = PIPELINE.replace("deliver:\n", "deliver:\n  bi: {}\n");
    let url = format!("http://127.0.0.1:{}/", receiver.port);
    let rig = rig(&both_of_them, &url, "allow: [loopback], body: notice, compress: gzip");
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    let notice = receiver.got()[0]["body"].clone();
    assert_eq!(notice["type"], "reportferry.notice");
    assert_eq!(notice["data"]["artifact"]["sha256"], document(&output)["artifact"]["sha256"]);
    assert_eq!(notice["data"]["delivered_to"][0]["destination"], "hris", "{notice:#}");
    assert!(notice["data"]["delivered_to"][0]["path"].as_str().unwrap().ends_with("inbound/completions_20261123.csv"));
}

/// P14: what a receiver keeps is its own.
#[test]
fn p14_verify_says_what_it_cannot_know_of_a_webhook() {
    let receiver = Receiver::start();
    for (more, said) in [
        (BATCHES, "10 of 10 batches acknowledged, last status 200 at 20"),
        ("body: rows", "1 of 1 batches acknowledged, last status 200 at 20"),
        ("body: notice", "the data; acknowledged, last status 200 at 20"),
        ("body: file", "the data; acknowledged, last status 200 at 20"),
    ] {
        let rig = to(&receiver, more);
        let run = document(&rig.run())["run"].as_str().unwrap().to_owned();
        let batches = expected().len().div_ceil(20);
        let said = said.replace("10 of 10", &format!("{batches} of {batches}"));
        for arguments in [vec!["verify"], vec!["verify", &run], vec!["verify", &run, "--checksum"]] {
            let verified = rig.reportferry(&arguments);
            assert!(verified.status.success(), "{more}: {}", both(&verified));
            let told = both(&verified);
            assert!(told.contains("cannot be verified: the receiver stores") && told.contains(&said), "{said}: {told}");
            assert!(
                told.contains("1 webhook deliveries were acknowledged") && !told.contains(" files match"),
                "{told}"
            );
        }
        let verified = rig.reportferry(&["verify", "--json"]);
        assert_eq!(document(&verified)["files"][0]["found"], "acknowledged");
        // Also when the settings have no such destination any more.
        rig.settings(|text| text.replace("  bi:\n", "  bx:\n"));
        assert!(rig.reportferry(&["verify"]).status.success());
    }
}

/// P17: the library reads text, the receiver may have what was sent or what it was before.
#[test]
fn p17_a_packed_file_is_verified_before_and_after_it_is_unpacked() {
    let receiver = Receiver::start();
    for (body, compress) in [("file", "gzip"), ("file", "zstd"), ("file", "none"), ("rows", "gzip"), ("notice", "zstd")]
    {
        let rig = to(&receiver, &format!("body: {body}, compress: {compress}"));
        let output = rig.run();
        assert!(output.status.success(), "{}", both(&output));
        // `got` asserts that the library verifies what came, unpacked, and its HMAC the raw body.
        let last = receiver.got().last().unwrap().clone();
        assert_eq!(last["verified"], true);
        let signatures = last["headers"]["webhook-signature"].as_str().unwrap().split(' ').count();
        assert_eq!(signatures, if compress == "none" { 1 } else { 2 }, "{body} {compress}");
    }
}

#[test]
fn a_notice_waits_for_what_it_tells_of() {
    let receiver = Receiver::start();
    let both_of_them = PIPELINE.replace("deliver:\n", "deliver:\n  bi: {}\n");
    let url = format!("http://127.0.0.1:{}/", receiver.port);
    let rig = rig(&both_of_them, &url, "allow: [loopback], body: notice");
    let settings = rig.folder.path().join("reportferry.yaml");
    let good = std::fs::read_to_string(&settings).unwrap();
    let sshd = format!("port: {}", super::stage::rig::servers().sshd.port);
    std::fs::write(&settings, good.replace(&sshd, "port: 1")).unwrap();
    let output = rig.reportferry(&["run", "line", "--slot", SLOT, "--json", "--wait", "0s"]);
    assert_eq!(output.status.code(), Some(6), "{}", both(&output));
    assert!(receiver.got().is_empty(), "nothing was dropped yet");
    assert!(both(&output).contains("waits for the other destinations"), "{}", both(&output));
    std::fs::write(&settings, good).unwrap();
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(receiver.got().len(), 1);
}

/// An authority, and a certificate of it for this name, with its key.
fn certificate(folder: &Path, name: &str) {
    let run = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    if !folder.join("ca.pem").exists() {
        run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority",
        );
    }
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        .unwrap();
    run(&format!(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
    ));
    run(&format!(
        "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 2 -extfile names"
    ));
}

#[test]
fn certificates_are_checked_on_both_sides() {
    let folder = crate::stage::folder();
    let at = |name: &str| folder.path().join(name);
    certificate(folder.path(), "server");
    certificate(folder.path(), "client");
    let receiver = Receiver::with(SECRET, &[&at("server.pem"), &at("server.key"), &at("ca.pem")]);
    let url = format!("https://localhost:{}/", receiver.port);
    let run = |more: String| {
        let rig = rig(&pipeline(), &url, &format!("allow: [loopback], {more}"));
        // A server that refuses the handshake may close before its reason is read: then the next attempt has it.
        rig.reportferry(&["run", "line", "--slot", SLOT, "--json", "--wait", "30s"])
    };
    let stranger = run(String::new());
    assert_eq!(stranger.status.code(), Some(3));
    assert!(both(&stranger).contains("the receiver's certificate"), "{}", both(&stranger));
    let ca = format!("ca: {:?}", at("ca.pem"));
    let nameless = run(ca.clone());
    assert_eq!(nameless.status.code(), Some(3), "{}", both(&nameless));
    assert!(receiver.got().is_empty());
    let known = run(format!("{ca}, client: {{cert: {:?}, key: {{file: {:?}}}}}", at("client.pem"), at("client.key")));
    assert!(known.status.success(), "{}", both(&known));
    assert_eq!(rows(&receiver.got()), expected());
}

#[test]
fn a_doctor_says_how_far_it_comes() {
    let folder = crate::stage::folder();
    let at = |name: &str| folder.path().join(name);
    certificate(folder.path(), "server");
    let receiver = Receiver::with(SECRET, &[&at("server.pem"), &at("server.key")]);
    let url = format!("https://localhost:{}/", receiver.port);
    let doctor = |url: &str, more: String| {
        let rig = rig(&pipeline(), url, &more);
        rig.reportferry(&["doctor", "bi", "--json"])
    };
    let steps = |output: &std::process::Output| -> Vec<String> {
        let steps = document(output)["steps"].as_array().unwrap().clone();
        steps
            .iter()
            .map(|step| format!("{} {}", step["name"].as_str().unwrap(), step["outcome"].as_str().unwrap()))
            .collect()
    };
    let well = doctor(&url, format!("allow: [loopback], ca: {:?}", at("ca.pem")));
    assert!(well.status.success(), "{}", both(&well));
    assert_eq!(steps(&well), ["name done", "addresses done", "tcp done", "tls done", "test event done"]);
    assert!(both(&well).contains("and good for ") && both(&well).contains("inform its operator"), "{}", both(&well));
    let event = receiver.got()[0].clone();
    assert_eq!((&event["body"]["type"], &event["verified"]), (&json!("reportferry.test"), &json!(true)));
    let stranger = doctor(&url, "allow: [loopback]".to_owned());
    assert_eq!(steps(&stranger).last().unwrap(), "tls failed");
    let inside = doctor(&url, "insecure: false".to_owned());
    assert_eq!((steps(&inside).last().unwrap().as_str(), inside.status.code()), ("addresses failed", Some(3)));
    receiver.answers(&json!([401]));
    let refused = doctor(&url, format!("allow: [loopback], ca: {:?}", at("ca.pem")));
    assert_eq!(steps(&refused).last().unwrap(), "test event failed");
    assert!(!both(&refused).contains(TOKEN), "{}", both(&refused));
}

#[test]
fn what_means_nothing_for_a_webhook_is_told() {
    let wrong = pipeline().replace("bi: {}", "bi: {path: inbound}");
    let named = self::rig(&wrong, "https://bi.example/", "");
    assert!(both(&named.reportferry(&["check"])).contains("it has no files"));
    let rig = rig(&wrong, "https://bi.example/", "batch: {rows: 1}, body: file, headers: {Host: {file: token}}");
    let output = rig.reportferry(&["check"]);
    assert_eq!(output.status.code(), Some(2));
    for words in ["`batch` has no effect without `body: rows`", "`Host` is set by the delivery itself"] {
        assert!(both(&output).contains(words), "{words}: {}", both(&output));
    }
    let plain = self::rig(&pipeline(), "http://bi.example/", "");
    assert!(both(&plain.reportferry(&["check"])).contains("plain http would send the rows unencrypted"));
}
