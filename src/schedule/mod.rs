//! ② A plan and a moment → slots; pure.

pub mod cron;
/// The deadline of a slot's delivery.
pub mod expected;
/// Decisions about slots that are due.
pub mod missed;
pub mod slot;
/// A zone's name → its rules.
pub mod zone;

use std::time::Duration;

use crate::yaml::problem::Place;
use cron::Cron;

/// The schedule of a pipeline.
pub struct Schedule {
    /// The place of the cron expression.
    pub at: Place,
    pub cron: Cron,
    pub missed: Missed,
    /// Missed slots older than this are skipped.
    pub missed_max_age: Duration,
    pub overlap: Overlap,
    pub while_held: WhileHeld,
    pub jitter: Duration,
    /// The local time by which a slot must be delivered.
    pub expected_by: Option<jiff::civil::Time>,
}

/// The policy for slots that passed while no worker was running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    Latest,
    All,
    Skip,
}

/// The policy for a slot that is due while the previous one is still running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    Skip,
    Queue,
}

/// The policy for a slot that is due while the run of an earlier one is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileHeld {
    /// It runs.
    Continue,
    /// It stays due until a person has decided on the held run.
    Wait,
}
