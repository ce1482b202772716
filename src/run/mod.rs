//! The straight line: slot → extract → transform → check → encode → deliver → receipt.

/// Every destination on its own; then the run's end.
mod deliveries;
mod delivery;
pub mod document;
pub mod gates;
/// Parts of a delivery, kept in the ledger.
mod parts;
/// What is kept for how long.
pub mod prune;
/// slot → extract.
mod pull;
/// The same bytes again.
pub mod replay;
mod shape;
pub mod spool;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::deliver::Sessions;
use crate::encode::Artifact;
use crate::expect;
use crate::extract::Tenants;
use crate::ledger::record::Run;
use crate::ledger::state::RunState;
use crate::ledger::{Ledger, LedgerError};
use crate::measure::{self, Stage};
use crate::pipeline::plan::{Plan, Source};
use crate::progress::Progress;
use crate::schedule::slot::Slot;
use crate::settings::Settings;

use document::Document;
use gates::Gates;
use shape::Shaped;
use spool::{Spool, SpoolError};

/// What every run of a process shares.
#[derive(Clone)]
pub struct Line {
    pub settings: Arc<Settings>,
    pub ledger: Ledger,
    pub tenants: Tenants,
    pub clock: Clock,
    pub progress: Progress,
    /// How many runs may be at the same stage at once.
    pub gates: Gates,
    /// Sessions that are open for the next delivery.
    pub sessions: Sessions,
    /// Asks what waits to stop waiting: the run stays where it is, and goes on another time.
    pub stop: CancellationToken,
}

/// Who asks for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The worker: what waits for its next attempt goes on waiting until that is due.
    Worker,
    /// The slot is to be done now: what has ended in a person's hands stays there.
    Slot,
    /// A person says: again, from where it stopped.
    Retry,
}

/// The run could not be carried on at all; its state in the ledger is what it was.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Why the line ends before its end.
enum Stop {
    End {
        state: RunState,
        reason: String,
    },
    /// Asked to stop: the run's state is what it was.
    Parked,
    Broken(RunError),
}

impl From<LedgerError> for Stop {
    fn from(error: LedgerError) -> Self {
        Self::Broken(error.into())
    }
}

fn failed(reason: impl Into<String>) -> Stop {
    Stop::End { state: RunState::Failed, reason: reason.into() }
}

/// A damaged extract is fetched again at most this often.
const FETCHES_MAX: u32 = 3;

impl Line {
    pub fn new(settings: Arc<Settings>, ledger: Ledger, clock: Clock) -> Self {
        Self {
            settings,
            ledger,
            tenants: Tenants::new(clock.clone()),
            clock,
            progress: Progress::default(),
            gates: Gates::default(),
            sessions: Sessions::default(),
            stop: CancellationToken::new(),
        }
    }

    /// Does the slot's run, from where it stopped, and says how it stands. No attempt begins later than `wait` from now.
    ///
    /// # Errors
    /// The ledger or the spool cannot be used, or another process works on the run for longer than `wait`.
    pub async fn run(&self, plan: &Arc<Plan>, slot: &Slot, ask: Ask, wait: Duration) -> Result<Document, RunError> {
        let run = self.carry_on(plan, slot, ask, wait).await?;
        Ok(Document::of(&self.ledger, &run).await?)
    }

    /// As [`Line::run`], for whoever asks for no more than the run's state.
    ///
    /// # Errors
    /// As [`Line::run`].
    pub async fn carry_on(&self, plan: &Arc<Plan>, slot: &Slot, ask: Ask, wait: Duration) -> Result<Run, RunError> {
        let begun = self.clock.now();
        let spool = Spool::take(&self.settings.data, &slot.run_id(), &self.clock, wait).await?;
        let mut run = self.ledger.enter(slot, &plan.digest).await?;
        if may_go(&run, ask) {
            let extract_deadline = later(begun, self.settings.work.deadlines.extract);
            let work = Work {
                line: self,
                plan,
                spool: &spool,
                ask,
                until: later(begun, wait),
                extract_until: if ask == Ask::Worker { extract_deadline } else { later(begun, wait) },
                extract_deadline,
            };
            match work.straight(&mut run).await {
                Ok(()) | Err(Stop::Parked) => {}
                Err(Stop::Broken(error)) => return Err(error),
                // A destination that the run does not wait for takes nothing from what was delivered.
                Err(Stop::End { state, reason }) if run.state == RunState::Delivered => {
                    tell(&run, state, &reason);
                    self.ledger.rest(&run.id, true).await?;
                }
                Err(Stop::End { state, reason }) => {
                    tell(&run, state, &reason);
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

/// What is delivered stays delivered; what waits for a person waits, unless the person is who asks.
fn may_go(run: &Run, ask: Ask) -> bool {
    match run.state {
        RunState::Due | RunState::Extracting | RunState::Shaping | RunState::Delivering => true,
        RunState::Failed => ask != Ask::Worker,
        // A delivered run may have destinations left that it did not wait for.
        RunState::Delivered => ask != Ask::Slot,
        RunState::Held => ask == Ask::Retry,
        // What a person rejected is rejected for good.
        RunState::Rejected => ask == Ask::Retry && run.rejected_by.is_none(),
        RunState::Skipped => false,
    }
}

fn tell(run: &Run, state: RunState, reason: &str) {
    let (id, pipeline, slot) = (&run.id, &run.pipeline, &run.slot);
    match state {
        RunState::Failed | RunState::Rejected => tracing::error!(run = id, pipeline, slot, reason, "{}", state.name()),
        RunState::Held => tracing::warn!(run = id, pipeline, slot, reason, "held"),
        _ => tracing::info!(run = id, pipeline, slot, reason, "{}", state.name()),
    }
}

/// One run in this process's hands.
struct Work<'a> {
    line: &'a Line,
    plan: &'a Arc<Plan>,
    spool: &'a Spool,
    ask: Ask,
    /// No attempt at a delivery begins after this.
    until: Timestamp,
    /// No try of the extract begins after this.
    extract_until: Timestamp,
    /// No try of the extract goes on after this.
    extract_deadline: Timestamp,
}

impl Work<'_> {
    async fn straight(&self, run: &mut Run) -> Result<(), Stop> {
        if self.ask == Ask::Retry {
            self.line.ledger.renew_deliveries(&run.id, "by a person").await?;
        }
        let artifact = match self.kept_artifact(run).await? {
            Some(artifact) => artifact,
            None => self.make_artifact(run).await?,
        };
        if run.released_by.is_none() {
            match expect::check(artifact.rows, &self.plan.expect) {
                expect::Verdict::Pass => {}
                expect::Verdict::Hold(reason) => return Err(Stop::End { state: RunState::Held, reason }),
                expect::Verdict::Skip(reason) => return Err(Stop::End { state: RunState::Skipped, reason }),
            }
        }
        self.deliver(run, artifact).await
    }

    /// The artifact that an earlier process made, if the spool still holds its very bytes.
    async fn kept_artifact(&self, run: &Run) -> Result<Option<Artifact>, Stop> {
        let Some(facts) = run.artifact.clone() else { return Ok(None) };
        let artifact = Artifact {
            path: self.spool.artifact(&facts.name),
            name: facts.name,
            bytes: facts.bytes,
            sha256: facts.sha256,
            rows: facts.rows,
            columns: facts.columns,
            dialect: facts.dialect.unwrap_or_else(|| self.plan.artifact.csv.clone()),
            set: facts.set,
        };
        let kept = artifact.clone();
        if blocking(move || kept.is_intact()).await? {
            return Ok(Some(artifact));
        }
        let delivered = self.line.ledger.deliveries(&run.id).await?;
        let whole = delivered.into_iter().find(|delivery| delivery.receipt.is_some());
        let has_some = match whole {
            Some(delivery) => Some(delivery.destination),
            None => self.line.ledger.partly_delivered(&run.id).await?,
        };
        match has_some {
            // Another extraction may give other bytes, and some of the receivers have these.
            Some(destination) => Err(failed(format!(
                "the spool no longer holds {}, which {destination} has already; backfill or run a new slot instead",
                artifact.name
            ))),
            None => Ok(None),
        }
    }

    async fn make_artifact(&self, run: &mut Run) -> Result<Artifact, Stop> {
        let tenant = match &self.plan.source {
            Source::Docebo(docebo) => Some(docebo.tenant.name.as_str()),
            Source::File(_) => None,
        };
        let _leave = self.unless_stopped(self.line.gates.make(tenant)).await?;
        for _ in 0..FETCHES_MAX {
            let begun = self.line.clock.now();
            let extract = self.extract(run).await?;
            let extracted = self.line.clock.now();
            measure::stage(Stage::Extract, extracted.duration_since(begun).unsigned_abs());
            self.line.ledger.advance(run, RunState::Shaping, None).await?;
            let deadline = self.line.settings.work.deadlines.shape;
            let shaped = tokio::select! {
                shaped = shape::shape(self, run, &extract) => shaped?,
                () = self.line.clock.sleep(deadline) => return Err(failed("shaping took longer than work.deadlines.shape")),
            };
            match shaped {
                Shaped::Done { artifact, rows, dropped } => {
                    measure::stage(Stage::Shape, self.line.clock.now().duration_since(extracted).unsigned_abs());
                    measure::rows(rows["extracted"].as_u64().unwrap_or_default(), artifact.rows);
                    for (step, kind, dropped) in dropped {
                        let detail = format!("transform[{step}].{kind} dropped {dropped} rows");
                        self.line.ledger.note(&run.id, "dropped", &detail).await?;
                    }
                    let destinations: Vec<(&str, bool)> =
                        self.plan.deliveries.iter().map(|d| (d.destination.name.as_str(), d.required)).collect();
                    self.line.ledger.note_artifact(run, &self.plan.digest, &artifact, rows, &destinations).await?;
                    return Ok(*artifact);
                }
                Shaped::Damaged { what } => {
                    tracing::warn!(
                        run = run.id,
                        pipeline = run.pipeline,
                        reason = what,
                        "the extract is damaged; fetching it again"
                    );
                    self.line.ledger.note(&run.id, "extract damaged", &what).await?;
                    run.extract = None;
                }
            }
        }
        Err(failed(format!("the extract came damaged {FETCHES_MAX} times")))
    }

    /// Leaves off waiting when the line is asked to stop.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            () = self.line.stop.cancelled() => Err(Stop::Parked),
            done = work => Ok(done),
        }
    }
}

/// Runs blocking work off the async threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Stop> {
    tokio::task::spawn_blocking(work).await.map_err(|error| failed(format!("a stage broke off: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worker will spawn runs: their future must be able to move between threads.
    #[test]
    fn a_run_may_move_between_threads() {
        fn moves(_: impl Send) {}
        let _compiles =
            |line: &Line, plan: &Arc<Plan>, slot: &Slot| moves(line.run(plan, slot, Ask::Slot, Duration::ZERO));
    }
}
