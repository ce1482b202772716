//! Records by the real binary: what each run reads and delivers, from one delivered run to the next.

/// Runs that are killed at every step.
mod kills;

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Output};
use std::time::Duration;

use reportferry::sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::stage::rig::{Rig, both, document, sandbox, servers};

const PIPELINE: &str = "
source: {docebo: {tenant: acme, records: enrollments, updated_since: last_delivered}}
expect: {when_empty: send}
artifact: {name: \"enrollments_{slot:%Y%m%dT%H%M%S}.csv\"}
deliver: {local: {path: inbound}}
";

/// A platform of one's own, and a rig that reads its records.
struct Ground {
    docebo: Sandbox,
    rig: Rig,
    _runtime: Runtime,
}

impl Ground {
    /// With `rows` / 4 enrollments.
    fn new(rows: u64, misbehave: &str, pipeline: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let options = SandboxOptions { rows, misbehave: misbehave.parse().unwrap(), ..SandboxOptions::default() };
        let docebo = runtime.block_on(sandbox(options));
        let rig = Rig::with(pipeline, &docebo.url, &servers().sshd);
        Self { docebo, rig, _runtime: runtime }
    }

    fn in_postgres(self) -> Self {
        Self { rig: self.rig.in_postgres(), ..self }
    }

    fn change(&self, indexes: impl IntoIterator<Item = u64>) {
        self.docebo.change_records("enrollments", indexes, jiff::Timestamp::now());
    }

    fn run(&self, hour: u32) -> Output {
        self.rig.reportferry(&["run", "line", "--slot", &slot(hour), "--json", "--wait", "2s"])
    }

    fn deliver(&self, hour: u32) -> Value {
        let output = self.run(hour);
        assert!(output.status.success(), "{}", both(&output));
        document(&output)
    }

    /// The moment since which the next run would ask; null for all records.
    fn updated_from(&self) -> Value {
        let output = self.rig.reportferry(&["plan", "line", "--json"]);
        document(&output)["records"]["updated_from"].clone()
    }

    /// The records of a slot's file: the score by course and user.
    fn delivered(&self, hour: u32) -> BTreeMap<(String, String), String> {
        let text = self.rig.read(&format!("enrollments_20261123T{hour:02}0000.csv"));
        let mut reader = csv::Reader::from_reader(text.as_slice());
        let mut records = BTreeMap::new();
        for record in reader.records() {
            let record = record.unwrap();
            let key = (record[0].to_owned(), record[1].to_owned());
            assert_eq!(records.insert(key, record[4].to_owned()), None, "a record comes twice");
        }
        records
    }
}

fn slot(hour: u32) -> String {
    format!("2026-11-23T{hour:02}:00:00Z")
}

fn key(index: u64) -> (String, String) {
    ((300 + index % 24).to_string(), (20_000 + index / 2).to_string())
}

fn keys(indexes: &[u64]) -> BTreeSet<(String, String)> {
    indexes.iter().map(|index| key(*index)).collect()
}

fn of(records: &BTreeMap<(String, String), String>) -> BTreeSet<(String, String)> {
    records.keys().cloned().collect()
}

/// From one delivered run to the next, only changes are read, and the overlap.
fn only_changes(ground: &Ground) {
    assert_eq!(ground.updated_from(), Value::Null);
    let first = ground.deliver(1);
    assert_eq!(first["records"]["updated_from"], Value::Null);
    assert_eq!(first["rows"]["delivered"], 100);
    let until = first["records"]["watermark"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let age = jiff::Timestamp::now().duration_since(until).as_secs();
    assert!((0..60).contains(&age), "{first}");
    let from = (until - Duration::from_secs(3600)).strftime("%Y-%m-%d %H:%M:%S").to_string();
    assert_eq!(ground.updated_from(), json!(from));

    ground.change([3, 40, 100]);
    let second = ground.deliver(2);
    assert_eq!(second["records"]["updated_from"], json!(format!("{}Z", from.replace(' ', "T"))));
    assert_eq!(of(&ground.delivered(2)), keys(&[3, 40, 100]), "a changed one twice, and a new one");
    ground.change([3, 7]);
    ground.deliver(3);
    let third = ground.delivered(3);
    assert_eq!(of(&third), keys(&[3, 7, 40, 100]), "what changed, and what changed within the overlap");
    assert_eq!((third[&key(3)].as_str(), third[&key(7)].as_str()), ("82", "81"));

    let story = ground.rig.reportferry(&["show", second["run"].as_str().unwrap()]).stdout;
    let story = String::from_utf8(story).unwrap();
    let watermark = second["records"]["watermark"].as_str().unwrap();
    assert!(
        story.contains("  records   changed from 20") && story.contains(&format!(", until {watermark}")),
        "{story}"
    );
    let evidence = document(&ground.rig.reportferry(&["evidence", second["run"].as_str().unwrap()]));
    assert_eq!(evidence["evidence"]["run"]["records"], second["records"]);
    // A run of an older slot starts where the newest one ended, and moves nothing back.
    let before = ground.updated_from();
    std::thread::sleep(Duration::from_millis(1100));
    ground.deliver(0);
    assert!(ground.updated_from().as_str() > before.as_str());
}

#[test]
fn only_changes_are_delivered_after_a_delivered_run() {
    only_changes(&Ground::new(400, "", PIPELINE));
}

#[test]
fn only_changes_are_delivered_after_a_delivered_run_in_postgresql() {
    only_changes(&Ground::new(400, "cursor=each", PIPELINE).in_postgres());
}

#[test]
fn the_overlap_is_as_long_as_it_is_set() {
    let ground = Ground::new(400, "", &PIPELINE.replace("last_delivered", "last_delivered, overlap: 0s"));
    ground.deliver(1);
    ground.change([5]);
    ground.deliver(2);
    assert_eq!(of(&ground.delivered(2)), keys(&[5]));
    std::thread::sleep(Duration::from_millis(2100));
    ground.deliver(3);
    std::thread::sleep(Duration::from_millis(1100));
    ground.deliver(4);
    assert_eq!(ground.delivered(4), BTreeMap::new(), "nothing has changed, and the file has its header");
}

#[test]
fn a_run_that_is_not_delivered_moves_nothing() {
    let ground = Ground::new(400, "", PIPELINE);
    ground.deliver(1);
    let from = ground.updated_from();
    ground.change([1, 2]);
    std::thread::sleep(Duration::from_millis(1100));
    let edit = |from: &str, to: &str| {
        let file = ground.rig.folder.path().join("pipelines/line.yaml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(file, text.replace(from, to)).unwrap();
    };
    // Held, and rejected.
    edit("when_empty: send", "rows: {min: 50}");
    let held = ground.run(2);
    assert_eq!(held.status.code(), Some(4), "{}", both(&held));
    assert_eq!(ground.updated_from(), from, "held");
    let run = document(&held)["run"].as_str().unwrap().to_owned();
    let rejected = ground.rig.reportferry(&["reject", &run, "--because", "too few"]);
    assert!(rejected.status.success(), "{}", both(&rejected));
    assert_eq!(ground.updated_from(), from, "rejected");
    edit("rows: {min: 50}", "when_empty: send");
    // Failed.
    ground.docebo.misbehave("lost_records=1".parse().unwrap());
    let failed = ground.run(3);
    assert_eq!(failed.status.code(), Some(3), "{}", both(&failed));
    assert!(both(&failed).contains("1 different records came, and the platform states 2"), "{}", both(&failed));
    assert_eq!(ground.updated_from(), from, "failed");
    ground.docebo.misbehave(Default::default());
    // A run of a file, and a replay.
    let mut file =
        String::from("id,user_id,username,status,score,course_complete_date,enroll_begin_date,enroll_end_date");
    file.push_str(",date_last_updated\n1,2,u,completed,80,,,,2026-11-23 00:00:00\n");
    std::fs::write(ground.rig.folder.path().join("in.csv"), file).unwrap();
    let input = ground.rig.folder.path().join("in.csv");
    let of_file = ["run", "line", "--slot", &slot(4), "--json", "--from", input.to_str().unwrap(), "--deliver"];
    let of_file = ground.rig.reportferry(&of_file);
    assert!(of_file.status.success(), "{}", both(&of_file));
    let replay = ground.rig.reportferry(&["replay", document(&of_file)["run"].as_str().unwrap(), "--as", "again.csv"]);
    assert!(replay.status.success(), "{}", both(&replay));
    assert_eq!(ground.updated_from(), from, "of a file");
    // All the while nothing was lost.
    ground.deliver(5);
    assert_eq!(of(&ground.delivered(5)), keys(&[1, 2]));
    assert_ne!(ground.updated_from(), from);
}

fn half_delivered(ground: &Ground) {
    let broken = ground.rig.folder.path().join("broken");
    std::fs::write(&broken, "not a folder").unwrap();
    ground.rig.settings(|text| {
        let place = format!("destinations:\n  broken:\n    local: {{path: {broken:?}}}\n");
        text.replacen("destinations:\n", &place, 1)
    });
    let output = ground.run(1);
    assert!(!output.status.success(), "{}", both(&output));
    assert_eq!(ground.delivered(1).len(), 100, "one destination has it");
    assert_eq!(ground.updated_from(), Value::Null);
    // The next slot reads everything again.
    ground.change([9]);
    assert!(!ground.run(2).status.success());
    assert_eq!(ground.delivered(2).len(), 100);
    std::fs::remove_file(&broken).unwrap();
    std::fs::create_dir(&broken).unwrap();
    let retried = ground.rig.reportferry(&["retry", document(&output)["run"].as_str().unwrap(), "--json"]);
    assert!(retried.status.success(), "{}", both(&retried));
    // The newest slot is not delivered yet, but this one is: its changes come again.
    assert_ne!(ground.updated_from(), Value::Null);
    ground.deliver(3);
    assert_eq!(of(&ground.delivered(3)), keys(&[9]));
}

#[test]
fn a_run_is_continued_from_when_every_required_destination_has_it() {
    let pipeline = PIPELINE.replace("{local: {path: inbound}}", "{local: {path: inbound}, broken: {}}");
    half_delivered(&Ground::new(400, "", &pipeline));
    half_delivered(&Ground::new(400, "", &pipeline).in_postgres());
}

#[test]
fn another_source_starts_anew() {
    let ground = Ground::new(400, "", PIPELINE);
    ground.deliver(1);
    let from = ground.updated_from();
    assert_ne!(from, Value::Null);
    let file = ground.rig.folder.path().join("pipelines/line.yaml");
    for (old, new) in [
        ("records: enrollments", "records: courses"),
        ("records: enrollments", "records: enrollments, filter: {courses: [300]}"),
        ("records: enrollments", "records: enrollments, fields: [id, user_id]"),
    ] {
        std::fs::write(&file, PIPELINE.replace(old, new)).unwrap();
        assert_eq!(ground.updated_from(), Value::Null, "{new}");
    }
    // All records once, by hand: the changes since then follow.
    std::fs::write(&file, PIPELINE.replace("updated_since: last_delivered", "updated_since: never")).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(ground.deliver(2)["rows"]["delivered"], 100);
    std::fs::write(&file, PIPELINE).unwrap();
    assert!(ground.updated_from().as_str() > from.as_str());
}

/// The most memory that a process ever had, in KiB; `None` when it is gone.
fn most_memory(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

/// `REPORTFERRY_SOAK_RECORDS` asks for more than the usual number.
#[test]
fn memory_does_not_grow_with_the_records() {
    let records: u64 = std::env::var("REPORTFERRY_SOAK_RECORDS").map_or(100_000, |text| text.parse().unwrap());
    let most = |records: u64| {
        let ground = Ground::new(records * 4, "repeats", PIPELINE);
        let mut child = ground.rig.command(&["run", "line", "--slot", &slot(1)]).spawn().unwrap();
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            most = most_memory(&child).unwrap_or(0).max(most);
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(child.wait().unwrap().success());
        assert_eq!(ground.delivered(1).len() as u64, records);
        most
    };
    let (few, many) = (most(records / 20), most(records));
    println!("{few} KiB for {} records, {many} KiB for {records}", records / 20);
    // Up to 16 MiB of keys are sorted in memory.
    assert!(many < few + (40 << 10), "{few} KiB for {} records, {many} KiB for {records}", records / 20);
}
