//! Exit codes. Other tools rely on these numbers.

use crate::ledger::state::RunState;
use crate::run::document::Document;

/// Done.
pub const DONE: u8 = 0;
/// An unexpected error, described by the message.
pub const UNEXPECTED: u8 = 1;
/// A problem in a file or an argument.
pub const PROBLEM: u8 = 2;
/// A run or a delivery failed or was rejected, or a check found something wrong.
pub const FAILED: u8 = 3;
/// A run is held or a delivery is blocked until a person decides.
pub const HELD: u8 = 4;
/// Interrupted cleanly.
pub const INTERRUPTED: u8 = 5;
/// Still waiting to retry: `retry` or the worker continues.
pub const WAITING: u8 = 6;
/// Another process is working on it.
pub const BUSY: u8 = 7;
/// Something needs attention (`status --attention`), or an account may do more than it needs (`scope`).
pub const ATTENTION: u8 = 8;

/// The codes of several runs by weight: the first that occurs is the code of all.
const BY_WEIGHT: [u8; 7] = [UNEXPECTED, INTERRUPTED, FAILED, HELD, BUSY, WAITING, DONE];

/// Returns the exit code for a run in this state.
pub fn of(run: &Document) -> u8 {
    match run.state {
        RunState::Delivered | RunState::Skipped => DONE,
        RunState::Held | RunState::Blocked => HELD,
        RunState::Failed | RunState::Rejected | RunState::Cancelled => FAILED,
        RunState::Due | RunState::Extracting | RunState::Transforming | RunState::Delivering => WAITING,
    }
}

/// Returns the exit code for several runs.
pub fn of_all(codes: &[u8]) -> u8 {
    BY_WEIGHT.into_iter().find(|code| codes.contains(code)).unwrap_or(DONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_runs_decides() {
        for (codes, expected) in [
            (&[][..], DONE),
            (&[DONE, DONE], DONE),
            (&[DONE, WAITING], WAITING),
            (&[WAITING, BUSY, DONE], BUSY),
            (&[BUSY, HELD], HELD),
            (&[HELD, FAILED, WAITING], FAILED),
            (&[FAILED, INTERRUPTED], INTERRUPTED),
            (&[FAILED, UNEXPECTED, INTERRUPTED], UNEXPECTED),
        ] {
            assert_eq!(of_all(codes), expected, "{codes:?}");
        }
    }
}
