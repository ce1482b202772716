//! Every operation of the ledger, alone and beside each other one, on both databases.

use std::pin::Pin;
use std::time::Duration;

use reportferry::deliver::doctor::Probe;
use reportferry::deliver::webhook::{AckedBatch, BatchRows};
use reportferry::deliver::{OpenRow, PickupKind, PickupOutcome, RowCounts, RowOutcome};
use reportferry::expect::{BaselineFile, Checked, ComparedWith, DeltaFacts};
use reportferry::extract::{RefusedCredentials, ScopeCheck, Standing};
use reportferry::ledger::record::{ExtractFacts, Run};
use reportferry::ledger::{
    Accepted, BaselineKind, DeltaBaseline, ExpectedPickup, KnownPipeline, Portion, RunEvent, Sent,
};
use reportferry::schedule::Overlap;
use reportferry::schedule::missed::SlotDecision;
use reportferry::settings::PickupDeadline;

use super::*;

type Done = Pin<Box<dyn Future<Output = Result<(), LedgerError>> + Send>>;
type Operation = (&'static str, fn(Ledger, Run) -> Done);

macro_rules! operations {
    ($($name:ident($ledger:ident, $run:ident) => $call:expr;)*) => {
        &[$((stringify!($name), |$ledger, mut $run| Box::pin(async move {
            let _ = &mut $run;
            let _: () = { $call.await?; };
            Ok(())
        }))),*]
    };
}

fn other(minute: i64) -> Slot {
    Slot::new("p", jiff::Timestamp::from_second(60 * minute).unwrap(), TimeZone::UTC)
}

fn portion() -> Portion {
    let slots =
        [7, 8].map(|minute| (other(minute), SlotDecision::Run { next_run_at: other(minute).at.timestamp() }, Some(0)));
    let (pipeline, plan_digest) = ("p".to_owned(), "d".to_owned());
    Portion {
        pipeline,
        plan_digest,
        overlap: Overlap::Skip,
        alert_after: None,
        slots: slots.into(),
        cursor_ms: 480_000,
    }
}

fn probe() -> Probe {
    let (steps, plan, advice, left_behind) = Default::default();
    let (kind, address) = ("sftp".to_owned(), "h:22".to_owned());
    Probe { destination: "hris".to_owned(), kind, address, ok: true, steps, plan, advice, left_behind }
}

fn refused_credentials() -> RefusedCredentials {
    let at = jiff::Timestamp::UNIX_EPOCH;
    RefusedCredentials { digest: "beef".to_owned(), at, until: at, reason: "invalid_grant".to_owned() }
}

fn scope_check() -> ScopeCheck {
    let (identity, refusal, assignments, lines, requests) = Default::default();
    let [tenant, address, grant, allowed_level] = ["acme", "https://acme", "password", "power_user"].map(str::to_owned);
    let standing = Standing::Least;
    ScopeCheck { tenant, address, grant, allowed_level, standing, identity, refusal, assignments, lines, requests }
}

async fn attempt(ledger: &Ledger, run: &Run) -> Result<bool, LedgerError> {
    let number = ledger.begin_attempt(&run.id, "hris", None).await?.number;
    let deadline = Some(PickupDeadline { after: Duration::ZERO, every: Duration::ZERO });
    let (verdict, ended) = delivered();
    let ended = Ended { expected_pickup: Some(ExpectedPickup { kind: PickupKind::Moved, deadline }), ..ended };
    ledger.end_attempt(&run.id, "hris", number, &verdict, &ended).await
}

/// Accepts another header at each call.
async fn accept(ledger: &Ledger, run: &mut Run) -> Result<bool, LedgerError> {
    let earlier: Option<Accepted<Vec<String>>> = ledger.accepted("p", BaselineKind::Header).await?;
    let mut header = earlier.map(|accepted| accepted.value).unwrap_or_default();
    header.push("id".to_owned());
    run.checked.facts.header = header;
    ledger.accept(run, BaselineKind::Header, "ann", None).await
}

/// Records changes to what the destination has: each call has other ones.
async fn note_delta(ledger: &Ledger, run: &mut Run) -> Result<(), LedgerError> {
    let current = ledger.delta_baseline("p", "hris").await?;
    let keys = current.as_ref().map_or(1, |current| current.keys + 1);
    let compared_with = current.map(|DeltaBaseline { run, slot, sha256, .. }| ComparedWith { run, slot, sha256 });
    let baseline = Some(BaselineFile { sha256: format!("{keys:064x}"), keys });
    let delta = DeltaFacts { compared_with, baseline, added: 1, changed: 0, removed: 0, unchanged: 0, kept: 0 };
    let mut checked = Checked::default();
    checked.facts.delta = Some(delta);
    let due = [reportferry::ledger::DueDelivery { destination: "hris", required: true, alert_after: None }];
    ledger.note_artifact(run, "d", &artifact(), json!({}), &due, &checked).await
}

async fn send_alerts(ledger: &Ledger) -> Result<(), LedgerError> {
    ledger.find_alerts(0, |_| vec!["desk".to_owned()]).await?;
    let due = ledger.due_alerts().await?;
    ledger.note_sent(&due, &Sent::Again { due_ms: 0, reason: "busy".to_owned() }).await
}

fn batch(number: u64) -> BatchRows {
    BatchRows { number: Some(number), first: 2 * number + 1, last: 2 * number + 2, count: 2 }
}

async fn acknowledge_batches(ledger: &Ledger, run: &Run) -> Result<(), LedgerError> {
    let refused = OpenRow { row: 1, outcome: RowOutcome::Refused, reason: "no".to_owned() };
    let acked = [(0, vec![refused]), (1, Vec::new())].map(|(number, open)| AckedBatch { rows: batch(number), open });
    ledger.acknowledge(&run.id, "hris", "ab", &acked).await
}

async fn resend(ledger: &Ledger, run: &Run) -> Result<(), LedgerError> {
    ledger.resend_rows(&run.id, RowOutcome::Refused).await?;
    ledger.resend_rows(&run.id, RowOutcome::NoAnswer).await.map(|_| ())
}

async fn note_open_rows(ledger: &Ledger, run: &Run) -> Result<(), LedgerError> {
    let open = OpenRow { row: 1, outcome: RowOutcome::NoAnswer, reason: "no line".to_owned() };
    ledger.note_open_rows(&run.id, "hris", &[open], true).await
}

async fn settle_ack(ledger: &Ledger, run: &Run) -> Result<(), LedgerError> {
    let counts = RowCounts::of_sent(2, 1, 0).unwrap();
    ledger.settle_ack(&run.id, "hris", "ab", counts, "its reader wrote it", Some("1 refused")).await
}

async fn count_rows(ledger: &Ledger, run: &Run) -> Result<(), LedgerError> {
    ledger.count_rows(&run.id, "hris").await.map(|_| ())
}

const OPERATIONS: &[Operation] = operations! {
    enter(ledger, run) => ledger.enter(&other(9), "d");
    enter_slots(ledger, run) => ledger.enter_slots(&[portion()]);
    backfill(ledger, run) => ledger.backfill(&[(other(8), 0), (other(10), 0)], "d", "ann");
    extracting(ledger, run) => ledger.advance(&mut run, RunState::Extracting, None);
    note_execution(ledger, run) => ledger.note_execution_id(&mut run, Some("e"));
    note_extract(ledger, run) => ledger.note_extract(&mut run, ExtractFacts { zip: true, bytes: 1, sha256: "a".into(), file: None, source: Default::default() });
    note(ledger, run) => ledger.note(&run.id, RunEvent::ExtractDelayed { reason: "nul \0".into() });
    transforming(ledger, run) => ledger.advance(&mut run, RunState::Transforming, None);
    note_other_execution(ledger, run) => ledger.note_other_execution_id(&mut run, "users", Some("e"));
    note_other_extract(ledger, run) => ledger.note_other_extract(&mut run, "users", ExtractFacts { zip: true, bytes: 1, sha256: "a".into(), file: None, source: Default::default() });
    note_artifact(ledger, run) => ledger.note_artifact(&mut run, "d", &artifact(), json!({}), &[reportferry::ledger::DueDelivery { destination: "hris", required: true, alert_after: None }], &Default::default());
    note_delta(ledger, run) => note_delta(&ledger, &mut run);
    held(ledger, run) => ledger.advance(&mut run, RunState::Held, Some("empty"));
    release(ledger, run) => ledger.release(&mut run, "ann", Some("right"));
    accept(ledger, run) => accept(&ledger, &mut run);
    discard(ledger, run) => ledger.discard_artifact(&mut run);
    reject(ledger, run) => ledger.reject(&mut run, "ann", "wrong");
    cancel(ledger, run) => ledger.cancel(&mut run, "ann", "moved");
    dismiss(ledger, run) => ledger.dismiss(std::slice::from_ref(&run.id), "ann", "known");
    delivering(ledger, run) => ledger.advance(&mut run, RunState::Delivering, None);
    postpone(ledger, run) => ledger.defer(&run.id, "hris", "waits", Some(0));
    retry(ledger, run) => ledger.retry_deliveries(&run.id, "ann");
    acknowledge(ledger, run) => acknowledge_batches(&ledger, &run);
    begin(ledger, run) => ledger.begin_batch(&run.id, "hris", "ab", batch(2), true);
    withdraw(ledger, run) => ledger.withdraw_batch(&run.id, "hris", batch(2));
    settle(ledger, run) => ledger.settle_in_doubt(&run.id, "hris", "lost");
    resend(ledger, run) => resend(&ledger, &run);
    note_open_rows(ledger, run) => note_open_rows(&ledger, &run);
    settle_ack(ledger, run) => settle_ack(&ledger, &run);
    count_rows(ledger, run) => count_rows(&ledger, &run);
    attempt(ledger, run) => attempt(&ledger, &run);
    gone(ledger, run) => ledger.note_gone("hris", Some("410"));
    back(ledger, run) => ledger.note_gone("hris", None);
    poll(ledger, run) => ledger.record_poll(&run.id, "hris", &PickupOutcome::NotYet, Some(0));
    supersede(ledger, run) => ledger.supersede_pickups("hris", "so");
    reschedule(ledger, run) => ledger.reschedule(&run.id, false);
    pause(ledger, run) => ledger.pause("p", Some(("ann", "")));
    resume(ledger, run) => ledger.pause("p", None);
    record_pipelines(ledger, run) => ledger.record_pipelines(&[KnownPipeline { name: "p".into(), waits_while_held: true, ..KnownPipeline::default() }]);
    note_worker(ledger, run) => ledger.note_worker(0, false);
    note_probe(ledger, run) => ledger.note_probe(&probe());
    note_refused(ledger, run) => ledger.note_refused("acme", Some(&refused_credentials()));
    note_accepted(ledger, run) => ledger.note_refused("acme", None);
    note_scope(ledger, run) => ledger.note_scope(&scope_check(), &["more".to_owned()]);
    alerts(ledger, run) => send_alerts(&ledger);
    prune(ledger, run) => ledger.prune(i64::MAX);
};

/// Reads all that there is to read: a column of another type than the other database's cannot be read.
async fn read_all(ledger: &Ledger, run: &Run) -> Result<(), LedgerError> {
    let prefix = &run.id[..4];
    ledger.run(&run.id).await?;
    ledger.runs_by_prefix(prefix).await?;
    ledger.runs_between("p", 0, i64::MAX).await?;
    ledger.runs(&RunFilter { limit: 9, ..RunFilter::default() }).await?;
    ledger.deliveries(&run.id).await?;
    ledger.attempts(&run.id).await?;
    ledger.events(&run.id).await?;
    ledger.spooled(std::slice::from_ref(&run.id)).await?;
    ledger.refusals(&run.id, "hris", Some("p")).await?;
    ledger.pruned_up_to("p").await?;
    ledger.watermark("p", "d").await?;
    ledger.runnable(0, 9).await?;
    ledger.next_runnable_at(0).await?;
    ledger.known_pipelines().await?;
    ledger.later_slot_at(&run.id, "hris", "x").await?;
    ledger.earlier_open_slot(&run.id, "hris").await?;
    ledger.pipeline_statuses(0).await?;
    ledger.waiting_runs("p", RunState::ALL).await?;
    ledger.need(&ledger.run(&run.id).await?.unwrap_or_else(|| run.clone())).await?;
    ledger.is_locked_by_worker().await?;
    ledger.open_runs().await?;
    ledger.held_by().await?;
    ledger.baseline(run).await?;
    ledger.accepted::<Vec<String>>("p", BaselineKind::Header).await?;
    ledger.pipeline_figures().await?;
    ledger.valid_text("p").await?;
    ledger.paused_count().await?;
    ledger.bytes().await?;
    ledger.worker_record().await?;
    ledger.paused("p").await?;
    ledger.parts(&run.id, "hris").await?;
    ledger.open_batches(&run.id, "hris").await?;
    ledger.open_rows(&run.id, "hris", RowOutcome::Refused, 0).await?;
    ledger.partly_delivered(&run.id).await?;
    ledger.blocked_at("hris").await?;
    ledger.destinations_with_due_pickups().await?;
    ledger.destinations_with_pickups().await?;
    ledger.overdue().await?;
    ledger.due_pickups("hris", 9).await?;
    ledger.pickup_counts().await?;
    ledger.last_probe("hris").await?;
    ledger.refused("acme").await?;
    ledger.last_scope("acme").await?;
    ledger.due_alerts().await?;
    ledger.prunable(i64::MAX).await?;
    ledger.delta_baseline("p", "hris").await?;
    ledger.delta_standing(run, "hris").await?;
    ledger.delta_digests().await?;
    Ok(())
}

/// What may happen beside another operation: a move that it made illegal.
fn expect_done(name: &str, outcome: Result<(), LedgerError>) {
    match outcome {
        Ok(()) | Err(LedgerError::IllegalMove { .. }) => {}
        Err(error) => panic!("{name}: {error:?}"),
    }
}

async fn operations_are_applied_alone_and_in_pairs(place: Place) {
    let ledger = open(&place).await;
    let begun = ledger.enter(&slot("p"), "d").await.unwrap();
    for (name, operation) in OPERATIONS {
        let run = ledger.run(&begun.id).await.unwrap().unwrap_or_else(|| begun.clone());
        expect_done(name, operation(ledger.clone(), run.clone()).await);
        read_all(&ledger, &run).await.unwrap_or_else(|error| panic!("after {name}: {error:?}"));
    }
    for (first, one) in OPERATIONS {
        for (second, two) in OPERATIONS {
            let run = ledger.enter(&slot("p"), "d").await.unwrap();
            let (one, two) = (one(ledger.clone(), run.clone()), two(ledger.clone(), run.clone()));
            let (one, two) = tokio::join!(tokio::spawn(one), tokio::spawn(two));
            expect_done(&format!("{first} beside {second}"), one.unwrap());
            expect_done(&format!("{second} beside {first}"), two.unwrap());
        }
    }
}

on_both! { operations_are_applied_alone_and_in_pairs }
