//! A worker's shift: from its start until it is asked to stop.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use notify::{RecursiveMode, Watcher};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use super::folder::Stamp;
use super::pickups::Pickups;
use super::{Worker, chain};
use crate::alert::Rules;
use crate::ledger::LedgerError;
use crate::pipeline::problem::Problem;
use crate::run::Line;
use crate::run::gates::Gates;
use crate::run::prune::{Pruned, prune};
use crate::serve::Board;
use crate::settings::Settings;

/// What a signal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Read the settings and every file anew.
    Reload,
    /// Finish or park what is running, then end. The second one ends at once.
    Stop,
}

/// How a shift ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing was under way any more, or the grace was over: what was, goes on at the next start.
    Stopped,
    /// A second order to stop came.
    Interrupted,
}

/// What commands wrote into the ledger is noticed within this time, and so is a clock that was set.
const POLL: Duration = Duration::from_secs(1);
/// After a run has ended the ledger is asked what is awake, but not more often than this.
const BREATH: Duration = Duration::from_millis(50);
/// The same, while there is more in the queue: those further back in it may have room where the first ones have none.
const LONG_BREATH: Duration = Duration::from_millis(250);
/// How often what is older than `keep` is removed.
const PRUNE: Duration = Duration::from_secs(3600);
/// How often the ledger is asked which readers are to be looked for.
const PICKUPS: Duration = Duration::from_secs(2);
/// How often the worker says in the ledger that it is there.
const BEAT: Duration = Duration::from_secs(10);
/// After a sign of a change the files are left to settle for this time.
const SETTLE: Duration = Duration::from_millis(200);
/// The folder is looked at without a sign too: some file systems give none. A look takes this part of the time at most.
const LOOK_SHARE: u32 = 250;
const LOOK_MAX: Duration = Duration::from_secs(30);

/// Another worker works on the same data folder.
#[derive(Debug, thiserror::Error)]
pub enum TakenError {
    #[error("another worker works on {folder}")]
    Taken { folder: PathBuf },
    #[error("cannot lock {folder}")]
    Io { folder: PathBuf, source: std::io::Error },
}

/// One worker for one data folder, while this is held. The system lets go of it however the process dies.
///
/// # Errors
/// There is one already, or the folder cannot be written.
pub fn lock(data: &Path) -> Result<File, TakenError> {
    let failed = |source| TakenError::Io { folder: data.to_owned(), source };
    std::fs::create_dir_all(data).map_err(failed)?;
    let file = File::options().create(true).truncate(false).write(true).open(data.join("worker.lock"));
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TakenError::Taken { folder: data.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Reads the settings anew, as they were read at the start.
pub type Reread = Box<dyn Fn() -> Result<(Settings, Vec<Problem>), Vec<Problem>> + Send + Sync>;

pub struct Shift {
    line: Line,
    worker: Worker<Line>,
    pickups: Pickups,
    reread: Reread,
    settings_stamp: Option<Stamp>,
    started: Timestamp,
    /// What kept the last tick from its end, so that it is told once.
    trouble: Option<String>,
    board: Board,
    rules: Rules,
}

impl Shift {
    pub fn new(mut line: Line, reread: Reread, board: Board, rules: Rules) -> Self {
        line.gates = Gates::new(line.settings.work);
        let worker = Worker::new(line.ledger.clone(), line.clock.clone(), line.clone(), &line.settings.work);
        let pickups = Pickups::new(&line);
        let settings_stamp = line.settings.file.as_deref().and_then(Stamp::of);
        Self { started: line.clock.now(), worker, pickups, reread, settings_stamp, trouble: None, line, board, rules }
    }

    /// Works until an order to stop comes.
    ///
    /// # Errors
    /// The ledger cannot be used at the start. Later it is waited for.
    pub async fn work(mut self, mut orders: mpsc::Receiver<Order>) -> Result<End, LedgerError> {
        self.worker.reload(&self.line.settings, true).await?;
        self.line.ledger.note_worker(self.started.as_millisecond(), false).await?;
        let zones = crate::schedule::zone::zones();
        tracing::info!(
            pipelines = self.worker.pipelines(),
            zones = zones.version,
            version = env!("CARGO_PKG_VERSION"),
            "at work"
        );
        self.post();
        self.board.ready();
        let (signs, _watcher) = self.watch();
        let mut prune_at = Instant::now() + SETTLE;
        let (mut look_at, mut beat_at) = (Instant::now() + POLL, Instant::now() + BEAT);
        let mut pickups_at = Instant::now();
        loop {
            let now = Instant::now();
            self.board.beat(self.line.clock.now(), self.worker.in_hand());
            if now >= look_at {
                look_at = self.look().await;
            }
            if now >= beat_at {
                let beaten = self.line.ledger.note_worker(self.started.as_millisecond(), false).await;
                self.hear(beaten);
                let sessions = self.line.sessions.clone();
                tokio::spawn(async move { sessions.close_idle().await });
                beat_at = Instant::now() + BEAT;
            }
            if now >= pickups_at {
                let ticked = self.pickups.tick(&self.line.settings).await;
                self.hear(ticked);
                pickups_at = Instant::now() + PICKUPS;
            }
            if now >= prune_at {
                self.prune();
                prune_at = Instant::now() + PRUNE;
            }
            let mut until = self.tick().await;
            loop {
                tokio::select! {
                    biased;
                    order = orders.recv() => match order {
                        Some(Order::Reload) => self.renew(true).await,
                        Some(Order::Stop) | None => return self.stop(&mut orders).await,
                    },
                    () = signs.notified() => look_at = look_at.min(Instant::now() + SETTLE),
                    done = self.worker.hands.done(), if !self.worker.hands.is_empty() => {
                        if let Some((hand, outcome)) = done {
                            let put_down = self.worker.put_down(hand, outcome).await;
                            self.hear(put_down);
                        }
                        let breath = if self.worker.queue.is_empty() { BREATH } else { LONG_BREATH };
                        until = until.min(Instant::now() + breath);
                    }
                    () = sleep_until(until.min(look_at).min(beat_at)) => break,
                }
            }
        }
    }

    /// One round of the worker; answers when to do the next.
    async fn tick(&mut self) -> Instant {
        let ticked = self.worker.tick().await;
        self.hear(ticked);
        let next = self.worker.next().await.ok().flatten();
        let wait = next.map(|next| next.duration_since(self.line.clock.now()));
        let wait = wait.map_or(POLL, |wait| Duration::try_from(wait).unwrap_or_default());
        Instant::now() + wait.clamp(BREATH, POLL)
    }

    /// Tells the board and the alerts what is at work.
    fn post(&self) {
        self.board.loaded(self.worker.pipelines(), self.worker.problems());
        self.rules.take(&self.line.settings, self.worker.plans());
    }

    /// Beside the work: a spool may hold much.
    fn prune(&self) {
        let (settings, ledger, clock) = (self.line.settings.clone(), self.line.ledger.clone(), self.line.clock.clone());
        tokio::spawn(async move {
            match prune(&settings, &ledger, &clock, false).await {
                Ok(Pruned { runs: 0, folders: 0, .. }) => {}
                Ok(Pruned { runs, folders, bytes }) => tracing::info!(runs, folders, bytes, "pruned"),
                Err(error) => tracing::warn!(reason = chain(&error), "not pruned"),
            }
        });
    }

    /// A ledger that cannot be used is told once, and waited for.
    fn hear(&mut self, outcome: Result<(), LedgerError>) {
        match outcome {
            Ok(()) if self.trouble.take().is_some() => {
                self.board.ready();
                tracing::info!("the ledger can be used again");
            }
            Ok(()) => {}
            Err(error) => {
                let what = chain(&error);
                self.board.not_ready(format!("the ledger cannot be used: {what}"));
                if self.trouble.as_ref() != Some(&what) {
                    tracing::error!(reason = what, "the ledger cannot be used: waiting for it");
                }
                self.trouble = Some(what);
            }
        }
    }

    /// Looks at settings and pipelines; answers when to look again.
    async fn look(&mut self) -> Instant {
        let begun = Instant::now();
        let stamp = self.line.settings.file.as_deref().and_then(Stamp::of);
        let settings_changed = stamp.is_some() && stamp != self.settings_stamp;
        if settings_changed {
            self.settings_stamp = stamp;
        }
        self.renew(settings_changed).await;
        Instant::now() + (begun.elapsed() * LOOK_SHARE).clamp(POLL, LOOK_MAX)
    }

    /// Takes up changed pipeline files; with `settings`, the settings and all files.
    async fn renew(&mut self, settings: bool) {
        if settings {
            match (self.reread)() {
                Ok((new, _warnings)) => self.renew_settings(new),
                Err(problems) => {
                    let reason = problems.first().map(Problem::to_string).unwrap_or_default();
                    tracing::error!(
                        reason,
                        problems = problems.len(),
                        "the settings cannot be used: the last good ones stay"
                    );
                    return;
                }
            }
        }
        let line_settings = self.line.settings.clone();
        let reloaded = self.worker.reload(&line_settings, settings).await;
        self.post();
        self.hear(reloaded);
    }

    fn renew_settings(&mut self, new: Settings) {
        let (new, kept) = new.renewing(&self.line.settings);
        if !kept.is_empty() {
            tracing::warn!(keys = kept.join(", "), "these settings take effect at the next start only");
        }
        tracing::info!("the settings were read anew");
        self.line.settings = Arc::new(new);
        self.worker.set_carrier(self.line.clone());
    }

    /// Signs that something in the pipelines folder or beside the settings has changed, where the system gives them.
    fn watch(&self) -> (Arc<Notify>, Option<notify::RecommendedWatcher>) {
        let signs = Arc::new(Notify::new());
        let sign = signs.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading a file is a sign too, and it is we who read.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                sign.notify_one();
            }
        });
        let watched = watcher.and_then(|mut watcher| {
            watcher.watch(&self.line.settings.pipelines, RecursiveMode::NonRecursive).map(|()| watcher)
        });
        if let Err(error) = &watched {
            tracing::info!(
                reason = error.to_string(),
                "the system gives no sign of changed files: they are looked for"
            );
        }
        (signs, watched.ok())
    }

    /// Lets what is running come to its end or to a durable step, for as long as the grace lasts.
    async fn stop(mut self, orders: &mut mpsc::Receiver<Order>) -> Result<End, LedgerError> {
        let grace = self.line.settings.work.grace;
        tracing::info!(runs = self.worker.in_hand(), grace = ?grace, "stopping");
        self.board.stopping();
        self.worker.hands.close();
        self.pickups.abort();
        self.line.stop.cancel();
        let until = Instant::now() + grace;
        let mut end = End::Stopped;
        while !self.worker.hands.is_empty() {
            self.board.beat(self.line.clock.now(), self.worker.in_hand());
            tokio::select! {
                done = self.worker.hands.done() => {
                    if let Some((hand, outcome)) = done {
                        let put_down = self.worker.put_down(hand, outcome).await;
                        self.hear(put_down);
                    }
                }
                order = orders.recv() => if order != Some(Order::Reload) {
                    end = End::Interrupted;
                    break;
                },
                () = sleep_until(until.min(Instant::now() + POLL)) => if Instant::now() >= until {
                    break;
                },
            }
        }
        if !self.worker.hands.is_empty() {
            tracing::warn!(runs = self.worker.in_hand(), "left where they are: they go on at the next start");
            self.worker.hands.abort();
        }
        self.line.sessions.say_goodbye().await;
        self.line.ledger.note_worker(self.started.as_millisecond(), true).await?;
        tracing::info!("stopped");
        Ok(end)
    }
}
