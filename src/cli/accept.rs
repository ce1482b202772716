//! `accept RUN --header | --scope`: makes what a run found the baseline of later runs.

use serde_json::json;

use super::opened::{Opened, argument, argument_hint};
use super::{Common, exit, print_json};
use crate::expect::{AccountScope, Difference, Finding, header_difference, scope_changes};
use crate::ledger::record::Run;
use crate::ledger::{Accepted, BaselineKind};
use crate::pipeline::plan::Severity;
use crate::run::document::{Document, utc};
use crate::settings;

#[derive(clap::Args)]
pub(super) struct AcceptArgs {
    /// The run's ID, or a unique prefix of it
    run: String,
    /// The report's columns
    #[arg(long, required_unless_present = "scope", conflicts_with = "scope")]
    header: bool,
    /// What the source's account is assigned
    #[arg(long)]
    scope: bool,
    /// The reason, kept in the ledger
    #[arg(long)]
    because: Option<String>,
    /// The person who decides [default: the login name]
    #[arg(long)]
    by: Option<String>,
    /// Accept what is shown; without it, nothing changes
    #[arg(long)]
    yes: bool,
}

/// A run's header or assignments, compared with the accepted ones.
struct Comparison {
    /// Where the accepted value is from; `None` if there is none.
    now: Option<String>,
    difference: Difference,
    /// Neither has what the other has not.
    is_same: bool,
}

pub(super) async fn run(args: AcceptArgs, common: &Common) -> anyhow::Result<u8> {
    let kind = if args.header { BaselineKind::Header } else { BaselineKind::Scope };
    let opened = Opened::new(common).await?;
    let run = opened.run(&args.run).await?;
    if let Some(input) = &run.input {
        let what = format!("run {} is of the file {}, not of the source", run.id, input.path);
        return Err(argument_hint(what, "only runs of the source are compared with earlier ones"));
    }
    let comparison = match kind {
        BaselineKind::Header => compare_header(&opened, &run).await?,
        BaselineKind::Scope => compare_scope(&opened, &run).await?,
    };
    if comparison.is_same {
        let now = comparison.now.unwrap_or_default();
        return Err(argument(format!("nothing differs: run {} has the accepted {} {now}", run.id, kind.name())));
    }
    if args.yes {
        let by = args.by.unwrap_or_else(settings::login);
        opened.ledger.accept(&run, kind, &by, args.because.as_deref()).await?;
    }
    let next = match args.yes {
        true => Document::of(&opened.ledger, &run).await?.next,
        false => Some(format!("reportferry accept {} --{} --yes", run.id, kind.name())),
    };
    opened.ledger.close().await;
    if common.json {
        print_json(&json!({"accepted": args.yes, "run": run.id, "pipeline": run.pipeline, "kind": kind.name(),
                           "difference": comparison.difference, "next": next}))?;
        return Ok(exit::DONE);
    }
    print(&run, kind, comparison, args.yes, next.as_deref());
    Ok(exit::DONE)
}

fn print(run: &Run, kind: BaselineKind, comparison: Comparison, accepted: bool, next: Option<&str>) {
    let now = comparison.now.unwrap_or_else(|| "none is accepted yet".to_owned());
    println!("{}  {}", run.pipeline, kind.name());
    println!("  accepted  {now}");
    println!("  run       {}, slot {}", run.id, run.slot);
    let (expectation, message) = (String::new(), String::new());
    let finding = Finding { expectation, severity: Severity::Warn, message, difference: Some(comparison.difference) };
    for line in finding.lines() {
        println!("    {line}");
    }
    match accepted {
        true => println!("accepted: later runs of {} are compared with it", run.pipeline),
        false => println!("nothing was changed"),
    }
    if let Some(next) = next {
        println!("  next      {next}");
    }
}

async fn compare_header(opened: &Opened, run: &Run) -> anyhow::Result<Comparison> {
    let found = &run.checked.facts.header;
    if found.is_empty() {
        return Err(unknown(run, "the columns of the report"));
    }
    let accepted: Option<Accepted<Vec<String>>> = opened.ledger.accepted(&run.pipeline, BaselineKind::Header).await?;
    let before = accepted.as_ref().map(|accepted| accepted.value.as_slice()).unwrap_or_default();
    Ok(Comparison {
        is_same: before == found,
        difference: header_difference(before, found),
        now: accepted.as_ref().map(origin),
    })
}

async fn compare_scope(opened: &Opened, run: &Run) -> anyhow::Result<Comparison> {
    let Some(found) = &run.checked.facts.scope else {
        return Err(unknown(run, "what the account is assigned"));
    };
    let accepted: Option<Accepted<AccountScope>> = opened.ledger.accepted(&run.pipeline, BaselineKind::Scope).await?;
    let before = accepted.as_ref().map(|accepted| accepted.value.clone()).unwrap_or_default();
    Ok(Comparison {
        is_same: accepted.is_some() && before == *found,
        difference: Difference::Scope { changes: scope_changes(&before, found) },
        now: accepted.as_ref().map(origin),
    })
}

fn unknown(run: &Run, what: &str) -> anyhow::Error {
    let hint = format!("it is known once a run has read the report: `reportferry run {}`", run.pipeline);
    argument_hint(format!("run {} does not know {what}", run.id), hint)
}

/// Describes where an accepted value is from: `of run 1ce96314…, accepted by ann at …: the report was renamed`.
fn origin<T>(accepted: &Accepted<T>) -> String {
    let Accepted { run, at_ms, .. } = accepted;
    let who = match &accepted.by {
        Some(by) => format!("accepted by {by}"),
        None => "as delivered".to_owned(),
    };
    let because = accepted.because.as_deref().map(|because| format!(": {because}")).unwrap_or_default();
    format!("of run {run}, {who} at {}{because}", utc(*at_ms))
}
