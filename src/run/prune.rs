//! What is kept for how long: artifacts in the spool, and history in the ledger.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::ledger::state::RunState;
use crate::ledger::{Ledger, LedgerError};
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
    let spool = settings.data.join("spool");
    let listed = tokio::task::spawn_blocking(move || folders(&spool)).await.unwrap_or_default();
    let ids: Vec<String> = listed.iter().map(|(id, ..)| id.clone()).collect();
    let known = ledger.spooled(&ids).await?;
    let (old, orphaned) = (before(settings.keep.artifacts), before(ORPHAN_AGE));
    let mut removable = Vec::new();
    for (id, path, touched_ms) in listed {
        let goes = match known.get(&id) {
            Some(run) => !run.awake && run.state.is_end() && run.state != RunState::Held && run.updated_ms < old,
            None => touched_ms < orphaned,
        };
        if goes {
            removable.push(path);
        }
    }
    let removed = tokio::task::spawn_blocking(move || remove(removable, dry)).await.unwrap_or_default();
    let horizon = before(settings.keep.runs);
    let runs = if dry { ledger.forgettable(horizon).await? } else { ledger.forget(horizon).await? };
    Ok(Pruned { runs, ..removed })
}

fn signed(length: Duration) -> SignedDuration {
    SignedDuration::try_from(length).unwrap_or(SignedDuration::MAX)
}

/// Run, folder, and when it was last touched, in milliseconds since the epoch.
fn folders(spool: &Path) -> Vec<(String, PathBuf, i64)> {
    let Ok(entries) = fs::read_dir(spool) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().into_string().ok()?;
            let ours = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
            let touched = entry.metadata().ok().filter(fs::Metadata::is_dir)?.modified().ok()?;
            let touched = Timestamp::try_from(touched).ok()?.as_millisecond();
            ours.then(|| (id, entry.path(), touched))
        })
        .collect()
}

/// Removes folders that nobody works in.
fn remove(folders: Vec<PathBuf>, dry: bool) -> Pruned {
    let mut pruned = Pruned::default();
    for folder in folders {
        let lock = File::options().write(true).open(folder.join("lock"));
        if lock.as_ref().is_ok_and(|lock| lock.try_lock().is_err()) {
            continue;
        }
        let bytes = size(&folder);
        if dry || fs::remove_dir_all(&folder).is_ok() {
            pruned.folders += 1;
            pruned.bytes += bytes;
        }
    }
    pruned
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
