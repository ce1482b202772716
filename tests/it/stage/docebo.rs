//! A Docebo that is not the product's own: `docebo_server.py`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::rig::{CLIENT_SECRET, PASSWORD};

/// A running server; killed when dropped.
pub(crate) struct Docebo {
    child: Child,
    folder: TempDir,
    pub url: String,
}

/// A request that it received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub method: String,
    pub path: String,
    pub query: String,
    pub status: i64,
}

impl Docebo {
    /// Starts a server with the state `changes` on top of its defaults.
    pub(crate) fn start(changes: Value) -> Self {
        let folder = super::folder();
        let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");
        assert!(std::path::Path::new(python).exists(), "{python} is missing: run tests/tools");
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/stage/docebo_server.py"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().expect("the server does not start: its error is above");
        let server = Self { child, folder, url: format!("http://127.0.0.1:{port}") };
        server.state(changes);
        server
    }

    /// Sets its state: its defaults and these changes, without those of earlier calls.
    pub(crate) fn state(&self, changes: Value) {
        let mut state = json!({"client_secret": CLIENT_SECRET, "password": PASSWORD});
        state.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        // Renamed into place, since requests may be reading it.
        let new = self.folder.path().join("state.new");
        fs::write(&new, state.to_string()).unwrap();
        fs::rename(new, self.folder.path().join("state.json")).unwrap();
    }

    /// Returns all requests so far.
    pub(crate) fn requests(&self) -> Vec<Received> {
        let log = fs::read_to_string(self.folder.path().join("requests.jsonl")).unwrap_or_default();
        let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
        log.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .map(|line| Received {
                method: text(&line, "method"),
                path: text(&line, "path"),
                query: text(&line, "query"),
                status: line["status"].as_i64().unwrap(),
            })
            .collect()
    }
}

impl Drop for Docebo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
