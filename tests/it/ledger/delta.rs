//! Baselines of `delta`: moved with the receipt, by the run that was compared with the current one.

use reportferry::expect::{BaselineFile, Checked, ComparedWith, DeltaFacts};
use reportferry::ledger::record::Run;
use reportferry::ledger::{DeltaBaseline, DeltaStanding};

use super::*;

fn at(minute: i64) -> Slot {
    Slot::new("p", jiff::Timestamp::from_second(60 * minute).unwrap(), TimeZone::UTC)
}

/// A run that delivers changes to `hris`, compared with what that has now.
async fn begun(ledger: &Ledger, minute: i64, sha256: &str) -> Run {
    let mut run = ledger.enter(&at(minute), "d").await.unwrap();
    for state in [RunState::Extracting, RunState::Transforming] {
        ledger.advance(&mut run, state, None).await.unwrap();
    }
    let current = ledger.delta_baseline("p", "hris").await.unwrap();
    let compared_with = current.map(|DeltaBaseline { run, slot, sha256, .. }| ComparedWith { run, slot, sha256 });
    let baseline = Some(BaselineFile { sha256: sha256.to_owned(), keys: 3 });
    let mut checked = Checked::default();
    checked.facts.delta =
        Some(DeltaFacts { compared_with, baseline, added: 3, changed: 0, removed: 0, unchanged: 0, kept: 0 });
    let due = [DueDelivery { destination: "hris", required: true, alert_after: None }];
    ledger.note_artifact(&mut run, "d", &artifact(), json!({}), &due, &checked).await.unwrap();
    ledger.advance(&mut run, RunState::Delivering, None).await.unwrap();
    run
}

async fn deliver(ledger: &Ledger, run: &Run, number: u32) {
    let (verdict, ended) = delivered();
    assert!(ledger.end_attempt(&run.id, "hris", number, &verdict, &ended).await.unwrap());
}

async fn current(ledger: &Ledger) -> String {
    ledger.delta_baseline("p", "hris").await.unwrap().map(|current| current.sha256).unwrap_or_default()
}

async fn a_baseline_moves_with_the_receipt_of_a_run_compared_with_it(place: Place) {
    let ledger = open(&place).await;
    let (first, other) = (begun(&ledger, 1, "a").await, begun(&ledger, 2, "b").await);
    let started = ledger.begin_attempt(&first.id, "hris", None).await.unwrap();
    assert_eq!((started.delta, current(&ledger).await), (DeltaStanding::Current, String::new()));
    // The other one waits for its end, and is void then.
    let waits = ledger.begin_attempt(&other.id, "hris", None).await.unwrap();
    assert!(matches!(&waits.delta, DeltaStanding::Busy { reason } if reason.contains(&first.id)), "{waits:?}");
    deliver(&ledger, &first, started.number).await;
    assert_eq!(current(&ledger).await, "a");
    assert_eq!(ledger.delta_standing(&first, "hris").await.unwrap(), DeltaStanding::Delivered);
    let void = ledger.begin_attempt(&other.id, "hris", None).await.unwrap();
    assert!(matches!(&void.delta, DeltaStanding::Void { reason } if reason.contains("since the changes")), "{void:?}");
    // Were it delivered all the same, its receipt would move nothing.
    deliver(&ledger, &other, void.number).await;
    assert_eq!(current(&ledger).await, "a");
    let kept = |events: Vec<reportferry::ledger::Event>| {
        events.iter().filter(|event| matches!(event.event, RunEvent::BaselineKept { .. })).count()
    };
    assert_eq!(kept(ledger.events(&other.id).await.unwrap()), 1);
    assert_eq!(kept(ledger.events(&first.id).await.unwrap()), 0);

    let third = begun(&ledger, 3, "c").await;
    let started = ledger.begin_attempt(&third.id, "hris", None).await.unwrap();
    assert_eq!(started.delta, DeltaStanding::Current);
    deliver(&ledger, &third, started.number).await;
    deliver(&ledger, &third, started.number).await; // the response was lost
    assert_eq!((current(&ledger).await, ledger.delta_digests().await.unwrap()), ("c".to_owned(), vec!["c".to_owned()]));
    let late = begun(&ledger, 0, "d").await;
    let standing = ledger.delta_standing(&late, "hris").await.unwrap();
    assert!(matches!(&standing, DeltaStanding::Void { reason } if reason.starts_with("a later slot")), "{standing:?}");
    assert_eq!(
        ledger.delta_standing(&late, "bi").await.unwrap(),
        DeltaStanding::Void { reason: "the ledger has no baseline for bi any more; `retry` compares anew".to_owned() }
    );
    ledger.prune(i64::MAX).await.unwrap();
    assert_eq!(current(&ledger).await, "c");
}

on_both! { a_baseline_moves_with_the_receipt_of_a_run_compared_with_it }
