//! JSON, newline-delimited JSON, XML, Parquet and XLSX as readers of their own see them: Python's `json`, a validator of
//! JSON Schema, `lxml` with an XSD, pyarrow and openpyxl.

/// JSON documents and lines.
mod json;
/// Parquet and XLSX files.
mod tables;
/// XML documents.
mod xml;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::stage::rig::{both, document};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");
const SLOT: &str = "2026-11-23T05:30:00Z";

/// A folder with a pipeline that reads `rows.csv` and delivers into `out`.
struct Folder(tempfile::TempDir);

impl Folder {
    /// The pipeline has these keys besides `source` and `deliver`.
    fn new(keys: &str, rows: &str) -> Self {
        let folder = crate::stage::folder();
        std::fs::create_dir(folder.path().join("pipelines")).unwrap();
        let settings = "data: data\ndestinations: {local: {local: {path: out, mkdir: true}}}\n";
        std::fs::write(folder.path().join("reportferry.yaml"), settings).unwrap();
        let pipeline = format!("source: {{file: {{path: rows.csv}}}}\ndeliver: {{local:}}\n{keys}");
        std::fs::write(folder.path().join("pipelines/tree.yaml"), pipeline).unwrap();
        std::fs::write(folder.path().join("rows.csv"), rows).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn call(&self, arguments: &[&str]) -> Output {
        crate::stage::reportferry().current_dir(self.0.path()).args(arguments).output().unwrap()
    }

    fn run(&self, code: i32) -> Value {
        let output = self.call(&["run", "tree", "--slot", SLOT, "--json", "--wait", "0s"]);
        assert_eq!(output.status.code(), Some(code), "{}", both(&output));
        document(&output)
    }

    /// Runs the pipeline. Returns the bytes of a delivered file.
    fn delivered(&self, name: &str) -> Vec<u8> {
        let run = self.run(0);
        assert_eq!(run["state"], "delivered", "{run:#}");
        std::fs::read(self.path("out").join(name)).unwrap()
    }

    /// Runs the pipeline, which fails. Returns the text of everything it says.
    fn failure(&self) -> String {
        let run = self.run(3);
        assert!(!self.path("out").exists(), "nothing is delivered");
        run.to_string()
    }

    /// Returns the problems that `check` finds.
    fn problems(&self) -> String {
        let output = self.call(&["check"]);
        assert_ne!(output.status.code(), Some(0), "{}", both(&output));
        both(&output)
    }
}

/// Asks Python, whose script reads a JSON value and prints one.
fn ask_python(script: &str, question: &Value) -> Value {
    let script = format!("import json, sys\nquestion = json.load(sys.stdin)\n{script}");
    let mut python =
        Command::new(PYTHON).args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    python.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let answer = python.wait_with_output().unwrap();
    assert!(answer.status.success(), "the oracle failed");
    serde_json::from_slice(&answer.stdout).unwrap()
}
