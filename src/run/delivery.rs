//! One delivery of one run: an attempt as the ledger sees it, again until it has an end.

mod attempt;

use std::sync::Arc;

use jiff::Timestamp;

use self::attempt::Attempted;
use super::{Ask, Line};
use crate::attempt::Next;
use crate::deliver::{About, Refused, Verdict};
use crate::encode::Artifact;
use crate::ledger::record::Delivery;
use crate::ledger::state::{DeliveryState, verdict_name};
use crate::ledger::{Awaited, Ended, LedgerError};
use crate::measure;
use crate::pipeline::plan::{DeliveryPlan, Plan};

/// One destination's share of a run.
pub(super) struct Share {
    pub line: Line,
    pub plan: Arc<Plan>,
    /// Which of the plan's deliveries this is.
    pub index: usize,
    pub run: String,
    pub artifact: Arc<Artifact>,
    pub about: Arc<About>,
    /// The worker leaves what is not due yet and what has failed for good; a person's word is stronger.
    pub ask: Ask,
    /// No attempt begins after this.
    pub until: Timestamp,
}

impl Share {
    fn delivery(&self) -> &DeliveryPlan {
        &self.plan.deliveries[self.index]
    }

    fn destination(&self) -> &str {
        &self.delivery().destination.name
    }

    /// Attempts until the delivery has an end, or leaves it waiting when the next attempt would come too late. `known` is
    /// how it stands now. Says whether it brought the run to its end: it is delivered.
    pub async fn deliver(self: Arc<Self>, mut known: Delivery) -> Result<bool, LedgerError> {
        let ledger = &self.line.ledger;
        loop {
            if known.state.is_settled() || (self.ask == Ask::Worker && !self.is_due(&known)) {
                return Ok(false);
            }
            let leave = self.line.gates.attempt(&self.plan.name, &self.delivery().destination);
            let mut leave = tokio::select! {
                biased;
                () = self.line.stop.cancelled() => return Ok(false),
                leave = leave => leave,
            };
            let Attempted { number, verdict, kept } = self.attempt(&known, &mut leave).await?;
            if let Verdict::Gone { reason } = &verdict {
                ledger.note_gone(self.destination(), Some(reason)).await?;
            }
            let next = match &verdict {
                Verdict::Refused { what, .. } => self.after_refusal(&known, *what).await?,
                verdict => self.next(&known, verdict, self.failures(&known, verdict).await?),
            };
            let ended = Ended {
                state: next.state(&verdict),
                reason: reason(&verdict),
                due_ms: next.due().map(|due| due.as_millisecond()),
                awaited: Awaited::of(&self.delivery().destination.pickup),
                rows: self.artifact.rows,
            };
            let delivered = ledger.end_attempt(&self.run, self.destination(), number, &verdict, &ended).await?;
            measure::attempt(self.destination(), verdict_name(&verdict));
            self.tell(number, &verdict, &ended);
            if let Some((session, intent)) = kept {
                self.sweep(session, intent, number == 1).await;
            }
            drop(leave);
            let wait = match next {
                Next::At(due) if due <= self.until => due.duration_since(self.line.clock.now()),
                _ => return Ok(delivered),
            };
            tokio::select! {
                () = self.line.stop.cancelled() => return Ok(false),
                () = self.line.clock.sleep(wait.try_into().unwrap_or_default()) => {}
            }
            known = match ledger.delivery(&self.run, self.destination()).await? {
                Some(known) => known,
                None => return Ok(false),
            };
        }
    }

    fn is_due(&self, known: &Delivery) -> bool {
        match known.state {
            DeliveryState::Due | DeliveryState::Publishing => true,
            DeliveryState::Waiting => known.due_ms.is_none_or(|due| due <= self.line.clock.now_ms()),
            _ => false,
        }
    }

    /// Failures in a row, this attempt's among them. An attempt in which a part was acknowledged is the first of a row: the
    /// ledger lowered the number then.
    async fn failures(&self, known: &Delivery, verdict: &Verdict) -> Result<u32, LedgerError> {
        let has_failed = matches!(verdict, Verdict::Unreached { .. } | Verdict::Unknown { .. });
        let lowered = match known.failures > 1 && has_failed {
            true => self.line.ledger.delivery(&self.run, self.destination()).await?,
            false => None,
        };
        let has_moved_on = lowered.is_some_and(|now| now.failures < known.failures);
        Ok(if has_moved_on { 1 } else { known.failures + 1 })
    }

    /// What was refused may be accepted another time, where deliveries succeeded before.
    async fn after_refusal(&self, known: &Delivery, what: Refused) -> Result<Next, LedgerError> {
        let pipeline = match what {
            Refused::SignIn => None,
            // Another pipeline's directory says nothing about this one.
            Refused::Directory => Some(self.plan.name.as_str()),
        };
        let before = self.line.ledger.refusals(&self.run, self.destination(), pipeline).await?;
        let (now, since) = self.span(known);
        let backoff = &self.delivery().destination.retry;
        Ok(backoff.after_refusal(now, since, before.refused.saturating_add(1), before.delivered))
    }

    /// Now, and when the delivery's schedule began.
    fn span(&self, known: &Delivery) -> (Timestamp, Timestamp) {
        let now = self.line.clock.now();
        (now, known.since_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(now))
    }

    fn next(&self, known: &Delivery, verdict: &Verdict, failed: u32) -> Next {
        let (now, since) = self.span(known);
        match verdict {
            Verdict::Unreached { wait, .. } => self.delivery().destination.retry.next(now, since, failed, *wait),
            Verdict::Unknown { .. } => self.delivery().destination.retry.next(now, since, failed, None),
            Verdict::Delivered(_)
            | Verdict::Skipped { .. }
            | Verdict::Rejected { .. }
            | Verdict::Refused { .. }
            | Verdict::Distrusted { .. }
            | Verdict::Gone { .. } => Next::End,
        }
    }

    /// The one place where an attempt's end is logged.
    fn tell(&self, attempt: u32, verdict: &Verdict, ended: &Ended) {
        let (run, pipeline, destination) = (&self.run, &self.plan.name, self.destination());
        let reason = ended.reason.as_deref().unwrap_or_default();
        match verdict {
            Verdict::Delivered(receipt) => {
                measure::delivered(self.destination(), receipt.bytes);
                tracing::info!(run, pipeline, destination, attempt, path = receipt.path, "delivered");
                for refused in &receipt.notes {
                    tracing::warn!(
                        run,
                        pipeline,
                        destination,
                        refused,
                        "delivered, although the destination refused this"
                    );
                }
            }
            Verdict::Skipped { .. } => tracing::info!(run, pipeline, destination, attempt, reason, "skipped"),
            _ if ended.state == DeliveryState::Waiting => {
                let next = ended.due_ms.and_then(|due_ms| Timestamp::from_millisecond(due_ms).ok());
                let next = next.map(|due| due.to_string()).unwrap_or_default();
                tracing::warn!(run, pipeline, destination, attempt, reason, next, "not delivered yet");
            }
            _ => tracing::error!(
                run,
                pipeline,
                destination,
                attempt,
                reason,
                state = ended.state.name(),
                "not delivered"
            ),
        }
    }
}

impl Next {
    fn state(&self, verdict: &Verdict) -> DeliveryState {
        match (verdict, self) {
            (Verdict::Delivered(_), _) => DeliveryState::Delivered,
            (Verdict::Skipped { .. }, _) => DeliveryState::Skipped,
            (Verdict::Refused { .. }, Next::At(_)) => DeliveryState::Waiting,
            (Verdict::Rejected { .. } | Verdict::Refused { .. }, _) => DeliveryState::Rejected,
            (Verdict::Distrusted { .. } | Verdict::Gone { .. }, _) => DeliveryState::Held,
            (Verdict::Unreached { .. } | Verdict::Unknown { .. }, Next::At(_)) => DeliveryState::Waiting,
            (Verdict::Unreached { .. } | Verdict::Unknown { .. }, Next::End) => DeliveryState::Failed,
        }
    }

    fn due(&self) -> Option<Timestamp> {
        match self {
            Next::At(due) => Some(*due),
            Next::End => None,
        }
    }
}

fn reason(verdict: &Verdict) -> Option<String> {
    let with_hint = |reason: &str, hint: &Option<String>| match hint {
        Some(hint) => format!("{reason}; {hint}"),
        None => reason.to_owned(),
    };
    match verdict {
        Verdict::Delivered(_) => None,
        Verdict::Skipped { reason } | Verdict::Unreached { reason, .. } | Verdict::Unknown { reason } => {
            Some(reason.clone())
        }
        Verdict::Gone { reason } => Some(format!("{reason}; nothing goes there any more until `retry` says so")),
        Verdict::Rejected { reason, hint }
        | Verdict::Refused { reason, hint, .. }
        | Verdict::Distrusted { reason, hint } => Some(with_hint(reason, hint)),
    }
}
