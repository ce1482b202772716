//! Destinations of artifacts, checked.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::secrets::forget_all;
use super::{Proxy, SecretRef, Webhook};
use crate::attempt::Backoff;
use crate::name::NameTemplate;
use crate::ssh::{Agent, Algorithms};

/// A named destination.
pub struct Destination {
    pub name: String,
    pub kind: DestinationKind,
    pub retry: Backoff,
    pub pickup: Pickup,
    /// The time after which a delivery that is not done sends an alert.
    pub alert_after: Option<Duration>,
}

/// The pickup of a file once it is delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Pickup {
    /// The file stays.
    #[default]
    None,
    /// The server moves it away as soon as it is closed or renamed: a missing file is a success.
    Immediate,
    /// Its reader moves it away.
    Moved { deadline: Option<PickupDeadline> },
    /// Its reader writes an acknowledgement file with this name, which is made of `{name}` and text.
    AckFile { name: NameTemplate, deadline: Option<PickupDeadline> },
}

/// The deadline of a pickup. Without one, only `verify` reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PickupDeadline {
    /// The time that the reader has, starting at the receipt.
    pub after: Duration,
    /// The polling interval.
    pub every: Duration,
}

impl Pickup {
    pub fn deadline(&self) -> Option<PickupDeadline> {
        match self {
            Pickup::None | Pickup::Immediate => None,
            Pickup::Moved { deadline } | Pickup::AckFile { deadline, .. } => *deadline,
        }
    }
}

impl Destination {
    /// Drops what the commands of its secrets printed before `began`, because it was refused. Returns true if that may have
    /// been the reason.
    pub fn forget_secrets(&self, began: Instant) -> bool {
        match &self.kind {
            DestinationKind::Sftp(sftp) => forget_all(sftp.all_secrets(), began),
            DestinationKind::Webhook(webhook) => forget_all(webhook.all_secrets(), began),
            DestinationKind::Local(_) => false,
        }
    }

    /// Returns the SFTP server, if it is one.
    pub fn sftp(&self) -> Option<&Sftp> {
        match &self.kind {
            DestinationKind::Sftp(sftp) => Some(sftp),
            DestinationKind::Local(_) | DestinationKind::Webhook(_) => None,
        }
    }

    /// Returns the webhook, if it is one: it has no files and no names.
    pub fn webhook(&self) -> Option<&Arc<Webhook>> {
        match &self.kind {
            DestinationKind::Webhook(webhook) => Some(webhook),
            DestinationKind::Sftp(_) | DestinationKind::Local(_) => None,
        }
    }

    /// Returns the number of requests that a webhook may have in flight.
    pub fn requests(&self) -> Option<usize> {
        self.webhook().map(|webhook| webhook.in_flight)
    }

    /// Returns the number of sessions that an SFTP server may have open.
    pub fn sessions(&self) -> Option<usize> {
        self.sftp().map(|sftp| sftp.sessions)
    }

    /// Returns the number of additional sessions over which a file of `bytes` bytes may be sent.
    pub fn extra_sessions(&self, bytes: u64) -> usize {
        let split = self.sftp().filter(|sftp| sftp.parallel.is_some_and(|from| bytes >= from));
        split.map_or(0, |sftp| sftp.sessions - 1)
    }

    /// Returns how long an idle session is kept for the next delivery.
    pub fn keep_open(&self) -> Duration {
        self.sftp().map_or(Duration::ZERO, |sftp| sftp.keep_open)
    }
}

pub enum DestinationKind {
    Sftp(Box<Sftp>),
    Local(Local),
    /// Shared, because its connections are kept open between deliveries.
    Webhook(Arc<Webhook>),
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
    /// Responses to a keyboard-interactive sign-in, by a part of the prompt in lower case.
    pub keyboard_interactive: Vec<(String, SecretRef)>,
    /// `SHA256:…` fingerprints.
    pub host_keys: Vec<String>,
    pub known_hosts: Vec<PathBuf>,
    /// The `known_hosts` file that `trust --accept` writes; it may be missing.
    pub accepted: Option<PathBuf>,
    pub proxy: Option<Proxy>,
    /// A server to sign in to first, which makes the connection. Its directories have no effect.
    pub jump: Option<Box<Sftp>>,
    pub algorithms: Algorithms,
    /// A keepalive is sent after this long without data.
    pub keepalive: Option<Duration>,
    /// Deliveries stay below this directory; empty is the directory after sign-in, with absolute paths unchanged.
    pub base: String,
    /// The directory of temporary files below the base; `None` is that of the final name.
    pub staging: Option<String>,
    pub publish: Publish,
    pub verify: Verify,
    /// Sync data to disk before publishing, if the server offers it.
    pub fsync: bool,
    pub mkdir: bool,
    /// Permission bits to set, such as `0o640`.
    pub mode: Option<u32>,
    /// Permission bits of created directories; derived from `mode` if unset.
    pub dir_mode: Option<u32>,
    /// The modification time to set.
    pub mtime: Option<ModifiedTime>,
    /// Bytes of one write request: 32,000 to 255,000.
    pub write_bytes: u32,
    /// Write requests in flight; `write_bytes × in_flight` bounds the memory of a session.
    pub in_flight: u32,
    /// Bytes per second that one delivery may send.
    pub bandwidth: Option<u64>,
    /// Connections signed in at once, at least 1.
    pub sessions: usize,
    /// The time that an idle session is kept for the next delivery; zero closes it after each.
    pub keep_open: Duration,
    /// A file of this many bytes or more is written over several sessions at once.
    pub parallel: Option<u64>,
    pub timeouts: SftpTimeouts,
}

impl Sftp {
    /// Returns a server with defaults, without credentials and without host keys.
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
            keyboard_interactive: Vec::new(),
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
            parallel: None,
            timeouts: SftpTimeouts { connect: secs(20), idle: secs(60), rename: secs(600) },
        }
    }
}

impl Sftp {
    /// Returns the permissions of created directories; `None` leaves them to the server.
    pub fn directory_mode(&self) -> Option<u32> {
        directory_mode(self.mode, self.dir_mode)
    }
}

impl Local {
    pub fn directory_mode(&self) -> Option<u32> {
        directory_mode(self.mode, self.dir_mode)
    }
}

/// Returns the configured mode, or derives one: readers of files may enter, and the account may write.
fn directory_mode(mode: Option<u32>, dir_mode: Option<u32>) -> Option<u32> {
    dir_mode.or(mode.map(|mode| mode | (mode & 0o444) >> 2 | 0o700))
}

/// The modification time of a delivered file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModifiedTime {
    /// The slot's.
    Slot,
    /// The time when the artifact was made.
    Artifact,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Publish {
    /// Temporary name, then rename.
    Rename,
    /// Directly to the final name, for servers that forbid rename.
    Direct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// The size, by stat.
    Size,
    /// Reads the file back and compares its SHA-256.
    ReadBack,
    /// None, for servers that change files or report other sizes: only each write is acknowledged.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SftpTimeouts {
    pub connect: Duration,
    /// The session ends without an acknowledgement for this long.
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
