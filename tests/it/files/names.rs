//! Names of the coming slots: which two would share one, and the name that would not.

use std::fmt::Write;
use std::time::Instant;

use reportferry::pipeline::load_all;

use super::{Folder, PIPELINE, SETTINGS};

const NOW: &str = "2026-11-26T12:00:00Z";

fn pipeline(cron: &str, zone: &str, name: &str, deliver: &str) -> String {
    format!(
        "schedule: {{cron: \"{cron}\", timezone: {zone}}}\nsource: {{file: {{path: in.csv}}}}\n\
         artifact: {{name: \"{name}\"}}\ndeliver: {{bi: {{{deliver}}}}}\n"
    )
}

/// The warnings about the names; empty where each slot has its own.
fn told(text: &str) -> String {
    let folder = Folder::new(SETTINGS, text);
    let (plan, problems) = folder.load().unwrap_or_else(|problems| panic!("{text}\n{}", folder.told(&problems)));
    assert!(problems.is_empty(), "{}", folder.told(&problems));
    folder.told(&plan.name_warnings(NOW.parse().unwrap()))
}

/// The name that a hint proposes.
fn proposed(told: &str) -> &str {
    let (_, rest) = told.split_once("write `name: \"").unwrap_or_else(|| panic!("no name is proposed:\n{told}"));
    rest.split("\"`").next().unwrap()
}

#[test]
fn f08_slots_that_share_a_name_are_warned_of_with_both_times_and_a_name_that_is_unique() {
    let mut out = String::new();
    for (cron, zone, name, deliver) in [
        // Coarser than the schedule.
        ("15 * * * *", "Europe/Rome", "o_{slot:%Y%m%d}.csv", ""),
        ("15 * * * *", "Europe/Rome", "o_{slot:%Y%m%d}.csv", "existing: replace"),
        ("15 * * * *", "Europe/Rome", "o_{slot:%Y%m%d}.csv", "existing: number"),
        ("15 * * * *", "Europe/Rome", "o_{slot:%Y%m%d}.csv", "existing: keep"),
        ("*/15 6 * * *", "UTC", "o_{slot:%Y%m%d%H}.csv", ""),
        ("30 5 * * *", "UTC", "o_{slot:%Y-%m}.csv", ""),
        ("30 5,17 * * *", "UTC", "o_{slot:%F}.csv", ""),
        // Cyclic: the same name comes again.
        ("30 5 * * *", "UTC", "o_{slot:%d}.csv", ""),
        ("30 5 * * *", "UTC", "o_{slot:%j}.csv", ""),
        ("30 5 * * *", "UTC", "o_{slot:%a}.csv", ""),
        ("30 5 * * *", "UTC", "o_{slot:%m%d}.csv", ""),
        ("30 5 1 * *", "UTC", "o_{slot:%B}.csv", ""),
        ("0 5 * * mon", "UTC", "o_{slot:%V}.csv", ""),
        ("30 5,17 * * *", "UTC", "o_{slot:%Y%m%d_%I%M}.csv", ""),
        ("30 5 * * *", "UTC", "o_{slot:%y}_{slot:%-m%-d}.csv", ""),
        // The hour that comes twice.
        ("15 * * * *", "Europe/Rome", "o_{slot:%Y%m%d_%H%M}.csv", ""),
        ("*/5 * * * *", "America/New_York", "o_{slot:%Y%m%d%H%M}.csv", ""),
        ("15 * * * *", "America/New_York", "o_{slot:%H%M}.csv", ""),
        // No slot at all.
        ("30 5 * * *", "UTC", "out.csv", ""),
        ("30 5 * * *", "UTC", "out.csv", "existing: keep"),
        ("15 * * * *", "Europe/Rome", "{pipeline}.csv.gz", ""),
        ("30 5 * * *", "UTC", "out_{slot:%Y%m%d}.csv", "done_file: READY"),
    ] {
        let text = pipeline(cron, zone, name, deliver);
        let told = told(&text);
        assert!(!told.is_empty(), "{text}");
        writeln!(out, "{cron} {zone} {name} {deliver}\n{told}").unwrap();
        if deliver.contains("done_file") {
            continue;
        }
        let unique = proposed(&told);
        assert_eq!(self::told(&text.replace(name, unique)), "", "{unique} for {cron} in {zone}");
    }
    insta::assert_snapshot!("names_that_slots_share", out);
}

#[test]
fn f08_names_that_are_unique_or_meant_to_be_constant_are_silent() {
    for (cron, zone, name, deliver) in [
        ("30 5 * * *", "Europe/Rome", "o_{slot:%Y%m%d}.csv", ""),
        ("15 * * * *", "UTC", "o_{slot:%Y%m%d_%H%M}.csv", ""),
        ("15 * * * *", "Europe/Rome", "o_{slot:%Y%m%d_%H%M%z}.csv", ""),
        ("15 * * * *", "Europe/Rome", "o_{slot:%s}.csv", ""),
        ("15 * * * *", "Europe/Rome", "o_{run}.csv", ""),
        // A fixed time that comes twice runs the first time only.
        ("30 2 * * *", "Europe/Rome", "o_{slot:%Y%m%d_%H%M}.csv", ""),
        ("0 5 * * mon", "UTC", "o_{slot:%G-%V}.csv", ""),
        ("30 5 1 * *", "UTC", "o_{slot:%Y-%m}.csv", ""),
        ("30 5,17 * * *", "UTC", "o_{slot:%Y%m%d_%p}.csv", ""),
        // Once a year and seldom: one slot within 400 days.
        ("30 5 29 2 *", "UTC", "o_{slot:%m%d}.csv", ""),
        ("30 5 * * *", "UTC", "out.csv", "existing: replace"),
        ("30 5 * * *", "UTC", "out.csv", "existing: number"),
        ("30 5 * * *", "UTC", "out.csv", "existing: replace, done_file: READY"),
        ("30 5 * * *", "UTC", "out_{slot:%Y%m%d}.csv", "existing: replace, done_file: READY"),
    ] {
        assert_eq!(told(&pipeline(cron, zone, name, deliver)), "", "{cron} {zone} {name} {deliver}");
    }
    let unscheduled = pipeline("0 0 * * *", "UTC", "out.csv", "").lines().skip(1).collect::<Vec<_>>().join("\n");
    assert_eq!(told(&unscheduled), "");
}

#[test]
fn f08_a_name_that_is_too_long_for_a_coming_slot_is_a_problem() {
    let name = format!("{}{{slot:%B}}.csv", "x".repeat(190));
    let told = told(&pipeline("30 5 1 * *", "UTC", &name, ""));
    assert!(told.contains("the file of slot 2026-12-01T05:30:00+00:00 would be called \"xxx"), "{told}");
    assert!(
        told.contains("a name has at most 200 bytes\n      → write another format of the slot, or a shorter name"),
        "{told}"
    );
}

#[test]
fn f08_a_thousand_pipelines_are_looked_at_in_seconds() {
    let folder = Folder::new(SETTINGS, PIPELINE);
    for number in 0..1000 {
        // A name that writes a whole date and time is known to be unique but when clocks change; 20 have 10,000 names to
        // compare, the others 400.
        let (cron, name) = match number % 50 {
            0 => ("*/5 * * * *", "o_{slot:%-d_%b_%Y_%H%M%z}.csv"),
            1..25 => ("*/5 * * * *", "o_{slot:%Y%m%d_%H%M%z}.csv"),
            _ => ("30 5 * * *", "o_{slot:%Y%m%d}.csv"),
        };
        let text = pipeline(cron, "Europe/Rome", name, "");
        folder.write(&format!("pipelines/p{number}.yaml"), text);
    }
    let loaded = load_all(&folder.settings(), &[]);
    assert!(loaded.problems.is_empty());
    let began = Instant::now();
    let found: usize = loaded.plans.iter().map(|plan| plan.name_warnings(NOW.parse().unwrap()).len()).sum();
    println!("{:?} for {} pipelines", began.elapsed(), loaded.plans.len());
    assert_eq!((found, loaded.plans.len()), (0, 1001));
    // Without optimisation, on two cores that others use too: a runaway is minutes.
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}
