//! `retry`, `release`, `reject`: what a person decides about a run.

use std::sync::Arc;
use std::time::Duration;

use super::bars::Bars;
use super::opened::{Opened, argument, argument_hint};
use super::run::backfill_of;
use super::{Common, duration, exit, print_json, text};
use crate::ledger::record::Run;
use crate::ledger::state::RunState;
use crate::run::Ask;
use crate::run::document::Document;
use crate::schedule::slot::Slot;

#[derive(clap::Args)]
pub struct RetryArgs {
    /// The run's id, or the beginning of it
    run: String,
    /// How long to keep trying
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    wait: Duration,
}

#[derive(clap::Args)]
pub struct ReleaseArgs {
    /// The run's id, or the beginning of it
    run: String,
    /// Who says so
    #[arg(long, default_value = "a person")]
    by: String,
    /// How long to keep trying
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    wait: Duration,
}

#[derive(clap::Args)]
pub struct RejectArgs {
    /// The run's id, or the beginning of it
    run: String,
    /// Who says so
    #[arg(long, default_value = "a person")]
    by: String,
    /// Why
    #[arg(long, default_value = "rejected by a person")]
    why: String,
}

pub async fn retry(args: RetryArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let run = opened.run(&args.run).await?;
    go_on(&opened, &run, args.wait, common).await
}

pub async fn release(args: ReleaseArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let mut run = opened.run(&args.run).await?;
    if run.state != RunState::Held {
        return Err(argument(format!("run {} is {}, not held", run.id, run.state.name())));
    }
    opened.ledger.release(&mut run, &args.by).await?;
    go_on(&opened, &run, args.wait, common).await
}

pub async fn reject(args: RejectArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let mut run = opened.run(&args.run).await?;
    if run.state != RunState::Held {
        return Err(argument(format!("run {} is {}, not held", run.id, run.state.name())));
    }
    opened.ledger.reject(&mut run, &args.by, &args.why).await?;
    say(&Document::of(&opened.ledger, &run).await?, common)?;
    Ok(exit::DONE)
}

async fn go_on(opened: &Opened, run: &Run, wait: Duration, common: &Common) -> anyhow::Result<u8> {
    match run.state {
        RunState::Skipped if run.may_be_backfilled() => {
            let what = format!("run {} was skipped before anything was done for it", run.id);
            return Err(argument_hint(what, backfill_of(&run.pipeline, &run.slot)));
        }
        RunState::Skipped => return Err(argument(format!("run {} was skipped: there is nothing to send", run.id))),
        RunState::Rejected if run.rejected_by.is_some() => {
            let hint = "run the pipeline for a new slot";
            return Err(argument_hint(format!("run {} was rejected by a person, which is final", run.id), hint));
        }
        _ => {}
    }
    let plan = Arc::new(opened.plan(&run.pipeline)?);
    let at = jiff::Timestamp::from_millisecond(run.slot_ms)?;
    let slot = Slot::new(&run.pipeline, at, plan.zone.clone());
    let line = opened.line();
    let bars = Bars::draw(&format!("{}  slot {}", plan.name, slot.rfc3339()), &line.progress);
    let document = line.run(&plan, &slot, Ask::Retry, wait).await;
    drop(bars);
    line.sessions.say_goodbye().await;
    let document = document?;
    say(&document, common)?;
    opened.ledger.close().await;
    Ok(exit::of(document.state))
}

fn say(document: &Document, common: &Common) -> anyhow::Result<()> {
    if common.json {
        return print_json(document);
    }
    print!("{}", text::run(document));
    Ok(())
}
