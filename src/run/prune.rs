//! What is kept for how long: artifacts in the spool, and history in the ledger.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::spool::Spool;
use crate::clock::Clock;
use crate::ledger::state::RunState;
use crate::ledger::{Ledger, LedgerError, Spooled};
use crate::settings::Settings;

/// A folder that no run of the ledger owns is left alone for this long: its run may be about to be entered.
const ORPHAN_AGE: Duration = Duration::from_secs(24 * 3600);

/// What was removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pruned {
    /// Runs forgotten with all that hung on them.
    pub runs: u64,
    /// Folders of the spool.
    pub folders: u64,
    /// Bytes that lay in them.
    pub bytes: u64,
}

/// Removes what is older than `keep` says; with `dry`, only counts it.
///
/// # Errors
/// The ledger cannot be used. A folder that cannot be removed is left for another time.
pub async fn prune(settings: &Settings, ledger: &Ledger, clock: &Clock, dry: bool) -> Result<Pruned, LedgerError> {
    let now = clock.now();
    let before = |keep: Duration| now.saturating_sub(signed(keep)).unwrap_or(Timestamp::MIN).as_millisecond();
    let ages = Ages { ended_ms: before(settings.keep.artifacts), orphaned_ms: before(ORPHAN_AGE) };
    let spool = settings.data.join("spool");
    let folders = tokio::task::spawn_blocking(move || folders(&spool)).await.unwrap_or_default();
    let mut pruned = Pruned::default();
    for portion in folders.chunks(PORTION) {
        let ids: Vec<String> = portion.iter().map(|folder| folder.run.clone()).collect();
        let known = ledger.spooled(&ids).await?;
        for folder in portion.iter().filter(|folder| ages.pass(known.get(&folder.run), folder)) {
            if let Some(bytes) = remove(ledger, folder, &ages, dry).await? {
                pruned.folders += 1;
                pruned.bytes += bytes;
            }
        }
    }
    let horizon = before(settings.keep.runs);
    pruned.runs = if dry { ledger.forgettable(horizon).await? } else { ledger.forget(horizon).await? };
    Ok(pruned)
}

/// Folders that the ledger is asked about in one go.
const PORTION: usize = 500;

/// Before which moments what ended, and what nobody knows, is removed.
struct Ages {
    ended_ms: i64,
    orphaned_ms: i64,
}

impl Ages {
    /// Whether the folder may go. That of a run for which there is still something to do, or that waits for a person,
    /// stays.
    fn pass(&self, run: Option<&Spooled>, folder: &Folder) -> bool {
        match run {
            Some(run) => {
                !run.awake && run.state.is_end() && run.state != RunState::Held && run.updated_ms < self.ended_ms
            }
            None => folder.touched_ms < self.orphaned_ms,
        }
    }
}

/// A run's folder in the spool.
#[derive(Clone, Debug)]
struct Folder {
    run: String,
    path: PathBuf,
    /// When it was last touched, in milliseconds since the epoch.
    touched_ms: i64,
}

fn signed(length: Duration) -> SignedDuration {
    SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX)
}

fn folders(spool: &Path) -> Vec<Folder> {
    let Ok(entries) = fs::read_dir(spool) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let run = entry.file_name().into_string().ok()?;
            let ours = run.len() == 16 && run.bytes().all(|byte| byte.is_ascii_hexdigit());
            let touched = entry.metadata().ok().filter(fs::Metadata::is_dir)?.modified().ok()?;
            let touched_ms = Timestamp::try_from(touched).ok()?.as_millisecond();
            ours.then(|| Folder { run, path: entry.path(), touched_ms })
        })
        .collect()
}

/// Removes a folder that nobody works in, and answers its bytes. Once it is taken, the ledger is asked again: a person
/// may have taken the run up since.
async fn remove(ledger: &Ledger, folder: &Folder, ages: &Ages, dry: bool) -> Result<Option<u64>, LedgerError> {
    let path = folder.path.clone();
    if dry {
        return Ok(tokio::task::spawn_blocking(move || size(&path)).await.ok());
    }
    let taken = tokio::task::spawn_blocking(move || Spool::take_idle(&path).map(|spool| (size(spool.path()), spool)));
    let Some((bytes, spool)) = taken.await.ok().flatten() else { return Ok(None) };
    let known = ledger.spooled(std::slice::from_ref(&folder.run)).await?;
    if !ages.pass(known.get(&folder.run), folder) {
        return Ok(None);
    }
    let removed = tokio::task::spawn_blocking(move || spool.remove()).await;
    Ok(removed.is_ok_and(|removed| removed.is_ok()).then_some(bytes))
}

/// Bytes of the files in a folder and below it.
pub fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}
