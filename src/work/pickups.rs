//! Whether what was delivered is picked up: the worker looks, a destination at a time with one session, and the ledger
//! notes what was found.
//!
//! What is awaited, and until when, was settled with the receipt: other settings do not move a deadline. Two things they
//! do. Where they say now that nobody waits (`none`, `moved` without `within`, …), what is awaited there is let go, for
//! there is nobody to be told. A destination that they do not name any more is one that cannot be looked at: its deadlines
//! do not pass silently. How often to look is what they say now.
//!
//! A look that fails is put off like one that found nothing. It counts as no attempt: nothing is sent, and the deadline
//! says when it is enough.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::{Id, JoinError, JoinSet};

use super::{BROKEN_WAIT, chain};
use crate::clock::Clock;
use crate::deliver::{Collected, Sessions};
use crate::ledger::state::PickupState;
use crate::ledger::{Ledger, LedgerError, ToLook, next_look};
use crate::measure;
use crate::run::Line;
use crate::run::gates::Gates;
use crate::settings::{Destination, Settings};

/// Destinations that are looked at at once, each with one session.
const DESTINATIONS_MAX: usize = 4;
/// Deliveries that are looked at with one session.
const LOOKS_MAX: u32 = 200;
/// A session that takes longer is given up: what was not looked at is due still.
const SESSION_MAX: SignedDuration = SignedDuration::from_mins(5);
/// How often a destination is looked at that the settings do not name any more.
const EVERY_UNNAMED: Duration = Duration::from_secs(300);

/// Looks, and those that are under way.
pub struct Pickups {
    ledger: Ledger,
    clock: Clock,
    gates: Gates,
    sessions: Sessions,
    looks: JoinSet<Result<(), LedgerError>>,
    under_way: HashMap<Id, String>,
    /// Destinations whose look broke off, until this moment.
    snoozed: HashMap<String, Timestamp>,
    /// The settings by which nobody is waited for that need not be.
    heeded: Option<Arc<Settings>>,
}

impl Pickups {
    /// Gates and sessions are those of the deliveries: a look is one session of the destination's more.
    pub fn new(line: &Line) -> Self {
        Self {
            ledger: line.ledger.clone(),
            clock: line.clock.clone(),
            gates: line.gates.clone(),
            sessions: line.sessions.clone(),
            looks: JoinSet::new(),
            under_way: HashMap::new(),
            snoozed: HashMap::new(),
            heeded: None,
        }
    }

    /// Begins to look where something is due and nobody is looking. Does not wait for it.
    ///
    /// # Errors
    /// The ledger cannot be used; what is due stays due.
    pub async fn tick(&mut self, settings: &Arc<Settings>) -> Result<(), LedgerError> {
        while let Some(ended) = self.looks.try_join_next_with_id() {
            self.put_down(ended);
        }
        self.heed(settings).await?;
        let now = self.clock.now();
        self.snoozed.retain(|_, until| *until > now);
        for name in self.ledger.destinations_to_look_at().await? {
            if self.under_way.len() >= DESTINATIONS_MAX {
                break;
            }
            if self.snoozed.contains_key(&name) || self.under_way.values().any(|other| *other == name) {
                continue;
            }
            let look = Look {
                ledger: self.ledger.clone(),
                clock: self.clock.clone(),
                gates: self.gates.clone(),
                sessions: self.sessions.clone(),
                destination: settings.destinations.get(&name).cloned(),
                name: name.clone(),
            };
            let task = self.looks.spawn(look.look());
            self.under_way.insert(task.id(), name);
        }
        Ok(())
    }

    /// Waits for the looks that are under way.
    pub async fn settle(&mut self) {
        while let Some(ended) = self.looks.join_next_with_id().await {
            self.put_down(ended);
        }
    }

    /// Destinations that are being looked at.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Lets go of the looks that are under way: they are due still.
    pub fn abort(&mut self) {
        self.looks.abort_all();
    }

    /// A look that broke off is made again after a while: what it was about is due still.
    fn put_down(&mut self, ended: Result<(Id, Result<(), LedgerError>), JoinError>) {
        let (id, broken) = match ended {
            Ok((id, Ok(()))) => (id, None),
            Ok((id, Err(error))) => (id, Some(chain(&error))),
            // The words of a panic may hold anything and are not kept.
            Err(error) => (error.id(), Some("a fault of reportferry itself".to_owned())),
        };
        let Some(destination) = self.under_way.remove(&id) else { return };
        if let Some(reason) = broken {
            tracing::error!(destination, reason, "a look whether it was picked up broke off");
            let wait = SignedDuration::try_from(BROKEN_WAIT).unwrap_or(SignedDuration::MAX);
            let until = self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
            self.snoozed.insert(destination, until);
        }
    }

    /// Lets go of what nobody waits for by settings that are new.
    async fn heed(&mut self, settings: &Arc<Settings>) -> Result<(), LedgerError> {
        if self.heeded.as_ref().is_some_and(|heeded| Arc::ptr_eq(heeded, settings)) {
            return Ok(());
        }
        for name in self.ledger.destinations_awaited().await? {
            let Some(destination) = settings.destinations.get(&name) else { continue };
            if destination.pickup.patience().is_none() {
                let why = "the settings say now that nobody waits for its reader";
                let count = self.ledger.let_pickups_go(&name, why).await?;
                tracing::info!(destination = name, deliveries = count, "nobody waits any more for its reader");
            }
        }
        self.heeded = Some(settings.clone());
        Ok(())
    }
}

/// One session at one destination.
struct Look {
    ledger: Ledger,
    clock: Clock,
    gates: Gates,
    sessions: Sessions,
    name: String,
    destination: Option<Arc<Destination>>,
}

impl Look {
    async fn look(self) -> Result<(), LedgerError> {
        // Before what is due is read: it may be long in coming.
        let leave = match &self.destination {
            Some(destination) => Some(self.gates.look(destination).await),
            None => None,
        };
        let due = self.ledger.pickups_to_look_at(&self.name, LOOKS_MAX).await?;
        let found = match &self.destination {
            None => unseen(&due, "the settings have no such destination any more"),
            Some(destination) => {
                let (destination, clock, looked) = (destination.clone(), self.clock.clone(), due.clone());
                let sessions = self.sessions.clone();
                let look = move || look_at(&sessions, &destination, &clock, &looked);
                let looked = tokio::task::spawn_blocking(look).await;
                // The words of a panic may hold anything and are not kept.
                looked.unwrap_or_else(|_| unseen(&due, "the look broke off by a fault of reportferry itself"))
            }
        };
        drop(leave);
        let why = found.iter().find_map(|found| match found {
            Collected::Unseen { why } => Some(why),
            Collected::PickedUp { .. } | Collected::NotYet => None,
        });
        if let Some(reason) = why {
            tracing::warn!(destination = self.name, reason, "cannot look whether it was picked up");
        }
        let every = self.destination.as_ref().and_then(|destination| destination.pickup.patience());
        let every = every.map_or(EVERY_UNNAMED, |patience| patience.every);
        for (looked, found) in due.iter().zip(&found) {
            let next = next_look(self.clock.now_ms(), looked.due_ms, every);
            let moved = self.ledger.note_look(&looked.run, &self.name, found, next).await?;
            self.tell(looked, found, moved);
        }
        Ok(())
    }

    /// The one place where the end of a wait is logged.
    fn tell(&self, looked: &ToLook, found: &Collected, moved: Option<PickupState>) {
        let Some(state) = moved else { return };
        let (run, pipeline, destination) = (&looked.run, &looked.pipeline, &self.name);
        let late = looked.due_ms.is_some_and(|due_ms| self.clock.now_ms() > due_ms);
        measure::pickup(destination, state.name());
        match found {
            Collected::PickedUp { how } => tracing::info!(run, pipeline, destination, how, late, "picked up"),
            Collected::NotYet => tracing::error!(run, pipeline, destination, "not picked up in time"),
            Collected::Unseen { why } => {
                tracing::error!(run, pipeline, destination, reason = why, "not seen to be picked up in time");
            }
        }
    }
}

fn unseen(due: &[ToLook], why: &str) -> Vec<Collected> {
    due.iter().map(|_| Collected::Unseen { why: why.to_owned() }).collect()
}

/// What was found of each, in their order; fewer where the session took too long.
fn look_at(sessions: &Sessions, destination: &Arc<Destination>, clock: &Clock, due: &[ToLook]) -> Vec<Collected> {
    let until = clock.now().saturating_add(SESSION_MAX).unwrap_or(Timestamp::MAX);
    let mut session = match sessions.take(destination) {
        Ok(session) => session,
        Err(verdict) => return unseen(due, &verdict.into_reason()),
    };
    let mut found = Vec::with_capacity(due.len());
    for looked in due {
        if clock.now() > until {
            break;
        }
        let collected = match &looked.intent {
            Some(intent) => session.collected(looked.sign, &looked.receipt.address, intent),
            None => Ok(Collected::Unseen { why: "it is not known which file it was".to_owned() }),
        };
        match collected {
            Ok(collected) => found.push(collected),
            Err(verdict) => {
                let rest = unseen(&due[found.len()..], &verdict.into_reason());
                found.extend(rest);
                return found;
            }
        }
    }
    sessions.give_back(destination, session);
    found
}
