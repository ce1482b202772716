//! Sessions that are used again, several at once, and one file over several.

use std::sync::Arc;
use std::time::Duration;

use reportferry::deliver::{DeliveryRequest, Session, Sessions, Verdict};
use reportferry::pipeline::plan::{DeliveryPlan, Existing};
use reportferry::progress::Meter;
use reportferry::settings::Destination;

use super::stand::{RUN, Spooled, check_tree, delivered, noise, rejected, spool};
use super::{plan_with, sshd};
use crate::stage::eventually;
use crate::stage::sshd::Sshd;

/// The server's log is behind its answers.
#[track_caller]
fn assert_sign_ins(sshd: &Sshd, expected: usize) {
    let count = || sshd.log().matches("Accepted publickey").count();
    eventually(&format!("{expected} sign-ins"), || count() >= expected);
    assert_eq!(count(), expected);
}

fn send(session: &mut Session, plan: &DeliveryPlan, spooled: &Spooled) -> Verdict {
    let put = DeliveryRequest::new(RUN, &spooled.artifact, plan);
    match session.prepare(&put) {
        Ok(intent) => session.publish(&put, &intent, None, &Meter::default()),
        Err(verdict) => verdict,
    }
}

/// One delivery by a session of these.
fn deliver(sessions: &Sessions, plan: &DeliveryPlan, name: &str) {
    let mut session = sessions.take(&plan.destination).unwrap();
    delivered(send(&mut session, plan, &spool(name, name.as_bytes())));
    sessions.give_back(&plan.destination, session);
}

/// A file over as many sessions as the settings say; how many took part, and the verdict.
fn split(sessions: &Sessions, plan: &DeliveryPlan, spooled: &Spooled) -> (usize, Verdict) {
    let destination: &Arc<Destination> = &plan.destination;
    let beside = destination.extra_sessions(spooled.artifact.bytes);
    let mut session = sessions.take(destination).unwrap();
    session.attach(sessions.prefetch(destination, beside));
    let verdict = send(&mut session, plan, spooled);
    let parted: Vec<Session> = session.detach().into_iter().filter_map(Result::ok).collect();
    let count = parted.len() + 1;
    parted.into_iter().chain([session]).for_each(|session| sessions.give_back(destination, session));
    (count, verdict)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().build().unwrap().block_on(future)
}

#[test]
fn one_sign_in_carries_many_files() {
    let sshd = sshd("", &[]);
    let (sessions, plan) = (Sessions::default(), plan_with(&sshd, Existing::Fail, |_| {}));
    let names: Vec<String> = (0..50).map(|number| format!("{number}.csv")).collect();
    names.iter().for_each(|name| deliver(&sessions, &plan, name));
    let all: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    check_tree(&sshd.root(), &all);
    assert_sign_ins(&sshd, 1);
}

#[test]
fn a_session_is_used_again_only_while_it_is_good() {
    let sshd = sshd("", &[]);
    let known_hosts = crate::stage::file();
    let line = format!("[127.0.0.1]:{} {}\n", sshd.port, sshd.host_keys[0]);
    std::fs::write(&known_hosts, &line).unwrap();
    let plan = plan_with(&sshd, Existing::Replace, |sftp| {
        sftp.host_keys.clear();
        sftp.known_hosts = vec![known_hosts.path().to_owned()];
    });
    let sessions = Sessions::default();
    deliver(&sessions, &plan, "a");
    // The server has ended it meanwhile: another one is opened, and the delivery knows nothing of it.
    sshd.cut_connections();
    deliver(&sessions, &plan, "a");
    assert_sign_ins(&sshd, 2);
    // Settings that were read anew may say anything else.
    let same = plan_with(&sshd, Existing::Replace, |_| {});
    deliver(&sessions, &same, "a");
    assert_sign_ins(&sshd, 3);
    // Its key was revoked since.
    let revoking = plan_with(&sshd, Existing::Replace, |sftp| {
        sftp.host_keys.clear();
        sftp.known_hosts = vec![known_hosts.path().to_owned()];
    });
    deliver(&sessions, &revoking, "a");
    std::fs::write(&known_hosts, format!("{line}@revoked * {}\n", sshd.host_keys[0])).unwrap();
    let refused = sessions.take(&revoking.destination).err();
    assert!(matches!(refused, Some(Verdict::HostKeyMismatch { .. })), "{refused:?}");
}

#[test]
fn a_session_is_kept_as_long_as_the_settings_say() {
    let sshd = sshd("", &[]);
    let sessions = Sessions::default();
    let at_once = plan_with(&sshd, Existing::Replace, |sftp| sftp.keep_open = Duration::ZERO);
    deliver(&sessions, &at_once, "a");
    deliver(&sessions, &at_once, "a");
    assert_sign_ins(&sshd, 2);
    let is_gone = |count: usize| sshd.log().matches("Disconnected from user").count() >= count;
    eventually("two sessions are closed", || is_gone(2));
    let briefly = plan_with(&sshd, Existing::Replace, |sftp| sftp.keep_open = Duration::from_millis(100));
    deliver(&sessions, &briefly, "a");
    eventually("the third is closed after its time", || {
        block_on(sessions.close_idle());
        is_gone(3)
    });
    let long = plan_with(&sshd, Existing::Replace, |_| {});
    deliver(&sessions, &long, "a");
    block_on(sessions.close_idle());
    deliver(&sessions, &long, "a");
    // It was not closed before its time.
    assert_sign_ins(&sshd, 4);
    block_on(sessions.close_all());
    eventually("the fourth is closed", || is_gone(4));
}

#[test]
fn a_directory_is_swept_once_an_hour() {
    let sessions = Sessions::default();
    assert!(sessions.may_sweep("hris", "in") && sessions.may_sweep("hris", "out") && sessions.may_sweep("bi", "in"));
    assert!(!sessions.may_sweep("hris", "in"));
}

#[test]
fn a_file_goes_over_several_sessions_and_arrives_whole() {
    let sshd = sshd("", &[]);
    for (bytes, sessions_wanted) in [(40 << 20, 4), ((4 << 20) + 1, 3), (1, 2), (0, 1)] {
        let plan = plan_with(&sshd, Existing::Replace, |sftp| {
            (sftp.sessions, sftp.parallel) = (sessions_wanted, Some(1));
        });
        let spooled = spool("a.csv", &noise(bytes));
        let (count, verdict) = split(&Sessions::default(), &plan, &spooled);
        assert_eq!(delivered(verdict).bytes, bytes as u64);
        assert_eq!(count, sessions_wanted);
        check_tree(&sshd.root(), &[("a.csv", &noise(bytes))]);
    }
}

#[test]
fn a_file_below_the_size_goes_over_one_session() {
    let sshd = sshd("", &[]);
    let plan = plan_with(&sshd, Existing::Replace, |sftp| (sftp.sessions, sftp.parallel) = (4, Some(1_000)));
    for (bytes, sessions) in [(999, 1), (1_000, 4)] {
        let (count, verdict) = split(&Sessions::default(), &plan, &spool("a.csv", &noise(bytes)));
        delivered(verdict);
        assert_eq!(count, sessions, "{bytes}");
    }
}

#[test]
fn an_altered_spool_is_not_published_by_several_either() {
    let sshd = sshd("", &[]);
    let plan = plan_with(&sshd, Existing::Fail, |sftp| (sftp.sessions, sftp.parallel) = (2, Some(1)));
    for change in [&b"other bytes of the same number"[..], b"fewer"] {
        let spooled = spool("a.csv", b"these bytes are what was made.");
        std::fs::write(&spooled.artifact.path, change).unwrap();
        let (_, verdict) = split(&Sessions::default(), &plan, &spooled);
        assert!(rejected(verdict).1.contains("run the slot again"));
        check_tree(&sshd.root(), &[]);
    }
}

#[test]
fn a_cut_in_the_middle_of_a_split_publishes_nothing() {
    let sshd = sshd("", &[]);
    let plan = plan_with(&sshd, Existing::Fail, |sftp| {
        (sftp.sessions, sftp.parallel) = (3, Some(1));
        sftp.bandwidth = Some(20 << 20);
    });
    let (sessions, content) = (Sessions::default(), noise(60 << 20));
    let spooled = spool("a.csv", &content);
    let part = sshd.root().join(format!(".a.csv.{RUN}.part"));
    let cut = std::thread::scope(|scope| {
        let cut = scope.spawn(|| split(&sessions, &plan, &spooled).1);
        eventually("some MiB are written", || part.metadata().is_ok_and(|facts| facts.len() >= 4 << 20));
        sshd.cut_connections();
        cut.join().unwrap()
    });
    assert!(matches!(cut, Verdict::Retryable { .. }), "{cut:?}");
    assert!(!sshd.root().join("a.csv").exists());
    let plan = plan_with(&sshd, Existing::Fail, |sftp| (sftp.sessions, sftp.parallel) = (3, Some(1)));
    delivered(split(&sessions, &plan, &spooled).1);
    check_tree(&sshd.root(), &[("a.csv", &content)]);
}

#[test]
fn a_session_that_does_not_come_is_done_without() {
    let sshd = sshd("", &[]);
    let plan = plan_with(&sshd, Existing::Fail, |sftp| (sftp.sessions, sftp.parallel) = (3, Some(1)));
    let stranger = plan_with(&sshd, Existing::Fail, |sftp| sftp.host_keys = vec![format!("SHA256:{}", "A".repeat(43))]);
    let (sessions, spooled) = (Sessions::default(), spool("a.csv", &noise(9 << 20)));
    let mut session = sessions.take(&plan.destination).unwrap();
    session.attach(sessions.prefetch(&stranger.destination, 2));
    delivered(send(&mut session, &plan, &spooled));
    check_tree(&sshd.root(), &[("a.csv", &noise(9 << 20))]);
    let absent = session.detach();
    assert!(absent.len() == 2 && absent.iter().all(|absent| matches!(absent, Err(Verdict::HostKeyMismatch { .. }))));
}
