//! The worker: enters due slots into the ledger and executes its runnable runs, within limits.
//!
//! The ledger is the only queue. A worker that dies leaves runnable rows, and the next one continues with them.

/// The runs that this process is working on.
mod active_runs;
/// Requests to stop and to reload.
pub mod commands;
/// The event loop: signals, ticks, reloads, stop.
pub mod event_loop;
/// The pipelines folder, polled for changes.
mod folder;
/// The ledger's failures and recoveries.
mod ledger_state;
/// The lock of a data folder.
pub mod lock;
/// Checks for pickups.
pub mod pickups;
/// Reload of changed files while runs are active.
mod reload;
/// The plans in use and when each is next due.
mod schedule_table;
/// Checks of what the tenants' accounts can reach.
mod scope_checks;
/// Free disk space.
pub mod space;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::attempt::DISK_FULL;
use crate::clock::Clock;
use crate::ledger::record::RunnableRun;
use crate::ledger::state::RunState;
use crate::ledger::{Counts, Ledger, LedgerError};
use crate::measure;
use crate::pipeline::plan::Plan;
use crate::run::spool::SpoolError;
use crate::run::{Requester, RunContext, RunError, with_causes};
use crate::schedule::slot::Slot;
use crate::settings::WorkLimits;

use active_runs::{ActiveRun, ActiveRuns, TaskOutcome};
use reload::Files;
use schedule_table::ScheduleTable;

/// Executes runs: the run context, or a stand-in in tests that simulate a year.
pub trait ExecuteRun: Send + Sync + 'static {
    /// Executes the slot's run as far as it goes now and returns its state.
    fn execute(&self, plan: &Arc<Plan>, slot: &Slot) -> impl Future<Output = Result<RunState, RunError>> + Send;
}

impl ExecuteRun for RunContext {
    async fn execute(&self, plan: &Arc<Plan>, slot: &Slot) -> Result<RunState, RunError> {
        Ok(self.run_record(plan, slot, Requester::Worker, Duration::ZERO).await?.state)
    }
}

/// Slots entered in one transaction, approximately.
const SLOTS_MAX: usize = 2_000;
/// Runnable runs read from the ledger at once.
const RUNNABLE_MAX: u32 = 2_000;
/// Queue positions that a free place searches for a run that may start; each tick searches all of it.
const SEARCH_MAX: usize = 64;
/// Wait before a run that another process is executing is tried again.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Wait before a run that could not continue is tried again.
const BROKEN_WAIT: Duration = Duration::from_secs(30);

/// The worker without its event loop: time comes from the clock, and nothing happens but by its methods.
pub struct Worker<C> {
    ledger: Ledger,
    clock: Clock,
    executor: Arc<C>,
    schedule: ScheduleTable,
    files: Files,
    active_runs: ActiveRuns,
    /// Runs that were runnable at the last tick and are not active yet.
    queue: VecDeque<RunnableRun>,
    /// Runs that could not continue, with the time until which they wait.
    backoff_until: HashMap<String, Timestamp>,
    /// Runs that wait for disk space, and how often each found none.
    found_full: HashMap<String, u32>,
}

impl<C: ExecuteRun> Worker<C> {
    pub fn new(ledger: Ledger, clock: Clock, executor: C, work: &WorkLimits) -> Self {
        Self {
            ledger,
            clock,
            executor: Arc::new(executor),
            schedule: ScheduleTable::default(),
            files: Files::default(),
            active_runs: ActiveRuns::new(work),
            queue: VecDeque::new(),
            backoff_until: HashMap::new(),
            found_full: HashMap::new(),
        }
    }

    /// Replaces the executor for runs that start from now on.
    pub fn set_executor(&mut self, executor: C) {
        self.executor = Arc::new(executor);
    }

    /// Enters due slots and starts runnable runs as far as there are free places.
    ///
    /// # Errors
    /// The ledger is unavailable; the next call does what is left.
    pub async fn tick(&mut self) -> Result<(), LedgerError> {
        self.enter_due().await?;
        self.queue = self.ledger.runnable(self.clock.now_ms(), RUNNABLE_MAX).await?.into();
        if !self.found_full.is_empty() {
            // A run that was cancelled or removed waits no longer.
            let waits: HashSet<&str> = self.queue.iter().map(|runnable| runnable.run.as_str()).collect();
            self.found_full.retain(|run, _| waits.contains(run.as_str()));
        }
        self.active_runs.remove_active(&mut self.queue);
        self.start_runnable(usize::MAX).await
    }

    /// Enters the slots that are due.
    async fn enter_due(&mut self) -> Result<(), LedgerError> {
        loop {
            let portions = self.schedule.due(self.clock.now(), SLOTS_MAX);
            if portions.is_empty() {
                return Ok(());
            }
            let Counts { open, skipped } = self.ledger.enter_slots(&portions).await?;
            measure::slot_ended(RunState::Skipped.name(), skipped);
            tracing::debug!(pipelines = portions.len(), open, skipped, "slots entered");
            self.schedule.passed(&portions);
        }
    }

    /// Starts the runs that may start, of the first `search` in the queue. The others keep their places in it.
    async fn start_runnable(&mut self, search: usize) -> Result<(), LedgerError> {
        let now = self.clock.now();
        self.backoff_until.retain(|_, until| *until > now);
        let mut at = 0;
        while at < search && !self.active_runs.is_full() {
            let Some(runnable) = self.queue.get(at) else { break };
            let plan = self.schedule.plan(&runnable.pipeline).cloned();
            let backoff_until = self.backoff_until.contains_key(&runnable.run);
            if !backoff_until && plan.as_ref().is_some_and(|plan| !self.active_runs.can_start(runnable, plan)) {
                at += 1;
                continue;
            }
            let Some(runnable) = self.queue.remove(at).filter(|_| !backoff_until) else { continue };
            let Some(plan) = plan else {
                self.handle_orphan(&runnable).await?;
                continue;
            };
            let due = Timestamp::from_millisecond(runnable.slot_ms).unwrap_or(now);
            let slot = Slot::new(&runnable.pipeline, due, plan.zone.clone()).with_input(runnable.input.clone());
            if runnable.state == RunState::Due {
                measure::lateness(now.duration_since(due).unsigned_abs());
            }
            self.active_runs.take(&self.executor, &runnable, &plan, slot);
        }
        Ok(())
    }

    /// Handles a run without a plan: its file is invalid, removed, or outside the pipelines folder.
    async fn handle_orphan(&mut self, runnable: &RunnableRun) -> Result<(), LedgerError> {
        let unreadable = self.files.problems.contains_key(&runnable.pipeline) || self.files.away.is_some();
        if unreadable || runnable.by_person {
            self.back_off(&runnable.run, BROKEN_WAIT);
            return Ok(());
        }
        self.fail(&runnable.run, "its pipeline file is gone: put it back and `retry`").await
    }

    fn back_off(&mut self, run: &str, wait: Duration) {
        let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
        let until = self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.backoff_until.insert(run.to_owned(), until);
    }

    /// Ends a run as failed.
    async fn fail(&mut self, run: &str, reason: &str) -> Result<(), LedgerError> {
        let Some(mut run) = self.ledger.run(run).await? else { return Ok(()) };
        match run.state {
            RunState::Delivered => self.ledger.reschedule(&run.id, true).await,
            state if state.is_end() => Ok(()),
            _ => {
                measure::slot_ended(RunState::Failed.name(), 1);
                tracing::error!(run = run.id, pipeline = run.pipeline, slot = run.slot, reason, "failed");
                self.ledger.advance(&mut run, RunState::Failed, Some(reason)).await
            }
        }
    }

    /// Records how a task ended, then starts the next runs in the queue.
    async fn finish(&mut self, active_run: ActiveRun, outcome: TaskOutcome) -> Result<(), LedgerError> {
        let (run, pipeline) = (&active_run.run, &active_run.pipeline);
        if self.note_disk(&active_run, &outcome) {
            return self.start_runnable(SEARCH_MAX).await;
        }
        match outcome {
            TaskOutcome::Settled(state) => {
                if state.is_end() {
                    measure::slot_ended(state.name(), 1);
                }
                tracing::debug!(run, pipeline, state = state.name(), "run paused");
            }
            TaskOutcome::Broken(RunError::Spool(SpoolError::Busy { .. })) => self.back_off(run, BUSY_WAIT),
            TaskOutcome::Broken(error) => {
                let reason = with_causes(&error);
                tracing::error!(run, pipeline, reason, "run cannot continue now");
                self.back_off(run, BROKEN_WAIT);
            }
            TaskOutcome::Panicked => {
                let failed = self.fail(run, "the run panicked: this is a bug in reportferry, please report it").await;
                if failed.is_err() {
                    self.back_off(run, BROKEN_WAIT);
                }
                failed?;
            }
        }
        self.start_runnable(SEARCH_MAX).await
    }

    /// Makes a run that found a disk full wait. Returns true if it did. Logs the first such run, and the end of the last
    /// one's wait: retries in between are silent.
    fn note_disk(&mut self, active_run: &ActiveRun, outcome: &TaskOutcome) -> bool {
        let (run, pipeline) = (&active_run.run, &active_run.pipeline);
        let TaskOutcome::Broken(error) = outcome else {
            if self.found_full.remove(run).is_some() && self.found_full.is_empty() {
                tracing::info!(run, pipeline, "disk has space again, runs continue");
            }
            return false;
        };
        if !error.is_disk_full() {
            return false;
        }
        if self.found_full.is_empty() {
            tracing::error!(run, pipeline, reason = with_causes(error), "disk full, runs wait for space");
        }
        let times = self.found_full.entry(run.clone()).or_default();
        *times += 1;
        let wait = DISK_FULL.wait(*times, None);
        self.back_off(run, wait);
        true
    }

    /// Waits for one task to end and finishes it, with those that ended meanwhile. Returns at once if there is none.
    ///
    /// # Errors
    /// The ledger is unavailable.
    pub async fn settle_one(&mut self) -> Result<(), LedgerError> {
        let mut done = self.active_runs.done().await;
        while let Some((active_run, outcome)) = done {
            self.finish(active_run, outcome).await?;
            done = self.active_runs.try_finished();
        }
        Ok(())
    }

    /// Returns when the next slot or run is due, as far as is known now.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub async fn next(&mut self) -> Result<Option<Timestamp>, LedgerError> {
        let next_run_at = self.ledger.next_runnable_at(self.clock.now_ms()).await?;
        let next_run_at = next_run_at.and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let backoff_until = self.backoff_until.values().min().copied();
        Ok([self.schedule.next(), next_run_at, backoff_until].into_iter().flatten().min())
    }

    /// Returns the number of active runs.
    pub fn active(&self) -> usize {
        self.active_runs.len()
    }

    pub fn plans(&self) -> impl Iterator<Item = &Arc<Plan>> {
        self.schedule.plans()
    }

    /// Returns the number of pipelines whose file is invalid.
    pub fn problems(&self) -> usize {
        self.files.problems.len()
    }

    pub fn pipelines(&self) -> usize {
        self.schedule.count()
    }
}
