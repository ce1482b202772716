//! ② A plan and a moment → slots; pure.

pub mod cron;
pub mod slot;
