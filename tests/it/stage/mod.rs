//! What several areas of tests stand on: a private `sshd`, the sandbox, the binary.

#![allow(dead_code)] // each area uses its part

pub mod sshd;
