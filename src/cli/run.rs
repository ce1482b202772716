//! `run PIPELINE…`: runs pipelines now, with progress bars on a terminal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::bars::Bars;
use super::moment::Moment;
use super::opened::{Opened, argument, argument_hint};
use super::plan::address;
use super::{Common, Problems, duration, exit, print_runs, text};
use crate::deliver::Sessions;
use crate::digest;
use crate::disk;
use crate::ledger::next::{Need, Runs, next_command};
use crate::ledger::state::RunState;
use crate::pipeline::plan::Plan;
use crate::run::spool::SpoolError;
use crate::run::{Requester, RunContext, RunError};
use crate::schedule::slot::{InputFile, Slot};
use crate::settings::{DestinationKind, real_path};

#[derive(clap::Args)]
pub(super) struct RunArgs {
    /// Pipelines, by name or file
    #[arg(required = true)]
    pipelines: Vec<String>,
    /// The slot: RFC 3339, a date (the schedule's slot of that day), or how long ago (12h: the last slot due by then)
    /// [default: now]
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    slot: Option<Moment>,
    /// Read the rows from this CSV instead of the source: a run of its own, never the slot's
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// With `--from`: deliver to all destinations, not only to folders below the data folder
    #[arg(long, requires = "from")]
    deliver: bool,
    /// Allow a slot that may have been delivered and then pruned from the ledger
    #[arg(long)]
    include_pruned: bool,
    /// Time to keep retrying before `retry` or the worker must continue
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub wait: Duration,
}

pub(super) async fn run(args: RunArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let now = opened.clock.now();
    let input = args.from.as_deref().map(input_file).transpose()?;
    let mut plans = Vec::new();
    for pipeline in &args.pipelines {
        let plan = opened.plan(pipeline)?;
        let requested = args.slot.map(|moment| moment.slot(&opened.clock, &plan));
        let requested = requested.transpose().map_err(|problem| Problems(vec![problem]))?;
        let slot = Slot::new(&plan.name, requested.unwrap_or(now), plan.zone.clone()).with_input(input.clone());
        if input.is_some() && plan.several().is_some() {
            let what = format!("{pipeline} makes several artifacts, whose rows are not in one file");
            return Err(argument_hint(what, "run it without `--from`"));
        }
        if let Some(input) = input.as_ref().filter(|_| !args.deliver) {
            require_deliver(&opened, &plan, &slot, input)?;
        }
        if requested.is_some() && input.is_none() && !args.include_pruned {
            refuse_pruned(&opened, &slot).await?;
        }
        plans.push((Arc::new(plan), slot));
    }
    let (mut documents, mut codes) = (Vec::new(), Vec::new());
    // Sessions are shared, for one sign-in per destination.
    let sessions = Sessions::default();
    for (plan, slot) in plans {
        let context = RunContext { sessions: sessions.clone(), ..opened.context() };
        let bars = Bars::draw(&format!("{}  slot {}", plan.name, slot.rfc3339()), &context.progress);
        let before = opened.ledger.run(&slot.run_id()).await?.map(|run| run.state);
        let outcome = context.run(&plan, &slot, Requester::Slot, args.wait).await;
        drop(bars);
        let document = match outcome {
            Ok(document) => document,
            Err(RunError::Spool(busy @ SpoolError::Busy { .. })) if args.pipelines.len() > 1 => {
                eprintln!("{}: {busy}", plan.name);
                codes.push(exit::BUSY);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        codes.push(exit::of(&document));
        if before == Some(document.state) && document.state.is_end() {
            eprintln!("{}: slot {} is {} already", plan.name, slot.rfc3339(), document.state.name());
            if let Some(run) = opened.ledger.run(&document.run).await? {
                if run.may_be_backfilled() {
                    eprintln!("  it never started: {}", backfill_hint(&plan.name, &document.slot));
                } else if run.state == RunState::Rejected && run.rejected_by.is_none() {
                    eprintln!("  once the cause is fixed, `reportferry retry {}` continues it", run.id);
                }
            }
        }
        if !common.json {
            print!("{}", text::run(&document));
        }
        documents.push(document);
    }
    sessions.close_all().await;
    opened.ledger.close().await;
    if common.json {
        print_runs(&documents)?;
    }
    Ok(exit::of_all(&codes))
}

/// Returns the file with its digest.
///
/// # Errors
/// It cannot be read.
fn input_file(path: &Path) -> anyhow::Result<InputFile> {
    let path = std::path::absolute(path)?;
    let sha256 = disk::open_regular(&path).and_then(digest::of_open);
    match (sha256, path.to_str()) {
        (Ok(sha256), Some(path)) => Ok(InputFile { path: path.to_owned(), sha256 }),
        (Ok(_), None) => Err(argument(format!("{} is not UTF-8", path.display()))),
        (Err(error), _) => Err(argument(format!("cannot read {}: {error}", path.display()))),
    }
}

/// Refuses to deliver the rows of a file to anything but folders below the data folder without `--deliver`: readers would
/// take them for the report's.
fn require_deliver(opened: &Opened, plan: &Plan, slot: &Slot, input: &InputFile) -> anyhow::Result<()> {
    let data = real_path(&opened.settings.data);
    let stays_here = |kind: &DestinationKind| match kind {
        DestinationKind::Local(local) => {
            let path = real_path(&local.path);
            path.zip(data.as_ref()).is_some_and(|(path, data)| path.starts_with(data))
        }
        DestinationKind::Sftp(_) | DestinationKind::Webhook(_) => false,
    };
    let leaving = plan.deliveries.iter().filter(|delivery| !stays_here(&delivery.destination.kind));
    let leaving: Vec<String> = leaving
        .map(|delivery| {
            let directory = if delivery.directory.is_empty() { "" } else { &format!(", {}", delivery.directory) };
            format!("{} ({}{directory})", delivery.destination.name, address(&delivery.destination.kind))
        })
        .collect();
    if leaving.is_empty() {
        return Ok(());
    }
    let name = plan.artifact.first_name(slot).unwrap_or_else(|error| error.name.into());
    let more = if plan.artifact.is_group() { " and further files" } else { "" };
    let what = format!(
        "the rows of {} would be delivered as {name}{more} to {}; nothing was delivered",
        input.path,
        leaving.join(" and ")
    );
    Err(argument_hint(what, "add `--deliver` to deliver them; without it, only folders below the data folder get them"))
}

/// Refuses a slot that may have been delivered and pruned since: only a person can know.
async fn refuse_pruned(opened: &Opened, slot: &Slot) -> anyhow::Result<()> {
    let forgotten = opened.ledger.pruned_up_to(&slot.pipeline).await?;
    if forgotten.is_none_or(|until_ms| slot.at_ms() > until_ms) || opened.ledger.run(&slot.run_id()).await?.is_some() {
        return Ok(());
    }
    Err(argument_hint(
        format!("slot {} may have been delivered and then pruned from the ledger", slot.rfc3339()),
        "add `--include-pruned` if delivering it again does no harm",
    ))
}

/// Returns the hint for a skipped slot: the command that schedules it.
pub(super) fn backfill_hint(pipeline: &str, slot: &str) -> String {
    let need = Need::NeverStarted { slot: slot.to_owned() };
    format!("`{}` schedules it", next_command(&need, pipeline, Runs::All(RunState::Skipped)))
}
