//! The ledger on a real file: entered once, moved by the rules, never two receipts, the same after a new start.

use std::sync::Arc;

use jiff::tz::TimeZone;
use reportferry::clock::Clock;
use reportferry::deliver::{IntendedFile, Intent, Receipt, Role, Verdict};
use reportferry::encode::Artifact;
use reportferry::ledger::state::{DeliveryState, RunState};
use reportferry::ledger::{DueDelivery, Ended, Ledger, LedgerError, RunEvent, RunFilter};
use reportferry::schedule::slot::Slot;
use serde_json::json;

/// What waits for a person.
mod attention;
/// Headers and assignments that later runs are compared with, and slots that wait for a held run.
mod baseline;
/// Baselines of `delta`.
mod delta;
/// Operations side by side.
mod pairs;
/// Readers that are waited for.
mod pickups;
/// What only PostgreSQL does.
mod postgres;
/// Where the next run of a records source continues.
mod watermark;

use crate::stage::{Place, on_both};

fn slot(pipeline: &str) -> Slot {
    Slot::new(pipeline, "2026-11-23T10:30:00Z".parse().unwrap(), TimeZone::get("America/New_York").unwrap())
}

async fn open(place: &Place) -> Ledger {
    Ledger::open(&place.settings, Clock::System).await.unwrap()
}

pub(crate) fn artifact() -> Artifact {
    Artifact {
        path: "x".into(),
        name: "a.csv".into(),
        bytes: 5,
        sha256: "ab".into(),
        rows: 3,
        columns: Vec::new(),
        rows_in: reportferry::encode::RowsPlace::Nowhere,
        set: None,
    }
}

fn receipt() -> Receipt {
    Receipt {
        rows: None,
        address: "127.0.0.1:22".into(),
        path: "/inbound/a.csv".into(),
        bytes: 5,
        sha256: "ab".into(),
        files: Vec::new(),
        host_key: Some("SHA256:x".into()),
        verified: "size".into(),
        published: "rename".into(),
        answer: None,
        notes: Vec::new(),
    }
}

fn delivered() -> (Verdict, Ended) {
    (
        Verdict::Delivered(receipt()),
        Ended { state: DeliveryState::Delivered, reason: None, due_ms: None, expected_pickup: None, rows: 3 },
    )
}

async fn a_slot_is_entered_once_whoever_comes(place: Place) {
    let ledgers = [open(&place).await, open(&place).await];
    let tasks = (0..16).map(|index| {
        let ledger = ledgers[index % 2].clone();
        tokio::spawn(async move { ledger.enter(&slot("p"), "digest").await.unwrap().id })
    });
    let ids: std::collections::BTreeSet<String> =
        futures_util::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(ledgers[0].runs(&RunFilter { limit: 9, ..RunFilter::default() }).await.unwrap().len(), 1);
    let id = ids.first().unwrap();
    assert_eq!(ledgers[1].events(id).await.unwrap().len(), 1, "one entry, one event");
}

async fn what_is_written_is_there_after_a_new_start(place: Place) {
    let ledger = open(&place).await;
    let mut run = ledger.enter(&slot("p"), "d1").await.unwrap();
    ledger.advance(&mut run, RunState::Extracting, None).await.unwrap();
    ledger.note_execution_id(&mut run, Some("execution")).await.unwrap();
    ledger.advance(&mut run, RunState::Transforming, None).await.unwrap();
    let rows = json!({"extracted": 9, "steps": [{"step": 1, "kind": "filter", "dropped": 6}], "written": 3});
    ledger
        .note_artifact(
            &mut run,
            "d2",
            &artifact(),
            rows.clone(),
            &[DueDelivery { destination: "hris", required: true, alert_after: None }],
            &Default::default(),
        )
        .await
        .unwrap();
    assert_eq!(ledger.begin_attempt(&run.id, "hris", None).await.unwrap().number, 1);
    let intent = Intent {
        files: vec![IntendedFile {
            of: None,
            role: Role::Data,
            temporary: ".a.part".into(),
            final_path: "a".into(),
            bytes: 5,
            sha256: "ab".into(),
        }],
        batching: None,
        acks: Vec::new(),
    };
    ledger.note_intent(&run.id, "hris", &intent).await.unwrap();
    ledger.close().await;

    let ledger = open(&place).await;
    let found = ledger.run(&run.id).await.unwrap().unwrap();
    assert_eq!(
        (found.state, found.execution_id.as_deref(), found.plan_digest.as_str()),
        (RunState::Transforming, Some("execution"), "d2")
    );
    assert_eq!(found.rows, Some(rows));
    assert_eq!(found.artifact.unwrap().rows, 3);
    let delivery = ledger.delivery(&run.id, "hris").await.unwrap().unwrap();
    assert_eq!((delivery.state, delivery.attempts, delivery.intent), (DeliveryState::Publishing, 1, Some(intent)));
    assert_eq!(found.slot, "2026-11-23T05:30:00-05:00");
}

async fn one_delivery_has_one_receipt_and_then_no_attempt(place: Place) {
    let ledger = open(&place).await;
    let mut run = ledger.enter(&slot("p"), "d").await.unwrap();
    ledger
        .note_artifact(
            &mut run,
            "d",
            &artifact(),
            json!({}),
            &[DueDelivery { destination: "hris", required: true, alert_after: None }],
            &Default::default(),
        )
        .await
        .unwrap();
    let number = ledger.begin_attempt(&run.id, "hris", None).await.unwrap().number;
    let (verdict, ended) = delivered();
    ledger.end_attempt(&run.id, "hris", number, &verdict, &ended).await.unwrap();
    // The answer to the commit was lost: the same again changes nothing.
    ledger.end_attempt(&run.id, "hris", number, &verdict, &ended).await.unwrap();
    let stored = ledger.delivery(&run.id, "hris").await.unwrap().unwrap().receipt.unwrap();
    assert_eq!((stored.receipt, stored.attempt, stored.rows), (receipt(), 1, 3));
    let refused = ledger.begin_attempt(&run.id, "hris", None).await;
    assert!(matches!(refused, Err(LedgerError::IllegalMove { .. })), "{refused:?}");
    ledger.retry_deliveries(&run.id, "test").await.unwrap();
    assert_eq!(ledger.delivery(&run.id, "hris").await.unwrap().unwrap().state, DeliveryState::Delivered);
}

async fn a_run_ends_with_the_last_delivery_that_it_waits_for(place: Place) {
    let ledger = open(&place).await;
    let mut run = ledger.enter(&slot("p"), "d").await.unwrap();
    ledger.advance(&mut run, RunState::Extracting, None).await.unwrap();
    ledger.advance(&mut run, RunState::Transforming, None).await.unwrap();
    let destinations = [("archive", false), ("bi", true), ("hris", true)].map(|(destination, required)| DueDelivery {
        destination,
        required,
        alert_after: None,
    });
    ledger.note_artifact(&mut run, "d", &artifact(), json!({}), &destinations, &Default::default()).await.unwrap();
    ledger.advance(&mut run, RunState::Delivering, None).await.unwrap();
    let end = async |destination: &str, verdict: &Verdict, ended: &Ended| {
        let number = ledger.begin_attempt(&run.id, destination, None).await.unwrap().number;
        let first = ledger.end_attempt(&run.id, destination, number, verdict, ended).await.unwrap();
        // The answer to the commit was lost.
        assert_eq!(ledger.end_attempt(&run.id, destination, number, verdict, ended).await.unwrap(), first);
        first
    };
    let (delivery, ended) = delivered();
    let skipped = Ended { state: DeliveryState::Skipped, expected_pickup: None, ..ended.clone() };
    assert!(!end("hris", &delivery, &ended).await, "another one is waited for");
    assert_eq!(ledger.run(&run.id).await.unwrap().unwrap().state, RunState::Delivering);
    assert!(end("bi", &Verdict::Skipped { reason: "taken".into() }, &skipped).await);
    let found = ledger.run(&run.id).await.unwrap().unwrap();
    // The other one is still to come, and wakes the worker.
    assert_eq!((found.state, found.reason, found.next_run_at_ms.is_some()), (RunState::Delivered, None, true));
    assert!(end("archive", &delivery, &ended).await);
    let told = ledger.events(&run.id).await.unwrap();
    assert_eq!(told.iter().filter(|event| event.event == RunEvent::Delivered).count(), 1, "{told:?}");
}

async fn failures_in_a_row_are_counted_and_forgotten_on_retry(place: Place) {
    let ledger = open(&place).await;
    let mut run = ledger.enter(&slot("p"), "d").await.unwrap();
    ledger
        .note_artifact(
            &mut run,
            "d",
            &artifact(),
            json!({}),
            &[DueDelivery { destination: "hris", required: true, alert_after: None }],
            &Default::default(),
        )
        .await
        .unwrap();
    let unreached = Verdict::Retryable { reason: "refused".into(), wait: None };
    for failed in 1..=3 {
        let number = ledger.begin_attempt(&run.id, "hris", None).await.unwrap().number;
        let ended = Ended {
            state: DeliveryState::Waiting,
            reason: Some("refused".into()),
            due_ms: Some(7),
            expected_pickup: None,
            rows: 1,
        };
        ledger.end_attempt(&run.id, "hris", number, &unreached, &ended).await.unwrap();
        let delivery = ledger.delivery(&run.id, "hris").await.unwrap().unwrap();
        assert_eq!((delivery.failures, delivery.attempts, delivery.due_ms), (failed, failed, Some(7)));
    }
    ledger.retry_deliveries(&run.id, "test").await.unwrap();
    let delivery = ledger.delivery(&run.id, "hris").await.unwrap().unwrap();
    assert_eq!(
        (delivery.state, delivery.failures, delivery.since_ms, delivery.attempts),
        (DeliveryState::Due, 0, None, 3)
    );
}

async fn an_illegal_move_is_an_error_and_changes_nothing(place: Place) {
    let ledger = open(&place).await;
    let mut run = ledger.enter(&slot("p"), "d").await.unwrap();
    let refused = ledger.advance(&mut run, RunState::Delivered, None).await;
    assert!(matches!(refused, Err(LedgerError::IllegalMove { .. })), "{refused:?}");
    // Somebody else moved it: what this process believes is stale.
    let mut stale = run.clone();
    ledger.advance(&mut run, RunState::Extracting, None).await.unwrap();
    ledger.advance(&mut run, RunState::Failed, Some("gone")).await.unwrap();
    let refused = ledger.advance(&mut stale, RunState::Skipped, None).await;
    assert!(matches!(refused, Err(LedgerError::IllegalMove { .. })), "{refused:?}");
    let found = ledger.run(&run.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.reason.as_deref()), (RunState::Failed, Some("gone")));
}

async fn a_person_rejects_only_what_is_held(place: Place) {
    let ledger = open(&place).await;
    let mut run = ledger.enter(&slot("p"), "d").await.unwrap();
    assert!(ledger.reject(&mut run, "ann", "wrong").await.is_err());
    for state in [RunState::Extracting, RunState::Transforming, RunState::Held] {
        ledger.advance(&mut run, state, Some("empty")).await.unwrap();
    }
    ledger.reject(&mut run, "ann", "wrong").await.unwrap();
    let found = ledger.run(&run.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.rejected_by.as_deref()), (RunState::Rejected, Some("ann")));
}

async fn eight_writers_do_not_fail_each_other(place: Place) {
    let mut ledgers = Vec::new();
    for _ in 0..2 {
        ledgers.push(open(&place).await);
    }
    let ledgers = Arc::new(ledgers);
    let tasks = (0..8).map(|writer| {
        let ledgers = ledgers.clone();
        tokio::spawn(async move {
            let ledger = &ledgers[writer % 2];
            for round in 0..25 {
                let at = jiff::Timestamp::from_millisecond(i64::try_from(writer * 1000 + round).unwrap()).unwrap();
                let mut run = ledger.enter(&Slot::new("p", at, TimeZone::UTC), "d").await.unwrap();
                ledger.advance(&mut run, RunState::Extracting, None).await.unwrap();
                ledger.advance(&mut run, RunState::Failed, None).await.unwrap();
            }
        })
    });
    for task in futures_util::future::join_all(tasks).await {
        task.unwrap();
    }
    let filter = RunFilter { states: vec![RunState::Failed], limit: 1000, ..RunFilter::default() };
    assert_eq!(ledgers[0].runs(&filter).await.unwrap().len(), 200);
}

#[tokio::test]
async fn a_ledger_that_is_no_ledger_is_refused_by_name() {
    let folder = crate::stage::folder();
    let path = folder.path().join("ledger.db");
    std::fs::write(&path, "this is no database, and long enough to be read as one by its first hundred bytes").unwrap();
    let Err(refused) = Ledger::open(&crate::stage::sqlite(&path), Clock::System).await else {
        panic!("opened a text file")
    };
    assert!(refused.to_string().contains("ledger.db"), "{refused}");
}

async fn the_newest_visits_to_each_destination_are_kept(place: Place) {
    use reportferry::deliver::doctor::{DoctorStep, Probe, StepOutcome};
    let (clock, hand) = Clock::manual("2026-11-24T08:00:00Z".parse().unwrap());
    let ledger = Ledger::open(&place.settings, clock).await.unwrap();
    let second = std::time::Duration::from_secs(1);
    let visit = |destination: &str, said: String| Probe {
        destination: destination.to_owned(),
        kind: "sftp".to_owned(),
        address: "h:22".to_owned(),
        ok: true,
        steps: vec![DoctorStep::new("open", StepOutcome::Refused, second, said).with("a", 1).hint("b")],
        plan: vec!["c".to_owned()],
        advice: Vec::new(),
        left_behind: Vec::new(),
    };
    assert!(ledger.last_probe("hris").await.unwrap().is_none());
    ledger.note_probe(&visit("other", "first".to_owned())).await.unwrap();
    for number in 0..25 {
        hand.advance(second);
        let at_ms = ledger.note_probe(&visit("hris", number.to_string())).await.unwrap();
        let last = ledger.last_probe("hris").await.unwrap().unwrap();
        assert_eq!((last.at_ms, last.probe), (at_ms, visit("hris", number.to_string())));
    }
    // Twice at one moment is one visit.
    ledger.note_probe(&visit("hris", "again".to_owned())).await.unwrap();
    assert_eq!(ledger.last_probe("hris").await.unwrap().unwrap().probe, visit("hris", "again".to_owned()));
    assert!(ledger.last_probe("other").await.unwrap().is_some());
    ledger.close().await;
    let count = "SELECT COUNT(*) FROM probes WHERE destination = 'hris'";
    let kept = place.count(count);
    assert_eq!(kept, 20);
}

on_both! {
    a_slot_is_entered_once_whoever_comes,
    what_is_written_is_there_after_a_new_start,
    one_delivery_has_one_receipt_and_then_no_attempt,
    a_run_ends_with_the_last_delivery_that_it_waits_for,
    failures_in_a_row_are_counted_and_forgotten_on_retry,
    an_illegal_move_is_an_error_and_changes_nothing,
    a_person_rejects_only_what_is_held,
    eight_writers_do_not_fail_each_other,
    the_newest_visits_to_each_destination_are_kept,
}
