//! Arguments in, exit code out: one file per command, and the only place that prints.

#![allow(clippy::print_stdout, clippy::print_stderr)]

/// As the standard library's, but a reader that has seen enough (`| head`) is no fault. All commands below use it.
macro_rules! print {
    ($($words:tt)*) => { $crate::cli::put(format_args!($($words)*)) };
}
macro_rules! println {
    () => { print!("\n") };
    ($($words:tt)*) => { print!("{}\n", format_args!($($words)*)) };
}

mod alert;
mod backfill;
mod bars;
pub mod check;
mod completions;
mod decide;
mod demo;
mod doctor;
mod evidence;
pub mod exit;
pub mod init;
mod moment;
mod opened;
mod pause;
mod plan;
mod prune;
mod replay;
mod run;
mod runs;
pub mod sandbox;
pub mod schema;
mod show;
mod status;
mod text;
mod trust;
mod verify;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::pipeline::problem::Problem;
use crate::pipeline::show::render;

/// Carries scoped LMS reports to SFTP drops, on schedule, with proof.
#[derive(Parser)]
#[command(name = "reportferry", version, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(clap::Args, Clone)]
pub struct Common {
    /// The settings file [default: reportferry.yaml]
    #[arg(long, global = true, value_name = "FILE", env = "REPORTFERRY_CONFIG")]
    pub config: Option<PathBuf>,
    /// Set one settings key, as `--set tenants.acme.username=svc`; stronger than the file and the environment
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// One JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Subcommand)]
#[allow(clippy::large_enum_variant)] // made once
enum Command {
    /// Write settings, an example pipeline and the schema into a folder
    Init(init::Args),
    /// Read all files and show every problem in them
    Check(check::Args),
    /// When a pipeline is due next, and what it may send where
    Plan(plan::PlanArgs),
    /// One run now
    Run(run::RunArgs),
    /// The worker: runs all pipelines on schedule until it is asked to stop
    Work(work::WorkArgs),
    /// What is due and how each pipeline stands
    Status(status::StatusArgs),
    /// What happened
    Runs(runs::RunsArgs),
    /// One run's whole story
    Show(show::ShowArgs),
    /// Take up a run again where it stopped
    Retry(decide::RetryArgs),
    /// Send the same bytes again, from the spool
    Replay(replay::ReplayArgs),
    /// Compare what lies at the destinations with the receipts
    Verify(verify::VerifyArgs),
    /// One run's evidence, as a document to keep
    Evidence(evidence::EvidenceArgs),
    /// Enter past slots to be done
    Backfill(backfill::BackfillArgs),
    /// Keep a pipeline from being due
    Pause(pause::PauseArgs),
    /// Let a paused pipeline go on
    Resume(pause::ResumeArgs),
    /// Remove what is older than the settings' `keep` says
    Prune(prune::PruneArgs),
    /// Let a held run pass
    Release(decide::ReleaseArgs),
    /// End a held run: it is never delivered
    Reject(decide::RejectArgs),
    /// Look at a destination step by step, with a probe file that is removed again
    Doctor(doctor::DoctorArgs),
    /// Show a server's host keys, and accept them
    Trust(trust::TrustArgs),
    /// The JSON Schema of the files that people write
    Schema(schema::Args),
    /// Try the channels by which alerts go
    Alert(alert::AlertArgs),
    /// What a shell completes commands by
    Completions(completions::CompletionsArgs),
    /// A Docebo to practise on
    Sandbox(sandbox::Args),
    /// The one-command tour: a sandbox, a private SFTP server, the example pipelines
    Demo(demo::DemoArgs),
}

/// Problems in files or arguments, on their way to whoever asked.
#[derive(Debug, thiserror::Error)]
#[error("{} problems in the files", .0.len())]
pub struct Problems(pub Vec<Problem>);

/// Columns that problems are drawn for.
const WIDTH: usize = 120;

/// Reads the process's arguments and does what they say.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the async runtime: {error}");
            return ExitCode::from(exit::UNEXPECTED);
        }
    };
    // The worker has an answer of its own to being asked to stop.
    let stops_itself = matches!(arguments.command, Command::Work(_));
    let code = runtime.block_on(async {
        tokio::select! {
            outcome = dispatch(arguments.command, &arguments.common) => outcome.unwrap_or_else(|error| explain(&error)),
            () = asked_to_stop(), if !stops_itself => {
                eprintln!("interrupted: what was begun is in the ledger, and the same command goes on from there");
                exit::INTERRUPTED
            }
        }
    });
    // A thread that still waits for a server must not keep the process: every step is safe to lose.
    runtime.shutdown_background();
    ExitCode::from(code)
}

async fn dispatch(command: Command, common: &Common) -> anyhow::Result<u8> {
    match command {
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args, common),
        Command::Plan(args) => plan::run(args, common).await,
        Command::Run(args) => run::run(args, common).await,
        Command::Work(args) => work::run(args, common).await,
        Command::Status(args) => status::run(args, common).await,
        Command::Runs(args) => runs::run(args, common).await,
        Command::Show(args) => show::run(args, common).await,
        Command::Retry(args) => decide::retry(args, common).await,
        Command::Replay(args) => replay::run(args, common).await,
        Command::Verify(args) => verify::run(args, common).await,
        Command::Evidence(args) => evidence::run(args, common).await,
        Command::Backfill(args) => backfill::run(args, common).await,
        Command::Pause(args) => pause::pause(args, common).await,
        Command::Resume(args) => pause::resume(args, common).await,
        Command::Prune(args) => prune::run(args, common).await,
        Command::Release(args) => decide::release(args, common).await,
        Command::Reject(args) => decide::reject(args, common).await,
        Command::Doctor(args) => doctor::run(args, common).await,
        Command::Trust(args) => trust::run(args, common).await,
        Command::Schema(args) => schema::run(&args),
        Command::Alert(args) => alert::run(args, common).await,
        Command::Completions(args) => completions::run(&args),
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Demo(args) => demo::run(args, common).await,
    }
}

/// From error to exit code, and the words for it.
fn explain(error: &anyhow::Error) -> u8 {
    if let Some(Problems(problems)) = error.downcast_ref() {
        eprint!("{}", render(problems, color(), WIDTH));
        return exit::PROBLEM;
    }
    let nobody_reads = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref().is_some_and(|error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(nobody_reads) {
        return exit::DONE;
    }
    eprintln!("error: {error:#}");
    exit::UNEXPECTED
}

/// Whether standard error takes colours.
fn color() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr()) && crate::settings::wants_color()
}

/// Writes to standard output. What is being done is not left half done because nobody reads on.
fn put(words: std::fmt::Arguments<'_>) {
    use std::io::{ErrorKind, Write};
    match std::io::stdout().write_fmt(words) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("error: cannot write to standard output: {error}");
            std::process::exit(exit::UNEXPECTED.into());
        }
        _ => {}
    }
}

/// Prints one JSON document.
fn print_json(document: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(document)?);
    Ok(())
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// `500ms`, `10s`, `2h`.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    crate::pipeline::scalars::parse_length(text)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}
