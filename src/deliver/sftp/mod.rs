//! Delivery over SFTP: SSH by `ssh2`, SFTP version 3 of our own on its channel.
//!
//! `client` speaks the protocol over any byte stream, `connect` makes the stream, and the rest publishes.

mod agent;
mod ahead;
mod algorithms;
mod answer;
mod arrived;
mod art;
mod attributes;
mod blocks;
pub mod client;
mod connect;
mod direct;
mod disconnect;
mod doctor;
mod ending;
mod flow;
mod hostkey;
mod jump;
mod kex_signature;
mod keys;
mod known_hosts;
mod line;
mod listing;
mod look;
#[cfg(test)]
mod oddities;
mod offers;
mod packet;
mod paths;
mod prepare;
mod private_key;
mod proxy;
mod publish;
mod questions;
mod refused;
mod rename;
#[cfg(test)]
mod reported;
mod requests;
mod rules;
#[cfg(test)]
mod scripted;
mod sign_in;
mod split;
mod ssh_error;
mod stand_in;
mod sweep;
mod trouble;
mod watch;
mod wire;

use std::time::{Duration, Instant};

use crate::settings::{Sftp, Verify};
use client::{Client, Wire};
use flow::Flow;
pub(super) use publish::taken;
pub use wire::SshWire;

pub use algorithms::{Offer, supported};
pub(super) use doctor::probe;
pub use hostkey::{HostKey, OnFile, Place};
pub use keys::{Shown, ShownKey, accept, forget, is_on_file, show};
pub use private_key::{KeyProblem, PrivateKey};
pub use sign_in::{NO_PASSPHRASE, NOT_TEXT};

/// Bytes of one session. What a slow disk writes within the time that an answer is waited for: over one session 2 MiB/s are
/// enough for the usual 30 s.
const FSYNC_EVERY_BYTES: u64 = 64 << 20;

/// A server that is signed in to, ready to publish.
pub struct SftpDrop<W: Wire> {
    client: Client<W>,
    /// `host:port`.
    address: String,
    /// None where there is no SSH below.
    host_key: Option<HostKey>,
    flow: Flow,
    rename_patience: Duration,
    verify: Verify,
    /// What the server refused and is no failure: it goes into the receipt.
    notes: Vec<String>,
    pub(super) signed_in: Instant,
    /// Sessions that write large files along with this one.
    beside: Vec<split::Beside<W>>,
}

impl<W: Wire> SftpDrop<W> {
    /// A session that has just been opened at `address`.
    fn new(mut client: Client<W>, address: String, host_key: Option<HostKey>, sftp: &Sftp) -> Self {
        client.slow_patience = sftp.timeouts.rename;
        SftpDrop {
            flow: Flow {
                bytes: sftp.write_bytes.max(1) as usize,
                requests: sftp.in_flight.max(1) as usize,
                fsync_every: (sftp.fsync && client.extensions.fsync).then_some(FSYNC_EVERY_BYTES),
            },
            client,
            address,
            host_key,
            rename_patience: sftp.timeouts.rename,
            verify: sftp.verify,
            notes: Vec::new(),
            signed_in: Instant::now(),
            beside: Vec::new(),
        }
    }
}

impl<W: Wire> Drop for SftpDrop<W> {
    /// Nothing that is still open on the server may make the end wait.
    fn drop(&mut self) {
        self.client.sever("the session is over");
    }
}
