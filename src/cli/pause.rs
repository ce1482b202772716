//! `pause PIPELINE`, `resume PIPELINE`: a person keeps a pipeline from being due, and lets it go on.

use serde_json::json;

use super::opened::Opened;
use super::{Common, exit, print_json};
use crate::settings;

#[derive(clap::Args)]
pub struct PauseArgs {
    /// The pipeline's name
    pipeline: String,
    /// Why, for whoever looks at `status`
    #[arg(long, default_value = "")]
    why: String,
    /// Who says so [default: who is signed in]
    #[arg(long)]
    by: Option<String>,
}

#[derive(clap::Args)]
pub struct ResumeArgs {
    /// The pipeline's name
    pipeline: String,
}

pub async fn pause(args: PauseArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    opened.known(&args.pipeline).await?;
    let by = args.by.unwrap_or_else(settings::login);
    let changed = opened.ledger.pause(&args.pipeline, Some((&by, &args.why))).await?;
    let already = "paused already: its slots are skipped until `resume`";
    say(
        common,
        &args.pipeline,
        true,
        if changed { "paused: its slots are skipped, with the reason, until `resume`" } else { already },
    )
}

pub async fn resume(args: ResumeArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    opened.known(&args.pipeline).await?;
    let changed = opened.ledger.pause(&args.pipeline, None).await?;
    let done = "goes on with its next slot; `backfill` does those that were skipped";
    say(common, &args.pipeline, false, if changed { done } else { "was not paused" })
}

fn say(common: &Common, pipeline: &str, paused: bool, words: &str) -> anyhow::Result<u8> {
    if common.json {
        print_json(&json!({"pipeline": pipeline, "paused": paused}))?;
    } else {
        println!("{pipeline} {words}");
    }
    Ok(exit::DONE)
}
