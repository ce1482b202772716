//! What every destination promises, as cases that run over each of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use jiff::{SignedDuration, Timestamp};
use reportferry::deliver::{FinalName, Intent, RemoteState, Verdict};
use reportferry::name::NameTemplate;
use reportferry::pipeline::plan::{DeliveryPlan, Existing};
use reportferry::progress::Meter;

use super::stand::{
    RUN, Spooled, Stand, Wish, check_tree, connect, deliver, delivered, noise, plan, put, rejected, spool, spool_set,
    tree, with_done,
};
use crate::stage::alongside;

pub(crate) fn sizes_from_none_to_many(stand: &Stand) {
    let plan = plan(&stand.destination(Wish::default()), "/", Existing::Fail);
    for (index, size) in [0, 1, 31_999, 32_000, 32_001, 64_000, 5_000_000].into_iter().enumerate() {
        let content = noise(size);
        let name = format!("a{index}.csv");
        let spooled = spool(&name, &content);
        let receipt = delivered(deliver(&spooled, &plan));
        assert!(receipt.path.ends_with(&format!("/{name}")), "{}", receipt.path);
        assert_eq!((receipt.bytes, &receipt.sha256), (size as u64, &spooled.artifact.sha256));
        assert_eq!(receipt.verified, "size");
        assert!(fs::read(stand.root.join(&name)).unwrap() == content, "{size} bytes");
    }
    assert_eq!(tree(&stand.root).len(), 7);
}

pub(crate) fn a_taken_name_by_each_rule(stand: &Stand) {
    let destination = stand.destination(Wish::default());
    let spooled = spool("a.csv", b"new");
    fs::write(stand.root.join("a.csv"), "old").unwrap();
    let (reason, hint) = rejected(deliver(&spooled, &plan(&destination, "", Existing::Fail)));
    assert!(reason.contains("a.csv is there already") && hint.contains("existing: replace"), "{reason} {hint}");
    let kept = deliver(&spooled, &plan(&destination, "", Existing::Keep));
    assert!(matches!(kept, Verdict::Skipped { .. }), "{kept:?}");
    check_tree(&stand.root, &[("a.csv", b"old")]);
    assert!(delivered(deliver(&spooled, &plan(&destination, "", Existing::Number))).path.ends_with("/a-1.csv"));
    assert!(delivered(deliver(&spooled, &plan(&destination, "", Existing::Number))).path.ends_with("/a-2.csv"));
    check_tree(&stand.root, &[("a.csv", b"old"), ("a-1.csv", b"new"), ("a-2.csv", b"new")]);
    delivered(deliver(&spooled, &plan(&destination, "", Existing::Replace)));
    check_tree(&stand.root, &[("a.csv", b"new"), ("a-1.csv", b"new"), ("a-2.csv", b"new")]);
}

pub(crate) fn a_free_name_by_each_rule(stand: &Stand) {
    let destination = stand.destination(Wish::default());
    for (index, existing) in
        [Existing::Fail, Existing::Keep, Existing::Number, Existing::Replace].into_iter().enumerate()
    {
        let name = format!("a{index}.csv");
        delivered(deliver(&spool(&name, b"x"), &with_done(plan(&destination, "", existing))));
        assert_eq!(fs::read(stand.root.join(&name)).unwrap(), b"x");
        assert_eq!(fs::read(stand.root.join(format!("{name}.done"))).unwrap(), b"");
    }
    assert_eq!(tree(&stand.root).len(), 8);
}

pub(crate) fn a_name_taken_while_writing(stand: &Stand) {
    let destination = stand.destination(Wish::default());
    for existing in [Existing::Fail, Existing::Keep, Existing::Number] {
        let (spooled, plan) = (spool("a.csv", b"new"), plan(&destination, "", existing));
        let put = put(&spooled, &plan);
        let mut session = connect(&plan);
        let intent = session.prepare(&put).unwrap();
        fs::write(stand.root.join("a.csv"), "theirs").unwrap();
        let verdict = session.publish(&put, &intent, None, &Meter::default());
        match existing {
            Existing::Fail => assert!(matches!(verdict, Verdict::Rejected { .. }), "{verdict:?}"),
            Existing::Keep => assert!(matches!(verdict, Verdict::Skipped { .. }), "{verdict:?}"),
            _ => assert!(matches!(verdict, Verdict::Retryable { .. }), "{verdict:?}"),
        }
        check_tree(&stand.root, &[("a.csv", b"theirs")]);
        fs::remove_file(stand.root.join("a.csv")).unwrap();
    }
}

pub(crate) fn the_done_file_comes_last_or_not_at_all(stand: &Stand) {
    let destination = stand.destination(Wish::default());
    let plan_fail = with_done(plan(&destination, "", Existing::Fail));
    let spooled = spool("a.csv", b"new");
    // A done file in the way is found before the data is published.
    fs::write(stand.root.join("a.csv.done"), "").unwrap();
    let (reason, _) = rejected(deliver(&spooled, &plan_fail));
    assert!(reason.contains("a.csv.done is there already"), "{reason}");
    check_tree(&stand.root, &[("a.csv.done", b"")]);
    // By number, both names are free.
    delivered(deliver(&spooled, &with_done(plan(&destination, "", Existing::Number))));
    check_tree(&stand.root, &[("a.csv.done", b""), ("a-1.csv", b"new"), ("a-1.csv.done", b"")]);
    // In the way once the data is published: told as it is.
    let other = spool("b.csv", b"b");
    let put = put(&other, &plan_fail);
    let mut session = connect(&plan_fail);
    let intent = session.prepare(&put).unwrap();
    fs::write(stand.root.join("b.csv.done"), "theirs").unwrap();
    let (reason, _) = rejected(session.publish(&put, &intent, None, &Meter::default()));
    assert!(reason.contains("the data file is published, a companion file is not"), "{reason}");
    // With it out of the way, a look finds the data and only the done file is written.
    fs::remove_file(stand.root.join("b.csv.done")).unwrap();
    let before = fs::metadata(stand.root.join("b.csv")).unwrap().modified().unwrap();
    let seen = session.inspect(&intent).unwrap();
    let receipt = delivered(session.publish(&put, &intent, Some(&seen), &Meter::default()));
    assert_eq!((receipt.published.as_str(), receipt.verified.as_str()), ("found", "read_back"));
    assert_eq!(fs::metadata(stand.root.join("b.csv")).unwrap().modified().unwrap(), before);
    assert_eq!(tree(&stand.root).len(), 5);
}

pub(crate) fn directories_are_made_when_told(stand: &Stand) {
    let spooled = spool("a.csv", b"x");
    let unmade = plan(&stand.destination(Wish::default()), "/in/learning/", Existing::Fail);
    let (reason, hint) = rejected(deliver(&spooled, &unmade));
    assert!(reason.contains("in/learning") && hint.contains("mkdir: true"), "{reason} {hint}");
    let made = stand.destination(Wish { mkdir: true, mode: None });
    for existing in [Existing::Fail, Existing::Replace] {
        delivered(deliver(&spooled, &plan(&made, "/in/learning/", existing)));
        check_tree(&stand.root, &[("in/learning/a.csv", b"x")]);
    }
}

pub(crate) fn the_base_is_never_left(stand: &Stand) {
    let destination = stand.destination(Wish { mkdir: true, mode: None });
    for directory in ["..", "../outside", "in/../../outside", "/../outside"] {
        let (reason, hint) = rejected(deliver(&spool("a.csv", b"x"), &plan(&destination, directory, Existing::Fail)));
        assert!(reason.contains("leave the destination's base") && hint.contains("`path`"), "{reason} {hint}");
    }
    for name in ["../a.csv", "/a.csv", "..", "", "a\0.csv"] {
        rejected(deliver(&spool(name, b"x"), &plan(&destination, "", Existing::Fail)));
    }
    check_tree(&stand.root, &[]);
    let absolute = plan(&destination, "/etc", Existing::Fail);
    delivered(deliver(&spool("a.csv", b"x"), &absolute));
    check_tree(&stand.root, &[("etc/a.csv", b"x")]);
}

pub(crate) fn the_mode_is_set(stand: &Stand) {
    let destination = stand.destination(Wish { mkdir: false, mode: Some(0o604) });
    delivered(deliver(&spool("a.csv", b"x"), &plan(&destination, "", Existing::Fail)));
    let mode = fs::metadata(stand.root.join("a.csv")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o604);
}

pub(crate) fn a_look_tells_each_stage(stand: &Stand) {
    let destination = stand.destination(Wish::default());
    let spooled = spool("a.csv", b"ours");
    let check = |existing, prepare: &dyn Fn(&Intent), expected: FinalName, temporary: bool, published: Option<&str>| {
        let plan = plan(&destination, "", existing);
        let put = put(&spooled, &plan);
        let mut session = connect(&plan);
        let intent = session.prepare(&put).unwrap();
        prepare(&intent);
        let seen: RemoteState = session.inspect(&intent).unwrap();
        assert_eq!((&seen.files[0].final_name, seen.files[0].temporary), (&expected, temporary));
        match (session.publish(&put, &intent, Some(&seen), &Meter::default()), published) {
            (Verdict::Delivered(receipt), Some(how)) => assert_eq!(receipt.published == "found", how == "found"),
            (Verdict::Rejected { .. }, None) => {}
            (verdict, _) => panic!("{existing:?}, {expected:?}: {verdict:?}"),
        }
        let left = tree(&stand.root);
        assert_eq!(left.keys().collect::<Vec<_>>(), ["a.csv"], "{existing:?}, {expected:?}");
        fs::remove_file(stand.root.join("a.csv")).unwrap();
    };
    let at_temporary =
        |content: &'static str| move |intent: &Intent| fs::write(&intent.files[0].temporary, content).unwrap();
    let at_final =
        |content: &'static str| move |intent: &Intent| fs::write(&intent.files[0].final_path, content).unwrap();
    for existing in [Existing::Fail, Existing::Replace] {
        check(existing, &|_| {}, FinalName::Absent, false, Some("anew"));
        check(existing, &at_temporary("ou"), FinalName::Absent, true, Some("anew"));
        check(existing, &at_temporary("longer than it will be"), FinalName::Absent, true, Some("anew"));
        check(existing, &at_final("ours"), FinalName::Ours, false, Some("found"));
    }
    let both = |intent: &Intent| {
        at_final("ours")(intent);
        at_temporary("ours")(intent);
    };
    check(Existing::Fail, &both, FinalName::Ours, true, Some("found"));
    for (content, bytes) in [("else", 4), ("longer", 6)] {
        let other = FinalName::Other { bytes: Some(bytes) };
        check(Existing::Replace, &at_final(content), other.clone(), false, Some("anew"));
        check(Existing::Fail, &at_final(content), other, false, None);
    }
}

pub(crate) fn an_altered_spool_is_not_published(stand: &Stand) {
    let plan = plan(&stand.destination(Wish::default()), "", Existing::Replace);
    for altered in [&b"anothe"[..], b"short", b"something longer", b""] {
        let spooled = spool("a.csv", b"before");
        fs::write(&spooled.artifact.path, altered).unwrap();
        let (reason, _) = rejected(deliver(&spooled, &plan));
        assert!(reason.contains("altered since it was made"), "{reason}");
        check_tree(&stand.root, &[]);
    }
    let spooled = spool("a.csv", b"before");
    fs::remove_file(&spooled.artifact.path).unwrap();
    let (_, hint) = rejected(deliver(&spooled, &plan));
    assert!(hint.contains("run the slot again"), "{hint}");
    check_tree(&stand.root, &[]);
}

pub(crate) fn a_sweep_takes_our_own_only(stand: &Stand) {
    let plan = with_done(plan(&stand.destination(Wish::default()), "", Existing::Fail));
    let spooled = spool("a.csv", b"x");
    let put = put(&spooled, &plan);
    let now = Timestamp::from_second(fs_now(&stand.root)).unwrap();
    let swept = [
        format!(".a.csv.{RUN}.part"),
        format!(".a-7.csv.{RUN}.part"),
        format!(".a.csv.done.{RUN}.part"),
        ".old.csv.ffffffffffffffff.part".to_owned(),
    ];
    let kept = [
        format!(".b.csv.{RUN}.part"),
        ".a.csv.ffffffffffffffff.part".to_owned(),
        ".old.part".to_owned(),
        "old.csv".to_owned(),
    ];
    for name in swept.iter().chain(&kept) {
        let file = fs::File::create(stand.root.join(name)).unwrap();
        if name.contains("old") {
            let long_ago = now - SignedDuration::from_secs(24 * 60 * 60 + 60);
            file.set_modified(UNIX_EPOCH + Duration::from_secs(long_ago.as_second() as u64)).unwrap();
        }
    }
    let mut session = connect(&plan);
    let intent = session.prepare(&put).unwrap();
    assert_eq!(session.sweep(&put, &intent, now), Ok(4));
    let left = tree(&stand.root);
    let mut kept: Vec<&String> = kept.iter().collect();
    kept.sort();
    assert_eq!(left.keys().collect::<Vec<_>>(), kept);
}

/// The time by the file system, which is the destination's clock.
fn fs_now(root: &Path) -> i64 {
    let probe = root.join("probe");
    fs::write(&probe, "").unwrap();
    let now = fs::metadata(&probe).unwrap().modified().unwrap();
    fs::remove_file(probe).unwrap();
    Timestamp::try_from(now).unwrap().as_second()
}

pub(crate) fn a_reader_never_sees_a_gap_or_a_mixture(stand: &Stand) {
    const ROUNDS: u8 = 200;
    const BYTES: usize = 70_000;
    let plan = plan(&stand.destination(Wish::default()), "", Existing::Replace);
    let path = stand.root.join("a.csv");
    let mut session = connect(&plan);
    let mut publish = |round: u8| {
        let spooled = spool("a.csv", &vec![round; BYTES + usize::from(round)]);
        let put = put(&spooled, &plan);
        let intent = session.prepare(&put).unwrap();
        delivered(session.publish(&put, &intent, None, &Meter::default()));
    };
    publish(0);
    let mut reads = 0u64;
    let read = || {
        let content = fs::read(&path).expect("no file for a moment");
        let round = content[0];
        assert_eq!(content.len(), BYTES + usize::from(round));
        assert!(content.iter().all(|byte| *byte == round), "a mixed file");
        reads += 1;
    };
    alongside(read, || (1..=ROUNDS).for_each(&mut publish));
    assert!(reads > 100, "{reads}");
}

/// A set of three files, with every kind of file beside them.
fn set_of_three(stand: &Stand, existing: Existing, together: bool) -> (Spooled, DeliveryPlan) {
    let mut plan = with_done(plan(&stand.destination(Wish::default()), "", existing));
    plan.publish_together = together;
    plan.checksum = NameTemplate::parse("{name}.sha256").ok();
    plan.manifest = NameTemplate::parse("{name}.json").ok();
    (spool_set("a.csv", &[("a_1.csv", b"one"), ("a_2.csv", b"two2"), ("a_3.csv", b"")]), plan)
}

fn manifest(root: &Path, name: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(root.join(name)).unwrap()).unwrap()
}

fn check_sums(root: &Path, name: &str, files: usize) {
    let checked =
        std::process::Command::new("sha256sum").args(["--check", "--strict", name]).current_dir(root).output();
    let said = String::from_utf8(checked.unwrap().stdout).unwrap();
    assert_eq!(said.matches(": OK\n").count(), files, "{said}");
}

pub(crate) fn a_set_is_published_together(stand: &Stand) {
    let (spooled, plan) = set_of_three(stand, Existing::Fail, true);
    let receipt = delivered(deliver(&spooled, &plan));
    assert_eq!((receipt.bytes, &receipt.sha256), (7, &spooled.artifact.sha256));
    assert!(receipt.path.ends_with("a_1.csv"));
    let files: Vec<(&str, u64)> =
        receipt.files.iter().map(|file| (file.path.rsplit('/').next().unwrap(), file.bytes)).collect();
    assert_eq!(files, [("a_1.csv", 3), ("a_2.csv", 4), ("a_3.csv", 0)]);
    let names: Vec<String> = tree(&stand.root).into_keys().collect();
    assert_eq!(names, ["a.csv.done", "a.csv.json", "a.csv.sha256", "a_1.csv", "a_2.csv", "a_3.csv"]);
    check_sums(&stand.root, "a.csv.sha256", 3);
    let manifest = manifest(&stand.root, "a.csv.json");
    assert_eq!((&manifest["bytes"], &manifest["rows"], &manifest["run"]), (&7.into(), &3.into(), &RUN.into()));
    let told = serde_json::to_value(spooled.artifact.set.as_ref().map(|set| &set.files)).unwrap();
    assert_eq!(manifest["files"], told);
    // One of the names is taken: nothing of the set is published.
    for name in ["a.csv.done", "a.csv.json", "a.csv.sha256", "a_1.csv", "a_3.csv"] {
        fs::remove_file(stand.root.join(name)).unwrap();
    }
    assert!(rejected(deliver(&spooled, &plan)).0.ends_with("a_2.csv is there already"));
    check_tree(&stand.root, &[("a_2.csv", b"two2")]);
}

pub(crate) fn the_files_of_a_set_have_each_their_own_beside_them(stand: &Stand) {
    let (spooled, plan) = set_of_three(stand, Existing::Number, false);
    fs::write(stand.root.join("a_2.csv.done"), "").unwrap();
    let receipt = delivered(deliver(&spooled, &plan));
    assert_eq!(receipt.files.len(), 3);
    let data = |number: u32| ["", ".done", ".json", ".sha256"].map(|end| format!("a_{number}-1.csv{end}"));
    let wanted: Vec<String> =
        data(1).into_iter().chain(data(2)).chain(["a_2.csv.done".to_owned()]).chain(data(3)).collect();
    assert_eq!(tree(&stand.root).into_keys().collect::<Vec<_>>(), wanted);
    check_sums(&stand.root, "a_2-1.csv.sha256", 1);
    let manifest = manifest(&stand.root, "a_2-1.csv.json");
    assert_eq!((&manifest["name"], &manifest["bytes"]), (&"a_2-1.csv".into(), &4.into()));
    assert_eq!(manifest["sha256"], spooled.artifact.set.as_ref().unwrap().files[1].sha256.as_str());
}

pub(crate) fn a_set_is_taken_up_where_it_stopped(stand: &Stand) {
    for (existing, together) in [(Existing::Fail, true), (Existing::Replace, true), (Existing::Fail, false)] {
        let (spooled, plan) = set_of_three(stand, existing, together);
        let put = put(&spooled, &plan);
        let whole = {
            delivered(deliver(&spooled, &plan));
            tree(&stand.root)
        };
        tree(&stand.root).keys().for_each(|name| fs::remove_file(stand.root.join(name)).unwrap());
        let mut session = connect(&plan);
        let intent = session.prepare(&put).unwrap();
        // The first two files have their names, the third is half written.
        for file in intent.data().take(2) {
            let content = &whole[file.final_path.rsplit('/').next().unwrap()];
            fs::write(stand.root.join(file.final_path.rsplit('/').next().unwrap()), content).unwrap();
        }
        let third = intent.data().nth(2).unwrap().temporary.rsplit('/').next().unwrap().to_owned();
        fs::write(stand.root.join(third), "x").unwrap();
        let seen = session.inspect(&intent).unwrap();
        assert!(seen.data_may_be_final(&intent));
        let receipt = delivered(session.publish(&put, &intent, Some(&seen), &Meter::default()));
        assert_eq!(receipt.published, "found");
        assert!(tree(&stand.root) == whole, "{existing:?} {together}");
        whole.keys().for_each(|name| fs::remove_file(stand.root.join(name)).unwrap());
    }
}

/// Makes a `#[test]` of each case, over the stand that `$stand` gives.
macro_rules! contract {
    ($stand:path) => {
        $crate::sftp::contract::contract!($stand;
            sizes_from_none_to_many
            a_taken_name_by_each_rule
            a_free_name_by_each_rule
            a_name_taken_while_writing
            the_done_file_comes_last_or_not_at_all
            directories_are_made_when_told
            the_base_is_never_left
            the_mode_is_set
            a_look_tells_each_stage
            an_altered_spool_is_not_published
            a_sweep_takes_our_own_only
            a_reader_never_sees_a_gap_or_a_mixture
            a_set_is_published_together
            the_files_of_a_set_have_each_their_own_beside_them
            a_set_is_taken_up_where_it_stopped
        );
    };
    ($stand:path; $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::sftp::contract::$case(&$stand());
            }
        )*
    };
}
pub(crate) use contract;
