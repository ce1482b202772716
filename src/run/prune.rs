//! Retention: removes old artifacts from the spool and old history from the ledger.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::delta;
use super::spool::{SOURCES, Spool, extracts};
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
    /// Extracts removed from folders that stay.
    pub extracts: u64,
    /// Baselines of `delta` removed that no destination has any more.
    pub baselines: u64,
    /// Bytes removed from the data folder.
    pub bytes: u64,
}

/// Removes what is older than `keep`; with `dry`, only counts it.
///
/// # Errors
/// The ledger cannot be used. A folder that cannot be removed is left for the next prune.
pub async fn prune(settings: &Settings, ledger: &Ledger, clock: &Clock, dry: bool) -> Result<Pruned, LedgerError> {
    let now = clock.now();
    let before = |keep: Duration| now.saturating_sub(signed(keep)).unwrap_or(Timestamp::MIN).as_millisecond();
    let ages = Ages {
        ended_ms: before(settings.keep.artifacts),
        extracts_ms: before(settings.keep.extracts),
        orphaned_ms: before(ORPHAN_AGE),
    };
    let spool = settings.data.join("spool");
    let folders = tokio::task::spawn_blocking(move || folders(&spool)).await.unwrap_or_default();
    let mut pruned = Pruned::default();
    for chunk in folders.chunks(LOOKUP_CHUNK) {
        let ids: Vec<String> = chunk.iter().map(|folder| folder.run.clone()).collect();
        let known = ledger.spooled(&ids).await?;
        for folder in chunk {
            let Some(part) = ages.expired(known.get(&folder.run), folder) else { continue };
            if let Some(bytes) = remove(ledger, folder, part, &ages, dry).await? {
                match part {
                    Part::Folder => pruned.folders += 1,
                    Part::Extract => pruned.extracts += 1,
                }
                pruned.bytes += bytes;
            }
        }
    }
    prune_baselines(settings, ledger, ages.orphaned_ms, dry, &mut pruned).await?;
    let horizon = before(settings.keep.runs);
    pruned.runs = if dry { ledger.prunable(horizon).await? } else { ledger.prune(horizon).await? };
    Ok(pruned)
}

/// Removes the files of baselines that no receipt names. The current ones stay for good.
async fn prune_baselines(
    settings: &Settings,
    ledger: &Ledger,
    before_ms: i64,
    dry: bool,
    pruned: &mut Pruned,
) -> Result<(), LedgerError> {
    let (data, current) = (settings.data.clone(), ledger.delta_digests().await?);
    let before = delta::moment(before_ms);
    let removed = tokio::task::spawn_blocking(move || {
        let mut orphans = delta::orphans(&data, &current, before);
        orphans.retain(|(path, _)| dry || fs::remove_file(path).is_ok());
        orphans
    });
    for (_, bytes) in removed.await.unwrap_or_default() {
        pruned.baselines += 1;
        pruned.bytes += bytes;
    }
    Ok(())
}

/// Folders looked up in the ledger at once.
const LOOKUP_CHUNK: usize = 500;

/// A part of the spool that is removed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Extract,
    Folder,
}

/// The moments before which ended runs, their extracts and unknown folders are removed.
struct Ages {
    ended_ms: i64,
    extracts_ms: i64,
    orphaned_ms: i64,
}

impl Ages {
    /// Returns what may be removed of the folder. Open and held runs keep theirs.
    fn expired(&self, run: Option<&Spooled>, folder: &Folder) -> Option<Part> {
        let Some(run) = run else { return (folder.modified_ms < self.orphaned_ms).then_some(Part::Folder) };
        let has_ended = !run.has_work && run.state.is_end() && !matches!(run.state, RunState::Held | RunState::Blocked);
        match has_ended {
            true if run.updated_ms < self.ended_ms => Some(Part::Folder),
            true if run.updated_ms < self.extracts_ms => Some(Part::Extract),
            _ => None,
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

/// Removes a folder that no process uses, or its extract. Returns the bytes. Checks the ledger again once the folder is
/// locked, as a person may have continued the run since.
async fn remove(
    ledger: &Ledger,
    folder: &Folder,
    part: Part,
    ages: &Ages,
    dry: bool,
) -> Result<Option<u64>, LedgerError> {
    let path = folder.path.clone();
    let bytes = tokio::task::spawn_blocking(move || part.size(&path)).await.ok().flatten();
    if dry || bytes.is_none() {
        return Ok(bytes);
    }
    let path = folder.path.clone();
    let taken = tokio::task::spawn_blocking(move || Spool::take_idle(&path));
    let Some(spool) = taken.await.ok().flatten() else { return Ok(None) };
    let known = ledger.spooled(std::slice::from_ref(&folder.run)).await?;
    if ages.expired(known.get(&folder.run), folder) < Some(part) {
        return Ok(None);
    }
    let removed = tokio::task::spawn_blocking(move || match part {
        Part::Folder => spool.remove().is_ok(),
        Part::Extract => {
            spool.remove_extract();
            true
        }
    });
    let removed = removed.await.unwrap_or(false);
    Ok(bytes.filter(|_| removed))
}

impl Part {
    /// Returns the bytes of this part of a run's folder; `None` if it is not there.
    fn size(self, folder: &Path) -> Option<u64> {
        match self {
            Self::Folder => Some(size(folder)),
            Self::Extract => {
                let there = extracts(folder).into_iter().filter_map(|path| fs::metadata(path).ok());
                let others = folder.join(SOURCES);
                let others = others.is_dir().then(|| size(&others));
                there.map(|facts| facts.len()).chain(others).reduce(|sum, bytes| sum + bytes)
            }
        }
    }
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
