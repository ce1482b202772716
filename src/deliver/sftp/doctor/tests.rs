//! Scripted servers that differ: findings, conclusions, and that the test leaves nothing.

use std::time::Duration;

use super::prober::{Findings, Made};
use crate::deliver::probe::{DoctorReport, StepOutcome, Visit};
use crate::deliver::sftp::connect::options;
use crate::deliver::sftp::quirks::always;
use crate::deliver::sftp::{SftpTarget, doctor};
use crate::settings::{Publish, Sftp, Verify};
use crate::sftp::scripted::{Quirks, Scripted};
use crate::sftp::{Client, kind};

fn sftp() -> Sftp {
    let mut sftp = Sftp::new("hris", "server", 22, "acme");
    sftp.base = "/".to_owned();
    (sftp.timeouts.idle, sftp.timeouts.rename) = (Duration::from_secs(1), Duration::from_millis(300));
    sftp
}

/// One test of a server that has only the directory `/`.
struct Visited {
    target: SftpTarget<Scripted>,
    report: DoctorReport,
    found: Findings,
    made: Made,
}

fn visit(sftp: &Sftp, quirks: Quirks) -> Visited {
    let client = Client::start(Scripted::new(quirks).with("/", b""), options(sftp)).unwrap();
    let mut target = SftpTarget::new(client, "server:22".to_owned(), None, sftp.verify);
    let mut report = DoctorReport::new(|_| {});
    let visit = Visit { path: String::new(), now: "2026-11-24T08:00:00Z".parse().unwrap() };
    let (found, made) = doctor::try_files(&mut target, sftp, &visit, &mut report);
    Visited { target, report, found, made }
}

/// Each step's name with its outcome as a sign, the sentences, and the settings.
fn check(sftp: &Sftp, quirks: Quirks, steps: &str, sentences: &[&str], settings: &[&str]) {
    let Visited { mut target, report, found, made } = visit(sftp, quirks);
    let left = doctor::remove_all(&mut target.client, &made);
    let signs = report.steps.iter().map(|step| {
        let sign = match step.outcome {
            StepOutcome::Done => '+',
            StepOutcome::Refused => '-',
            StepOutcome::NotOffered => '0',
            StepOutcome::Failed => '!',
        };
        format!("{sign}{}", step.name)
    });
    assert_eq!(signs.collect::<Vec<_>>().join(" "), steps);
    let (derived, advice) = doctor::plan::derive(&found, sftp);
    for sentence in sentences {
        assert!(derived.iter().any(|derived| derived.contains(sentence)), "{sentence:?} is not in {derived:#?}");
    }
    let advice: Vec<String> = advice
        .iter()
        .map(|advice| format!("{}{}: {}", if advice.must { "!" } else { "" }, advice.key, advice.value))
        .collect();
    assert_eq!(advice, settings);
    let files: Vec<&str> =
        target.client.transport.files.keys().map(String::as_str).filter(|name| *name != "/").collect();
    assert!(files.is_empty() && left.is_empty(), "{files:?} {left:?}");
}

#[test]
fn a_usual_server_needs_no_settings() {
    check(
        &sftp(),
        Quirks { posix_rename: true, fsync: true, ..Quirks::default() },
        "+directory +open +write +fsync +fstat +close +lstat +read back +set permissions +set times +rename \
         +open a taken name -rename over +posix-rename +remove -mkdir 0free space +write much -list",
        &["gets its final name when it is complete", "`existing` may be fail, keep, number, replace (without a gap"],
        &[],
    );
}

#[test]
fn without_posix_rename_replacing_has_a_gap() {
    check(
        &sftp(),
        Quirks { rename_overwrites: true, ..Quirks::default() },
        "+directory +open +write 0fsync +fstat +close +lstat +read back +set permissions +set times +rename \
         +open a taken name +rename over 0posix-rename +remove -mkdir 0free space +write much -list",
        &["replace, with `replace: with_gap`", "replaces silently"],
        &["replace: with_gap"],
    );
}

#[test]
fn a_server_that_forbids_renaming_gets_files_directly() {
    let quirks = || Quirks { refuse: always(kind::RENAME, 3), ..Quirks::default() };
    let steps = "+directory +open +write 0fsync +fstat +close +lstat +read back +set permissions +set times \
                 -rename +open a taken name +remove -mkdir 0free space +write much -list";
    let settings = ["!publish: direct", "done_file: \"{name}.done\""];
    check(&sftp(), quirks(), steps, &["straight to its final name: the server forbids renaming"], &settings);
    let mut direct = sftp();
    direct.publish = Publish::Direct;
    check(&direct, quirks(), steps, &["a reader may see a partial file"], &settings[1..]);
}

#[test]
fn a_drop_box_shows_nothing_and_reads_nothing() {
    let hidden = [always(kind::LSTAT, 3), always(kind::READ, 3), always(kind::SETSTAT, 8), always(kind::REMOVE, 3)];
    let mut sftp = sftp();
    (sftp.verify, sftp.mode) = (Verify::ReadBack, Some(0o600));
    let Visited { found, .. } = visit(&sftp, Quirks { refuse: hidden.concat(), ..Quirks::default() });
    let (derived, advice) = doctor::plan::derive(&found, &sftp);
    let derived = derived.join("\n");
    for part in
        ["drop box that hides its files", "`mode` has no effect", "does not permit removing", "`existing` may be fail."]
    {
        assert!(derived.contains(part), "{part:?} is not in\n{derived}");
    }
    assert!(advice.iter().any(|advice| advice.must && advice.key == "verify" && advice.value == "size"));
}

#[test]
fn a_file_that_is_picked_up_at_its_final_name_is_success() {
    check(
        &sftp(),
        Quirks { picks_up: true, posix_rename: true, ..Quirks::default() },
        "+directory +open +write 0fsync +fstat +close +lstat +read back +set permissions +set times +rename \
         -lstat -mkdir 0free space +write much -list",
        &["was picked up"],
        &["pickup: immediate"],
    );
}

#[test]
fn a_server_that_refuses_a_large_write_is_told() {
    let mut sftp = sftp();
    sftp.write_bytes = 100_000;
    let quirks = Quirks { posix_rename: true, room: Some((200_000, 4)), ..Quirks::default() };
    check(
        &sftp,
        quirks,
        "+directory +open +write 0fsync +fstat +close +lstat +read back +set permissions +set times +rename \
         +open a taken name -rename over +posix-rename +remove -mkdir 0free space -write much -list",
        &[],
        &["!write_bytes: 32000"],
    );
}

#[test]
fn a_full_disk_is_a_failure_that_leaves_nothing() {
    check(
        &sftp(),
        Quirks { room: Some((10, 14)), ..Quirks::default() },
        "+directory +open !write",
        &["until the failed step is fixed"],
        &[],
    );
}
