//! `complete KIND`: prints the names of one kind for the completion scripts, one a line.

use super::{Common, exit};
use crate::clock::Clock;
use crate::ledger::state::RunState;
use crate::ledger::{Ledger, RunFilter};
use crate::pipeline;
use crate::settings::{LedgerSettings, Settings};

#[derive(clap::Args)]
pub(super) struct CompleteArgs {
    kind: Kind,
}

/// A kind of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    Pipelines,
    Runs,
    Destinations,
    Tenants,
    DestinationsAndTenants,
    States,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pipelines => "pipelines",
            Self::Runs => "runs",
            Self::Destinations => "destinations",
            Self::Tenants => "tenants",
            Self::DestinationsAndTenants => "destinations-and-tenants",
            Self::States => "states",
        }
    }

    /// Returns the kind of an argument's values by their name in the help.
    pub(super) fn of_value(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "pipeline" | "pipelines" => Self::Pipelines,
            "run" | "runs" => Self::Runs,
            "destination" => Self::Destinations,
            "tenant" => Self::Tenants,
            "destination_or_tenant" => Self::DestinationsAndTenants,
            "state" => Self::States,
            _ => return None,
        })
    }
}

/// The newest runs that are offered.
const RUNS_MAX: u32 = 200;

/// Prints nothing if the names cannot be read: a shell has no place for a message.
pub(super) async fn run(args: CompleteArgs, common: &Common) -> anyhow::Result<u8> {
    for name in names(args.kind, common).await.unwrap_or_default() {
        println!("{name}");
    }
    Ok(exit::DONE)
}

async fn names(kind: Kind, common: &Common) -> Option<Vec<String>> {
    let settings = || Settings::load(common.config.as_deref(), &common.set).ok().map(|(settings, _)| settings);
    match kind {
        Kind::States => Some(RunState::ALL.iter().map(|state| state.name().to_owned()).collect()),
        Kind::Pipelines => {
            let files = pipeline::files(&settings()?.pipelines, &[], &mut Vec::new());
            Some(files.iter().filter_map(|file| Some(file.file_stem()?.to_string_lossy().into_owned())).collect())
        }
        Kind::Destinations => Some(settings()?.destinations.into_keys().collect()),
        Kind::DestinationsAndTenants => {
            let settings = settings()?;
            Some(settings.destinations.into_keys().chain(settings.tenants.into_keys()).collect())
        }
        Kind::Tenants => Some(settings()?.tenants.into_keys().collect()),
        Kind::Runs => {
            let settings = settings()?;
            // Opening a ledger would create it.
            if matches!(&settings.ledger, LedgerSettings::Sqlite(path) if !path.exists()) {
                return None;
            }
            let ledger = Ledger::open(&settings.ledger, Clock::System).await.ok()?;
            let runs = ledger.runs(&RunFilter { limit: RUNS_MAX, ..RunFilter::default() }).await.ok()?;
            ledger.close().await;
            Some(runs.into_iter().map(|run| run.id).collect())
        }
    }
}
