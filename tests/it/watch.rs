//! Health, metrics and alerts of a worker of the real binary.

pub(crate) mod alerts;
mod egress;
mod mail;
pub(crate) mod metrics;
mod outbox;
mod rules;
