//! `replay RUN`: delivers a run's saved artifact again.

use std::sync::Arc;
use std::time::Duration;

use super::bars::Bars;
use super::opened::{Opened, argument, argument_hint};
use super::{Common, duration, exit, print_runs, text};
use crate::ledger::next::{Need, Runs, next_command};
use crate::ledger::record::Run;
use crate::ledger::state::RunState;
use crate::run::replay::{Replay, ReplayError};
use crate::schedule::slot::Slot;
use crate::yaml::problem::did_you_mean;

#[derive(clap::Args)]
pub(super) struct ReplayArgs {
    /// The run's ID, or a unique prefix of it
    run: String,
    /// Another name for the file
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// Deliver only to this destination of the pipeline; may be repeated
    #[arg(long, value_name = "DESTINATION")]
    to: Vec<String>,
    /// Time to keep retrying
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    wait: Duration,
}

pub(super) async fn run(args: ReplayArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let run = opened.run(&args.run).await?;
    let plan = Arc::new(opened.plan(&run.pipeline)?);
    let known: Vec<&str> = plan.deliveries.iter().map(|delivery| delivery.destination.name.as_str()).collect();
    if let Some(unknown) = args.to.iter().find(|name| !known.contains(&name.as_str())) {
        let hint = did_you_mean(unknown, known.iter().copied());
        let hint = hint.unwrap_or_else(|| format!("it delivers to: {}", known.join(", ")));
        return Err(argument_hint(format!("{} does not deliver to {unknown:?}", run.pipeline), hint));
    }
    if let Some(name) = args.name.as_deref().filter(|name| name.is_empty() || name.contains(['/', '\\', '\0'])) {
        return Err(argument(format!("{name:?} is not a file name")));
    }
    let context = opened.context();
    let slot = Slot::new(&plan.name, opened.clock.now(), plan.zone.clone()).with_input(run.input.clone());
    let bars = Bars::draw(&format!("{}  replays {}", plan.name, run.id), &context.progress);
    let replay = Replay { name: args.name, destinations: args.to };
    let document = context.replay(&plan, &run, &replay, &slot, args.wait).await;
    drop(bars);
    context.sessions.close_all().await;
    let document = document.map_err(|error| match error {
        ReplayError::NoArtifact(_) | ReplayError::NotSaved(_) => {
            argument_hint(error.to_string(), format!("`reportferry run {}` creates a new one", run.pipeline))
        }
        ReplayError::NotReleased(..) => argument_hint(error.to_string(), withheld_hint(&run)),
        other => other.into(),
    })?;
    opened.ledger.close().await;
    match common.json {
        true => print_runs(std::slice::from_ref(&document))?,
        false => print!("{}", text::run(&document)),
    }
    Ok(exit::of(&document))
}

/// Returns what to do in place of a replay of bytes that are withheld.
fn withheld_hint(run: &Run) -> String {
    match run.state {
        RunState::Held => next_command(&Need::Held, &run.pipeline, Runs::One(&run.id)),
        RunState::Failed => next_command(&Need::Failed, &run.pipeline, Runs::One(&run.id)),
        _ => format!("`reportferry run {}` creates a new one", run.pipeline),
    }
}
