//! The ledger alone: complete runs a second, by callers at once. `ledger [SECONDS] [CALLERS…]`.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::unwrap_used, clippy::disallowed_methods)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use reportferry::clock::Clock;
use reportferry::deliver::{Receipt, Verdict};
use reportferry::encode::Artifact;
use reportferry::ledger::record::ExtractFacts;
use reportferry::ledger::state::{DeliveryState, RunState};
use reportferry::ledger::{DueDelivery, Ended, Ledger, LedgerError};
use reportferry::schedule::slot::Slot;
use reportferry::settings::LedgerSettings;

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let (seconds, callers) = numbers.split_first().map_or((5, &[][..]), |(first, rest)| (*first, rest));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for callers in if callers.is_empty() { &[1, 4, 16, 64][..] } else { callers } {
        // In the folder that it is run in: /tmp may be memory, where a sync costs nothing.
        let folder = tempfile::tempdir_in(".").unwrap();
        let place = LedgerSettings::Sqlite(folder.path().join("ledger.db"));
        let rate = runtime.block_on(measure(&place, *callers, Duration::from_secs(seconds)));
        println!("{callers:3} callers: {rate:6.0} runs a second");
    }
}

async fn measure(place: &LedgerSettings, callers: u64, length: Duration) -> f64 {
    let ledger = Ledger::open(place, Clock::System).await.unwrap();
    let (next, done) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let tasks = (0..callers).map(|_| {
        let (ledger, next, done) = (ledger.clone(), next.clone(), done.clone());
        tokio::spawn(async move {
            while begun.elapsed() < length {
                one_run(&ledger, next.fetch_add(1, Ordering::Relaxed)).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

/// All that a delivered run writes.
async fn one_run(ledger: &Ledger, number: i64) -> Result<(), LedgerError> {
    let at = jiff::Timestamp::from_second(number).unwrap();
    let mut run = ledger.enter(&Slot::new("p", at, TimeZone::UTC), "digest").await?;
    ledger.advance(&mut run, RunState::Extracting, None).await?;
    ledger
        .note_extract(
            &mut run,
            ExtractFacts { zip: false, bytes: 5, sha256: "ab".into(), file: None, source: Default::default() },
        )
        .await?;
    ledger.advance(&mut run, RunState::Transforming, None).await?;
    let artifact = Artifact {
        path: "x".into(),
        name: "a.csv".into(),
        bytes: 5,
        sha256: "ab".into(),
        rows: 3,
        columns: Vec::new(),
        rows_in: reportferry::encode::RowsPlace::Nowhere,
        set: None,
    };
    ledger
        .note_artifact(
            &mut run,
            "digest",
            &artifact,
            serde_json::json!({}),
            &[DueDelivery { destination: "bi", required: true, alert_after: None }],
            &Default::default(),
        )
        .await?;
    ledger.advance(&mut run, RunState::Delivering, None).await?;
    let number = ledger.begin_attempt(&run.id, "bi", None).await?.number;
    let receipt = Receipt {
        rows: None,
        address: "h:443".into(),
        path: "/hook".into(),
        bytes: 5,
        sha256: "ab".into(),
        files: Vec::new(),
        host_key: None,
        verified: "answer".into(),
        published: "post".into(),
        answer: None,
        notes: Vec::new(),
    };
    let ended = Ended { state: DeliveryState::Delivered, reason: None, due_ms: None, expected_pickup: None, rows: 3 };
    ledger.end_attempt(&run.id, "bi", number, &Verdict::Delivered(receipt), &ended).await?;
    Ok(())
}
