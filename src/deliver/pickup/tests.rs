use std::collections::BTreeMap;

use super::*;
use crate::deliver::IntendedFile;

/// A destination as a list of what lies there.
struct Folder(BTreeMap<&'static str, Lies>);

impl Folder {
    fn with(files: &[(&'static str, Lies)]) -> Self {
        Self(files.iter().cloned().collect())
    }

    fn lies_at(&self, path: &str) -> Result<Lies, Verdict> {
        Ok(self.0.get(path).cloned().unwrap_or(Lies::Absent))
    }
}

fn there(bytes: u64, modified: i64) -> Lies {
    Lies::There(Stamp { bytes: Some(bytes), modified: Some(modified) })
}

fn hidden() -> Lies {
    Lies::Hidden { why: "permission denied".to_owned() }
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
    Intent { files: files.iter().map(file).collect(), cutting: None, acks: Vec::new() }
}

fn template(text: &str) -> NameTemplate {
    NameTemplate::parse(text).unwrap()
}

/// `picked up`, `not yet`, or why it could not be seen.
fn told(collected: Result<Collected, Verdict>) -> String {
    match collected.unwrap() {
        Collected::PickedUp { .. } => "picked up".to_owned(),
        Collected::NotYet => "not yet".to_owned(),
        Collected::Unseen { why } => why,
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
        assert_eq!(told(collected(Sign::Moved, &intent(files), |path| folder.lies_at(path))), expected, "{lying:?}");
    }
}

#[test]
fn an_acknowledgement_counts_when_it_was_not_there_before() {
    let files = &[(Role::Data, "in/a.csv"), (Role::Done, "in/a.csv.done")];
    for (before, after, expected) in [
        (Lies::Absent, Lies::Absent, "not yet"),
        (Lies::Absent, there(0, 5), "picked up"),
        (there(0, 5), there(0, 5), "not yet"),
        (there(0, 5), there(0, 6), "picked up"),
        // A clock that was set back, or another machine's: it is another file all the same.
        (there(0, 5), there(0, 4), "picked up"),
        (there(0, 5), there(1, 5), "picked up"),
        (there(0, 5), Lies::Absent, "not yet"),
        (hidden(), there(0, 5), "picked up"),
        (there(0, 5), hidden(), "permission denied"),
    ] {
        let mut intent = intent(files);
        let folder = Folder::with(&[("in/a.csv.ack", before.clone())]);
        intent.acks = acks(&template("{name}.ack"), &intent, |path| folder.lies_at(path)).unwrap();
        assert_eq!(intent.acks[0].path, "in/a.csv.ack");
        let folder = Folder::with(&[("in/a.csv.ack", after.clone()), ("in/a.csv", there(1, 1))]);
        let found = told(collected(Sign::AckFile, &intent, |path| folder.lies_at(path)));
        assert_eq!(found, expected, "{before:?} then {after:?}");
        // Every file of a set has its own.
        intent.acks.push(Ack { path: "in/b.csv.ack".to_owned(), before: None });
        assert_ne!(told(collected(Sign::AckFile, &intent, |path| folder.lies_at(path))), "picked up");
    }
    let without = told(collected(Sign::AckFile, &intent(files), |_| Ok(there(0, 0))));
    assert!(without.contains("nothing was said of an acknowledgement"), "{without}");
}

#[test]
fn an_acknowledgement_has_a_name_of_its_own() {
    let files = intent(&[(Role::Data, "a.csv"), (Role::Done, "a.csv.done")]);
    let refused = acks(&template("{name}.done"), &files, |_| Ok(Lies::Absent)).unwrap_err();
    let Verdict::Rejected { reason, hint } = refused else { panic!("{refused:?}") };
    assert!(reason.contains("the done file's name, a.csv.done") && hint.unwrap().contains("ack_file"), "{reason}");
    let long = intent(&[(Role::Data, &"x".repeat(255))]);
    assert!(matches!(acks(&template("{name}.ack"), &long, |_| Ok(Lies::Absent)), Err(Verdict::Rejected { .. })));
    let lost = || Verdict::Unreached { reason: "reset".to_owned(), wait: None };
    assert_eq!(acks(&template("{name}.ack"), &files, |_| Err(lost())), Err(lost()));
}
