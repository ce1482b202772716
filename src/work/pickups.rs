//! Checks whether readers picked up what was delivered: one session per destination, results into the ledger.
//!
//! The deadline of a pickup is fixed with its receipt: later settings do not move it. If the settings no longer wait for the
//! reader (`none`, `moved` without `deadline`, …), its pending pickups become superseded. A destination that the settings no
//! longer have cannot be checked: its deadlines still pass with an alert. The interval of checks is that of the settings now.
//!
//! A failed check is repeated like one that found nothing. It is not an attempt: nothing is sent, and the deadline bounds it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::{Id, JoinError, JoinSet};

use super::BROKEN_WAIT;
use crate::clock::Clock;
use crate::deliver::{PickupOutcome, Sessions, Verdict};
use crate::ledger::state::PickupState;
use crate::ledger::{DuePickup, Ledger, LedgerError, next_poll};
use crate::measure;
use crate::pipeline::plan::AckRows;
use crate::run::RunContext;
use crate::run::ack_rows::{AckFiles, AckResult};
use crate::run::limits::RunLimits;
use crate::run::with_causes;
use crate::settings::{Destination, Settings};

/// Destinations checked at the same time, each with one session.
const DESTINATIONS_MAX: usize = 4;
/// Deliveries checked with one session.
const CHECKS_MAX: u32 = 200;
/// A session that takes longer ends; the deliveries left over stay due.
const SESSION_MAX: SignedDuration = SignedDuration::from_mins(5);
/// Bytes of acknowledgement files after which a session ends; the deliveries left over stay due.
const ACK_BYTES_MAX: usize = 32 << 20;
/// Interval of checks for a destination that the settings no longer have.
const EVERY_UNNAMED: Duration = Duration::from_secs(300);

/// The checks, and those in progress.
pub struct Pickups {
    ledger: Ledger,
    clock: Clock,
    limits: RunLimits,
    sessions: Sessions,
    checks: JoinSet<Result<(), LedgerError>>,
    under_way: HashMap<Id, String>,
    /// Destinations whose check failed, with the time until which they wait.
    backoff_until: HashMap<String, Timestamp>,
    /// The settings that were applied to pending pickups last.
    applied: Option<Arc<Settings>>,
}

impl Pickups {
    /// Takes limits and sessions of the deliveries: a check counts as one session of its destination.
    pub fn new(line: &RunContext) -> Self {
        Self {
            ledger: line.ledger.clone(),
            clock: line.clock.clone(),
            limits: line.limits.clone(),
            sessions: line.sessions.clone(),
            checks: JoinSet::new(),
            under_way: HashMap::new(),
            backoff_until: HashMap::new(),
            applied: None,
        }
    }

    /// Starts a check for each destination with a due pickup and no check in progress. Does not wait for it.
    ///
    /// # Errors
    /// The ledger is unavailable; what is due stays due.
    pub async fn tick(&mut self, settings: &Arc<Settings>) -> Result<(), LedgerError> {
        while let Some(ended) = self.checks.try_join_next_with_id() {
            self.finish(ended);
        }
        self.apply_settings(settings).await?;
        let now = self.clock.now();
        self.backoff_until.retain(|_, until| *until > now);
        for name in self.ledger.destinations_with_due_pickups().await? {
            if self.under_way.len() >= DESTINATIONS_MAX {
                break;
            }
            if self.backoff_until.contains_key(&name) || self.under_way.values().any(|other| *other == name) {
                continue;
            }
            let check = PickupCheck {
                ledger: self.ledger.clone(),
                clock: self.clock.clone(),
                limits: self.limits.clone(),
                sessions: self.sessions.clone(),
                destination: settings.destinations.get(&name).cloned(),
                data: settings.data.clone(),
                name: name.clone(),
            };
            let task = self.checks.spawn(check.run());
            self.under_way.insert(task.id(), name);
        }
        Ok(())
    }

    /// Waits for the checks in progress.
    pub async fn settle(&mut self) {
        while let Some(ended) = self.checks.join_next_with_id().await {
            self.finish(ended);
        }
    }

    /// Returns the number of destinations being checked.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Aborts the checks in progress: they stay due.
    pub fn abort(&mut self) {
        self.checks.abort_all();
    }

    /// Records the end of a check; a failed one is repeated after a wait.
    fn finish(&mut self, ended: Result<(Id, Result<(), LedgerError>), JoinError>) {
        let (id, broken) = match ended {
            Ok((id, Ok(()))) => (id, None),
            Ok((id, Err(error))) => (id, Some(with_causes(&error))),
            // A panic message may hold anything and is not kept.
            Err(error) => (error.id(), Some("a bug in reportferry".to_owned())),
        };
        let Some(destination) = self.under_way.remove(&id) else { return };
        if let Some(reason) = broken {
            tracing::error!(destination, reason, "pickup check failed");
            let wait = SignedDuration::try_from(BROKEN_WAIT).unwrap_or(SignedDuration::MAX);
            let until = self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
            self.backoff_until.insert(destination, until);
        }
    }

    /// Supersedes pending pickups that new settings no longer wait for.
    async fn apply_settings(&mut self, settings: &Arc<Settings>) -> Result<(), LedgerError> {
        if self.applied.as_ref().is_some_and(|applied| Arc::ptr_eq(applied, settings)) {
            return Ok(());
        }
        for name in self.ledger.destinations_with_pickups().await? {
            let Some(destination) = settings.destinations.get(&name) else { continue };
            if destination.pickup.deadline().is_none() {
                let why = "the settings no longer wait for its reader";
                let count = self.ledger.supersede_pickups(&name, why).await?;
                tracing::info!(
                    destination = name,
                    deliveries = count,
                    "pickup superseded: the settings no longer wait for this reader"
                );
            }
        }
        self.applied = Some(settings.clone());
        Ok(())
    }
}

/// One check: a session at one destination.
struct PickupCheck {
    ledger: Ledger,
    clock: Clock,
    limits: RunLimits,
    sessions: Sessions,
    /// The data folder.
    data: PathBuf,
    name: String,
    destination: Option<Arc<Destination>>,
}

/// The result of a check of one delivery.
struct Checked {
    outcome: PickupOutcome,
    /// The acknowledgement files with answers for single rows.
    acks: Vec<(AckRows, Vec<u8>)>,
}

impl Checked {
    fn of(outcome: PickupOutcome) -> Self {
        Self { outcome, acks: Vec::new() }
    }
}

impl PickupCheck {
    async fn run(self) -> Result<(), LedgerError> {
        // Acquired before the due pickups are read: it may take long.
        let permit = match &self.destination {
            Some(destination) => Some(self.limits.session(destination).await),
            None => None,
        };
        let due = self.ledger.due_pickups(&self.name, CHECKS_MAX).await?;
        let found = match &self.destination {
            None => unknown(&due, "the destination is no longer in the settings"),
            Some(destination) => {
                let (destination, clock, pickups) = (destination.clone(), self.clock.clone(), due.clone());
                let sessions = self.sessions.clone();
                let check = move || check_at(&sessions, &destination, &clock, &pickups);
                let result = tokio::task::spawn_blocking(check).await;
                // A panic message may hold anything and is not kept.
                result.unwrap_or_else(|_| unknown(&due, "the check panicked: a bug in reportferry"))
            }
        };
        drop(permit);
        let why = found.iter().find_map(|found| match &found.outcome {
            PickupOutcome::Unknown { why } => Some(why),
            PickupOutcome::PickedUp { .. } | PickupOutcome::NotYet => None,
        });
        if let Some(reason) = why {
            tracing::warn!(destination = self.name, reason, "cannot check for pickups");
        }
        let every = self.destination.as_ref().and_then(|destination| destination.pickup.deadline());
        let every = every.map_or(EVERY_UNNAMED, |deadline| deadline.every);
        for (pickup, found) in due.iter().zip(found) {
            let found = &match self.settle_rows(pickup, found).await? {
                Some(found) => found,
                None => continue,
            };
            let next = next_poll(self.clock.now_ms(), pickup.due_ms, every);
            let moved = self.ledger.record_poll(&pickup.run, &self.name, found, next).await?;
            self.log_outcome(pickup, found, moved);
        }
        Ok(())
    }

    /// Records the answers for single rows, if there are any. Returns what was found, if it is still to be recorded.
    async fn settle_rows(&self, pickup: &DuePickup, found: Checked) -> Result<Option<PickupOutcome>, LedgerError> {
        let Checked { outcome, acks: files } = found;
        let how = match &outcome {
            PickupOutcome::PickedUp { how } if !files.is_empty() => how.clone(),
            PickupOutcome::PickedUp { .. } | PickupOutcome::NotYet | PickupOutcome::Unknown { .. } => {
                return Ok(Some(outcome));
            }
        };
        let is_late = pickup.due_ms.is_some_and(|due_ms| self.clock.now_ms() >= due_ms);
        let (ledger, data, run, destination) = (&self.ledger, &self.data, &pickup.run, &self.name);
        let settled = AckFiles { ledger, data, run, destination, files, how, is_late }.settle().await?;
        Ok(match settled {
            AckResult::Settled { reason } => {
                let pipeline = &pickup.pipeline;
                measure::pickup(destination, PickupState::PickedUp.name());
                match reason {
                    None => tracing::info!(run, pipeline, destination, late = is_late, "picked up, rows accepted"),
                    Some(reason) => tracing::error!(run, pipeline, destination, reason, "rows refused by the reader"),
                }
                None
            }
            AckResult::Incomplete => Some(PickupOutcome::NotYet),
            AckResult::Unreadable { why } => Some(PickupOutcome::Unknown { why }),
        })
    }

    /// Logs how a pending pickup ended: the only other place that does.
    fn log_outcome(&self, pickup: &DuePickup, found: &PickupOutcome, moved: Option<PickupState>) {
        let Some(state) = moved else { return };
        let (run, pipeline, destination) = (&pickup.run, &pickup.pipeline, &self.name);
        let late = pickup.due_ms.is_some_and(|due_ms| self.clock.now_ms() > due_ms);
        measure::pickup(destination, state.name());
        match found {
            PickupOutcome::PickedUp { how } => tracing::info!(run, pipeline, destination, how, late, "picked up"),
            PickupOutcome::NotYet => tracing::error!(run, pipeline, destination, "pickup overdue"),
            PickupOutcome::Unknown { why } => {
                tracing::error!(run, pipeline, destination, reason = why, "pickup overdue, could not be checked");
            }
        }
    }
}

fn unknown(due: &[DuePickup], why: &str) -> Vec<Checked> {
    due.iter().map(|_| Checked::of(PickupOutcome::Unknown { why: why.to_owned() })).collect()
}

/// Returns what was found for each, in their order; fewer if the session took too long.
fn check_at(sessions: &Sessions, destination: &Arc<Destination>, clock: &Clock, due: &[DuePickup]) -> Vec<Checked> {
    let until = clock.now().saturating_add(SESSION_MAX).unwrap_or(Timestamp::MAX);
    let mut session = match sessions.take(destination) {
        Ok(session) => session,
        Err(verdict) => return unknown(due, verdict.reason()),
    };
    let mut found = Vec::with_capacity(due.len());
    let mut bytes = 0;
    for pickup in due {
        if clock.now() > until || bytes > ACK_BYTES_MAX {
            break;
        }
        let check = match &pickup.intent {
            Some(intent) => session.check_pickup(pickup.kind, &pickup.receipt.address, intent),
            None => Ok(PickupOutcome::Unknown { why: "the ledger has no intent for this delivery".to_owned() }),
        };
        match check {
            Ok(outcome) => {
                let mut checked = Checked::of(outcome);
                if let (PickupOutcome::PickedUp { .. }, Some(intent)) = (&checked.outcome, &pickup.intent) {
                    match session.read_acks(intent) {
                        Ok(acks) => checked.acks = acks,
                        Err(Verdict::Rejected { reason, .. }) => {
                            checked.outcome = PickupOutcome::Unknown { why: reason };
                        }
                        Err(verdict) => {
                            found.extend(unknown(&due[found.len()..], verdict.reason()));
                            return found;
                        }
                    }
                }
                bytes += checked.acks.iter().map(|(_, file)| file.len()).sum::<usize>();
                found.push(checked);
            }
            Err(verdict) => {
                let rest = unknown(&due[found.len()..], verdict.reason());
                found.extend(rest);
                return found;
            }
        }
    }
    sessions.give_back(destination, session);
    found
}
