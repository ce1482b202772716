//! A webhook's receiver, in Python: signatures are verified by a library that is not ours.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

use super::eventually;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stage/webhook_receiver.py");
const API: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stage/api_receiver.py");

/// What it verifies with.
pub(crate) const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

pub(crate) struct Receiver {
    child: Child,
    asked: Mutex<ChildStdin>,
    pub port: u16,
    home: TempDir,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        Self::with(SECRET, &[])
    }

    /// `tls` holds certificate and key, and perhaps the authority of clients.
    pub(crate) fn with(secret: &str, tls: &[&Path]) -> Self {
        Self::of(SCRIPT, secret, tls)
    }

    /// A receiver with an API of its own: `xapi`, `badges`, `imports` or `any`.
    pub(crate) fn api(kind: &str) -> Self {
        Self::of(API, kind, &[])
    }

    fn of(script: &str, first: &str, tls: &[&Path]) -> Self {
        let home = super::folder();
        let mut child = Command::new(PYTHON)
            .arg(script)
            .arg(first)
            .arg(home.path().join("answers"))
            .args(tls)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        lines.read_line(&mut port).unwrap();
        let got: Arc<Mutex<Vec<Value>>> = Arc::default();
        let sink = got.clone();
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                sink.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        let asked = Mutex::new(child.stdin.take().unwrap());
        Self { child, asked, port: port.trim().parse().unwrap(), home, got }
    }

    /// What the next requests are answered.
    pub(crate) fn answers(&self, answers: &Value) {
        std::fs::write(self.home.path().join("answers"), answers.to_string()).unwrap();
    }

    /// The users whose records an import set refuses.
    pub(crate) fn refuses(&self, users: &[&str]) {
        std::fs::write(self.home.path().join("answers.refused"), serde_json::to_string(users).unwrap()).unwrap();
    }

    /// What the next token requests are answered.
    pub(crate) fn token_answers(&self, answers: &Value) {
        std::fs::write(self.home.path().join("answers.token"), answers.to_string()).unwrap();
    }

    /// The requests that came, all of them verified: at least those that were answered.
    pub(crate) fn got(&self) -> Vec<Value> {
        let mut asked = self.asked.lock().unwrap();
        // A line comes back behind all requests that were answered before.
        asked.write_all(b"\n").unwrap();
        eventually("the receiver has written all", || self.got.lock().unwrap().iter().any(Value::is_null));
        let mut got = self.got.lock().unwrap();
        got.retain(|request| !request.is_null());
        let got = got.clone();
        for request in &got {
            assert!(request["verified"] == true || request["verified"].is_null(), "{request:#}");
        }
        got
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
