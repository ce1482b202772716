//! Free space on the disks of the data folder, the spool and the ledger: reported once when it becomes low, and once when it
//! is back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::alert::{Message, send_directly};
use crate::disk::{self, Space};
use crate::settings::{LedgerSettings, Settings};

/// The most of a disk that `limits.free_space` may take, in parts of it: a small one would always be low.
const LIMIT_SHARE: u64 = 4;
/// The low space is over with this much more than the limit, in parts of it: no report at every file that comes and goes.
const RECOVERED_SHARE: u64 = 10;

/// A change of the free space on one disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceEvent {
    pub folder: PathBuf,
    /// Below the limit; false: above it again.
    pub is_low: bool,
    pub free: u64,
    pub limit: u64,
}

/// The disks that are low now. Clones share them.
#[derive(Clone, Default)]
pub(super) struct SpaceWatch {
    low: Arc<Mutex<BTreeMap<PathBuf, bool>>>,
}

impl SpaceWatch {
    /// Starts one check, unless the last one still waits for a disk. Reports changes to the log and to all alert channels.
    pub(super) fn check(&self, settings: &Arc<Settings>, stop: &CancellationToken) {
        let Ok(mut low) = self.low.clone().try_lock_owned() else { return };
        let (settings, stop) = (settings.clone(), stop.clone());
        tokio::spawn(async move {
            let measured = settings.clone();
            let spaces = tokio::task::spawn_blocking(move || spaces(&measured)).await.unwrap_or_default();
            for (folder, space) in spaces {
                let is_low = low.entry(folder.clone()).or_default();
                let Some(event) = change(&folder, *is_low, space, settings.limits.free_space) else { continue };
                *is_low = event.is_low;
                report(&event, &settings, &stop);
            }
        });
    }
}

/// Logs a change, and sends it to the alert channels without the ledger, which may be what lacks the space.
fn report(event: &SpaceEvent, settings: &Arc<Settings>, stop: &CancellationToken) {
    let SpaceEvent { folder, is_low, free, limit } = event;
    let (shown, free, limit) = (folder.display(), megabytes(*free), megabytes(*limit));
    match is_low {
        true => tracing::warn!(folder = %shown, free, limit, "low disk space"),
        false => tracing::info!(folder = %shown, free, limit, "disk space is sufficient again"),
    }
    tokio::spawn(send_directly(settings.clone(), message(event), stop.clone()));
}

fn message(event: &SpaceEvent) -> Message {
    let SpaceEvent { folder, is_low, free, limit } = event;
    let (shown, megabytes_free) = (folder.display(), megabytes(*free));
    let (subject, next) = match is_low {
        true => (
            format!("low disk space: {megabytes_free} free for {shown}"),
            "free space, or lower `keep.artifacts` and run `reportferry prune --yes`; on a full disk, runs wait",
        ),
        false => (format!("disk space is sufficient again: {megabytes_free} free for {shown}"), "nothing to do"),
    };
    let event = if *is_low { "low_space" } else { "recovered" };
    let document =
        json!({"event": event, "folder": shown.to_string(), "free_bytes": free, "limit_bytes": limit, "next": next});
    Message { text: format!("{subject}; the limit is {}\nNext: {next}", megabytes(*limit)), subject, document }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Returns the event, if the space became low or is sufficient again.
fn change(folder: &Path, was_low: bool, space: Space, limit: u64) -> Option<SpaceEvent> {
    let limit = limit.min(space.total / LIMIT_SHARE);
    let is_low = space.free < if was_low { limit.saturating_add(limit / RECOVERED_SHARE) } else { limit };
    (is_low != was_low).then(|| SpaceEvent { folder: folder.to_owned(), is_low, free: space.free, limit })
}

/// Returns the folders that are written, one of each file system, and their space. A disk that does not respond is left out.
fn spaces(settings: &Settings) -> Vec<(PathBuf, Space)> {
    let mut folders = vec![settings.data.clone(), settings.data.join("spool")];
    if let LedgerSettings::Sqlite(path) = &settings.ledger {
        folders.extend(path.parent().map(Path::to_owned));
    }
    let mut devices = Vec::new();
    folders.retain(|folder| {
        use std::os::unix::fs::MetadataExt;
        let Ok(facts) = std::fs::metadata(folder) else { return false };
        let is_new = !devices.contains(&facts.dev());
        devices.push(facts.dev());
        is_new
    });
    folders.into_iter().filter_map(|folder| disk::space(&folder).ok().map(|space| (folder, space))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_reported_once() {
        const GB: u64 = 1 << 30;
        let folder = Path::new("data");
        for (was_low, free, total, limit, expected) in [
            (false, 2 * GB, 100 * GB, GB, None),
            (false, GB - 1, 100 * GB, GB, Some(true)),
            (true, GB, 100 * GB, GB, None), // not by every file that comes and goes
            (true, 2 * GB, 100 * GB, GB, Some(false)),
            (false, GB - 1, 2 * GB, GB, None), // a quarter of a small disk
            (false, GB / 2 - 1, 2 * GB, GB, Some(true)),
            (false, 2 * GB, 20 * GB, 3 * GB, Some(true)),
            (true, 2 * GB, 20 * GB, 3 * GB, None),
        ] {
            let change = change(folder, was_low, Space { free, total }, limit);
            assert_eq!(change.map(|event| event.is_low), expected, "{was_low} {free} {total} {limit}");
        }
    }
}
