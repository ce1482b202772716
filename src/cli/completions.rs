//! `completions SHELL`: prints a shell completion script. Those for bash and zsh also complete pipelines, runs, destinations,
//! tenants and states: they ask `complete KIND`.

use clap::{Arg, Command, CommandFactory};
use clap_complete::Shell;

use super::complete::Kind;
use super::{Arguments, exit};

#[derive(clap::Args)]
pub(super) struct CompletionsArgs {
    shell: Shell,
}

const NAME: &str = "reportferry";

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<u8> {
    print!("{}", script(args.shell));
    Ok(exit::DONE)
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(shell, &mut command, NAME, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => bash(&script, &command),
        Shell::Zsh => zsh(&script),
        _ => script,
    }
}

/// Returns the kind of an argument's values, by the name that the help gives them.
fn kind_of(arg: &Arg) -> Option<Kind> {
    let name = arg.get_value_names().and_then(|names| names.first());
    Kind::of_value(name.map_or(arg.get_id().as_str(), |name| name.as_str()))
}

/// Returns `generated` with a function before it that completes our own names, and leaves the rest to the generated one.
fn bash(generated: &str, command: &Command) -> String {
    let commands: Vec<&Command> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).collect();
    let (mut options, mut positional, mut with_value) = (String::new(), String::new(), Vec::new());
    for sub in &commands {
        for arg in sub.get_arguments().chain(command.get_arguments()) {
            let takes_value = arg.get_action().takes_values();
            if let Some(long) = arg.get_long().filter(|_| takes_value) {
                with_value.push(format!("--{long}"));
            }
            let Some(kind) = kind_of(arg).filter(|_| takes_value) else { continue };
            match arg.get_long() {
                Some(long) => {
                    options.push_str(&format!("        {},--{long}) kind={} ;;\n", sub.get_name(), kind.name()))
                }
                None => positional.push_str(&format!("            {}) kind={} ;;\n", sub.get_name(), kind.name())),
            }
        }
    }
    with_value.sort();
    with_value.dedup();
    let names: Vec<&str> = commands.iter().map(|sub| sub.get_name()).collect();
    let script = include_str!("completions/bash.sh")
        .replace("@COMMANDS@", &names.join("|"))
        .replace("@OPTIONS@\n", &options)
        .replace("@POSITIONAL@\n", &positional)
        .replace("@WITH_VALUE@", &with_value.join("|"));
    format!("{generated}\n{script}")
}

/// Returns the generated script in which our own names are completed by a function of ours.
fn zsh(generated: &str) -> String {
    const DEFAULT: &str = ":_default'";
    let replace = |line: &str| {
        let kind = line.contains(DEFAULT).then(|| zsh_value(line)).flatten();
        match kind.and_then(Kind::of_value) {
            Some(kind) => line.replace(DEFAULT, &format!(":_reportferry_values {}'", kind.name())),
            None => line.to_owned(),
        }
    };
    let mut lines = generated.lines().map(replace);
    let first = lines.next().unwrap_or_default(); // `#compdef`
    format!("{first}\n{}{}\n", include_str!("completions/zsh.sh"), lines.collect::<Vec<_>>().join("\n"))
}

/// Returns the name of the value in a line of zsh's `_arguments`: `':run -- The run:_default'`, `'--to=[…]:DESTINATION:_default'`.
fn zsh_value(line: &str) -> Option<&str> {
    let line = line.trim_start().trim_start_matches(['\'', '*', ':']);
    match line.split_once(" -- ") {
        Some((name, _)) if !name.starts_with('-') => Some(name),
        _ => line.split(':').rev().nth(1),
    }
}
