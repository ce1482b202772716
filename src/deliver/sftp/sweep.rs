//! Removes our abandoned temporary files. Runs after the receipt, within a time limit, and ends the session if the server
//! is late.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::SftpTarget;
use crate::deliver::request::{DeliveryRequest, may_sweep};
use crate::deliver::{Intent, names};
use crate::sftp::{self, Bounds, Client, Transport, kind};

/// Names read of one directory; a larger one is swept in part.
const NAMES_MAX: usize = 200_000;
/// Files that one sweep removes; the next one continues.
const REMOVED_MAX: usize = 1_000;
const IN_FLIGHT_MAX: usize = 64;
/// Time limit for opening a directory.
const OPENED_WITHIN: Duration = Duration::from_secs(1);
/// Time limit for reading and removing: enough round trips for a far server, and short enough for the delivery to wait.
const ROUND_TRIPS: u32 = 12;
const WITHIN_MIN: Duration = Duration::from_millis(500);
/// Reserved for removing if reading used the whole limit.
const REMOVING_MIN: Duration = Duration::from_millis(250);
const WITHIN_MAX: Duration = Duration::from_secs(2);

impl<T: Transport> SftpTarget<T> {
    pub fn sweep(&mut self, delivery: &DeliveryRequest<'_>, intent: &Intent, now: Timestamp) -> Result<u32, String> {
        let renamed = intent.files.iter().filter(|file| !file.is_direct());
        let directories: BTreeSet<&str> = renamed.map(|file| names::remote_parent(&file.temporary)).collect();
        let mut removed = 0;
        for directory in directories {
            let listed = if directory.is_empty() { "." } else { directory };
            let mut stale = Vec::new();
            let (began, opening) = (Instant::now(), Bounds { names: 0, until: Instant::now() + OPENED_WITHIN });
            let opened = self
                .client
                .doing("list", listed, |client| client.until(opening, |client| client.open_directory(listed)));
            let handle = opened.map_err(|error| error.to_string())?;
            let within = began.elapsed().saturating_mul(ROUND_TRIPS).clamp(WITHIN_MIN, WITHIN_MAX);
            let bounds = Bounds { names: NAMES_MAX, until: Instant::now() + within };
            let whole = self.client.doing("list", listed, |client| {
                client.list_opened(&handle, bounds, |entry| {
                    let Ok(name) = String::from_utf8(entry.name) else { return };
                    let modified_s = entry.attributes.modified_s.map(i64::from);
                    if stale.len() < REMOVED_MAX && may_sweep(delivery, intent, &name, modified_s, now) {
                        stale.push(names::remote_path(directory, &name));
                    }
                })
            });
            if !whole.map_err(|error| error.to_string())? {
                tracing::debug!(directory = listed, ?within, "directory listing stopped at its limit");
            }
            let until = bounds.until.max(Instant::now() + REMOVING_MIN);
            removed += self.remove_all(&stale, Bounds { until, ..bounds })?;
        }
        Ok(removed)
    }

    /// Removes files with several requests in flight; those that the server refuses to remove stay.
    fn remove_all(&mut self, paths: &[String], bounds: Bounds) -> Result<u32, String> {
        let mut due = VecDeque::new();
        let (mut paths, mut removed) = (paths.iter(), 0);
        loop {
            while due.len() < IN_FLIGHT_MAX && Instant::now() < bounds.until {
                let Some(path) = paths.next() else { break };
                let remove =
                    |client: &mut Client<T>| client.submit(kind::REMOVE, |request| _ = request.string(path.as_bytes()));
                let submitted = self.client.doing("remove", path, remove);
                due.push_back((submitted.map_err(|lost| lost.to_string())?, path));
            }
            let Some((id, path)) = due.pop_front() else { return Ok(removed) };
            let done = self.client.doing("remove", path, |client| client.until(bounds, |client| client.finish(id)));
            match done {
                Ok(()) => removed += 1,
                Err(error) if matches!(error.source, sftp::Error::Refused(_)) => {}
                Err(lost) => return Err(lost.to_string()),
            }
        }
    }
}
