//! `pause PIPELINE`, `resume PIPELINE`: stops and restarts a pipeline's schedule.

use serde_json::json;

use super::opened::Opened;
use super::{Common, exit, print_json};
use crate::settings;

#[derive(clap::Args)]
pub(super) struct PauseArgs {
    /// The pipeline's name
    pipeline: String,
    /// The reason, shown by `status`
    #[arg(long, default_value = "")]
    because: String,
    /// The person who decides [default: the login name]
    #[arg(long)]
    by: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct ResumeArgs {
    /// The pipeline's name
    pipeline: String,
}

pub(super) async fn pause(args: PauseArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    opened.require_pipeline(&args.pipeline).await?;
    let by = args.by.unwrap_or_else(settings::login);
    let before = opened.ledger.paused(&args.pipeline).await?;
    let changed = opened.ledger.pause(&args.pipeline, Some((&by, &args.because))).await?;
    let outcome = match (before.is_some(), changed) {
        (false, _) => "is paused: its slots are skipped, with the reason, until `resume`".to_owned(),
        (true, true) => "is already paused; the new reason is recorded".to_owned(),
        (true, false) => "is already paused: its slots are skipped until `resume`".to_owned(),
    };
    print_outcome(common, &args.pipeline, true, &outcome)
}

pub(super) async fn resume(args: ResumeArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    opened.require_pipeline(&args.pipeline).await?;
    let changed = opened.ledger.pause(&args.pipeline, None).await?;
    let done = "resumes with its next slot; `backfill` schedules the skipped ones";
    print_outcome(common, &args.pipeline, false, if changed { done } else { "was not paused" })
}

fn print_outcome(common: &Common, pipeline: &str, paused: bool, outcome: &str) -> anyhow::Result<u8> {
    if common.json {
        print_json(&json!({"pipeline": pipeline, "paused": paused}))?;
    } else {
        println!("{pipeline} {outcome}");
    }
    Ok(exit::DONE)
}
