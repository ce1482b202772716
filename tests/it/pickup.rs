//! Was it picked up? Real servers, readers that move files or acknowledge them, and a worker that looks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use reportferry::clock::{Clock, ManualClock};
use reportferry::ledger::Ledger;
use reportferry::run::RunContext;
use reportferry::settings::Settings;
use reportferry::work::pickups::Pickups;
use serde_json::Value;
use tokio::runtime::Runtime;

use super::stage::eventually;
use super::stage::rig::{ARTIFACT, PIPELINE, Rig, both, document, servers};

mod answered;
mod called;
mod many;
mod told;

const HOUR: Duration = Duration::from_secs(3_600);

/// Says in the settings what becomes of files at `hris`, the first of the destinations.
pub(crate) fn says(rig: &Rig, pickup: &str) {
    edit(rig, "give_up_after: 1h}\n", &format!("give_up_after: 1h}}\n    pickup: {pickup}\n"));
}

fn edit(rig: &Rig, from: &str, to: &str) {
    let path = rig.folder.path().join("reportferry.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from:?} is not in\n{text}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

fn inbound(rig: &Rig, name: &str) -> PathBuf {
    rig.drop.join("inbound").join(name)
}

/// The worker's looks, on a clock that the test turns.
struct Looks {
    rig: Rig,
    runtime: Runtime,
    clock: Arc<ManualClock>,
    ledger: Ledger,
    line: RunContext,
    pickups: Pickups,
}

impl Looks {
    fn new(rig: Rig) -> Self {
        let runtime = Runtime::new().unwrap();
        let (clock, hand) = Clock::manual(Timestamp::now());
        let path = rig.folder.path().join("data/ledger.db");
        let ledger = runtime.block_on(Ledger::open(&crate::stage::sqlite(&path), clock.clone())).unwrap();
        let line = RunContext::new(settings(&rig), ledger.clone(), clock);
        Self { pickups: Pickups::new(&line), line, ledger, clock: hand, runtime, rig }
    }

    /// Turns the clock on, and looks where something is due then, by the settings as they are.
    fn after(&mut self, wait: Duration) {
        self.begin_after(wait);
        self.runtime.block_on(self.pickups.settle());
    }

    fn begin_after(&mut self, wait: Duration) {
        self.clock.advance(wait);
        let settings = settings(&self.rig);
        self.runtime.block_on(async {
            self.pickups.tick(&settings).await.unwrap();
        });
    }

    /// What `show` says of the first delivery's pick-up.
    fn shown(&self, run: &str) -> Value {
        let output = self.rig.reportferry(&["show", run, "--json"]);
        assert!(output.status.success(), "{}", both(&output));
        document(&output)["deliveries"][0]["pickup"].clone()
    }

    fn state(&self, run: &str) -> String {
        self.shown(run)["state"].as_str().unwrap_or("none").to_owned()
    }

    fn reason(&self, run: &str) -> String {
        self.shown(run)["reason"].as_str().unwrap_or_default().to_owned()
    }

    fn story(&self, run: &str) -> String {
        String::from_utf8(self.rig.reportferry(&["show", run]).stdout).unwrap()
    }
}

fn settings(rig: &Rig) -> Arc<Settings> {
    let path = rig.folder.path().join("reportferry.yaml");
    let settings = Settings::load_with(Some(&path), &[], std::iter::empty());
    Arc::new(settings.map(|(settings, _)| settings).unwrap_or_else(|told| panic!("{told:?}")))
}

/// Delivers the rig's slot, and says which run that was.
fn delivered(rig: &Rig) -> String {
    let output = rig.run();
    assert!(output.status.success(), "{}", both(&output));
    document(&output)["run"].as_str().unwrap().to_owned()
}

fn verified(rig: &Rig, run: &str, code: i32) -> Vec<String> {
    let output = rig.reportferry(&["verify", run, "--json"]);
    assert_eq!(output.status.code(), Some(code), "{}", both(&output));
    let word = |file: &Value, key: &str| file[key].as_str().unwrap().to_owned();
    let files = document(&output);
    files["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| format!("{} {}", word(file, "role"), word(file, "found")))
        .collect()
}

#[test]
fn a_file_that_is_moved_is_picked_up_whatever_lies_beside_it() {
    for pipeline in [PIPELINE.to_owned(), PIPELINE.replace("hris:", "local:")] {
        let rig = Rig::new(&pipeline);
        says(&rig, "{moved: {deadline: 4h}}");
        edit(&rig, "  local:\n", "  local:\n    pickup: {moved: {deadline: 4h}}\n");
        let run = delivered(&rig);
        let mut looks = Looks::new(rig);
        looks.after(Duration::ZERO);
        let shown = looks.shown(&run);
        assert_eq!((&shown["state"], &shown["at"], &shown["reason"]), (&"pending".into(), &Value::Null, &Value::Null));
        assert!(shown["due"].as_str().unwrap() > Timestamp::now().to_string().as_str());
        looks.after(HOUR);
        assert_eq!(looks.state(&run), "pending", "it was looked at, and it lies there");
        assert_eq!(verified(&looks.rig, &run, 0), ["data present", "done present"]);
        std::fs::remove_file(inbound(&looks.rig, ARTIFACT)).unwrap();
        looks.after(Duration::from_secs(299));
        assert_eq!(looks.state(&run), "pending", "it is not time to look");
        looks.after(Duration::from_secs(1));
        assert_eq!((looks.state(&run).as_str(), looks.reason(&run).as_str()), ("picked_up", "its reader took it away"));
        assert_eq!(looks.rig.arrived(), [format!("{ARTIFACT}.done")], "nothing of the reader's is touched");
        assert_eq!(verified(&looks.rig, &run, 0), ["data picked_up", "done present"]);
        assert_eq!(looks.story(&run).matches("picked up  ").count(), 1, "{}", looks.story(&run));
        // Somebody puts something there: what was picked up stays so.
        std::fs::write(inbound(&looks.rig, ARTIFACT), "x").unwrap();
        looks.after(6 * HOUR);
        assert_eq!(looks.state(&run), "picked_up");
    }
}

#[test]
fn an_acknowledgement_beside_the_file_counts_and_nothing_else() {
    for pipeline in [PIPELINE.to_owned(), PIPELINE.replace("hris:", "local:")] {
        let rig = Rig::new(&pipeline);
        says(&rig, "{ack_file: {name: \"{name}.ack\", deadline: 4h, every: 1h}}");
        edit(&rig, "  local:\n", "  local:\n    pickup: {ack_file: {name: \"{name}.ack\", deadline: 4h, every: 1h}}\n");
        let run = delivered(&rig);
        let mut looks = Looks::new(rig);
        std::fs::write(inbound(&looks.rig, "other.csv.ack"), "").unwrap();
        looks.after(HOUR);
        assert_eq!(looks.state(&run), "pending");
        let data = std::fs::read(inbound(&looks.rig, ARTIFACT)).unwrap();
        std::fs::remove_file(inbound(&looks.rig, ARTIFACT)).unwrap();
        looks.after(HOUR);
        assert_eq!(looks.state(&run), "pending", "who takes it away has not said that it is well");
        assert_eq!(verified(&looks.rig, &run, 3), ["data lost", "done present"]);
        std::fs::write(inbound(&looks.rig, ARTIFACT), data).unwrap();
        let ack = inbound(&looks.rig, &format!("{ARTIFACT}.ack"));
        std::fs::write(&ack, "ok").unwrap();
        looks.after(HOUR);
        assert_eq!(looks.state(&run), "picked_up");
        assert!(looks.reason(&run).ends_with(&format!("inbound/{ARTIFACT}.ack")), "{}", looks.reason(&run));
        assert_eq!(verified(&looks.rig, &run, 0), ["data picked_up", "done present"]);
        assert!(ack.exists(), "it is not ours");
    }
}

#[test]
fn a_reader_that_is_late_is_looked_for_still() {
    let rig = Rig::new(PIPELINE);
    says(&rig, "{moved: {deadline: 2h, every: 1h}}");
    let run = delivered(&rig);
    let mut looks = Looks::new(rig);
    let attention = |looks: &Looks| {
        let status = document(&looks.rig.reportferry(&["status", "--attention", "--json"]));
        let lines = status["pipelines"].as_array().unwrap().clone();
        lines.first().map(|line| line["pickup_overdue"].clone()).unwrap_or_default()
    };
    looks.after(2 * HOUR - Duration::from_secs(10));
    assert_eq!((looks.state(&run).as_str(), attention(&looks)), ("pending", Value::Null));
    looks.after(Duration::from_secs(10));
    let shown = looks.shown(&run);
    assert_eq!((&shown["state"], &shown["reason"]), (&"overdue".into(), &"not picked up in time".into()));
    let listed = attention(&looks);
    assert_eq!((&listed[0]["run"], &listed[0]["destination"]), (&run.as_str().into(), &"hris".into()));
    assert_eq!(listed[0]["due"], shown["due"]);
    let words = String::from_utf8(looks.rig.reportferry(&["status", "--attention"]).stdout).unwrap();
    assert!(words.contains("not picked up at hris by "), "{words}");
    assert_eq!(verified(&looks.rig, &run, 0), ["data present", "done present"]);
    let verify = both(&looks.rig.reportferry(&["verify", &run]));
    assert!(verify.contains("not picked up by "), "{verify}");
    for _ in 0..3 {
        looks.after(HOUR);
        assert_eq!(looks.shown(&run)["at"], shown["at"], "it is overdue since it was found to be");
    }
    std::fs::remove_file(inbound(&looks.rig, ARTIFACT)).unwrap();
    looks.after(6 * HOUR);
    assert_eq!((looks.state(&run).as_str(), attention(&looks)), ("picked_up", Value::Null));
    let story = looks.story(&run);
    assert!(story.find("pickup overdue  ").unwrap() < story.rfind("picked up  ").unwrap(), "{story}");
    let evidence = document(&looks.rig.reportferry(&["evidence", &run]));
    assert_eq!(evidence["evidence"]["run"]["deliveries"][0]["pickup"]["state"], "picked_up");
}

#[test]
fn after_a_week_nobody_looks_any_more_but_verify_does() {
    let rig = Rig::new(PIPELINE);
    says(&rig, "{moved: {deadline: 2h}}");
    let run = delivered(&rig);
    let mut looks = Looks::new(rig);
    looks.after(2 * HOUR);
    assert_eq!(looks.state(&run), "overdue");
    looks.after(7 * 24 * HOUR);
    std::fs::remove_file(inbound(&looks.rig, ARTIFACT)).unwrap();
    looks.after(24 * HOUR);
    assert_eq!(looks.state(&run), "overdue");
    let status = document(&looks.rig.reportferry(&["status", "--attention", "--json"]));
    assert_eq!(status["pipelines"], serde_json::json!([]), "it was told, and it is history");
    assert_eq!(verified(&looks.rig, &run, 0), ["data picked_up", "done present"]);
    assert_eq!(looks.state(&run), "picked_up", "verify notes what it found");
}

#[test]
fn without_a_deadline_nobody_waits_and_verify_tells() {
    let rig = Rig::new(PIPELINE);
    says(&rig, "moved");
    let run = delivered(&rig);
    let mut looks = Looks::new(rig);
    std::fs::remove_file(inbound(&looks.rig, ARTIFACT)).unwrap();
    looks.after(24 * HOUR);
    let shown = looks.shown(&run);
    assert_eq!((&shown["state"], &shown["due"]), (&"pending".into(), &Value::Null));
    assert!(looks.story(&run).contains("pending, without a deadline"), "{}", looks.story(&run));
    assert_eq!(verified(&looks.rig, &run, 0), ["data picked_up", "done present"]);
    assert_eq!(looks.state(&run), "picked_up");
}

/// A port of loopback at which nobody listens.
fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_destination_that_cannot_be_looked_at_says_nothing_and_its_deadline_does_not_pass_silently() {
    let port = servers().sshd.port;
    let (well, dead) = (format!("port: {port}"), format!("port: {}", closed_port()));
    let is_there = ("host: 127.0.0.1", "host: localhost");
    let directory = ("inbound", "inbound.away");
    let rig = || {
        let rig = Rig::new(PIPELINE);
        says(&rig, "{moved: {deadline: 2h, every: 1h}}");
        rig
    };
    type Break = fn(&Rig, &str, &str);
    let settings: Break = |rig, from, to| edit(rig, from, to);
    let folder: Break = |rig, from, to| std::fs::rename(rig.drop.join(from), rig.drop.join(to)).unwrap();
    for (from, to, breaks, why) in [
        (well.as_str(), dead.as_str(), settings, "connect to"),
        (is_there.0, is_there.1, settings, "it was delivered to 127.0.0.1:"),
        ("  hris:\n", "  hrix:\n", settings, "the destination is no longer in the settings"),
        (directory.0, directory.1, folder, "is not there"),
    ] {
        let rig = rig();
        let run = delivered(&rig);
        let mut looks = Looks::new(rig);
        std::fs::remove_file(inbound(&looks.rig, ARTIFACT)).unwrap();
        breaks(&looks.rig, from, to);
        looks.after(HOUR);
        assert_eq!(looks.state(&run), "pending", "{why}");
        assert!(looks.reason(&run).contains(why), "{}", looks.reason(&run));
        looks.after(HOUR);
        assert_eq!(looks.state(&run), "overdue", "{why}");
        let reason = looks.reason(&run);
        assert!(reason.starts_with("could not be checked: ") && reason.contains(why), "{reason}");
        breaks(&looks.rig, to, from);
        looks.after(HOUR);
        assert_eq!(looks.state(&run), "picked_up", "{why}");
    }
}

#[test]
fn what_nobody_waits_for_any_more_is_let_go() {
    let rig = Rig::new(PIPELINE);
    says(&rig, "{moved: {deadline: 2h}}");
    let run = delivered(&rig);
    let mut looks = Looks::new(rig);
    // Another deadline is for what is delivered from now on.
    edit(&looks.rig, "deadline: 2h", "deadline: 9h");
    looks.after(2 * HOUR);
    assert_eq!(looks.state(&run), "overdue");
    edit(&looks.rig, "pickup: {moved: {deadline: 9h}}", "pickup: moved");
    looks.after(Duration::from_secs(1));
    assert_eq!(looks.state(&run), "superseded");
    assert!(looks.reason(&run).contains("the settings no longer wait"), "{}", looks.reason(&run));
    std::fs::remove_file(inbound(&looks.rig, ARTIFACT)).unwrap();
    looks.after(HOUR);
    assert_eq!(looks.state(&run), "superseded");
}

#[test]
fn a_destination_that_does_not_answer_keeps_no_other_waiting() {
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let rig = Rig::new(&PIPELINE.replace("deliver:\n", "deliver:\n  local: {path: beside}\n"));
    std::fs::create_dir(rig.drop.join("beside")).unwrap();
    says(&rig, "{moved: {deadline: 2h}}");
    edit(&rig, "  local:\n", "  local:\n    pickup: {moved: {deadline: 2h}}\n");
    let run = delivered(&rig);
    let mut looks = Looks::new(rig);
    std::fs::remove_file(looks.rig.drop.join("beside").join(ARTIFACT)).unwrap();
    let silent = format!("port: {}", silent.local_addr().unwrap().port());
    edit(&looks.rig, &format!("port: {}", servers().sshd.port), &format!("timeouts: {{connect: 9s}}, {silent}"));
    looks.begin_after(HOUR);
    let states = |looks: &Looks| {
        let shown = document(&looks.rig.reportferry(&["show", &run, "--json"]));
        let deliveries = shown["deliveries"].as_array().unwrap().clone();
        let pickup = |delivery: &Value| (delivery["destination"].clone(), delivery["pickup"]["state"].clone());
        deliveries.iter().map(pickup).collect::<Vec<_>>()
    };
    let expected = [("hris".into(), "pending".into()), ("local".into(), "picked_up".into())];
    eventually("the other one is looked at", || states(&looks) == expected);
    // Nor is one that is being looked at looked at once more.
    looks.begin_after(HOUR);
    assert_eq!(looks.pickups.under_way(), 1);
    looks.runtime.block_on(looks.pickups.settle());
    let shown = document(&looks.rig.reportferry(&["show", &run, "--json"]));
    let hris = &shown["deliveries"][0]["pickup"];
    assert!(hris["reason"].as_str().unwrap().starts_with("could not be checked: "), "{hris}");
}

#[test]
fn a_look_waits_for_a_session_that_its_destination_allows() {
    let rig = Rig::new(PIPELINE);
    says(&rig, "{moved: {deadline: 4h}}");
    let run = delivered(&rig);
    let mut looks = Looks::new(rig);
    std::fs::remove_file(inbound(&looks.rig, ARTIFACT)).unwrap();
    let hris = settings(&looks.rig).destinations["hris"].clone();
    let limits = looks.line.limits.clone();
    let all: Vec<_> = (0..hris.sessions().unwrap()).map(|_| looks.runtime.block_on(limits.session(&hris))).collect();
    looks.begin_after(HOUR);
    let waited = async { tokio::time::timeout(Duration::from_millis(500), looks.pickups.settle()).await };
    assert!(looks.runtime.block_on(waited).is_err(), "it does not wait");
    assert_eq!(looks.state(&run), "pending");
    drop(all);
    looks.runtime.block_on(looks.pickups.settle());
    assert_eq!(looks.state(&run), "picked_up");
}

/// Sets the time at which a file was last modified.
fn touch(path: &Path, at: &str) {
    assert!(std::process::Command::new("touch").args(["-d", at]).arg(path).status().unwrap().success());
}

#[test]
fn an_acknowledgement_of_an_older_file_of_the_same_name_does_not_count() {
    let pipeline = PIPELINE.replace("_{slot:%Y%m%d}", "").replace("existing: fail", "existing: replace");
    let rig = Rig::new(&pipeline);
    says(&rig, "{ack_file: {name: \"{name}.ack\", deadline: 4h, every: 1h}}");
    let ack = inbound(&rig, "completions.csv.ack");
    // Of a clock that is years ahead: the time of day proves nothing.
    std::fs::write(&ack, "").unwrap();
    touch(&ack, "2040-01-01T00:00:00Z");
    let first = delivered(&rig);
    let mut looks = Looks::new(rig);
    looks.after(HOUR);
    assert_eq!(looks.state(&first), "pending", "it lay there before");
    assert_eq!(verified(&looks.rig, &first, 0), ["data present", "done present"]);
    // The next slot's file takes the name: whether the first was ever read, nobody can tell from now on.
    let second = looks.rig.reportferry(&["run", "line", "--slot", "2026-11-24T05:30:00-05:00", "--json"]);
    let second = document(&second)["run"].as_str().unwrap().to_owned();
    assert_eq!(looks.state(&first), "superseded");
    assert!(looks.reason(&first).contains(&second), "{}", looks.reason(&first));
    looks.after(HOUR);
    assert_eq!((looks.state(&first).as_str(), looks.state(&second).as_str()), ("superseded", "pending"));
    touch(&ack, "2030-01-01T00:00:00Z");
    looks.after(HOUR);
    assert_eq!(looks.state(&second), "picked_up", "another one lies there");
}

#[test]
fn what_lay_there_before_is_known_after_a_crash() {
    for step in ["sftp.rename=kill_after", "done.rename=kill_after", "ledger.verdict=kill_before"] {
        let rig = Rig::new(PIPELINE);
        says(&rig, "{ack_file: {name: \"{name}.ack\", deadline: 4h}}");
        let died = rig.run_with_fault(step);
        assert!(died.status.code().is_none(), "{step}: {}", both(&died));
        // The reader is faster than the next start.
        std::fs::write(inbound(&rig, &format!("{ARTIFACT}.ack")), "").unwrap();
        let run = delivered(&rig);
        let mut looks = Looks::new(rig);
        looks.after(HOUR);
        assert_eq!(looks.state(&run), "picked_up", "{step}");
    }
}
