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

/// The latest [`NOTES_MAX`] notes.
#[derive(Default)]
pub(super) struct Notes(Mutex<VecDeque<RequestNote>>);

impl Notes {
    pub fn add(&self, note: RequestNote) {
        tracing::debug!(method = note.method, path = note.path, status = note.status, ms = note.ms, "request");
        let mut notes = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if notes.len() == NOTES_MAX {
            notes.pop_front();
        }
        notes.push_back(note);
    }

    pub fn all(&self) -> Vec<RequestNote> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter().cloned().collect()
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
    }
}
