//! `work`: runs the worker.

use std::fs::File;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::opened::Opened;
use super::{Common, Problems, exit};
use crate::alert::{Alerts, Rules};
use crate::disk;
use crate::serve::{self, Sources, WorkerHealth};
use crate::settings::{LedgerSettings, Settings};
use crate::telemetry;
use crate::work::commands::{Commander, Commands};
use crate::work::event_loop::{End, EventLoop};
use crate::work::lock::lock;
use crate::yaml::problem::Severity;

#[derive(clap::Args)]
pub(super) struct WorkArgs {}

/// Longest time that the worker takes to end at once.
const INTERRUPT_MAX: Duration = Duration::from_secs(3);
/// Longest wait for the ledger to close.
const CLOSE_MAX: Duration = Duration::from_secs(5);

pub(super) async fn run(_args: WorkArgs, common: &Common) -> anyhow::Result<u8> {
    // Before anything that may wait: settings on a slow disk, a lock, a database that does not respond.
    let (commander, commands) = Commands::new();
    handle_signals(&commander)?;
    tokio::spawn(end_at_once(commands.clone()));
    let starting = tokio::spawn(open(common.clone()));
    let abort = starting.abort_handle();
    let (opened, _lock) = tokio::select! {
        biased;
        () = commands.stop(1) => {
            abort.abort();
            return Ok(exit::DONE);
        }
        opened = starting => opened??,
    };
    let common = common.clone();
    let reread = Box::new(move || Settings::load(common.config.as_deref(), &common.set));
    let context = opened.context();
    let health = WorkerHealth::default();
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    if let Some(address) = opened.settings.http {
        if !address.ip().is_loopback() {
            tracing::warn!(%address, "the page has no sign-in: whoever reaches it reads pipeline names and metrics");
        }
        let sources = Sources {
            settings: opened.settings.clone(),
            ledger: opened.ledger.clone(),
            tenants: context.tenants.clone(),
            clock: opened.clock.clone(),
            health: health.clone(),
        };
        serve::start(address, sources, stop.clone()).await?;
    }
    let rules = Rules::default();
    // Started without channels too: a reload may add one.
    let alerts = Alerts::new(opened.ledger.clone(), opened.clock.clone(), rules.clone());
    tokio::spawn(alerts.run(stop.clone()));
    let end = EventLoop::new(context, reread, health, rules).work(commands).await?;
    let _ = tokio::time::timeout(CLOSE_MAX, opened.ledger.close()).await; // what is committed stays so
    Ok(match end {
        End::Stopped => exit::DONE,
        End::Interrupted => exit::INTERRUPTED,
    })
}

/// Opens settings and ledger, and locks out other workers.
async fn open(common: Common) -> anyhow::Result<(Opened, File)> {
    let opened = Opened::new(&common).await?;
    let lock = lock(&opened.settings.data)?;
    opened.ledger.lock_for_worker().await?;
    let settings = opened.settings.clone();
    tokio::task::spawn_blocking(move || keep_private(&settings)).await??;
    Ok((opened, lock))
}

/// Takes permissions from others: of folders and files that an earlier version made, or somebody changed. Warns of
/// secrets that others may read.
///
/// # Errors
/// There is such a secret, and the settings are strict.
fn keep_private(settings: &Settings) -> Result<(), Problems> {
    let ledger = match &settings.ledger {
        LedgerSettings::Sqlite(path) => Some(path.as_path()),
        LedgerSettings::Postgres(_) => None,
    };
    let tightened = disk::tighten(&settings.data, ledger);
    if tightened > 0 {
        let folder = settings.data.display();
        tracing::info!(%folder, tightened, "others may no longer read these folders and files");
    }
    let mut exposed = settings.exposed_secrets();
    if settings.strict && !exposed.is_empty() {
        exposed.iter_mut().for_each(|problem| problem.severity = Severity::Error);
        return Err(Problems(exposed));
    }
    for warning in exposed {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// Turns signals into commands: SIGTERM and SIGINT stop, SIGHUP reloads.
fn handle_signals(commander: &Commander) -> anyhow::Result<()> {
    type Give = fn(&Commander);
    for (kind, give) in [
        (SignalKind::terminate(), Commander::stop as Give),
        (SignalKind::interrupt(), Commander::stop),
        (SignalKind::hangup(), Commander::reload),
    ] {
        let mut signals = signal(kind)?;
        let commander = commander.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                give(&commander);
            }
        });
    }
    Ok(())
}

/// Ends the process after a second request to stop, also if something blocks the worker.
async fn end_at_once(commands: Commands) {
    commands.stop(2).await;
    tokio::time::sleep(INTERRUPT_MAX).await;
    telemetry::flush();
    std::process::exit(exit::INTERRUPTED.into());
}
