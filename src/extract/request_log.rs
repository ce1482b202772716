//! Counts of the requests sent and their responses, for `show`.

use std::sync::Mutex;

/// The number of times that a request had a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub method: String,
    pub path: String,
    pub status: Option<u16>,
    pub count: u64,
}

/// The maximum number of distinct requests to count; a source has few.
const KINDS_MAX: usize = 50;

/// Counts by method, path and status. Without queries, headers and bodies it can hold no secret.
#[derive(Default)]
pub(super) struct RequestLog(Mutex<Vec<Sent>>);

impl RequestLog {
    /// Counts one request. `status` is `None` without a response; `ms` is the time until its head.
    pub(super) fn add(&self, method: &str, path: &str, status: Option<u16>, ms: u64) {
        tracing::debug!(method, path, status, ms, "request");
        let mut counts = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let same = |sent: &Sent| (sent.method.as_str(), sent.path.as_str(), sent.status) == (method, path, status);
        match counts.iter().position(same) {
            Some(known) => counts[known].count += 1,
            None if counts.len() < KINDS_MAX => {
                counts.push(Sent { method: method.to_owned(), path: path.to_owned(), status, count: 1 });
            }
            None => {}
        }
    }

    /// Returns the counts in order of the first request.
    pub(super) fn counts(&self) -> Vec<Sent> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}
