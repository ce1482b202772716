//! `completions SHELL`: prints a shell completion script.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Arguments, exit};

#[derive(clap::Args)]
pub(super) struct CompletionsArgs {
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "reportferry", &mut script);
    print!("{}", String::from_utf8_lossy(&script));
    Ok(exit::DONE)
}
