//! Servers that differ, scripted: what is found, what follows, and that nothing stays.

use std::time::Duration;

use super::prober::{Findings, Made};
use crate::deliver::doctor::{Outcome, Report, Visit};
use crate::deliver::sftp::client::Client;
use crate::deliver::sftp::packet::kind;
use crate::deliver::sftp::scripted::{Oddities, Scripted};
use crate::deliver::sftp::{SftpDrop, doctor};
use crate::settings::{Publish, Sftp, Verify};

fn sftp() -> Sftp {
    let mut sftp = Sftp::new("hris", "server", 22, "acme");
    sftp.base = "/".to_owned();
    sftp.timeouts.rename = Duration::from_millis(300);
    sftp
}

/// Every request of a kind is refused with this status.
fn always(kind: u8, status: u32) -> Vec<(u8, usize, u32)> {
    (1..100).map(|nth| (kind, nth, status)).collect()
}

/// One visit to a server that has the directory `/` and nothing in it.
struct Visited {
    drop: SftpDrop<Scripted>,
    report: Report,
    found: Findings,
    made: Made,
}

fn visit(sftp: &Sftp, odd: Oddities) -> Visited {
    let client = Client::start(Scripted::new(odd).with("/", b""), Duration::from_secs(1)).unwrap();
    let mut drop = SftpDrop::new(client, "server:22".to_owned(), None, sftp);
    let mut report = Report::new(|_| {});
    let visit = Visit { path: String::new(), now: "2026-11-24T08:00:00Z".parse().unwrap() };
    let (found, made) = doctor::try_files(&mut drop, sftp, &visit, &mut report);
    Visited { drop, report, found, made }
}

/// Each step's name with a sign for how it ended, the sentences, and the settings.
fn check(sftp: &Sftp, odd: Oddities, steps: &str, sentences: &[&str], settings: &[&str]) {
    let Visited { mut drop, report, found, made } = visit(sftp, odd);
    let left = doctor::remove_all(&mut drop.client, &made);
    let signs = report.steps.iter().map(|step| {
        let sign = match step.outcome {
            Outcome::Done => '+',
            Outcome::Refused => '-',
            Outcome::NotOffered => '0',
            Outcome::Failed => '!',
        };
        format!("{sign}{}", step.name)
    });
    assert_eq!(signs.collect::<Vec<_>>().join(" "), steps);
    let (said, advice) = doctor::plan::follow(&found, sftp);
    for sentence in sentences {
        assert!(said.iter().any(|said| said.contains(sentence)), "{sentence:?} is not in {said:#?}");
    }
    let advice: Vec<String> = advice
        .iter()
        .map(|advice| format!("{}{}: {}", if advice.must { "!" } else { "" }, advice.key, advice.value))
        .collect();
    assert_eq!(advice, settings);
    let lies: Vec<&str> = drop.client.wire.files.keys().map(String::as_str).filter(|name| *name != "/").collect();
    assert!(lies.is_empty() && left.is_empty(), "{lies:?} {left:?}");
}

#[test]
fn a_usual_server_needs_no_settings() {
    check(
        &sftp(),
        Oddities { posix_rename: true, fsync: true, ..Oddities::default() },
        "+directory +open +write +fsync +fstat +close +lstat +read back +set permissions +set times +rename \
         +open a taken name -rename over +posix-rename +remove -mkdir 0free space +write much -list",
        &["takes its final name when it is whole", "`existing` may be fail, keep, number, replace (with no moment"],
        &[],
    );
}

#[test]
fn without_posix_rename_replacing_has_a_gap() {
    check(
        &sftp(),
        Oddities { rename_overwrites: true, ..Oddities::default() },
        "+directory +open +write 0fsync +fstat +close +lstat +read back +set permissions +set times +rename \
         +open a taken name +rename over 0posix-rename +remove -mkdir 0free space +write much -list",
        &["replace, with `replace: with_gap`", "replaces silently"],
        &["replace: with_gap"],
    );
}

#[test]
fn a_server_that_forbids_renaming_gets_files_directly() {
    let odd = || Oddities { refuse: always(kind::RENAME, 3), ..Oddities::default() };
    let steps = "+directory +open +write 0fsync +fstat +close +lstat +read back +set permissions +set times \
                 -rename +open a taken name +remove -mkdir 0free space +write much -list";
    let settings = ["!publish: direct", "done_file: \"{name}.done\""];
    check(&sftp(), odd(), steps, &["straight to its final name: the server forbids renaming"], &settings);
    let mut direct = sftp();
    direct.publish = Publish::Direct;
    check(&direct, odd(), steps, &["a reader may see half a file"], &settings[1..]);
}

#[test]
fn a_drop_box_shows_nothing_and_reads_nothing() {
    let hidden = [always(kind::LSTAT, 3), always(kind::READ, 3), always(kind::SETSTAT, 8), always(kind::REMOVE, 3)];
    let mut sftp = sftp();
    (sftp.verify, sftp.mode) = (Verify::ReadBack, Some(0o600));
    let Visited { found, .. } = visit(&sftp, Oddities { refuse: hidden.concat(), ..Oddities::default() });
    let (said, advice) = doctor::plan::follow(&found, &sftp);
    let said = said.join("\n");
    for part in ["drop box that shows nobody", "`mode` has no effect", "lets nobody remove", "`existing` may be fail."]
    {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    assert!(advice.iter().any(|advice| advice.must && advice.key == "verify" && advice.value == "size"));
}

#[test]
fn a_file_that_is_picked_up_at_its_final_name_is_success() {
    check(
        &sftp(),
        Oddities { picks_up: true, posix_rename: true, ..Oddities::default() },
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
    let odd = Oddities { posix_rename: true, room: Some((200_000, 4)), ..Oddities::default() };
    check(
        &sftp,
        odd,
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
        Oddities { room: Some((10, 14)), ..Oddities::default() },
        "+directory +open !write",
        &["until the step that failed is mended"],
        &[],
    );
}
