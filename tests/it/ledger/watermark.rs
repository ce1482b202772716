//! The watermark of delivered runs, and pruning.

use jiff::tz::TimeZone;
use reportferry::clock::Clock;
use reportferry::extract::SourceFacts;
use reportferry::ledger::record::ExtractFacts;
use reportferry::ledger::state::RunState;
use reportferry::ledger::{DueDelivery, Ledger};
use reportferry::schedule::slot::Slot;
use serde_json::json;

use super::{artifact, delivered};
use crate::stage::{Place, on_both};

/// A run of this hour that read `digest` until `watermark`, delivered or left before its delivery.
async fn run(ledger: &Ledger, hour: i64, digest: &str, watermark: &str, is_delivered: bool) -> String {
    let slot = Slot::new("p", jiff::Timestamp::from_second(hour * 3600).unwrap(), TimeZone::UTC);
    let mut run = ledger.enter(&slot, "d").await.unwrap();
    ledger.advance(&mut run, RunState::Extracting, None).await.unwrap();
    ledger.note_execution_id(&mut run, Some("e")).await.unwrap();
    let source =
        SourceFacts { digest: Some(digest.into()), watermark: Some(watermark.into()), ..SourceFacts::default() };
    let facts = ExtractFacts { zip: false, bytes: 1, sha256: "a".into(), file: None, source };
    ledger.note_extract(&mut run, facts).await.unwrap();
    ledger.advance(&mut run, RunState::Transforming, None).await.unwrap();
    let due = [DueDelivery { destination: "hris", required: true, alert_after: None }];
    ledger.note_artifact(&mut run, "d", &artifact(), json!({}), &due, &Default::default()).await.unwrap();
    ledger.advance(&mut run, RunState::Delivering, None).await.unwrap();
    if is_delivered {
        let number = ledger.begin_attempt(&run.id, "hris", None).await.unwrap().number;
        let (verdict, ended) = delivered();
        ledger.end_attempt(&run.id, "hris", number, &verdict, &ended).await.unwrap();
    }
    run.id
}

async fn the_latest_of_a_delivered_run_is_kept(place: Place) {
    let (clock, hand) = Clock::manual("1970-01-03T00:00:00Z".parse().unwrap());
    let ledger = Ledger::open(&place.settings, clock).await.unwrap();
    let watermark = async |digest: &str| ledger.watermark("p", digest).await.unwrap();
    assert_eq!(watermark("a").await, None);
    let oldest = run(&ledger, 1, "a", "2026-11-23 05:00:00", true).await;
    let newest = run(&ledger, 2, "a", "2026-11-23 06:00:00", true).await;
    // An older slot that read less, another source, and a run that is not delivered.
    run(&ledger, 0, "a", "2026-11-23 04:00:00", true).await;
    run(&ledger, 3, "b", "2026-11-23 07:00:00", true).await;
    run(&ledger, 4, "a", "2026-11-23 08:00:00", false).await;
    assert_eq!(watermark("a").await.as_deref(), Some("2026-11-23 06:00:00"));
    assert_eq!(watermark("b").await.as_deref(), Some("2026-11-23 07:00:00"));
    assert_eq!(ledger.watermark("q", "a").await.unwrap(), None);
    // Years later, all that is pruned are the runs that nothing continues.
    hand.set("2030-01-01T00:00:00Z".parse().unwrap());
    let before_ms = "2029-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
    assert_eq!(ledger.prunable(before_ms).await.unwrap(), 2);
    assert_eq!(ledger.prune(before_ms).await.unwrap(), 2);
    assert!(ledger.run(&oldest).await.unwrap().is_none() && ledger.run(&newest).await.unwrap().is_some());
    assert_eq!(watermark("a").await.as_deref(), Some("2026-11-23 06:00:00"));
    assert_eq!(watermark("b").await.as_deref(), Some("2026-11-23 07:00:00"));
}

async fn an_extract_that_is_given_up_takes_its_watermark_along(place: Place) {
    let ledger = Ledger::open(&place.settings, Clock::System).await.unwrap();
    let id = run(&ledger, 1, "a", "2026-11-23 05:00:00", true).await;
    let mut run = ledger.run(&id).await.unwrap().unwrap();
    ledger.note_execution_id(&mut run, None).await.unwrap();
    assert_eq!(ledger.watermark("p", "a").await.unwrap(), None);
}

on_both!(the_latest_of_a_delivered_run_is_kept, an_extract_that_is_given_up_takes_its_watermark_along);
