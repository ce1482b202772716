//! Alerts in this process, on a clock that is turned by hand: what is found, and how it leaves.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use reportferry::alert::{Alerts, Rules};
use reportferry::clock::{Clock, ManualClock};
use reportferry::expect::Difference;
use reportferry::ledger::record::Run;
use reportferry::ledger::state::RunState as S;
use reportferry::ledger::{DueDelivery, FileProblem, KnownPipeline, Ledger, Portion};
use reportferry::pipeline::plan::Severity;
use reportferry::schedule::Overlap;
use reportferry::schedule::missed::SlotDecision;
use reportferry::schedule::slot::Slot;
use reportferry::settings::Settings;
use serde_json::Value;

use super::alerts::{Receiver, TOKEN};
use crate::holds::{checked, findings};
use crate::ledger::artifact;
use crate::stage::eventually;

struct Outbox {
    folder: tempfile::TempDir,
    ledger: Ledger,
    hand: Arc<ManualClock>,
    clock: Clock,
    receiver: Receiver,
    begun: Timestamp,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Outbox {
    async fn open() -> Self {
        let folder = crate::stage::folder();
        let begun: Timestamp = "2026-11-23T05:30:00Z".parse().unwrap();
        let (clock, hand) = Clock::manual(begun);
        let ledger =
            Ledger::open(&crate::stage::sqlite(&folder.path().join("ledger.db")), clock.clone()).await.unwrap();
        Self { folder, ledger, hand, clock, receiver: Receiver::start(), begun }
    }

    /// With the channels `ops`, like Slack, and `desk`.
    fn alerts(&self, on: &str) -> Alerts {
        for name in ["ops", "desk"] {
            self.channel(name, &self.receiver.address.to_string());
        }
        let text = format!(
            "alerts: {{on: [{on}], channels: {{ops: {{slack: {{url: {{file: ops}}, allow: [loopback]}}}}, desk: {{webhook: {{url: {{file: desk}}, allow: [loopback]}}}}}}}}\n"
        );
        let file = self.folder.path().join("reportferry.yaml");
        std::fs::write(&file, text).unwrap();
        let settings = Settings::load_with(Some(&file), &[], std::iter::empty()).map(|(settings, _)| settings);
        let rules = Rules::default();
        rules.take(&Arc::new(settings.unwrap_or_else(|problems| panic!("{problems:?}"))), [].iter());
        Alerts::new(self.ledger.clone(), self.clock.clone(), rules)
    }

    fn channel(&self, name: &str, address: &str) {
        std::fs::write(self.folder.path().join(name), format!("http://{address}/{name}/{TOKEN}\n")).unwrap();
    }

    /// Enters the pipeline's n-th slot.
    async fn enter(&self, pipeline: &str, slot: i64, alert_after: Option<Duration>) {
        let slot = self.slot(pipeline, slot);
        let portion = Portion {
            pipeline: pipeline.to_owned(),
            plan_digest: String::new(),
            overlap: Overlap::Queue,
            alert_after,
            slots: vec![(
                slot.clone(),
                SlotDecision::Run { next_run_at: slot.at.timestamp() },
                Some(slot.at_ms() + 60_000),
            )],
            cursor_ms: slot.at_ms(),
        };
        self.ledger.enter_slots(&[portion]).await.unwrap();
    }

    fn slot(&self, pipeline: &str, slot: i64) -> Slot {
        Slot::new(pipeline, self.begun + SignedDuration::from_mins(slot), TimeZone::UTC)
    }

    async fn entered(&self, pipeline: &str, slot: i64) -> Run {
        self.ledger.run(&self.slot(pipeline, slot).run_id()).await.unwrap().unwrap()
    }

    /// The pipeline's n-th slot, and the states that its run goes through.
    async fn run(&self, pipeline: &str, slot: i64, states: &[S], reason: &str) {
        self.enter(pipeline, slot, None).await;
        let mut run = self.entered(pipeline, slot).await;
        for state in states {
            self.ledger.advance(&mut run, *state, Some(reason)).await.unwrap();
        }
    }

    fn got(&self, channel: &str) -> Vec<Value> {
        self.receiver.got(&format!("/{channel}/{TOKEN}"))
    }

    /// Event and pipeline of what came to the desk.
    fn told(&self) -> Vec<String> {
        let word = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
        self.got("desk").iter().map(|event| format!("{} {}", word(event, "event"), word(event, "pipeline"))).collect()
    }

    /// Rows of a table.
    fn count(&self, table: &str) -> i64 {
        crate::stage::count(self.folder.path().join("ledger.db"), &format!("SELECT COUNT(*) FROM {table}"))
    }
}

const FAILED: [S; 2] = [S::Extracting, S::Failed];
const DELIVERED: [S; 4] = [S::Extracting, S::Transforming, S::Delivering, S::Delivered];

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_told_once_to_those_who_were_told_of_the_trouble() {
    let outbox = Outbox::open().await;
    let alerts = outbox.alerts("failed, recovered");
    outbox.run("a", 0, &FAILED, "no such report").await;
    outbox.run("b", 0, &[S::Extracting], "").await;
    outbox.hand.advance(2 * MINUTE);
    alerts.round().await.unwrap();
    assert_eq!(outbox.told(), ["failed a"], "b is late, which nobody wants to hear");
    let event = &outbox.got("desk")[0];
    assert_eq!((&event["since"], &event["reason"]), (&"2026-11-23T05:30:00Z".into(), &"no such report".into()));
    outbox.run("a", 1, &FAILED, "no such report").await;
    outbox.hand.advance(MINUTE);
    alerts.round().await.unwrap();
    for pipeline in ["a", "b"] {
        outbox.run(pipeline, 3, &DELIVERED, "").await;
        outbox.run(pipeline, 4, &DELIVERED, "").await;
        alerts.round().await.unwrap();
        alerts.round().await.unwrap();
    }
    assert_eq!(outbox.told(), ["failed a", "failed a", "recovered a"]);
    assert_eq!(outbox.got("desk")[2]["slot"], "2026-11-23T05:33:00+00:00");
    outbox.hand.advance(MINUTE);
    outbox.run("a", 5, &FAILED, "").await;
    alerts.round().await.unwrap();
    outbox.run("a", 6, &DELIVERED, "").await;
    alerts.round().await.unwrap();
    assert_eq!(outbox.told()[3..], ["failed a", "recovered a"]);
    assert_eq!(outbox.got("ops").len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_a_day_old_is_no_news_and_neither_is_its_end() {
    let outbox = Outbox::open().await;
    let alerts = outbox.alerts("failed, held, late, recovered");
    outbox.run("old", 0, &FAILED, "").await;
    outbox.hand.advance(25 * 60 * MINUTE);
    outbox.run("new", 25 * 60, &FAILED, "").await;
    alerts.round().await.unwrap();
    outbox.run("old", 25 * 60, &DELIVERED, "").await;
    alerts.round().await.unwrap();
    assert_eq!(outbox.told(), ["failed new"]);
    // Told, then delivered while nobody looked for more than a day.
    outbox.run("new", 25 * 60 + 1, &DELIVERED, "").await;
    outbox.hand.advance(25 * 60 * MINUTE);
    alerts.round().await.unwrap();
    assert_eq!(outbox.told(), ["failed new"]);
    outbox.run("new", 51 * 60, &DELIVERED, "").await;
    alerts.round().await.unwrap();
    assert_eq!(outbox.told(), ["failed new"], "that trouble is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_hangs_keeps_no_other_waiting_and_a_crash_doubles_nothing() {
    let outbox = Outbox::open().await;
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let alerts = outbox.alerts("failed");
    outbox.channel("ops", &hangs.local_addr().unwrap().to_string());
    for number in 0..12 {
        outbox.run(&format!("p{number}"), 0, &FAILED, "").await;
    }
    let round = tokio::spawn(async move { alerts.round().await });
    tokio::time::timeout(Duration::from_secs(15), async {
        while outbox.got("desk").len() < 12 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the desk waits for the channel that hangs");
    // The last answer must be in the ledger before the process dies; the other channel's is on its way for 20 s.
    eventually("what was sent is written down", || {
        outbox.count("notifications WHERE channel = 'desk' AND state = 'sent'") == 12
    });
    assert!(!round.is_finished());
    round.abort();
    assert!(round.await.unwrap_err().is_cancelled());
    let alerts = outbox.alerts("failed");
    alerts.round().await.unwrap();
    alerts.round().await.unwrap();
    let mut pipelines: BTreeMap<String, usize> = BTreeMap::new();
    for event in outbox.got("desk") {
        *pipelines.entry(event["pipeline"].to_string()).or_default() += 1;
    }
    assert_eq!((pipelines.len(), pipelines.values().max()), (12, Some(&1)), "{pipelines:?}");
    assert_eq!(outbox.got("ops").len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_down_is_asked_once_a_round_and_the_wait_it_asks_for_is_kept() {
    let outbox = Outbox::open().await;
    let alerts = outbox.alerts("failed");
    outbox.receiver.answers("429 Too Many\r\nRetry-After: 300");
    for number in 0..5 {
        outbox.run(&format!("p{number}"), 0, &FAILED, "").await;
    }
    alerts.round().await.unwrap();
    assert_eq!(outbox.receiver.asked(), 2, "one request for each channel");
    outbox.receiver.answers("200 OK");
    outbox.hand.advance(Duration::from_secs(299));
    alerts.round().await.unwrap();
    assert_eq!(outbox.receiver.asked(), 2);
    outbox.hand.advance(Duration::from_secs(1));
    alerts.round().await.unwrap();
    assert_eq!((outbox.got("desk").len(), outbox.got("ops").len(), outbox.receiver.asked()), (5, 5, 12));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_never_answers_is_given_up() {
    let outbox = Outbox::open().await;
    let alerts = outbox.alerts("failed");
    outbox.receiver.answers("503 Down");
    outbox.run("a", 0, &FAILED, "").await;
    for _ in 0..200 {
        alerts.round().await.unwrap();
        outbox.hand.advance(15 * MINUTE);
    }
    let asked = outbox.receiver.asked() / 2;
    assert!((90..=200).contains(&asked), "{asked}");
    assert_eq!(outbox.count("notifications WHERE state = 'failed' AND reason = 'the channel responded 503'"), 2);
    outbox.receiver.answers("200 OK");
    outbox.hand.advance(60 * MINUTE);
    alerts.round().await.unwrap();
    assert_eq!(outbox.told(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_calls_nobody_to_the_channel() {
    let outbox = Outbox::open().await;
    let alerts = outbox.alerts("failed");
    outbox.run("a", 0, &FAILED, "the column <!channel> & \"co\" is missing").await;
    alerts.round().await.unwrap();
    let text = outbox.got("ops")[0]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("&lt;!channel&gt; &amp; \"co\"") && !text.contains('<'), "{text}");
    assert!(outbox.got("desk")[0]["reason"].as_str().unwrap().contains("<!channel> &"));
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_go_with_the_runs_that_they_tell_of() {
    let outbox = Outbox::open().await;
    let alerts = outbox.alerts("failed, recovered");
    outbox.run("a", 0, &FAILED, "").await;
    alerts.round().await.unwrap();
    outbox.run("a", 1, &DELIVERED, "").await;
    alerts.round().await.unwrap();
    assert_eq!((outbox.count("alerts"), outbox.count("notifications")), (2, 4));
    outbox.hand.advance(MINUTE);
    assert_eq!(outbox.ledger.prune(outbox.clock.now_ms()).await.unwrap(), 1);
    assert_eq!((outbox.count("alerts"), outbox.count("notifications")), (1, 2), "the newest run stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_what_is_not_delivered_in_time_is_told_once_with_its_destination() {
    let outbox = Outbox::open().await;
    let alerts = outbox.alerts("not_delivered, recovered");
    for pipeline in ["slow", "down", "paused", "held"] {
        outbox.enter(pipeline, 0, Some(60 * MINUTE)).await;
    }
    outbox.enter("never", 0, None).await;
    outbox.ledger.pause("paused", Some(("a test", ""))).await.unwrap();
    let due = DueDelivery { destination: "hris", required: true, alert_after: Some(30 * MINUTE) };
    for pipeline in ["down", "held"] {
        let mut run = outbox.entered(pipeline, 0).await;
        outbox.ledger.advance(&mut run, S::Extracting, None).await.unwrap();
        outbox.ledger.advance(&mut run, S::Transforming, None).await.unwrap();
        outbox
            .ledger
            .note_artifact(&mut run, "d", &crate::ledger::artifact(), Value::Null, &[due], &Default::default())
            .await
            .unwrap();
        let next = if pipeline == "held" { S::Held } else { S::Delivering };
        outbox.ledger.advance(&mut run, next, None).await.unwrap();
    }
    outbox.hand.advance(29 * MINUTE);
    alerts.round().await.unwrap();
    assert_eq!(outbox.told(), Vec::<String>::new());
    outbox.hand.advance(2 * MINUTE);
    alerts.round().await.unwrap();
    alerts.round().await.unwrap();
    assert_eq!(outbox.told(), ["not_delivered down"], "a held run waits for a person");
    let event = &outbox.got("desk")[0];
    assert_eq!((&event["destination"], &event["since"]), (&"hris".into(), &"2026-11-23T06:00:00Z".into()), "{event}");
    assert!(event["next"].as_str().unwrap().contains("doctor hris"), "{event}");
    // What a person released has its time from then on.
    let mut held = outbox.entered("held", 0).await;
    outbox.ledger.advance(&mut held, S::Delivering, None).await.unwrap();
    outbox.hand.advance(28 * MINUTE);
    alerts.round().await.unwrap();
    assert_eq!(outbox.told().len(), 1);
    outbox.hand.advance(5 * MINUTE);
    alerts.round().await.unwrap();
    let told = outbox.told();
    assert!(
        told.contains(&"not_delivered slow".to_owned()) && told.contains(&"not_delivered held".to_owned()),
        "{told:?}"
    );
    assert_eq!(told.len(), 3, "{told:?}");
    // The later slot was delivered, but not to the destination that was told of.
    for pipeline in ["slow", "down"] {
        outbox.run(pipeline, 120, &DELIVERED, "").await;
    }
    alerts.round().await.unwrap();
    assert_eq!(outbox.told()[3..], ["recovered slow"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_a_file_that_cannot_be_used_is_told_once_and_so_is_its_end() {
    let outbox = Outbox::open().await;
    let alerts = outbox.alerts("pipeline_invalid, recovered");
    let known = |problem: Option<(Option<&str>, i64)>| KnownPipeline {
        name: "a".to_owned(),
        valid_sha256: Some("d".to_owned()),
        problem: problem.map(|(stopped, minute)| FileProblem {
            what: "a.yaml:3:5: schedule.corn: `corn` is not a key here".to_owned(),
            stopped: stopped.map(str::to_owned),
            since_ms: outbox.begun.as_millisecond() + minute * 60_000,
        }),
        ..KnownPipeline::default()
    };
    let record = async |problem| outbox.ledger.record_pipelines(&[known(problem)]).await.unwrap();
    record(Some((None, 0))).await;
    alerts.round().await.unwrap();
    alerts.round().await.unwrap();
    assert_eq!(outbox.told(), ["pipeline_invalid a"]);
    let event = &outbox.got("desk")[0];
    assert!(event["reason"].as_str().unwrap().contains("stays in use: a.yaml:3:5"), "{event}");
    assert_eq!((&event["run"], &event["since"]), (&Value::Null, &"2026-11-23T05:30:00Z".into()), "{event}");
    // The settings changed, and now it does not run at all: that is another event, and no recovery.
    outbox.hand.advance(2 * MINUTE);
    record(Some((Some("it does not fit"), 2))).await;
    alerts.round().await.unwrap();
    assert_eq!(outbox.told()[1..], ["pipeline_invalid a"]);
    record(None).await;
    alerts.round().await.unwrap();
    alerts.round().await.unwrap();
    assert_eq!(outbox.told()[2..], ["recovered a"]);
    assert!(outbox.got("ops")[2]["text"].as_str().unwrap().contains("the file of a can be used again"));
    // A file that was removed did not recover.
    outbox.hand.advance(2 * MINUTE);
    record(Some((None, 4))).await;
    alerts.round().await.unwrap();
    let removed = KnownPipeline { name: "a".to_owned(), ..KnownPipeline::default() };
    outbox.ledger.record_pipelines(&[removed]).await.unwrap();
    alerts.round().await.unwrap();
    assert_eq!(outbox.told()[3..], ["pipeline_invalid a"]);
    assert_eq!(outbox.count("alerts WHERE recovered_ms IS NULL"), 0);
    outbox.ledger.prune(outbox.clock.now_ms() + 1).await.unwrap();
    assert_eq!((outbox.count("alerts"), outbox.count("notifications")), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_run_is_told_with_its_difference_and_no_more_of_the_rows_than_was_checked() {
    let outbox = Outbox::open().await;
    let alerts = outbox.alerts("failed, held");
    outbox.run("a", 0, &[S::Extracting, S::Transforming], "").await;
    let mut run = outbox.entered("a", 0).await;
    let mut found = checked(findings(Severity::Hold), "Region Email");
    if let Some(Difference::Header { added, .. }) = &mut found.findings[0].difference {
        added.extend((0..500).map(|number| format!("A new column, number {number}")));
    }
    outbox.ledger.note_artifact(&mut run, "", &artifact(), Value::Null, &[], &found).await.unwrap();
    outbox.ledger.advance(&mut run, S::Held, Some("the report has 501 new columns")).await.unwrap();
    outbox.run("b", 0, &FAILED, "no such report").await;
    alerts.round().await.unwrap();
    let text = outbox.got("ops").iter().map(|event| event["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let text = text.iter().find(|text| text.contains("a is held")).unwrap();
    for part in [
        "since 2026-11-23T05:30:00Z\nthe report has 501 new columns\nheld by columns\n  + Region\n",
        "  - Team\n",
        "held by rows.change\n  40 rows, usually 118; compared with\n",
        "held by unique\n  row   employee_id\n  3     0007\n  1204  0007\n  2 of 12 rows, the first and the last\n",
        "warning scope\n  courses: 12, now 9\nNext: reportferry release ",
    ] {
        assert!(text.contains(part), "{part}\nis missing in\n{text}");
    }
    assert!(!text.contains("Hopper") && text.chars().count() < 4_000, "{text}");
    let events = outbox.got("desk");
    let event = events.iter().find(|event| event["pipeline"] == "a").unwrap();
    assert!(!event.to_string().contains("Hopper"), "{event}");
    assert!(event.to_string().len() < 8_000, "{event}");
    let offending = &event["findings"][2]["difference"]["offending"];
    assert_eq!((&offending["total"], &offending["rows"][1]["number"]), (&12.into(), &1204.into()), "{event}");
    assert_eq!(offending["rows"][1]["cells"], serde_json::json!(["0007"]));
    let failed = events.iter().find(|event| event["pipeline"] == "b").unwrap();
    assert!(failed.get("findings").is_none(), "it failed for another reason: {failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_waits_for_a_held_run_is_late_like_any_other() {
    let outbox = Outbox::open().await;
    let alerts = outbox.alerts("late, not_delivered");
    let known = KnownPipeline { name: "a".to_owned(), waits_while_held: true, ..KnownPipeline::default() };
    outbox.ledger.record_pipelines(&[known]).await.unwrap();
    outbox.run("a", 0, &[S::Extracting, S::Transforming, S::Held], "no rows").await;
    outbox.hand.advance(MINUTE);
    outbox.enter("a", 1, Some(MINUTE)).await;
    let reason = outbox.entered("a", 1).await.reason;
    assert_eq!(reason.as_deref(), Some("waits for a decision on the held run of slot 2026-11-23T05:30:00+00:00"));
    assert!(outbox.ledger.runnable(i64::MAX, 9).await.unwrap().is_empty());
    outbox.hand.advance(3 * MINUTE);
    alerts.round().await.unwrap();
    let waiting = outbox.slot("a", 1).run_id();
    let events = outbox.got("desk");
    let mut told: Vec<&str> = events
        .iter()
        .filter(|event| event["run"] == waiting.as_str())
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    told.sort_unstable();
    assert_eq!(told, ["late", "not_delivered"], "{events:?}");
}
