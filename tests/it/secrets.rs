//! No secret in anything that is written: logs at their loudest, messages, documents, the ledger, the spool, the page, metrics.

/// Secrets that a command prints.
mod commands;
/// Secrets that change while the worker runs.
mod rotation;
/// The search over everything that is written.
mod search;
/// Tokens of webhooks.
mod tokens;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;

use reportferry::ledger::state::RunState;
use reportferry::sandbox::{ACCOUNTS, Sandbox, SandboxOptions};
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use super::stage::eventually;
use super::stage::rig::{CLIENT_SECRET, PASSWORD, PIPELINE, Rig, SALT, SLOT, both, document, servers};
use super::watch::metrics::{get, listening};
use super::work::stand::{Stand, every_minute};

/// A sandbox of the test's own, and every token that it issues.
struct Platform {
    _runtime: Runtime,
    sandbox: Sandbox,
    seed: u64,
    client_secret: String,
    password: String,
}

impl Platform {
    fn start(misbehave: &str) -> Self {
        Self::with(misbehave, CLIENT_SECRET, PASSWORD)
    }

    fn with(misbehave: &str, client_secret: &str, password: &str) -> Self {
        let (client_secret, password) = (client_secret.to_owned(), password.to_owned());
        let options = SandboxOptions {
            misbehave: misbehave.parse().unwrap(),
            client_secret: client_secret.clone(),
            password: password.clone(),
            ..SandboxOptions::default()
        };
        let (runtime, seed) = (Runtime::new().unwrap(), options.seed);
        let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
        Platform { _runtime: runtime, sandbox, seed, client_secret, password }
    }

    fn rig(&self, pipeline: &str) -> Rig {
        Rig::with(pipeline, &self.sandbox.url, &servers().sshd)
    }

    /// Every token issued so far. The sandbox derives them from its seed and a count, so that one more sign-in, the test's
    /// own, tells how many there are.
    fn issued(&self) -> Vec<String> {
        let latest = sign_in(&self.sandbox.url, &self.client_secret, &self.password);
        let mut tokens = Vec::new();
        for number in 1..10_000 {
            let digest = Sha256::digest(format!("token {} {number}", self.seed));
            tokens.push(digest[..20].iter().map(|byte| format!("{byte:02x}")).collect::<String>());
            if tokens.last() == Some(&latest) {
                return tokens;
            }
        }
        panic!("the sandbox makes tokens in another way: {latest} is not known");
    }
}

/// Returns an access token.
fn sign_in(url: &str, client_secret: &str, password: &str) -> String {
    let fields = [
        ("grant_type", "password"),
        ("client_id", &SandboxOptions::default().client_id),
        ("client_secret", client_secret),
        ("username", ACCOUNTS[0].username),
        ("password", password),
    ];
    let form = reqwest::Url::parse_with_params("http://form/", fields).unwrap().query().unwrap().to_owned();
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /oauth2/token HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let token = answer.split("\"access_token\":\"").nth(1).unwrap_or_else(|| panic!("no token: {answer}"));
    token.split('"').next().unwrap().to_owned()
}

/// All bytes below a folder, the given secrets' own files left out.
fn everything(folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            everything(&path, into);
        } else {
            into.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

/// `tokens` are those that the platform issued, `said` is what was written to other places than files.
fn assert_no_secret(rig: &Rig, tokens: &[String], outputs: &[Output], said: &[String]) {
    let mut written = Vec::new();
    everything(&rig.folder.path().join("data"), &mut written);
    assert!(written.len() > 1, "the ledger and the spool must have been written");
    everything(&rig.drop, &mut written);
    for output in outputs {
        written.push(("standard output".to_owned(), output.stdout.clone()));
        written.push(("standard error".to_owned(), output.stderr.clone()));
    }
    written.extend(said.iter().map(|said| ("what was said".to_owned(), said.clone().into_bytes())));
    let key = std::fs::read_to_string(servers().sshd.user_key()).unwrap();
    let key_lines = key.lines().filter(|line| !line.starts_with("-----") && line.len() > 20);
    let named = [("the client secret", CLIENT_SECRET), ("the password", PASSWORD), ("the salt", SALT)];
    let key_lines = key_lines.map(|line| ("a line of the private key", line));
    let tokens = tokens.iter().map(|token| ("a token", token.as_str()));
    let found = search::Search::new(named.into_iter().chain(key_lines).chain(tokens)).found(&written);
    assert!(found.is_empty(), "{}", found.join("\n"));
    for (place, bytes) in written {
        // A receiver that repeats the header is shown without the token.
        let text = String::from_utf8_lossy(&bytes).replace("Bearer …", "");
        assert!(!text.to_lowercase().contains("bearer "), "an authorization header stands in {place}");
    }
}

const LOUD: &[&str] = &["--set", "log.filter=trace"];

#[test]
fn a_run_at_its_loudest_shows_no_secret() {
    // Tokens are used up, refreshed and asked for anew within the run.
    let platform = Platform::start("expire_token_after=2");
    let rig = platform.rig(PIPELINE);
    let run = [LOUD, &["run", "line", "--slot", SLOT, "--json"]].concat();
    let mut outputs = vec![rig.reportferry(&run)];
    assert!(outputs[0].status.success(), "{}", both(&outputs[0]));
    let id = document(&outputs[0])["run"].as_str().unwrap().to_owned();
    for arguments in [&["runs", "--json"][..], &["status", "--json"], &["show", &id, "--json"], &["evidence", &id]] {
        outputs.push(rig.reportferry(&[LOUD, arguments].concat()));
    }
    outputs.extend([rig.reportferry(&["status"]), rig.reportferry(&["show", &id])]);
    let tokens = platform.issued();
    assert!(tokens.len() > 4, "one sign-in and one refresh at least, each with two tokens: {}", tokens.len());
    assert_no_secret(&rig, &tokens, &outputs, &[]);
}

#[test]
fn a_worker_at_its_loudest_shows_no_secret_on_its_page_and_in_its_metrics() {
    let platform = Platform::start("expire_token_after=2");
    let stand = Stand::new(platform.rig(&every_minute()));
    stand.rig.settings(|text| format!("log: {{filter: trace, format: json}}\n{text}"));
    stand.behind("line", 2);
    let (worker, address) = listening(&stand);
    eventually("two slots are delivered", || {
        stand.runs().iter().filter(|run| run.state == RunState::Delivered).count() >= 2
    });
    let mut said: Vec<String> =
        ["/", "/healthz", "/readyz", "/metrics"].map(|path| get(address, path).unwrap().1).into();
    assert!(said[3].contains("reportferry_"), "{}", said[3]);
    said.push(worker.log());
    assert_eq!(worker.stop().code(), Some(0));
    let tokens = platform.issued();
    assert!(tokens.len() > 4, "{}", tokens.len());
    assert_no_secret(&stand.rig, &tokens, &[], &said);
}

#[test]
fn a_platform_that_repeats_what_it_was_sent_is_not_quoted() {
    let platform = Platform::start("echo_secrets,token=400");
    let rig = platform.rig(PIPELINE);
    let run = [LOUD, &["run", "line", "--slot", SLOT, "--wait", "1s"]].concat();
    let outputs = [rig.reportferry(&run), rig.reportferry(&["runs"])];
    assert_eq!(outputs[0].status.code(), Some(3), "{}", both(&outputs[0]));
    assert_no_secret(&rig, &[], &outputs, &[]);
}

#[test]
fn a_wrong_key_and_a_missing_secret_are_named_not_shown() {
    let platform = Platform::start("");
    let rig = platform.rig(PIPELINE);
    let run = [LOUD, &["run", "line", "--slot", SLOT, "--wait", "1s"]].concat();
    let outputs = [
        rig.reportferry(&[&["--set", "destinations.hris.sftp.key.file=salt"], run.as_slice()].concat()),
        rig.reportferry(&["check"]),
    ];
    assert_eq!(outputs[0].status.code(), Some(3), "{}", both(&outputs[0]));
    assert_no_secret(&rig, &platform.issued(), &outputs, &[]);

    let rig = Rig::new(PIPELINE);
    let output = rig.reportferry(&[&["--set", "tenants.acme.password.file=absent"], run.as_slice()].concat());
    let said = both(&output);
    assert!(said.contains("absent"), "the file must be named: {said}");
}

/// The search itself: a token is found wherever it is.
#[test]
fn a_token_would_be_found() {
    let platform = Platform::start("");
    let rig = platform.rig(PIPELINE);
    assert!(rig.run().status.success());
    let tokens = platform.issued();
    assert_no_secret(&rig, &tokens, &[], &[]);
    let finds = |said: &[String]| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| assert_no_secret(&rig, &tokens, &[], said))).is_err()
    };
    assert!(finds(&[format!("{{\"query\":\"access_token={}&x=1\"}}", tokens[0])]));
    std::fs::write(rig.folder.path().join("data/left"), format!("\0\u{1}{}\0", tokens[1])).unwrap();
    assert!(finds(&[]));
}
