//! `runs [PIPELINE]`: what happened, newest first.

use jiff::Timestamp;
use serde_json::json;

use super::opened::{Opened, argument_hint};
use super::{Common, exit, print_json, text};
use crate::ledger::RunFilter;
use crate::ledger::state::RunState;

#[derive(clap::Args)]
pub struct RunsArgs {
    /// Of this pipeline only
    pipeline: Option<String>,
    /// In this state only
    #[arg(long)]
    state: Option<String>,
    /// Slots from this moment on, RFC 3339
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

pub async fn run(args: RunsArgs, common: &Common) -> anyhow::Result<u8> {
    let state = args
        .state
        .map(|name| {
            let known: Vec<&str> = RunState::ALL.iter().map(|state| state.name()).collect();
            RunState::from_name(&name).ok_or_else(|| {
                argument_hint(format!("there is no run state {name:?}"), format!("one of: {}", known.join(", ")))
            })
        })
        .transpose()?;
    let opened = Opened::new(common).await?;
    let since_ms = args.since.map(|since| since.as_millisecond());
    let runs = opened.ledger.runs(&RunFilter { pipeline: args.pipeline, state, since_ms, limit: args.limit }).await?;
    if common.json {
        let rows: Vec<_> = runs
            .iter()
            .map(|run| {
                json!({"run": run.id, "pipeline": run.pipeline, "slot": run.slot, "state": run.state, "reason": run.reason,
                       "artifact": run.artifact.as_ref().map(|artifact| &artifact.name)})
            })
            .collect();
        print_json(&rows)?;
        return Ok(exit::DONE);
    }
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            vec![
                run.id.clone(),
                run.pipeline.clone(),
                run.slot.clone(),
                run.state.name().to_owned(),
                run.artifact.as_ref().map(|artifact| artifact.name.clone()).unwrap_or_default(),
                run.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    print!("{}", text::table(&["RUN", "PIPELINE", "SLOT", "STATE", "ARTIFACT", "REASON"], &rows));
    Ok(exit::DONE)
}
