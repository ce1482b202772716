//! What was sent and what came back, kept short, for `show`.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// Notes kept for one source; older ones go.
pub const NOTES_MAX: usize = 200;

/// One request. No query, no header, no body: nothing secret can be in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestNote {
    pub method: String,
    pub path: String,
    /// The answer's status; none where no answer came.
    pub status: Option<u16>,
    /// Until the answer's head came, in milliseconds.
    pub ms: u64,
}

/// How often one request was answered in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub method: String,
    pub path: String,
    pub status: Option<u16>,
    pub count: u64,
}

/// Kinds of requests that are counted; a source has few.
const KINDS_MAX: usize = 50;

/// The latest [`NOTES_MAX`] notes, and how many there were of each kind.
#[derive(Default)]
pub(super) struct Notes(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    latest: VecDeque<RequestNote>,
    counts: Vec<Sent>,
}

impl Notes {
    pub fn add(&self, note: RequestNote) {
        tracing::debug!(method = note.method, path = note.path, status = note.status, ms = note.ms, "request");
        let mut noted = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let same = |sent: &Sent| (&sent.method, &sent.path, sent.status) == (&note.method, &note.path, note.status);
        match noted.counts.iter().position(same) {
            Some(known) => noted.counts[known].count += 1,
            None if noted.counts.len() < KINDS_MAX => {
                let (method, path) = (note.method.clone(), note.path.clone());
                noted.counts.push(Sent { method, path, status: note.status, count: 1 });
            }
            None => {}
        }
        if noted.latest.len() == NOTES_MAX {
            noted.latest.pop_front();
        }
        noted.latest.push_back(note);
    }

    pub fn all(&self) -> Vec<RequestNote> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).latest.iter().cloned().collect()
    }

    /// In the order in which each was first sent.
    pub fn counts(&self) -> Vec<Sent> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).counts.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_latest() {
        let notes = Notes::default();
        for ms in 0..=NOTES_MAX as u64 {
            notes.add(RequestNote { method: "GET".into(), path: "/".into(), status: None, ms });
        }
        let all = notes.all();
        assert_eq!((all.len(), all[0].ms, all[NOTES_MAX - 1].ms), (NOTES_MAX, 1, NOTES_MAX as u64));
        let counts = notes.counts();
        assert_eq!((counts.len(), counts[0].count), (1, NOTES_MAX as u64 + 1), "all are counted");
    }
}
