//! Tests a destination: how each step of a delivery to it goes, and the delivery plan that follows.

use std::sync::Arc;

use tokio::task::{JoinError, spawn_blocking};

pub use super::probe::{Advice, Detail, DoctorReport, DoctorStep, Probe, Scope, StepOutcome, Visit};
use super::{local, sftp, webhook};
use crate::settings::{Destination, DestinationKind};

/// Tests a destination step by step, and removes everything it made there.
///
/// # Errors
/// The test panicked.
pub async fn probe(destination: Arc<Destination>, visit: Visit, report: DoctorReport) -> Result<Probe, JoinError> {
    let name = destination.name.clone();
    let visited = spawn_blocking(move || match &destination.kind {
        DestinationKind::Sftp(sftp) => Ok(sftp::probe(sftp, &visit, report)),
        DestinationKind::Local(local) => Ok(local::doctor::probe(local, &visit, report)),
        DestinationKind::Webhook(webhook) => Err((webhook.clone(), visit, report)),
    });
    Ok(match visited.await? {
        Ok(probe) => Probe { destination: name, ..probe },
        Err((webhook, visit, report)) => webhook::doctor::probe(&name, &webhook, &visit, report).await,
    })
}
