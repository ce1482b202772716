//! One attempt at a delivery: a session, the names, the intent on the disk, the files published, and the sweep after.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::{Share, reason};
use crate::attempt::Repeats;
use crate::deliver::{Cutting, Intent, Parts, Put, Seen, Session, Verdict};
use crate::ledger::LedgerError;
use crate::ledger::record::Delivery;
use crate::pipeline::plan::Existing;
use crate::run::Ask;
use crate::run::gates::Leave;
use crate::run::parts::KeptParts;
use crate::settings::DestinationKind;

/// A session, the names to publish under, and what an earlier attempt left there.
type Ready = (Session, Intent, Option<Seen>);

/// How an attempt ended, and the session that served well, with what it published.
pub(super) struct Attempted {
    pub number: u32,
    pub verdict: Verdict,
    pub kept: Option<(Session, Intent)>,
}

impl Share {
    /// One attempt: connect, look where an earlier one may have got to, write the intent down, publish. Its number, and
    /// how it ended.
    pub(super) async fn attempt(
        self: &Arc<Self>,
        known: &Delivery,
        leave: &mut Leave,
    ) -> Result<Attempted, LedgerError> {
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

    /// Opens a session, chooses the names, and looks at what is there.
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

    /// Returns why a later slot's file is at the name already: an older file must never replace a newer one.
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

    /// An intent of an earlier attempt is looked for first; where nothing of it is at its final name, names are
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
    pub(super) async fn sweep(self: &Arc<Self>, mut session: Session, intent: Intent, is_first: bool) {
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
}

/// Runs blocking work off the async threads. A panic there is a lost attempt, not a lost worker.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Verdict> + Send + 'static) -> Result<T, Verdict> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Verdict::Unknown { reason: format!("the attempt broke off: {error}") }))
}
