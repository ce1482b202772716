//! artifact → receipts: delivers to every destination independently and derives the run's final state.

use std::sync::Arc;

use super::delivery::DeliveryTask;
use super::{Requester, RunExecution, Stop};
use crate::deliver::{DeliveryMeta, Receipt};
use crate::encode::Artifact;
use crate::ledger::record::{Delivery, Run};
use crate::ledger::state::{DeliveryState, RunState};
use crate::measure::{self, Stage};
use crate::pipeline::plan::DeliveryPlan;
use crate::settings::WebhookBody;

impl RunExecution<'_> {
    /// Delivers to all destinations independently and concurrently; notices come after the others.
    pub(super) async fn deliver(&self, run: &mut Run, artifact: Artifact) -> Result<(), Stop> {
        // The worker resumes a run in this state because it is due: there is nothing to record.
        let recorded = self.requester == Requester::Worker && run.state == RunState::Delivering;
        if !recorded && run.state != RunState::Delivered {
            self.context.ledger.advance(run, RunState::Delivering, None).await?;
        }
        let deliveries = self.context.ledger.deliveries(&run.id).await?;
        let open = deliveries.iter().filter(|delivery| !delivery.state.is_settled()).count() as u64;
        self.context.progress.deliver.expect(artifact.bytes * open);
        let artifact = Arc::new(artifact);
        let begun = self.context.clock.now();
        let mut delivered = self.deliver_to(run, &artifact, deliveries, false).await?;
        if self.plan.deliveries.iter().any(is_notice) {
            match self.others(run).await? {
                Others::Settled(deliveries) => delivered |= self.deliver_to(run, &artifact, deliveries, true).await?,
                Others::Open(due_ms) => {
                    for delivery in self.plan.deliveries.iter().filter(|delivery| is_notice(delivery)) {
                        self.context
                            .ledger
                            .defer(&run.id, &delivery.destination.name, "waits for the other destinations", due_ms)
                            .await?;
                    }
                }
            }
        }
        measure::stage(Stage::Deliver, self.context.clock.now().duration_since(begun).unsigned_abs());
        if delivered && run.state != RunState::Delivered {
            (run.state, run.reason) = (RunState::Delivered, None);
            // Deliveries to optional destinations may still be open.
            if self.plan.deliveries.len() > 1 {
                self.context.ledger.reschedule(&run.id, false).await?;
            }
            self.spool.remove_extract();
            return Ok(());
        }
        let Some((end, reason)) = self.end(run).await? else { return Ok(()) };
        if end == RunState::Delivered {
            match run.state {
                RunState::Delivered => self.context.ledger.reschedule(&run.id, false).await?,
                _ => self.context.ledger.advance(run, end, None).await?,
            }
            self.spool.remove_extract();
            return Ok(());
        }
        Err(Stop::End { state: end, reason })
    }

    /// Delivers to the notices, or to all others. Returns true if that completed the run.
    async fn deliver_to(
        &self,
        run: &Run,
        artifact: &Arc<Artifact>,
        deliveries: Vec<Delivery>,
        notices: bool,
    ) -> Result<bool, Stop> {
        let delivered_to = if notices { deliveries.iter().flat_map(delivered_to).collect() } else { Vec::new() };
        let meta = Arc::new(DeliveryMeta { pipeline: self.plan.name.clone(), slot: run.slot.clone(), delivered_to });
        let task = |state: Delivery| {
            let planned = |(_, planned): &(usize, &DeliveryPlan)| planned.destination.name == state.destination;
            let (index, delivery) = self.plan.deliveries.iter().enumerate().find(planned)?;
            let task = DeliveryTask {
                context: self.context.clone(),
                plan: self.plan.clone(),
                index,
                run: run.id.clone(),
                artifact: artifact.clone(),
                meta: meta.clone(),
                requester: self.requester,
                until: self.until,
            };
            (is_notice(delivery) == notices).then(|| Arc::new(task).deliver(state))
        };
        let mut delivered = false;
        for outcome in futures_util::future::join_all(deliveries.into_iter().filter_map(task)).await {
            delivered |= outcome?;
        }
        Ok(delivered)
    }

    /// Returns the state of the deliveries that a notice waits for.
    async fn others(&self, run: &Run) -> Result<Others, Stop> {
        let deliveries = self.context.ledger.deliveries(&run.id).await?;
        let open: Vec<&Delivery> =
            deliveries.iter().filter(|delivery| self.is_awaited(delivery) && !delivery.state.is_settled()).collect();
        Ok(match open.is_empty() {
            true => Others::Settled(deliveries),
            false => Others::Open(open.iter().filter_map(|delivery| delivery.due_ms).min()),
        })
    }

    /// Returns true if a notice waits for this delivery: it is required and not a notice itself.
    fn is_awaited(&self, delivery: &Delivery) -> bool {
        let planned = self.plan.deliveries.iter().find(|planned| planned.destination.name == delivery.destination);
        delivery.required && !planned.is_some_and(is_notice)
    }

    /// Derives the run's final state from its required deliveries. Returns `None` while one of them is open.
    async fn end(&self, run: &mut Run) -> Result<Option<(RunState, String)>, Stop> {
        use DeliveryState as D;
        let deliveries = self.context.ledger.deliveries(&run.id).await?;
        let over = deliveries.iter().any(|delivery| {
            self.is_awaited(delivery) && matches!(delivery.state, D::Blocked | D::Failed | D::Partial | D::Rejected)
        });
        // A failed run does not wait for its notices.
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
                self.context.ledger.advance(run, RunState::Delivering, Some(&reason)).await?;
            }
            None
        } else if any(D::Blocked) {
            Some((RunState::Blocked, reasons(D::Blocked)))
        } else if any(D::Failed) {
            Some((RunState::Failed, reasons(D::Failed)))
        } else if any(D::Partial) {
            Some((RunState::Failed, reasons(D::Partial)))
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
    /// All deliveries in their present state.
    Settled(Vec<Delivery>),
    /// The time of the next retry, if any.
    Open(Option<i64>),
}

/// Returns true if the delivery only announces where the others put the artifact.
fn is_notice(delivery: &DeliveryPlan) -> bool {
    delivery.destination.webhook().is_some_and(|webhook| webhook.body == WebhookBody::Notice)
}

/// Returns destination, address and path of each delivered file.
fn delivered_to(delivery: &Delivery) -> Vec<(String, String, String)> {
    let Some(Receipt { address, path, files, .. }) = delivery.receipt.as_ref().map(|stored| &stored.receipt) else {
        return Vec::new();
    };
    let paths = if files.is_empty() { vec![path] } else { files.iter().map(|file| &file.path).collect() };
    paths.into_iter().map(|path| (delivery.destination.clone(), address.clone(), path.clone())).collect()
}
