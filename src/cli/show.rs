//! `show RUN`: one run's whole story.

use super::opened::Opened;
use super::{Common, exit, print_json, text};
use crate::run::document::Document;

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
    print!("{}", text::story(&opened.ledger.events(&run.id).await?, &opened.ledger.attempts(&run.id).await?));
    Ok(exit::DONE)
}
