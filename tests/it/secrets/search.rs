//! Everything that a broad scenario writes, searched for every secret in every encoding.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use reportferry::ledger::state::RunState;
use reportferry::settings::LedgerSettings;
use serde_json::json;

use super::{LOUD, Platform, everything};
use crate::stage::eventually;
use crate::stage::postgres::programs;
use crate::stage::receiver::{Receiver, SECRET as SIGNING};
use crate::stage::rig::{PIPELINE, Rig, SLOT, both, document, servers};
use crate::watch::alerts::Receiver as Alerts;
use crate::watch::metrics::{get, listening};
use crate::work::stand::{Stand, every_minute};

/// Characters that each encoding writes differently.
const CLIENT_SECRET: &str = "cl1ent \"secret\"\\with/every&kind=of%char+ää";
const PASSWORD: &str = "p\u{e4}ss \"w0rd\"\\of/the&account%=+<tenant>";
const SALT: &str = "sa1t \"of\"\\the/addresses&pr1nted%by=a+command";
const BEARER: &str = "t0ken-of/the=bearer";
const HEADER: &str = "a-header's \"value\"\\that/is&secret";
const SFTP: &str = "sftp \"p4ss\"\\word/of&nobody";
const PROXY: &str = "pr0xy \"p4ss\"\\word/of&someone";
const MAIL: &str = "m4il \"p4ss\"\\word/of&someone";
const CHANNEL: &str = "T0ken-of/the-alert%20channel";

/// Secrets in every form in which they could be written.
pub(super) struct Search(Vec<(String, &'static str, Vec<u8>)>);

impl Search {
    pub(super) fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut seen = BTreeSet::new();
        let forms = secrets.into_iter().flat_map(|(name, secret)| {
            assert!(secret.len() >= 10, "{name} is too short to be searched for");
            forms(secret).into_iter().map(move |(form, bytes)| (name.to_owned(), form, bytes))
        });
        Self(forms.filter(|(.., bytes)| seen.insert(bytes.clone())).collect())
    }

    /// Returns where each secret is, by name: `password as base64 in standard error, byte 17`.
    pub(super) fn found(&self, written: &[(String, Vec<u8>)]) -> Vec<String> {
        let mut found = Vec::new();
        for (place, bytes) in written {
            for (name, form, needle) in &self.0 {
                found.extend(
                    memchr::memmem::find(bytes, needle).map(|at| format!("{name} as {form} in {place}, byte {at}")),
                );
            }
        }
        found
    }
}

fn forms(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = secret.as_bytes();
    let hex = |upper: bool, before: &str| -> Vec<u8> {
        let digits = |byte: &u8| if upper { format!("{before}{byte:02X}") } else { format!("{before}{byte:02x}") };
        bytes.iter().map(digits).collect::<String>().into_bytes()
    };
    let percent = |upper: bool, space: &str| -> Vec<u8> {
        let encoded = |byte: &u8| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
            b' ' => space.to_owned(),
            byte if upper => format!("%{byte:02X}"),
            byte => format!("%{byte:02x}"),
        };
        bytes.iter().map(encoded).collect::<String>().into_bytes()
    };
    let json = serde_json::to_string(secret).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    let ascii = |text: &str| -> String {
        let unit = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) };
        text.chars().map(unit).collect()
    };
    let utf16: Vec<u16> = secret.encode_utf16().collect();
    let mut forms = vec![
        ("it is", bytes.to_vec()),
        ("Rust shows it", format!("{secret:?}").trim_matches('"').as_bytes().to_vec()),
        ("hex", hex(false, "")),
        ("HEX", hex(true, "")),
        ("bytes in %xx", hex(false, "%")),
        ("bytes in %XX", hex(true, "%")),
        ("percent-encoding", percent(true, "%20")),
        ("percent-encoding in lower case", percent(false, "%20")),
        ("a form", percent(true, "+")),
        ("JSON", json.clone().into_bytes()),
        ("JSON in ASCII", ascii(&json).into_bytes()),
        ("JSON within JSON", serde_json::to_string(&json).unwrap().trim_matches('"').as_bytes().to_vec()),
        ("UTF-16LE", utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
        ("UTF-16BE", utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect()),
        ("a list of bytes", format!("{bytes:?}").trim_matches(['[', ']']).as_bytes().to_vec()),
    ];
    // As a part of something longer: what stands before it shifts its bits.
    for before in 0..3 {
        for (form, engine) in [("base64", &STANDARD), ("base64url", &URL_SAFE)] {
            let encoded = engine.encode([&vec![b'x'; before], bytes].concat());
            let (first, last) = ((before * 8).div_ceil(6), (before + bytes.len()) * 8 / 6);
            forms.push((form, encoded.as_bytes()[first..last].to_vec()));
        }
    }
    forms
}

/// The rig of the scenario: secrets from files, a command and written out; destinations that fail in several ways.
struct Scenario {
    platform: Platform,
    receiver: Receiver,
    alerts: Alerts,
    /// Outputs of commands, logs, pages and messages.
    written: Vec<(String, Vec<u8>)>,
}

impl Scenario {
    fn new() -> Self {
        let platform = Platform::with("expire_token_after=2", CLIENT_SECRET, PASSWORD);
        Self { platform, receiver: Receiver::start(), alerts: Alerts::start(), written: Vec::new() }
    }

    fn rig(&self, pipeline: &str) -> Rig {
        let rig = self.platform.rig(pipeline);
        let at = |name: &str| rig.folder.path().join(name);
        let channel = format!("http://{}/{CHANNEL}", self.alerts.address);
        for (name, text) in [
            ("client_secret", CLIENT_SECRET),
            ("password", PASSWORD),
            ("salt", SALT),
            ("bearer", BEARER),
            ("header", HEADER),
            ("sftp", SFTP),
            ("proxy", PROXY),
            ("mail", MAIL),
            ("signing", SIGNING),
            ("channel", &channel),
        ] {
            std::fs::write(at(name), text).unwrap();
        }
        let printing = json!(["sh", "-c", format!("cat {:?}; echo {CHANNEL} >&2", at("salt"))]);
        let destinations = format!(
            r#"destinations:
  bi:
    webhook: {{url: "http://127.0.0.1:{port}/in", allow: [loopback], secret: {{file: signing}}, bearer: {{file: bearer}}, headers: {{x-key: {{file: header}}}}}}
    retry: {{initial: 20ms, max: 100ms, give_up_after: 1h}}
  refusing:
    sftp: {{host: 127.0.0.1, port: {sshd}, username: nobody, password: {{file: sftp}}, host_keys: ["{pin}"]}}
  proxied:
    webhook: {{url: "https://bi.example/in", bearer: {{file: bearer}}, proxy: {{url: "http://127.0.0.1:{dead}", username: me, password: {{file: proxy}}}}}}
    retry: {{initial: 20ms, max: 100ms, give_up_after: 1s}}
"#,
            port = self.receiver.port,
            sshd = servers().sshd.port,
            pin = servers().sshd.fingerprints[0],
            dead = 9,
        );
        let top = "secret_commands: true\nalerts: {channels: {desk: {webhook: {url: {file: channel}, allow: [loopback]}}, \
             mail: {email: {host: 127.0.0.1, port: 9, tls: none, from: rf@acme.example, to: [ops@acme.example], username: me, password: {file: mail}}}}}\n";
        rig.settings(|text| {
            let text = text.replace("destinations:\n", &destinations);
            format!(
                "{top}{}",
                text.replace("email_salt: {file: salt}", &format!("email_salt: {{command: {printing}}}"))
            )
        });
        rig
    }

    fn run(&mut self, rig: &Rig, code: i32, arguments: &[&str]) -> Output {
        let output = rig.reportferry(&[LOUD, arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", both(&output));
        self.written.push((format!("standard output of {arguments:?}"), output.stdout.clone()));
        self.written.push((format!("standard error of {arguments:?}"), output.stderr.clone()));
        output
    }

    fn search(&self, tokens: &[String]) -> Search {
        let key = std::fs::read_to_string(servers().sshd.user_key()).unwrap();
        let key: Vec<String> =
            key.lines().filter(|line| !line.starts_with("-----") && line.len() > 20).map(str::to_owned).collect();
        let signing = STANDARD.decode(SIGNING.trim_start_matches("whsec_")).unwrap();
        let signing: String = signing.iter().map(|byte| format!("{byte:02x}")).collect();
        let named = [
            ("the client secret", CLIENT_SECRET),
            ("the password", PASSWORD),
            ("the salt", SALT),
            ("the bearer token", BEARER),
            ("the header", HEADER),
            ("the SFTP password", SFTP),
            ("the proxy's password", PROXY),
            ("the mail password", MAIL),
            ("the channel's address", CHANNEL),
            ("the signing secret", SIGNING.trim_start_matches("whsec_")),
            ("the signing key in hex", &signing),
        ];
        let key = key.iter().map(|line| ("a line of the private key", line.as_str()));
        let tokens = tokens.iter().map(|token| ("a token", token.as_str()));
        Search::new(named.into_iter().chain(key).chain(tokens))
    }
}

/// Runs that succeed, fail, are held and refused, each with the commands about them.
fn commands(scenario: &mut Scenario) {
    let delivering = PIPELINE.replace("deliver:\n", "deliver:\n  bi: {}\n");
    let rig = scenario.rig(&delivering);
    let pipeline = |name: &str, text: String| {
        std::fs::write(rig.folder.path().join(format!("pipelines/{name}.yaml")), text).unwrap();
    };
    let only = |destination: &str| {
        PIPELINE.split("deliver:").next().unwrap().to_owned() + &format!("deliver: {{{destination}: {{}}}}\n")
    };
    pipeline("refused", only("refusing"));
    pipeline("proxied", only("proxied"));
    pipeline(
        "held",
        PIPELINE.replace("artifact:", "expect: {rows: {min: 1000000}}\nartifact:").replace("completions_", "held_"),
    );
    let run = |pipeline| ["run", pipeline, "--slot", SLOT, "--wait", "2s", "--json"];
    let output = scenario.run(&rig, 0, &run("line"));
    let id = document(&output)["run"].as_str().unwrap().to_owned();
    scenario.run(&rig, 3, &run("refused"));
    let output = scenario.run(&rig, 4, &run("held"));
    let held = document(&output)["run"].as_str().unwrap().to_owned();
    let output = rig.reportferry(&[LOUD, &run("proxied")].concat());
    assert!(!output.status.success(), "{}", both(&output));
    scenario.written.push(("the run through a proxy".to_owned(), both(&output).into_bytes()));
    scenario.run(&rig, 0, &["release", &held]);
    for arguments in [
        &["runs", "--json"][..],
        &["status"],
        &["status", "--json"],
        &["show", &id],
        &["show", &id, "--json"],
        &["evidence", &id],
        &["verify", &id, "--json"],
        &["explain", "line"],
        &["explain", "line", "--json"],
        &["plan", "line", "--json"],
        &["check", "--secrets", "--json"],
        &["preview", "refused", "--json"],
        &["preview", "refused", "--step", "1"],
        &["test", "--json"],
        &["doctor", "hris", "--json"],
        &["doctor", "acme"],
        &["reports", "acme", "--json"],
    ] {
        scenario.run(&rig, 0, arguments);
    }
    for arguments in
        [&["doctor", "refusing"][..], &["doctor", "proxied"], &["alert", "--test"], &["check", "--connect"]]
    {
        scenario.run(&rig, 3, arguments);
    }
    // The platform refuses; an account that is not allowed; a key that cannot be parsed.
    for set in ["tenants.acme.client_id=other", "tenants.acme.username=root", "destinations.hris.sftp.key.file=sftp"] {
        let other = ["--set", set, "run", "line", "--slot", "2026-11-24T05:30:00-05:00", "--wait", "1s"];
        scenario.run(&rig, 3, &other);
    }
    collect(&rig, scenario);
}

fn collect(rig: &Rig, scenario: &mut Scenario) {
    let before = scenario.written.len();
    everything(&rig.folder.path().join("data"), &mut scenario.written);
    everything(&rig.drop, &mut scenario.written);
    assert!(scenario.written.len() > before + 2, "the ledger, the spool and the delivered file are searched");
    let names: String = scenario.written.iter().map(|(place, _)| format!("{place}\n")).collect();
    scenario.written.push(("names of files".to_owned(), names.into_bytes()));
}

/// A worker at its loudest, with its page, its metrics and its alerts.
fn worker(scenario: &mut Scenario) {
    let failing =
        every_minute().replace("hris: {path: inbound, existing: fail, done_file: \"{name}.done\"}", "refusing: {}");
    let stand = Stand::new(scenario.rig(&failing));
    std::fs::write(stand.pipeline("good"), every_minute()).unwrap();
    stand.rig.settings(|text| format!("log: {{filter: trace, format: json}}\n{text}"));
    stand.behind("line", 1);
    stand.behind("good", 1);
    let (worker, address) = listening(&stand);
    eventually("one is delivered and one rejected", || {
        let states: Vec<RunState> = stand.runs().iter().map(|run| run.state).collect();
        states.contains(&RunState::Delivered) && states.contains(&RunState::Rejected)
    });
    let path = format!("/{CHANNEL}");
    eventually("the rejection is told", || !scenario.alerts.got(&path).is_empty());
    worker.says("alert not sent, will retry"); // by mail
    for page in ["/", "/healthz", "/readyz", "/metrics"] {
        scenario.written.push((page.to_owned(), get(address, page).unwrap().1.into_bytes()));
    }
    // The ledger with its write-ahead log, as it is while the worker runs.
    collect(&stand.rig, scenario);
    let told = scenario.alerts.got(&path).iter().map(ToString::to_string).collect::<String>();
    scenario.written.push(("an alert".to_owned(), told.into_bytes()));
    scenario.written.push(("the worker's log".to_owned(), worker.log().into_bytes()));
    assert_eq!(worker.stop().code(), Some(0));
    collect(&stand.rig, scenario);
}

/// The ledger in PostgreSQL, as `pg_dump` writes it.
fn postgres(scenario: &mut Scenario) {
    let rig = scenario.rig(PIPELINE).in_postgres();
    scenario.run(&rig, 0, &["run", "line", "--slot", SLOT, "--json"]);
    let LedgerSettings::Postgres(server) = &rig.ledger else { unreachable!() };
    let password = server.password.as_ref().unwrap().read().unwrap();
    let dumped = Command::new(programs().join("pg_dump"))
        .args(["-h", &server.host, "-p", &server.port.to_string(), "-U", &server.username, &server.database])
        .env("PGPASSWORD", password.expose())
        .output()
        .unwrap();
    assert!(dumped.status.success() && dumped.stdout.len() > 5_000, "{}", String::from_utf8_lossy(&dumped.stderr));
    scenario.written.push(("the dump of PostgreSQL".to_owned(), dumped.stdout));
}

#[test]
fn nothing_that_is_ever_written_has_a_secret_in_any_form() {
    let mut scenario = Scenario::new();
    commands(&mut scenario);
    worker(&mut scenario);
    postgres(&mut scenario);
    let tokens = scenario.platform.issued();
    assert!(tokens.len() > 20, "{}", tokens.len());
    let found = scenario.search(&tokens).found(&scenario.written);
    assert!(found.is_empty(), "{} secrets are found:\n{}", found.len(), found.join("\n"));
    let sent = scenario.receiver.got();
    assert!(sent.iter().any(|request| request["headers"]["x-key"] == HEADER), "the secrets were used: {sent:?}");
}

/// The search itself: each form is found, within other bytes and at any offset of base64.
#[test]
fn every_form_is_found() {
    let search = Search::new([("the password", PASSWORD)]);
    let wraps = ["", "a", "ab", "abc", "user:"];
    let mut written: Vec<Vec<u8>> = wraps
        .iter()
        .flat_map(|before| {
            let text = format!("{before}{PASSWORD}&more");
            [
                STANDARD.encode(&text),
                URL_SAFE.encode(&text),
                text.clone(),
                json!({"x": text}).to_string(),
                format!("{text:?}"),
            ]
        })
        .map(String::into_bytes)
        .collect();
    written.push(json!({"inner": json!({"x": PASSWORD}).to_string()}).to_string().into_bytes());
    written.push(PASSWORD.encode_utf16().flat_map(u16::to_be_bytes).collect());
    let url = reqwest::Url::parse_with_params("http://x/", [("p", PASSWORD)]).unwrap();
    written.push(url.query().unwrap().replace('*', "%2A").into_bytes());
    written.push(format!("{:?}", PASSWORD.as_bytes()).into_bytes());
    for bytes in written {
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!search.found(&[("here".to_owned(), bytes)]).is_empty(), "not found: {shown}");
    }
    assert!(search.found(&[("there".to_owned(), b"p\xc3\xa4ss \"w0rd".to_vec())]).is_empty());
    let place = search.found(&[(Path::new("log").display().to_string(), PASSWORD.as_bytes().to_vec())]).remove(0);
    assert_eq!(place, "the password as it is in log, byte 0");
}
