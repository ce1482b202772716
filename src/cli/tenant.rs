//! A tenant step by step: sign-in, account, reports, and the columns of a report. Used by `doctor TENANT`,
//! `reports TENANT` and `check --connect`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::steps::Shown;
use crate::deliver::doctor::{DoctorStep, StepOutcome};
use crate::expect;
use crate::extract::{self, Account, ExtractError, Level, ListedReport, Tenants};
use crate::pipeline::plan::{DoceboSource, Plan, Pull, ReportPull, ReportRef, Source};
use crate::progress::{Meter, Progress};
use crate::run::{step_inputs, with_causes};
use crate::secret::Secret;
use crate::settings::{Settings, Tenant};
use crate::transform::{Input, StepInputs, Transform, TransformError};

/// Signs in, and compares the reports that the account sees with those that `plans` use. Returns true if all can be
/// fetched.
pub(super) async fn probe(
    tenant: &Arc<Tenant>,
    plans: &[Arc<Plan>],
    settings: &Settings,
    tenants: &Tenants,
    shown: &mut Shown,
) -> bool {
    let Some(reports) = sign_in(tenant, settings, tenants, shown).await else { return false };
    let mut ok = true;
    for (plan, source) in used(plans, tenant) {
        ok &= match &source.pull {
            Pull::Report(pull) => report(plan, pull, &reports, tenant, shown),
            Pull::Records(_) => records(plan, source, settings, tenants, shown).await,
        };
    }
    ok
}

/// Shows if the account sees the report of a pipeline. Returns true if it does.
fn report(plan: &Plan, pull: &ReportPull, reports: &[ListedReport], tenant: &Tenant, shown: &mut Shown) -> bool {
    let step = format!("report of {}", plan.name);
    let name = |name: &str| reports.iter().filter(|known| known.name == name).count();
    let problem = match &pull.report {
        ReportRef::Id(id) if reports.iter().any(|known| known.id == *id) => None,
        ReportRef::Id(id) => Some(format!("the account does not see report {id}")),
        ReportRef::Name(text) if name(text) == 1 => None,
        ReportRef::Name(text) if name(text) == 0 => Some(format!("the account sees no report named {text:?}")),
        ReportRef::Name(text) => Some(format!("{} reports are named {text:?}: write the ID", name(text))),
    };
    let ok = problem.is_none();
    shown.step(match problem {
        None => DoctorStep::done(&step, Default::default(), "visible"),
        Some(problem) => DoctorStep::new(&step, StepOutcome::Failed, Default::default(), problem).hint(format!(
            "make it visible to {} in Docebo; `reports {}` lists",
            identity_of(tenant),
            tenant.name
        )),
    });
    ok
}

/// Asks for one record of a pipeline's list. Returns true if the account may read it.
async fn records(
    plan: &Plan,
    source: &DoceboSource,
    settings: &Settings,
    tenants: &Tenants,
    shown: &mut Shown,
) -> bool {
    let (step, begun) = (format!("records of {}", plan.name), Instant::now());
    let asked = match extract::Source::of_docebo(source, &settings.limits, tenants).await {
        Ok(source) => source.probe().await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(()) => shown.step(DoctorStep::done(&step, begun.elapsed(), "the account may read them")),
        Err(error) => return shown.failed::<()>(&step, begun, &error).is_some(),
    }
    true
}

/// Signs in and lists the reports; shows each step. Returns `None` after a step that failed.
async fn sign_in(
    tenant: &Arc<Tenant>,
    settings: &Settings,
    tenants: &Tenants,
    shown: &mut Shown,
) -> Option<Vec<ListedReport>> {
    let account = match Account::new(tenant, &settings.limits, tenants).await {
        Ok(account) => account,
        Err(error) => return shown.failed("address", Instant::now(), &error),
    };
    let begun = Instant::now();
    match account.identify().await {
        Ok(identity) => {
            let level = match &identity.level {
                Level::PowerUser => "a Power User".to_owned(),
                Level::User => "a user without administration".to_owned(),
                Level::Superadmin => "a SUPERADMIN, which `level: any` accepts".to_owned(),
                Level::Unknown(level) => format!("of the unknown level {level:?}, which `level: any` accepts"),
            };
            let found = format!("{} is {level}", identity.username);
            shown.step(DoctorStep::done("sign-in", begun.elapsed(), found).with("account id", &identity.id));
        }
        Err(error) => return shown.failed("sign-in", begun, &error),
    }
    let begun = Instant::now();
    match account.reports().await {
        Ok(reports) => {
            let found = format!("the account sees {}", reports.len());
            shown.step(DoctorStep::done("reports", begun.elapsed(), found));
            Some(reports)
        }
        Err(error) => shown.failed("reports", begun, &error),
    }
}

fn identity_of(tenant: &Tenant) -> &str {
    tenant.username().unwrap_or("the account of the client credentials")
}

/// Returns the plans with each of their sources in this tenant.
pub(super) fn used<'a>(
    plans: &'a [Arc<Plan>],
    tenant: &'a Tenant,
) -> impl Iterator<Item = (&'a Arc<Plan>, &'a DoceboSource)> {
    let sources = plans.iter().flat_map(|plan| plan.docebo_sources().map(move |docebo| (plan, docebo)));
    sources.filter(|(_, docebo)| docebo.tenant.name == tenant.name)
}

/// Exports the report once and returns the columns after the steps of `plan`; without a plan, the report's own.
///
/// # Errors
/// The report cannot be fetched, or the steps or expectations do not fit its columns.
pub(super) async fn columns(
    source: &Source,
    plan: Option<&Arc<Plan>>,
    secrets: BTreeMap<String, Secret>,
    settings: &Settings,
    tenants: &Tenants,
) -> anyhow::Result<Vec<String>> {
    let described = |error: ExtractError| match error.hint() {
        Some(hint) => anyhow::anyhow!("{error}; {hint}"),
        None => anyhow::anyhow!("{error}"),
    };
    let (csv, limits, plan) = (source.csv(), settings.limits, plan.cloned());
    std::fs::create_dir_all(&settings.data)?;
    // The rows are personal data: they stay in our own folder, and are removed with it.
    let folder = tempfile::Builder::new().prefix("columns-").tempdir_in(&settings.data)?;
    let pull = async |source: &Source, into: PathBuf| {
        let source = extract::Source::new(source, &limits, tenants).await?;
        let execution = source.start(None).await?;
        source.collect(&execution, &into, &Progress::default()).await
    };
    let extract = pull(source, folder.path().to_owned()).await.map_err(described)?;
    let mut others = Vec::new();
    for other in plan.iter().flat_map(|plan| &plan.others) {
        let into = folder.path().join(&other.name);
        others.push((other.name.clone(), pull(&other.source, into).await.map_err(described)?));
    }
    let read = move || {
        let meter = Meter::default();
        let read = extract.open(&limits)?;
        let step_inputs = plan.as_ref().map_or_else(StepInputs::default, |plan| step_inputs(plan, &others, &limits));
        let stop = CancellationToken::new();
        let input = Input { read, csv, limits, folder: folder.path(), meter: &meter, stop, step_inputs };
        let steps = plan.as_ref().map_or(&[][..], |plan| &plan.steps);
        let transform =
            Transform::open(input, steps, &secrets).map_err(|error| anyhow::anyhow!(with_causes(&error)))?;
        if let Some(plan) = &plan {
            expect::check_columns(&plan.expect, transform.header(), transform.columns())
                .map_err(|problems| anyhow::anyhow!(TransformError::Problems(problems)))?;
        }
        anyhow::Ok(transform.columns().to_vec())
    };
    tokio::task::spawn_blocking(read).await?
}
