//! Publishing to servers whose responses are late, wrong, duplicated or missing: the verdict, and the final state of the
//! server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::SftpTarget;
use super::connect::options;
use crate::attempt::Backoff;
use crate::deliver::{DeliveryRequest, Verdict};
use crate::encode::Artifact;
use crate::name::NameTemplate;
use crate::pipeline::plan::{DeliveryPlan, Existing};
use crate::progress::Meter;
use crate::settings::{Destination, DestinationKind, Pickup, Publish, Sftp, SftpTimeouts, Verify};
use crate::sftp::scripted::{Quirks, Scripted, packet};
use crate::sftp::{Client, code, kind};
use crate::yaml::problem::Place;

const RUN: &str = "00112233445566ff";
const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Case {
    pub existing: Existing,
    pub quirks: Quirks,
    /// Content of `/in/a.csv` before the delivery.
    pub before: Option<&'static [u8]>,
    pub with_gap: bool,
    pub direct: bool,
    pub read_back: bool,
    pub done: bool,
    pub pickup: Pickup,
    pub change: fn(&mut Sftp),
}

impl Default for Case {
    fn default() -> Self {
        Case {
            existing: Existing::Fail,
            quirks: Quirks::default(),
            before: None,
            with_gap: false,
            direct: false,
            read_back: false,
            done: false,
            pickup: Pickup::None,
            change: |_| {},
        }
    }
}

impl Case {
    fn sftp(&self) -> Sftp {
        let mut sftp = Sftp::new("hris", "server", 22, "acme");
        sftp.base = "/".to_owned();
        sftp.publish = if self.direct { Publish::Direct } else { Publish::Rename };
        sftp.verify = if self.read_back { Verify::ReadBack } else { Verify::Size };
        (sftp.write_bytes, sftp.in_flight) = (10, 4);
        sftp.timeouts = SftpTimeouts { connect: SECOND, idle: SECOND, rename: SECOND };
        (self.change)(&mut sftp);
        sftp
    }

    fn plan(&self) -> DeliveryPlan {
        let retry = Backoff { initial: SECOND, max: SECOND, give_up_after: SECOND };
        let kind = DestinationKind::Sftp(Box::new(self.sftp()));
        DeliveryPlan {
            at: Place {
                file: Arc::new("p.yaml".into()),
                line: 1,
                column: 1,
                span: 0..0,
                key: "deliver.hris".to_owned(),
            },
            destination: Arc::new(Destination {
                name: "hris".to_owned(),
                kind,
                retry,
                pickup: self.pickup.clone(),
                alert_after: None,
            }),
            directory: "in".to_owned(),
            existing: self.existing,
            upload_as: None,
            replace_with_gap: self.with_gap,
            publish_together: false,
            checksum: None,
            manifest: None,
            done_file: self.done.then(|| NameTemplate::parse("{name}.done").ok()).flatten(),
            done_content: None,
            refused_rows: Default::default(),
            ack_rows: None,
            alert_after: None,
            request: None,
            required: true,
        }
    }

    /// Delivers 95 bytes in 10 requests; returns the verdict and the server's final state.
    fn run(&self) -> (Verdict, BTreeMap<String, Vec<u8>>) {
        let (verdict, server) = self.deliver();
        (verdict, server.files)
    }

    /// The same, with the server itself.
    pub(super) fn deliver(&self) -> (Verdict, Scripted) {
        let mut server = Scripted::new(self.quirks.clone());
        if let Some(before) = self.before {
            server = server.with("/in/a.csv", before);
        }
        let sftp = self.sftp();
        let client = Client::start(server, options(&sftp)).unwrap();
        let mut target = SftpTarget::new(client, "server:22".to_owned(), None, sftp.verify);
        target.client.options.fsync_every_bytes = None;
        let spool = tempfile::tempdir().unwrap();
        let path = spool.path().join("artifact");
        std::fs::write(&path, content()).unwrap();
        let sha256 = crate::digest::of(&content());
        let artifact = Artifact {
            path,
            name: "a.csv".to_owned(),
            bytes: 95,
            sha256,
            rows: 1,
            columns: Vec::new(),
            rows_in: crate::encode::RowsPlace::Nowhere,
            set: None,
        };
        let plan = self.plan();
        let delivery = DeliveryRequest::new(RUN, &artifact, &plan);
        let verdict = match target.prepare(&delivery) {
            Ok(intent) => target.publish(&delivery, &intent, None, &Meter::default()),
            Err(verdict) => verdict,
        };
        (verdict, std::mem::take(&mut target.client.transport))
    }

    /// Expects a verdict whose `Debug` text begins with the first of `verdict` and contains the others, and at the final
    /// name `ours`, `old`, `part` (a part of ours) or nothing. No other file may exist, except a temporary one after
    /// contact was lost.
    #[track_caller]
    pub(super) fn check(&self, verdict: &[&str], at_final: &str) {
        let (ended, mut files) = self.run();
        let shown = format!("{ended:?}");
        assert!(shown.starts_with(verdict[0]), "{shown} is not {verdict:?}");
        for part in verdict {
            assert!(shown.contains(part), "{part:?} is not in {shown}");
        }
        let found = files.remove("/in/a.csv");
        let content = content();
        let found = match &found {
            None => "",
            Some(bytes) if *bytes == content => "ours",
            Some(bytes) if Some(bytes.as_slice()) == self.before => "old",
            Some(bytes) if content.starts_with(bytes) => "part",
            Some(_) => "garbage",
        };
        assert_eq!(found, at_final, "{shown}");
        files.remove("/in/a.csv.done");
        let temporary = files.remove(&format!("/in/.a.csv.{RUN}.part"));
        files.remove(&format!("/in/.a.csv.done.{RUN}.part"));
        assert!(files.is_empty(), "{files:?}");
        let contact_lost = shown.contains("contact was lost") || shown.contains("closed the connection");
        assert!(temporary.is_none() || contact_lost || shown.contains("protocol") || shown.contains("acknowledgement"));
    }
}

pub(super) fn content() -> Vec<u8> {
    (0..95u8).collect()
}

pub(super) fn quirks(change: impl FnOnce(&mut Quirks)) -> Quirks {
    let mut quirks = Quirks::default();
    change(&mut quirks);
    quirks
}

/// Every request of a kind gets this status, and is not done.
pub(super) fn always(kind: u8, status: u32) -> Vec<(u8, usize, u32)> {
    (1..200).map(|nth| (kind, nth, status)).collect()
}

pub(super) const OLD: Option<&[u8]> = Some(b"old");

#[test]
fn a_plain_server_takes_a_file_whatever_the_order_of_its_answers() {
    for swaps_answers in [false, true] {
        for read_bytes_max in [None, Some(1), Some(33)] {
            let quirks = quirks(|o| {
                o.swaps_answers = swaps_answers;
                o.read_bytes_max = read_bytes_max;
                o.fsync = true;
            });
            Case { quirks, read_back: true, done: true, ..Case::default() }.check(&["Delivered", "read_back"], "ours");
        }
    }
    let no_sizes = quirks(|o| o.no_sizes = true);
    Case { quirks: no_sizes, ..Case::default() }.check(&["Delivered", "does not report sizes"], "ours");
}

#[test]
fn whatever_existing_is_called_it_is_seen() {
    for status in [3, 4, 11, 4711] {
        let quirks = quirks(|o| o.exists_status = Some(status));
        Case { quirks: quirks.clone(), before: OLD, ..Case::default() }.check(&["Rejected", "there already"], "old");
        // Hidden from the first check and from the one before the rename: the refused rename leads to a third.
        let hidden = Quirks { refuse: vec![(kind::LSTAT, 1, 3), (kind::LSTAT, 2, 3)], ..quirks };
        Case { quirks: hidden.clone(), before: OLD, ..Case::default() }.check(&["Rejected", "there already"], "old");
        let direct = Quirks { refuse: vec![(kind::LSTAT, 1, 3)], ..hidden };
        Case { quirks: direct, before: OLD, direct: true, ..Case::default() }
            .check(&["Rejected", "there already"], "old");
    }
}

#[test]
fn a_rename_that_overwrites_silently_is_kept_from_it() {
    // The name is taken between prepare (the first check) and the rename (the second).
    let quirks = quirks(|o| {
        o.rename_overwrites = true;
        o.refuse = vec![(kind::LSTAT, 1, code::NO_SUCH_FILE)];
    });
    Case { quirks: quirks.clone(), before: OLD, ..Case::default() }.check(&["Rejected", "there already"], "old");
    Case { quirks: quirks.clone(), before: OLD, existing: Existing::Keep, ..Case::default() }
        .check(&["Skipped"], "old");
    Case { quirks, before: OLD, existing: Existing::Number, ..Case::default() }.check(&["Retryable"], "old");
}

#[test]
fn a_rename_is_judged_by_what_lies_there() {
    let rename = |status| quirks(|o| o.do_and_refuse = vec![(kind::RENAME, 1, status)]);
    for status in [2, 3, 4, 8] {
        Case { quirks: rename(status), ..Case::default() }.check(&["Delivered", "rename"], "ours");
    }
    let refused = |status| quirks(|o| o.refuse = always(kind::RENAME, status));
    Case { quirks: refused(4), ..Case::default() }.check(&["Retryable", "rename to"], "");
    Case { quirks: refused(3), ..Case::default() }.check(&["Rejected", "publish: direct"], "");
    Case { quirks: refused(8), ..Case::default() }.check(&["Rejected", "publish: direct"], "");
    let taken_away = quirks(|o| {
        o.picks_up = true;
        o.do_and_refuse = vec![(kind::RENAME, 1, 4)];
    });
    Case { quirks: taken_away.clone(), ..Case::default() }.check(&["Unknown", "the temporary file is gone"], "");
    Case { quirks: taken_away, pickup: Pickup::Immediate, ..Case::default() }.check(&["Delivered", "picked up"], "");
    Case { quirks: refused(4), pickup: Pickup::Immediate, ..Case::default() }.check(&["Retryable", "rename to"], "");
    let picks_up = quirks(|o| o.picks_up = true);
    Case { quirks: picks_up, ..Case::default() }.check(&["Delivered"], "");
}

#[test]
fn replacing_leaves_no_gap_unless_a_person_said_so() {
    let replace = |quirks: Quirks, with_gap| Case {
        existing: Existing::Replace,
        before: OLD,
        quirks,
        with_gap,
        ..Case::default()
    };
    replace(quirks(|o| o.posix_rename = true), false).check(&["Delivered", "posix-rename"], "ours");
    replace(quirks(|_| {}), false).check(&["Rejected", "replace: with_gap"], "old");
    replace(quirks(|_| {}), true).check(&["Delivered", "remove+rename"], "ours");
    // If renaming is refused, the old file stays; if it is refused halfway, the old file is restored.
    for (refused, verdict) in [(4, "Retryable"), (3, "Rejected")] {
        replace(quirks(|o| o.refuse = always(kind::RENAME, refused)), true).check(&[verdict], "old");
        let second = always(kind::RENAME, refused).into_iter().filter(|(_, nth, _)| (2..=3).contains(nth)).collect();
        replace(quirks(|o| o.refuse = second), true).check(&["Delivered", "remove+rename"], "ours");
    }
    let (verdict, files) = replace(quirks(|o| o.refuse = always(kind::REMOVE, 3)), true).run();
    assert!(format!("{verdict:?}").contains("the replaced file stays at the server"), "{verdict:?}");
    assert_eq!(files["/in/a.csv"], content());
}

#[test]
fn a_full_or_limited_server_is_told_apart() {
    for (status, verdict) in [(4, "Retryable"), (14, "Retryable"), (15, "Rejected"), (3, "Rejected"), (99, "Retryable")]
    {
        for room in [0, 5, 40, 94] {
            let quirks = quirks(|o| o.room = Some((room, status)));
            Case { quirks: quirks.clone(), ..Case::default() }.check(&[verdict, "write /in/"], "");
            Case { quirks, direct: true, ..Case::default() }.check(&[verdict, "write /in/"], "");
        }
    }
    // Some servers report quota errors at close.
    let at_close = quirks(|o| o.do_and_refuse = vec![(kind::CLOSE, 1, 15)]);
    Case { quirks: at_close, ..Case::default() }.check(&["Rejected", "quota", "close /in/"], "");
}

#[test]
fn contact_lost_at_each_request_says_whether_to_look() {
    let before_publishing = [(kind::OPEN, 1), (kind::WRITE, 1), (kind::WRITE, 10), (kind::FSTAT, 1), (kind::CLOSE, 1)];
    for step in before_publishing {
        for lost in [quirks(|o| o.end_before = Some(step)), quirks(|o| o.end_after = Some(step))] {
            Case { quirks: lost.clone(), done: true, ..Case::default() }.check(&["Retryable"], "");
            // A direct delivery is visible: readers may have seen something.
            let (verdict, _) = Case { quirks: lost, direct: true, ..Case::default() }.run();
            assert!(matches!(verdict, Verdict::Unknown { .. }), "{step:?}: {verdict:?}");
        }
    }
    let rename = (kind::RENAME, 1);
    Case { quirks: quirks(|o| o.end_before = Some(rename)), ..Case::default() }.check(&["Unknown"], "");
    Case { quirks: quirks(|o| o.end_after = Some(rename)), ..Case::default() }.check(&["Unknown"], "ours");
    for step in [(kind::OPEN, 2), (kind::CLOSE, 2), (kind::RENAME, 2)] {
        let lost = quirks(|o| o.end_after = Some(step));
        Case { quirks: lost, done: true, ..Case::default() }.check(&["Unknown", "the data file is published"], "ours");
    }
}

#[test]
fn garbage_ends_the_connection_and_publishes_nothing() {
    let oversize = (256 * 1024 + 1u32).to_be_bytes().to_vec();
    let stranger = packet(kind::STATUS, 0xdead_beef, |p| _ = p.u32(0));
    let wrong_kind = packet(kind::HANDLE, 5, |p| _ = p.string(b"h"));
    let unknown_kind = packet(250, 5, |p| _ = p.u32(0));
    let silence = Vec::new();
    for garbage in
        [oversize, vec![0, 0, 0, 0], vec![0, 0, 0, 4, 1, 2, 3, 4], stranger, wrong_kind, unknown_kind, silence]
    {
        let quirks = quirks(|o| o.garbage = Some((kind::WRITE, 3, garbage.clone())));
        Case { quirks, ..Case::default() }.check(&["Retryable", "write /in/"], "");
    }
    // A repeated response is as bad as one to another request.
    let quirks = quirks(|o| o.garbage = Some((kind::OPEN, 1, [vec![0, 0, 0, 5], vec![101; 5]].concat())));
    Case { quirks, ..Case::default() }.check(&["Retryable", "protocol"], "");
}
