//! One delivery of one run: attempts, recorded in the ledger, until it is final.

mod attempt;
mod rows;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use self::attempt::AttemptOutcome;
use super::{Requester, RunContext};
use crate::attempt::{Next, look_again};
use crate::deliver::{DeliveryMeta, Refused, Verdict};
use crate::encode::Artifact;
use crate::ledger::record::Delivery;
use crate::ledger::state::{DeliveryState, verdict_name};
use crate::ledger::{Ended, ExpectedPickup, LedgerError};
use crate::measure;
use crate::pipeline::plan::{AfterNameWait, DeliveryPlan, Existing, NameWait, Plan};

/// The time after which a delivery looks again if it is still behind an earlier one.
const BEHIND: SignedDuration = SignedDuration::from_secs(30);

/// The delivery of a run's artifact to one destination.
pub(super) struct DeliveryTask {
    pub context: RunContext,
    pub plan: Arc<Plan>,
    /// The index among the plan's deliveries.
    pub index: usize,
    pub run: String,
    pub artifact: Arc<Artifact>,
    pub meta: Arc<DeliveryMeta>,
    /// The worker skips what is not due yet or failed for good; a person may retry it.
    pub requester: Requester,
    /// No attempt starts after this.
    pub until: Timestamp,
}

impl DeliveryTask {
    fn delivery(&self) -> &DeliveryPlan {
        &self.plan.deliveries[self.index]
    }

    fn destination(&self) -> &str {
        &self.delivery().destination.name
    }

    /// Attempts the delivery until it is final or the next attempt would start too late. `delivery` is its present
    /// state. Returns true if this delivery completed the run.
    pub(super) async fn deliver(self: Arc<Self>, mut delivery: Delivery) -> Result<bool, LedgerError> {
        let ledger = &self.context.ledger;
        loop {
            // What has a receipt is never sent again, also if its reader refused rows.
            let is_over = delivery.state.is_settled() || delivery.receipt.is_some();
            if is_over || (self.requester == Requester::Worker && !self.is_due(&delivery)) {
                return Ok(false);
            }
            if self.waits_behind().await? {
                return Ok(false);
            }
            let permit = self.context.limits.attempt(&self.plan.name, &self.delivery().destination);
            let mut permit = tokio::select! {
                biased;
                () = self.context.stop.cancelled() => return Ok(false),
                permit = permit => permit,
            };
            let AttemptOutcome { number, verdict, published, is_void } = self.attempt(&delivery, &mut permit).await?;
            let verdict = self.at_deadline(&delivery, verdict);
            if let Verdict::Gone { reason } = &verdict {
                ledger.note_gone(self.destination(), Some(reason)).await?;
            }
            let next = match &verdict {
                _ if is_void => Next::End,
                Verdict::Refused { what, .. } => self.after_refusal(&delivery, *what).await?,
                verdict => self.next(&delivery, verdict, self.failures(&delivery, verdict).await?),
            };
            let ended = Ended {
                state: next.state(&verdict),
                reason: reason(&verdict),
                due_ms: next.due().map(|due| due.as_millisecond()),
                expected_pickup: ExpectedPickup::of(&self.delivery().destination.pickup),
                rows: self.artifact.rows,
            };
            let delivered = ledger.end_attempt(&self.run, self.destination(), number, &verdict, &ended).await?;
            measure::attempt(self.destination(), verdict_name(&verdict));
            self.log_outcome(number, &verdict, &ended);
            if let Some((session, intent)) = published {
                self.sweep(session, intent, number == 1).await;
            }
            drop(permit);
            let wait = match next {
                Next::At(due) if due <= self.until => due.duration_since(self.context.clock.now()),
                _ => return Ok(delivered),
            };
            tokio::select! {
                () = self.context.stop.cancelled() => return Ok(false),
                () = self.context.clock.sleep(wait.try_into().unwrap_or_default()) => {}
            }
            delivery = match ledger.delivery(&self.run, self.destination()).await? {
                Some(delivery) => delivery,
                None => return Ok(false),
            };
        }
    }

    /// Defers the delivery if it waits for its final name and that of an earlier slot is still open: a reader gets the
    /// files in the order of their slots.
    async fn waits_behind(&self) -> Result<bool, LedgerError> {
        if !matches!(self.delivery().existing, Existing::Wait(_)) {
            return Ok(false);
        }
        let (ledger, now) = (&self.context.ledger, self.context.clock.now());
        let Some(slot) = ledger.earlier_open_slot(&self.run, self.destination()).await? else { return Ok(false) };
        let due = now.saturating_add(BEHIND).unwrap_or(now).as_millisecond();
        let reason = format!("waits behind the delivery of the earlier slot {slot}");
        ledger.defer(&self.run, self.destination(), &reason, Some(due)).await?;
        Ok(true)
    }

    /// Rejects a delivery whose final name was not free by the deadline, where the pipeline says so.
    fn at_deadline(&self, delivery: &Delivery, verdict: Verdict) -> Verdict {
        let (Verdict::NameTaken { reason }, Existing::Wait(NameWait { deadline, then })) =
            (&verdict, self.delivery().existing)
        else {
            return verdict;
        };
        let (now, since) = self.span(delivery);
        if matches!(look_again(now, since, deadline), Next::At(_)) {
            return verdict;
        }
        let reason =
            format!("{reason}: its reader has not taken it away within the deadline; `retry` waits for it again");
        match then {
            AfterNameWait::Hold => Verdict::NameTaken { reason },
            AfterNameWait::Fail => Verdict::Rejected { reason, hint: None },
        }
    }

    fn is_due(&self, delivery: &Delivery) -> bool {
        match delivery.state {
            DeliveryState::Due | DeliveryState::Publishing => true,
            DeliveryState::Waiting => delivery.due_ms.is_none_or(|due| due <= self.context.clock.now_ms()),
            _ => false,
        }
    }

    /// Returns the consecutive failures, including this attempt. An acknowledged batch restarts the count, in the
    /// ledger too.
    async fn failures(&self, delivery: &Delivery, verdict: &Verdict) -> Result<u32, LedgerError> {
        let has_failed = matches!(verdict, Verdict::Retryable { .. } | Verdict::Unknown { .. });
        let lowered = match delivery.failures > 1 && has_failed {
            true => self.context.ledger.delivery(&self.run, self.destination()).await?,
            false => None,
        };
        let has_progressed = lowered.is_some_and(|now| now.failures < delivery.failures);
        Ok(if has_progressed { 1 } else { delivery.failures + 1 })
    }

    /// Returns when to retry: a refusal may be temporary if deliveries succeeded before.
    async fn after_refusal(&self, delivery: &Delivery, what: Refused) -> Result<Next, LedgerError> {
        let pipeline = match what {
            Refused::SignIn => None,
            // The directory of another pipeline is not evidence for this one.
            Refused::Directory => Some(self.plan.name.as_str()),
        };
        let before = self.context.ledger.refusals(&self.run, self.destination(), pipeline).await?;
        let (now, since) = self.span(delivery);
        let backoff = &self.delivery().destination.retry;
        Ok(backoff.after_refusal(now, since, before.refused.saturating_add(1), before.delivered))
    }

    /// Returns the present time and the start of the delivery's retry schedule.
    fn span(&self, delivery: &Delivery) -> (Timestamp, Timestamp) {
        let now = self.context.clock.now();
        (now, delivery.since_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(now))
    }

    fn next(&self, delivery: &Delivery, verdict: &Verdict, failed: u32) -> Next {
        let (now, since) = self.span(delivery);
        match verdict {
            Verdict::Retryable { wait, .. } => self.delivery().destination.retry.next(now, since, failed, *wait),
            Verdict::Unknown { .. } => self.delivery().destination.retry.next(now, since, failed, None),
            Verdict::NameTaken { .. } => match self.delivery().existing {
                Existing::Wait(NameWait { deadline, .. }) => look_again(now, since, deadline),
                Existing::Fail | Existing::Replace | Existing::Keep | Existing::Number => Next::End,
            },
            Verdict::Delivered(_)
            | Verdict::Skipped { .. }
            | Verdict::Rejected { .. }
            | Verdict::Refused { .. }
            | Verdict::HostKeyMismatch { .. }
            | Verdict::Gone { .. }
            | Verdict::Unconfirmed { .. }
            | Verdict::Partial { .. } => Next::End,
        }
    }

    /// Logs the outcome of an attempt. Nothing else does.
    fn log_outcome(&self, attempt: u32, verdict: &Verdict, ended: &Ended) {
        let (run, pipeline, destination) = (&self.run, &self.plan.name, self.destination());
        let reason = ended.reason.as_deref().unwrap_or_default();
        match verdict {
            Verdict::Delivered(receipt) => {
                measure::delivered(self.destination(), receipt.bytes);
                measure::rows("delivered", ended.rows);
                tracing::info!(run, pipeline, destination, attempt, path = receipt.path, "delivered");
                for note in &receipt.notes {
                    tracing::warn!(run, pipeline, destination, note, "delivered, with a note");
                }
            }
            Verdict::Skipped { .. } => tracing::info!(run, pipeline, destination, attempt, reason, "skipped"),
            Verdict::NameTaken { .. } if ended.state == DeliveryState::Waiting => {
                tracing::info!(run, pipeline, destination, attempt, reason, "waiting for the final name");
            }
            _ if ended.state == DeliveryState::Waiting => {
                let next = ended.due_ms.and_then(|due_ms| Timestamp::from_millisecond(due_ms).ok());
                let next = next.map(|due| due.to_string()).unwrap_or_default();
                tracing::warn!(run, pipeline, destination, attempt, reason, next, "not delivered, will retry");
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
            (Verdict::Refused { .. } | Verdict::NameTaken { .. }, Next::At(_)) => DeliveryState::Waiting,
            (Verdict::Rejected { .. } | Verdict::Refused { .. }, _) => DeliveryState::Rejected,
            (
                Verdict::HostKeyMismatch { .. }
                | Verdict::Gone { .. }
                | Verdict::Unconfirmed { .. }
                | Verdict::NameTaken { .. },
                _,
            ) => DeliveryState::Blocked,
            (Verdict::Partial { .. }, _) => DeliveryState::Partial,
            (Verdict::Retryable { .. } | Verdict::Unknown { .. }, Next::At(_)) => DeliveryState::Waiting,
            (Verdict::Retryable { .. } | Verdict::Unknown { .. }, Next::End) => DeliveryState::Failed,
        }
    }

    fn due(&self) -> Option<Timestamp> {
        match self {
            Next::At(due) => Some(*due),
            Next::End => None,
        }
    }
}

/// Returns why the artifact is not delivered, and how to fix it.
fn reason(verdict: &Verdict) -> Option<String> {
    let hint = match verdict {
        Verdict::Delivered(_) => return None,
        Verdict::Gone { .. } => Some("nothing more is sent there until you `retry`"),
        Verdict::Unconfirmed { .. } => Some(
            "look at the receiver; `retry RUN --rows unanswered` sends these again too, `retry RUN` only the others",
        ),
        verdict => verdict.hint(),
    };
    let reason = verdict.reason();
    Some(hint.map_or(reason.to_owned(), |hint| format!("{reason}; {hint}")))
}
