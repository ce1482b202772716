//! `work`: the worker.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::opened::Opened;
use super::{Common, exit};
use crate::alert::{Alerts, Rules};
use crate::serve::{self, Board, Sources};
use crate::settings::Settings;
use crate::work::shift::{self, End, Order, Shift, TakenError};

#[derive(clap::Args)]
pub struct WorkArgs {}

pub async fn run(_args: WorkArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let _lock = shift::lock(&opened.settings.data).map_err(|error| match error {
        taken @ TakenError::Taken { .. } => super::opened::argument_hint(
            taken.to_string(),
            "one worker does all its pipelines; `reportferry status` says since when it works",
        ),
        other => other.into(),
    })?;
    let orders = orders()?;
    let common = common.clone();
    let reread = Box::new(move || Settings::load(common.config.as_deref(), &common.set));
    let line = opened.line();
    let board = Board::default();
    let stop = CancellationToken::new();
    let _stops = stop.clone().drop_guard();
    if let Some(address) = opened.settings.http {
        let sources = Sources {
            settings: opened.settings.clone(),
            ledger: opened.ledger.clone(),
            tenants: line.tenants.clone(),
            clock: opened.clock.clone(),
            board: board.clone(),
        };
        serve::start(address, sources, stop.clone()).await?;
    }
    let rules = Rules::default();
    // Also where no channel is named: one may be named while it works.
    let alerts = Alerts::new(opened.ledger.clone(), opened.clock.clone(), rules.clone());
    tokio::spawn(alerts.run(stop.clone()));
    let end = Shift::new(line, reread, board, rules).work(orders).await?;
    opened.ledger.close().await;
    Ok(match end {
        End::Stopped => exit::DONE,
        End::Interrupted => exit::INTERRUPTED,
    })
}

/// SIGTERM and SIGINT stop, SIGHUP reloads.
fn orders() -> anyhow::Result<mpsc::Receiver<Order>> {
    let (tell, orders) = mpsc::channel(4);
    for (kind, order) in [
        (SignalKind::terminate(), Order::Stop),
        (SignalKind::interrupt(), Order::Stop),
        (SignalKind::hangup(), Order::Reload),
    ] {
        let mut signals = signal(kind)?;
        let tell = tell.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if tell.send(order).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(orders)
}
