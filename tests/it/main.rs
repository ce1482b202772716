//! One test binary: real servers on loopback, data in, what happened out.

mod crash;
mod demo;
mod extract;
mod files;
mod ledger;
mod local;
mod schedule;
mod sftp;
mod transform;

/// Servers and folders that the tests stand on.
mod stage;
