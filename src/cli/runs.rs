//! `runs [PIPELINE]`: lists runs, the newest first.

use jiff::tz::TimeZone;
use serde_json::json;

use super::moment::Moment;
use super::opened::{Opened, argument_hint};
use super::{Common, exit, print_json, text};
use crate::ledger::RunFilter;
use crate::ledger::record::Run;
use crate::ledger::state::RunState;
use crate::pipeline::plan::Severity;

#[derive(clap::Args)]
pub(super) struct RunsArgs {
    /// Only this pipeline
    pipeline: Option<String>,
    /// Only this pipeline
    #[arg(long = "pipeline", value_name = "PIPELINE", conflicts_with = "pipeline")]
    of: Option<String>,
    /// Only runs in these states: failed,held
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<String>,
    /// Slots from this moment on: RFC 3339, a date (UTC), or how long ago (12h, 2d)
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    since: Option<Moment>,
    /// Slots up to this moment; a date means its whole day
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    until: Option<Moment>,
    /// The maximum number of runs
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

pub(super) async fn run(args: RunsArgs, common: &Common) -> anyhow::Result<u8> {
    let states = args.state.iter().map(|name| state(name)).collect::<anyhow::Result<Vec<_>>>()?;
    let opened = Opened::new(common).await?;
    let filter = RunFilter {
        pipeline: args.pipeline.or(args.of),
        states,
        since_ms: args.since.map(|since| since.since(&opened.clock, &TimeZone::UTC).as_millisecond()),
        until_ms: args.until.map(|until| until.until(&opened.clock, &TimeZone::UTC).as_millisecond()),
        limit: args.limit,
    };
    let runs = opened.ledger.runs(&filter).await?;
    if let (true, Some(pipeline)) = (runs.is_empty(), &filter.pipeline) {
        // A misspelt name has no runs either: report it.
        opened.require_pipeline(pipeline).await?;
    }
    if common.json {
        print_json(&json!({"runs": runs.iter().map(run_json).collect::<Vec<_>>()}))?;
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
                remark(run),
            ]
        })
        .collect();
    print!("{}", text::table(&["RUN", "PIPELINE", "SLOT", "STATE", "ARTIFACT", "REASON"], &rows));
    if runs.len() as u64 == u64::from(args.limit) {
        eprintln!("there may be more: raise --limit");
    }
    Ok(exit::DONE)
}

fn state(name: &str) -> anyhow::Result<RunState> {
    RunState::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = RunState::ALL.iter().map(|state| state.name()).collect();
        argument_hint(format!("there is no run state {name:?}"), format!("one of: {}", known.join(", ")))
    })
}

fn run_json(run: &Run) -> serde_json::Value {
    json!({"run": run.id, "pipeline": run.pipeline, "slot": run.slot, "state": run.state, "reason": run.reason,
           "origin": run.origin.name(), "warnings": warnings(run), "artifact": run.artifact.as_ref().map(|made| json!({"name": made.name, "bytes": made.bytes, "sha256": made.sha256}))})
}

/// Returns the number of expectations that were not met, and are warnings only.
fn warnings(run: &Run) -> usize {
    run.checked.findings.iter().filter(|finding| finding.severity == Severity::Warn).count()
}

/// Returns the reason for the run's state, and the number of its warnings.
fn remark(run: &Run) -> String {
    let reason = run.reason.clone().filter(|reason| !reason.is_empty());
    let warnings = match warnings(run) {
        0 => None,
        1 => Some("1 warning".to_owned()),
        count => Some(format!("{count} warnings")),
    };
    reason.into_iter().chain(warnings).collect::<Vec<_>>().join("; ")
}
