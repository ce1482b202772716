//! Retention: removes old artifacts from the spool and old history from the ledger.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::spool::Spool;
use crate::clock::Clock;
use crate::ledger::state::RunState;
use crate::ledger::{Ledger, LedgerError, Spooled};
use crate::settings::Settings;

/// The minimum age of a folder without a run in the ledger: its run may be about to be recorded.
const ORPHAN_AGE: Duration = Duration::from_secs(24 * 3600);

/// The amounts that were removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Pruned {
    /// Runs removed from the ledger.
    pub runs: u64,
    /// Folders removed from the spool.
    pub folders: u64,
    /// Bytes in these folders.
    pub bytes: u64,
}

/// Removes what is older than `keep`; with `dry`, only counts it.
///
/// # Errors
/// The ledger cannot be used. A folder that cannot be removed is left for the next prune.
pub async fn prune(settings: &Settings, ledger: &Ledger, clock: &Clock, dry: bool) -> Result<Pruned, LedgerError> {
    let now = clock.now();
    let before = |keep: Duration| now.saturating_sub(signed(keep)).unwrap_or(Timestamp::MIN).as_millisecond();
    let ages = Ages { ended_ms: before(settings.keep.artifacts), orphaned_ms: before(ORPHAN_AGE) };
    let spool = settings.data.join("spool");
    let folders = tokio::task::spawn_blocking(move || folders(&spool)).await.unwrap_or_default();
    let mut pruned = Pruned::default();
    for chunk in folders.chunks(LOOKUP_CHUNK) {
        let ids: Vec<String> = chunk.iter().map(|folder| folder.run.clone()).collect();
        let known = ledger.spooled(&ids).await?;
        for folder in chunk.iter().filter(|folder| ages.is_expired(known.get(&folder.run), folder)) {
            if let Some(bytes) = remove(ledger, folder, &ages, dry).await? {
                pruned.folders += 1;
                pruned.bytes += bytes;
            }
        }
    }
    let horizon = before(settings.keep.runs);
    pruned.runs = if dry { ledger.prunable(horizon).await? } else { ledger.prune(horizon).await? };
    Ok(pruned)
}

/// Folders looked up in the ledger at once.
const LOOKUP_CHUNK: usize = 500;

/// The moments before which ended runs and unknown folders are removed.
struct Ages {
    ended_ms: i64,
    orphaned_ms: i64,
}

impl Ages {
    /// Returns true if the folder may be removed. Open and held runs keep theirs.
    fn is_expired(&self, run: Option<&Spooled>, folder: &Folder) -> bool {
        match run {
            Some(run) => {
                !run.has_work
                    && run.state.is_end()
                    && !matches!(run.state, RunState::Held | RunState::Blocked)
                    && run.updated_ms < self.ended_ms
            }
            None => folder.modified_ms < self.orphaned_ms,
        }
    }
}

/// A run's folder in the spool.
#[derive(Clone, Debug)]
struct Folder {
    run: String,
    path: PathBuf,
    /// The time of the last change, in milliseconds since the epoch.
    modified_ms: i64,
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
            let modified = entry.metadata().ok().filter(fs::Metadata::is_dir)?.modified().ok()?;
            let modified_ms = Timestamp::try_from(modified).ok()?.as_millisecond();
            ours.then(|| Folder { run, path: entry.path(), modified_ms })
        })
        .collect()
}

/// Removes a folder that no process uses. Returns its bytes. Checks the ledger again once the folder is locked, as a
/// person may have continued the run since.
async fn remove(ledger: &Ledger, folder: &Folder, ages: &Ages, dry: bool) -> Result<Option<u64>, LedgerError> {
    let path = folder.path.clone();
    if dry {
        return Ok(tokio::task::spawn_blocking(move || size(&path)).await.ok());
    }
    let taken = tokio::task::spawn_blocking(move || Spool::take_idle(&path).map(|spool| (size(spool.path()), spool)));
    let Some((bytes, spool)) = taken.await.ok().flatten() else { return Ok(None) };
    let known = ledger.spooled(std::slice::from_ref(&folder.run)).await?;
    if !ages.is_expired(known.get(&folder.run), folder) {
        return Ok(None);
    }
    let removed = tokio::task::spawn_blocking(move || spool.remove()).await;
    Ok(removed.is_ok_and(|removed| removed.is_ok()).then_some(bytes))
}

/// Returns the bytes of the files in a folder and below it.
pub fn size(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}
