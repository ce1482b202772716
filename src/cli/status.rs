//! `status`: what is due and how each pipeline stands.

use serde::Serialize;

use super::opened::Opened;
use super::{Common, exit, print_json, text};
use crate::pipeline;
use crate::pipeline::show::render;
use crate::run::document::utc;
use crate::schedule::slot::Slot;

#[derive(clap::Args)]
pub struct StatusArgs {}

/// One pipeline's line. Other tools rely on these names.
#[derive(Serialize)]
struct Standing {
    pipeline: String,
    /// The newest slot, RFC 3339 in the pipeline's zone.
    slot: Option<String>,
    run: Option<String>,
    state: Option<&'static str>,
    reason: Option<String>,
    /// When it last delivered, RFC 3339 in UTC.
    delivered: Option<String>,
    /// The next slot, RFC 3339 in the pipeline's zone.
    next: Option<String>,
}

pub async fn run(_args: StatusArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let loaded = pipeline::load_all(&opened.settings, &[]);
    let now = opened.clock.now();
    let mut standings = Vec::new();
    for plan in &loaded.plans {
        let newest = opened.ledger.newest(&plan.name).await?;
        let next = plan.schedule.as_ref().and_then(|schedule| schedule.cron.next_after(now, &plan.zone));
        standings.push(Standing {
            pipeline: plan.name.clone(),
            slot: newest.as_ref().map(|newest| newest.run.slot.clone()),
            run: newest.as_ref().map(|newest| newest.run.id.clone()),
            state: newest.as_ref().map(|newest| newest.run.state.name()),
            reason: newest.as_ref().and_then(|newest| newest.run.reason.clone()),
            delivered: newest.as_ref().and_then(|newest| newest.delivered_ms).map(utc),
            next: next.map(|at| Slot::new(&plan.name, at, plan.zone.clone()).rfc3339()),
        });
    }
    if common.json {
        print_json(&standings)?;
    } else {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let rows: Vec<Vec<String>> = standings
            .iter()
            .map(|standing| {
                vec![
                    standing.pipeline.clone(),
                    or_dash(&standing.slot),
                    standing.state.unwrap_or("-").to_owned(),
                    or_dash(&standing.delivered),
                    or_dash(&standing.next),
                    or_dash(&standing.run),
                    standing.reason.clone().unwrap_or_default(),
                ]
            })
            .collect();
        let head = ["PIPELINE", "LAST SLOT", "STATE", "LAST DELIVERED", "NEXT SLOT", "RUN", "REASON"];
        print!("{}", text::table(&head, &rows));
    }
    // A file that cannot be read hides a pipeline from the table: say so, and do not call it well.
    if loaded.failed() {
        eprint!("{}", render(&loaded.problems, super::color(), super::WIDTH));
        return Ok(exit::PROBLEM);
    }
    Ok(exit::DONE)
}
