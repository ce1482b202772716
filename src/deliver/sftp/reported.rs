//! Server behaviour from public reports, one case each: the verdict, the receipt, and what is never removed.

use super::quirks::{Case, OLD, always, content, quirks};
use crate::deliver::Verdict;
use crate::pipeline::plan::Existing;
use crate::settings::{Pickup, Verify};
use crate::sftp::scripted::Quirks;
use crate::sftp::{code, kind};

fn gateway() -> Quirks {
    quirks(|o| o.content_at_close = true)
}

#[test]
fn d11_a_gateway_whose_content_appears_at_close_is_replaced_once_and_nothing_is_removed() {
    for before in [Some(&[b'x'; 87][..]), Some(&[b'x'; 200]), Some(&[b'x'; 95]), Some(b""), None] {
        for existing in [Existing::Replace, Existing::Fail] {
            let case = Case { quirks: gateway(), direct: true, existing, before, ..Case::default() };
            let (verdict, server) = case.deliver();
            assert!(server.removed.is_empty(), "{:?}", server.removed);
            if existing == Existing::Fail && before.is_some() {
                assert!(matches!(verdict, Verdict::Rejected { .. }), "{verdict:?}");
                assert_eq!(Some(server.files["/in/a.csv"].as_slice()), before);
                continue;
            }
            let Verdict::Delivered(receipt) = verdict else { panic!("{before:?}: {verdict:?}") };
            let verified = if before.is_some() { "size" } else { "acknowledged; no such file (status 2)" };
            assert_eq!((receipt.verified.as_str(), receipt.published.as_str()), (verified, "direct"));
            assert_eq!(server.files["/in/a.csv"], content());
            assert_eq!(server.times_asked(kind::OPEN), 1, "sent once");
        }
    }
    // A temporary name: the reported size of the open file matches no file.
    Case { quirks: gateway(), ..Case::default() }.check(&["Delivered"], "ours");
}

#[test]
fn d11_a_file_that_closed_cleanly_is_the_readers() {
    let lies = |change: fn(&mut Quirks)| Case {
        quirks: quirks(|o| {
            o.adds_to_sizes = 7;
            change(o);
        }),
        direct: true,
        ..Case::default()
    };
    for case in [lies(|_| {}), lies(|o| o.refuse = always(kind::STAT, 3))] {
        for existing in [Existing::Fail, Existing::Replace] {
            let (verdict, server) =
                Case { existing, quirks: case.quirks.clone(), direct: true, ..Case::default() }.deliver();
            let shown = format!("{verdict:?}");
            assert!(shown.starts_with("Unknown") && shown.contains("verify: none"), "{shown}");
            assert_eq!(server.files["/in/a.csv"], content());
            assert!(server.removed.is_empty(), "{:?}", server.removed);
        }
    }
    let unmeasured = Case { change: |sftp| sftp.verify = Verify::None, ..lies(|_| {}) };
    unmeasured.check(&["Delivered", "verify: none"], "ours");
    // Nobody else uses a temporary name: the file is removed, and sent again.
    Case { direct: false, ..lies(|_| {}) }.check(&["Retryable", "has 102 bytes", "verify: none"], "");
    // Reads back as other bytes, or is refused: not ours to remove either.
    for refused in [always(kind::READ, 3), always(kind::CLOSE, 4)] {
        let (_, server) =
            Case { quirks: quirks(|o| o.refuse = refused), direct: true, read_back: true, ..Case::default() }.deliver();
        assert_eq!(server.files["/in/a.csv"], content());
        assert!(server.removed.is_empty(), "{:?}", server.removed);
    }
}

#[test]
fn d11_a_part_of_ours_is_removed_and_an_old_file_is_not() {
    let full = |room, change: fn(&mut Quirks)| {
        quirks(|o| {
            o.room = Some((room, code::QUOTA));
            change(o);
        })
    };
    let replace = Case { direct: true, existing: Existing::Replace, before: OLD, ..Case::default() };
    Case { quirks: full(50, |_| {}), existing: Existing::Replace, before: OLD, direct: true, ..Case::default() }
        .check(&["Rejected", "quota"], "");
    // An unrecognised file stays.
    let unread = full(50, |o| o.refuse = always(kind::READ, 3));
    Case { quirks: unread, ..replace }.check(&["Rejected", "quota"], "part");
    // The gateway keeps a part of ours or the old file; the old one if it is untouched.
    let (_, server) = Case {
        quirks: full(0, |o| o.refuse = always(kind::CLOSE, 4)),
        direct: true,
        existing: Existing::Replace,
        before: Some(b""),
        ..Case::default()
    }
    .deliver();
    assert_eq!(server.files["/in/a.csv"], b"", "an empty file that was there may be a reader's");
}

#[test]
fn d03_a_rename_that_is_refused_right_after_close_is_repeated_and_the_file_is_sent_once() {
    for status in [2, 3, 4, 5, 9, 11, 4711] {
        for (existing, request) in [(Existing::Fail, kind::RENAME), (Existing::Replace, kind::EXTENDED)] {
            let quirks = quirks(|o| {
                o.posix_rename = true;
                o.refuse = [kind::RENAME, kind::EXTENDED]
                    .into_iter()
                    .flat_map(|request| [(request, 1, status), (request, 2, status)])
                    .collect();
            });
            let (verdict, server) = Case { quirks, existing, ..Case::default() }.deliver();
            assert!(matches!(verdict, Verdict::Delivered(_)), "{status}: {verdict:?}");
            assert_eq!((server.times_asked(kind::OPEN), server.times_asked(request)), (1, 3), "{status}");
            assert!(server.removed.is_empty() && server.files["/in/a.csv"] == content());
        }
    }
}

#[test]
fn d03_what_waiting_does_not_change_is_judged_at_once() {
    let names_taken = quirks(|o| o.refuse = vec![(kind::LSTAT, 1, 3), (kind::LSTAT, 2, 3)]);
    let (verdict, server) = Case { quirks: names_taken, before: OLD, ..Case::default() }.deliver();
    assert!(format!("{verdict:?}").contains("there already"), "{verdict:?}");
    assert_eq!(server.times_asked(kind::RENAME), 1);
    let unsupported = quirks(|o| o.refuse = always(kind::RENAME, code::UNSUPPORTED));
    let (verdict, server) = Case { quirks: unsupported, ..Case::default() }.deliver();
    assert!(format!("{verdict:?}").contains("publish: direct"), "{verdict:?}");
    assert_eq!(server.times_asked(kind::RENAME), 1);
}

#[test]
fn d04_a_server_that_offers_fsync_and_refuses_it_gets_the_file_and_the_receipt_says_so() {
    for status in [2, 3, 4, 5, 8, 4711] {
        for direct in [false, true] {
            let quirks = quirks(|o| {
                o.fsync = true;
                o.refuse = always(kind::EXTENDED, status);
            });
            let (verdict, server) = Case { quirks, direct, ..Case::default() }.deliver();
            let Verdict::Delivered(receipt) = verdict else { panic!("{status}: {verdict:?}") };
            assert_eq!(receipt.notes.len(), 1, "{:?}", receipt.notes);
            assert!(receipt.notes[0].contains("fsync") && receipt.notes[0].contains(&status.to_string()));
            assert_eq!(server.files["/in/a.csv"], content());
        }
    }
    // A server that syncs, and failed once, has a full or broken disk.
    for status in [4, 14] {
        let quirks = quirks(|o| {
            o.fsync = true;
            o.refuse = vec![(kind::EXTENDED, 1, status)];
        });
        Case { quirks, ..Case::default() }.check(&["Retryable", "fsync /in/"], "");
    }
}

#[test]
fn d06_refused_modes_and_times_are_in_the_receipt() {
    let change = |sftp: &mut crate::settings::Sftp| {
        sftp.mode = Some(0o664);
        sftp.mtime = Some(crate::settings::ModifiedTime::Artifact);
    };
    let case = Case { quirks: quirks(|o| o.refuse = always(kind::SETSTAT, 3)), change, done: true, ..Case::default() };
    let Verdict::Delivered(receipt) = case.deliver().0 else { panic!() };
    let refused = [
        "the server refused the mode 0664: permission denied (status 3)",
        "the server refused the modification time: permission denied (status 3)",
    ];
    assert_eq!(receipt.notes, refused);
    let Verdict::Delivered(receipt) = (Case { change, ..Case::default() }).deliver().0 else { panic!() };
    assert!(receipt.notes.is_empty(), "{:?}", receipt.notes);
}

#[test]
fn d22_a_server_that_drops_empty_files_is_reported() {
    let drops = quirks(|o| o.drops_empty = true);
    for direct in [false, true] {
        let case = Case { quirks: drops.clone(), done: true, direct, ..Case::default() };
        case.check(&["Rejected", "dropped the empty done file", "content"], "ours");
        // Where readers take files immediately, a missing one proves nothing.
        Case { quirks: drops.clone(), done: true, direct, pickup: Pickup::Immediate, ..Case::default() }
            .check(&["Delivered"], "ours");
    }
}
