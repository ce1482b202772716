//! `status`: what is due and how each pipeline stands.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::opened::Opened;
use super::{Common, exit, print_json, text};
use crate::ledger::{Overdue, Standing, WorkerSeen};
use crate::pipeline;
use crate::pipeline::plan::Plan;
use crate::pipeline::show::render;
use crate::run::document::utc;
use crate::schedule::missed::jitter;
use crate::schedule::slot::Slot;
use crate::schedule::zone::zones;

/// Deliveries of a pipeline that were not picked up, told in words; the document has all of them.
const UNCOLLECTED_SHOWN: usize = 3;

#[derive(clap::Args)]
pub struct StatusArgs {
    /// Only what needs a person: held, late, failed, paused, not picked up, or a file that cannot be read
    #[arg(long)]
    attention: bool,
}

/// The whole document. Other tools rely on these names.
#[derive(Serialize)]
struct Status {
    worker: Option<WorkerDocument>,
    /// The time zone rules in use: `2026b`, and where they are from.
    zones: String,
    pipelines: Vec<Line>,
}

#[derive(Serialize)]
struct WorkerDocument {
    /// Seen lately, and not stopped.
    working: bool,
    version: String,
    pid: i64,
    started: String,
    seen: String,
    stopped: Option<String>,
}

/// One pipeline. Times are RFC 3339; slots in the pipeline's zone, others in UTC.
#[derive(Serialize)]
struct Line {
    pipeline: String,
    /// The newest slot.
    slot: Option<String>,
    run: Option<String>,
    state: Option<&'static str>,
    reason: Option<String>,
    /// When it last delivered.
    delivered: Option<String>,
    /// The next slot.
    next: Option<String>,
    /// How much later it begins, in seconds.
    jitter: Option<i64>,
    /// Since when a slot is late.
    late: Option<String>,
    held: u64,
    /// Deliveries that were not picked up in time, the oldest first.
    uncollected: Vec<UncollectedDocument>,
    paused: Option<PausedDocument>,
    /// What is wrong with its file.
    problem: Option<String>,
}

#[derive(Serialize)]
struct UncollectedDocument {
    run: String,
    destination: String,
    /// When its reader's time was over.
    due: String,
}

#[derive(Serialize)]
struct PausedDocument {
    since: String,
    by: String,
    why: String,
}

pub async fn run(args: StatusArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let loaded = pipeline::load_all(&opened.settings, &[]);
    let now = opened.clock.now();
    let mut standings = opened.ledger.standings().await?;
    let mut lines: Vec<Line> = Vec::new();
    for plan in &loaded.plans {
        let standing = standings.remove(&plan.name).unwrap_or_default();
        lines.push(Line::new(&plan.name, standing, next(plan, now)));
    }
    for name in loaded.broken() {
        let mut standing = standings.remove(&name).unwrap_or_default();
        standing.problem.get_or_insert_with(|| "its file cannot be used".to_owned());
        lines.push(Line::new(&name, standing, None));
    }
    // A pipeline whose file is gone is shown for as long as something of it waits.
    for (name, mut standing) in standings.into_iter().filter(|(_, standing)| standing.waits()) {
        standing.problem = Some("its file is gone".to_owned());
        lines.push(Line::new(&name, standing, None));
    }
    lines.sort_by(|one, other| one.pipeline.cmp(&other.pipeline));
    if args.attention {
        lines.retain(Line::needs_a_person);
    }
    let worker = opened.ledger.worker_seen().await?.map(|seen| WorkerDocument::new(seen, now));
    let status = Status { worker, zones: format!("{}, {}", zones().version, zones().origin), pipelines: lines };
    if common.json {
        print_json(&status)?;
    } else {
        print(&status);
    }
    // A file that cannot be read hides a pipeline's next slot: say so, and do not call it well.
    if loaded.failed() {
        eprint!("{}", render(&loaded.problems, super::color(), super::WIDTH));
        return Ok(exit::PROBLEM);
    }
    Ok(exit::DONE)
}

/// The next slot, and how much later it begins.
fn next(plan: &Plan, now: Timestamp) -> Option<(String, SignedDuration)> {
    let schedule = plan.schedule.as_ref()?;
    let at = schedule.cron.next_after(now, &plan.zone)?;
    let slot = Slot::new(&plan.name, at, plan.zone.clone());
    Some((slot.rfc3339(), jitter(&slot, schedule.jitter)))
}

impl Line {
    fn new(pipeline: &str, standing: Standing, next: Option<(String, SignedDuration)>) -> Self {
        let newest = standing.newest;
        let (next, jitter) = next.unzip();
        Self {
            pipeline: pipeline.to_owned(),
            slot: newest.as_ref().map(|newest| newest.slot.clone()),
            run: newest.as_ref().map(|newest| newest.run.clone()),
            state: newest.as_ref().map(|newest| newest.state.name()),
            reason: newest.and_then(|newest| newest.reason).filter(|reason| !reason.is_empty()),
            delivered: standing.delivered_ms.map(utc),
            next,
            jitter: jitter.map(|jitter| jitter.as_secs()).filter(|seconds| *seconds > 0),
            late: standing.late_ms.map(utc),
            held: standing.held,
            uncollected: standing.overdue.into_iter().map(UncollectedDocument::from).collect(),
            paused: standing.paused.map(|paused| PausedDocument {
                since: utc(paused.since_ms),
                by: paused.by,
                why: paused.why,
            }),
            problem: standing.problem,
        }
    }

    fn needs_a_person(&self) -> bool {
        let ended_badly = matches!(self.state, Some("failed" | "rejected" | "held"));
        let waits = self.held > 0 || self.late.is_some() || !self.uncollected.is_empty();
        ended_badly || waits || self.paused.is_some() || self.problem.is_some()
    }

    fn next_in_words(&self) -> String {
        let next = self.next.as_deref().unwrap_or("-");
        self.jitter.map_or_else(|| next.to_owned(), |seconds| format!("{next} +{seconds}s"))
    }

    /// What is to be known beside the state, in a few words.
    fn remarks(&self) -> String {
        let mut remarks = Vec::new();
        if let Some(since) = &self.late {
            remarks.push(format!("late since {since}"));
        }
        if self.held > 0 {
            remarks.push(format!("{} held", self.held));
        }
        for UncollectedDocument { run, destination, due } in self.uncollected.iter().take(UNCOLLECTED_SHOWN) {
            remarks.push(format!("not picked up at {destination} by {due} (run {run})"));
        }
        if self.uncollected.len() > UNCOLLECTED_SHOWN {
            remarks.push(format!("and {} more not picked up", self.uncollected.len() - UNCOLLECTED_SHOWN));
        }
        if let Some(paused) = &self.paused {
            let why = if paused.why.is_empty() { String::new() } else { format!(": {}", paused.why) };
            remarks.push(format!("paused by {} since {}{why}", paused.by, paused.since));
        }
        if let Some(problem) = &self.problem {
            remarks.push(problem.clone());
        }
        remarks.extend(self.reason.clone());
        remarks.join("; ")
    }
}

impl From<Overdue> for UncollectedDocument {
    fn from(overdue: Overdue) -> Self {
        Self { run: overdue.run, destination: overdue.destination, due: utc(overdue.due_ms) }
    }
}

impl WorkerDocument {
    fn new(seen: WorkerSeen, now: Timestamp) -> Self {
        Self {
            working: seen.works(now.as_millisecond()),
            version: seen.version,
            pid: seen.pid,
            started: utc(seen.started_ms),
            seen: utc(seen.seen_ms),
            stopped: seen.stopped_ms.map(utc),
        }
    }

    fn in_words(&self) -> String {
        match (&self.stopped, self.working) {
            (Some(at), _) => format!("stopped at {at}: `reportferry work` starts it"),
            (None, true) => format!("works since {} (process {}, version {})", self.started, self.pid, self.version),
            (None, false) => {
                format!("not seen since {}: it was killed, or it hangs (process {})", self.seen, self.pid)
            }
        }
    }
}

fn print(status: &Status) {
    let worker = status.worker.as_ref().map(WorkerDocument::in_words);
    println!(
        "worker  {}",
        worker.unwrap_or_else(|| "none has worked here yet: `reportferry work` starts it".to_owned())
    );
    println!("zones   {}\n", status.zones);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> = status
        .pipelines
        .iter()
        .map(|line| {
            vec![
                line.pipeline.clone(),
                or_dash(&line.slot),
                line.state.unwrap_or("-").to_owned(),
                or_dash(&line.delivered),
                line.next_in_words(),
                or_dash(&line.run),
                line.remarks(),
            ]
        })
        .collect();
    let head = ["PIPELINE", "LAST SLOT", "STATE", "LAST DELIVERED", "NEXT SLOT", "RUN", "REMARKS"];
    print!("{}", text::table(&head, &rows));
}
