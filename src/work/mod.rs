//! The worker: slots that have come go into the ledger, and what is awake there is carried on, within limits.
//!
//! The ledger is the only queue. A worker that dies leaves rows that are awake, and the next one goes on with them.

/// The plans in use and when each is next due.
mod fleet;
/// The pipelines folder, looked at again and again.
mod folder;
/// The runs that this process is working on.
mod hands;
/// Whether what was delivered is picked up.
pub mod pickups;
/// What people changed, taken up while the work goes on.
mod reload;
/// The loop around it all: signals, reloads, the end.
pub mod shift;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::ledger::record::Awake;
use crate::ledger::state::RunState;
use crate::ledger::{Counts, Ledger, LedgerError};
use crate::measure;
use crate::pipeline::plan::Plan;
use crate::run::spool::SpoolError;
use crate::run::{Ask, Line, RunError};
use crate::schedule::slot::Slot;
use crate::settings::Work;

use fleet::Fleet;
use hands::{Hand, Hands, Outcome};
use reload::Files;

/// Who carries a run on: the line, or a test's stand-in for it.
pub trait Carry: Send + Sync + 'static {
    /// Does what is to be done now for the slot's run, and says where it stands.
    fn carry(&self, plan: &Arc<Plan>, slot: &Slot) -> impl Future<Output = Result<RunState, RunError>> + Send;
}

impl Carry for Line {
    async fn carry(&self, plan: &Arc<Plan>, slot: &Slot) -> Result<RunState, RunError> {
        Ok(self.carry_on(plan, slot, Ask::Worker, Duration::ZERO).await?.state)
    }
}

/// Slots that are entered in one transaction, about.
const SLOTS_MAX: usize = 2_000;
/// Awake runs that are looked at in one go.
const AWAKE_MAX: u32 = 2_000;
/// How many of them are looked at for the one that takes a free place; all are, at each look into the ledger.
const LOOK_MAX: usize = 64;
/// A run that another process works on is asked for again after this time.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// A run that could not be carried on is tried again after this time.
const BROKEN_WAIT: Duration = Duration::from_secs(30);

/// All that a worker does, without its loop: time comes from the clock, and nothing happens but by its methods.
pub struct Worker<C> {
    ledger: Ledger,
    clock: Clock,
    carrier: Arc<C>,
    fleet: Fleet,
    files: Files,
    hands: Hands,
    /// What was awake at the last look and is not in hand yet.
    queue: VecDeque<Awake>,
    /// Runs that cannot be carried on before this moment.
    snoozed: HashMap<String, Timestamp>,
}

impl<C: Carry> Worker<C> {
    pub fn new(ledger: Ledger, clock: Clock, carrier: C, work: &Work) -> Self {
        Self {
            ledger,
            clock,
            carrier: Arc::new(carrier),
            fleet: Fleet::default(),
            files: Files::default(),
            hands: Hands::new(work),
            queue: VecDeque::new(),
            snoozed: HashMap::new(),
        }
    }

    /// Runs that begin from now on are carried by another.
    pub fn set_carrier(&mut self, carrier: C) {
        self.carrier = Arc::new(carrier);
    }

    /// Enters what has come, and takes up what is awake as far as there is room.
    ///
    /// # Errors
    /// The ledger cannot be used; what was not done is done at the next call.
    pub async fn tick(&mut self) -> Result<(), LedgerError> {
        self.enter_due().await?;
        self.queue = self.ledger.awake(self.clock.now_ms(), AWAKE_MAX).await?.into();
        self.hands.without_held(&mut self.queue);
        self.take_awake(usize::MAX).await
    }

    /// Enters the slots that have come.
    async fn enter_due(&mut self) -> Result<(), LedgerError> {
        loop {
            let portions = self.fleet.due(self.clock.now(), SLOTS_MAX);
            if portions.is_empty() {
                return Ok(());
            }
            let Counts { open, skipped } = self.ledger.enter_slots(&portions).await?;
            measure::slot_ended(RunState::Skipped.name(), skipped);
            tracing::debug!(pipelines = portions.len(), open, skipped, "slots entered");
            self.fleet.passed(&portions);
        }
    }

    /// Takes up what may be, of the first `look` in the queue. What may not be keeps its place: the next that is put down
    /// may make room for it.
    async fn take_awake(&mut self, look: usize) -> Result<(), LedgerError> {
        let now = self.clock.now();
        self.snoozed.retain(|_, until| *until > now);
        let mut at = 0;
        while at < look && !self.hands.is_full() {
            let Some(awake) = self.queue.get(at) else { break };
            let plan = self.fleet.plan(&awake.pipeline).cloned();
            let snoozed = self.snoozed.contains_key(&awake.run);
            if !snoozed && plan.as_ref().is_some_and(|plan| !self.hands.may_take(awake, plan)) {
                at += 1;
                continue;
            }
            let Some(awake) = self.queue.remove(at).filter(|_| !snoozed) else { continue };
            let Some(plan) = plan else {
                self.take_orphan(&awake).await?;
                continue;
            };
            let due = Timestamp::from_millisecond(awake.slot_ms).unwrap_or(now);
            let slot = Slot::new(&awake.pipeline, due, plan.zone.clone());
            if awake.state == RunState::Due {
                measure::lateness(now.duration_since(due).unsigned_abs());
            }
            self.hands.take(&self.carrier, &awake, &plan, slot);
        }
        Ok(())
    }

    /// A run without a plan: its file cannot be read, or is gone, or lies elsewhere.
    async fn take_orphan(&mut self, awake: &Awake) -> Result<(), LedgerError> {
        let unreadable = self.files.problems.contains_key(&awake.pipeline) || self.files.away.is_some();
        if unreadable || awake.by_person {
            self.snooze(&awake.run, BROKEN_WAIT);
            return Ok(());
        }
        self.fail(&awake.run, "its pipeline file is gone: put it back and `retry`").await
    }

    fn snooze(&mut self, run: &str, wait: Duration) {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        let until = self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.snoozed.insert(run.to_owned(), until);
    }

    /// Ends a run that cannot end itself.
    async fn fail(&mut self, run: &str, reason: &str) -> Result<(), LedgerError> {
        let Some(mut run) = self.ledger.run(run).await? else { return Ok(()) };
        match run.state {
            RunState::Delivered => self.ledger.rest(&run.id, true).await,
            state if state.is_end() => Ok(()),
            _ => {
                measure::slot_ended(RunState::Failed.name(), 1);
                tracing::error!(run = run.id, pipeline = run.pipeline, slot = run.slot, reason, "failed");
                self.ledger.advance(&mut run, RunState::Failed, Some(reason)).await
            }
        }
    }

    /// What becomes of a run that left the hands; then the next in the queue take its place.
    async fn put_down(&mut self, hand: Hand, outcome: Outcome) -> Result<(), LedgerError> {
        let (run, pipeline) = (&hand.run, &hand.pipeline);
        match outcome {
            Outcome::Rests(state) => {
                if state.is_end() {
                    measure::slot_ended(state.name(), 1);
                }
                tracing::debug!(run, pipeline, state = state.name(), "put down");
            }
            Outcome::Broken(RunError::Spool(SpoolError::Busy { .. })) => self.snooze(run, BUSY_WAIT),
            Outcome::Broken(error) => {
                let reason = chain(&error);
                tracing::error!(run, pipeline, reason, "cannot be carried on now");
                self.snooze(run, BROKEN_WAIT);
            }
            Outcome::Panicked => {
                let failed =
                    self.fail(run, "the run broke off by a fault of reportferry itself: please report it").await;
                if failed.is_err() {
                    self.snooze(run, BROKEN_WAIT);
                }
                failed?;
            }
        }
        self.take_awake(LOOK_MAX).await
    }

    /// Waits for one run to leave the hands and puts it down, with those that left them meanwhile. Returns at once where
    /// there is none in them.
    ///
    /// # Errors
    /// The ledger cannot be used.
    pub async fn settle_one(&mut self) -> Result<(), LedgerError> {
        let mut done = self.hands.done().await;
        while let Some((hand, outcome)) = done {
            self.put_down(hand, outcome).await?;
            done = self.hands.done_already();
        }
        Ok(())
    }

    /// When there is next something to do, as far as is known now.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn next(&mut self) -> Result<Option<Timestamp>, LedgerError> {
        let wake = self.ledger.next_wake(self.clock.now_ms()).await?;
        let wake = wake.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let snoozed = self.snoozed.values().min().copied();
        Ok([self.fleet.next(), wake, snoozed].into_iter().flatten().min())
    }

    /// Runs in hand.
    pub fn in_hand(&self) -> usize {
        self.hands.len()
    }

    pub fn plans(&self) -> impl Iterator<Item = &Arc<Plan>> {
        self.fleet.plans()
    }

    /// Pipelines whose file cannot be used.
    pub fn problems(&self) -> usize {
        self.files.problems.len()
    }

    pub fn pipelines(&self) -> usize {
        self.fleet.count()
    }
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
