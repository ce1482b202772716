//! Publishing to servers that answer late, wrongly, twice or not at all: what is told, and what lies there in the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::SftpDrop;
use super::blocks::InOrder;
use super::client::{Client, Failure};
use super::flow::Flow;
use super::packet::{code, kind};
use super::scripted::{Oddities, Scripted, packet};
use crate::attempt::Backoff;
use crate::deliver::names::hex;
use crate::deliver::{Put, Verdict};
use crate::encode::Artifact;
use crate::encode::name::NameTemplate;
use crate::pipeline::plan::{DeliveryPlan, Existing};
use crate::pipeline::problem::Place;
use crate::progress::Meter;
use crate::settings::{Destination, DestinationKind, Pickup, Publish, Sftp, SftpTimeouts, Verify};

const RUN: &str = "00112233445566ff";
const SECOND: Duration = Duration::from_secs(1);

pub(super) struct Case {
    pub existing: Existing,
    pub odd: Oddities,
    /// At `/in/a.csv` before.
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
            odd: Oddities::default(),
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
        let retry = Backoff { first: SECOND, max: SECOND, within: SECOND };
        let kind = DestinationKind::Sftp(Box::new(self.sftp()));
        DeliveryPlan {
            at: Place {
                file: Arc::new("p.yaml".into()),
                line: 1,
                column: 1,
                span: 0..0,
                key: "deliver.hris".to_owned(),
            },
            destination: Arc::new(Destination { name: "hris".to_owned(), kind, retry, pickup: self.pickup.clone() }),
            directory: "in".to_owned(),
            existing: self.existing,
            replace_with_gap: self.with_gap,
            set: false,
            checksum: None,
            manifest: None,
            done_file: self.done.then(|| NameTemplate::parse("{name}.done").ok()).flatten(),
            done_content: None,
            required: true,
        }
    }

    /// Delivers 95 bytes in 10 requests; returns the verdict and the server as it is left.
    fn run(&self) -> (Verdict, BTreeMap<String, Vec<u8>>) {
        let (verdict, server) = self.deliver();
        (verdict, server.files)
    }

    /// The same, and the server itself.
    pub(super) fn deliver(&self) -> (Verdict, Scripted) {
        let mut server = Scripted::new(self.odd.clone());
        if let Some(before) = self.before {
            server = server.with("/in/a.csv", before);
        }
        let client = Client::start(server, SECOND).unwrap();
        let mut drop = SftpDrop::new(client, "server:22".to_owned(), None, &self.sftp());
        drop.flow.fsync_every = None;
        let spool = tempfile::tempdir().unwrap();
        let path = spool.path().join("artifact");
        std::fs::write(&path, content()).unwrap();
        let sha256 = hex(&Sha256::digest(content()));
        let artifact = Artifact {
            path,
            name: "a.csv".to_owned(),
            bytes: 95,
            sha256,
            rows: 1,
            columns: Vec::new(),
            dialect: Default::default(),
            set: None,
        };
        let plan = self.plan();
        let put = Put::new(RUN, &artifact, &plan);
        let verdict = match drop.prepare(&put) {
            Ok(intent) => drop.publish(&put, &intent, None, &Meter::default()),
            Err(verdict) => verdict,
        };
        (verdict, std::mem::take(&mut drop.client.wire))
    }

    /// Expects a verdict whose `Debug` text begins with the first of `verdict` and contains the others, and what lies at
    /// the final name: `ours`, `old`, `part` (a piece of ours) or nothing; and nothing else, but for a temporary file
    /// when contact was lost.
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

pub(super) fn odd(change: impl FnOnce(&mut Oddities)) -> Oddities {
    let mut odd = Oddities::default();
    change(&mut odd);
    odd
}

/// Every request of a kind is answered with this status, and not done.
pub(super) fn always(kind: u8, status: u32) -> Vec<(u8, usize, u32)> {
    (1..200).map(|nth| (kind, nth, status)).collect()
}

pub(super) const OLD: Option<&[u8]> = Some(b"old");

#[test]
fn a_plain_server_takes_a_file_whatever_the_order_of_its_answers() {
    for swaps_answers in [false, true] {
        for read_bytes_max in [None, Some(1), Some(33)] {
            let odd = odd(|o| {
                o.swaps_answers = swaps_answers;
                o.read_bytes_max = read_bytes_max;
                o.fsync = true;
            });
            Case { odd, read_back: true, done: true, ..Case::default() }.check(&["Delivered", "read_back"], "ours");
        }
    }
    let no_sizes = odd(|o| o.no_sizes = true);
    Case { odd: no_sizes, ..Case::default() }.check(&["Delivered", "does not tell sizes"], "ours");
}

#[test]
fn whatever_existing_is_called_it_is_seen() {
    for status in [3, 4, 11, 4711] {
        let odd = odd(|o| o.exists_status = Some(status));
        Case { odd: odd.clone(), before: OLD, ..Case::default() }.check(&["Rejected", "there already"], "old");
        // Hidden from the first look and from the one before the rename: the refused rename leads to a third.
        let hidden = Oddities { refuse: vec![(kind::LSTAT, 1, 3), (kind::LSTAT, 2, 3)], ..odd };
        Case { odd: hidden.clone(), before: OLD, ..Case::default() }.check(&["Rejected", "there already"], "old");
        let direct = Oddities { refuse: vec![(kind::LSTAT, 1, 3)], ..hidden };
        Case { odd: direct, before: OLD, direct: true, ..Case::default() }.check(&["Rejected", "there already"], "old");
    }
}

#[test]
fn a_rename_that_overwrites_silently_is_kept_from_it() {
    // The name is taken between prepare (the first look) and the rename (the second).
    let odd = odd(|o| {
        o.rename_overwrites = true;
        o.refuse = vec![(kind::LSTAT, 1, code::NO_SUCH_FILE)];
    });
    Case { odd: odd.clone(), before: OLD, ..Case::default() }.check(&["Rejected", "there already"], "old");
    Case { odd: odd.clone(), before: OLD, existing: Existing::Keep, ..Case::default() }.check(&["Skipped"], "old");
    Case { odd, before: OLD, existing: Existing::Number, ..Case::default() }.check(&["Unreached"], "old");
}

#[test]
fn a_rename_is_judged_by_what_lies_there() {
    let rename = |status| odd(|o| o.do_and_refuse = vec![(kind::RENAME, 1, status)]);
    for status in [2, 3, 4, 8] {
        Case { odd: rename(status), ..Case::default() }.check(&["Delivered", "rename"], "ours");
    }
    let refused = |status| odd(|o| o.refuse = always(kind::RENAME, status));
    Case { odd: refused(4), ..Case::default() }.check(&["Unreached", "rename to"], "");
    Case { odd: refused(3), ..Case::default() }.check(&["Rejected", "publish: direct"], "");
    Case { odd: refused(8), ..Case::default() }.check(&["Rejected", "publish: direct"], "");
    let taken_away = odd(|o| {
        o.picks_up = true;
        o.do_and_refuse = vec![(kind::RENAME, 1, 4)];
    });
    Case { odd: taken_away.clone(), ..Case::default() }.check(&["Unknown", "the temporary file is gone"], "");
    Case { odd: taken_away, pickup: Pickup::Immediate, ..Case::default() }.check(&["Delivered", "picked up"], "");
    Case { odd: refused(4), pickup: Pickup::Immediate, ..Case::default() }.check(&["Unreached", "rename to"], "");
    let picks_up = odd(|o| o.picks_up = true);
    Case { odd: picks_up, ..Case::default() }.check(&["Delivered"], "");
}

#[test]
fn replacing_leaves_no_gap_unless_a_person_said_so() {
    let replace =
        |odd: Oddities, with_gap| Case { existing: Existing::Replace, before: OLD, odd, with_gap, ..Case::default() };
    replace(odd(|o| o.posix_rename = true), false).check(&["Delivered", "posix-rename"], "ours");
    replace(odd(|_| {}), false).check(&["Rejected", "replace: with_gap"], "old");
    replace(odd(|_| {}), true).check(&["Delivered", "remove+rename"], "ours");
    // Where renaming is forbidden, the old file stays; where it is forbidden in the middle, it comes back.
    for (refused, verdict) in [(4, "Unreached"), (3, "Rejected")] {
        replace(odd(|o| o.refuse = always(kind::RENAME, refused)), true).check(&[verdict], "old");
        let second = always(kind::RENAME, refused).into_iter().filter(|(_, nth, _)| (2..=3).contains(nth)).collect();
        replace(odd(|o| o.refuse = second), true).check(&["Delivered", "remove+rename"], "ours");
    }
    let (verdict, files) = replace(odd(|o| o.refuse = always(kind::REMOVE, 3)), true).run();
    assert!(format!("{verdict:?}").contains("the replaced file stays at the server"), "{verdict:?}");
    assert_eq!(files["/in/a.csv"], content());
}

#[test]
fn a_full_or_limited_server_is_told_apart() {
    for (status, verdict) in [(4, "Unreached"), (14, "Unreached"), (15, "Rejected"), (3, "Rejected"), (99, "Unreached")]
    {
        for room in [0, 5, 40, 94] {
            let odd = odd(|o| o.room = Some((room, status)));
            Case { odd: odd.clone(), ..Case::default() }.check(&[verdict, "write /in/"], "");
            Case { odd, direct: true, ..Case::default() }.check(&[verdict, "write /in/"], "");
        }
    }
    // Quota errors arrive at close with some servers.
    let at_close = odd(|o| o.do_and_refuse = vec![(kind::CLOSE, 1, 15)]);
    Case { odd: at_close, ..Case::default() }.check(&["Rejected", "quota", "close /in/"], "");
}

#[test]
fn contact_lost_at_each_request_says_whether_to_look() {
    let before_publishing = [(kind::OPEN, 1), (kind::WRITE, 1), (kind::WRITE, 10), (kind::FSTAT, 1), (kind::CLOSE, 1)];
    for step in before_publishing {
        for lost in [odd(|o| o.end_before = Some(step)), odd(|o| o.end_after = Some(step))] {
            Case { odd: lost.clone(), done: true, ..Case::default() }.check(&["Unreached"], "");
            // A direct put has no cover: readers may have seen something.
            let (verdict, _) = Case { odd: lost, direct: true, ..Case::default() }.run();
            assert!(matches!(verdict, Verdict::Unknown { .. }), "{step:?}: {verdict:?}");
        }
    }
    let rename = (kind::RENAME, 1);
    Case { odd: odd(|o| o.end_before = Some(rename)), ..Case::default() }.check(&["Unknown"], "");
    Case { odd: odd(|o| o.end_after = Some(rename)), ..Case::default() }.check(&["Unknown"], "ours");
    for step in [(kind::OPEN, 2), (kind::CLOSE, 2), (kind::RENAME, 2)] {
        let lost = odd(|o| o.end_after = Some(step));
        Case { odd: lost, done: true, ..Case::default() }.check(&["Unknown", "the data file is published"], "ours");
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
        let odd = odd(|o| o.garbage = Some((kind::WRITE, 3, garbage.clone())));
        Case { odd, ..Case::default() }.check(&["Unreached", "write /in/"], "");
    }
    // A repeated answer is as bad as a foreign one.
    let odd = odd(|o| o.garbage = Some((kind::OPEN, 1, [vec![0, 0, 0, 5], vec![101; 5]].concat())));
    Case { odd, ..Case::default() }.check(&["Unreached", "protocol"], "");
}

#[test]
fn a_greeting_that_is_none_says_what_came() {
    let longest = |name: &[u8]| packet(kind::VERSION, 3, |p| _ = p.string(name).string(b"1"));
    for (greeting, why) in [
        (b"Welcome to the server!\r\n".to_vec(), "the server printed text before SFTP: \"Welcome to the server!\""),
        (packet(kind::VERSION, 2, |_| {}), "speaks SFTP version 2"),
        (packet(kind::STATUS, 3, |_| {}), "the server's greeting is not SFTP"),
        ((256 * 1024 + 1u32).to_be_bytes().to_vec(), "an answer of 262145 bytes"),
        (Vec::new(), "no acknowledgement for 1 s"),
    ] {
        let server = Scripted::new(odd(|o| o.greeting = Some(greeting)));
        match Client::start(server, SECOND) {
            Err(Failure::Lost(told)) => assert!(told.contains(why), "{told:?} is not {why:?}"),
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
    // The longest packet that is read; and an extension that ends in the middle is not offered.
    let most = longest(&vec![b'x'; 256 * 1024 - 14]);
    assert_eq!(most.len(), 4 + 256 * 1024);
    assert!(Client::start(Scripted::new(odd(|o| o.greeting = Some(most))), SECOND).is_ok());
    let mut cut = longest(b"fsync@openssh.com");
    cut.truncate(cut.len() - 1);
    let length = (cut.len() as u32 - 4).to_be_bytes();
    cut[..4].copy_from_slice(&length);
    let client = Client::start(Scripted::new(odd(|o| o.greeting = Some(cut))), SECOND);
    assert!(client.is_ok_and(|client| !client.extensions.fsync));
}

#[test]
fn no_more_requests_are_in_flight_than_allowed() {
    let mut client = Client::start(Scripted::new(odd(|o| o.swaps_answers = true)), SECOND).unwrap();
    let handle = client.open("/f", 0x1a).unwrap();
    let mut blocks = InOrder::new(std::io::Cursor::new(content()), 95, "sftp.write");
    client.upload(&handle, &mut blocks, Flow { bytes: 1, requests: 1, fsync_every: None }, &Meter::default()).unwrap();
    assert_eq!((blocks.uploaded().bytes, client.wire.times_asked(kind::WRITE)), (95, 95));
    assert_eq!(client.wire.files["/f"], content());
}

#[test]
fn a_server_writes_through_along_the_way() {
    let upload = |odd| {
        let mut client = Client::start(Scripted::new(odd), SECOND).unwrap();
        let handle = client.open("/f", 0x1a).unwrap();
        let mut blocks = InOrder::new(std::io::Cursor::new(content()), 95, "sftp.write");
        let flow = Flow { bytes: 10, requests: 4, fsync_every: Some(30) };
        let sent = client.upload(&handle, &mut blocks, flow, &Meter::default());
        (sent, client)
    };
    let (sent, client) = upload(odd(|o| o.fsync = true));
    assert!(sent.is_ok() && client.wire.files["/f"] == content());
    assert_eq!(client.wire.times_asked(kind::EXTENDED), 2, "one at a time");
    // Refused, it is no reason to stop, and is judged at the end; a full disk is. Either way the connection is good.
    for (status, goes_on) in [(code::PERMISSION_DENIED, true), (code::FAILURE, true), (code::NO_SPACE, false)] {
        let (sent, mut client) = upload(odd(|o| {
            o.fsync = true;
            o.refuse = vec![(kind::EXTENDED, 2, status)];
        }));
        assert_eq!(sent.is_ok(), goes_on, "{sent:?}");
        assert_eq!(client.refused_fsync.as_ref().map(|refused| refused.code), goes_on.then_some(status));
        assert!(client.lstat("/f").is_ok());
    }
}
