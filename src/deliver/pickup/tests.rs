use std::collections::BTreeMap;

use super::*;
use crate::deliver::{IntendedFile, Role};

/// A destination as a list of its files.
struct Folder(BTreeMap<&'static str, PathState>);

impl Folder {
    fn with(files: &[(&'static str, PathState)]) -> Self {
        Self(files.iter().cloned().collect())
    }

    fn path_state(&self, path: &str) -> Result<PathState, Verdict> {
        Ok(self.0.get(path).cloned().unwrap_or(PathState::Absent))
    }
}

fn there(bytes: u64, modified: i64) -> PathState {
    PathState::There(Stamp { bytes: Some(bytes), modified: Some(modified) })
}

fn hidden() -> PathState {
    PathState::Hidden { why: "permission denied".to_owned() }
}

fn intent(files: &[(Role, &str)]) -> Intent {
    let file = |(role, path): &(Role, &str)| IntendedFile {
        of: None,
        role: *role,
        temporary: String::new(),
        final_path: (*path).to_owned(),
        bytes: 1,
        sha256: String::new(),
    };
    Intent { files: files.iter().map(file).collect(), batching: None, acks: Vec::new() }
}

fn template(text: &str) -> NameTemplate {
    NameTemplate::parse(text).unwrap()
}

/// Returns `picked up`, `not yet`, or why it could not be checked.
fn outcome(check: Result<PickupOutcome, Verdict>) -> String {
    match check.unwrap() {
        PickupOutcome::PickedUp { .. } => "picked up".to_owned(),
        PickupOutcome::NotYet => "not yet".to_owned(),
        PickupOutcome::Unknown { why } => why,
    }
}

#[test]
fn a_file_was_moved_when_all_data_is_gone_and_its_directory_is_not() {
    let one = &[(Role::Data, "in/a.csv"), (Role::Done, "in/a.csv.done")][..];
    let two = &[(Role::Data, "in/a.csv"), (Role::Data, "in/b.csv"), (Role::Manifest, "in/m.json")][..];
    let top = &[(Role::Data, "a.csv")][..];
    let root = &[(Role::Data, "/a.csv")][..];
    for (files, lying, expected) in [
        (one, &[("in", there(0, 0)), ("in/a.csv", there(1, 1))][..], "not yet"),
        (one, &[("in", there(0, 0))], "picked up"),
        (one, &[("in", there(0, 0)), ("in/a.csv.done", there(0, 1))], "picked up"),
        (one, &[("in", hidden())], "picked up"),
        (one, &[], "its directory in is not there"),
        (one, &[("in", there(0, 0)), ("in/a.csv", hidden())], "permission denied"),
        (two, &[("in", there(0, 0)), ("in/b.csv", there(1, 1))], "not yet"),
        (two, &[("in", there(0, 0)), ("in/m.json", there(1, 1))], "picked up"),
        (top, &[], "picked up"),
        (root, &[("/", there(0, 0))], "picked up"),
        (&[][..], &[], "it is not known which file it was"),
    ] {
        let folder = Folder::with(lying);
        assert_eq!(
            outcome(check_pickup(PickupKind::Moved, &intent(files), |path| folder.path_state(path))),
            expected,
            "{lying:?}"
        );
    }
}

#[test]
fn an_acknowledgement_counts_when_it_was_not_there_before() {
    let files = &[(Role::Data, "in/a.csv"), (Role::Done, "in/a.csv.done")];
    for (before, after, expected) in [
        (PathState::Absent, PathState::Absent, "not yet"),
        (PathState::Absent, there(0, 5), "picked up"),
        (there(0, 5), there(0, 5), "not yet"),
        (there(0, 5), there(0, 6), "picked up"),
        // A clock that was set back, or another machine's: still a different file.
        (there(0, 5), there(0, 4), "picked up"),
        (there(0, 5), there(1, 5), "picked up"),
        (there(0, 5), PathState::Absent, "not yet"),
        (hidden(), there(0, 5), "picked up"),
        (there(0, 5), hidden(), "permission denied"),
    ] {
        let mut intent = intent(files);
        let folder = Folder::with(&[("in/a.csv.ack", before.clone())]);
        intent.acks = acks(&template("{name}.ack"), &intent, |path| folder.path_state(path)).unwrap();
        assert_eq!(intent.acks[0].path, "in/a.csv.ack");
        let folder = Folder::with(&[("in/a.csv.ack", after.clone()), ("in/a.csv", there(1, 1))]);
        let found = outcome(check_pickup(PickupKind::AckFile, &intent, |path| folder.path_state(path)));
        assert_eq!(found, expected, "{before:?} then {after:?}");
        // Every file of a group has its own.
        intent.acks.push(Ack { path: "in/b.csv.ack".to_owned(), before: None, rows: None });
        assert_ne!(outcome(check_pickup(PickupKind::AckFile, &intent, |path| folder.path_state(path))), "picked up");
    }
    let without = outcome(check_pickup(PickupKind::AckFile, &intent(files), |_| Ok(there(0, 0))));
    assert!(without.contains("no acknowledgement was expected"), "{without}");
}

#[test]
fn an_acknowledgement_has_a_name_of_its_own() {
    let files = intent(&[(Role::Data, "a.csv"), (Role::Done, "a.csv.done")]);
    let refused = acks(&template("{name}.done"), &files, |_| Ok(PathState::Absent)).unwrap_err();
    let Verdict::Rejected { reason, hint } = refused else { panic!("{refused:?}") };
    assert!(reason.contains("the done file's name, a.csv.done") && hint.unwrap().contains("ack_file"), "{reason}");
    let long = intent(&[(Role::Data, &"x".repeat(255))]);
    assert!(matches!(acks(&template("{name}.ack"), &long, |_| Ok(PathState::Absent)), Err(Verdict::Rejected { .. })));
    let lost = || Verdict::Retryable { reason: "reset".to_owned(), wait: None };
    assert_eq!(acks(&template("{name}.ack"), &files, |_| Err(lost())), Err(lost()));
}
