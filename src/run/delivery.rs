//! One delivery of one run: an attempt as the ledger sees it, again until it has an end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::gates::Leave;
use super::parts::KeptParts;
use super::{Ask, Line};
use crate::attempt::{Next, Repeats};
use crate::deliver::{About, Cutting, Intent, Parts, Put, Refused, Seen, Session, Verdict};
use crate::encode::Artifact;
use crate::ledger::record::Delivery;
use crate::ledger::state::{DeliveryState, verdict_name};
use crate::ledger::{Awaited, Ended, LedgerError};
use crate::measure;
use crate::pipeline::plan::{DeliveryPlan, Existing, Plan};
use crate::settings::DestinationKind;

/// A session, the names to publish under, and what lies there of an earlier attempt.
type Ready = (Session, Intent, Option<Seen>);

/// How an attempt ended, and the session that served well, with what it published.
struct Attempted {
    number: u32,
    verdict: Verdict,
    kept: Option<(Session, Intent)>,
}

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

    /// One attempt: connect, look where an earlier one may have got to, write the intent down, publish. Its number, and
    /// how it ended.
    async fn attempt(self: &Arc<Self>, known: &Delivery, leave: &mut Leave) -> Result<Attempted, LedgerError> {
        let (ledger, destination) = (&self.line.ledger, self.destination());
        // Nothing was acknowledged before there was an intent.
        let parts = match known.intent.is_some() {
            true => ledger.parts(&self.run, destination).await?,
            false => Default::default(),
        };
        let parts = self.keep(parts);
        // Where nobody has to be asked, what will be published is known at once, and goes down with the attempt.
        let known_at_once = matches!(self.delivery().destination.kind, DestinationKind::Webhook(_));
        let mut ready = if known_at_once { Some(self.ready(known, &parts).await) } else { None };
        let intent = ready.as_ref().and_then(|ready| ready.as_ref().ok()).map(|(_, intent, _)| intent);
        let begun = ledger.begin_attempt(&self.run, destination, intent).await?;
        if let Some(reason) = begun.gone {
            // A destination that said that it is gone gets nothing, until a person says so.
            if self.ask != Ask::Retry {
                return Ok(Attempted { number: begun.number, verdict: Verdict::Gone { reason }, kept: None });
            }
            ledger.note_gone(destination, None).await?;
        }
        let is_noted = ready.is_some();
        let ready = match ready.take() {
            Some(ready) => ready,
            None => self.ready(known, &parts).await,
        };
        let (verdict, kept) = match ready {
            Ok(ready) => self.go(ready, is_noted, parts, leave).await?,
            Err(verdict) => (verdict, None),
        };
        Ok(Attempted { number: begun.number, verdict, kept })
    }

    /// A session, the names, and what lies there.
    async fn ready(self: &Arc<Self>, known: &Delivery, parts: &KeptParts) -> Result<Ready, Verdict> {
        let earlier = known.intent.clone();
        let cutting = earlier.as_ref().and_then(|intent| intent.cutting);
        // Batches that are on their way are known by their numbers: only a person says that they be cut anew, and only
        // while nobody has any.
        let may_cut = self.ask == Ask::Retry && parts.acknowledged().is_empty();
        let share = self.clone();
        blocking(move || share.get_ready(earlier, cutting, may_cut)).await
    }

    /// Publishes, once the intent is on the disk. The session is returned where it served well.
    async fn go(
        self: &Arc<Self>,
        (session, intent, seen): Ready,
        is_noted: bool,
        parts: KeptParts,
        leave: &mut Leave,
    ) -> Result<(Verdict, Option<(Session, Intent)>), LedgerError> {
        let share = self.clone();
        if let Some(reason) = self.superseded(&intent).await? {
            let given_back = blocking(move || {
                share.give_back(session);
                Ok(())
            });
            given_back.await.ok();
            return Ok((Verdict::Skipped { reason }, None));
        }
        if !is_noted {
            self.line.ledger.note_intent(&self.run, self.destination(), &intent).await?;
        }
        let beside = leave.widen(self.delivery().destination.sessions_beside(self.artifact.bytes));
        let published = blocking(move || {
            let (verdict, session) = share.publish(session, &intent, seen.as_ref(), &parts, beside);
            Ok((verdict, session.map(|session| (session, intent))))
        });
        Ok(published.await.unwrap_or_else(|verdict| (verdict, None)))
    }

    fn give_back(&self, session: Session) {
        self.line.sessions.give_back(&self.delivery().destination, session);
    }

    fn keep(&self, acknowledged: BTreeSet<u64>) -> KeptParts {
        KeptParts {
            ledger: self.line.ledger.clone(),
            run: self.run.clone(),
            destination: self.destination().to_owned(),
            sha256: self.artifact.sha256.clone(),
            acknowledged,
            repeats: Repeats::new(self.line.clock.clone()),
        }
    }

    /// Whether a later slot's file lies at the name: a run that was kept waiting must not put an older one over it.
    async fn superseded(&self, intent: &Intent) -> Result<Option<String>, LedgerError> {
        let Some(data) = intent.files.first().filter(|_| self.delivery().existing == Existing::Replace) else {
            return Ok(None);
        };
        let later = self.line.ledger.later_at(&self.run, self.destination(), &data.final_path).await?;
        Ok(later.map(|slot| format!("{} holds the file of the later slot {slot} already", data.final_path)))
    }

    /// A session, and the names to publish under.
    fn get_ready(&self, earlier: Option<Intent>, cutting: Option<Cutting>, may_cut: bool) -> Result<Ready, Verdict> {
        let put = Put { cutting, may_cut, ..self.put() };
        let mut session = self.line.sessions.take(&self.delivery().destination)?;
        match self.names(&mut session, &put, earlier) {
            Ok((intent, seen)) => Ok((session, intent, seen)),
            Err(verdict) => {
                session.close();
                Err(verdict)
            }
        }
    }

    /// An intent of an earlier attempt is looked for first; where nothing of it lies at its final name, names are
    /// chosen afresh.
    fn names(
        &self,
        session: &mut Session,
        put: &Put<'_>,
        earlier: Option<Intent>,
    ) -> Result<(Intent, Option<Seen>), Verdict> {
        if let Some(intent) = earlier {
            let seen = session.look(&intent)?;
            if seen.data_may_be_final(&intent) {
                return Ok((intent, Some(seen)));
            }
            session.clear(put, &intent, &seen)?;
        }
        let mut intent = session.prepare(put)?;
        intent.acks = session.acks(&self.delivery().destination.pickup, &intent)?;
        Ok((intent, None))
    }

    /// Once the receipt is written: removes temporary files that earlier attempts, and others, left in the directory.
    /// Nothing depends on it, so it is bounded in time, and what stays is swept another time.
    async fn sweep(self: &Arc<Self>, mut session: Session, intent: Intent, is_first: bool) {
        let data = intent.files.first().map_or("", |data| &data.temporary);
        let directory = data.rsplit_once('/').map_or("", |(directory, _)| directory);
        let is_due = self.line.sessions.may_sweep(self.destination(), directory) || !is_first;
        let share = self.clone();
        let swept = tokio::task::spawn_blocking(move || {
            let (run, destination) = (&share.run, share.destination());
            let swept = if is_due { session.sweep(&share.put(), &intent, share.line.clock.now()) } else { Ok(0) };
            match swept {
                Ok(removed) => {
                    if removed > 0 {
                        tracing::info!(run, destination, removed, "swept temporary files");
                    }
                    share.give_back(session);
                }
                // Who knows what is left in the session: it is dropped.
                Err(reason) => tracing::warn!(run, destination, reason, "sweep of temporary files abandoned"),
            }
        });
        // A panic there changes nothing about what is delivered.
        let _ = swept.await;
    }

    fn publish(
        &self,
        mut session: Session,
        intent: &Intent,
        seen: Option<&Seen>,
        parts: &dyn Parts,
        beside: usize,
    ) -> (Verdict, Option<Session>) {
        let until = Instant::now().checked_add(self.line.settings.work.deadlines.attempt);
        let put = Put { parts, until, ..self.put() };
        session.join(self.line.sessions.send_for(&self.delivery().destination, beside));
        let verdict = session.publish(&put, intent, seen, &self.line.progress.deliver);
        let (parted, absent): (Vec<_>, Vec<_>) = session.part().into_iter().partition(Result::is_ok);
        for reason in absent.into_iter().filter_map(Result::err).filter_map(|verdict| reason(&verdict)) {
            tracing::warn!(run = self.run, destination = self.destination(), reason, "one session less to split over");
        }
        let parted = parted.into_iter().filter_map(Result::ok);
        match verdict {
            Verdict::Delivered(_) | Verdict::Skipped { .. } => {
                parted.for_each(|session| self.give_back(session));
                (verdict, Some(session))
            }
            // Who knows what is left in one that failed.
            _ => {
                parted.chain([session]).for_each(Session::close);
                (verdict, None)
            }
        }
    }

    fn put(&self) -> Put<'_> {
        Put { about: &self.about, ..Put::new(&self.run, &self.artifact, self.delivery()) }
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

/// Runs blocking work off the async threads. A panic there is a lost attempt, not a lost worker.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Verdict> + Send + 'static) -> Result<T, Verdict> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Verdict::Unknown { reason: format!("the attempt broke off: {error}") }))
}
