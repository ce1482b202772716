//! `retry`, `release`, `reject`: a person's decisions about a run.

use std::sync::Arc;
use std::time::Duration;

use super::bars::Bars;
use super::opened::{Opened, argument, argument_hint};
use super::run::backfill_hint;
use super::{Common, duration, exit, print_runs, text};
use crate::ledger::record::Run;
use crate::ledger::state::RunState;
use crate::run::Requester;
use crate::run::document::Document;
use crate::settings;

#[derive(clap::Args)]
pub(super) struct RetryArgs {
    /// The run's ID, or a unique prefix of it
    run: String,
    /// Time to keep retrying
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    wait: Duration,
}

#[derive(clap::Args)]
pub(super) struct ReleaseArgs {
    /// The run's ID, or a unique prefix of it
    run: String,
    /// The person who decides [default: the login name]
    #[arg(long)]
    by: Option<String>,
    /// Time to keep retrying
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    wait: Duration,
}

#[derive(clap::Args)]
pub(super) struct RejectArgs {
    /// The run's ID, or a unique prefix of it
    run: String,
    /// The person who decides [default: the login name]
    #[arg(long)]
    by: Option<String>,
    /// The reason
    #[arg(long, default_value = "")]
    because: String,
}

pub(super) async fn retry(args: RetryArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let run = opened.run(&args.run).await?;
    if run.state == RunState::Held {
        let hint = format!("`reportferry release {0}` sends it, `reportferry reject {0}` discards it", run.id);
        return Err(argument_hint(format!("run {} is held, which `retry` does not change", run.id), hint));
    }
    continue_run(&opened, &run, args.wait, common).await
}

pub(super) async fn release(args: ReleaseArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let mut run = opened.run(&args.run).await?;
    if run.state != RunState::Held {
        return Err(argument(format!("run {} is {}, not held", run.id, run.state.name())));
    }
    opened.ledger.release(&mut run, &args.by.unwrap_or_else(settings::login)).await?;
    continue_run(&opened, &run, args.wait, common).await
}

pub(super) async fn reject(args: RejectArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let mut run = opened.run(&args.run).await?;
    if run.state != RunState::Held {
        return Err(argument(format!("run {} is {}, not held", run.id, run.state.name())));
    }
    opened.ledger.reject(&mut run, &args.by.unwrap_or_else(settings::login), &args.because).await?;
    print_run(&Document::of(&opened.ledger, &run).await?, common)?;
    Ok(exit::DONE)
}

async fn continue_run(opened: &Opened, run: &Run, wait: Duration, common: &Common) -> anyhow::Result<u8> {
    match run.state {
        RunState::Skipped if run.may_be_backfilled() => {
            let message = format!("run {} was skipped before it started", run.id);
            return Err(argument_hint(message, backfill_hint(&run.pipeline, &run.slot)));
        }
        RunState::Skipped => return Err(argument(format!("run {} was skipped: there is nothing to send", run.id))),
        RunState::Rejected if run.rejected_by.is_some() => {
            let hint = "run the pipeline for a new slot";
            return Err(argument_hint(format!("run {} was rejected by a person, which is final", run.id), hint));
        }
        _ => {}
    }
    let plan = Arc::new(opened.plan(&run.pipeline)?);
    let slot = run.slot(plan.zone.clone());
    let context = opened.context();
    let bars = Bars::draw(&format!("{}  slot {}", plan.name, slot.rfc3339()), &context.progress);
    let document = context.run(&plan, &slot, Requester::Retry, wait).await;
    drop(bars);
    context.sessions.close_all().await;
    let document = document?;
    print_run(&document, common)?;
    opened.ledger.close().await;
    Ok(exit::of(&document))
}

fn print_run(document: &Document, common: &Common) -> anyhow::Result<()> {
    if common.json {
        return print_runs(std::slice::from_ref(document));
    }
    print!("{}", text::run(document));
    Ok(())
}
