//! `show RUN`: one run's whole story.

use super::opened::Opened;
use super::{Common, exit, print_json, text};
use crate::run::document::{Document, utc};

#[derive(clap::Args)]
pub struct ShowArgs {
    /// The run's id, or the beginning of it
    run: String,
}

pub async fn run(args: ShowArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let run = opened.run(&args.run).await?;
    let document = Document::of(&opened.ledger, &run).await?;
    if common.json {
        print_json(&document)?;
        return Ok(exit::DONE);
    }
    print!("{}", text::run(&document));
    if let Some(at_ms) = run.deadline_ms.filter(|_| !run.state.is_end()) {
        println!("  late      {}, unless it is delivered by then", utc(at_ms));
    }
    if let Some(at_ms) = run.wake_ms {
        println!("  next      {}, when the worker goes on with it", utc(at_ms));
    }
    print!("{}", text::story(&opened.ledger.events(&run.id).await?, &opened.ledger.attempts(&run.id).await?));
    Ok(exit::DONE)
}
