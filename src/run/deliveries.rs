//! artifact → receipts: every destination on its own; then the run's end follows from theirs.

use std::sync::Arc;

use super::delivery::Share;
use super::{Ask, Stop, Work};
use crate::deliver::{About, Receipt};
use crate::encode::Artifact;
use crate::ledger::record::{Delivery, Run};
use crate::ledger::state::{DeliveryState, RunState};
use crate::measure::{self, Stage};
use crate::pipeline::plan::DeliveryPlan;
use crate::settings::{DestinationKind, WebhookBody};

impl Work<'_> {
    /// Every destination on its own, side by side; those that tell where the others have it come after them.
    pub(super) async fn deliver(&self, run: &mut Run, artifact: Artifact) -> Result<(), Stop> {
        // The worker takes up what is at this stage because it is awake: there is nothing to write down.
        let known = self.ask == Ask::Worker && run.state == RunState::Delivering;
        if !known && run.state != RunState::Delivered {
            self.line.ledger.advance(run, RunState::Delivering, None).await?;
        }
        let known = self.line.ledger.deliveries(&run.id).await?;
        let open = known.iter().filter(|delivery| !delivery.state.is_settled()).count() as u64;
        self.line.progress.deliver.expect(artifact.bytes * open);
        let artifact = Arc::new(artifact);
        let begun = self.line.clock.now();
        let mut delivered = self.deliver_to(run, &artifact, known, false).await?;
        if self.plan.deliveries.iter().any(tells) {
            match self.others(run).await? {
                Others::Settled(known) => delivered |= self.deliver_to(run, &artifact, known, true).await?,
                Others::Open(due_ms) => {
                    for delivery in self.plan.deliveries.iter().filter(|delivery| tells(delivery)) {
                        self.line.ledger.put_off(&run.id, &delivery.destination.name, due_ms).await?;
                    }
                }
            }
        }
        measure::stage(Stage::Deliver, self.line.clock.now().duration_since(begun).unsigned_abs());
        if delivered && run.state != RunState::Delivered {
            (run.state, run.reason) = (RunState::Delivered, None);
            // Others than those it waited for may still be to come.
            if self.plan.deliveries.len() > 1 {
                self.line.ledger.rest(&run.id, false).await?;
            }
            self.spool.drop_extract();
            return Ok(());
        }
        let Some((end, reason)) = self.end(run).await? else { return Ok(()) };
        if end == RunState::Delivered {
            match run.state {
                RunState::Delivered => self.line.ledger.rest(&run.id, false).await?,
                _ => self.line.ledger.advance(run, end, None).await?,
            }
            self.spool.drop_extract();
            return Ok(());
        }
        Err(Stop::End { state: end, reason })
    }

    /// To all that tell, or all that do not. Says whether that brought the run to its end: it is delivered.
    async fn deliver_to(
        &self,
        run: &Run,
        artifact: &Arc<Artifact>,
        known: Vec<Delivery>,
        telling: bool,
    ) -> Result<bool, Stop> {
        let dropped = if telling { known.iter().flat_map(dropped).collect() } else { Vec::new() };
        let about = Arc::new(About { pipeline: self.plan.name.clone(), slot: run.slot.clone(), dropped });
        let share = |known: Delivery| {
            let planned = |(_, planned): &(usize, &DeliveryPlan)| planned.destination.name == known.destination;
            let (index, delivery) = self.plan.deliveries.iter().enumerate().find(planned)?;
            let share = Share {
                line: self.line.clone(),
                plan: self.plan.clone(),
                index,
                run: run.id.clone(),
                artifact: artifact.clone(),
                about: about.clone(),
                ask: self.ask,
                until: self.until,
            };
            (tells(delivery) == telling).then(|| Arc::new(share).deliver(known))
        };
        let mut delivered = false;
        for outcome in futures_util::future::join_all(known.into_iter().filter_map(share)).await {
            delivered |= outcome?;
        }
        Ok(delivered)
    }

    /// Whether the required destinations have it that a notice is to tell of.
    async fn others(&self, run: &Run) -> Result<Others, Stop> {
        let deliveries = self.line.ledger.deliveries(&run.id).await?;
        let open: Vec<&Delivery> =
            deliveries.iter().filter(|delivery| self.is_awaited(delivery) && !delivery.state.is_settled()).collect();
        Ok(match open.is_empty() {
            true => Others::Settled(deliveries),
            false => Others::Open(open.iter().filter_map(|delivery| delivery.due_ms).min()),
        })
    }

    /// Whether a notice waits for this delivery: the run does, and it is none itself.
    fn is_awaited(&self, delivery: &Delivery) -> bool {
        let planned = self.plan.deliveries.iter().find(|planned| planned.destination.name == delivery.destination);
        delivery.required && !planned.is_some_and(tells)
    }

    /// What the deliveries that the run waits for say of it; `None` while one of them is still to come.
    async fn end(&self, run: &mut Run) -> Result<Option<(RunState, String)>, Stop> {
        use DeliveryState as D;
        let deliveries = self.line.ledger.deliveries(&run.id).await?;
        let over = deliveries
            .iter()
            .any(|delivery| self.is_awaited(delivery) && matches!(delivery.state, D::Held | D::Failed | D::Rejected));
        // A notice of what did not arrive is not waited for.
        let counts = |delivery: &&Delivery| {
            delivery.required && (self.is_awaited(delivery) || delivery.state.is_settled() || !over)
        };
        let required = || deliveries.iter().filter(counts);
        let reasons = |state: DeliveryState| {
            let of = required().filter(|delivery| delivery.state == state);
            of.map(|d| format!("{}: {}", d.destination, d.reason.as_deref().unwrap_or_default()))
                .collect::<Vec<_>>()
                .join("; ")
        };
        let any = |state: DeliveryState| required().any(|delivery| delivery.state == state);
        let end = if any(D::Due) || any(D::Publishing) || any(D::Waiting) {
            let reason = reasons(D::Waiting);
            if run.state == RunState::Delivering {
                self.line.ledger.advance(run, RunState::Delivering, Some(&reason)).await?;
            }
            None
        } else if any(D::Held) {
            Some((RunState::Held, reasons(D::Held)))
        } else if any(D::Failed) {
            Some((RunState::Failed, reasons(D::Failed)))
        } else if any(D::Rejected) {
            Some((RunState::Rejected, reasons(D::Rejected)))
        } else if required().next().is_some() && required().all(|delivery| delivery.state == D::Skipped) {
            Some((RunState::Skipped, reasons(D::Skipped)))
        } else {
            Some((RunState::Delivered, String::new()))
        };
        Ok(end)
    }
}

enum Others {
    /// All deliveries as they stand.
    Settled(Vec<Delivery>),
    /// When the next of them is tried again, if one is.
    Open(Option<i64>),
}

/// Whether the delivery tells where the others have the artifact.
fn tells(delivery: &DeliveryPlan) -> bool {
    match &delivery.destination.kind {
        DestinationKind::Webhook(webhook) => webhook.body == WebhookBody::Notice,
        DestinationKind::Sftp(_) | DestinationKind::Local(_) => false,
    }
}

/// Where a delivery's files lie: destination, address, path.
fn dropped(delivery: &Delivery) -> Vec<(String, String, String)> {
    let Some(Receipt { address, path, files, .. }) = delivery.receipt.as_ref().map(|stored| &stored.receipt) else {
        return Vec::new();
    };
    let paths = if files.is_empty() { vec![path] } else { files.iter().map(|file| &file.path).collect() };
    paths.into_iter().map(|path| (delivery.destination.clone(), address.clone(), path.clone())).collect()
}
