//! `run --slot` with a date or a length of time, by the real binary.

use std::process::Output;

use jiff::{SignedDuration, Timestamp};

use super::{Folder, SETTINGS};
use crate::stage::rig::document;

fn pipeline(schedule: &str) -> String {
    format!(
        "{schedule}source: {{file: {{path: in.csv}}}}\nartifact: {{name: \"o_{{slot:%Y%m%dT%H%M%S}}.csv\"}}\n\
         deliver: {{bi: {{}}}}\n"
    )
}

fn folder(schedule: &str) -> Folder {
    let folder = Folder::new(&SETTINGS.replace("{path: drop}", "{path: drop, mkdir: true}"), &pipeline(schedule));
    folder.write("in.csv", "a\n1\n");
    folder
}

fn run(folder: &Folder, slot: &str, flags: &[&str]) -> Output {
    let mut command = crate::stage::reportferry();
    command.args(["run", "completions", "--slot", slot]).args(flags).current_dir(folder.path("")).output().unwrap()
}

fn slot(folder: &Folder, given: &str) -> String {
    let output = run(folder, given, &["--json"]);
    assert!(output.status.success(), "{given}: {}", String::from_utf8_lossy(&output.stderr));
    document(&output)["slot"].as_str().unwrap().to_owned()
}

fn refused(folder: &Folder, given: &str) -> String {
    let output = run(folder, given, &[]);
    assert_eq!(output.status.code(), Some(2), "{given}");
    String::from_utf8_lossy(&output.stderr).replace("\n        ", " ")
}

#[test]
fn a_slot_is_named_by_its_day_or_by_how_long_ago_it_was() {
    let weekdays = folder("schedule: {cron: \"30 5 * * mon-fri\", timezone: America/New_York}\n");
    assert_eq!(slot(&weekdays, "2026-11-23"), "2026-11-23T05:30:00-05:00");
    let sunday = refused(&weekdays, "2026-11-22");
    assert!(sunday.contains("the schedule of completions has no slot on 2026-11-22"), "{sunday}");
    for near in ["--slot 2026-11-20T05:30:00-05:00", "--slot 2026-11-23T05:30:00-05:00"] {
        assert!(sunday.contains(near), "{sunday}");
    }

    let hourly = folder("schedule: {cron: \"15 * * * *\", timezone: Europe/Rome}\n");
    let several = refused(&hourly, "2026-10-25");
    assert!(several.contains("has 25 slots on 2026-10-25"), "{several}");
    assert!(several.contains("`--slot 2026-10-25T00:15:00+02:00` to `--slot 2026-10-25T23:15:00+01:00`"), "{several}");
    let at: Timestamp = slot(&hourly, "12h").parse().unwrap();
    let ago = Timestamp::now().duration_since(at);
    let hours = |hours| SignedDuration::from_hours(hours);
    assert!(ago >= hours(12) && ago < hours(13) + SignedDuration::from_mins(1), "{ago:?}");
    assert_eq!(at.as_second() % 3600, 900);

    // Without a schedule, a day is its beginning and a length of time the moment.
    let any = folder("");
    assert_eq!(slot(&any, "2026-11-23"), "2026-11-23T00:00:00+00:00");
    assert!(slot(&any, "2026-11-23T05:30:00Z").starts_with("2026-11-23T05:30:00"));
    let ago = Timestamp::now().duration_since(slot(&any, "2d").parse().unwrap());
    assert!((ago - hours(48)).abs() < SignedDuration::from_mins(1), "{ago:?}");
    let wrong = run(&any, "yesterday", &[]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_rejected_run_names_the_command_that_takes_it_up() {
    let folder = folder("");
    std::fs::create_dir(folder.path("drop")).unwrap();
    folder.write("drop/o_20261123T000000.csv", "another's");
    let first = run(&folder, "2026-11-23", &["--json"]);
    assert_eq!(first.status.code(), Some(3));
    let document = document(&first);
    let again = String::from_utf8(run(&folder, "2026-11-23", &[]).stderr).unwrap();
    assert!(again.contains("is rejected already"), "{again}");
    assert!(again.contains(&format!("`reportferry retry {}`", document["run"].as_str().unwrap())), "{again}");
}
