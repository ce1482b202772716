//! What several areas of tests stand on: servers of their own, the sandbox, the binary.

#![allow(dead_code)] // each area uses its part

pub mod account;
pub mod agent;
pub mod asyncssh;
pub mod proftpd;
pub mod proxy;
pub mod raw_receiver;
pub mod receiver;
pub mod resets;
pub mod rig;
pub mod sshd;
