//! `status`: shows today's slots of each pipeline, and what needs a person.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, ZonedDateTime};
use serde::Serialize;

use super::opened::Opened;
use super::{Common, exit, print_json};
use crate::ledger::next::{Need, Runs, next_command};
use crate::ledger::state::RunState;
use crate::ledger::{FileProblem, Overdue, PipelineStatus, WaitingRuns, WorkerRecord, WorkerState};
use crate::pipeline;
use crate::pipeline::plan::Plan;
use crate::run::document::utc;
use crate::schedule::missed::jitter;
use crate::schedule::slot::Slot;
use crate::schedule::zone::zones;
use crate::settings;
use crate::yaml::render::render;
use tenants::TenantDocument;

/// Accounts and scope checks.
mod tenants;
/// The text form.
mod view;

#[derive(clap::Args)]
pub(super) struct StatusArgs {
    /// Show only what needs attention: failed, held, blocked, late, paused, not picked up, or an invalid file
    #[arg(long)]
    attention: bool,
    /// Show it again every few seconds until interrupted
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub watch: Option<u32>,
}

/// The JSON document; its names are an interface.
#[derive(Serialize)]
struct Status {
    worker: Option<WorkerDocument>,
    /// The version and origin of the time zone rules: `2026b, …`.
    zones: String,
    /// The zone of the text form, in which `today` is a day.
    zone: String,
    tenants: Vec<TenantDocument>,
    pipelines: Vec<PipelineDocument>,
}

#[derive(Serialize)]
struct WorkerDocument {
    /// It runs, as its lock shows.
    working: bool,
    state: WorkerState,
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
    /// The time at which the newest slot's run reached its state.
    since: Option<String>,
    /// The time at which the worker continues it.
    continues: Option<String>,
    today: TodayDocument,
    /// The time of the last delivery, and its rows.
    delivered: Option<String>,
    rows: Option<u64>,
    /// The next slot.
    next: Option<String>,
    /// Seconds of jitter after the slot.
    jitter: Option<i64>,
    /// The time since which a slot is late.
    late: Option<String>,
    /// Deliveries whose pickup is overdue, the oldest first.
    pickup_overdue: Vec<PickupOverdueDocument>,
    paused: Option<PausedDocument>,
    /// The problem of its file.
    problem: Option<String>,
    /// What needs a person, with the next command.
    attention: Vec<AttentionDocument>,
}

/// The slots of the day so far.
#[derive(Serialize)]
struct TodayDocument {
    slots: u64,
    delivered: u64,
}

/// One thing that needs a person.
#[derive(Serialize)]
struct AttentionDocument {
    /// `failed`, `rejected`, `held`, `blocked`, `late`, `pickup_overdue`, `paused` or `invalid_file`.
    kind: &'static str,
    /// How many runs.
    count: u64,
    /// The oldest slot, or the time since which it is so.
    since: Option<String>,
    /// The newest run, if it concerns runs.
    run: Option<String>,
    destination: Option<String>,
    reason: Option<String>,
    /// The expectations that stopped the newest run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    expectations: Vec<String>,
    next: String,
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
    match args.watch {
        Some(seconds) => watch(&opened, &args, common, Duration::from_secs(seconds.into())).await,
        None => show(&opened, &args, common).await,
    }
}

async fn show(opened: &Opened, args: &StatusArgs, common: &Common) -> anyhow::Result<u8> {
    let loaded = pipeline::load_all(&opened.settings, &[]);
    let now = local_now(opened);
    let status = Status::gather(opened, &loaded, args.attention, &now).await?;
    if common.json {
        print_json(&status)?;
    } else {
        print!("{}", view::text(&status, args.attention, &now));
    }
    // An invalid file hides a pipeline's next slot, so it is never exit code 0.
    if loaded.failed() {
        eprint!("{}", render(&loaded.problems, super::color(), super::WIDTH));
    }
    Ok(match (args.attention, loaded.failed()) {
        (true, _) if status.needs_attention() => exit::ATTENTION,
        (_, true) => exit::PROBLEM,
        _ => exit::DONE,
    })
}

/// Shows the status until a signal arrives or nobody reads it any more.
async fn watch(opened: &Opened, args: &StatusArgs, common: &Common, every: Duration) -> anyhow::Result<u8> {
    if common.json {
        return Err(super::opened::argument("--watch shows text: it cannot be combined with --json"));
    }
    let stop = super::stop_signal();
    tokio::pin!(stop);
    loop {
        let loaded = pipeline::load_all(&opened.settings, &[]);
        let now = local_now(opened);
        let status = Status::gather(opened, &loaded, args.attention, &now).await?;
        if !super::stdout::refresh(&view::text(&status, args.attention, &now))? {
            return Ok(exit::DONE);
        }
        tokio::select! {
            () = &mut stop => return Ok(exit::DONE),
            () = opened.clock.sleep(every) => {}
        }
    }
}

fn local_now(opened: &Opened) -> ZonedDateTime {
    opened.clock.now().to_zoned_datetime(settings::local_zone().0)
}

impl Status {
    async fn gather(
        opened: &Opened,
        loaded: &pipeline::Loaded,
        attention: bool,
        now: &ZonedDateTime,
    ) -> anyhow::Result<Self> {
        let day_start_ms = now.start_of_day()?.timestamp().as_millisecond();
        let mut standings = opened.ledger.pipeline_statuses(day_start_ms).await?;
        let mut pipelines: Vec<PipelineDocument> = Vec::new();
        for plan in &loaded.plans {
            let standing = standings.remove(&plan.name).unwrap_or_default();
            let problem = standing.problem.as_ref().map(describe_problem);
            let next = next(plan, now.timestamp());
            pipelines.push(PipelineDocument::new(&plan.name, standing, (problem, &Need::InvalidFile), next));
        }
        for name in loaded.broken() {
            let standing = standings.remove(&name).unwrap_or_default();
            let next = match &standing.problem {
                Some(FileProblem { stopped: None, .. }) => {
                    next_by_earlier_version(opened, &name, now.timestamp()).await?
                }
                _ => None,
            };
            let problem = standing.problem.as_ref().map_or_else(|| "its file is invalid".to_owned(), describe_problem);
            pipelines.push(PipelineDocument::new(&name, standing, (Some(problem), &Need::InvalidFile), next));
        }
        // A pipeline whose file was removed is shown while any of its work is open.
        for (name, standing) in standings.into_iter().filter(|(_, standing)| standing.has_open_work()) {
            let problem = Some("its file was removed".to_owned());
            pipelines.push(PipelineDocument::new(&name, standing, (problem, &Need::RemovedFile), None));
        }
        pipelines.sort_by(|one, other| one.pipeline.cmp(&other.pipeline));
        if attention {
            pipelines.retain(|pipeline| !pipeline.attention.is_empty());
        }
        let worker = opened.worker().await?.map(|(record, state)| WorkerDocument::new(record, state));
        let zones = format!("{}, {}", zones().version, zones().origin);
        let tenants = tenants::gather(&opened.settings.tenants, &opened.ledger).await?;
        Ok(Self { worker, zones, zone: settings::local_zone().1, tenants, pipelines })
    }

    fn needs_attention(&self) -> bool {
        let is_down = |worker: &WorkerDocument| matches!(worker.state, WorkerState::Killed | WorkerState::Hanging);
        self.worker.as_ref().is_some_and(is_down)
            || self.pipelines.iter().any(|pipeline| !pipeline.attention.is_empty())
    }
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
    /// `file` is the problem of its file, if there is one, and what that needs.
    fn new(
        pipeline: &str,
        standing: PipelineStatus,
        (problem, file): (Option<String>, &Need),
        next: Option<(String, SignedDuration)>,
    ) -> Self {
        let (next, jitter) = next.unzip();
        let attention = attention(pipeline, &standing, (problem.as_ref(), file));
        let newest = standing.newest;
        let count = |of: &dyn Fn(RunState) -> bool| {
            standing.today.iter().filter(|(state, _)| of(*state)).map(|(_, count)| count).sum()
        };
        Self {
            pipeline: pipeline.to_owned(),
            slot: newest.as_ref().map(|newest| newest.slot.clone()),
            run: newest.as_ref().map(|newest| newest.run.clone()),
            state: newest.as_ref().map(|newest| newest.state.name()),
            since: newest.as_ref().map(|newest| utc(newest.updated_ms)),
            continues: newest.as_ref().and_then(|newest| newest.next_run_at_ms).map(utc),
            reason: newest.and_then(|newest| newest.reason).filter(|reason| !reason.is_empty()),
            today: TodayDocument { slots: count(&|_| true), delivered: count(&|state| state == RunState::Delivered) },
            delivered: standing.delivered.map(|(at_ms, _)| utc(at_ms)),
            rows: standing.delivered.map(|(_, rows)| rows),
            next,
            jitter: jitter.map(|jitter| jitter.as_secs()).filter(|seconds| *seconds > 0),
            late: standing.late.map(|(since_ms, _)| utc(since_ms)),
            pickup_overdue: standing.overdue.into_iter().map(PickupOverdueDocument::from).collect(),
            paused: standing.paused.map(|paused| PausedDocument {
                since: utc(paused.since_ms),
                by: paused.by,
                because: paused.why,
            }),
            problem,
            attention,
        }
    }
}

/// Returns what needs a person, with the next command of each.
fn attention(
    pipeline: &str,
    standing: &PipelineStatus,
    (problem, file): (Option<&String>, &Need),
) -> Vec<AttentionDocument> {
    let mut found: Vec<AttentionDocument> =
        standing.waiting.iter().flat_map(|waiting| attention_of_runs(pipeline, waiting)).collect();
    let mut add =
        |kind, since_ms: Option<i64>, (run, destination): (Option<&str>, Option<&str>), reason, need: &Need| {
            found.push(AttentionDocument {
                kind,
                count: 1,
                since: since_ms.map(utc),
                run: run.map(str::to_owned),
                destination: destination.map(str::to_owned),
                reason,
                expectations: Vec::new(),
                next: next_command(need, pipeline, Runs::One(run.unwrap_or_default())),
            });
        };
    if let Some((since_ms, run)) = &standing.late {
        add("late", Some(*since_ms), (Some(run), None), None, &Need::Late);
    }
    for Overdue { run, destination, due_ms, .. } in &standing.overdue {
        let need = Need::PickupOverdue { destination: destination.clone() };
        add("pickup_overdue", Some(*due_ms), (Some(run), Some(destination)), None, &need);
    }
    if let Some(paused) = &standing.paused {
        let why = if paused.why.is_empty() { String::new() } else { format!(": {}", paused.why) };
        add("paused", Some(paused.since_ms), (None, None), Some(format!("by {}{why}", paused.by)), &Need::Paused);
    }
    if let Some(problem) = problem {
        add(
            "invalid_file",
            standing.problem.as_ref().map(|problem| problem.since_ms),
            (None, None),
            Some(problem.clone()),
            file,
        );
    }
    found
}

/// Returns one entry for all runs of a state, but one for each held run: a person decides on each alone.
fn attention_of_runs(pipeline: &str, waiting: &WaitingRuns) -> Vec<AttentionDocument> {
    let entry = |run: &crate::ledger::WaitingRun, count, since_ms, runs| AttentionDocument {
        kind: waiting.state.name(),
        count,
        since: Some(utc(since_ms)),
        run: Some(run.run.clone()),
        destination: None,
        reason: run.reason.clone().filter(|reason| !reason.is_empty()),
        expectations: run.expectations.clone(),
        next: next_command(&waiting.need(run), pipeline, runs),
    };
    if waiting.state != RunState::Held {
        let all = Runs::All(waiting.state);
        let newest = waiting.newest.first();
        let runs = |run| if waiting.count == 1 { Runs::One(run) } else { all };
        return newest.map(|run| entry(run, waiting.count, waiting.since_ms, runs(&run.run))).into_iter().collect();
    }
    let mut found: Vec<_> = waiting.newest.iter().map(|run| entry(run, 1, run.slot_ms, Runs::One(&run.run))).collect();
    let more = waiting.count.saturating_sub(found.len() as u64);
    if let Some(newest) = waiting.newest.first().filter(|_| more > 0) {
        found.push(AttentionDocument {
            run: None,
            reason: None,
            expectations: Vec::new(),
            ..entry(newest, more, waiting.since_ms, Runs::All(waiting.state))
        });
    }
    found
}

impl From<Overdue> for PickupOverdueDocument {
    fn from(overdue: Overdue) -> Self {
        Self { run: overdue.run, destination: overdue.destination, due: utc(overdue.due_ms) }
    }
}

impl WorkerDocument {
    fn new(record: WorkerRecord, state: WorkerState) -> Self {
        Self {
            working: state.is_alive(),
            state,
            version: record.version,
            pid: record.pid,
            started: utc(record.started_ms),
            seen: utc(record.seen_ms),
            stopped: record.stopped_ms.map(utc),
        }
    }
}
