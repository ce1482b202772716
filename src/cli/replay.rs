//! `replay RUN`: the same bytes again, from the spool.

use std::sync::Arc;
use std::time::Duration;

use super::bars::Bars;
use super::opened::{Opened, argument, argument_hint};
use super::{Common, duration, exit, print_json, text};
use crate::pipeline::problem::did_you_mean;
use crate::run::replay::{Replay, ReplayError};
use crate::schedule::slot::Slot;

#[derive(clap::Args)]
pub struct ReplayArgs {
    /// The run's id, or the beginning of it
    run: String,
    /// Another name for the file
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// To this destination of the pipeline only; may be repeated
    #[arg(long, value_name = "DESTINATION")]
    to: Vec<String>,
    /// How long to keep trying
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    wait: Duration,
}

pub async fn run(args: ReplayArgs, common: &Common) -> anyhow::Result<u8> {
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
        return Err(argument(format!("{name:?} is not a file's name")));
    }
    let line = opened.line();
    let slot = Slot::new(&plan.name, opened.clock.now(), plan.zone.clone());
    let bars = Bars::draw(&format!("{}  replays {}", plan.name, run.id), &line.progress);
    let what = Replay { name: args.name, destinations: args.to };
    let document = line.replay(&plan, &run, &what, &slot, args.wait).await;
    drop(bars);
    line.sessions.say_goodbye().await;
    let document = document.map_err(|error| match error {
        ReplayError::Nothing(_) | ReplayError::Forgotten(_) => {
            argument_hint(error.to_string(), format!("`reportferry run {}` makes a new one", run.pipeline))
        }
        other => other.into(),
    })?;
    opened.ledger.close().await;
    match common.json {
        true => print_json(&document)?,
        false => print!("{}", text::run(&document)),
    }
    Ok(exit::of(document.state))
}
