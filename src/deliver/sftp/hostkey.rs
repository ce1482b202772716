//! Is this the server that was meant? Pins and `known_hosts` against the key that it shows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

use super::answer::printable;
use super::known_hosts::{self, Entry, Marker};
use super::packet::Body;
use crate::deliver::Verdict;
use crate::settings::Sftp;

/// The kinds of host key, in the order in which they are asked for. SHA-1 RSA and DSA are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ed25519,
    Ecdsa256,
    Ecdsa384,
    Ecdsa521,
    Rsa,
}

const KINDS: [Kind; 5] = [Kind::Ed25519, Kind::Ecdsa256, Kind::Ecdsa384, Kind::Ecdsa521, Kind::Rsa];

impl Kind {
    /// The key's own name (RFC 4253, 5656, 8709), as it stands in `known_hosts`.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ed25519 => "ssh-ed25519",
            Kind::Ecdsa256 => "ecdsa-sha2-nistp256",
            Kind::Ecdsa384 => "ecdsa-sha2-nistp384",
            Kind::Ecdsa521 => "ecdsa-sha2-nistp521",
            Kind::Rsa => "ssh-rsa",
        }
    }

    /// The signature algorithms that a key of this kind is asked for with (RFC 8332 for RSA).
    fn algorithms(self) -> &'static str {
        match self {
            Kind::Rsa => "rsa-sha2-512,rsa-sha2-256",
            other => other.name(),
        }
    }
}

/// The algorithms to offer for these kinds, certificates left out: nobody here could check one.
pub fn algorithms(kinds: &[Kind]) -> String {
    kinds.iter().map(|kind| kind.algorithms()).collect::<Vec<_>>().join(",")
}

/// The key that a server showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    pub kind: Kind,
    pub blob: Vec<u8>,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
}

impl HostKey {
    /// `None` for a kind that is not asked for.
    pub fn of(blob: &[u8]) -> Option<Self> {
        let name = Body(blob).string().ok()?;
        let kind = KINDS.into_iter().find(|kind| kind.name().as_bytes() == name)?;
        Some(HostKey { kind, blob: blob.to_vec(), fingerprint: fingerprint(blob) })
    }
}

pub fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

/// What is known about a server before it is met.
pub struct Trust {
    pins: Vec<String>,
    /// The lines of `known_hosts` that name this server.
    known: Vec<Entry>,
}

impl Trust {
    /// Takes the pins, and reads the `known_hosts` file.
    ///
    /// # Errors
    /// A file that cannot be read, and no way at all to know the server.
    pub fn read(sftp: &Sftp) -> Result<Self, Verdict> {
        let known = match &sftp.known_hosts {
            None => Vec::new(),
            Some(path) => {
                let text = std::fs::read(path).map_err(|error| Verdict::Rejected {
                    reason: format!("read known_hosts {}: {error}", path.display()),
                    hint: Some("correct the destination's `known_hosts`, or pin the server in `host_keys`".to_owned()),
                })?;
                known_hosts::entries_for(&String::from_utf8_lossy(&text), &sftp.host, sftp.port)
            }
        };
        // Some tools print the padding that ssh-keygen leaves out.
        let pins = sftp.host_keys.iter().map(|pin| pin.trim().trim_end_matches('=').to_owned()).collect();
        Ok(Trust { pins, known })
    }

    pub fn has_pins(&self) -> bool {
        !self.pins.is_empty()
    }

    /// The kinds on file first, so that a server that has several keys shows one that can be recognised.
    pub fn preferred_kinds(&self) -> Vec<Kind> {
        let on_file = |kind: &Kind| self.hosts().any(|entry| entry.kind == kind.name());
        let (mut first, rest): (Vec<Kind>, Vec<Kind>) = KINDS.into_iter().partition(on_file);
        first.extend(rest);
        first
    }

    fn hosts(&self) -> impl Iterator<Item = &Entry> {
        self.known.iter().filter(|entry| entry.marker == Marker::None)
    }

    pub fn is_revoked(&self, key: &HostKey) -> bool {
        self.known.iter().any(|entry| entry.marker == Marker::Revoked && entry.blob == key.blob)
    }

    pub fn accepts(&self, key: &HostKey) -> bool {
        self.pins.contains(&key.fingerprint) || self.hosts().any(|entry| entry.blob == key.blob)
    }

    /// The verdict on a server none of whose keys is accepted.
    pub fn distrusted(&self, address: &str, shown: &[HostKey]) -> Verdict {
        let shown_text = list(shown.iter().map(|key| format!("{} ({})", key.fingerprint, key.kind.name())));
        let on_file =
            self.hosts().map(|entry| format!("{} ({})", fingerprint(&entry.blob), printable(entry.kind.as_bytes())));
        let expected: Vec<String> = self.pins.iter().cloned().chain(on_file).collect();
        let reason = if expected.is_empty() {
            format!("the host key of {address} is not known: the server shows {shown_text}")
        } else {
            format!(
                "the host key of {address} is not the one on file: the server shows {shown_text}, on file is {}",
                list(expected.into_iter())
            )
        };
        Verdict::Distrusted {
            reason,
            hint: Some(
                "compare the fingerprint with one that the server's administrator tells you; if it is right, put it into `host_keys`"
                    .to_owned(),
            ),
        }
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

pub fn revoked(address: &str, key: &HostKey) -> Verdict {
    Verdict::Distrusted {
        reason: format!("the host key of {address} is revoked in known_hosts: {}", key.fingerprint),
        hint: Some("the server must get a new key before anything is delivered to it".to_owned()),
    }
}
