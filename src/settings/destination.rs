//! Where artifacts may go, as the settings have it.

use std::path::PathBuf;
use std::time::Duration;

use super::SecretRef;
use crate::attempt::Backoff;

/// A named place that artifacts go to.
pub struct Destination {
    pub name: String,
    pub kind: DestinationKind,
    pub retry: Backoff,
}

pub enum DestinationKind {
    Sftp(Box<Sftp>),
    Local(Local),
}

pub struct Sftp {
    pub host: String,
    pub port: u16,
    pub username: String,
    pub password: Option<SecretRef>,
    /// The private key's text, OpenSSH or PEM.
    pub key: Option<SecretRef>,
    pub passphrase: Option<SecretRef>,
    /// `SHA256:…` fingerprints; at least one, or `known_hosts`.
    pub host_keys: Vec<String>,
    pub known_hosts: Option<PathBuf>,
    /// Deliveries stay below this directory; empty is where sign-in leads, with absolute paths taken as they are.
    pub base: String,
    /// Where the temporary file is written: beside the final name, or in this directory below the base.
    pub staging: Option<String>,
    pub publish: Publish,
    pub verify: Verify,
    pub mkdir: bool,
    /// Permission bits to set, as `0o640`.
    pub mode: Option<u32>,
    /// Bytes of one write request: 32,000 to 255,000.
    pub write_bytes: u32,
    /// Write requests in flight; `write_bytes × in_flight` bounds the memory of a session.
    pub in_flight: u32,
    pub timeouts: SftpTimeouts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// Temporary name, then rename.
    Rename,
    /// Straight to the final name, for servers that forbid rename.
    Direct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The size, by stat.
    Size,
    /// Read the file back and compare its SHA-256.
    ReadBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SftpTimeouts {
    pub connect: Duration,
    /// No acknowledgement for this long ends the session.
    pub idle: Duration,
    /// A rename on an object store is a copy.
    pub rename: Duration,
}

pub struct Local {
    /// Deliveries stay below this directory.
    pub path: PathBuf,
    pub mkdir: bool,
    pub mode: Option<u32>,
}
