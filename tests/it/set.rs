//! A split artifact on the whole line: its files published together, through faults, and proven afterwards.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::stage::receiver::{Receiver, SECRET};
use super::stage::rig::{ARTIFACT, PIPELINE, Rig, both, document};

/// The rig's pipeline, its artifact split, every kind of file beside.
fn pipeline() -> String {
    PIPELINE
        .replace("%Y%m%d}.csv\"}", "%Y%m%d}_{part:2}.csv\", split: {rows: 40}}")
        .replace("existing: fail,", "existing: fail, publish_together: true, checksum: true, manifest: true,")
}

fn arrived(rig: &Rig) -> BTreeMap<String, Vec<u8>> {
    rig.arrived().into_iter().map(|name| (name.clone(), rig.read(&name))).collect()
}

fn data_name(number: usize) -> String {
    ARTIFACT.replace(".csv", &format!("_{number:02}.csv"))
}

/// What an undisturbed run delivers.
fn whole() -> &'static BTreeMap<String, Vec<u8>> {
    static WHOLE: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let rig = Rig::new(&pipeline());
        let output = rig.run();
        assert!(output.status.success(), "{}", both(&output));
        arrived(&rig)
    })
}

#[test]
fn a_set_is_the_same_rows_in_several_files() {
    let one = Rig::new(PIPELINE);
    assert!(one.run().status.success());
    let one = String::from_utf8(one.read(ARTIFACT)).unwrap();
    let (header, rows) = one.split_once('\n').unwrap();
    let files: Vec<&str> = (1..)
        .map_while(|number| whole().get(&data_name(number)))
        .map(|bytes| std::str::from_utf8(bytes).unwrap())
        .collect();
    assert_eq!(files.len(), rows.lines().count().div_ceil(40));
    assert!(files.len() > 2, "the report must be worth splitting");
    let joined: String = files.iter().map(|file| file.split_once('\n').unwrap().1).collect();
    assert_eq!(joined, rows);
    assert!(files.iter().all(|file| file.starts_with(&format!("{header}\n")) && file.lines().count() <= 41));
    assert_eq!(whole().len(), files.len() + 3);
    for (end, role) in [("", false), (".done", true), (".json", true), (".sha256", true)] {
        assert_eq!(whole().contains_key(&format!("{ARTIFACT}{end}")), role, "{end}");
    }
}

/// One fault, at the first file or the second, then recovery.
fn check(fault: &str) {
    let rig = Rig::new(&pipeline());
    let struck = rig.run_with_fault(fault);
    assert!(String::from_utf8_lossy(&struck.stderr).contains("fault injected"), "{fault}\n{}", both(&struck));
    let after = arrived(&rig);
    let data = |name: &String| !name.starts_with('.') && name.ends_with(".csv");
    for (name, bytes) in after.iter().filter(|(name, _)| !name.starts_with('.')) {
        assert!(bytes == &whole()[name], "{fault}: {name} is not whole");
        let complete = after.keys().filter(|name| data(name)).count() + 3 == whole().len();
        assert!(data(name) || complete, "{fault}: {name} was there before all the data");
    }
    // The data is written whole before its first file gets its name.
    if ["sftp.open", "sftp.write", "sftp.close"].iter().any(|step| fault.starts_with(step))
        && struck.status.code().is_none()
    {
        assert_eq!(after.keys().filter(|name| data(name)).count(), 0, "{fault}");
    }
    let output = rig.run();
    assert!(output.status.success(), "{fault}: the run did not recover\n{}", both(&output));
    assert!(&arrived(&rig) == whole(), "{fault}: {:?}", rig.arrived());
    assert_eq!(document(&output)["deliveries"][0]["receipt"]["files"].as_array().unwrap().len() + 3, whole().len());
}

#[test]
fn every_step_of_a_set_can_break() {
    let steps =
        ["sftp.open", "sftp.write", "sftp.close", "sftp.lstat", "sftp.rename", "checksum.rename", "manifest.rename"];
    let kinds = ["fail", "lost_before", "lost_after", "kill_before", "kill_after", "repeat"];
    let mut faults = Vec::new();
    for (step, kind) in steps.iter().flat_map(|step| kinds.map(|kind| (step, kind))) {
        faults.push(format!("{step}={kind}"));
        if step.starts_with("sftp.") {
            faults.push(format!("{step}={kind}@2"));
        }
    }
    whole();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    check(fault);
                }
            });
        }
    });
}

#[test]
fn a_set_is_proven_and_sent_again() {
    let rig = Rig::new(&pipeline());
    let told = document(&rig.run());
    let files = told["artifact"]["files"].as_array().unwrap();
    let rows: u64 = files.iter().map(|file| file["rows"].as_u64().unwrap()).sum();
    assert_eq!((rows, &told["artifact"]["name"]), (told["rows"]["delivered"].as_u64().unwrap(), &json!(ARTIFACT)));
    let receipt = &told["deliveries"][0]["receipt"];
    for (received, file) in receipt["files"].as_array().unwrap().iter().zip(files) {
        assert!(received["path"].as_str().unwrap().ends_with(file["name"].as_str().unwrap()));
        assert_eq!((&received["bytes"], &received["sha256"]), (&file["bytes"], &file["sha256"]));
    }
    let run = told["run"].as_str().unwrap();
    let verified = rig.reportferry(&["verify", run, "--checksum"]);
    assert!(verified.status.success(), "{}", both(&verified));
    std::fs::write(rig.drop.join("inbound").join(data_name(2)), "x").unwrap();
    assert_eq!(rig.reportferry(&["verify", run]).status.code(), Some(3));
    let shown = rig.reportferry(&["show", run]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains(&format!("{}  40 rows", data_name(2))), "{}", both(&shown));
    let plan = rig.reportferry(&["plan", "line"]);
    assert!(String::from_utf8_lossy(&plan.stdout).contains("_01.csv, …"), "{}", both(&plan));

    let named = rig.reportferry(&["replay", run, "--as", "other.csv"]);
    assert!(String::from_utf8_lossy(&named.stderr).contains("cannot share one name"), "{}", both(&named));
    for name in rig.arrived() {
        std::fs::remove_file(rig.drop.join("inbound").join(name)).unwrap();
    }
    let again = rig.reportferry(&["replay", run]);
    assert!(again.status.success(), "{}", both(&again));
    assert_eq!(rig.arrived(), whole().keys().cloned().collect::<Vec<_>>());
    assert_eq!(rig.read(&data_name(1)), whole()[&data_name(1)]);
}

#[test]
fn a_webhook_gets_the_rows_of_a_set_and_a_notice_names_its_files() {
    let (rows, notices) = (Receiver::start(), Receiver::start());
    let rig = Rig::new(&pipeline().replace("deliver:\n", "deliver:\n  bi: {}\n  told: {}\n"));
    std::fs::write(rig.folder.path().join("hook"), SECRET).unwrap();
    let webhook = |name: &str, receiver: &Receiver, body: &str| {
        let url = format!("http://127.0.0.1:{}/hooks", receiver.port);
        format!("  {name}:\n    webhook: {{url: {url:?}, allow: [loopback], body: {body}, secret: {{file: hook}}}}\n")
    };
    let destinations = webhook("bi", &rows, "rows") + &webhook("told", &notices, "notice");
    rig.settings(|text| text.replace("destinations:\n", &format!("destinations:\n{destinations}")));
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    let told = document(&output);
    let got: usize = rows.got().iter().map(|got| got["body"]["data"]["rows"].as_array().unwrap().len()).sum();
    assert_eq!(got as u64, told["rows"]["delivered"].as_u64().unwrap());
    let notice = &notices.got()[0]["body"]["data"];
    assert_eq!(notice["artifact"]["files"], told["artifact"]["files"]);
    let delivered_to = notice["delivered_to"].as_array().unwrap();
    assert_eq!(delivered_to.iter().filter(|place| place["destination"] == "hris").count(), whole().len() - 3);
}
