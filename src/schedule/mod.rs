//! ② A plan and a moment → slots; pure.

pub mod cron;
/// What a schedule that cannot be read was meant to be.
mod cron_meant;
/// When a slot's delivery is late.
pub mod expected;
/// One field of a cron expression.
mod field;
/// What becomes of slots that have come.
pub mod missed;
pub mod slot;
/// A zone's name → its rules.
pub mod zone;
/// Names that are no time zones, and the zones that are meant.
mod zone_names;
