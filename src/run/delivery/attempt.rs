//! One delivery attempt: records the intent in the ledger, publishes the artifact, then sweeps temporary files.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::rows::Standing;
use super::{DeliveryTask, reason};
use crate::attempt::Repeats;
use crate::deliver::webhook::{AckedBatches, WebhookTarget};
use crate::deliver::{DeliveryRequest, Intent, Leftover, RemoteState, Session, Verdict};
use crate::ledger::record::Delivery;
use crate::ledger::{DeltaStanding, LedgerError, OpenBatches};
use crate::pipeline::plan::Existing;
use crate::run::Requester;
use crate::run::limits::Permit;
use crate::settings::Webhook;

/// A session, the names to publish under, and what an earlier attempt left on the server.
type Prepared = (Session, Intent, Option<RemoteState>);

/// The outcome of an attempt, and its session and intent if it succeeded.
pub(super) struct AttemptOutcome {
    pub number: u32,
    pub verdict: Verdict,
    pub published: Option<(Session, Intent)>,
    /// What was to be sent is not right any more: there is no next attempt.
    pub is_void: bool,
}

impl AttemptOutcome {
    fn failed(number: u32, verdict: Verdict) -> Self {
        Self { number, verdict, published: None, is_void: false }
    }
}

impl DeliveryTask {
    /// Connects, checks the progress of an earlier attempt, records the intent, and publishes.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        delivery: &Delivery,
        permit: &mut Permit,
    ) -> Result<AttemptOutcome, LedgerError> {
        let began = Instant::now();
        let outcome = match self.delivery().destination.webhook() {
            Some(webhook) => self.attempt_webhook(webhook, delivery).await?,
            None => self.attempt_files(delivery, permit).await?,
        };
        Ok(AttemptOutcome { verdict: self.with_fresh_secrets(outcome.verdict, began), ..outcome })
    }

    /// Has a refused delivery tried again if it used a secret kept from before the attempt, which may have been rotated
    /// since: the next attempt reads it anew.
    fn with_fresh_secrets(&self, verdict: Verdict, began: Instant) -> Verdict {
        match verdict {
            Verdict::Rejected { reason, hint } => match self.delivery().destination.forget_secrets(began) {
                true => Verdict::Retryable { reason, wait: None },
                false => Verdict::Rejected { reason, hint },
            },
            Verdict::Refused { what, reason, hint } => match self.delivery().destination.forget_secrets(began) {
                true => Verdict::Retryable { reason, wait: None },
                false => Verdict::Refused { what, reason, hint },
            },
            other => other,
        }
    }

    /// Records the start of an attempt. The attempt ends here if the destination is gone (410), unless a person
    /// retries, or if what the run has changed is not a change to what the destination has.
    async fn begin(&self, intent: Option<&Intent>) -> Result<(u32, Option<AttemptOutcome>), LedgerError> {
        let (ledger, destination) = (&self.context.ledger, self.destination());
        let begun = ledger.begin_attempt(&self.run, destination, intent).await?;
        let refused = |reason, is_void| {
            let failed = AttemptOutcome::failed(begun.number, Verdict::Retryable { reason, wait: None });
            Ok((begun.number, Some(AttemptOutcome { is_void, ..failed })))
        };
        match begun.delta {
            DeltaStanding::Busy { reason } => return refused(reason, false),
            DeltaStanding::Void { reason } => return refused(reason, true),
            DeltaStanding::Current | DeltaStanding::Delivered => {}
        }
        let Some(reason) = begun.gone else { return Ok((begun.number, None)) };
        if self.requester == Requester::Retry {
            ledger.note_gone(destination, None).await?;
            return Ok((begun.number, None));
        }
        Ok((begun.number, Some(AttemptOutcome::failed(begun.number, Verdict::Gone { reason }))))
    }

    /// Attempts a webhook delivery. Its intent needs no connection, so it is recorded with the attempt's start.
    async fn attempt_webhook(
        self: &Arc<Self>,
        webhook: &Arc<Webhook>,
        delivery: &Delivery,
    ) -> Result<AttemptOutcome, LedgerError> {
        // Without an intent nothing was begun.
        let standing = match delivery.intent.is_some() {
            true => self.standing().await?,
            false => Standing::GoOn(OpenBatches::default()),
        };
        let (open, in_doubt) = match standing {
            Standing::GoOn(open) => (open, None),
            Standing::InDoubt(verdict) => (OpenBatches::default(), Some(verdict)),
        };
        let acked = match delivery.intent.is_some() {
            true => self.context.ledger.parts(&self.run, self.destination()).await?,
            false => BTreeSet::new(),
        };
        let (task, settings) = (self.clone(), webhook.clone());
        let target = blocking(move || task.context.sessions.webhook(task.destination(), &settings)).await;
        let prepared = target.map(|target| {
            // Batches are identified by number, so only a person may change their size, and only before any is
            // acknowledged.
            let is_begun = !acked.is_empty() || !open.in_doubt.is_empty() || !open.wanted.is_empty();
            let allow_rebatch = self.requester == Requester::Retry && !is_begun && in_doubt.is_none();
            let earlier = delivery.intent.as_ref().and_then(|intent| intent.batching);
            (target.prepare(&self.request(), earlier, allow_rebatch), target)
        });
        let (number, gone) = self.begin(prepared.as_ref().ok().map(|(intent, _)| intent)).await?;
        if let Some(gone) = gone {
            return Ok(gone);
        }
        let (intent, target) = match prepared {
            Ok(prepared) => prepared,
            Err(verdict) => return Ok(AttemptOutcome::failed(number, verdict)),
        };
        if let Some(verdict) = in_doubt {
            return Ok(AttemptOutcome::failed(number, self.settle_rows(verdict).await?));
        }
        let publishing = tokio::spawn(self.clone().publish_webhook(target, intent, acked, open));
        let verdict = self.settle_rows(publishing.await.unwrap_or_else(|_| panicked())).await?;
        Ok(AttemptOutcome::failed(number, verdict))
    }

    async fn publish_webhook(
        self: Arc<Self>,
        target: Arc<WebhookTarget>,
        intent: Intent,
        numbers: BTreeSet<u64>,
        open: OpenBatches,
    ) -> Verdict {
        let delivery = DeliveryRequest { until: self.attempt_deadline(), ..self.request() };
        let begun = open.in_doubt.iter().filter_map(|rows| rows.number).chain(open.wanted).collect();
        let record = |event| self.record(event);
        let repeats = Repeats::new(self.context.clock.clone());
        let (resend, resends) = (open.resend.into(), open.resends);
        let acked = AckedBatches { numbers, begun, resend, resends, record: &record, repeats };
        target.publish(&delivery, &intent, acked, &self.context.progress.deliver).await
    }

    async fn attempt_files(
        self: &Arc<Self>,
        delivery: &Delivery,
        permit: &mut Permit,
    ) -> Result<AttemptOutcome, LedgerError> {
        let (number, gone) = self.begin(None).await?;
        if let Some(gone) = gone {
            return Ok(gone);
        }
        let (task, earlier) = (self.clone(), delivery.intent.clone());
        let (session, intent, seen) = match blocking(move || task.prepare(earlier)).await {
            Ok(prepared) => prepared,
            Err(verdict) => return Ok(AttemptOutcome::failed(number, verdict)),
        };
        let task = self.clone();
        if let Some(reason) = self.superseded(&intent).await? {
            let given_back = tokio::task::spawn_blocking(move || task.give_back(session));
            given_back.await.ok();
            return Ok(AttemptOutcome::failed(number, Verdict::Skipped { reason }));
        }
        self.context.ledger.note_intent(&self.run, self.destination(), &intent).await?;
        let leftover = match self.delivery().existing {
            Existing::Replace => self.context.ledger.leftover(&self.run, self.destination(), &intent).await?,
            Existing::Fail | Existing::Keep | Existing::Number | Existing::Wait(_) => None,
        };
        let extra = permit.try_acquire_extra(self.delivery().destination.extra_sessions(self.artifact.bytes));
        let published = tokio::task::spawn_blocking(move || {
            let (verdict, session) = task.publish(session, (&intent, leftover.as_ref()), seen.as_ref(), extra);
            AttemptOutcome { number, verdict, published: session.map(|session| (session, intent)), is_void: false }
        });
        Ok(published.await.unwrap_or_else(|_| AttemptOutcome::failed(number, panicked())))
    }

    fn give_back(&self, session: Session) {
        self.context.sessions.give_back(&self.delivery().destination, session);
    }

    /// Returns the reason to skip if a later slot's file has this name: an older file must never replace a newer one.
    async fn superseded(&self, intent: &Intent) -> Result<Option<String>, LedgerError> {
        let Some(data) = intent.files.first().filter(|_| self.delivery().existing == Existing::Replace) else {
            return Ok(None);
        };
        let later = self.context.ledger.later_slot_at(&self.run, self.destination(), &data.final_path).await?;
        Ok(later.map(|slot| format!("{} already holds the file of the later slot {slot}", data.final_path)))
    }

    /// Opens a session, chooses the names, and checks what is on the server.
    fn prepare(&self, earlier: Option<Intent>) -> Result<Prepared, Verdict> {
        let mut session = self.context.sessions.take(&self.delivery().destination)?;
        match self.choose_names(&mut session, earlier) {
            Ok((intent, seen)) => Ok((session, intent, seen)),
            Err(verdict) => {
                session.close();
                Err(verdict)
            }
        }
    }

    /// Reuses the intent of an earlier attempt if any of its files has its final name; otherwise chooses new names.
    fn choose_names(
        &self,
        session: &mut Session,
        earlier: Option<Intent>,
    ) -> Result<(Intent, Option<RemoteState>), Verdict> {
        let delivery = self.request();
        if let Some(intent) = earlier {
            let seen = session.inspect(&intent)?;
            if seen.data_may_be_final(&intent) {
                return Ok((intent, Some(seen)));
            }
            session.clear(&delivery, &intent, &seen)?;
        }
        let mut intent = session.prepare(&delivery)?;
        intent.acks = session.acks(&self.delivery().destination.pickup, &intent)?;
        for ack in &mut intent.acks {
            ack.rows.clone_from(&self.delivery().ack_rows);
        }
        Ok((intent, None))
    }

    /// Removes temporary files that earlier attempts left in the directory, once the receipt is written. Nothing
    /// depends on it, so it is bounded in time; remaining files are swept later.
    pub(super) async fn sweep(self: &Arc<Self>, mut session: Session, intent: Intent, is_first: bool) {
        let data = intent.files.first().map_or("", |data| &data.temporary);
        let directory = data.rsplit_once('/').map_or("", |(directory, _)| directory);
        let is_due = self.context.sessions.may_sweep(self.destination(), directory) || !is_first;
        let task = self.clone();
        let swept = tokio::task::spawn_blocking(move || {
            let (run, destination) = (&task.run, task.destination());
            let swept = if is_due { session.sweep(&task.request(), &intent, task.context.clock.now()) } else { Ok(0) };
            match swept {
                Ok(removed) => {
                    if removed > 0 {
                        tracing::info!(run, destination, removed, "swept temporary files");
                    }
                    task.give_back(session);
                }
                // The state of the session is unknown: it is dropped.
                Err(reason) => tracing::warn!(run, destination, reason, "sweep of temporary files abandoned"),
            }
        });
        // A panic there does not affect the delivery.
        let _ = swept.await;
    }

    fn publish(
        &self,
        mut session: Session,
        (intent, leftover): (&Intent, Option<&Leftover>),
        seen: Option<&RemoteState>,
        extra_sessions: usize,
    ) -> (Verdict, Option<Session>) {
        let delivery = DeliveryRequest { leftover, until: self.attempt_deadline(), ..self.request() };
        session.attach(self.context.sessions.prefetch(&self.delivery().destination, extra_sessions));
        let verdict = session.publish(&delivery, intent, seen, &self.context.progress.deliver);
        let mut sessions = Vec::new();
        for detached in session.detach() {
            match detached {
                Ok(session) => sessions.push(session),
                Err(verdict) => {
                    let (run, destination, reason) = (&self.run, self.destination(), reason(&verdict));
                    tracing::warn!(run, destination, reason, "parallel session unavailable");
                }
            }
        }
        match verdict {
            Verdict::Delivered(_) | Verdict::Skipped { .. } => {
                sessions.into_iter().for_each(|session| self.give_back(session));
                (verdict, Some(session))
            }
            // The state of a session that failed is unknown.
            _ => {
                sessions.into_iter().chain([session]).for_each(Session::close);
                (verdict, None)
            }
        }
    }

    fn request(&self) -> DeliveryRequest<'_> {
        DeliveryRequest { about: &self.meta, ..DeliveryRequest::new(&self.run, &self.artifact, self.delivery()) }
    }

    /// Returns the deadline of an attempt that starts publishing now.
    fn attempt_deadline(&self) -> Option<Instant> {
        Instant::now().checked_add(self.context.settings.work.deadlines.attempt)
    }
}

/// Returns the verdict of an attempt that panicked. The panic message may hold secrets and is dropped.
fn panicked() -> Verdict {
    Verdict::Unknown { reason: "the attempt panicked: this is a bug in reportferry".to_owned() }
}

/// Runs blocking work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Verdict> + Send + 'static) -> Result<T, Verdict> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(panicked()))
}
