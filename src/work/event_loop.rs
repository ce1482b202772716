//! The worker's event loop: signals, ticks, reloads, and a graceful stop.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use notify::{RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use super::Worker;
use super::commands::Commands;
use super::folder::Stamp;
use super::ledger_state::LedgerState;
use super::pickups::Pickups;
use super::scope_checks::ScopeChecks;
use super::space::SpaceWatch;
use crate::alert::Rules;
use crate::ledger::LedgerError;
use crate::run::RunContext;
use crate::run::limits::RunLimits;
use crate::run::prune::{Pruned, prune};
use crate::run::with_causes;
use crate::serve::WorkerHealth;
use crate::settings::Settings;
use crate::yaml::problem::Problem;

/// Outcome of the event loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// No run was active any more, or the grace period was over: what was active resumes at the next start.
    Stopped,
    /// A second command to stop arrived.
    Interrupted,
}

/// Longest wait between ticks: changes that commands wrote to the ledger, and a clock that was set, are noticed by then.
const POLL: Duration = Duration::from_secs(1);
/// Shortest wait between ticks after a run has ended.
const TICK_MIN: Duration = Duration::from_millis(50);
/// The same while runs are queued: the next tick fills free places from further back in the queue.
const TICK_MIN_QUEUED: Duration = Duration::from_millis(250);
/// Interval of pruning runs older than `keep`.
const PRUNE: Duration = Duration::from_secs(3600);
/// Interval of queries for pickups that are due for a check.
const PICKUPS: Duration = Duration::from_secs(2);
/// Interval of the worker's heartbeat in the ledger.
const BEAT: Duration = Duration::from_secs(10);
/// Interval of checks of the free disk space.
const SPACE: Duration = Duration::from_secs(10);
/// Interval of queries for scope checks that are due.
const SCOPE: Duration = Duration::from_secs(5);
/// Longest wait for the ledger's last write when the worker stops.
const LAST_WRITE_MAX: Duration = Duration::from_secs(3);
/// Time for files to settle after a change notification before they are read.
const SETTLE: Duration = Duration::from_millis(200);
/// The folder is also polled, because some file systems send no notifications. Polling takes at most 1/POLL_SHARE of the time.
const POLL_SHARE: u32 = 250;
const POLL_MAX: Duration = Duration::from_secs(30);

/// Reads the settings again, from the same file, environment and arguments.
pub type Reread = Box<dyn Fn() -> Result<(Settings, Vec<Problem>), Vec<Problem>> + Send + Sync>;

pub struct EventLoop {
    context: RunContext,
    worker: Worker<RunContext>,
    pickups: Pickups,
    scope_checks: ScopeChecks,
    reread: Reread,
    settings_stamp: Option<Stamp>,
    started: Timestamp,
    ledger_state: LedgerState,
    health: WorkerHealth,
    rules: Rules,
    space: SpaceWatch,
    due: Due,
}

/// The times at which the loop's regular tasks are due next.
struct Due {
    files: Instant,
    beat: Instant,
    pickups: Instant,
    prune: Instant,
    scope: Instant,
    space: Instant,
}

impl Due {
    fn from(now: Instant) -> Self {
        Self { files: now + POLL, beat: now + BEAT, pickups: now, prune: now + SETTLE, scope: now, space: now }
    }
}

impl EventLoop {
    pub fn new(mut context: RunContext, reread: Reread, health: WorkerHealth, rules: Rules) -> Self {
        context.limits = RunLimits::new(context.settings.work);
        let worker =
            Worker::new(context.ledger.clone(), context.clock.clone(), context.clone(), &context.settings.work);
        let (pickups, scope_checks) = (Pickups::new(&context), ScopeChecks::new(&context));
        let settings_stamp = context.settings.file.as_deref().and_then(Stamp::of);
        Self {
            started: context.clock.now(),
            worker,
            pickups,
            scope_checks,
            reread,
            settings_stamp,
            ledger_state: LedgerState::default(),
            context,
            health,
            rules,
            space: SpaceWatch::default(),
            due: Due::from(Instant::now()),
        }
    }

    /// Runs until a command to stop arrives, whatever the worker is waiting for.
    ///
    /// # Errors
    /// The ledger is unavailable at the start. Later, its failures are retried.
    pub async fn work(mut self, commands: Commands) -> Result<End, LedgerError> {
        tokio::select! {
            biased;
            () = commands.stop(1) => return Ok(End::Stopped),
            started = self.start() => started?,
        }
        let (changed, _watcher) = self.watch();
        loop {
            tokio::select! {
                biased;
                () = commands.stop(1) => return Ok(self.stop(&commands).await),
                () = self.round(&commands, &changed) => {}
            }
        }
    }

    async fn start(&mut self) -> Result<(), LedgerError> {
        self.worker.reload(&self.context.settings, true).await?;
        self.context.ledger.note_worker(self.started.as_millisecond(), false).await?;
        let zones = crate::schedule::zone::zones();
        tracing::info!(
            pipelines = self.worker.pipelines(),
            zones = zones.version,
            version = env!("CARGO_PKG_VERSION"),
            "worker started"
        );
        self.publish_status();
        self.health.ready();
        self.due = Due::from(Instant::now());
        Ok(())
    }

    /// Does what is due, then waits until something else is. May be dropped at any time when the worker stops.
    async fn round(&mut self, commands: &Commands, changed: &Notify) {
        self.do_due().await;
        let mut until = self.tick().await;
        loop {
            let next = until.min(self.due.files).min(self.due.beat);
            tokio::select! {
                biased;
                () = commands.reload() => self.reload(true).await,
                () = changed.notified() => self.due.files = self.due.files.min(Instant::now() + SETTLE),
                done = self.worker.active_runs.done(), if !self.worker.active_runs.is_empty() => {
                    if let Some((active_run, outcome)) = done {
                        let finished = self.worker.finish(active_run, outcome).await;
                        self.handle_ledger_result(finished);
                    }
                    let pause = if self.worker.queue.is_empty() { TICK_MIN } else { TICK_MIN_QUEUED };
                    until = until.min(Instant::now() + pause);
                }
                () = sleep_until(next) => return,
            }
        }
    }

    async fn do_due(&mut self) {
        let now = Instant::now();
        self.health.beat(self.context.clock.now(), self.worker.active());
        if now >= self.due.files {
            self.due.files = self.check_files().await;
        }
        let was_clean = self.ledger_state.begin_round();
        if now >= self.due.beat || self.ledger_state.is_failing() {
            self.beat(was_clean).await;
        }
        if now >= self.due.pickups {
            let ticked = self.pickups.tick(&self.context.settings).await;
            self.handle_ledger_result(ticked);
            self.due.pickups = Instant::now() + PICKUPS;
        }
        if now >= self.due.scope {
            let plans = self.worker.plans().cloned().collect();
            let ticked = self.scope_checks.tick(&self.context.settings, plans).await;
            self.handle_ledger_result(ticked);
            self.due.scope = now + SCOPE;
        }
        if now >= self.due.prune {
            self.prune();
            self.due.prune = now + PRUNE;
        }
        if now >= self.due.space {
            self.space.check(&self.context.settings, &self.context.stop);
            self.due.space = now + SPACE;
        }
    }

    fn handle_ledger_result(&mut self, outcome: Result<(), LedgerError>) {
        self.ledger_state.handle(outcome, &self.health);
    }

    /// Writes the heartbeat. After a failure, a round without one and this write show that the ledger is available again:
    /// reads succeed on a full disk too.
    async fn beat(&mut self, was_clean: bool) {
        match self.context.ledger.note_worker(self.started.as_millisecond(), false).await {
            Ok(()) if was_clean => self.ledger_state.handle_write(&self.context.settings.ledger, &self.health),
            beaten => self.handle_ledger_result(beaten),
        }
        let sessions = self.context.sessions.clone();
        tokio::spawn(async move { sessions.close_idle().await });
        self.due.beat = Instant::now() + BEAT;
    }

    /// Runs one tick and returns when the next is due.
    async fn tick(&mut self) -> Instant {
        let ticked = self.worker.tick().await;
        self.handle_ledger_result(ticked);
        let next = self.worker.next().await.ok().flatten();
        let wait = next.map(|next| next.duration_since(self.context.clock.now()));
        let wait = wait.map_or(POLL, |wait| Duration::try_from(wait).unwrap_or_default());
        Instant::now() + wait.clamp(TICK_MIN, POLL)
    }

    /// Publishes the loaded pipelines to health and alerts.
    fn publish_status(&self) {
        self.health.loaded(self.worker.pipelines(), self.worker.problems());
        self.rules.take(&self.context.settings, self.worker.plans());
    }

    /// Prunes in a task of its own, because a spool may hold many files.
    fn prune(&self) {
        let (settings, ledger, clock) =
            (self.context.settings.clone(), self.context.ledger.clone(), self.context.clock.clone());
        tokio::spawn(async move {
            match prune(&settings, &ledger, &clock, false).await {
                Ok(Pruned { runs: 0, folders: 0, extracts: 0, baselines: 0, .. }) => {}
                Ok(Pruned { runs, folders, extracts, baselines, bytes }) => {
                    tracing::info!(runs, folders, extracts, baselines, bytes, "pruned");
                }
                Err(error) => tracing::warn!(reason = with_causes(&error), "not pruned"),
            }
        });
    }

    /// Reloads changed settings and pipelines. Returns when to check again.
    async fn check_files(&mut self) -> Instant {
        let started = Instant::now();
        let stamp = self.context.settings.file.as_deref().and_then(Stamp::of);
        let settings_changed = stamp.is_some() && stamp != self.settings_stamp;
        if settings_changed {
            self.settings_stamp = stamp;
        }
        self.reload(settings_changed).await;
        Instant::now() + (started.elapsed() * POLL_SHARE).clamp(POLL, POLL_MAX)
    }

    /// Reloads changed pipeline files; with `settings`, the settings and all files.
    async fn reload(&mut self, settings: bool) {
        if settings {
            match (self.reread)() {
                Ok((new, _warnings)) => self.apply_settings(new),
                Err(problems) => {
                    let reason = problems.first().map(Problem::to_string).unwrap_or_default();
                    tracing::error!(
                        reason,
                        problems = problems.len(),
                        "settings are invalid, the last valid ones stay in use"
                    );
                    return;
                }
            }
        }
        let current = self.context.settings.clone();
        let reloaded = self.worker.reload(&current, settings).await;
        self.publish_status();
        self.handle_ledger_result(reloaded);
    }

    fn apply_settings(&mut self, new: Settings) {
        let (new, kept) = new.replacing(&self.context.settings);
        if !kept.is_empty() {
            tracing::warn!(keys = kept.join(", "), "these settings take effect at the next start only");
        }
        tracing::info!("settings reloaded");
        self.context.settings = Arc::new(new);
        self.worker.set_executor(self.context.clone());
    }

    /// Watches the pipelines folder, where the system supports it.
    fn watch(&self) -> (Arc<Notify>, Option<notify::RecommendedWatcher>) {
        let changed = Arc::new(Notify::new());
        let notifier = changed.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reads notify too, and they are our own.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                notifier.notify_one();
            }
        });
        let watched = watcher.and_then(|mut watcher| {
            watcher.watch(&self.context.settings.pipelines, RecursiveMode::NonRecursive).map(|()| watcher)
        });
        if let Err(error) = &watched {
            tracing::info!(reason = error.to_string(), "file watching unavailable, polling for changed files");
        }
        (changed, watched.ok())
    }

    /// Drains active runs until they finish, reach a durable step, or the grace period ends.
    async fn stop(mut self, commands: &Commands) -> End {
        let grace = self.context.settings.work.grace;
        tracing::info!(runs = self.worker.active(), grace = ?grace, "stopping");
        self.health.stopping();
        self.worker.active_runs.close();
        self.pickups.abort();
        self.scope_checks.abort();
        self.context.stop.cancel();
        let end = tokio::select! {
            biased;
            () = commands.stop(2) => End::Interrupted,
            () = sleep_until(Instant::now() + grace) => End::Stopped,
            () = self.drain() => End::Stopped,
        };
        if !self.worker.active_runs.is_empty() {
            tracing::warn!(runs = self.worker.active(), "grace period over, runs will resume at next start");
            self.worker.active_runs.abort();
        }
        let ledger = self.context.ledger.clone();
        let last = async {
            self.context.sessions.close_all().await;
            ledger.note_worker(self.started.as_millisecond(), true).await
        };
        match timeout(LAST_WRITE_MAX, last).await {
            Ok(Ok(())) => tracing::info!("stopped"),
            // The heartbeat ends by itself.
            Ok(Err(error)) => tracing::warn!(reason = with_causes(&error), "stopped, without a note in the ledger"),
            Err(_) => tracing::warn!("stopped, without a note in the ledger: it does not respond"),
        }
        end
    }

    /// Finishes active runs until none is left.
    async fn drain(&mut self) {
        while !self.worker.active_runs.is_empty() {
            self.health.beat(self.context.clock.now(), self.worker.active());
            tokio::select! {
                done = self.worker.active_runs.done() => {
                    if let Some((active_run, outcome)) = done {
                        let finished = self.worker.finish(active_run, outcome).await;
                        self.handle_ledger_result(finished);
                    }
                }
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }
}
