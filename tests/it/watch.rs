//! Health, metrics and alerts of a worker of the real binary.

pub mod alerts;
mod mail;
pub mod metrics;
mod outbox;
