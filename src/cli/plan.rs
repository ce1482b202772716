//! `plan PIPELINE`: when it is due next, under which names, and what it may send where.

use jiff::Timestamp;
use jiff::tz::AmbiguousOffset;
use serde::Serialize;

use super::{Common, exit, print_json, text};
use crate::extract::requests_of;
use crate::pipeline::plan::{Plan, Schedule, Source, StepKind};
use crate::schedule::cron::ChangeKind;
use crate::schedule::expected;
use crate::schedule::missed::jitter;
use crate::schedule::slot::Slot;
use crate::settings::DestinationKind;

#[derive(clap::Args)]
pub struct PlanArgs {
    /// The pipeline's name, or its file
    pipeline: String,
    /// How many of the next slots to show
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=1000))]
    fires: u16,
}

/// The whole document. Other tools rely on these names.
#[derive(Serialize)]
struct Document {
    pipeline: String,
    description: Option<String>,
    schedule: Option<String>,
    zone: String,
    fires: Vec<Fire>,
    /// The columns that come out, where the file says; the report decides the others.
    columns: Option<Vec<String>>,
    /// Every request that may be sent.
    requests: Vec<String>,
    destinations: Vec<Destination>,
}

#[derive(Serialize)]
struct Fire {
    /// RFC 3339 in the pipeline's zone, as all times here.
    slot: String,
    /// When it begins: jitter included.
    begins: String,
    /// How much later than its slot that is, in seconds.
    #[serde(skip)]
    jitter: f64,
    artifact: String,
    /// When it is late.
    expected_by: Option<String>,
    /// What the change of clocks does to it.
    remark: Option<String>,
}

#[derive(Serialize)]
struct Destination {
    destination: String,
    address: String,
    directory: String,
    existing: &'static str,
    done_file: Option<String>,
    required: bool,
}

pub async fn run(args: PlanArgs, common: &Common) -> anyhow::Result<u8> {
    let settings = super::opened::settings(common)?;
    let plan = super::opened::plan(&settings, &args.pipeline)?;
    let clock = crate::clock::Clock::System;
    let document = Document {
        pipeline: plan.name.clone(),
        description: plan.description.clone(),
        schedule: plan.schedule.as_ref().map(|schedule| schedule.cron.text().to_owned()),
        zone: plan.zone.iana_name().unwrap_or("UTC").to_owned(),
        fires: fires(&plan, clock.now(), args.fires.into()),
        columns: columns(&plan),
        requests: match &plan.source {
            Source::Docebo(_) => requests_of(&plan.source),
            Source::File(file) => vec![format!("none: {} is read", file.path.display())],
        },
        destinations: plan.deliveries.iter().map(destination).collect(),
    };
    if common.json {
        print_json(&document)?;
    } else {
        print(&document);
    }
    Ok(exit::DONE)
}

fn fires(plan: &Plan, from: Timestamp, count: usize) -> Vec<Fire> {
    let Some(schedule) = &plan.schedule else { return Vec::new() };
    let mut fires = Vec::new();
    let mut at = from;
    while fires.len() < count {
        let Some(next) = schedule.cron.next_after(at, &plan.zone) else { break };
        fires.push(fire(plan, schedule, next));
        at = next;
    }
    fires
}

fn fire(plan: &Plan, schedule: &Schedule, at: Timestamp) -> Fire {
    let slot = Slot::new(&plan.name, at, plan.zone.clone());
    let jitter = jitter(&slot, schedule.jitter);
    let shown = |at: Timestamp| Slot::new(&plan.name, at, plan.zone.clone()).rfc3339();
    Fire {
        slot: slot.rfc3339(),
        begins: shown(at.saturating_add(jitter).unwrap_or(at)),
        jitter: jitter.as_secs_f64(),
        artifact: match plan.artifact.split {
            None => plan.artifact.name.render(&slot),
            Some(_) => plan.artifact.name.render_file(&slot, 1).map(|first| format!("{first}, …")),
        }
        .unwrap_or_else(|error| error.to_string()),
        expected_by: schedule.expected_by.map(|by| shown(expected::deadline(&slot, by))),
        remark: remark(plan, schedule, &slot),
    }
}

/// What the change of clocks does to the slot, on the days on which they change.
fn remark(plan: &Plan, schedule: &Schedule, slot: &Slot) -> Option<String> {
    let at = slot.at.timestamp();
    let moment = jiff::SignedDuration::from_hours(26);
    let (from, until) = (at.saturating_sub(moment).ok()?, at.saturating_add(moment).ok()?);
    let displaced = schedule.cron.clock_changes(from, until, &plan.zone);
    if let Some(change) = displaced.into_iter().find(|change| change.runs == at) {
        let wall = change.wall.strftime("%H:%M");
        return Some(match change.kind {
            ChangeKind::Skipped => format!("clocks skip {wall}: it runs right after"),
            ChangeKind::Twice => format!("{wall} comes twice: it runs the first time only"),
        });
    }
    if let AmbiguousOffset::Fold { .. } = plan.zone.to_ambiguous_timestamp(slot.at.datetime()).offset() {
        return Some("this time comes twice, and it runs both times".to_owned());
    }
    let midnight = slot.at.date().to_zoned_datetime(plan.zone.clone()).ok()?;
    let next = slot.at.date().tomorrow().ok()?.to_zoned_datetime(plan.zone.clone()).ok()?;
    let hours = next.timestamp().duration_since(midnight.timestamp()).as_secs() as f64 / 3600.0;
    (midnight.offset() != next.offset()).then(|| format!("clocks change on this day: it has {hours} hours"))
}

/// The columns after the last step that names them all.
fn columns(plan: &Plan) -> Option<Vec<String>> {
    let mut columns: Option<Vec<String>> = None;
    for step in &plan.steps {
        match &step.kind {
            StepKind::Select(kept) => columns = Some(kept.iter().map(|column| column.name.clone()).collect()),
            StepKind::Drop(dropped) => {
                if let Some(columns) = &mut columns {
                    columns.retain(|name| !dropped.iter().any(|column| column.name == *name));
                }
            }
            StepKind::Rename(renames) => {
                for name in columns.iter_mut().flatten() {
                    if let Some(rename) = renames.iter().find(|rename| rename.from.name == *name) {
                        name.clone_from(&rename.to);
                    }
                }
            }
            StepKind::Set(assigned) => {
                if let Some(columns) = &mut columns {
                    let new = assigned.iter().map(|assign| assign.column.clone());
                    let new: Vec<String> = new.filter(|name| !columns.contains(name)).collect();
                    columns.extend(new);
                }
            }
            StepKind::Filter(_) => {}
        }
    }
    columns
}

fn destination(delivery: &crate::pipeline::plan::DeliveryPlan) -> Destination {
    use crate::pipeline::plan::Existing;
    Destination {
        destination: delivery.destination.name.clone(),
        address: match &delivery.destination.kind {
            DestinationKind::Sftp(sftp) => format!("sftp {}@{}:{}", sftp.username, sftp.host, sftp.port),
            DestinationKind::Webhook(webhook) => format!("POST {}", without_query(&webhook.url)),
            DestinationKind::Local(local) => format!("folder {}", local.path.display()),
        },
        directory: delivery.directory.clone(),
        existing: match delivery.existing {
            Existing::Fail => "fail",
            Existing::Replace => "replace",
            Existing::Keep => "keep",
            Existing::Number => "number",
        },
        done_file: delivery.done_file.as_ref().map(|name| name.render_done("{name}").unwrap_or_default()),
        required: delivery.required,
    }
}

/// A query may hold what is nobody's business.
fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

fn print(document: &Document) {
    println!("{}", document.pipeline);
    if let Some(description) = &document.description {
        println!("  {description}");
    }
    match &document.schedule {
        Some(schedule) => println!("  due {schedule} in {}\n", document.zone),
        None => println!("  due only when a person says `reportferry run {}`\n", document.pipeline),
    }
    if !document.fires.is_empty() {
        let rows: Vec<Vec<String>> = document
            .fires
            .iter()
            .map(|fire| {
                let jitter = if fire.jitter == 0.0 { String::new() } else { format!("+{:.0}s", fire.jitter) };
                vec![
                    fire.slot.clone(),
                    jitter,
                    fire.expected_by.clone().unwrap_or_default(),
                    fire.artifact.clone(),
                    fire.remark.clone().unwrap_or_default(),
                ]
            })
            .collect();
        println!("{}", text::table(&["SLOT", "JITTER", "LATE AFTER", "ARTIFACT", "REMARK"], &rows));
    }
    match &document.columns {
        Some(columns) => println!("columns\n  {}\n", columns.join(", ")),
        None => println!("columns\n  those of the report: no step selects\n"),
    }
    println!("requests that may be sent");
    for request in &document.requests {
        println!("  {request}");
    }
    println!("\ndestinations");
    for to in &document.destinations {
        let directory = if to.directory.is_empty() { "." } else { &to.directory };
        let done = to.done_file.as_ref().map(|done| format!(", then {done}")).unwrap_or_default();
        let optional = if to.required { "" } else { ", not waited for" };
        println!("  {}: {} in {directory}, existing: {}{done}{optional}", to.destination, to.address, to.existing);
    }
}
