//! `run PIPELINE…`: one run now, with progress bars on a terminal.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::bars::Bars;
use super::opened::Opened;
use super::{Common, duration, exit, print_json, text};
use crate::pipeline::plan::{FileSource, Source};
use crate::run::{Ask, Line};
use crate::schedule::slot::Slot;

#[derive(clap::Args)]
pub struct RunArgs {
    /// Pipelines by name, or their files
    #[arg(required = true)]
    pipelines: Vec<String>,
    /// The slot, RFC 3339; now unless told
    #[arg(long, value_name = "TIME")]
    slot: Option<Timestamp>,
    /// Take the rows from this CSV instead of the source
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// How long to keep trying before the rest is left to `retry` or the worker
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub wait: Duration,
}

pub async fn run(args: RunArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let now = opened.clock.now();
    let mut plans = Vec::new();
    for pipeline in &args.pipelines {
        let mut plan = opened.plan(pipeline)?;
        if let Some(from) = &args.from {
            plan.source = Source::File(FileSource { path: std::path::absolute(from)? });
        }
        plans.push(Arc::new(plan));
    }
    let mut documents = Vec::new();
    for plan in plans {
        let slot = Slot::new(&plan.name, args.slot.unwrap_or(now), plan.zone.clone());
        let line: Line = opened.line();
        let bars = Bars::draw(&format!("{}  slot {}", plan.name, slot.rfc3339()), &line.progress);
        let before = opened.ledger.run(&slot.run_id()).await?.map(|run| run.state);
        let keep = jiff::SignedDuration::try_from(opened.settings.keep.runs).unwrap_or(jiff::SignedDuration::MAX);
        if before.is_none() && now.duration_since(slot.at.timestamp()) > keep {
            eprintln!(
                "{}: the slot is older than keep.runs: if it was delivered once, the ledger has forgotten",
                plan.name
            );
        }
        let document = line.run(&plan, &slot, Ask::Slot, args.wait).await;
        drop(bars);
        let document = document?;
        if before == Some(document.state) && document.state.is_end() {
            eprintln!("{}: slot {} is {} already", plan.name, slot.rfc3339(), document.state.name());
        }
        if !common.json {
            print!("{}", text::run(&document));
        }
        documents.push(document);
    }
    opened.ledger.close().await;
    if common.json {
        match documents.as_slice() {
            [one] => print_json(one)?,
            several => print_json(&several)?,
        }
    }
    // The worst end speaks for all: a failure before a hold, a hold before success.
    let worst = documents.iter().map(|document| exit::of(document.state)).max_by_key(|code| match *code {
        exit::FAILED => 2,
        exit::HELD => 1,
        _ => 0,
    });
    Ok(worst.unwrap_or(exit::DONE))
}
