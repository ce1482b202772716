//! `check --connect`: tries what the pipelines use: tenants, reports with their columns, and destinations.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::steps::Shown;
use super::tenant;
use crate::clock::Clock;
use crate::deliver::doctor::{DoctorStep, StepOutcome, Visit};
use crate::extract::Tenants;
use crate::pipeline::plan::{Plan, Pull, Source};
use crate::settings::{Settings, read_blocking};

/// Tries everything that `plans` use. Returns the sections with their steps; each step is printed at once unless `json`.
pub(super) async fn connect(plans: &[Arc<Plan>], settings: &Settings, json: bool) -> anyhow::Result<Vec<Shown>> {
    let tenants = Tenants::new(Clock::System);
    let mut sections = Vec::new();
    for tenant in settings.tenants.values() {
        let mut shown = Shown::begin(&format!("tenant {}", tenant.name), json);
        let of_tenant: Vec<_> =
            plans.iter().filter(|plan| plan.tenants().contains(&tenant.name.as_str())).cloned().collect();
        if !of_tenant.is_empty() {
            if tenant::probe(tenant, &of_tenant, settings, &tenants, &mut shown).await {
                // Each plan once; the columns of records are the pipeline's own.
                let is_first = |plan: &&Arc<Plan>| {
                    plan.docebo_sources().next().is_some_and(|source| source.tenant.name == tenant.name)
                };
                let has_report =
                    |plan: &&Arc<Plan>| plan.docebo_sources().any(|source| matches!(source.pull, Pull::Report(_)));
                for plan in of_tenant.iter().filter(is_first).filter(has_report) {
                    columns(plan, settings, &tenants, &mut shown).await;
                }
            }
            sections.push(shown);
        }
    }
    let places: BTreeSet<(&str, &str)> = plans
        .iter()
        .flat_map(|plan| &plan.deliveries)
        .map(|delivery| (delivery.destination.name.as_str(), delivery.directory.as_str()))
        .collect();
    for (name, path) in places {
        let Some(destination) = settings.destinations.get(name) else { continue };
        let what = if path.is_empty() { format!("destination {name}") } else { format!("destination {name}, {path}") };
        let mut shown = Shown::begin(&what, json);
        let visit = Visit { path: path.to_owned(), now: Clock::System.now() };
        let found = crate::deliver::doctor::probe(destination.clone(), visit, Shown::listener(json)).await?;
        shown.steps = found.steps;
        shown.ok = found.ok;
        sections.push(shown);
    }
    Ok(sections)
}

/// Exports the report of `plan` once and compares its columns with those that the transform uses.
async fn columns(plan: &Arc<Plan>, settings: &Settings, tenants: &Tenants, shown: &mut Shown) {
    let Some(artifacts) = plan.several() else {
        return columns_of(plan, &plan.name, settings, tenants, shown).await;
    };
    for (key, part) in artifacts.of_rows() {
        columns_of(part, &format!("{}, {key}", plan.name), settings, tenants, shown).await;
    }
}

async fn columns_of(plan: &Arc<Plan>, name: &str, settings: &Settings, tenants: &Tenants, shown: &mut Shown) {
    let (step, begun) = (format!("columns of {name}"), Instant::now());
    let reading = plan.clone();
    let found = match read_blocking(move || reading.read_secrets()).await {
        Ok(secrets) => tenant::columns(&plan.source, Some(plan), secrets, settings, tenants).await,
        Err(error) => Err(error.into()),
    };
    shown.step(match found {
        Ok(columns) => {
            let message = format!("the report has every column that is used; {} are written", columns.len());
            DoctorStep::done(&step, begun.elapsed(), message)
        }
        Err(error) => {
            let failed = DoctorStep::new(&step, StepOutcome::Failed, begun.elapsed(), format!("{error:#}"));
            match &plan.source {
                Source::Docebo(docebo) => {
                    failed.hint(format!("`reports {} REPORT` shows a report's columns", docebo.tenant.name))
                }
                Source::File(_) => failed,
            }
        }
    });
}
