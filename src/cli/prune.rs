//! `prune`: removes what is older than `keep`, on demand.

use serde_json::json;

use super::opened::Opened;
use super::{Common, exit, print_json, text};
use crate::run::prune::{Pruned, prune};

#[derive(clap::Args)]
pub(super) struct PruneArgs {
    /// Remove; without it, only count
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(args: PruneArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let pruned = prune(&opened.settings, &opened.ledger, &opened.clock, !args.yes).await?;
    if common.json {
        print_json(
            &json!({"runs": pruned.runs, "folders": pruned.folders, "extracts": pruned.extracts, "baselines": pruned.baselines, "bytes": pruned.bytes, "dry": !args.yes}),
        )?;
        return Ok(exit::DONE);
    }
    let Pruned { runs, folders, extracts, baselines, bytes } = pruned;
    let bytes = text::bytes(bytes);
    let summary = format!(
        "{runs} runs in the ledger, {folders} spool folders, {extracts} extracts and {baselines} unused baselines ({bytes})"
    );
    match args.yes {
        true => println!("removed: {summary}"),
        false => println!("would be removed: {summary}; `--yes` removes them"),
    }
    Ok(exit::DONE)
}
