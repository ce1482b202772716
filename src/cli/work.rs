//! `work`: runs the worker.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::opened::Opened;
use super::{Common, exit};
use crate::alert::{Alerts, Rules};
use crate::serve::{self, Sources, WorkerHealth};
use crate::settings::Settings;
use crate::work::event_loop::{self, Command, End, EventLoop};

#[derive(clap::Args)]
pub(super) struct WorkArgs {}

pub(super) async fn run(_args: WorkArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let _lock = event_loop::lock(&opened.settings.data)?;
    opened.ledger.lock_for_worker().await?;
    let commands = commands()?;
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
    opened.ledger.close().await;
    Ok(match end {
        End::Stopped => exit::DONE,
        End::Interrupted => exit::INTERRUPTED,
    })
}

/// Turns signals into commands: SIGTERM and SIGINT stop, SIGHUP reloads.
fn commands() -> anyhow::Result<mpsc::Receiver<Command>> {
    let (sender, commands) = mpsc::channel(4);
    for (kind, command) in [
        (SignalKind::terminate(), Command::Stop),
        (SignalKind::interrupt(), Command::Stop),
        (SignalKind::hangup(), Command::Reload),
    ] {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if sender.send(command).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(commands)
}
