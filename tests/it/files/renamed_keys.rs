//! Keys that had another name in an earlier version.

use super::mistakes::{Pairs, pipeline_problems, settings_problems};
use super::{PIPELINE, SETTINGS};

/// A key that had another name in an earlier version is reported with the name it has now.
#[test]
fn an_old_key_names_the_key_it_became() {
    const CLIENT_ID: &str = "    client_id: reportferry";
    const LOCAL: &str = "    local: {path: drop}";
    const HOST: &str = "      host: sftp.hris.example";
    const IN_PIPELINE: Pairs = &[
        ("  missed: latest", "\n  missed_within: 2d"),
        ("header: names", ", line_end: lf"),
        ("existing: replace", ", set: true"),
    ];
    const IN_SETTINGS: Pairs = &[
        (HOST, "\n      answers: {code: {env: CODE}}"),
        (HOST, "\n      split: true"),
        (LOCAL, "\n    retry: {first: 1s}"),
        (LOCAL, "\n    retry: {within: 2h}"),
        (LOCAL, "\n    pickup: {moved: {within: 4h}}"),
        (LOCAL, "\n    pickup: {ack_file: {name: \"{name}.ack\", within: 4h}}"),
        (CLIENT_ID, "\n    allow_superadmin: true"),
        ("tenants:\n", "alerts: {most: 9}\n"),
        ("tenants:\n", "limits: {answer_bytes: 1MB}\n"),
        ("tenants:\n", "work: {deadlines: {shape: 1h}}\n"),
    ];
    let new_names = |text: &str, additions: Pairs, check: &dyn Fn(&str) -> String| {
        let mut names = Vec::new();
        for (place, addition) in additions {
            assert!(text.contains(place), "{place:?} is not in the text");
            let with = if *place == "tenants:\n" { format!("{addition}{place}") } else { format!("{place}{addition}") };
            let told = check(&text.replacen(place, &with, 1));
            let name = told.split_once("it is called `").and_then(|(_, rest)| rest.split_once('`'));
            names.push(name.unwrap_or_else(|| panic!("{addition:?} has no new name in: {told}")).0.to_owned());
        }
        names
    };
    assert_eq!(
        new_names(PIPELINE, IN_PIPELINE, &pipeline_problems),
        ["missed_max_age", "record_end", "publish_together"]
    );
    assert_eq!(
        new_names(SETTINGS, IN_SETTINGS, &settings_problems),
        [
            "keyboard_interactive",
            "parallel",
            "initial",
            "give_up_after",
            "deadline",
            "deadline",
            "level",
            "max_per_message",
            "response_bytes",
            "transform",
        ]
    );
}
