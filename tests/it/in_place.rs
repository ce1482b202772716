//! Local files are read where they are: what was read is known, and nothing else is delivered in its place.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::stage::rig::{both, document};

const PIPELINE: &str =
    "source: {file: {path: rows.csv}}\nartifact: {name: out.csv}\ndeliver: {local: {existing: replace}}\n";
const SLOT: &str = "2026-11-23T05:30:00Z";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new(pipeline: &str, rows: &[u8]) -> Self {
        let folder = crate::stage::folder();
        std::fs::create_dir(folder.path().join("pipelines")).unwrap();
        let settings = "data: data\ndestinations: {local: {local: {path: out, mkdir: true}}}\n";
        std::fs::write(folder.path().join("reportferry.yaml"), settings).unwrap();
        std::fs::write(folder.path().join("pipelines/line.yaml"), pipeline).unwrap();
        std::fs::write(folder.path().join("rows.csv"), rows).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn call(&self, arguments: &[&str], fault: Option<&str>) -> Output {
        let mut command = crate::stage::reportferry();
        command.current_dir(self.0.path()).args(arguments);
        command.envs(fault.map(|fault| ("REPORTFERRY_FAULT", fault))).output().unwrap()
    }

    fn run(&self, fault: Option<&str>) -> Output {
        self.call(&["run", "line", "--slot", SLOT, "--json", "--wait", "0s"], fault)
    }

    fn spool(&self) -> PathBuf {
        std::fs::read_dir(self.path("data/spool")).unwrap().next().unwrap().unwrap().path()
    }

    /// Returns the run's history as text.
    fn history(&self, run: &Value) -> String {
        both(&self.call(&["show", run["run"].as_str().unwrap()], None))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_read_in_place_and_copied_on_request() {
    for (pipeline, expected) in [
        (PIPELINE.to_owned(), vec!["artifact", "lock"]),
        (PIPELINE.replace("rows.csv", "rows.csv, copy: true"), vec!["artifact", "extract.csv", "lock"]),
    ] {
        let folder = Folder::new(&pipeline, b"a,b\n1,2\n");
        let killed = folder.run(Some("ledger.intent=kill_before"));
        assert!(!killed.status.success(), "{}", both(&killed));
        assert_eq!(names(&folder.spool()), expected);
        // The artifact is there: the source is not read again.
        std::fs::write(folder.path("rows.csv"), "a,b\n3,4\n").unwrap();
        let output = folder.run(None);
        assert!(output.status.success(), "{}", both(&output));
        assert_eq!(std::fs::read(folder.path("out/out.csv")).unwrap(), b"a,b\n1,2\n");
        assert!(folder.path("rows.csv").exists(), "a source is never removed");
    }
}

#[test]
fn another_file_is_never_delivered_in_place_of_the_one_that_was_read() {
    let first = b"a,b\n1,2\n".as_slice();
    let lost = || {
        let folder = Folder::new(PIPELINE, first);
        let killed = folder.run(Some("ledger.intent=kill_before"));
        assert!(!killed.status.success(), "{}", both(&killed));
        std::fs::remove_dir_all(folder.spool().join("artifact")).unwrap();
        folder
    };
    let folder = lost();
    std::fs::write(folder.path("rows.csv"), first).unwrap();
    let output = folder.run(None);
    assert!(output.status.success(), "the same bytes at another time: {}", both(&output));

    for other in [Some("a,b\n1,3\n"), Some("a,b\n"), None] {
        let folder = lost();
        match other {
            Some(other) => std::fs::write(folder.path("rows.csv"), other).unwrap(),
            None => std::fs::remove_file(folder.path("rows.csv")).unwrap(),
        }
        for _ in 0..2 {
            let output = folder.run(None);
            let run = document(&output);
            assert_eq!(run["state"], "held", "{other:?} {}", both(&output));
            let reason = run["reason"].as_str().unwrap();
            assert!(reason.contains("rows.csv is not the file that was read"), "{reason}");
            assert!(!folder.path("out/out.csv").exists(), "{other:?}");
        }
        let id = document(&folder.run(None))["run"].as_str().unwrap().to_owned();
        let retried = folder.call(&["retry", &id, "--json", "--wait", "0s"], None);
        assert_eq!(document(&retried)["state"], "held", "{}", both(&retried));
        assert!(!folder.path("out/out.csv").exists(), "{}", both(&retried));
        let released = folder.call(&["release", &id, "--json"], None);
        assert!(!released.status.success() && !folder.path("out/out.csv").exists(), "{}", both(&released));
        std::fs::write(folder.path("rows.csv"), first).unwrap();
        let retried = folder.call(&["retry", &id, "--json", "--wait", "0s"], None);
        assert!(retried.status.success(), "{other:?} {}", both(&retried));
        assert_eq!(std::fs::read(folder.path("out/out.csv")).unwrap(), first);
    }
}

#[test]
fn a_file_that_changes_while_it_is_read_is_read_again_three_times_at_most() {
    let rows = [b"a,b\n".as_slice(), &b"1,2\n".repeat(1 << 20)].concat();
    let folder = Folder::new(PIPELINE, &rows);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = std::fs::File::options().write(true).open(folder.path("rows.csv")).unwrap();
            let mut seconds = 1;
            while !is_over.load(Ordering::Relaxed) {
                // Neither size nor content changes: a touch is enough for a doubt.
                let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
                file.set_modified(moment).unwrap();
                seconds += 1;
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        });
        let output = folder.run(None);
        is_over.store(true, Ordering::Relaxed);
        let run = document(&output);
        assert_eq!((&run["state"], &run["artifact"]), (&Value::from("failed"), &Value::Null), "{}", both(&output));
        let reason = run["reason"].as_str().unwrap();
        assert!(reason.contains("rows.csv changed while it was read; this was attempt 3 of 3"), "{reason}");
    });
    assert!(!folder.path("out/out.csv").exists());
    let output = folder.run(None);
    assert!(output.status.success(), "{}", both(&output));
    assert_eq!(std::fs::read(folder.path("out/out.csv")).unwrap(), rows);
}

#[test]
fn the_digest_is_of_the_file_also_of_a_zip_and_of_a_file_in_place_of_the_source() {
    use std::io::Write;

    let folder = Folder::new(PIPELINE, b"");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(folder.path("rows.csv")).unwrap());
    zip.start_file("r.csv", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(&b"a,b\n1,2\n".repeat(100_000)).unwrap();
    zip.finish().unwrap();
    let digest = reportferry::digest::of_file(&folder.path("rows.csv")).unwrap();
    let output = folder.run(None);
    assert!(output.status.success(), "{}", both(&output));
    assert!(folder.history(&document(&output)).contains(&digest), "{digest}");

    std::fs::write(folder.path("other.csv"), "a,b\n5,6\n").unwrap();
    let from = ["run", "line", "--from", "other.csv", "--deliver", "--slot", SLOT, "--json", "--wait", "0s"];
    let killed = folder.call(&from, Some("ledger.intent=kill_before"));
    assert!(!killed.status.success(), "{}", both(&killed));
    let output = folder.call(&from, None);
    assert!(output.status.success(), "{}", both(&output));
    let history = folder.history(&document(&output));
    assert!(history.matches(&reportferry::digest::of(b"a,b\n5,6\n")).count() > 1, "{history}");
    assert_eq!(std::fs::read(folder.path("out/out.csv")).unwrap(), b"a,b\n5,6\n");
}
