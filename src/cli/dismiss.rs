//! `dismiss`, `cancel`: a person ends what is not to be delivered any more.

use jiff::tz::TimeZone;
use serde_json::json;

use super::moment::Moment;
use super::opened::{Opened, argument, argument_hint};
use super::{Common, exit, print_json, print_runs, text};
use crate::ledger::RunFilter;
use crate::ledger::next::{Need, Runs, next_command};
use crate::ledger::record::Run;
use crate::ledger::state::RunState;
use crate::run::document::{Document, utc};
use crate::run::spool::Spool;
use crate::settings;

#[derive(clap::Args)]
pub(super) struct DismissArgs {
    /// The run's ID, or a unique prefix of it
    #[arg(required_unless_present = "pipeline", conflicts_with = "pipeline")]
    run: Option<String>,
    /// All failed runs of this pipeline whose slots are before `--before`
    #[arg(long, requires = "before")]
    pipeline: Option<String>,
    /// RFC 3339, a date (UTC), or how long ago (12h, 2d)
    #[arg(long, value_name = "TIME", value_parser = Moment::parse, requires = "pipeline")]
    before: Option<Moment>,
    /// The reason, shown by `show`
    #[arg(long)]
    because: String,
    /// The person who decides [default: the login name]
    #[arg(long)]
    by: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct CancelArgs {
    /// The run's ID, or a unique prefix of it
    run: String,
    /// The reason
    #[arg(long)]
    because: String,
    /// The person who decides [default: the login name]
    #[arg(long)]
    by: Option<String>,
}

pub(super) async fn dismiss(args: DismissArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let runs = match (&args.run, &args.pipeline, args.before) {
        (None, Some(pipeline), Some(before)) => failed_before(&opened, pipeline, before).await?,
        (run, ..) => vec![failed(opened.run(run.as_deref().unwrap_or_default()).await?)?],
    };
    let by = args.by.unwrap_or_else(settings::login);
    let ids: Vec<String> = runs.iter().map(|run| run.id.clone()).collect();
    let dismissed = opened.ledger.dismiss(&ids, &by, &args.because).await?;
    opened.ledger.close().await;
    if common.json {
        print_json(&json!({"dismissed": dismissed}))?;
        return Ok(exit::DONE);
    }
    match runs.as_slice() {
        [run] if dismissed.is_empty() && args.run.is_some() => match &run.dismissed {
            Some(mark) => {
                println!("run {} was dismissed by {} at {}: {}", run.id, mark.by, utc(mark.at_ms), mark.because);
            }
            None => println!("run {} is not failed any more: it was continued meanwhile", run.id),
        },
        _ => println!("{} dismissed: `status` no longer lists {}", counted(dismissed.len()), pronoun(dismissed.len())),
    }
    Ok(exit::DONE)
}

fn counted(runs: usize) -> String {
    if runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") }
}

fn pronoun(runs: usize) -> &'static str {
    if runs == 1 { "it" } else { "them" }
}

/// Returns the failed and rejected runs of the pipeline with earlier slots.
async fn failed_before(opened: &Opened, pipeline: &str, before: Moment) -> anyhow::Result<Vec<Run>> {
    opened.require_pipeline(pipeline).await?;
    let filter = RunFilter {
        pipeline: Some(pipeline.to_owned()),
        states: vec![RunState::Failed, RunState::Rejected],
        since_ms: None,
        until_ms: Some(before.since(&opened.clock, &TimeZone::UTC).as_millisecond() - 1),
        limit: u32::MAX,
    };
    Ok(opened.ledger.runs(&filter).await?)
}

/// Refuses a run that is not failed, and names the command for its state.
fn failed(run: Run) -> anyhow::Result<Run> {
    let what = format!("run {} is {}: only failed and rejected runs can be dismissed", run.id, run.state.name());
    match run.state {
        RunState::Failed | RunState::Rejected => Ok(run),
        RunState::Held => Err(argument_hint(what, next_command(&Need::Held, &run.pipeline, Runs::One(&run.id)))),
        state if state == RunState::Blocked || !state.is_end() => {
            Err(argument_hint(what, format!("`reportferry cancel {} --because TEXT` ends it", run.id)))
        }
        _ => Err(argument(what)),
    }
}

pub(super) async fn cancel(args: CancelArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let id = opened.run(&args.run).await?.id;
    // The run's lock: a worker that has it active is not interrupted, and none can begin meanwhile.
    let spool = Spool::take(&opened.settings.data, &id, &opened.clock, std::time::Duration::ZERO).await?;
    let mut run = opened.run(&id).await?;
    match run.state {
        RunState::Failed | RunState::Rejected => {
            let what = format!("run {id} is {}: it has ended already", run.state.name());
            return Err(argument_hint(what, format!("`reportferry dismiss {id} --because TEXT` marks it as handled")));
        }
        RunState::Cancelled | RunState::Delivered | RunState::Skipped => {
            return Err(argument(format!("run {id} is {}: it has ended already", run.state.name())));
        }
        _ => {}
    }
    opened.ledger.cancel(&mut run, &args.by.unwrap_or_else(settings::login), &args.because).await?;
    drop(spool);
    let document = Document::of(&opened.ledger, &run).await?;
    opened.ledger.close().await;
    match common.json {
        true => print_runs(std::slice::from_ref(&document))?,
        false => print!("{}", text::run(&document)),
    }
    Ok(exit::DONE)
}
