//! A year of 200 pipelines on the manual clock: restarts, clock jumps, slow runs. Every slot that the oracle lists ends
//! in exactly one recorded state.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reportferry::clock::{Clock, ManualClock};
use reportferry::ledger::state::RunState;
use reportferry::ledger::{Ledger, RunFilter};
use reportferry::pipeline::plan::Plan;
use reportferry::run::RunError;
use reportferry::schedule::slot::Slot;
use reportferry::settings::{LedgerSettings, Settings, WorkLimits};
use reportferry::work::{ExecuteRun, Worker};
use tokio::sync::Notify;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");
const PIPELINES: usize = 200;
/// Of this machine's time.
const YEAR_WITHIN: Duration = Duration::from_secs(900);
const START: &str = "2026-01-15T12:00:00Z";
const END: &str = "2027-01-15T12:00:00Z";
/// For PostgreSQL: a twentieth of the year.
const END_SOON: &str = "2026-02-02T12:00:00Z";
const ZONES: [&str; 6] =
    ["America/New_York", "Europe/Berlin", "UTC", "Asia/Kolkata", "Australia/Sydney", "America/Santiago"];

/// Times fall on few minutes, so that many are due together, and some fall into the hours that clocks change.
fn cron(number: usize, random: &mut fastrand::Rng) -> String {
    let minute = random.choice([0, 30]).unwrap();
    let hour = random.choice([0, 1, 2, 2, 5, 6, 23]).unwrap();
    match number % 20 {
        0 if number.is_multiple_of(40) => format!("{minute} */6 * * *"),
        1 => "@daily".to_owned(),
        2 => format!("{minute} {hour} 1,15 * *"),
        3 => format!("{minute} {hour} 13 * fri"),
        4 => format!("{minute} {hour} 31 * *"),
        5..=7 => format!("{minute} {hour} * * mon-fri"),
        10..=13 => format!("{minute} {hour} * * sun"),
        _ => format!("{minute} {hour} * * {}", random.choice(["1", "2,4", "sat", "0,3"]).unwrap()),
    }
}

struct Declared {
    name: String,
    cron: String,
    zone: &'static str,
}

fn declare(folder: &std::path::Path, random: &mut fastrand::Rng) -> Vec<Declared> {
    let pipelines = folder.join("pipelines");
    std::fs::create_dir_all(&pipelines).unwrap();
    std::fs::write(folder.join("reportferry.yaml"), "destinations: {out: {local: {path: out}}}\n").unwrap();
    (0..PIPELINES)
        .map(|number| {
            let (name, cron, zone) = (format!("p{number}"), cron(number, random), ZONES[number % ZONES.len()]);
            let missed = ["latest", "all", "skip"][number % 3];
            let overlap = ["skip", "queue"][number % 2];
            let jitter = ["0s", "2m", "1h"][number % 3];
            let text = format!(
                "schedule: {{cron: \"{cron}\", timezone: {zone}, missed: {missed}, missed_max_age: 36h, overlap: {overlap}, \
                 jitter: {jitter}}}\nsource: {{file: {{path: in.csv}}}}\nartifact: {{name: \"{{slot:%s}}.csv\"}}\n\
                 deliver: {{out: {{}}}}\n"
            );
            std::fs::write(pipelines.join(format!("{name}.yaml")), text).unwrap();
            Declared { name, cron, zone }
        })
        .collect()
}

/// All slots after START and up to `end`, by cronsim.
fn oracle(declared: &[Declared], end: &str) -> BTreeMap<String, BTreeSet<i64>> {
    const SCRIPT: &str = "
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo
from cronsim import CronSim
start, end = (datetime.fromisoformat(text.replace('Z', '+00:00')) for text in sys.argv[1:3])
for line in sys.stdin:
    name, zone, expression = line.rstrip('\\n').split('|')
    times = CronSim(expression.replace('@daily', '0 0 * * *'), start.astimezone(ZoneInfo(zone)))
    for time in times:
        at = time.astimezone(timezone.utc)
        if at > end:
            break
        print(name, int(at.timestamp()))
";
    let mut python = Command::new(PYTHON)
        .args(["-c", SCRIPT, START, end])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String =
        declared.iter().map(|pipeline| format!("{}|{}|{}\n", pipeline.name, pipeline.zone, pipeline.cron)).collect();
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let mut slots: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (name, second) = line.split_once(' ').unwrap();
        slots.entry(name.to_owned()).or_default().insert(second.parse::<i64>().unwrap() * 1000);
    }
    slots
}

/// Stands in for the line: takes its time, sometimes hours, and ends each run in some way.
#[derive(Clone)]
struct Acting {
    ledger: Ledger,
    clock: Clock,
    stage: Arc<Stage>,
}

#[derive(Default)]
struct Stage {
    random: Mutex<fastrand::Rng>,
    /// Who sleeps until when.
    asleep: Mutex<BTreeMap<String, Timestamp>>,
    fell_asleep: Notify,
    /// Carried at the same time, by pipeline: never two.
    at_work: Mutex<BTreeSet<String>>,
    together: Mutex<Vec<String>>,
}

/// Takes the actor off the stage, also when the worker is gone.
struct Exit<'a>(&'a Stage, String, String);

impl Drop for Exit<'_> {
    fn drop(&mut self) {
        self.0.asleep.lock().unwrap().remove(&self.1);
        self.0.at_work.lock().unwrap().remove(&self.2);
    }
}

impl ExecuteRun for Acting {
    async fn execute(&self, plan: &Arc<Plan>, slot: &Slot) -> Result<RunState, RunError> {
        let mut run = self.ledger.run(&slot.run_id()).await?.unwrap();
        assert!(!run.state.is_end(), "{} {} was done already", plan.name, run.slot);
        if !self.stage.at_work.lock().unwrap().insert(plan.name.clone()) {
            self.stage.together.lock().unwrap().push(plan.name.clone());
        }
        let _exit = Exit(&self.stage, run.id.clone(), plan.name.clone());
        let (slow, end) = {
            let mut random = self.stage.random.lock().unwrap();
            let minutes = if random.u8(..) < 20 { random.u64(5..60 * 30) } else { 0 };
            (Duration::from_secs(minutes * 60), random.u8(..3))
        };
        if run.state == RunState::Due {
            if end == 0 {
                self.ledger.advance(&mut run, RunState::Skipped, Some("nothing was to be sent")).await?;
                return Ok(RunState::Skipped);
            }
            self.ledger.advance(&mut run, RunState::Extracting, None).await?;
        }
        if !slow.is_zero() {
            let until = self.clock.now() + SignedDuration::try_from(slow).unwrap();
            self.stage.asleep.lock().unwrap().insert(run.id.clone(), until);
            self.stage.fell_asleep.notify_one();
            self.clock.sleep(slow).await;
            self.stage.asleep.lock().unwrap().remove(&run.id);
        }
        self.ledger.advance(&mut run, RunState::Failed, Some("as acted")).await?;
        Ok(RunState::Failed)
    }
}

/// The simulated world: one ledger, one clock, workers that come and go.
struct World {
    settings: Arc<Settings>,
    acting: Acting,
    hand: Arc<ManualClock>,
}

impl World {
    async fn worker(&self) -> Worker<Acting> {
        let (ledger, clock) = (self.acting.ledger.clone(), self.acting.clock.clone());
        let mut worker = Worker::new(ledger, clock, self.acting.clone(), &WorkLimits::default());
        worker.reload(&self.settings, true).await.unwrap();
        assert_eq!(worker.pipelines(), PIPELINES);
        worker
    }

    /// Does everything that can be done without time going by.
    async fn settle(&self, worker: &mut Worker<Acting>) {
        loop {
            worker.tick().await.unwrap();
            let mut still = true;
            while worker.active() > self.acting.stage.asleep.lock().unwrap().len() {
                still = false;
                tokio::select! {
                    settled = worker.settle_one() => settled.unwrap(),
                    () = self.acting.stage.fell_asleep.notified() => {}
                }
            }
            if still {
                return;
            }
        }
    }

    async fn next(&self, worker: &mut Worker<Acting>) -> Timestamp {
        let wakes = self.acting.stage.asleep.lock().unwrap().values().min().copied();
        let next = worker.next().await.unwrap();
        wakes.into_iter().chain(next).min().unwrap()
    }
}

#[test]
fn every_slot_of_a_year_ends_in_one_state() {
    every_slot_ends_in_one_state(None, END, 1);
}

#[test]
fn every_slot_ends_in_one_state_in_postgresql() {
    every_slot_ends_in_one_state(Some(crate::stage::Place::postgres().settings), END_SOON, 20);
}

/// `part`: this part of a year.
fn every_slot_ends_in_one_state(ledger: Option<LedgerSettings>, end: &str, part: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let year = async {
        // The ledger lies in memory where there is such a folder: what is tested is not the disk.
        let folder = crate::stage::memory_folder().unwrap_or_else(crate::stage::folder);
        let mut random = fastrand::Rng::with_seed(0x5eed);
        let declared = declare(folder.path(), &mut random);
        let expected = oracle(&declared, end);
        let (clock, hand) = Clock::manual(START.parse().unwrap());
        let settings = Settings::load_with(Some(&folder.path().join("reportferry.yaml")), &[], std::iter::empty());
        let (settings, _) = settings.unwrap_or_else(|problems| panic!("{problems:?}"));
        let place = ledger.unwrap_or_else(|| crate::stage::sqlite(&folder.path().join("ledger.db")));
        let ledger = Ledger::open(&place, clock.clone()).await.unwrap();
        let stage = Arc::new(Stage { random: Mutex::new(random.fork()), ..Stage::default() });
        let acting = Acting { ledger: ledger.clone(), clock: clock.clone(), stage: stage.clone() };
        let world = World { settings: Arc::new(settings), acting, hand };
        let end: Timestamp = end.parse().unwrap();
        let mut worker = world.worker().await;
        let (mut restarts, mut jumps) = (0, 0);
        loop {
            world.settle(&mut worker).await;
            let now = clock.now();
            if now >= end {
                break;
            }
            let hours = |from: u64, to: u64, random: &mut fastrand::Rng| {
                SignedDuration::from_secs(random.i64(from as i64 * 3600..to as i64 * 3600))
            };
            match random.u16(..) {
                0..400 => {
                    // Killed; and away for a while.
                    restarts += 1;
                    drop(worker);
                    tokio::task::yield_now().await;
                    let away = if random.bool() { hours(0, 1, &mut random) } else { hours(1, 60, &mut random) };
                    world.hand.set((now + away).min(end));
                    worker = world.worker().await;
                }
                400..600 => {
                    jumps += 1;
                    world.hand.set((now + hours(0, 50, &mut random)).min(end));
                }
                600..800 => {
                    jumps += 1;
                    world.hand.set(now - hours(0, 3, &mut random));
                }
                _ => {
                    let next = world.next(&mut worker).await.max(now + SignedDuration::from_millis(1));
                    world.hand.set(next.min(end));
                }
            }
        }
        // The slow ones come to their end.
        while worker.active() > 0 || !ledger.runnable(i64::MAX, 1).await.unwrap().is_empty() {
            let next = world.next(&mut worker).await;
            world.hand.set(next.max(clock.now() + SignedDuration::from_millis(1)));
            world.settle(&mut worker).await;
        }
        check(&ledger, &expected, end, part).await;
        assert!(restarts > 20 / part && jumps > 20 / part, "{restarts} restarts, {jumps} jumps");
        assert!(stage.together.lock().unwrap().is_empty(), "two runs of a pipeline at once");
    };
    runtime.block_on(async { tokio::time::timeout(YEAR_WITHIN, year).await.expect("the year does not end") });
}

async fn check(ledger: &Ledger, expected: &BTreeMap<String, BTreeSet<i64>>, end: Timestamp, part: usize) {
    let runs = ledger.runs(&RunFilter { limit: u32::MAX, ..RunFilter::default() }).await.unwrap();
    let mut found: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    for run in &runs {
        assert!(run.state.is_end(), "{} {} is {}", run.pipeline, run.slot, run.state.name());
        let why = run.reason.as_deref().unwrap_or_default().split([':', ' ']).next().unwrap().to_owned();
        *states.entry(format!("{} {why}", run.state.name())).or_default() += 1;
        if run.slot_ms <= end.as_millisecond() {
            assert!(found.entry(run.pipeline.clone()).or_default().insert(run.slot_ms), "{} twice", run.slot);
        }
    }
    println!("{} slots: {states:?}", runs.len());
    for (pipeline, slots) in expected {
        let found = found.remove(pipeline).unwrap_or_default();
        let lost: Vec<_> = slots.difference(&found).map(|ms| Timestamp::from_millisecond(*ms).unwrap()).collect();
        let more: Vec<_> = found.difference(slots).map(|ms| Timestamp::from_millisecond(*ms).unwrap()).collect();
        assert!(lost.is_empty() && more.is_empty(), "{pipeline}: lost {lost:?}, more {more:?}");
    }
    assert!(found.is_empty(), "{found:?}");
    assert!(runs.len() > 15_000 / part, "{} slots", runs.len());
    // Each of these was met: otherwise the year was too quiet to prove anything.
    for kind in ["failed as", "skipped missed", "skipped the", "skipped nothing"] {
        assert!(states.get(kind).is_some_and(|count| *count > 10 / part), "{kind}: {states:?}");
    }
}
