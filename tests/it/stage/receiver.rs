//! A webhook's receiver, in Python: signatures are verified by a library that is not ours.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stage/webhook_receiver.py");

/// What it verifies with.
pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

pub struct Receiver {
    child: Child,
    pub port: u16,
    home: TempDir,
    got: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    pub fn start() -> Self {
        Self::with(SECRET, &[])
    }

    /// `tls` holds certificate and key, and perhaps the authority of clients.
    pub fn with(secret: &str, tls: &[&Path]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new(PYTHON)
            .arg(SCRIPT)
            .arg(secret)
            .arg(home.path().join("answers"))
            .args(tls)
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
        Self { child, port: port.trim().parse().unwrap(), home, got }
    }

    /// What the next requests are answered.
    pub fn answers(&self, answers: &Value) {
        std::fs::write(self.home.path().join("answers"), answers.to_string()).unwrap();
    }

    /// The requests that came, all of them verified. What was sent last may still be on its way to us.
    pub fn got(&self) -> Vec<Value> {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let got = self.got.lock().unwrap().clone();
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
