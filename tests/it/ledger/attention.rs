//! What waits for a person: listed until it is handled, superseded by what replaced it, cancelled, paused.

use reportferry::deliver::OfferedKey;
use reportferry::ledger::next::{Blocker, Need};
use reportferry::ledger::record::Run;

use super::*;

async fn enter(ledger: &Ledger, minute: i64, replaces: Option<&str>) -> Run {
    let at = jiff::Timestamp::from_second(60 * minute).unwrap();
    let mut run = ledger.enter(&Slot::new("p", at, TimeZone::UTC), "d").await.unwrap();
    run.replaces = replaces.map(str::to_owned);
    ledger.advance(&mut run, RunState::Extracting, None).await.unwrap();
    run
}

async fn failed(ledger: &Ledger, minute: i64, replaces: Option<&str>) -> Run {
    let mut run = enter(ledger, minute, replaces).await;
    ledger.advance(&mut run, RunState::Failed, Some("no route")).await.unwrap();
    run
}

async fn delivered_at(ledger: &Ledger, minute: i64, replaces: Option<&str>) -> Run {
    let mut run = enter(ledger, minute, replaces).await;
    for state in [RunState::Transforming, RunState::Delivering, RunState::Delivered] {
        ledger.advance(&mut run, state, None).await.unwrap();
    }
    run
}

/// State, number, and the newest run of what is listed of the pipeline.
async fn listed(ledger: &Ledger) -> Vec<(RunState, u64, String)> {
    let statuses = ledger.pipeline_statuses(0).await.unwrap();
    let waiting = &statuses["p"].waiting;
    waiting.iter().map(|group| (group.state, group.count, group.newest[0].run.clone())).collect()
}

async fn failed_runs_are_listed_until_they_are_handled(place: Place) {
    let ledger = open(&place).await;
    let mut runs = Vec::new();
    for minute in 1..=5 {
        runs.push(failed(&ledger, minute, None).await);
    }
    delivered_at(&ledger, 9, None).await;
    assert_eq!(listed(&ledger).await, [(RunState::Failed, 5, runs[4].id.clone())], "a later slot changes nothing");
    let statuses = ledger.pipeline_statuses(0).await.unwrap();
    let group = &statuses["p"].waiting[0];
    assert_eq!((group.since_ms, group.newest.len()), (60_000, 3), "the oldest slot; the newest are named");

    let dismissed = ledger.dismiss(&[runs[4].id.clone()], "ann", "known").await.unwrap();
    assert_eq!(dismissed, [runs[4].id.clone()]);
    assert!(ledger.dismiss(&[runs[4].id.clone()], "bob", "again").await.unwrap().is_empty(), "the first mark stays");
    let marked = ledger.run(&runs[4].id).await.unwrap().unwrap();
    assert_eq!(marked.dismissed.as_ref().map(|mark| (mark.by.as_str(), mark.because.as_str())), Some(("ann", "known")));
    assert_eq!(ledger.need(&marked).await.unwrap(), (None, None));
    let events = ledger.events(&marked.id).await.unwrap();
    assert_eq!(events.last().unwrap().event, RunEvent::Dismissed { by: "ann".into(), reason: "known".into() });
    assert_eq!(listed(&ledger).await, [(RunState::Failed, 4, runs[3].id.clone())]);

    // A retry that fails again is to be seen; one that is delivered is not.
    let mut again = marked;
    ledger.advance(&mut again, RunState::Extracting, None).await.unwrap();
    ledger.advance(&mut again, RunState::Failed, Some("again")).await.unwrap();
    assert_eq!(listed(&ledger).await[0].1, 5);
    for state in [RunState::Extracting, RunState::Transforming, RunState::Delivering, RunState::Delivered] {
        ledger.advance(&mut again, state, None).await.unwrap();
    }
    let all: Vec<String> = runs.iter().map(|run| run.id.clone()).collect();
    assert_eq!(ledger.dismiss(&all, "ann", "known").await.unwrap().len(), 4, "the delivered one has no mark");
    assert!(listed(&ledger).await.is_empty());
}

async fn a_later_run_supersedes_only_what_it_replaces(place: Place) {
    let ledger = open(&place).await;
    let same = failed(&ledger, 1, Some("hris:in/a.csv")).await;
    let other = failed(&ledger, 2, Some("hris:in/b.csv")).await;
    let adds = failed(&ledger, 3, None).await;
    let all = |newest: &Run, count| [(RunState::Failed, count, newest.id.clone())];
    let mut later = enter(&ledger, 4, Some("hris:in/a.csv")).await;
    assert_eq!(listed(&ledger).await, all(&adds, 3), "it is not delivered yet");
    for state in [RunState::Transforming, RunState::Delivering, RunState::Delivered] {
        ledger.advance(&mut later, state, None).await.unwrap();
    }
    assert_eq!(listed(&ledger).await, all(&adds, 2));
    assert_eq!(ledger.need(&same).await.unwrap(), (None, Some(later.id.clone())));
    assert_eq!(ledger.need(&other).await.unwrap(), (Some(Need::Failed), None));
    let waiting = ledger.waiting_runs("p", &[RunState::Failed]).await.unwrap();
    assert_eq!(waiting.iter().map(|run| &run.id).collect::<Vec<_>>(), [&other.id, &adds.id], "oldest first");
    assert!(ledger.waiting_runs("p", &[RunState::Blocked]).await.unwrap().is_empty());
    // A slot before it replaced nothing of it.
    let newest = failed(&ledger, 5, Some("hris:in/a.csv")).await;
    assert_eq!(listed(&ledger).await, all(&newest, 3));
}

async fn a_cancelled_run_is_over_and_so_are_its_deliveries(place: Place) {
    let ledger = open(&place).await;
    let mut run = enter(&ledger, 1, None).await;
    let destinations = ["archive", "bi", "hris"];
    let destinations = destinations.map(|destination| DueDelivery { destination, required: true, alert_after: None });
    ledger.advance(&mut run, RunState::Transforming, None).await.unwrap();
    ledger.note_artifact(&mut run, "d", &artifact(), json!({}), &destinations, &Default::default()).await.unwrap();
    ledger.advance(&mut run, RunState::Delivering, None).await.unwrap();
    let end = async |destination: &str, verdict: &Verdict, ended: &Ended| {
        let number = ledger.begin_attempt(&run.id, destination, None).await.unwrap().number;
        ledger.end_attempt(&run.id, destination, number, verdict, ended).await.unwrap();
    };
    end("archive", &delivered().0, &delivered().1).await;
    let key = OfferedKey { server: "hris".into(), fingerprint: "SHA256:x".into() };
    let mismatch = Verdict::HostKeyMismatch { reason: "other key".into(), hint: None, offered: Some(key.clone()) };
    let blocked = Ended { state: DeliveryState::Blocked, reason: Some("other key".into()), ..delivered().1 };
    end("hris", &mismatch, &blocked).await;
    ledger.advance(&mut run, RunState::Blocked, Some("hris: other key")).await.unwrap();
    let blocker = Blocker { destination: "hris".into(), offered: Some(key) };
    assert_eq!(ledger.need(&run).await.unwrap().0, Some(Need::Blocked(vec![blocker])));

    let mut stale = run.clone();
    ledger.cancel(&mut run, "ann", "moved").await.unwrap();
    let found = ledger.run(&run.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.next_run_at_ms), (RunState::Cancelled, None));
    assert_eq!(found.reason.as_deref(), Some("cancelled by ann: moved"));
    let states: Vec<_> = ledger.deliveries(&run.id).await.unwrap().into_iter().map(|delivery| delivery.state).collect();
    assert_eq!(states, [DeliveryState::Delivered, DeliveryState::Cancelled, DeliveryState::Cancelled]);
    assert!(ledger.blocked_at("hris").await.unwrap().is_empty() && listed(&ledger).await.is_empty());
    ledger.retry_deliveries(&run.id, "bob").await.unwrap();
    assert!(ledger.begin_attempt(&run.id, "bi", None).await.is_err(), "it is over");
    for refused in [ledger.cancel(&mut stale, "bob", "").await, ledger.cancel(&mut run, "bob", "").await] {
        assert!(matches!(refused, Err(LedgerError::IllegalMove { .. })), "{refused:?}");
    }
    assert!(ledger.advance(&mut run, RunState::Extracting, None).await.is_err());
}

async fn a_pause_keeps_its_reason_and_takes_a_new_one(place: Place) {
    let ledger = open(&place).await;
    let paused = async || ledger.paused("p").await.unwrap().map(|paused| (paused.by, paused.why));
    let is = |by: &str, why: &str| Some((by.to_owned(), why.to_owned()));
    assert!(ledger.pause("p", Some(("ann", ""))).await.unwrap());
    let since = ledger.paused("p").await.unwrap().unwrap().since_ms;
    assert!(ledger.pause("p", Some(("bob", "INC-42"))).await.unwrap());
    assert_eq!(paused().await, is("bob", "INC-42"));
    assert!(!ledger.pause("p", Some(("cy", ""))).await.unwrap());
    assert!(!ledger.pause("p", Some(("cy", "INC-42"))).await.unwrap());
    assert_eq!(paused().await, is("bob", "INC-42"));
    assert_eq!(ledger.paused("p").await.unwrap().unwrap().since_ms, since);
    assert!(ledger.pause("p", None).await.unwrap());
    assert_eq!(paused().await, None);
}

async fn the_lock_of_a_worker_is_seen_by_others(place: Place) {
    let (worker, other) = (open(&place).await, open(&place).await);
    let in_ledger = other.is_locked_by_worker().await.unwrap();
    worker.lock_for_worker().await.unwrap();
    let locked = other.is_locked_by_worker().await.unwrap();
    worker.close().await;
    match in_ledger {
        None => assert_eq!(locked, None, "the data folder has the lock"),
        Some(before) => {
            assert_eq!((before, locked), (false, Some(true)));
            // The server ends the connection's session a moment after it is closed.
            let begun = std::time::Instant::now();
            while other.is_locked_by_worker().await.unwrap() == Some(true) {
                assert!(begun.elapsed() < crate::stage::PATIENCE);
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
    }
}

on_both! {
    failed_runs_are_listed_until_they_are_handled,
    a_later_run_supersedes_only_what_it_replaces,
    a_cancelled_run_is_over_and_so_are_its_deliveries,
    a_pause_keeps_its_reason_and_takes_a_new_one,
    the_lock_of_a_worker_is_seen_by_others,
}
