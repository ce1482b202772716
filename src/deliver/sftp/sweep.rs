//! Temporary files that nobody will finish: ours, by their name, and nothing else. Nothing waits for it: it is done after
//! the receipt, within a time, and ends the session where the server is late.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::SftpDrop;
use super::client::{Failure, Wire};
use super::listing::Bounds;
use super::packet::kind;
use crate::deliver::session::{Put, may_sweep};
use crate::deliver::{Intent, names};

/// Names of one directory that are looked at; a sweep of a larger one is left incomplete.
const NAMES_MAX: usize = 200_000;
/// Files that one sweep removes; the next one goes on.
const REMOVED_MAX: usize = 1_000;
const IN_FLIGHT_MAX: usize = 64;
/// How long opening a directory may take.
const OPENED_WITHIN: Duration = Duration::from_secs(1);
/// How long reading it and removing may take: some round trips, so that a far server is not left too soon and a near one
/// keeps nobody waiting.
const ROUND_TRIPS: u32 = 12;
const WITHIN_MIN: Duration = Duration::from_millis(500);
/// What is left for removing where reading took all of it.
const REMOVING_MIN: Duration = Duration::from_millis(250);
const WITHIN_MAX: Duration = Duration::from_secs(2);

impl<W: Wire> SftpDrop<W> {
    pub fn sweep(&mut self, put: &Put<'_>, intent: &Intent, now: Timestamp) -> Result<u32, String> {
        let renamed = intent.files.iter().filter(|file| !file.is_direct());
        let directories: BTreeSet<&str> = renamed.map(|file| names::remote_parent(&file.temporary)).collect();
        let mut removed = 0;
        for directory in directories {
            let listed = if directory.is_empty() { "." } else { directory };
            let mut stale = Vec::new();
            let (began, opening) = (Instant::now(), Bounds { names: 0, until: Instant::now() + OPENED_WITHIN });
            let opened = self
                .client
                .doing("list", listed, |client| client.in_time(opening, |client| client.open_directory(listed)));
            let handle = opened.map_err(|trouble| trouble.to_string())?;
            let within = began.elapsed().saturating_mul(ROUND_TRIPS).clamp(WITHIN_MIN, WITHIN_MAX);
            let bounds = Bounds { names: NAMES_MAX, until: Instant::now() + within };
            let whole = self.client.doing("list", listed, |client| {
                client.list_opened(&handle, bounds, |entry| {
                    let Ok(name) = String::from_utf8(entry.name) else { return };
                    let modified_s = entry.attributes.modified_s.map(i64::from);
                    if stale.len() < REMOVED_MAX && may_sweep(put, intent, &name, modified_s, now) {
                        stale.push(names::remote_path(directory, &name));
                    }
                })
            });
            if !whole.map_err(|trouble| trouble.to_string())? {
                tracing::debug!(directory = listed, ?within, "not all names of the directory were read");
            }
            let until = bounds.until.max(Instant::now() + REMOVING_MIN);
            removed += self.remove_all(&stale, Bounds { until, ..bounds })?;
        }
        Ok(removed)
    }

    /// Several requests at a time; what the server lets nobody remove stays.
    fn remove_all(&mut self, paths: &[String], bounds: Bounds) -> Result<u32, String> {
        let mut due = VecDeque::new();
        let (mut paths, mut removed) = (paths.iter(), 0);
        loop {
            while due.len() < IN_FLIGHT_MAX && Instant::now() < bounds.until {
                let Some(path) = paths.next() else { break };
                let posted = self.client.doing("remove", path, |client| {
                    let (ticket, request) = client.begin(kind::REMOVE);
                    request.string(path.as_bytes());
                    client.post(ticket).map(|()| ticket)
                });
                due.push_back((posted.map_err(|lost| lost.to_string())?, path));
            }
            let Some((ticket, path)) = due.pop_front() else { return Ok(removed) };
            let done = self.client.doing("remove", path, |client| {
                let answer = client.in_time(bounds, |client| client.answer(ticket))?;
                client.done(answer)
            });
            match done {
                Ok(()) => removed += 1,
                Err(trouble) if matches!(trouble.failure, Failure::Refused(_)) => {}
                Err(lost) => return Err(lost.to_string()),
            }
        }
    }
}
