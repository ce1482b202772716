//! `scope [TENANT]`: shows what a tenant's account can reach, against what the pipelines need.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::opened::{argument, settings, tenant};
use super::{Common, Problems, exit, print_json};
use crate::clock::Clock;
use crate::extract::{ScopeCheck, Standing, Tenants, check_scope};
use crate::pipeline::load_all;
use crate::settings::{Settings, Tenant};

/// Sentences about a check.
mod answer;
/// The Markdown page.
mod page;
/// The text form.
mod view;

#[derive(clap::Args)]
pub(super) struct ScopeArgs {
    /// The tenant's name in the settings [default: all tenants]
    tenant: Option<String>,
    /// Also write a Markdown page to keep
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// The check of one tenant, or the reason for which there is none.
struct Checked {
    tenant: String,
    outcome: Result<ScopeCheck, String>,
}

impl Checked {
    fn document(&self) -> Value {
        match &self.outcome {
            Ok(check) => {
                let mut document = json!(check);
                document["answer"] = answer::answer(check).into();
                document["why_reads_are_enough"] = answer::why_reads(check).into();
                document
            }
            Err(error) => json!({"tenant": self.tenant, "error": error}),
        }
    }

    fn exit_code(&self) -> u8 {
        match self.outcome.as_ref().map(|check| check.standing) {
            Err(_) | Ok(Standing::Refused | Standing::Denied) => exit::FAILED,
            Ok(Standing::Excess) => exit::ATTENTION,
            Ok(Standing::Least) => exit::DONE,
        }
    }
}

pub(super) async fn run(args: ScopeArgs, common: &Common) -> anyhow::Result<u8> {
    let settings = settings(common)?;
    let checked_tenants = match &args.tenant {
        Some(name) => vec![tenant(&settings, name)?],
        None => settings.tenants.values().cloned().collect(),
    };
    if checked_tenants.is_empty() {
        return Err(argument("the settings have no tenant, so there is nothing to check"));
    }
    let checks = check_all(&checked_tenants, &settings).await?;
    let at = Clock::System.now();
    if let Some(path) = &args.markdown {
        std::fs::write(path, page::page(&checks, at))
            .map_err(|error| argument(format!("cannot write {}: {error}", path.display())))?;
        eprintln!("written to {}", path.display());
    }
    if common.json {
        let tenants: Vec<Value> = checks.iter().map(Checked::document).collect();
        print_json(&json!({"at": at.to_string(), "made_by": page::MADE_BY, "tenants": tenants}))?;
    } else {
        print!("{}", checks.iter().map(view::text).collect::<Vec<_>>().join("\n"));
    }
    let codes: Vec<u8> = checks.iter().map(Checked::exit_code).collect();
    Ok([exit::FAILED, exit::ATTENTION].into_iter().find(|code| codes.contains(code)).unwrap_or(exit::DONE))
}

/// Checks tenants one after the other.
///
/// # Errors
/// [`Problems`]: a pipeline's file is invalid, so what it needs is not known.
async fn check_all(checked_tenants: &[Arc<Tenant>], settings: &Settings) -> anyhow::Result<Vec<Checked>> {
    let loaded = load_all(settings, &[]);
    if loaded.failed() {
        return Err(Problems(loaded.problems).into());
    }
    let tenants = Tenants::new(Clock::System);
    let mut checks = Vec::new();
    for tenant in checked_tenants {
        let outcome = check_scope(tenant, &loaded.plans, &settings.limits, &tenants).await;
        let outcome = outcome.map_err(|error| match error.hint() {
            Some(hint) => format!("{error}; {hint}"),
            None => error.to_string(),
        });
        checks.push(Checked { tenant: tenant.name.clone(), outcome });
    }
    Ok(checks)
}
