//! What an operator sees and does about what went wrong, of today and of earlier days.

use std::io::Read;
use std::process::Stdio;
use std::time::Duration;

use reportferry::alert::{Alerts, Rules};
use reportferry::clock::Clock;
use reportferry::ledger::state::RunState;
use reportferry::run::spool::Spool;
use reportferry::settings::Settings;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::stage::eventually;
use crate::stage::rig::{PIPELINE, Rig, both, document, servers};
use crate::watch::alerts::Receiver;
use crate::work::stand::{Stand, every_minute};

/// Columns of a terminal.
const WIDTH: usize = 120;
const DAYS: [&str; 2] = ["2026-11-19T05:30:00-05:00", "2026-11-20T05:30:00-05:00"];
const TODAY: &str = "2026-11-23T05:30:00-05:00";

fn said(rig: &Rig, arguments: &[&str], code: i32) -> String {
    let output = rig.reportferry(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", both(&output));
    both(&output)
}

fn json(rig: &Rig, arguments: &[&str], code: i32) -> Value {
    let output = rig.reportferry(&[arguments, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", both(&output));
    document(&output)
}

/// The slot fails: the platform is down.
fn fails(rig: &Rig, slot: &str) -> String {
    let down = ["--set", "tenants.acme.docebo=http://127.0.0.1:1", "run", "line", "--slot", slot, "--wait", "0s"];
    json(rig, &down, 3)["run"].as_str().unwrap().to_owned()
}

fn attention(rig: &Rig, code: i32) -> Vec<Value> {
    let status = json(rig, &["status", "--attention"], code);
    let pipelines = status["pipelines"].as_array().unwrap();
    pipelines.iter().flat_map(|pipeline| pipeline["attention"].as_array().unwrap().clone()).collect()
}

fn is_narrow(text: &str) {
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
}

#[test]
fn failed_slots_of_earlier_days_stay_until_somebody_handles_them() {
    let rig = Rig::new(PIPELINE);
    let failed = DAYS.map(|slot| fails(&rig, slot));
    assert!(rig.run().status.success());
    let listed = attention(&rig, 8);
    assert_eq!((listed.len(), &listed[0]["kind"], &listed[0]["count"]), (1, &"failed".into(), &2.into()), "{listed:?}");
    assert_eq!(listed[0]["since"], "2026-11-19T10:30:00Z");
    let next = listed[0]["next"].as_str().unwrap();
    assert!(next.contains("reportferry retry --pipeline line --state failed, or reportferry dismiss"), "{next}");

    let shown = rig.command(&["status"]).env("TZ", "America/New_York").output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    is_narrow(&shown);
    for part in ["times   America/New_York, now ", "2 slots failed since Thu 19 Nov 05:30: ", " rows", "delivered "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    said(&rig, &["dismiss", &failed[0]], 2); // without a reason
    let words = said(&rig, &["dismiss", &failed[0], "--because", "known", "--by", "ada"], 0);
    assert!(words.contains("1 run dismissed"), "{words}");
    assert!(said(&rig, &["dismiss", &failed[0], "--because", "x"], 0).contains("was dismissed by ada at "));
    let show = said(&rig, &["show", &failed[0]], 0);
    assert!(show.contains("dismissed by ada at ") && !show.contains("  next  "), "{show}");
    let listed = attention(&rig, 8);
    assert_eq!((&listed[0]["count"], &listed[0]["run"]), (&1.into(), &failed[1].as_str().into()));
    // The same words in `show`.
    assert_eq!(json(&rig, &["show", &failed[1]], 0)["next"], listed[0]["next"]);
    assert!(said(&rig, &["show", &failed[1]], 0).contains(listed[0]["next"].as_str().unwrap()));

    let retried = json(&rig, &["retry", "--pipeline", "line", "--state", "failed"], 0);
    assert_eq!((&retried["run"], &retried["state"]), (&failed[1].as_str().into(), &"delivered".into()), "{retried}");
    assert!(attention(&rig, 0).is_empty());
    assert!(said(&rig, &["status", "--attention"], 0).contains("no pipeline needs attention"));
    assert!(said(&rig, &["retry", "--pipeline", "line"], 0).contains("0 of 0 runs delivered"));
    assert!(said(&rig, &["retry", "--pipeline", "line", "--state", "held"], 2).contains("failed, blocked, rejected"));
    assert!(said(&rig, &["retry", "--pipeline", "lime"], 2).contains("did you mean \"line\"?"));
}

#[test]
fn many_are_dismissed_up_to_a_moment_and_several_retries_have_one_code() {
    let rig = Rig::new(PIPELINE);
    let failed = DAYS.map(|slot| fails(&rig, slot));
    let runtime = Runtime::new().unwrap();
    let busy = runtime
        .block_on(Spool::take(&rig.folder.path().join("data"), &failed[0], &Clock::System, Duration::ZERO))
        .unwrap();
    let retried = json(&rig, &["retry", "--pipeline", "line", "--wait", "0s"], 7);
    assert_eq!((&retried["run"], &retried["state"]), (&failed[1].as_str().into(), &"delivered".into()), "{retried}");
    drop(busy);
    fails(&rig, TODAY);
    assert_eq!(attention(&rig, 8)[0]["count"], 2);
    let before = ["dismiss", "--pipeline", "line", "--before", TODAY, "--because", "before the move"];
    assert_eq!(json(&rig, &before, 0)["dismissed"], serde_json::json!([failed[0]]), "that moment is not before itself");
    assert_eq!(attention(&rig, 8)[0]["count"], 1);
    said(&rig, &["dismiss", "--pipeline", "line", "--because", "x"], 2);
    said(&rig, &["dismiss", "--because", "x"], 2);
}

#[test]
fn what_a_later_run_replaced_is_superseded_and_what_has_a_name_of_its_own_is_not() {
    let same = PIPELINE.replace("completions_{slot:%Y%m%d}.csv", "completions.csv");
    let replace = same.replace("existing: fail", "existing: replace");
    for (pipeline, is_superseded) in
        [(&replace, true), (&same, false), (&PIPELINE.replace("existing: fail", "existing: replace"), false)]
    {
        let rig = Rig::new(pipeline);
        let failed = fails(&rig, DAYS[1]);
        let later = json(&rig, &["run", "line", "--slot", TODAY], 0)["run"].as_str().unwrap().to_owned();
        let shown = json(&rig, &["show", &failed], 0);
        assert_eq!(shown["superseded_by"] == later.as_str(), is_superseded, "{pipeline}: {shown}");
        assert_eq!(
            (shown["next"].is_null(), attention(&rig, if is_superseded { 0 } else { 8 }).is_empty()),
            (is_superseded, is_superseded)
        );
        // The same bytes under a later slot are no newer content.
        if is_superseded {
            let again = fails(&rig, "2026-11-24T05:30:00-05:00");
            assert!(rig.reportferry(&["replay", &later]).status.success());
            assert!(json(&rig, &["show", &again], 0)["superseded_by"].is_null());
        }
    }
}

#[test]
fn a_run_that_waits_is_cancelled_unless_somebody_works_on_it() {
    let rig = Rig::new(PIPELINE);
    let down = ["--set", "destinations.hris.sftp.port=1", "run", "line", "--slot", TODAY, "--wait", "0s"];
    let waiting = json(&rig, &down, 6);
    let id = waiting["run"].as_str().unwrap();
    assert!(
        waiting["next"].as_str().unwrap().contains(&format!("reportferry cancel {id} --because TEXT")),
        "{waiting}"
    );
    let runtime = Runtime::new().unwrap();
    let data = rig.folder.path().join("data");
    let busy = runtime.block_on(Spool::take(&data, id, &Clock::System, Duration::ZERO)).unwrap();
    let words = said(&rig, &["cancel", id, "--because", "moved"], 7);
    assert!(words.contains(&format!("another process is working on run {id}")), "{words}");
    said(&rig, &["retry", id, "--wait", "0s"], 7);
    said(&rig, &["run", "line", "--slot", TODAY, "--wait", "0s"], 7);
    drop(busy);
    let cancelled = json(&rig, &["cancel", id, "--because", "moved", "--by", "ada"], 0);
    assert_eq!((&cancelled["state"], &cancelled["reason"]), (&"cancelled".into(), &"cancelled by ada: moved".into()));
    assert_eq!((&cancelled["deliveries"][0]["state"], &cancelled["next"]), (&"cancelled".into(), &Value::Null));
    assert!(said(&rig, &["show", id], 0).contains("cancelled            by ada, reason moved"));
    for (arguments, code, part) in [
        (["cancel", id, "--because", "again"].as_slice(), 2, "it has ended already"),
        (&["retry", id], 2, "which is final"),
        (&["dismiss", id, "--because", "x"], 2, "only failed and rejected"),
        (&["run", "line", "--slot", TODAY], 3, "is cancelled already"),
    ] {
        let words = said(&rig, arguments, code);
        assert!(words.contains(part), "{arguments:?}: {words}");
    }
    assert!(rig.arrived().is_empty() && attention(&rig, 0).is_empty());
    let failed = fails(&rig, DAYS[0]);
    assert!(said(&rig, &["cancel", &failed, "--because", "x"], 2).contains(&format!("reportferry dismiss {failed}")));
}

#[test]
fn only_what_was_delivered_is_counted_as_delivered() {
    let rig = Rig::new(PIPELINE);
    let down = ["--set", "destinations.hris.sftp.port=1", "run", "line", "--slot", TODAY, "--wait", "0s"];
    let waiting = json(&rig, &down, 6);
    assert!(waiting["rows"]["written"].as_u64().unwrap() > 0 && waiting["rows"]["delivered"] == 0, "{waiting}");
    assert!(json(&rig, &["status"], 0)["pipelines"][0]["rows"].is_null());
    let id = waiting["run"].as_str().unwrap();
    assert!(said(&rig, &["show", id], 0).contains(" written, 0 delivered"));
    let delivered = json(&rig, &["retry", id], 0);
    assert_eq!(delivered["rows"]["delivered"], delivered["rows"]["written"]);
    let status = json(&rig, &["status"], 0);
    assert_eq!(status["pipelines"][0]["rows"], delivered["rows"]["delivered"]);
}

#[test]
fn twelve_attempts_are_twelve_lines() {
    let rig = Rig::new(PIPELINE);
    let id = json(&rig, &["run", "line", "--slot", TODAY, "--wait", "0s", "--set", "destinations.hris.sftp.port=1"], 6);
    let id = id["run"].as_str().unwrap().to_owned();
    for _ in 0..11 {
        rig.reportferry(&["--set", "destinations.hris.sftp.port=1", "retry", &id, "--wait", "0s"]);
    }
    let shown = json(&rig, &["show", &id], 0);
    let attempts = shown["deliveries"][0]["attempts"].as_u64().unwrap();
    assert!(attempts >= 12, "{shown}");
    let text = said(&rig, &["show", &id], 0);
    let lines = text.lines().filter(|line| line.contains("retryable")).count();
    assert_eq!(lines as u64, attempts, "{text}");
}

fn killed_worker(rig: Rig) {
    let stand = Stand::new(rig);
    let mut worker = stand.worker();
    worker.says("worker started");
    let state = || json(&stand.rig, &["status"], 0)["worker"]["state"].clone();
    eventually("it runs", || state() == "running");
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
    // The server of PostgreSQL notices a moment later; the record alone would claim for a minute that it runs.
    let begun = std::time::Instant::now();
    eventually("it is seen", || state() == "killed");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(said(&stand.rig, &["status", "--attention"], 8).contains("was killed, seen last "));
    let worker = stand.worker();
    worker.says("worker started");
    eventually("it runs again", || state() == "running");
    assert_eq!(worker.stop().code(), Some(0));
    assert_eq!(state(), "stopped");
    said(&stand.rig, &["status", "--attention"], 0);
}

#[test]
fn a_killed_worker_shows_at_once_on_sqlite() {
    killed_worker(Rig::new(PIPELINE));
}

#[test]
fn a_killed_worker_shows_at_once_on_postgres() {
    killed_worker(Rig::new(PIPELINE).in_postgres());
}

/// Returns `next` of the alert about the stand's one run in this state, and compares it with `status` and `show`.
fn same_next(stand: &Stand, state: RunState) -> String {
    let receiver = Receiver::start();
    std::fs::write(stand.rig.folder.path().join("desk"), format!("http://{}/desk", receiver.address)).unwrap();
    stand.rig.settings(|text| {
        format!("alerts: {{channels: {{desk: {{webhook: {{url: {{file: desk}}, allow: [loopback]}}}}}}}}\n{text}")
    });
    let settings = stand.rig.folder.path().join("reportferry.yaml");
    let (settings, _) = Settings::load_with(Some(&settings), &[], std::iter::empty()).unwrap_or_else(|_| panic!());
    let rules = Rules::default();
    rules.take(&std::sync::Arc::new(settings), [].iter());
    let alerts = Alerts::new(stand.ledger.clone(), Clock::System, rules);
    Runtime::new().unwrap().block_on(alerts.round()).unwrap();
    let run = stand.runs().into_iter().find(|run| run.state == state).unwrap().id;
    let sent = receiver.got("/desk");
    let alert = sent.iter().find(|alert| alert["run"] == run.as_str()).unwrap_or_else(|| panic!("{sent:?}"));
    let next = alert["next"].as_str().unwrap().to_owned();
    assert!(next.contains(&run), "{next}");
    assert_eq!(json(&stand.rig, &["show", &run], 0)["next"], next.as_str());
    let listed = attention(&stand.rig, 8);
    assert!(listed.iter().any(|entry| entry["kind"] == state.name() && entry["next"] == next.as_str()), "{listed:?}");
    let text = said(&stand.rig, &["status"], 0);
    is_narrow(&text);
    for command in next.split(", then ").flat_map(|part| part.split(", or ")) {
        assert!(text.contains(command), "{command}: {text}");
    }
    next
}

/// A worker does one slot of a pipeline, which comes to this state.
fn comes_to(rig: Rig, state: RunState) -> Stand {
    let stand = Stand::new(rig);
    stand.behind("line", 1);
    let worker = stand.worker();
    eventually(&format!("{state:?}"), || stand.runs().iter().any(|run| run.state == state));
    said(&stand.rig, &["pause", "line"], 0);
    assert_eq!(worker.stop().code(), Some(0));
    said(&stand.rig, &["resume", "line"], 0);
    let mut runs = stand.runs();
    runs.retain(|run| run.state == state);
    for more in &runs[1..] {
        said(&stand.rig, &["cancel", &more.id, "--because", "one is enough"], 0);
    }
    stand
}

#[test]
fn a_held_run_has_the_same_next_command_everywhere() {
    let rig = Rig::new(&every_minute().replace("= ''Completed''", "= ''Nothing''"));
    let stand = comes_to(rig, RunState::Held);
    let next = same_next(&stand, RunState::Held);
    let release = next.split(", or ").next().unwrap().strip_prefix("reportferry ").unwrap();
    let arguments: Vec<&str> = release.split(' ').collect();
    assert!(said(&stand.rig, &arguments, 0).contains("delivered"));
}

#[test]
fn a_changed_host_key_has_the_same_next_commands_everywhere_and_they_work() {
    const STRANGER: &str = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let rig = Rig::new(&every_minute());
    let pin = &servers().sshd.fingerprints[0];
    rig.settings(|text| text.replace(pin.as_str(), STRANGER));
    let stand = comes_to(rig, RunState::Blocked);
    let next = same_next(&stand, RunState::Blocked);
    let run = stand.runs().into_iter().find(|run| run.state == RunState::Blocked).unwrap().id;
    assert_eq!(next, format!("reportferry trust hris --accept {pin}, then reportferry retry {run}"));
    for command in next.split(", then ") {
        let arguments: Vec<&str> = command.strip_prefix("reportferry ").unwrap().split(' ').collect();
        said(&stand.rig, &arguments, 0);
    }
    assert!(attention(&stand.rig, 0).is_empty());
}

#[test]
fn causes_are_named() {
    let rig = Rig::new(PIPELINE);
    let failed = fails(&rig, DAYS[0]);
    let file = rig.folder.path().join("pipelines/line.yaml");
    std::fs::rename(&file, rig.folder.path().join("away")).unwrap();
    let words = said(&rig, &["retry", &failed], 2);
    assert!(words.contains("the file of its pipeline line is gone") && words.contains("put line.yaml back"), "{words}");
    let settings = rig.folder.path().join("reportferry.yaml");
    std::fs::remove_file(&settings).unwrap();
    let absent = said(&rig, &["status"], 2);
    assert!(absent.contains("there is no file") && absent.contains("reportferry init"), "{absent}");
    std::fs::create_dir(&settings).unwrap();
    let folder = said(&rig, &["status"], 2);
    assert!(folder.contains("cannot read") && folder.contains("irectory") && !folder.contains("init"), "{folder}");
}

#[test]
fn a_release_sends_only_the_rows_that_were_held() {
    let rig = Rig::new(&format!("{PIPELINE}expect: {{rows: {{min: 1000000}}}}\n"));
    let id = json(&rig, &["run", "line", "--slot", TODAY], 4)["run"].as_str().unwrap().to_owned();
    std::fs::remove_dir_all(rig.folder.path().join("data/spool").join(&id)).unwrap();
    let refused = said(&rig, &["release", &id], 2);
    assert!(refused.contains("missing from the spool") && refused.contains(&format!("reject {id}")), "{refused}");
    assert_eq!(json(&rig, &["show", &id], 0)["state"], "held");
    assert!(rig.arrived().is_empty());
}

#[test]
fn a_pipeline_without_a_file_is_listed_until_its_runs_are_handled() {
    let rig = Rig::new(PIPELINE);
    let failed = fails(&rig, DAYS[0]);
    std::fs::remove_file(rig.folder.path().join("pipelines/line.yaml")).unwrap();
    let kinds: Vec<Value> = attention(&rig, 8).iter().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, ["failed", "invalid_file"]);
    assert!(said(&rig, &["status"], 0).contains("put line.yaml back, or end what is open"));
    said(&rig, &["dismiss", &failed, "--because", "moved"], 0);
    assert!(attention(&rig, 0).is_empty());
}

#[test]
fn a_display_is_refreshed_until_it_is_interrupted_or_nobody_reads_it() {
    let rig = Rig::new(PIPELINE);
    for signal in ["INT", ""] {
        let mut child = rig.command(&["status", "--watch", "1"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut text = String::new();
        while text.matches("worker  ").count() < 2 {
            let mut part = [0; 4096];
            let read = output.read(&mut part).unwrap();
            assert!(read > 0, "{text}");
            text.push_str(&String::from_utf8_lossy(&part[..read]));
        }
        assert!(!text.contains('\u{1b}'), "it is not a terminal: {text}");
        match signal {
            "" => drop(output),
            signal => {
                let pid = child.id().to_string();
                assert!(std::process::Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
            }
        }
        let mut status = None;
        eventually("it ends", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(0));
    }
    assert!(said(&rig, &["status", "--watch", "--json"], 2).contains("--watch"));
}
