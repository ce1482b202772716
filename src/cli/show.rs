//! `show RUN`: shows one run with its history and attempts.

use super::opened::Opened;
use super::{Common, exit, print_runs, text};
use crate::run::document::{Document, utc};

#[derive(clap::Args)]
pub(super) struct ShowArgs {
    /// The run's ID, or a unique prefix of it
    run: String,
}

pub(super) async fn run(args: ShowArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let run = opened.run(&args.run).await?;
    let document = Document::of(&opened.ledger, &run).await?;
    if common.json {
        print_runs(&[document])?;
        return Ok(exit::DONE);
    }
    print!("{}", text::run(&document));
    if let Some(at_ms) = run.deadline_ms.filter(|_| !run.state.is_end()) {
        println!("  deadline  {}", utc(at_ms));
    }
    if let Some(at_ms) = run.next_run_at_ms {
        println!("  continues {}, by the worker", utc(at_ms));
    }
    print!("{}", text::history(&opened.ledger.events(&run.id).await?, &opened.ledger.attempts(&run.id).await?));
    Ok(exit::DONE)
}
