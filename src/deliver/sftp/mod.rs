//! Delivery over SFTP: publishes over the connection of [`crate::ssh`], with the protocol of [`crate::sftp`].

mod attributes;
mod connect;
mod direct;
mod doctor;
mod ending;
mod error;
mod fault_points;
mod inspect;
mod parallel;
mod paths;
mod prepare;
mod publish;
#[cfg(test)]
mod quirks;
mod refused;
mod rename;
#[cfg(test)]
mod reported;
mod rules;
mod sweep;

use std::time::Instant;

use crate::settings::Verify;
use crate::sftp::{Client, Transport};

pub use connect::scan;
pub(super) use doctor::probe;

/// A signed-in server, ready to publish.
pub struct SftpTarget<T: Transport> {
    client: Client<T>,
    /// `host:port`.
    address: String,
    /// The host key's fingerprint; `None` without SSH below.
    host_key: Option<String>,
    verify: Verify,
    /// Refusals that did not fail the delivery; they become part of the receipt.
    notes: Vec<String>,
    pub(super) signed_in: Instant,
    /// Sessions that write large files together with this one.
    parallel: Vec<parallel::ParallelSession<T>>,
}

impl<T: Transport> SftpTarget<T> {
    /// Returns the target for a new session at `address`.
    fn new(client: Client<T>, address: String, host_key: Option<String>, verify: Verify) -> Self {
        SftpTarget {
            client,
            address,
            host_key,
            verify,
            notes: Vec::new(),
            signed_in: Instant::now(),
            parallel: Vec::new(),
        }
    }
}
