//! `run PIPELINE…`: one run now, with progress bars on a terminal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::bars::Bars;
use super::moment::Moment;
use super::opened::{Opened, argument_hint};
use super::{Common, Problems, duration, exit, print_json, text};
use crate::deliver::Sessions;
use crate::ledger::state::RunState;
use crate::pipeline::plan::{FileSource, Source};
use crate::run::{Ask, Line};
use crate::schedule::slot::Slot;

#[derive(clap::Args)]
pub struct RunArgs {
    /// Pipelines by name, or their files
    #[arg(required = true)]
    pipelines: Vec<String>,
    /// The slot: RFC 3339, a date (the schedule's slot of that day), or how long ago (12h: the last one due by then)
    /// [default: now]
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    slot: Option<Moment>,
    /// Take the rows from this CSV instead of the source
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Also a slot of which the ledger may have forgotten that it was delivered
    #[arg(long)]
    beyond: bool,
    /// How long to keep trying before the rest is left to `retry` or the worker
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub wait: Duration,
}

pub async fn run(args: RunArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let now = opened.clock.now();
    let mut plans = Vec::new();
    for pipeline in &args.pipelines {
        let mut plan = opened.plan(pipeline)?;
        if let Some(from) = &args.from {
            plan.source = Source::File(FileSource { path: std::path::absolute(from)?, csv: plan.source.csv() });
        }
        let asked = args.slot.map(|moment| moment.slot(&opened.clock, &plan));
        let asked = asked.transpose().map_err(|problem| Problems(vec![problem]))?;
        let slot = Slot::new(&plan.name, asked.unwrap_or(now), plan.zone.clone());
        if asked.is_some() && !args.beyond {
            refuse_forgotten(&opened, &slot).await?;
        }
        plans.push((Arc::new(plan), slot));
    }
    let mut documents = Vec::new();
    // One sign-in for all of them.
    let sessions = Sessions::default();
    for (plan, slot) in plans {
        let line = Line { sessions: sessions.clone(), ..opened.line() };
        let bars = Bars::draw(&format!("{}  slot {}", plan.name, slot.rfc3339()), &line.progress);
        let before = opened.ledger.run(&slot.run_id()).await?.map(|run| run.state);
        let document = line.run(&plan, &slot, Ask::Slot, args.wait).await;
        drop(bars);
        let document = document?;
        if before == Some(document.state) && document.state.is_end() {
            eprintln!("{}: slot {} is {} already", plan.name, slot.rfc3339(), document.state.name());
            if let Some(run) = opened.ledger.run(&document.run).await? {
                if run.may_be_backfilled() {
                    eprintln!("  nothing was done for it: {}", backfill_of(&plan.name, &document.slot));
                } else if run.state == RunState::Rejected && run.rejected_by.is_none() {
                    eprintln!("  once its cause is removed, `reportferry retry {}` takes it up again", run.id);
                }
            }
        }
        if !common.json {
            print!("{}", text::run(&document));
        }
        documents.push(document);
    }
    sessions.say_goodbye().await;
    opened.ledger.close().await;
    if common.json {
        match documents.as_slice() {
            [one] => print_json(one)?,
            several => print_json(&several)?,
        }
    }
    // The worst end speaks for all: a failure before a hold, a hold before success.
    let worst = documents.iter().map(|document| exit::of(document.state)).max_by_key(|code| match *code {
        exit::FAILED => 2,
        exit::HELD => 1,
        _ => 0,
    });
    Ok(worst.unwrap_or(exit::DONE))
}

/// A slot that the ledger does not know may have been delivered and pruned since: that is a person's to say.
async fn refuse_forgotten(opened: &Opened, slot: &Slot) -> anyhow::Result<()> {
    let forgotten = opened.ledger.forgotten(&slot.pipeline).await?;
    if forgotten.is_none_or(|until_ms| slot.at_ms() > until_ms) || opened.ledger.run(&slot.run_id()).await?.is_some() {
        return Ok(());
    }
    Err(argument_hint(
        format!("slots as old as {} were pruned from the ledger: it may have been delivered", slot.rfc3339()),
        "say `--beyond` if it does no harm to deliver it again",
    ))
}

/// The command that takes up one slot that was skipped.
pub fn backfill_of(pipeline: &str, slot: &str) -> String {
    format!("`reportferry backfill {pipeline} --since {slot} --until {slot} --yes` takes it up")
}
