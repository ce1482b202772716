//! `status`: shows what is due and the state of each pipeline.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::opened::Opened;
use super::{Common, exit, print_json, text};
use crate::ledger::{FileProblem, Overdue, WorkerRecord};
use crate::pipeline;
use crate::pipeline::plan::Plan;
use crate::run::document::utc;
use crate::schedule::missed::jitter;
use crate::schedule::slot::Slot;
use crate::schedule::zone::zones;
use crate::yaml::render::render;

/// Overdue pickups of a pipeline in the text output; the JSON has all of them.
const PICKUPS_SHOWN_MAX: usize = 3;

#[derive(clap::Args)]
pub(super) struct StatusArgs {
    /// Show only what needs attention: held, late, failed, paused, not picked up, or an invalid file
    #[arg(long)]
    attention: bool,
}

/// The JSON document; its names are an interface.
#[derive(Serialize)]
struct Status {
    worker: Option<WorkerDocument>,
    /// The version and origin of the time zone rules: `2026b, …`.
    zones: String,
    pipelines: Vec<PipelineDocument>,
}

#[derive(Serialize)]
struct WorkerDocument {
    /// Seen recently, and not stopped.
    working: bool,
    version: String,
    pid: i64,
    started: String,
    seen: String,
    stopped: Option<String>,
}

/// One pipeline. Times are RFC 3339; slots in the pipeline's zone, others in UTC.
#[derive(Serialize)]
struct PipelineDocument {
    pipeline: String,
    /// The newest slot.
    slot: Option<String>,
    run: Option<String>,
    state: Option<&'static str>,
    reason: Option<String>,
    /// The time of the last delivery.
    delivered: Option<String>,
    /// The next slot.
    next: Option<String>,
    /// Seconds of jitter after the slot.
    jitter: Option<i64>,
    /// The time since which a slot is late.
    late: Option<String>,
    held: u64,
    /// Deliveries whose pickup is overdue, the oldest first.
    pickup_overdue: Vec<PickupOverdueDocument>,
    paused: Option<PausedDocument>,
    /// The problem of its file.
    problem: Option<String>,
}

#[derive(Serialize)]
struct PickupOverdueDocument {
    run: String,
    destination: String,
    /// The deadline of the pickup.
    due: String,
}

#[derive(Serialize)]
struct PausedDocument {
    since: String,
    by: String,
    because: String,
}

pub(super) async fn run(args: StatusArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let loaded = pipeline::load_all(&opened.settings, &[]);
    let now = opened.clock.now();
    let mut standings = opened.ledger.pipeline_statuses().await?;
    let mut pipelines: Vec<PipelineDocument> = Vec::new();
    for plan in &loaded.plans {
        let standing = standings.remove(&plan.name).unwrap_or_default();
        pipelines.push(PipelineDocument::new(&plan.name, standing, next(plan, now)));
    }
    for name in loaded.broken() {
        let standing = standings.remove(&name).unwrap_or_default();
        let next = match &standing.problem {
            Some(FileProblem { stopped: None, .. }) => next_by_earlier_version(&opened, &name, now).await?,
            _ => None,
        };
        let problem = standing.problem.as_ref().map_or_else(|| "its file is invalid".to_owned(), describe_problem);
        pipelines.push(PipelineDocument { problem: Some(problem), ..PipelineDocument::new(&name, standing, next) });
    }
    // A pipeline whose file was removed is shown while any of its work is open.
    for (name, standing) in standings.into_iter().filter(|(_, standing)| standing.has_open_work()) {
        let problem = Some("its file was removed".to_owned());
        pipelines.push(PipelineDocument { problem, ..PipelineDocument::new(&name, standing, None) });
    }
    pipelines.sort_by(|one, other| one.pipeline.cmp(&other.pipeline));
    if args.attention {
        pipelines.retain(PipelineDocument::needs_attention);
    }
    let needs_attention = pipelines.iter().any(PipelineDocument::needs_attention);
    let worker = opened.ledger.worker_record().await?.map(|seen| WorkerDocument::new(seen, now));
    let status = Status { worker, zones: format!("{}, {}", zones().version, zones().origin), pipelines };
    if common.json {
        print_json(&status)?;
    } else {
        print(&status);
    }
    // An invalid file hides a pipeline's next slot, so it is never exit code 0.
    if loaded.failed() {
        eprint!("{}", render(&loaded.problems, super::color(), super::WIDTH));
    }
    Ok(match (args.attention, loaded.failed()) {
        (true, _) if needs_attention => exit::ATTENTION,
        (_, true) => exit::PROBLEM,
        _ => exit::DONE,
    })
}

/// Returns the next slot by the last valid text of an invalid file, which the worker uses.
async fn next_by_earlier_version(
    opened: &Opened,
    pipeline: &str,
    now: Timestamp,
) -> anyhow::Result<Option<(String, SignedDuration)>> {
    let Some(text) = opened.ledger.valid_text(pipeline).await? else { return Ok(None) };
    let path = opened.settings.pipelines.join(format!("{pipeline}.yaml"));
    let earlier = pipeline::load_text(&opened.settings, &path, &text);
    Ok(earlier.ok().and_then(|(plan, _warnings)| next(&plan, now)))
}

fn describe_problem(problem: &FileProblem) -> String {
    format!("since {}, {}", utc(problem.since_ms), problem.describe())
}

/// Returns the next slot and its jitter.
fn next(plan: &Plan, now: Timestamp) -> Option<(String, SignedDuration)> {
    let schedule = plan.schedule.as_ref()?;
    let at = schedule.cron.next_after(now, &plan.zone)?;
    let slot = Slot::new(&plan.name, at, plan.zone.clone());
    Some((slot.rfc3339(), jitter(&slot, schedule.jitter)))
}

impl PipelineDocument {
    fn new(pipeline: &str, standing: crate::ledger::PipelineStatus, next: Option<(String, SignedDuration)>) -> Self {
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
            pickup_overdue: standing.overdue.into_iter().map(PickupOverdueDocument::from).collect(),
            paused: standing.paused.map(|paused| PausedDocument {
                since: utc(paused.since_ms),
                by: paused.by,
                because: paused.why,
            }),
            problem: standing.problem.as_ref().map(describe_problem),
        }
    }

    fn needs_attention(&self) -> bool {
        let ended_badly = matches!(self.state, Some("failed" | "rejected" | "held" | "blocked"));
        let waits = self.held > 0 || self.late.is_some() || !self.pickup_overdue.is_empty();
        ended_badly || waits || self.paused.is_some() || self.problem.is_some()
    }

    fn describe_next(&self) -> String {
        let next = self.next.as_deref().unwrap_or("-");
        self.jitter.map_or_else(|| next.to_owned(), |seconds| format!("{next} +{seconds}s"))
    }

    /// Returns what the state alone does not show.
    fn remarks(&self) -> String {
        let mut remarks = Vec::new();
        if let Some(since) = &self.late {
            remarks.push(format!("late since {since}"));
        }
        if self.held > 0 {
            remarks.push(format!("{} held or blocked", self.held));
        }
        for PickupOverdueDocument { run, destination, due } in self.pickup_overdue.iter().take(PICKUPS_SHOWN_MAX) {
            remarks.push(format!("not picked up at {destination} by {due} (run {run})"));
        }
        if self.pickup_overdue.len() > PICKUPS_SHOWN_MAX {
            remarks.push(format!("and {} more not picked up", self.pickup_overdue.len() - PICKUPS_SHOWN_MAX));
        }
        if let Some(paused) = &self.paused {
            let why = if paused.because.is_empty() { String::new() } else { format!(": {}", paused.because) };
            remarks.push(format!("paused by {} since {}{why}", paused.by, paused.since));
        }
        if let Some(problem) = &self.problem {
            remarks.push(problem.clone());
        }
        remarks.extend(self.reason.clone());
        remarks.join("; ")
    }
}

impl From<Overdue> for PickupOverdueDocument {
    fn from(overdue: Overdue) -> Self {
        Self { run: overdue.run, destination: overdue.destination, due: utc(overdue.due_ms) }
    }
}

impl WorkerDocument {
    fn new(seen: WorkerRecord, now: Timestamp) -> Self {
        Self {
            working: seen.is_running(now.as_millisecond()),
            version: seen.version,
            pid: seen.pid,
            started: utc(seen.started_ms),
            seen: utc(seen.seen_ms),
            stopped: seen.stopped_ms.map(utc),
        }
    }

    fn describe(&self) -> String {
        match (&self.stopped, self.working) {
            (Some(at), _) => format!("stopped at {at}: `reportferry work` starts it"),
            (None, true) => format!("running since {} (process {}, version {})", self.started, self.pid, self.version),
            (None, false) => {
                format!("no heartbeat since {}: it was killed or hangs (process {})", self.seen, self.pid)
            }
        }
    }
}

fn print(status: &Status) {
    let worker = status.worker.as_ref().map(WorkerDocument::describe);
    println!("worker  {}", worker.unwrap_or_else(|| "never started: `reportferry work` starts it".to_owned()));
    println!("zones   {}\n", status.zones);
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<Vec<String>> = status
        .pipelines
        .iter()
        .map(|pipeline| {
            vec![
                pipeline.pipeline.clone(),
                or_dash(&pipeline.slot),
                pipeline.state.unwrap_or("-").to_owned(),
                or_dash(&pipeline.delivered),
                pipeline.describe_next(),
                or_dash(&pipeline.run),
                pipeline.remarks(),
            ]
        })
        .collect();
    let head = ["PIPELINE", "LAST SLOT", "STATE", "LAST DELIVERED", "NEXT SLOT", "RUN", "REMARKS"];
    print!("{}", text::table(&head, &rows));
}
