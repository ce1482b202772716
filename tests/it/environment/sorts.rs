//! Steps that sort on disk: their memory, and what is left of them when the process is killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::stage::eventually;
use crate::stage::rig::{Rig, SLOT, both, document, names};

/// A rig whose pipeline transforms this many rows of 200 bytes, in no order, by steps that keep them all.
fn rig(rows: usize) -> Rig {
    let pipeline = r#"
source: {file: {path: in.csv}}
transform:
  - dedupe: {by: [id, course], keep: last, order: [{column: n, as: integer}]}
  - sort: [course, {column: n, as: integer, order: desc}]
artifact: {name: out.csv}
deliver: {local: {path: inbound}}
"#;
    let rig = Rig::new(pipeline);
    let mut random = fastrand::Rng::with_seed(4);
    let mut text = String::from("id,course,n,text\n");
    for number in 0..rows {
        let n = random.u32(..1_000_000);
        text.push_str(&format!("{:08},C-{:03},{n},{}\n", number / 2, number / 2 % 500, "x".repeat(170)));
    }
    fs::write(rig.folder.path().join("in.csv"), text).unwrap();
    rig.settings(|text| format!("{text}limits: {{memory: 1MiB}}\n"));
    rig
}

fn start(rig: &Rig) -> Child {
    let mut command = rig.command(&["run", "line", "--slot", SLOT, "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Returns the largest memory of a process so far, in KiB.
fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

/// Returns the number of files without a name that the process has open in the folder.
fn temporary(process: u32, folder: &Path) -> usize {
    let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else { return 0 };
    let paths = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    paths.filter(|path| path.starts_with(folder) && path.to_string_lossy().ends_with(" (deleted)")).count()
}

#[test]
fn memory_is_bounded_by_the_setting_and_not_by_the_rows() {
    let peak_of = |rows| {
        let rig = rig(rows);
        let mut child = start(&rig);
        let mut largest = 0;
        while child.try_wait().unwrap().is_none() {
            largest = largest.max(peak(child.id()).unwrap_or(0));
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let output = child.wait_with_output().unwrap();
        let told = document(&output);
        assert_eq!(told["state"], "delivered", "{}", both(&output));
        assert_eq!(told["rows"]["steps"][0]["merged"], rows / 2, "{told}");
        largest
    };
    // 4 MB of rows spill as 60 MB do.
    let (small, large) = (peak_of(20_000), peak_of(300_000));
    println!("{small} KiB, {large} KiB");
    assert!(large < small + 8 * 1024, "{small} KiB with 4 MB, {large} KiB with 60 MB");
}

#[test]
fn nothing_is_left_of_a_sort_that_was_killed() {
    let rig = rig(100_000);
    let spool = rig.folder.path().canonicalize().unwrap().join("data/spool");
    let mut child = start(&rig);
    eventually("it sorts on disk", || {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        temporary(child.id(), &spool) > 0
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let left = names(&spool.join(&names(&spool)[0]));
    let known = |name: &String| ["lock", "extract", "artifact"].iter().any(|known| name.starts_with(known));
    assert!(left.iter().all(known), "{left:?}");
    let output = rig.run();
    assert_eq!(document(&output)["state"], "delivered", "{}", both(&output));
}
