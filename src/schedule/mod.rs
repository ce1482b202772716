//! ② A plan and a moment → slots; pure.

pub mod cron;
/// One field of a cron expression.
mod field;
/// What becomes of slots that have come.
pub mod missed;
pub mod slot;
/// A zone's name → its rules.
pub mod zone;
