//! Delivery into a directory: the contract, and what only directories do.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends where it cannot go on

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use reportferry::name::NameTemplate;
use reportferry::pipeline::plan::{DeliveryPlan, Existing};
use reportferry::progress::Meter;
use reportferry::settings::{DestinationKind, Local};

use crate::sftp::contract;
use crate::sftp::stand::{
    RUN, Stand, Wish, check_tree, connect, deliver, delivered, destination, plan, put, rejected, spool, with_done,
};

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

/// Names that anyone who may write there can guess, and those of the intent, each planted as a link to a file that must
/// stay as it is.
#[test]
fn no_planted_link_is_followed() {
    let mut planted = 0;
    for index in 0..4 {
        let intended = |stand: &Stand, plan: &DeliveryPlan| {
            let spooled = spool("a.csv", b"x");
            let intent = connect(plan).prepare(&put(&spooled, plan)).unwrap();
            assert_eq!(intent.files.len(), 4);
            assert!(intent.files.iter().all(|file| Path::new(&file.temporary).parent() == Some(&*stand.root)));
            (spooled, intent)
        };
        let plan_of = |stand: &Stand| {
            let plan = with_done(plan(&stand.destination(Wish::default()), "", Existing::Replace));
            DeliveryPlan {
                checksum: NameTemplate::parse("{name}.sha256").ok(),
                manifest: NameTemplate::parse("{name}.json").ok(),
                ..plan
            }
        };
        let outside = crate::stage::folder();
        let victim = outside.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        let untouched = || assert_eq!(fs::read(&victim).unwrap(), b"precious");

        // A guess.
        let stand_of_guess = stand();
        let plan = plan_of(&stand_of_guess);
        let (spooled, intent) = intended(&stand_of_guess, &plan);
        let name = Path::new(&intent.files[index].final_path).file_name().unwrap().to_str().unwrap().to_owned();
        symlink(&victim, stand_of_guess.root.join(format!(".{name}.{RUN}.part"))).unwrap();
        delivered(deliver(&spooled, &plan));
        untouched();

        // The name of an attempt that was cut short.
        let stand_of_intent = stand();
        let plan = plan_of(&stand_of_intent);
        let (spooled, intent) = intended(&stand_of_intent, &plan);
        symlink(&victim, &intent.files[index].temporary).unwrap();
        delivered(connect(&plan).publish(&put(&spooled, &plan), &intent, None, &Meter::default()));
        untouched();

        // The final name: before the intent, and after it.
        let stand_of_final = stand();
        let plan = plan_of(&stand_of_final);
        let (spooled, intent) = intended(&stand_of_final, &plan);
        symlink(&victim, &intent.files[index].final_path).unwrap();
        let (reason, _) = rejected(connect(&plan).publish(&put(&spooled, &plan), &intent, None, &Meter::default()));
        assert!(reason.contains("is a link, not a file"), "{reason}");
        let (reason, _) = rejected(deliver(&spooled, &plan));
        assert!(reason.ends_with("is a link, not a file"), "{reason}");
        untouched();
        planted += 3;
    }
    assert_eq!(planted, 12);
}

#[test]
fn what_is_no_file_is_not_replaced_and_not_waited_for() {
    for existing in [Existing::Fail, Existing::Keep, Existing::Replace] {
        let stand = stand();
        let plan = plan(&stand.destination(Wish::default()), "", existing);
        let path = stand.root.join("a.csv");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let (reason, hint) = rejected(deliver(&spool("a.csv", b"x"), &plan));
        assert!(
            reason.ends_with("a.csv is a named pipe, not a file") && hint.starts_with("remove it"),
            "{reason}; {hint}"
        );
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(rejected(deliver(&spool("a.csv", b"x"), &plan)).0.ends_with("a.csv is a directory, not a file"));
        assert_eq!(crate::stage::rig::names(&stand.root), ["a.csv"], "no temporary file stays");
    }
    let stand = stand();
    let numbered = plan(&stand.destination(Wish::default()), "", Existing::Number);
    symlink("/nowhere", stand.root.join("a.csv")).unwrap();
    assert!(delivered(deliver(&spool("a.csv", b"x"), &numbered)).path.ends_with("/a-1.csv"));
}
