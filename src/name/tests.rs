use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;
use crate::schedule::slot::Slot;

fn slot() -> Slot {
    let at: Timestamp = "2026-11-23T04:30:00Z".parse().unwrap();
    Slot::new("completions", at, TimeZone::get("America/New_York").unwrap())
}

fn name(template: &str) -> String {
    let name = NameTemplate::parse(template).unwrap().render(&slot().name_fields());
    name.map_or_else(|error| error.to_string(), |name| name.to_string())
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
        "{count:0}",
        "{count:13}",
        "{sha256:65}",
        "{sha256:}",
        "{row_count}",
        "{RECORDS:6}",
        "{hash}",
        "{md5:4}",
        "{checksum}",
        "{digest}",
        "{counts}",
        "{sha-256}",
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
        assert_eq!(template.render(&slot().name_fields()).unwrap().to_string(), set);
        assert_eq!(template.render_file(&slot().name_fields(), 2).unwrap().to_string(), second);
    }
    assert!(NameTemplate::parse("{part}").unwrap().render(&slot().name_fields()).is_err(), "nothing is left");
    assert!(!NameTemplate::parse("a.csv").unwrap().uses_number());
    let done = NameTemplate::parse("{name}_{part}").unwrap().render_done("a.csv");
    assert!(done.unwrap_err().to_string().contains("made of {name}, {stem} and text"));
}

#[test]
fn names_wait_for_rows_and_digest_and_show_both_until_then() {
    let sha256 = crate::digest::of(b"a\n1\n");
    let content = Content { rows: 142, sha256: &sha256 };
    for (text, shown, complete) in [
        ("a.csv", "a.csv", "a.csv".to_owned()),
        ("LEARN_{slot:%Y%m%d}_{count:6}.csv", "LEARN_20261122_{count:6}.csv", "LEARN_20261122_000142.csv".to_owned()),
        ("{count}", "{count}", "142".to_owned()),
        ("{count:2}_{count}", "{count:2}_{count}", "142_142".to_owned()),
        ("r-{sha256:8}.csv", "r-{sha256:8}.csv", format!("r-{}.csv", &sha256[..8])),
        ("{sha256}", "{sha256}", sha256.clone()),
        ("{sha256:1}{sha256:64}", "{sha256:1}{sha256}", format!("{}{sha256}", &sha256[..1])),
        ("{{count}}", "{count}", "{count}".to_owned()),
        ("a_{count}_{part}.csv", "a_{count}.csv", "a_142.csv".to_owned()),
    ] {
        let template = NameTemplate::parse(text).unwrap();
        let name = template.render(&slot().name_fields()).unwrap();
        assert_eq!((name.to_string(), name.complete(content)), (shown.to_owned(), complete), "{text}");
        let waits = !text.contains("{{") && (text.contains("count") || text.contains("sha256"));
        assert_eq!(template.uses_content(), waits, "{text}");
        assert_eq!(template.to_string(), text);
    }
    let file = NameTemplate::parse("a_{part:3}_{count:3}.csv").unwrap().render_file(&slot().name_fields(), 2).unwrap();
    assert_eq!((file.to_string().as_str(), file.complete(content).as_str()), ("a_002_{count:3}.csv", "a_002_142.csv"));
    let done = NameTemplate::parse("{name}_{count}").unwrap().render_done("a.csv");
    assert!(done.unwrap_err().to_string().contains("made of {name}, {stem} and text"));
}

#[test]
fn the_content_makes_no_name_longer_than_it_may_be_and_no_slots_distinct() {
    let fits = |text: String| NameTemplate::parse(&text).unwrap().render(&slot().name_fields()).is_ok();
    for (placeholder, digits) in [("{count}", 20), ("{count:3}", 20), ("{sha256}", 64), ("{sha256:8}", 8)] {
        assert!(fits("x".repeat(NAME_BYTES_MAX - digits) + placeholder), "{placeholder}");
        assert!(!fits("x".repeat(NAME_BYTES_MAX - digits + 1) + placeholder), "{placeholder}");
    }
    let template = NameTemplate::parse("{count}_{sha256}.csv").unwrap();
    assert!(!template.uses_slot() && template.uniqueness() == Uniqueness::Unknown);
    assert_eq!(template.suggestions()[0].to_string(), "{count}_{sha256}_{slot:%Y%m%d}.csv");
}
