//! Fault points of a file's delivery.

use std::io;

use crate::deliver::Role;
use crate::deliver::steps::{Steps, steps};
use crate::fault::{self, FaultStep};
use crate::sftp::{self, ChunkSource, Request};

/// Returns the fault points of one role.
pub(super) fn fault_points(role: Role) -> Steps {
    Steps::of(role, steps!("sftp"))
}

/// Chunks that pass a fault point: the first one, and the one in the middle of `expected` bytes.
pub(super) struct WithFaultPoint<'a, C> {
    chunks: &'a mut C,
    step: FaultStep,
    expected: u64,
    sent: u64,
    is_first: bool,
}

impl<'a, C: ChunkSource> WithFaultPoint<'a, C> {
    pub(super) fn new(chunks: &'a mut C, step: FaultStep, expected: u64) -> Self {
        WithFaultPoint { chunks, step, expected, sent: 0, is_first: true }
    }
}

impl<C: ChunkSource> ChunkSource for WithFaultPoint<'_, C> {
    fn next(&mut self, request: &mut Request, max: usize) -> io::Result<usize> {
        self.chunks.next(request, max)
    }

    fn send(&mut self, bytes: usize, mut send: impl FnMut() -> Result<(), sftp::Error>) -> Result<(), sftp::Error> {
        match self.passes(bytes) {
            true => fault::step_or_drop(self.step, send),
            false => send(),
        }
    }
}

impl<C> WithFaultPoint<'_, C> {
    /// Counts a chunk; returns true if it passes the fault point.
    fn passes(&mut self, bytes: usize) -> bool {
        let (before, half) = (self.sent, self.expected / 2);
        self.sent += bytes as u64;
        std::mem::replace(&mut self.is_first, false) || (before < half && self.sent >= half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sftp::Sequential;

    #[test]
    fn the_first_chunk_and_the_middle_one_pass_the_fault_point() {
        let points = |expected| {
            let mut chunks = Sequential::new(&[][..], 0);
            let mut chunks = WithFaultPoint::new(&mut chunks, FaultStep::new("test.step"), expected);
            [100, 100, 400, 400].map(|bytes| chunks.passes(bytes))
        };
        assert_eq!(points(1000), [true, false, true, false]);
        assert_eq!(points(0), [true, false, false, false]);
    }
}
