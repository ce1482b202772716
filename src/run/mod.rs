//! One run: slot → extract → transform → check → encode → deliver → receipt.

pub mod ack_rows;
mod credentials;
mod deliveries;
mod delivery;
mod delta;
pub mod document;
mod error;
mod held;
mod in_place;
pub mod limits;
mod make;
mod open_rows;
mod others;
mod pack;
pub mod preview;
pub mod prune;
mod pull;
pub mod replay;
pub mod spool;
mod transform;
pub mod trial;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::attempt::DISK_FULL;
use crate::clock::Clock;
use crate::deliver::Sessions;
use crate::encode::Artifact;
use crate::expect;
use crate::extract::Tenants;
use crate::ledger::Ledger;
use crate::ledger::record::Run;
use crate::ledger::state::RunState;
use crate::pipeline::plan::{FileSource, Plan, Source};
use crate::progress::Progress;
use crate::schedule::slot::Slot;
use crate::settings::{Settings, login};

use credentials::LedgerMemory;
use document::Document;
pub use error::RunError;
use error::{Stop, failed};
pub use held::HeldBytesError;
use limits::RunLimits;
pub use others::{OtherExtract, step_inputs};
use spool::Spool;
pub use transform::with_causes;

/// The state that all runs of a process share.
#[derive(Clone)]
pub struct RunContext {
    pub settings: Arc<Settings>,
    pub ledger: Ledger,
    pub tenants: Tenants,
    pub clock: Clock,
    pub progress: Progress,
    /// Limits of the runs in the same stage at once.
    pub limits: RunLimits,
    /// Open sessions for the next deliveries.
    pub sessions: Sessions,
    /// Interrupts waiting runs: they keep their state and resume later.
    pub stop: CancellationToken,
}

/// The requester of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requester {
    /// The worker: attempts that are not due yet keep waiting.
    Worker,
    /// A command for the slot (`run`): what waits for a person's decision keeps waiting.
    Slot,
    /// A person who retries the run from where it stopped.
    Retry,
}

impl RunContext {
    pub fn new(settings: Arc<Settings>, ledger: Ledger, clock: Clock) -> Self {
        let memory = LedgerMemory::new(ledger.clone(), settings.data.clone());
        Self {
            settings,
            ledger,
            tenants: Tenants::remembering(clock.clone(), Arc::new(memory)),
            clock,
            progress: Progress::default(),
            limits: RunLimits::default(),
            sessions: Sessions::default(),
            stop: CancellationToken::new(),
        }
    }

    /// Executes the slot's run from where it stopped. Returns its document. No attempt starts later than `wait` from
    /// now.
    ///
    /// # Errors
    /// The ledger or the spool cannot be used, or another process works on the run for longer than `wait`.
    pub async fn run(
        &self,
        plan: &Arc<Plan>,
        slot: &Slot,
        requester: Requester,
        wait: Duration,
    ) -> Result<Document, RunError> {
        let run = self.run_record(plan, slot, requester, wait).await?;
        Ok(Document::of(&self.ledger, &run).await?)
    }

    /// Executes the run like [`RunContext::run`], but returns only its record.
    ///
    /// # Errors
    /// See [`RunContext::run`].
    pub async fn run_record(
        &self,
        plan: &Arc<Plan>,
        slot: &Slot,
        requester: Requester,
        wait: Duration,
    ) -> Result<Run, RunError> {
        let until = later(self.clock.now(), wait);
        let mut found_full = 0;
        loop {
            let left = Duration::try_from(until.duration_since(self.clock.now())).unwrap_or_default();
            let error = match self.run_once(plan, slot, requester, left).await {
                Err(error) if error.is_disk_full() => error,
                ended => return ended,
            };
            found_full += 1;
            let pause = DISK_FULL.wait(found_full, None);
            if requester == Requester::Worker || later(self.clock.now(), pause) > until {
                return Err(error);
            }
            if found_full == 1 {
                tracing::warn!(run = slot.run_id(), reason = with_causes(&error), "disk full, waiting for space");
            }
            tokio::select! {
                () = self.stop.cancelled() => return Err(error),
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    /// Executes the run until it ends, waits, or finds the disk full.
    async fn run_once(
        &self,
        plan: &Arc<Plan>,
        slot: &Slot,
        requester: Requester,
        wait: Duration,
    ) -> Result<Run, RunError> {
        let begun = self.clock.now();
        let spool = Spool::take(&self.settings.data, &slot.run_id(), &self.clock, wait).await?;
        let mut run = self.ledger.enter(slot, &plan.digest).await?;
        if may_continue(&run, requester) {
            let extract_deadline = later(begun, self.settings.work.deadlines.extract);
            let input = run
                .input
                .as_ref()
                .map(|input| Source::File(FileSource::in_place(PathBuf::from(&input.path), plan.source.csv())));
            let execution = RunExecution {
                context: self,
                plan,
                source: input.as_ref().unwrap_or(&plan.source),
                spool: &spool,
                requester,
                until: later(begun, wait),
                extract_until: if requester == Requester::Worker { extract_deadline } else { later(begun, wait) },
                extract_deadline,
            };
            match execution.execute(&mut run).await {
                Ok(()) | Err(Stop::Parked) => {}
                Err(Stop::Error(error)) => return Err(error),
                // The failure of an optional destination does not undo the run's delivery.
                Err(Stop::End { state, reason }) if run.state == RunState::Delivered => {
                    log_end(&run, state, &reason);
                    self.ledger.reschedule(&run.id, true).await?;
                }
                Err(Stop::End { state, reason }) => {
                    log_end(&run, state, &reason);
                    self.ledger.advance(&mut run, state, Some(&reason)).await?;
                }
            }
        }
        Ok(run)
    }
}

fn later(than: Timestamp, by: Duration) -> Timestamp {
    than.saturating_add(SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
}

/// Returns true if the requester may continue a run in this state.
fn may_continue(run: &Run, requester: Requester) -> bool {
    match run.state {
        RunState::Due | RunState::Extracting | RunState::Transforming | RunState::Delivering => true,
        RunState::Failed => requester != Requester::Worker,
        // A delivered run may have optional destinations left.
        RunState::Delivered => requester != Requester::Slot,
        RunState::Held | RunState::Blocked => requester == Requester::Retry,
        // A person's rejection is final.
        RunState::Rejected => requester == Requester::Retry && run.rejected_by.is_none(),
        RunState::Skipped | RunState::Cancelled => false,
    }
}

fn log_end(run: &Run, state: RunState, reason: &str) {
    let (id, pipeline, slot) = (&run.id, &run.pipeline, &run.slot);
    match state {
        RunState::Failed | RunState::Rejected => tracing::error!(run = id, pipeline, slot, reason, "{}", state.name()),
        RunState::Held | RunState::Blocked => {
            tracing::warn!(run = id, pipeline, slot, reason, "{}", state.name());
        }
        _ => tracing::info!(run = id, pipeline, slot, reason, "{}", state.name()),
    }
}

/// One run being executed by this process.
struct RunExecution<'a> {
    context: &'a RunContext,
    plan: &'a Arc<Plan>,
    /// The plan's source, or the file that is run in place of it.
    source: &'a Source,
    spool: &'a Spool,
    requester: Requester,
    /// No delivery attempt starts after this.
    until: Timestamp,
    /// No extract attempt starts after this.
    extract_until: Timestamp,
    /// Running extract attempts are cancelled at this time.
    extract_deadline: Timestamp,
}

impl RunExecution<'_> {
    async fn execute(&self, run: &mut Run) -> Result<(), Stop> {
        if self.requester == Requester::Retry {
            self.context.ledger.retry_deliveries(&run.id, &login()).await?;
        }
        let fails_again = matches!(run.checked.verdict(), expect::Verdict::Fail(_));
        if run.state == RunState::Failed && (fails_again || self.is_void_delta(run).await?) {
            // The same bytes would fail again.
            self.context.ledger.discard_artifact(run).await?;
        }
        let artifact = match self.saved_artifact(run).await? {
            Some(artifact) => artifact,
            // A person released the bytes that were held, not others that are made in their place.
            None if run.released_by.is_some() && run.state != RunState::Failed => {
                return Err(self.released_is_lost(run));
            }
            None => {
                self.hold_lost_encrypted(run).await?;
                self.make_artifact(run).await?
            }
        };
        if run.released_by.is_none() {
            match run.checked.verdict() {
                expect::Verdict::Pass => {}
                expect::Verdict::Hold(reason) => return Err(Stop::End { state: RunState::Held, reason }),
                expect::Verdict::Skip(reason) => return Err(Stop::End { state: RunState::Skipped, reason }),
                expect::Verdict::Fail(reason) => return Err(Stop::End { state: RunState::Failed, reason }),
            }
        }
        // The plan was edited since, or the bytes are an earlier run's.
        if run.replaces.is_some() && run.replaces != self.plan.replaces(run.slot_ms) {
            run.replaces = None;
        }
        self.stage_baseline(run).await?;
        self.deliver(run, artifact).await?;
        self.remove_replaced_baseline(run).await
    }

    /// Returns the artifact of an earlier process, if the spool still holds it unchanged.
    async fn saved_artifact(&self, run: &Run) -> Result<Option<Artifact>, Stop> {
        let Some(facts) = run.artifact.clone() else { return Ok(None) };
        let artifact = facts.at(self.spool.artifact());
        let saved = artifact.clone();
        if blocking(move || saved.is_intact()).await? {
            return Ok(Some(artifact));
        }
        let delivered = self.context.ledger.deliveries(&run.id).await?;
        let complete = delivered.into_iter().find(|delivery| delivery.receipt.is_some());
        let receiver = match complete {
            Some(delivery) => Some(delivery.destination),
            None => self.context.ledger.partly_delivered(&run.id).await?,
        };
        match receiver {
            // A new extract may have different bytes from those that some receivers already have.
            Some(destination) => Err(failed(format!(
                "the spool no longer holds {}, which {destination} already has; backfill or run a new slot instead",
                artifact.name
            ))),
            None => Ok(None),
        }
    }

    /// Fails a run whose released bytes the spool no longer holds.
    fn released_is_lost(&self, run: &Run) -> Stop {
        let name = run.artifact.as_ref().map(|artifact| artifact.name.as_str()).unwrap_or_default();
        failed(format!(
            "the spool no longer holds the released {name} unchanged, and nothing else is delivered in its place; \
             `retry` fetches the report again and checks it"
        ))
    }

    /// Waits for `work`, unless the process is stopping.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            () = self.context.stop.cancelled() => Err(Stop::Parked),
            done = work => Ok(done),
        }
    }
}

/// Runs blocking work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Stop> {
    tokio::task::spawn_blocking(work).await.map_err(|error| failed(format!("a stage panicked: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worker spawns runs, so their future must be `Send`.
    #[test]
    fn the_future_of_a_run_is_send() {
        fn is_send(_: impl Send) {}
        let _compiles = |context: &RunContext, plan: &Arc<Plan>, slot: &Slot| {
            is_send(context.run(plan, slot, Requester::Slot, Duration::ZERO))
        };
    }
}
