//! Full disks, for real: a small file system that only the processes of the test see.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::{all_delivered, rig};
use crate::stage::rig::{SLOT, both, document, names};
use crate::stage::{eventually, file};
use crate::watch::alerts::Receiver;
use crate::work::stand::{Stand, Working};

/// A file system in memory on a folder, in a mount namespace that a process holds.
struct SmallDisk {
    holder: Child,
    folder: PathBuf,
    rootless: bool,
}

impl SmallDisk {
    /// `None` where the system does not permit it.
    fn mount(folder: PathBuf, mebibytes: u32) -> Self {
        fs::create_dir_all(&folder).unwrap();
        let rootless = !rustix::process::geteuid().is_root();
        let mut unshare = Command::new("unshare");
        if rootless {
            unshare.args(["--user", "--map-root-user"]);
        }
        let script = "mount -t tmpfs -o \"size=$1m,mode=700\" none \"$2\" && touch \"$2/mounted\" && exec sleep 600";
        unshare.args(["--mount", "sh", "-c", script, "sh", &mebibytes.to_string()]).arg(&folder);
        let mut holder = unshare.stderr(Stdio::null()).spawn().unwrap();
        let inside = PathBuf::from(format!("/proc/{}/root{}/mounted", holder.id(), folder.display()));
        let mut ended = false;
        eventually("the disk is mounted", || {
            ended = holder.try_wait().unwrap().is_some();
            ended || inside.exists()
        });
        let fix = "run the tests as root, or allow user namespaces (kernel.apparmor_restrict_unprivileged_userns=0)";
        assert!(!ended, "this account may not mount a file system: {fix}");
        fs::remove_file(inside).unwrap();
        Self { holder, folder, rootless }
    }

    /// The folder, as processes outside reach it.
    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{}", self.holder.id(), self.folder.display()))
    }

    /// The same command, where the disk is seen.
    fn command(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        if self.rootless {
            inside.args(["--user", "--preserve-credentials"]);
        }
        inside.args(["--mount", "--target", &self.holder.id().to_string(), "--"]);
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Leaves this many bytes free.
    fn fill_up_to(&self, free: u64) {
        let mut filler = OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        loop {
            let space = rustix::fs::statvfs(self.path()).unwrap();
            let left = (space.f_bavail * space.f_frsize).saturating_sub(free);
            let written = filler.write(&vec![0; usize::try_from(left.clamp(1, 1 << 20)).unwrap()]);
            if left == 0 || written.is_err() {
                return;
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.holder.kill().ok();
        self.holder.wait().ok();
    }
}

#[test]
fn a_run_that_finds_the_disk_full_waits_and_continues_and_low_space_is_reported_once() {
    let rig = rig(3 << 20);
    let disk = SmallDisk::mount(rig.folder.path().join("data"), 24);
    let receiver = Receiver::start();
    fs::write(rig.folder.path().join("hook"), format!("http://{}/ops", receiver.address)).unwrap();
    rig.settings(|text| {
        format!("{text}alerts: {{channels: {{ops: {{webhook: {{url: {{file: hook}}, allow: [loopback]}}}}}}}}\nlimits: {{free_space: 6MiB}}\n")
    });
    disk.fill_up_to(2 << 20); // the extract has 3 MiB
    let log = file();
    let mut command = disk.command(&rig.command(&["work"]));
    let child = command.stdout(Stdio::null()).stderr(log.reopen().unwrap()).spawn().unwrap();
    let worker = Working::of(child);
    let said = || fs::read_to_string(log.path()).unwrap();
    let times = |text: &str| said().matches(text).count();
    eventually("the run waits", || times("disk full, runs wait for space") == 1);
    eventually("low space is logged", || times("WARN low disk space") == 1);
    eventually("low space is sent", || receiver.got("/ops").iter().any(|document| document["event"] == "low_space"));

    // Now the ledger cannot be written either.
    disk.fill_up_to(0);
    eventually("the ledger is reported", || times("ledger unavailable, retrying") == 1);
    std::thread::sleep(std::time::Duration::from_secs(5)); // it tries again every second
    assert_eq!((times("ledger unavailable"), times("ledger available again")), (1, 0), "{}", said());

    fs::remove_file(disk.filler()).unwrap();
    eventually("a slot of each minute is delivered", || rig.arrived().len() >= 2);
    eventually("each end is logged", || {
        times("disk has space again, runs continue") == 1 && times("ledger available again") == 1
    });
    eventually("the recovery is sent", || {
        receiver.got("/ops").iter().any(|document| document["event"] == "recovered" && document["folder"].is_string())
    });
    assert_eq!(worker.stop().code(), Some(0));
    let log = said();
    for once in [
        "disk full, runs wait for space",
        "disk has space again",
        "ledger unavailable",
        "ledger available again",
        "WARN low disk space",
        "INFO disk space is sufficient again",
    ] {
        assert_eq!(log.matches(once).count(), 1, "{once}: {log}");
    }
    assert!(!log.contains(" failed") && !log.contains("cannot continue now"), "{log}");
    let low = receiver.got("/ops").into_iter().filter(|document| document["event"] == "low_space").count();
    assert_eq!(low, 1);
}

#[test]
fn a_run_of_a_person_waits_for_space_as_long_as_it_was_told_to() {
    let rig = rig(3 << 20);
    let disk = SmallDisk::mount(rig.folder.path().join("data"), 24);
    disk.fill_up_to(2 << 20);
    let run = |wait: &str| disk.command(&rig.command(&["run", "line", "--slot", SLOT, "--json", "--wait", wait]));
    let given_up = run("0s").output().unwrap();
    assert_eq!(given_up.status.code(), Some(6), "{}", both(&given_up));
    assert!(both(&given_up).contains("No space left on device"), "{}", both(&given_up));
    let spool = disk.path().join("spool");
    let folder = spool.join(&names(&spool)[0]);
    assert_eq!(names(&folder), ["lock"], "what was received of the extract takes no space");
    // As much as the extract takes, and not the artifact.
    fs::remove_file(disk.filler()).unwrap();
    disk.fill_up_to(9 << 20 >> 1);
    let log = file();
    let mut waiting = run("60s");
    waiting.stdout(Stdio::piped()).stderr(log.reopen().unwrap());
    let waiting = waiting.spawn().unwrap();
    eventually("it waits", || fs::read_to_string(log.path()).unwrap().contains("disk full, waiting for space"));
    fs::remove_file(disk.filler()).unwrap();
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(document(&output)["state"], "delivered", "{}", both(&output));
    assert_eq!(rig.arrived().len(), 2);
}

#[test]
fn a_log_on_a_full_disk_loses_lines_and_nothing_else() {
    let stand = Stand::new(rig(1000));
    let disk = SmallDisk::mount(stand.rig.folder.path().join("logs"), 1);
    disk.fill_up_to(0);
    let log = disk.path().join("log");
    let stderr: File = OpenOptions::new().create(true).append(true).open(&log).unwrap();
    stand.behind("line", 3);
    let child = stand.rig.command(&["work"]).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
    let worker = Working::of(child);
    all_delivered(&stand, 3);
    fs::remove_file(disk.filler()).unwrap();
    fs::write(stand.pipeline("other"), "nothing").unwrap();
    eventually("the lost lines are counted", || fs::read_to_string(&log).unwrap().contains("log lines lost"));
    assert_eq!(worker.stop().code(), Some(0));
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.matches("log lines lost").count(), 1, "{text}");
}

#[test]
fn a_sort_that_finds_the_disk_full_waits_for_space() {
    let rig = rig(5 << 20);
    let file = rig.folder.path().join("pipelines/line.yaml");
    let text = fs::read_to_string(&file).unwrap();
    // The artifact is small, and each row takes 16 bytes of the sort.
    let expect = "transform: [{set: {n: \"'1'\"}}, {select: [n]}]\nexpect: {unique: n, severity: {unique: warn}}\n";
    fs::write(&file, format!("{text}{expect}")).unwrap();
    rig.settings(|text| format!("{text}limits: {{memory: 1MiB}}\n"));
    let disk = SmallDisk::mount(rig.folder.path().join("data"), 24);
    disk.fill_up_to(7 << 20); // the extract has 5 MiB, the artifact 0.4 and the sort 3
    let run = |wait: &str| disk.command(&rig.command(&["run", "line", "--slot", SLOT, "--json", "--wait", wait]));
    let given_up = run("0s").output().unwrap();
    assert_eq!(given_up.status.code(), Some(6), "{}", both(&given_up));
    assert!(both(&given_up).contains("sorting the rows on disk: writing a temporary file in "), "{}", both(&given_up));
    fs::remove_file(disk.filler()).unwrap();
    let output = run("5s").output().unwrap();
    assert_eq!(document(&output)["state"], "delivered", "{}", both(&output));
}

/// Runs a step that needs more memory than it has, and more of the disk than there is: it waits until it has been told to
/// give up, leaves no file of its own, and goes on once there is space.
fn waits_for_space_and_leaves_none_of_its_own(step: &str) {
    let rig = rig(1);
    let file = rig.folder.path().join("pipelines/line.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}transform: [{step}, {{limit: 1}}]\n")).unwrap();
    let rows: String = (0..200_000).map(|id| format!("{id:08},AML-001,2026-11-23\n")).collect();
    for name in ["in.csv", "pipelines/theirs.csv"] {
        fs::write(rig.folder.path().join(name), format!("id,course,done\n{rows}")).unwrap();
    }
    rig.settings(|text| format!("{text}limits: {{memory: 1MiB}}\n"));
    let disk = SmallDisk::mount(rig.folder.path().join("data"), 64);
    disk.fill_up_to(8 << 20); // the extract has 5.5 MiB, and the step more
    let run = |wait: &str| disk.command(&rig.command(&["run", "line", "--slot", SLOT, "--json", "--wait", wait]));
    let given_up = run("1s").output().unwrap();
    assert_eq!(given_up.status.code(), Some(6), "{}", both(&given_up));
    let spool = rig.folder.path().join("data/spool");
    let what = format!("sorting the rows on disk: writing a temporary file in {}/", spool.display());
    assert!(both(&given_up).contains(&what), "{what}: {}", both(&given_up));
    assert!(both(&given_up).contains("No space left on device"), "{}", both(&given_up));
    let runs = disk.path().join("spool");
    let [kept] = names(&runs).try_into().unwrap();
    assert_eq!(names(&runs.join(&kept)), ["artifact", "extract.csv", "lock"]);
    assert!(names(&runs.join(&kept).join("artifact")).is_empty());
    let space = rustix::fs::statvfs(disk.path()).unwrap();
    assert!(space.f_bavail * space.f_frsize > 2 << 20, "the step's files take space");
    let log = crate::stage::file();
    let mut waiting = run("60s");
    waiting.stdout(Stdio::piped()).stderr(log.reopen().unwrap());
    let waiting = waiting.spawn().unwrap();
    eventually("it waits", || fs::read_to_string(log.path()).unwrap().contains("disk full, waiting for space"));
    fs::remove_file(disk.filler()).unwrap();
    let output = waiting.wait_with_output().unwrap();
    assert_eq!(document(&output)["state"], "delivered", "{}", both(&output));
}

#[test]
fn a_sort_step_that_finds_the_disk_full_waits_for_space() {
    waits_for_space_and_leaves_none_of_its_own("{sort: id}");
}

#[test]
fn a_join_that_finds_the_disk_full_waits_for_space() {
    let table = "{file: theirs.csv}";
    waits_for_space_and_leaves_none_of_its_own(&format!(
        "{{join: {{with: {table}, match: {{id: id}}, columns: {{theirs: done}}}}}}"
    ));
}

#[test]
fn an_aggregate_that_finds_the_disk_full_waits_for_space() {
    waits_for_space_and_leaves_none_of_its_own(
        "{aggregate: {by: [id], columns: {n: count(*), courses: count(distinct course)}}}",
    );
}
