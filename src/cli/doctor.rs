//! `doctor`: tests a destination or a tenant step by step, and shows the delivery plan that follows.

use std::fmt::Write as _;
use std::sync::Arc;

use super::opened::{Opened, argument_hint};
use super::steps::{Shown, render_step};
use super::{Common, exit, print_json};
use crate::deliver::doctor::{Advice, Probe, Scope, Visit, probe};
use crate::extract::Tenants;
use crate::pipeline::load_all;
use crate::run::document::utc;
use crate::settings::Tenant;

#[derive(clap::Args)]
pub(super) struct DoctorArgs {
    /// The name of a destination or a tenant in the settings
    destination_or_tenant: String,
    /// The directory to test, as in a pipeline's `path` [default: the destination's base]
    #[arg(long, value_name = "DIRECTORY", default_value = "", hide_default_value = true)]
    path: String,
    /// Show the last result without a new test
    #[arg(long)]
    last: bool,
}

pub(super) async fn run(args: DoctorArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    if let Some(tenant) = opened.settings.tenants.get(&args.destination_or_tenant) {
        return doctor_tenant(tenant, &opened, common).await;
    }
    let destination = opened.destination_or_tenant(&args.destination_or_tenant)?;
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
        let report = Shown::listener(common.json);
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

/// Tests a tenant: sign-in, account, and the reports that pipelines use.
async fn doctor_tenant(tenant: &Arc<Tenant>, opened: &Opened, common: &Common) -> anyhow::Result<u8> {
    let plans = load_all(&opened.settings, &[]).plans;
    let mut shown = Shown::begin(&format!("tenant {}", tenant.name), common.json);
    let tenants = Tenants::new(opened.clock.clone());
    let ok = super::tenant::probe(tenant, &plans, &opened.settings, &tenants, &mut shown).await;
    opened.ledger.close().await;
    if common.json {
        print_json(&shown)?;
    } else {
        let how = if ok { "its reports can be fetched" } else { "something it needs is missing" };
        print!("\n{} ({}): {how}\n", tenant.name, tenant.base);
    }
    Ok(if ok { exit::DONE } else { exit::FAILED })
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
