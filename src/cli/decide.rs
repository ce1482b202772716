//! `retry`, `release`, `reject`: a person's decisions about a run.

use std::sync::Arc;
use std::time::Duration;

use super::bars::Bars;
use super::opened::{Opened, argument, argument_hint};
use super::run::backfill_hint;
use super::{Common, duration, exit, print_runs, text};
use crate::deliver::{RowCounts, RowOutcome, Sessions};
use crate::ledger::next::{Need, Runs, next_command};
use crate::ledger::record::{Delivery, Run};
use crate::ledger::state::{DeliveryState, RunState};
use crate::run::document::Document;
use crate::run::spool::open_rows;
use crate::run::{Requester, RunContext};
use crate::settings;

#[derive(clap::Args)]
pub(super) struct RetryArgs {
    /// The run's ID, or a unique prefix of it
    #[arg(required_unless_present = "pipeline", conflicts_with = "pipeline")]
    run: Option<String>,
    /// All runs of this pipeline that `status` lists in the states of `--state`, oldest first
    #[arg(long)]
    pipeline: Option<String>,
    /// With `--pipeline`: failed, blocked or rejected
    #[arg(long, value_name = "STATE", value_delimiter = ',', default_value = "failed,blocked", requires = "pipeline")]
    state: Vec<String>,
    /// Send rows again alone: those that the receiver refused, or those that it did not answer for
    #[arg(long, value_name = "OUTCOME", conflicts_with = "pipeline", value_parser = ["refused", "unanswered"])]
    rows: Option<String>,
    /// Short for `--rows refused`
    #[arg(long, conflicts_with_all = ["pipeline", "rows"])]
    refused: bool,
    /// Time to keep retrying each run
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    wait: Duration,
}

#[derive(clap::Args)]
pub(super) struct ReleaseArgs {
    /// The run's ID, or a unique prefix of it
    run: String,
    /// The reason, shown by `show`
    #[arg(long)]
    because: Option<String>,
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
    /// The reason, shown by `show`
    #[arg(long, default_value = "")]
    because: String,
}

pub(super) async fn retry(args: RetryArgs, common: &Common) -> anyhow::Result<u8> {
    if let Some(pipeline) = &args.pipeline {
        return retry_all(pipeline, &args.state, args.wait, common).await;
    }
    let opened = Opened::new(common).await?;
    let run = opened.run(args.run.as_deref().unwrap_or_default()).await?;
    // A release needs the bytes that were held; without them, the run makes its artifact again, and checks it.
    if run.state == RunState::Held && opened.context().check_held_bytes(&run).await.is_ok() {
        let hint = next_command(&Need::Held, &run.pipeline, Runs::One(&run.id));
        return Err(argument_hint(format!("run {} is held, which `retry` does not change", run.id), hint));
    }
    let outcome =
        if args.refused { Some(RowOutcome::Refused) } else { args.rows.as_deref().and_then(RowOutcome::from_name) };
    if let Some(outcome) = outcome {
        resend(&opened, &run, outcome).await?;
    }
    continue_run(&opened, &run, Requester::Retry, args.wait, common).await
}

/// Marks the rows with this outcome to be sent again alone.
///
/// # Errors
/// There are none, or none that may be sent again.
async fn resend(opened: &Opened, run: &Run, outcome: RowOutcome) -> anyhow::Result<()> {
    if opened.ledger.resend_rows(&run.id, outcome).await? > 0 {
        return Ok(());
    }
    let deliveries = opened.ledger.deliveries(&run.id).await?;
    let count = |rows: &RowCounts| match outcome {
        RowOutcome::Refused => rows.refused(),
        RowOutcome::NoAnswer => rows.unanswered(),
    };
    let settled = deliveries.iter().find(|delivery| delivery.rows.as_ref().is_some_and(|rows| count(rows) > 0));
    let name = outcome.name();
    Err(match settled {
        Some(Delivery { destination, state: DeliveryState::Partial, receipt: Some(_), .. }) => argument_hint(
            format!("{destination} has the file of run {}, and a part of it cannot be sent again alone", run.id),
            format!(
                "the rows are in {} of the data folder; fix them, run the pipeline for a new slot, and `dismiss` this run",
                open_rows(&run.id, destination, outcome).display()
            ),
        ),
        Some(Delivery { destination, .. }) => argument_hint(
            format!(
                "the delivery of run {} to {destination} is complete: its {name} rows are within `refused_rows`",
                run.id
            ),
            "the next run sends rows that were changed since",
        ),
        None => argument(format!("run {} has no {name} rows", run.id)),
    })
}

/// Retries the runs of a pipeline that wait for a person in these states. Those that were dismissed, or whose content a
/// later run replaced, stay.
async fn retry_all(pipeline: &str, states: &[String], wait: Duration, common: &Common) -> anyhow::Result<u8> {
    let states = states.iter().map(|name| retried_state(name)).collect::<anyhow::Result<Vec<_>>>()?;
    let opened = Opened::new(common).await?;
    opened.require_pipeline(pipeline).await?;
    let runs = opened.ledger.waiting_runs(pipeline, &states).await?;
    let (mut documents, mut codes) = (Vec::new(), Vec::new());
    // Sessions are shared, for one sign-in per destination.
    let sessions = Sessions::default();
    for run in &runs {
        let document = match execute(&opened, run, &sessions, Requester::Retry, wait).await {
            Ok(document) => document,
            Err(error) if super::is_busy(&error) => {
                eprintln!("{error:#}");
                codes.push(exit::BUSY);
                continue;
            }
            Err(error) => return Err(error),
        };
        codes.push(exit::of(&document));
        if !common.json {
            print!("{}", text::run(&document));
        }
        documents.push(document);
    }
    sessions.close_all().await;
    opened.ledger.close().await;
    if common.json {
        print_runs(&documents)?;
    } else {
        let delivered = documents.iter().filter(|document| document.state == RunState::Delivered).count();
        println!("{delivered} of {} runs delivered", runs.len());
    }
    Ok(exit::of_all(&codes))
}

fn retried_state(name: &str) -> anyhow::Result<RunState> {
    match RunState::from_name(name) {
        Some(state @ (RunState::Failed | RunState::Blocked | RunState::Rejected)) => Ok(state),
        _ => Err(argument_hint(
            format!("`retry` does not take runs that are {name:?}"),
            "one of: failed, blocked, rejected",
        )),
    }
}

pub(super) async fn release(args: ReleaseArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let mut run = held(&opened, &args.run).await?;
    opened.plan_of(&run)?;
    opened.context().check_held_bytes(&run).await.map_err(|lost| {
        let hint = format!("reportferry reject {} --because TEXT, then reportferry run {}", run.id, run.pipeline);
        argument_hint(format!("run {} cannot be released: {lost}", run.id), hint)
    })?;
    opened.ledger.release(&mut run, &args.by.unwrap_or_else(settings::login), args.because.as_deref()).await?;
    // Its deliveries are due.
    continue_run(&opened, &run, Requester::Slot, args.wait, common).await
}

pub(super) async fn reject(args: RejectArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let mut run = held(&opened, &args.run).await?;
    opened.ledger.reject(&mut run, &args.by.unwrap_or_else(settings::login), &args.because).await?;
    print_run(&Document::of(&opened.ledger, &run).await?, common)?;
    Ok(exit::DONE)
}

/// Returns the held run.
///
/// # Errors
/// It is not held; the error names its next command, if it has one.
async fn held(opened: &Opened, prefix: &str) -> anyhow::Result<Run> {
    let run = opened.run(prefix).await?;
    if run.state == RunState::Held {
        return Ok(run);
    }
    let what = format!("run {} is {}, not held", run.id, run.state.name());
    Err(match opened.ledger.need(&run).await?.0 {
        Some(need) => argument_hint(what, next_command(&need, &run.pipeline, Runs::One(&run.id))),
        None => argument(what),
    })
}

async fn continue_run(
    opened: &Opened,
    run: &Run,
    requester: Requester,
    wait: Duration,
    common: &Common,
) -> anyhow::Result<u8> {
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
        RunState::Cancelled => {
            let hint = "run the pipeline for a new slot";
            return Err(argument_hint(format!("run {} was cancelled, which is final", run.id), hint));
        }
        _ => {}
    }
    let sessions = Sessions::default();
    let document = execute(opened, run, &sessions, requester, wait).await;
    sessions.close_all().await;
    let document = document?;
    print_run(&document, common)?;
    opened.ledger.close().await;
    Ok(exit::of(&document))
}

async fn execute(
    opened: &Opened,
    run: &Run,
    sessions: &Sessions,
    requester: Requester,
    wait: Duration,
) -> anyhow::Result<Document> {
    let plan = Arc::new(opened.plan_of(run)?);
    let slot = run.slot(plan.zone.clone());
    let context = RunContext { sessions: sessions.clone(), ..opened.context() };
    let _bars = Bars::draw(&format!("{}  slot {}", plan.name, slot.rfc3339()), &context.progress);
    Ok(context.run(&plan, &slot, requester, wait).await?)
}

fn print_run(document: &Document, common: &Common) -> anyhow::Result<()> {
    if common.json {
        return print_runs(std::slice::from_ref(document));
    }
    print!("{}", text::run(document));
    Ok(())
}
