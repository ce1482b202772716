//! The digests of bytes before they are compressed and encrypted, which names may hold.

use sha2::{Digest, Sha256};

use crate::digest::hex;

/// The digests so far.
pub(super) struct ContentDigests {
    all: Sha256,
    /// Of the bytes since the last mark.
    since: Option<Sha256>,
}

impl ContentDigests {
    /// Set `marks` if [`ContentDigests::mark`] will be called, which costs a second digest.
    pub(super) fn new(marks: bool) -> Self {
        Self { all: Sha256::new(), since: marks.then(Sha256::new) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.all.update(bytes);
        if let Some(since) = &mut self.since {
            since.update(bytes);
        }
    }

    /// Ends a file of a file group. Returns its SHA-256 in lower-case hex.
    pub(super) fn mark(&mut self) -> String {
        self.since.as_mut().map(|since| hex(&since.finalize_reset())).unwrap_or_default()
    }

    /// Returns the SHA-256 of all bytes in lower-case hex.
    pub(super) fn finish(self) -> String {
        hex(&self.all.finalize())
    }
}
