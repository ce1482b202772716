//! Delivery into a directory: the contract, and what only directories do.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

use std::fs;

use reportferry::deliver::Verdict;
use reportferry::pipeline::plan::Existing;
use reportferry::settings::{DestinationKind, Local};

use crate::sftp::contract;
use crate::sftp::stand::{RUN, Stand, Wish, check_tree, deliver, delivered, destination, plan, rejected, spool};

fn stand() -> Stand {
    let home = crate::stage::folder();
    let root = home.path().join("drop");
    fs::create_dir(&root).unwrap();
    let path = root.clone();
    let kind = move |wish: Wish| {
        DestinationKind::Local(Local {
            path: path.clone(),
            mkdir: wish.mkdir,
            mode: wish.mode,
            dir_mode: None,
            mtime: None,
        })
    };
    Stand { root, kind: Box::new(kind), _under: Box::new(home) }
}

contract::contract!(stand);

#[test]
fn the_base_itself_is_made_only_when_told() {
    let home = crate::stage::folder();
    let local = |mkdir| Local { path: home.path().join("new/drop"), mkdir, mode: None, dir_mode: None, mtime: None };
    let unmade = plan(&destination(DestinationKind::Local(local(false))), "", Existing::Fail);
    let (_, hint) = rejected(deliver(&spool("a.csv", b"x"), &unmade));
    assert!(hint.contains("mkdir: true"), "{hint}");
    let made = plan(&destination(DestinationKind::Local(local(true))), "", Existing::Fail);
    let receipt = delivered(deliver(&spool("a.csv", b"x"), &made));
    assert_eq!((receipt.published.as_str(), receipt.host_key), ("link", None));
    check_tree(home.path(), &[("new/drop/a.csv", b"x")]);
}

#[test]
fn a_link_in_the_way_counts_as_taken_and_is_not_followed() {
    let stand = stand();
    let outside = crate::stage::folder();
    std::os::unix::fs::symlink(outside.path().join("target"), stand.root.join("a.csv")).unwrap();
    let destination = stand.destination(Wish::default());
    rejected(deliver(&spool("a.csv", b"x"), &plan(&destination, "", Existing::Fail)));
    delivered(deliver(&spool("a.csv", b"x"), &plan(&destination, "", Existing::Replace)));
    check_tree(outside.path(), &[]);
    check_tree(&stand.root, &[("a.csv", b"x")]);
}

#[test]
fn a_full_disk_leaves_nothing_and_is_tried_again() {
    // /dev/full answers every write with "no space left": a directory cannot stand there, a file's link can.
    let stand = stand();
    let plan = plan(&stand.destination(Wish::default()), "", Existing::Fail);
    let temporary = stand.root.join(format!(".a.csv.{}.part", RUN));
    std::os::unix::fs::symlink("/dev/full", &temporary).unwrap();
    let verdict = deliver(&spool("a.csv", b"x"), &plan);
    assert!(matches!(&verdict, Verdict::Retryable { reason, .. } if reason.contains("No space left")), "{verdict:?}");
    check_tree(&stand.root, &[]);
}
