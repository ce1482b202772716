//! Arguments in, exit code out: one file per command, and the only place that prints.

#![allow(clippy::print_stdout, clippy::print_stderr)]

/// Works like the standard library's macro, but interrupts no work: a closed pipe (`| head`) is ignored, and another
/// failure becomes the exit code. All commands below use it.
macro_rules! print {
    ($($text:tt)*) => { $crate::cli::stdout::write(format_args!($($text)*)) };
}
macro_rules! println {
    () => { print!("\n") };
    ($($text:tt)*) => { print!("{}\n", format_args!($($text)*)) };
}
/// Works like the standard library's macro, but neither waits for a reader nor fails.
macro_rules! eprint {
    ($($text:tt)*) => { $crate::telemetry::print(format_args!($($text)*)) };
}
macro_rules! eprintln {
    ($($text:tt)*) => { eprint!("{}\n", format_args!($($text)*)) };
}

mod accept;
mod alert;
mod backfill;
mod bars;
pub mod check;
mod complete;
mod completions;
mod connect;
mod decide;
mod demo;
mod dismiss;
mod doctor;
mod evidence;
pub mod exit;
mod explain;
mod grid;
mod health;
pub mod init;
mod moment;
mod opened;
mod pause;
mod plan;
mod preview;
mod prune;
mod readers;
mod replay;
mod reports;
mod run;
mod runs;
pub mod sandbox;
pub mod schema;
mod scope;
mod show;
mod status;
mod stdout;
mod steps;
mod tenant;
mod test;
mod text;
mod trust;
mod verify;
mod version;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde::Serialize;

use crate::run::RunError;
use crate::run::document::Document;
use crate::run::spool::SpoolError;
use crate::telemetry;
use crate::work::lock::TakenError;
use crate::yaml::problem::Problem;
use crate::yaml::render::render;

/// Delivers LMS reports to SFTP servers, webhooks and folders, on schedule, with receipts.
#[derive(Parser)]
#[command(name = "reportferry", version, long_version = version::LONG.as_str(), max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// The options of every command.
#[derive(clap::Args, Clone)]
pub struct Common {
    /// The settings file [default: reportferry.yaml]
    #[arg(long, global = true, value_name = "FILE", env = "REPORTFERRY_CONFIG")]
    pub config: Option<PathBuf>,
    /// Set one settings key, as in `--set tenants.acme.username=svc`; overrides the file and the environment
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Print one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Subcommand)]
#[allow(clippy::large_enum_variant)] // created once
enum Command {
    /// Write settings, an example pipeline and the schema into a folder
    Init(init::Args),
    /// Read all files and show every problem in them
    Check(check::Args),
    /// Show when a pipeline is due next, and what it may send where
    Plan(plan::PlanArgs),
    /// Show what a pipeline does in plain sentences, for the person who approves it
    Explain(explain::ExplainArgs),
    /// Show a pipeline's first rows, and what a step or all of them make of them; nothing is requested or delivered
    Preview(preview::PreviewArgs),
    /// Run the tests of pipeline files, without network and without deliveries
    Test(test::TestArgs),
    /// Run pipelines now
    Run(run::RunArgs),
    /// Run the worker: all pipelines on schedule, until it is stopped
    Work(work::WorkArgs),
    /// Show what is due and the state of each pipeline
    Status(status::StatusArgs),
    /// List runs, the newest first
    Runs(runs::RunsArgs),
    /// Show one run with its history and attempts
    Show(show::ShowArgs),
    /// Continue a run, or the failed runs of a pipeline, where they stopped
    Retry(decide::RetryArgs),
    /// Send the same bytes again, from the spool
    Replay(replay::ReplayArgs),
    /// Compare the files at the destinations with the receipts
    Verify(verify::VerifyArgs),
    /// Write one run's evidence as a document to keep
    Evidence(evidence::EvidenceArgs),
    /// Schedule past slots
    Backfill(backfill::BackfillArgs),
    /// Pause a pipeline: its slots are skipped
    Pause(pause::PauseArgs),
    /// Resume a paused pipeline
    Resume(pause::ResumeArgs),
    /// Remove what is older than the settings' `keep`
    Prune(prune::PruneArgs),
    /// Deliver a held run: exactly the bytes that were held
    Release(decide::ReleaseArgs),
    /// Discard a held run: it is never delivered
    Reject(decide::RejectArgs),
    /// Make a run's columns or its account's assignments what later runs are compared with
    Accept(accept::AcceptArgs),
    /// End a run that waits or is to be tried again: it is never delivered
    Cancel(dismiss::CancelArgs),
    /// Mark failed runs as handled: `status` no longer lists them
    Dismiss(dismiss::DismissArgs),
    /// Test a destination step by step, with a probe file that is removed again; or a tenant
    Doctor(doctor::DoctorArgs),
    /// List the reports that a tenant's account sees, and show their columns
    Reports(reports::ReportsArgs),
    /// List the known readers, or show what the profile of one fixes
    Readers(readers::ReadersArgs),
    /// Show what a tenant's account can reach, against what the pipelines need
    Scope(scope::ScopeArgs),
    /// Show a server's host keys, and accept them
    Trust(trust::TrustArgs),
    /// Print the JSON Schema of pipeline or settings files
    Schema(schema::Args),
    /// Send a test alert
    Alert(alert::AlertArgs),
    /// Ask the running worker whether it is ready, as a container's probe does
    Health(health::HealthArgs),
    /// Print a shell completion script
    Completions(completions::CompletionsArgs),
    /// Print the names that completion scripts offer
    #[command(hide = true)]
    Complete(complete::CompleteArgs),
    /// Run a simulated Docebo to practise on
    Sandbox(sandbox::Args),
    /// Run the example pipelines against a sandbox and a private SFTP server
    Demo(demo::DemoArgs),
}

/// The problems in files or arguments that end a command.
#[derive(Debug, thiserror::Error)]
#[error("{} problems in the files", .0.len())]
pub struct Problems(pub Vec<Problem>);

/// The width in columns to which problems are rendered.
const WIDTH: usize = 120;

/// Longest time that a command takes to end after it was interrupted.
const INTERRUPT_MAX: Duration = Duration::from_secs(2);

/// Reads the process's arguments and runs the command.
pub fn main() -> ExitCode {
    telemetry::print_panics();
    let code = match Arguments::try_parse() {
        Ok(arguments) => execute(arguments),
        Err(error) => refuse_arguments(&error),
    };
    let code = if stdout::flush() { code } else { exit::UNEXPECTED };
    telemetry::flush();
    ExitCode::from(code)
}

fn execute(arguments: Arguments) -> u8 {
    let json = arguments.common.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the async runtime: {error}");
            return exit::UNEXPECTED;
        }
    };
    // The worker handles signals itself, and a display that is refreshed ends by one.
    let handles_signals = match &arguments.command {
        Command::Work(_) => true,
        Command::Status(args) => args.watch.is_some(),
        _ => false,
    };
    let code = runtime.block_on(async {
        // In a task of its own: signals are handled while the command blocks its thread.
        let mut command = tokio::spawn(dispatch(arguments.command, arguments.common));
        tokio::select! {
            outcome = &mut command => match outcome {
                Ok(outcome) => outcome.unwrap_or_else(|error| explain(&error, json)),
                Err(_) => exit::UNEXPECTED, // it panicked, and the panic is printed
            },
            () = stop_signal(), if !handles_signals => {
                command.abort();
                let _ = tokio::time::timeout(INTERRUPT_MAX, command).await; // processes that it started end with it
                let message = "interrupted: the ledger has the progress, and the same command continues from there";
                report(exit::INTERRUPTED, message, &[], json)
            }
        }
    });
    // A thread that still waits for a server must not keep the process alive: every step is safe to interrupt.
    runtime.shutdown_background();
    code
}

async fn dispatch(command: Command, common: Common) -> anyhow::Result<u8> {
    let common = &common;
    match command {
        Command::Init(args) => init::run(&args),
        Command::Check(args) => check::run(&args, common).await,
        Command::Plan(args) => plan::run(args, common).await,
        Command::Explain(args) => explain::run(args, common).await,
        Command::Preview(args) => preview::run(args, common).await,
        Command::Test(args) => test::run(args, common).await,
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
        Command::Accept(args) => accept::run(args, common).await,
        Command::Cancel(args) => dismiss::cancel(args, common).await,
        Command::Dismiss(args) => dismiss::dismiss(args, common).await,
        Command::Doctor(args) => doctor::run(args, common).await,
        Command::Reports(args) => reports::run(args, common).await,
        Command::Readers(args) => readers::run(&args, common),
        Command::Scope(args) => scope::run(args, common).await,
        Command::Trust(args) => trust::run(args, common).await,
        Command::Schema(args) => schema::run(&args),
        Command::Alert(args) => alert::run(args, common).await,
        Command::Health(args) => health::run(args, common).await,
        Command::Completions(args) => completions::run(&args),
        Command::Complete(args) => complete::run(args, common).await,
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Demo(args) => demo::run(args, common).await,
    }
}

/// Reports arguments that cannot be parsed, or prints the requested help or version.
fn refuse_arguments(error: &clap::Error) -> u8 {
    // The arguments could not be parsed, `--json` among them.
    if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
        let text = error.render().to_string();
        let message = text.trim().strip_prefix("error: ").unwrap_or(text.trim()).to_owned();
        return report(exit::PROBLEM, &message, &[], true);
    }
    let text = error.render();
    if error.use_stderr() {
        eprint!("{text}");
        return exit::PROBLEM;
    }
    print!("{text}");
    exit::DONE
}

/// Prints why a command ends, as text on standard error or as JSON on standard output. Returns `code`.
fn report(code: u8, message: &str, problems: &[Problem], json: bool) -> u8 {
    if json {
        let problems: Vec<_> = problems.iter().map(crate::yaml::render::json).collect();
        let error = serde_json::json!({"code": code, "message": message, "problems": problems});
        println!("{:#}", serde_json::json!({"version": VERSION, "error": error}));
    } else if problems.is_empty() {
        eprintln!("error: {message}");
    } else {
        eprint!("{}", render(problems, color(), WIDTH));
    }
    code
}

/// Reports an error and returns its exit code.
fn explain(error: &anyhow::Error, json: bool) -> u8 {
    if let Some(found @ Problems(problems)) = error.downcast_ref() {
        let message = match problems.as_slice() {
            [one] => one.to_string(),
            _ => found.to_string(),
        };
        return report(exit::PROBLEM, &message, problems, json);
    }
    let is_broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref().is_some_and(|error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(is_broken_pipe) {
        return exit::DONE;
    }
    let waits = error.chain().any(|cause| cause.downcast_ref().is_some_and(RunError::is_disk_full));
    let code = match (is_busy(error), waits) {
        (true, _) => exit::BUSY,
        (false, true) => exit::WAITING,
        (false, false) => exit::UNEXPECTED,
    };
    report(code, &format!("{error:#}"), &[], json)
}

/// Returns true if another process works on what the command needs.
fn is_busy(error: &anyhow::Error) -> bool {
    use crate::run::replay::ReplayError;
    error.chain().any(|cause| {
        // Transparent errors are not in the chain of those that hold them.
        let spool = cause.downcast_ref().or_else(|| match (cause.downcast_ref(), cause.downcast_ref()) {
            (Some(RunError::Spool(spool)), _) | (_, Some(ReplayError::Run(RunError::Spool(spool)))) => Some(spool),
            _ => None,
        });
        matches!(spool, Some(SpoolError::Busy { .. })) || matches!(cause.downcast_ref(), Some(TakenError::Taken { .. }))
    })
}

/// Returns true if standard error should be coloured.
fn color() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr()) && crate::settings::wants_color()
}

/// The version of the `--json` documents. Adding names does not change it; changing one does.
const VERSION: u32 = 1;

/// A document, preceded by its version.
#[derive(Serialize)]
struct Versioned<'a, T> {
    version: u32,
    #[serde(flatten)] // serialized only, so flattening degrades no error message
    document: &'a T,
}

/// Prints one JSON object whose first member is the version.
fn print_json(document: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(&Versioned { version: VERSION, document })?);
    Ok(())
}

/// Prints the document of runs.
fn print_runs(runs: &[Document]) -> anyhow::Result<()> {
    print_json(&serde_json::json!({"runs": runs}))
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// Parses `500ms`, `10s`, `2h`.
fn duration(text: &str) -> Result<Duration, String> {
    crate::yaml::scalars::parse_length(text)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}
