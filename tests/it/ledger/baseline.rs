use reportferry::expect::{AccountScope, Checked, Difference, Facts, Finding};
use reportferry::ledger::record::Run;
use reportferry::ledger::{Accepted, BaselineKind, KnownPipeline, Portion};
use reportferry::pipeline::plan::Severity;
use reportferry::schedule::Overlap;
use reportferry::schedule::missed::SlotDecision;
use reportferry::schedule::slot::InputFile;

use super::*;

fn names(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// What was found about a report with these columns, if they are another severity's finding.
fn checked(header: &str, severity: Option<Severity>) -> Checked {
    let finding = severity.map(|severity| Finding {
        expectation: "columns".to_owned(),
        severity,
        message: "other columns".to_owned(),
        difference: Some(Difference::Header {
            added: names(header),
            removed: Vec::new(),
            moved: Vec::new(),
            listed: false,
        }),
    });
    let scope = AccountScope { level: header.len().to_string(), ..AccountScope::default() };
    let facts = Facts { header: names(header), rows: 3, scope: Some(scope), delta: None };
    Checked {
        findings: finding.into_iter().collect(),
        skip: None,
        facts,
        dropped_rows: None,
        artifacts: std::collections::BTreeMap::new(),
    }
}

fn at(minute: i64) -> Slot {
    Slot::new("p", jiff::Timestamp::from_second(60 * minute).unwrap(), TimeZone::UTC)
}

async fn transformed(ledger: &Ledger, slot: &Slot, checked: &Checked) -> Run {
    let mut run = ledger.enter(slot, "d").await.unwrap();
    for state in [RunState::Extracting, RunState::Transforming] {
        ledger.advance(&mut run, state, None).await.unwrap();
    }
    let due = [DueDelivery { destination: "hris", required: true, alert_after: None }];
    ledger.note_artifact(&mut run, "d", &artifact(), json!({}), &due, checked).await.unwrap();
    run
}

async fn deliver(ledger: &Ledger, run: &mut Run) {
    if run.state != RunState::Delivering {
        ledger.advance(run, RunState::Delivering, None).await.unwrap();
    }
    let number = ledger.begin_attempt(&run.id, "hris", None).await.unwrap().number;
    let (verdict, ended) = delivered();
    assert!(ledger.end_attempt(&run.id, "hris", number, &verdict, &ended).await.unwrap());
}

async fn deliver_slot(ledger: &Ledger, slot: &Slot, checked: &Checked) -> Run {
    let mut run = transformed(ledger, slot, checked).await;
    deliver(ledger, &mut run).await;
    run
}

async fn accepted(ledger: &Ledger) -> Option<Accepted<Vec<String>>> {
    ledger.accepted("p", BaselineKind::Header).await.unwrap()
}

async fn header(ledger: &Ledger) -> String {
    accepted(ledger).await.map_or_else(String::new, |accepted| accepted.value.join(" "))
}

async fn the_first_delivered_run_sets_the_baseline_and_a_warning_moves_it(place: Place) {
    let ledger = open(&place).await;
    // Neither a run that only failed, nor a file, nor a replay, which has no facts.
    let mut failed = transformed(&ledger, &at(1), &checked("x", None)).await;
    ledger.advance(&mut failed, RunState::Failed, None).await.unwrap();
    let file = InputFile { path: "/in.csv".to_owned(), sha256: "ab".to_owned() };
    deliver_slot(&ledger, &at(2).with_input(Some(file)), &checked("file", None)).await;
    deliver_slot(&ledger, &at(3), &Checked::default()).await;
    assert_eq!(accepted(&ledger).await, None);

    let first = deliver_slot(&ledger, &at(4), &checked("a b", None)).await;
    let now = accepted(&ledger).await.unwrap();
    assert_eq!((now.value, now.run, now.by), (names("a b"), first.id.clone(), None));
    let second = ledger.enter(&at(5), "d").await.unwrap();
    let baseline = ledger.baseline(&second).await.unwrap();
    assert_eq!(baseline.header, Some(names("a b")));
    assert_eq!(baseline.scope.map(|scope| scope.level), Some("3".to_owned()));
    let runs: Vec<&str> = baseline.rows.iter().map(|run| run.run.as_str()).collect();
    assert_eq!(runs, [&first.id], "neither the file nor the replay counts");

    deliver_slot(&ledger, &at(6), &checked("a b c", Some(Severity::Warn))).await;
    assert_eq!(header(&ledger).await, "a b c", "warned about once");
    deliver_slot(&ledger, &at(5), &checked("a", Some(Severity::Warn))).await;
    assert_eq!(header(&ledger).await, "a b c", "an older slot changes nothing");
    // The other way in which a run becomes delivered.
    let mut run = transformed(&ledger, &at(7), &checked("a b c d", None)).await;
    for state in [RunState::Delivering, RunState::Delivered] {
        ledger.advance(&mut run, state, None).await.unwrap();
    }
    assert_eq!(header(&ledger).await, "a b c d");
    assert!(ledger.prune(i64::MAX).await.unwrap() > 0);
    assert!(ledger.run(&first.id).await.unwrap().is_none());
    assert_eq!(header(&ledger).await, "a b c d", "pruning leaves it");
}

async fn a_person_accepts_what_the_pipeline_holds_on(place: Place) {
    let (clock, hand) = Clock::manual("2026-11-24T08:00:00Z".parse().unwrap());
    let ledger = Ledger::open(&place.settings, clock).await.unwrap();
    deliver_slot(&ledger, &at(1), &checked("a b", None)).await;
    let mut run = transformed(&ledger, &at(2), &checked("a c", Some(Severity::Hold))).await;
    ledger.advance(&mut run, RunState::Held, Some("other columns")).await.unwrap();
    ledger.release(&mut run, "ann", Some("only this once")).await.unwrap();
    deliver(&ledger, &mut run).await;
    assert_eq!(header(&ledger).await, "a b", "a release is of one run");

    assert!(ledger.accept(&run, BaselineKind::Header, "ann", Some("renamed")).await.unwrap());
    assert!(!ledger.accept(&run, BaselineKind::Header, "ann", Some("renamed")).await.unwrap(), "it is that already");
    let now = accepted(&ledger).await.unwrap();
    assert_eq!((now.value, now.run), (names("a c"), run.id.clone()));
    assert_eq!((now.by.as_deref(), now.because.as_deref()), (Some("ann"), Some("renamed")));
    let events = ledger.events(&run.id).await.unwrap();
    let told: Vec<_> =
        events.iter().map(|event| &event.event).filter(|e| matches!(e, RunEvent::Accepted { .. })).collect();
    let (kind, by, reason) = ("header".to_owned(), Some("ann".to_owned()), Some("renamed".to_owned()));
    assert_eq!(told, [&RunEvent::Accepted { kind, by, reason }]);
    // All in one millisecond, and the clock may be set back: the last one counts.
    hand.set("2026-11-24T07:00:00Z".parse().unwrap());
    run.checked.facts.header = names("z");
    assert!(ledger.accept(&run, BaselineKind::Header, "bob", None).await.unwrap());
    assert_eq!(header(&ledger).await, "z");
    ledger.close().await;
    let kept = place.count("SELECT COUNT(*) FROM accepted WHERE kind = 'header'");
    assert_eq!(kept, 3, "nothing is overwritten");
}

async fn a_release_is_of_a_held_run_and_excludes_the_opposite(place: Place) {
    let ledger = open(&place).await;
    let mut run = transformed(&ledger, &at(1), &checked("a", Some(Severity::Hold))).await;
    assert!(ledger.release(&mut run.clone(), "ann", None).await.is_err(), "it is not held yet");
    ledger.advance(&mut run, RunState::Held, Some("other columns")).await.unwrap();
    assert_eq!(ledger.held_by().await.unwrap(), [("columns".to_owned(), 1)].into());
    let mut stale = run.clone();
    ledger.release(&mut run, "ann", Some("right")).await.unwrap();
    assert!(ledger.reject(&mut stale, "bob", "wrong").await.is_err());
    let found = ledger.run(&run.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.released_by.as_deref()), (RunState::Delivering, Some("ann")));
    assert!(found.next_run_at_ms.is_some(), "the worker continues it");
    assert!(ledger.held_by().await.unwrap().is_empty());
    // Other bytes are not what was released.
    ledger.note_artifact(&mut run, "d", &artifact(), json!({}), &[], &checked("b", None)).await.unwrap();
    assert_eq!(ledger.run(&run.id).await.unwrap().unwrap().released_by, None);
}

async fn what_failed_by_an_expectation_is_discarded_whole(place: Place) {
    let ledger = open(&place).await;
    let mut run = transformed(&ledger, &at(1), &checked("a", Some(Severity::Fail))).await;
    ledger.discard_artifact(&mut run.clone()).await.unwrap();
    assert!(ledger.run(&run.id).await.unwrap().unwrap().artifact.is_some(), "it has not failed");
    ledger.advance(&mut run, RunState::Failed, Some("other columns")).await.unwrap();
    ledger.discard_artifact(&mut run).await.unwrap();
    ledger.discard_artifact(&mut run).await.unwrap();
    let found = ledger.run(&run.id).await.unwrap().unwrap();
    assert!(found.artifact.is_none() && found.extract.is_none() && found.checked == Checked::default());
    assert!(ledger.deliveries(&run.id).await.unwrap().is_empty());
    let discarded = |event: &RunEvent| matches!(event, RunEvent::ArtifactDiscarded { .. });
    assert_eq!(ledger.events(&run.id).await.unwrap().iter().filter(|event| discarded(&event.event)).count(), 1);
}

fn portion(minutes: &[i64], overlap: Overlap) -> Portion {
    let slot = |minute: &i64| {
        let next_run_at = at(*minute).at.timestamp();
        (at(*minute), SlotDecision::Run { next_run_at }, Some(60_000 * (minute + 1)))
    };
    Portion {
        pipeline: "p".to_owned(),
        plan_digest: "d".to_owned(),
        overlap,
        alert_after: Some(std::time::Duration::from_secs(60)),
        slots: minutes.iter().map(slot).collect(),
        cursor_ms: minutes.iter().max().unwrap() * 60_000,
    }
}

async fn runnable(ledger: &Ledger) -> Vec<i64> {
    ledger.runnable(i64::MAX, 99).await.unwrap().iter().map(|run| run.slot_ms / 60_000).collect()
}

/// The reasons of these slots' runs, with their states.
async fn reasons(ledger: &Ledger, minutes: &[i64]) -> Vec<String> {
    let mut reasons = Vec::new();
    for minute in minutes {
        let run = ledger.run(&at(*minute).run_id()).await.unwrap().unwrap();
        reasons.push(format!("{} {}", run.state.name(), run.reason.unwrap_or_default()));
    }
    reasons
}

async fn slots_wait_for_a_held_run_where_the_pipeline_says_so(place: Place) {
    let ledger = open(&place).await;
    let known = |waits_while_held| KnownPipeline { name: "p".to_owned(), waits_while_held, ..KnownPipeline::default() };
    let waits = "due waits for a decision on the held run of slot 1970-01-01T00:02:00+00:00";
    ledger.record_pipelines(&[known(true)]).await.unwrap();
    // One that is entered before the hold, and those after it; an earlier one does not wait.
    ledger.enter_slots(&[portion(&[1, 2, 3], Overlap::Queue)]).await.unwrap();
    let mut held = transformed(&ledger, &at(2), &checked("a", Some(Severity::Hold))).await;
    ledger.advance(&mut held, RunState::Held, Some("other columns")).await.unwrap();
    ledger.enter_slots(&[portion(&[4], Overlap::Skip)]).await.unwrap();
    assert_eq!(
        reasons(&ledger, &[1, 3, 4]).await,
        ["due ", waits, "skipped the run of slot 1970-01-01T00:01:00+00:00 had not started yet"]
    );
    let mut first = transformed(&ledger, &at(1), &checked("a", None)).await;
    ledger.advance(&mut first, RunState::Skipped, None).await.unwrap();
    ledger.enter_slots(&[portion(&[5, 6], Overlap::Skip)]).await.unwrap();
    assert_eq!(reasons(&ledger, &[3, 5, 6]).await, [waits; 3], "slots that wait overlap with none");
    assert_eq!(runnable(&ledger).await, [0; 0]);

    ledger.record_pipelines(&[known(false)]).await.unwrap();
    assert_eq!((runnable(&ledger).await, reasons(&ledger, &[3]).await), (vec![3], vec!["due ".to_owned()]));
    ledger.record_pipelines(&[known(true)]).await.unwrap();
    assert_eq!((runnable(&ledger).await, reasons(&ledger, &[3]).await), (vec![], vec![waits.to_owned()]));
    ledger.close().await;

    let ledger = open(&place).await;
    assert_eq!(runnable(&ledger).await, [0; 0], "after a restart");
    ledger.reject(&mut held, "ann", "wrong").await.unwrap();
    assert_eq!(reasons(&ledger, &[3, 5, 6]).await, ["due "; 3]);
    assert_eq!(runnable(&ledger).await, [3]);
    let mut held = transformed(&ledger, &at(3), &checked("a", Some(Severity::Hold))).await;
    ledger.advance(&mut held, RunState::Held, Some("other columns")).await.unwrap();
    assert_eq!(runnable(&ledger).await, [0; 0]);
    ledger.cancel(&mut held, "ann", "moved").await.unwrap();
    assert_eq!(runnable(&ledger).await, [5]);
    let mut held = transformed(&ledger, &at(5), &checked("a", Some(Severity::Hold))).await;
    ledger.advance(&mut held, RunState::Held, Some("other columns")).await.unwrap();
    assert_eq!(runnable(&ledger).await, [0; 0]);
    ledger.release(&mut held, "ann", None).await.unwrap();
    let mut both = runnable(&ledger).await;
    both.sort_unstable();
    assert_eq!(both, [5, 6], "the released one is delivered, the next begins");
}

on_both! {
    the_first_delivered_run_sets_the_baseline_and_a_warning_moves_it,
    a_person_accepts_what_the_pipeline_holds_on,
    a_release_is_of_a_held_run_and_excludes_the_opposite,
    what_failed_by_an_expectation_is_discarded_whole,
    slots_wait_for_a_held_run_where_the_pipeline_says_so,
}
