//! `doctor`: tests a destination step by step and shows the resulting delivery plan.

use std::fmt::Write as _;
use std::io::Write as _;

use super::opened::{Opened, argument_hint};
use super::{Common, exit, print_json};
use crate::deliver::doctor::{Advice, DoctorReport, DoctorStep, Probe, Scope, StepOutcome, Visit, probe};
use crate::run::document::utc;

#[derive(clap::Args)]
pub(super) struct DoctorArgs {
    /// The destination's name in the settings
    destination: String,
    /// The directory to test, as in a pipeline's `path` [default: the destination's base]
    #[arg(long, value_name = "DIRECTORY", default_value = "", hide_default_value = true)]
    path: String,
    /// Show the last result without a new test
    #[arg(long)]
    last: bool,
}

pub(super) async fn run(args: DoctorArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let destination = opened.destination(&args.destination)?;
    if crate::deliver::leaves_base(&args.path) {
        let hint = "name a directory below the destination's base";
        return Err(argument_hint(format!("{:?} is not a directory to deliver to", args.path), hint));
    }
    let (at_ms, found) = if args.last {
        let Some(saved) = opened.ledger.last_probe(&destination.name).await? else {
            let hint = format!("run `reportferry doctor {}` first", destination.name);
            return Err(argument_hint(format!("{} has not been probed yet", destination.name), hint));
        };
        if !common.json {
            print!("{}", saved.probe.steps.iter().map(render_step).collect::<String>());
        }
        (saved.at_ms, saved.probe)
    } else {
        let visit = Visit { path: args.path, now: opened.clock.now() };
        let json = common.json;
        let report = DoctorReport::new(move |step| {
            if !json {
                print!("{}", render_step(step));
                let _ = std::io::stdout().flush(); // a closed pipe does not stop the test
            }
        });
        let found = probe(destination, visit, report).await?;
        (opened.ledger.note_probe(&found).await?, found)
    };
    opened.ledger.close().await;
    if common.json {
        let mut document = serde_json::to_value(&found)?;
        document["at"] = utc(at_ms).into();
        print_json(&document)?;
    } else {
        print!("{}", conclusion(&found, at_ms));
    }
    Ok(if found.ok { exit::DONE } else { exit::FAILED })
}

/// Renders a step on one line, with its details and its hint below.
fn render_step(step: &DoctorStep) -> String {
    let sign = match step.outcome {
        StepOutcome::Done => "ok",
        StepOutcome::Refused => "no",
        StepOutcome::NotOffered => "--",
        StepOutcome::Failed => "FAILED",
    };
    let took = step.took_us as f64 / 1000.0;
    let line = format!("{sign:<6} {:<18} {took:>8.1} ms  {}", step.name, step.message);
    let mut text = format!("{}\n", line.trim_end());
    for detail in &step.details {
        let _ = writeln!(text, "{:>9}{:<28} {}", "", detail.what, detail.is);
    }
    if let Some(hint) = &step.hint {
        let _ = writeln!(text, "{:>9}{hint}", "");
    }
    text
}

fn conclusion(found: &Probe, at_ms: i64) -> String {
    let how = if found.ok { "deliveries can go there" } else { "deliveries cannot go there now" };
    let mut text = format!("\n{} ({}, {}): {how}\n", found.destination, found.address, utc(at_ms));
    for sentence in &found.plan {
        let _ = writeln!(text, "  {sentence}");
    }
    for path in &found.left_behind {
        let _ = writeln!(text, "  {path} could not be removed: remove it on the server.");
    }
    for (scope, head) in [
        (Scope::Destination, "settings for the destination"),
        (Scope::Delivery, "settings for pipelines that deliver there"),
    ] {
        let lines: Vec<String> =
            found.advice.iter().filter(|advice| advice.scope == scope).map(|advice| advised(found, advice)).collect();
        if !lines.is_empty() {
            let _ = writeln!(text, "{head}:\n{}", lines.join("\n"));
        }
    }
    text
}

fn advised(found: &Probe, advice: &Advice) -> String {
    let word = if advice.must { "needed" } else { "possible" };
    let below = match advice.scope {
        Scope::Destination => format!("{}.{}.", found.destination, found.kind),
        Scope::Delivery => String::new(),
    };
    format!("  {below}{}: {}    # {word}: {}", advice.key, advice.value, advice.why)
}
