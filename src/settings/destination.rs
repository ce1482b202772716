//! Where artifacts may go, as the settings have it.

use std::path::PathBuf;
use std::time::Duration;

use super::reach::{Agent, Algorithms, Proxy};
use super::{SecretRef, Webhook};
use crate::attempt::Backoff;
use crate::encode::name::NameTemplate;

/// A named place that artifacts go to.
pub struct Destination {
    pub name: String,
    pub kind: DestinationKind,
    pub retry: Backoff,
    pub pickup: Pickup,
}

/// What becomes of a file once it is delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pickup {
    /// It stays.
    #[default]
    None,
    /// The server takes it away as soon as it is closed or renamed: that it is not there then is success.
    Immediate,
    /// Its reader takes it away.
    Moved { patience: Option<Patience> },
    /// Its reader writes a file of this name beside it, which is made of `{name}` and text.
    AckFile { name: NameTemplate, patience: Option<Patience> },
}

/// How a reader is waited for. Without it nobody waits, and only `verify` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long the reader has, from the receipt on.
    pub within: Duration,
    /// How often the worker looks.
    pub every: Duration,
}

impl Pickup {
    pub fn patience(&self) -> Option<Patience> {
        match self {
            Pickup::None | Pickup::Immediate => None,
            Pickup::Moved { patience } | Pickup::AckFile { patience, .. } => *patience,
        }
    }
}

impl Destination {
    /// How many requests a webhook may have under way.
    pub fn requests(&self) -> Option<usize> {
        match &self.kind {
            DestinationKind::Webhook(webhook) => Some(webhook.in_flight),
            DestinationKind::Sftp(_) | DestinationKind::Local(_) => None,
        }
    }

    /// How many sessions an SFTP server may have open.
    pub fn sessions(&self) -> Option<usize> {
        match &self.kind {
            DestinationKind::Sftp(sftp) => Some(sftp.sessions),
            DestinationKind::Local(_) | DestinationKind::Webhook(_) => None,
        }
    }

    /// Over how many more sessions a file of so many bytes may go, beside the one of its delivery.
    pub fn sessions_beside(&self, bytes: u64) -> usize {
        match &self.kind {
            DestinationKind::Sftp(sftp) if sftp.split.is_some_and(|from| bytes >= from) => sftp.sessions - 1,
            _ => 0,
        }
    }
}

pub enum DestinationKind {
    Sftp(Box<Sftp>),
    Local(Local),
    Webhook(Box<Webhook>),
}

pub struct Sftp {
    /// The destination's name, as `trust` takes it: a jump host's is `NAME --jump`.
    pub name: String,
    pub host: String,
    pub port: u16,
    pub username: String,
    pub password: Option<SecretRef>,
    /// The private key's text, OpenSSH or PEM.
    pub key: Option<SecretRef>,
    pub passphrase: Option<SecretRef>,
    pub agent: Option<Agent>,
    /// Answers to questions of an interactive sign-in, by a part of the question, in lower case.
    pub answers: Vec<(String, SecretRef)>,
    /// `SHA256:…` fingerprints.
    pub host_keys: Vec<String>,
    pub known_hosts: Vec<PathBuf>,
    /// The `known_hosts` file that `trust --accept` writes; it need not be there.
    pub accepted: Option<PathBuf>,
    pub proxy: Option<Proxy>,
    /// A server that is signed in to first, and that makes the connection. Its directories mean nothing.
    pub jump: Option<Box<Sftp>>,
    pub algorithms: Algorithms,
    /// A sign of life for this long without one.
    pub keepalive: Option<Duration>,
    /// Deliveries stay below this directory; empty is where sign-in leads, with absolute paths taken as they are.
    pub base: String,
    /// Where the temporary file is written: beside the final name, or in this directory below the base.
    pub staging: Option<String>,
    pub publish: Publish,
    pub verify: Verify,
    /// Where the server offers it, data is on its disk before it takes its name.
    pub fsync: bool,
    pub mkdir: bool,
    /// Permission bits to set, as `0o640`.
    pub mode: Option<u32>,
    /// Permission bits of directories that are made; unset, they follow from `mode`.
    pub dir_mode: Option<u32>,
    /// The modification time to set.
    pub mtime: Option<ModifiedTime>,
    /// Bytes of one write request: 32,000 to 255,000.
    pub write_bytes: u32,
    /// Write requests in flight; `write_bytes × in_flight` bounds the memory of a session.
    pub in_flight: u32,
    /// Bytes in a second that one delivery may send.
    pub bandwidth: Option<u64>,
    /// Connections that are signed in at once, 1 at least.
    pub sessions: usize,
    /// How long a session that nobody uses is kept for the next delivery; zero to close it after each.
    pub keep_open: Duration,
    /// A file of this many bytes or more is written over several sessions at once.
    pub split: Option<u64>,
    pub timeouts: SftpTimeouts,
}

impl Sftp {
    /// A server of which nothing else is said: no proof of who we are, and no key that it is known by.
    pub fn new(name: &str, host: &str, port: u16, username: &str) -> Self {
        let secs = Duration::from_secs;
        Sftp {
            name: name.to_owned(),
            host: host.to_owned(),
            port,
            username: username.to_owned(),
            password: None,
            key: None,
            passphrase: None,
            agent: None,
            answers: Vec::new(),
            host_keys: Vec::new(),
            known_hosts: Vec::new(),
            accepted: None,
            proxy: None,
            jump: None,
            algorithms: Algorithms::default(),
            keepalive: None,
            base: String::new(),
            staging: None,
            publish: Publish::Rename,
            verify: Verify::Size,
            fsync: true,
            mkdir: false,
            mode: None,
            dir_mode: None,
            mtime: None,
            write_bytes: 32_000,
            in_flight: 128,
            bandwidth: None,
            sessions: 2,
            keep_open: secs(30),
            split: None,
            timeouts: SftpTimeouts { connect: secs(20), idle: secs(60), rename: secs(600) },
        }
    }
}

impl Sftp {
    /// The permissions of directories that are made; `None` leaves them to the server.
    pub fn directory_mode(&self) -> Option<u32> {
        directory_mode(self.mode, self.dir_mode)
    }
}

impl Local {
    /// As [`Sftp::directory_mode`].
    pub fn directory_mode(&self) -> Option<u32> {
        directory_mode(self.mode, self.dir_mode)
    }
}

/// What is asked for; else, who may read the files may enter the directory, and the account may write there.
fn directory_mode(mode: Option<u32>, dir_mode: Option<u32>) -> Option<u32> {
    dir_mode.or(mode.map(|mode| mode | (mode & 0o444) >> 2 | 0o700))
}

/// Which time a delivered file is given as its modification time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModifiedTime {
    /// The slot's.
    Slot,
    /// When the artifact was made.
    Artifact,
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
    /// Not at all, for servers that change files or report other sizes: each write's acknowledgement is what there is.
    None,
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
    /// As [`Sftp::dir_mode`].
    pub dir_mode: Option<u32>,
    pub mtime: Option<ModifiedTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d07_who_may_read_a_file_may_enter_its_directory() {
        for (mode, dir_mode, expected) in [
            (None, None, None),
            (Some(0o664), None, Some(0o775)),
            (Some(0o640), None, Some(0o750)),
            (Some(0o600), None, Some(0o700)),
            (Some(0o444), None, Some(0o755)),
            (Some(0o060), None, Some(0o770)),
            (Some(0o664), Some(0o2770), Some(0o2770)),
            (None, Some(0o755), Some(0o755)),
        ] {
            assert_eq!(directory_mode(mode, dir_mode), expected, "{mode:?} {dir_mode:?}");
        }
    }
}
