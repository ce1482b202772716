use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;
use crate::schedule::slot::Slot;

fn slot() -> Slot {
    let at: Timestamp = "2026-11-23T04:30:00Z".parse().unwrap();
    Slot::new("completions", at, TimeZone::get("America/New_York").unwrap())
}

fn name(template: &str) -> String {
    NameTemplate::parse(template).unwrap().render(&slot().name_fields()).unwrap_or_else(|error| error.to_string())
}

fn problem(template: &str) -> String {
    let problem = NameTemplate::parse(template).unwrap_err();
    format!("{problem} | {}", &template[problem.offset..problem.offset + problem.len])
}

#[test]
fn names_render_on_the_pipelines_clocks() {
    assert_eq!(name("{pipeline}_{slot:%Y%m%d}.csv"), "completions_20261122.csv");
    assert_eq!(name("{slot:%Y-%m-%dT%H%M%S}_{run}.csv"), format!("2026-11-22T233000_{}.csv", slot().run_id()));
    assert_eq!(name("a{{b}}.csv"), "a{b}.csv");
    assert_eq!(name("é.csv"), "é.csv");
    let done = NameTemplate::parse("{name}.done").unwrap();
    assert_eq!(done.render_done("a.csv").unwrap(), "a.csv.done");
    assert!(done.uses_name() && !done.uses_slot());
    assert!(NameTemplate::parse("{run}").unwrap().uses_slot());
    assert!(NameTemplate::parse("{slot:%Y}").unwrap().uses_slot());
    assert!(!NameTemplate::parse("{pipeline}.csv").unwrap().uses_slot());
}

#[test]
fn what_is_no_name_is_refused_when_it_is_known() {
    let shown: Vec<_> = [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "a\nb",
        "a\0",
        "{slto:%Y}",
        "{slot}",
        "{slot:}",
        "{slot:%Y/%m}",
        "{slot:%!}",
        "{rows}",
        "{run:x}",
        "{",
        "a}",
        "{nope}",
        "{part:0}",
        "{part:x}",
    ]
    .map(problem)
    .to_vec();
    insta::assert_snapshot!(shown.join("\n"));
    assert!(name("{name}.csv").contains("done files only"));
    let done = NameTemplate::parse("{slot:%Y}").unwrap().render_done("a");
    assert!(done.unwrap_err().to_string().contains("made of {name}, {stem} and text"));
}

#[test]
fn the_longest_name_has_200_bytes() {
    let longest = "x".repeat(NAME_BYTES_MAX);
    assert_eq!(name(&longest), longest);
    assert!(NameTemplate::parse(&format!("{longest}x")).is_err());
    let template = format!("{}{{slot:%Y}}", &longest[..NAME_BYTES_MAX - 4]);
    assert_eq!(name(&template).len(), NAME_BYTES_MAX);
    assert!(name(&format!("x{template}")).contains("at most 200 bytes"));
    // A pipeline's stem may be anything.
    let odd = Slot { pipeline: "..".to_owned(), ..slot() };
    assert!(NameTemplate::parse("{pipeline}").unwrap().render(&odd.name_fields()).is_err());
}

#[test]
fn the_files_of_a_set_are_numbered_and_the_set_is_called_by_what_they_have_in_common() {
    for (template, set, second) in [
        ("a_{part}.csv", "a.csv", "a_2.csv"),
        ("a-{part:3}.csv", "a.csv", "a-002.csv"),
        ("a{part}.csv", "a.csv", "a2.csv"),
        ("a.{part}.{slot:%Y}.csv", "a.2026.csv", "a.2.2026.csv"),
        ("{part}_a.csv", "_a.csv", "2_a.csv"),
    ] {
        let template = NameTemplate::parse(template).unwrap();
        assert!(template.uses_number());
        assert_eq!(template.render(&slot().name_fields()).unwrap(), set);
        assert_eq!(template.render_file(&slot().name_fields(), 2).unwrap(), second);
    }
    assert!(NameTemplate::parse("{part}").unwrap().render(&slot().name_fields()).is_err(), "nothing is left");
    assert!(!NameTemplate::parse("a.csv").unwrap().uses_number());
    let done = NameTemplate::parse("{name}_{part}").unwrap().render_done("a.csv");
    assert!(done.unwrap_err().to_string().contains("made of {name}, {stem} and text"));
}
