//! `reports TENANT`: the reports that a tenant's account sees, which pipelines use them, and their columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::opened::{argument_hint, settings, tenant};
use super::tenant::{columns, used};
use super::{Common, exit, print_json};
use crate::clock::Clock;
use crate::extract::{Account, ListedReport, Tenants};
use crate::pipeline::load_all;
use crate::pipeline::plan::{CsvInput, DoceboSource, Plan, Pull, ReportPull, ReportRef, Source, Via};
use crate::settings::{Settings, Tenant};

#[derive(clap::Args)]
pub(super) struct ReportsArgs {
    /// The tenant's name in the settings
    tenant: String,
    /// Reports, by ID or name, whose columns to show: each is exported once
    reports: Vec<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    tenant: &'a str,
    reports: Vec<ShownReport>,
}

#[derive(Serialize)]
struct ShownReport {
    #[serde(flatten)] // serialized only
    listed: ListedReport,
    /// The pipelines that use it.
    pipelines: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
}

pub(super) async fn run(args: ReportsArgs, common: &Common) -> anyhow::Result<u8> {
    let settings = settings(common)?;
    let tenant = tenant(&settings, &args.tenant)?;
    let tenants = Tenants::new(Clock::System);
    let refused = |error: crate::extract::ExtractError| match error.hint() {
        Some(hint) => argument_hint(error.to_string(), hint),
        None => anyhow::anyhow!("{error}"),
    };
    let account = Account::new(&tenant, &settings.limits, &tenants).await.map_err(refused)?;
    account.identify().await.map_err(refused)?;
    let listed = account.reports().await.map_err(refused)?;
    let plans = load_all(&settings, &[]).plans;
    let mut reports: Vec<ShownReport> =
        listed.into_iter().map(|listed| with_pipelines(listed, &plans, &tenant)).collect();
    for wanted in &args.reports {
        let found = reports.iter_mut().find(|report| report.listed.id == *wanted || report.listed.name == *wanted);
        let Some(report) = found else {
            let hint = format!("`reports {}` lists those that it sees", tenant.name);
            return Err(argument_hint(format!("the account sees no report {wanted:?}"), hint));
        };
        report.columns = Some(columns_of(report, &plans, &tenant, &settings, &tenants).await?);
    }
    if common.json {
        print_json(&Document { tenant: &tenant.name, reports })?;
    } else {
        print!("{}", table(&reports));
    }
    Ok(exit::DONE)
}

fn with_pipelines(listed: ListedReport, plans: &[Arc<Plan>], tenant: &Tenant) -> ShownReport {
    let using = used(plans, tenant).filter(|(_, source)| is_of(source, &listed));
    let mut pipelines: Vec<String> = using.map(|(plan, _)| plan.name.clone()).collect();
    pipelines.dedup();
    ShownReport { pipelines, columns: None, listed }
}

/// Returns true if the source is this report.
fn is_of(source: &DoceboSource, listed: &ListedReport) -> bool {
    match &source.pull {
        Pull::Report(ReportPull { report: ReportRef::Id(id), .. }) => *id == listed.id,
        Pull::Report(ReportPull { report: ReportRef::Name(name), .. }) => *name == listed.name,
        Pull::Records(_) => false,
    }
}

async fn columns_of(
    report: &ShownReport,
    plans: &[Arc<Plan>],
    tenant: &Arc<Tenant>,
    settings: &Settings,
    tenants: &Tenants,
) -> anyhow::Result<Vec<String>> {
    // A pipeline that uses it knows how its CSV is written.
    let (via, csv) = used(plans, tenant)
        .filter(|(_, source)| is_of(source, &report.listed))
        .find_map(|(_, source)| match &source.pull {
            Pull::Report(used) => Some((used.via, used.csv)),
            Pull::Records(_) => None,
        })
        .unwrap_or((Via::Download, CsvInput::default()));
    let report = ReportRef::Id(report.listed.id.clone());
    let pull = Pull::Report(ReportPull { report, via, csv });
    let source = Source::Docebo(DoceboSource { tenant: tenant.clone(), pull });
    columns(&source, None, BTreeMap::new(), settings, tenants).await
}

fn table(reports: &[ShownReport]) -> String {
    if reports.is_empty() {
        return "the account sees no reports: make one visible to it in Docebo\n".to_owned();
    }
    let mut text = String::new();
    for report in reports {
        let used = match report.pipelines.as_slice() {
            [] => String::new(),
            pipelines => format!("  used by {}", pipelines.join(", ")),
        };
        text.push_str(&format!("{}  {}{used}\n", report.listed.id, report.listed.name));
        for column in report.columns.iter().flatten() {
            text.push_str(&format!("    {column}\n"));
        }
    }
    text
}
