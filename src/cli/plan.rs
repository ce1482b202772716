//! `plan PIPELINE`: shows the next slots, file names, requests and destinations.

use jiff::Timestamp;
use jiff::tz::AmbiguousOffset;
use serde::Serialize;

use super::{Common, exit, print_json, text};
use crate::clock::Clock;
use crate::extract::{continues, requests_of};
use crate::ledger::{Ledger, LedgerError};
use crate::name::PendingName;
use crate::pipeline::columns::Columns;
use crate::pipeline::plan::{ArtifactPart, Artifacts, PartContent, Plan, Source, TableFile};
use crate::schedule::cron::ChangeKind;
use crate::schedule::expected;
use crate::schedule::missed::jitter;
use crate::schedule::slot::Slot;
use crate::schedule::{Schedule, WhileHeld};
use crate::settings::{DestinationKind, LedgerSettings, Settings};

#[derive(clap::Args)]
pub(super) struct PlanArgs {
    /// The pipeline's name, or its file
    pipeline: String,
    /// The number of next slots to show
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=1000))]
    next: u16,
}

/// The JSON document; its names are an interface.
#[derive(Serialize)]
struct Document {
    pipeline: String,
    description: Option<String>,
    schedule: Option<String>,
    /// `continue` or `wait`, with a schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    while_held: Option<&'static str>,
    zone: String,
    slots: Vec<PlannedSlot>,
    /// The output columns, if the pipeline names them all; otherwise the report decides.
    columns: Option<Vec<String>>,
    /// The artifacts, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    artifacts: Vec<PlannedArtifact>,
    /// The files beside the pipeline file that are read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tables: Vec<Table>,
    /// Every request that may be sent.
    requests: Vec<String>,
    /// The changes of records that the next run would ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Window>,
    destinations: Vec<Destination>,
}

#[derive(Serialize)]
struct PlannedArtifact {
    artifact: String,
    name: String,
    /// The name of the source of its rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    columns: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Table {
    path: String,
    sha256: String,
}

#[derive(Serialize)]
struct Window {
    records: &'static str,
    /// As the platform reads it, in UTC; null for all records, or where it is not known.
    updated_from: Option<String>,
    /// The reason for this moment.
    because: String,
}

#[derive(Serialize)]
struct PlannedSlot {
    /// RFC 3339 in the pipeline's zone, as all times here.
    slot: String,
    /// The start, jitter included.
    begins: String,
    /// Seconds between slot and start.
    #[serde(skip)]
    jitter: f64,
    artifact: String,
    /// The time after which it is late.
    expected_by: Option<String>,
    /// The effect of a clock change.
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

pub(super) async fn run(args: PlanArgs, common: &Common) -> anyhow::Result<u8> {
    let settings = super::opened::settings(common)?;
    let plan = super::opened::plan(&settings, &args.pipeline)?;
    let clock = Clock::System;
    let document = Document {
        pipeline: plan.name.clone(),
        description: plan.description.clone(),
        schedule: plan.schedule.as_ref().map(|schedule| schedule.cron.text().to_owned()),
        while_held: plan.schedule.as_ref().map(|schedule| match schedule.while_held {
            WhileHeld::Continue => "continue",
            WhileHeld::Wait => "wait",
        }),
        zone: plan.zone.iana_name().unwrap_or("UTC").to_owned(),
        slots: slots(&plan, clock.now(), args.next.into()),
        columns: if plan.several().is_none() { columns(&plan) } else { None },
        artifacts: plan.several().map(planned_artifacts).unwrap_or_default(),
        requests: requests(&plan),
        tables: plan
            .tables
            .iter()
            .map(|TableFile { name, path: _, sha256 }| Table { path: name.clone(), sha256: sha256.clone() })
            .collect(),
        records: window(&plan, &settings, &clock).await,
        destinations: plan.deliveries.iter().map(destination).collect(),
    };
    if common.json {
        print_json(&document)?;
    } else {
        print(&document);
    }
    Ok(exit::DONE)
}

/// Returns what its sources may request, each request once.
fn requests(plan: &Plan) -> Vec<String> {
    let mut requests: Vec<String> = Vec::new();
    for source in plan.sources() {
        let of_source = match source {
            Source::Docebo(_) => requests_of(source),
            Source::File(file) => vec![format!("none: {} is read", file.path.display())],
        };
        requests.extend(of_source.into_iter().filter(|request| !requests.contains(request)).collect::<Vec<_>>());
    }
    requests
}

/// Returns the window that the next run would ask for, as far as the ledger can be read.
async fn window(plan: &Plan, settings: &Settings, clock: &Clock) -> Option<Window> {
    let (_, pull) = plan.source.records()?;
    let records = pull.list.word();
    let Some(digest) = continues(&plan.source) else {
        let updated_from = pull.updated_since.from(None);
        return Some(Window { records, updated_from, because: "`updated_since` in the pipeline".to_owned() });
    };
    let is_new = matches!(&settings.ledger, LedgerSettings::Sqlite(path) if !path.exists());
    let watermark = match is_new {
        true => Ok(None),
        false => watermark(settings, clock, &plan.name, &digest).await,
    };
    let (updated_from, because) = match watermark {
        Ok(Some(until)) => {
            let because = format!("the last delivered run read until {until} UTC, less the overlap");
            (pull.updated_since.from(Some(&until)), because)
        }
        Ok(None) => (None, "no run of this source is delivered yet".to_owned()),
        Err(error) => (None, format!("not known: {error}")),
    };
    Some(Window { records, updated_from, because })
}

async fn watermark(
    settings: &Settings,
    clock: &Clock,
    pipeline: &str,
    digest: &str,
) -> Result<Option<String>, LedgerError> {
    let ledger = Ledger::open(&settings.ledger, clock.clone()).await?;
    let watermark = ledger.watermark(pipeline, digest).await;
    ledger.close().await;
    watermark
}

fn slots(plan: &Plan, from: Timestamp, count: usize) -> Vec<PlannedSlot> {
    let Some(schedule) = &plan.schedule else { return Vec::new() };
    let mut slots = Vec::new();
    let mut at = from;
    while slots.len() < count {
        let Some(next) = schedule.cron.next_after(at, &plan.zone) else { break };
        slots.push(slot(plan, schedule, next));
        at = next;
    }
    slots
}

fn slot(plan: &Plan, schedule: &Schedule, at: Timestamp) -> PlannedSlot {
    let slot = Slot::new(&plan.name, at, plan.zone.clone());
    let jitter = jitter(&slot, schedule.jitter);
    let shown = |at: Timestamp| Slot::new(&plan.name, at, plan.zone.clone()).rfc3339();
    PlannedSlot {
        slot: slot.rfc3339(),
        begins: shown(at.saturating_add(jitter).unwrap_or(at)),
        jitter: jitter.as_secs_f64(),
        artifact: match plan.artifact.names(&slot) {
            Ok(names) if plan.artifact.split.is_some() => format!("{}, …", list(&names)),
            Ok(names) => list(&names),
            Err(error) => error.to_string(),
        },
        expected_by: schedule.expected_by.map(|by| shown(expected::deadline(&slot, by))),
        remark: remark(plan, schedule, &slot),
    }
}

fn list(names: &[PendingName]) -> String {
    names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Describes the effect of a clock change on the slot, on the days of one.
fn remark(plan: &Plan, schedule: &Schedule, slot: &Slot) -> Option<String> {
    let at = slot.at.timestamp();
    let margin = jiff::SignedDuration::from_hours(26);
    let (from, until) = (at.saturating_sub(margin).ok()?, at.saturating_add(margin).ok()?);
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

/// Returns the output columns, if a step names them all.
fn columns(plan: &Plan) -> Option<Vec<String>> {
    let mut columns = Columns::of_source(&plan.source);
    for step in &plan.steps {
        (step.kind.declaration().columns)(&mut columns);
    }
    columns.names()
}

fn planned_artifacts(artifacts: &Artifacts) -> Vec<PlannedArtifact> {
    let planned = |part: &ArtifactPart| {
        let (from, columns) = match &part.content {
            PartContent::Rows(plan) => (plan.main.name.clone(), columns(plan)),
            PartContent::Constant(_) => (None, None),
        };
        PlannedArtifact { artifact: part.key.clone(), name: part.name().to_string(), from, columns }
    };
    artifacts.parts.iter().map(planned).collect()
}

fn destination(delivery: &crate::pipeline::plan::DeliveryPlan) -> Destination {
    use crate::pipeline::plan::Existing;
    Destination {
        destination: delivery.destination.name.clone(),
        address: address(&delivery.destination.kind),
        directory: delivery.directory.clone(),
        existing: match delivery.existing {
            Existing::Fail => "fail",
            Existing::Replace => "replace",
            Existing::Keep => "keep",
            Existing::Number => "number",
            Existing::Wait(_) => "wait",
        },
        done_file: delivery.done_file.as_ref().map(|name| name.render_done("{name}").unwrap_or_default()),
        required: delivery.required,
    }
}

/// Describes where a destination is, without secrets.
pub(super) fn address(kind: &DestinationKind) -> String {
    match kind {
        DestinationKind::Sftp(sftp) => format!("sftp {}@{}:{}", sftp.username, sftp.host, sftp.port),
        DestinationKind::Webhook(webhook) => format!("POST {}", without_query(&webhook.url)),
        DestinationKind::Local(local) => format!("folder {}", local.path.display()),
    }
}

/// Describes what a held run means for the slots after it, where that is not the default.
fn while_held(document: &Document) -> &'static str {
    match document.while_held {
        Some("wait") => "; slots wait while a run is held",
        _ => "",
    }
}

/// Removes the query, which may hold secrets.
pub(super) fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}

fn print(document: &Document) {
    println!("{}", document.pipeline);
    if let Some(description) = &document.description {
        println!("  {description}");
    }
    match &document.schedule {
        Some(schedule) => println!("  due {schedule} in {}{}\n", document.zone, while_held(document)),
        None => println!("  no schedule: `reportferry run {}` runs it\n", document.pipeline),
    }
    if !document.slots.is_empty() {
        let rows: Vec<Vec<String>> = document
            .slots
            .iter()
            .map(|planned| {
                let jitter = if planned.jitter == 0.0 { String::new() } else { format!("+{:.0}s", planned.jitter) };
                vec![
                    planned.slot.clone(),
                    jitter,
                    planned.expected_by.clone().unwrap_or_default(),
                    planned.artifact.clone(),
                    planned.remark.clone().unwrap_or_default(),
                ]
            })
            .collect();
        println!("{}", text::table(&["SLOT", "JITTER", "LATE AFTER", "ARTIFACT", "REMARK"], &rows));
    }
    for PlannedArtifact { artifact, name, from, columns } in &document.artifacts {
        let from = from.as_ref().map(|from| format!(" from {from}")).unwrap_or_default();
        let columns = columns.as_ref().map(|columns| format!(": {}", columns.join(", "))).unwrap_or_default();
        println!("artifact {artifact}\n  {name}{from}{columns}\n");
    }
    match &document.columns {
        _ if !document.artifacts.is_empty() => {}
        Some(columns) => println!("columns\n  {}\n", columns.join(", ")),
        None => println!("columns\n  those of the report: no step selects\n"),
    }
    if !document.tables.is_empty() {
        println!("files beside the pipeline file");
        for Table { path, sha256 } in &document.tables {
            println!("  {path}  sha256 {sha256}");
        }
        println!();
    }
    println!("requests that may be sent");
    for request in &document.requests {
        println!("  {request}");
    }
    if let Some(Window { records, updated_from, because }) = &document.records {
        let since = updated_from.as_ref().map_or("all".to_owned(), |from| format!("changed since {from} UTC"));
        println!("\nrecords that the next run asks for\n  {records}, {since}: {because}");
    }
    println!("\ndestinations");
    for to in &document.destinations {
        let directory = if to.directory.is_empty() { "." } else { &to.directory };
        let done = to.done_file.as_ref().map(|done| format!(", then {done}")).unwrap_or_default();
        let optional = if to.required { "" } else { ", optional" };
        println!("  {}: {} in {directory}, existing: {}{done}{optional}", to.destination, to.address, to.existing);
    }
}
