//! The worker: a simulated year against an oracle, and the real binary under load, reloaded, stopped and killed.

mod earlier;
mod shift;
mod soak;
/// A worker of the real binary.
pub(crate) mod stand;
mod tables;
mod year;
