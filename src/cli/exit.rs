//! What the process says to whoever called it. Other tools rely on these numbers.

use crate::ledger::state::RunState;

/// Done.
pub const DONE: u8 = 0;
/// Something unexpected: the message says what.
pub const UNEXPECTED: u8 = 1;
/// A problem in a file or an argument.
pub const PROBLEM: u8 = 2;
/// A delivery failed or was rejected.
pub const FAILED: u8 = 3;
/// A run is held and waits for a person.
pub const HELD: u8 = 4;
/// Interrupted cleanly.
pub const INTERRUPTED: u8 = 5;

/// What a run that stands like this exits with.
pub fn of(state: RunState) -> u8 {
    match state {
        RunState::Delivered | RunState::Skipped => DONE,
        RunState::Held => HELD,
        RunState::Due
        | RunState::Extracting
        | RunState::Shaping
        | RunState::Delivering
        | RunState::Failed
        | RunState::Rejected => FAILED,
    }
}
