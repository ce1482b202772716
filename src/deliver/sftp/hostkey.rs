//! Is this the server that was meant? Pins and `known_hosts` against the key that it shows.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use md5::Md5;
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

pub const KINDS: [Kind; 5] = [Kind::Ed25519, Kind::Ecdsa256, Kind::Ecdsa384, Kind::Ecdsa521, Kind::Rsa];

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

impl HostKey {
    /// `MD5:aa:bb:…`, as documents of before 2015 give it.
    pub fn md5(&self) -> String {
        let digest = Md5::digest(&self.blob);
        let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("MD5:{}", pairs.join(":"))
    }

    /// As `ssh-keygen -l` counts: the field of the curve, or the modulus.
    pub fn bits(&self) -> usize {
        match self.kind {
            Kind::Ed25519 | Kind::Ecdsa256 => 256,
            Kind::Ecdsa384 => 384,
            Kind::Ecdsa521 => 521,
            Kind::Rsa => {
                let mut body = Body(&self.blob);
                let parts = (body.string(), body.string(), body.string());
                let (Ok(_), Ok(_), Ok(modulus)) = parts else { return 0 };
                let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
                let first = modulus.get(zeros).map_or(0, |byte| 8 - byte.leading_zeros() as usize);
                first + modulus.len().saturating_sub(zeros + 1) * 8
            }
        }
    }

    /// As `known_hosts` calls its kind.
    pub fn kind_name(&self) -> &'static str {
        self.kind.name()
    }

    /// The picture that `ssh-keygen -lv` draws of it.
    pub fn art(&self) -> String {
        let short = match self.kind {
            Kind::Ed25519 => "ED25519",
            Kind::Rsa => "RSA",
            _ => "ECDSA",
        };
        super::art::draw(&Sha256::digest(&self.blob), &format!("{short} {}", self.bits()), "SHA256")
    }
}

pub fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

/// What is known about a server before it is met.
pub struct Trust {
    pins: Vec<String>,
    /// The lines of the `known_hosts` files that name this server, and which file each is from.
    known: Vec<(PathBuf, Entry)>,
}

impl Trust {
    /// Takes the pins, and reads the `known_hosts` files and what `trust` accepted.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(sftp: &Sftp) -> Result<Self, Verdict> {
        let mut known = Vec::new();
        let entries = |path: &Path, text: &[u8]| -> Vec<(PathBuf, Entry)> {
            let found = known_hosts::entries_for(&String::from_utf8_lossy(text), &sftp.host, sftp.port);
            found.into_iter().map(|entry| (path.to_owned(), entry)).collect()
        };
        let unreadable = |path: &Path, error: &io::Error| Verdict::Rejected {
            reason: format!("read known_hosts {}: {error}", path.display()),
            hint: Some("correct the destination's `known_hosts`, or pin the server in `host_keys`".to_owned()),
        };
        for path in &sftp.known_hosts {
            let text = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
            known.extend(entries(path, &text));
        }
        if let Some(path) = &sftp.accepted {
            match std::fs::read(path) {
                Ok(text) => known.extend(entries(path, &text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(path, &error)),
            }
        }
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
        self.known.iter().map(|(_, entry)| entry).filter(|entry| entry.marker == Marker::None)
    }

    pub fn is_revoked(&self, key: &HostKey) -> bool {
        self.known.iter().any(|(_, entry)| entry.marker == Marker::Revoked && entry.blob == key.blob)
    }

    /// Where an accepted key is on file.
    pub fn source(&self, key: &HostKey) -> String {
        if self.pins.contains(&key.fingerprint) {
            return "pinned in `host_keys`".to_owned();
        }
        let from = self.known.iter().find(|(_, entry)| entry.marker == Marker::None && entry.blob == key.blob);
        from.map_or_else(|| "not on file".to_owned(), |(path, _)| format!("on file in {}", path.display()))
    }

    /// Every key that is on file: fingerprint, kind where it is known, and the place.
    pub fn on_file(&self) -> Vec<OnFile> {
        let pins = self.pins.iter().map(|pin| OnFile {
            fingerprint: pin.clone(),
            kind: None,
            place: Place::Settings,
            revoked: false,
        });
        let lines = self.known.iter().filter(|(_, entry)| entry.marker != Marker::CertAuthority);
        let lines = lines.map(|(path, entry)| OnFile {
            fingerprint: fingerprint(&entry.blob),
            kind: Some(printable(entry.kind.as_bytes())),
            place: Place::File(path.clone()),
            revoked: entry.marker == Marker::Revoked,
        });
        pins.chain(lines).collect()
    }

    /// Files with a certificate authority for this server, which nothing here can check a certificate by.
    pub fn authorities(&self) -> Vec<PathBuf> {
        let authorities = self.known.iter().filter(|(_, entry)| entry.marker == Marker::CertAuthority);
        authorities.map(|(path, _)| path.clone()).collect()
    }

    pub fn accepts(&self, key: &HostKey) -> bool {
        self.pins.contains(&key.fingerprint) || self.hosts().any(|entry| entry.blob == key.blob)
    }

    /// The verdict on a server none of whose keys is accepted.
    pub fn distrusted(&self, sftp: &Sftp, address: &str, shown: &[HostKey]) -> Verdict {
        let shown_text = list(shown.iter().map(|key| format!("{} ({})", key.fingerprint, key.kind.name())));
        let on_file =
            self.hosts().map(|entry| format!("{} ({})", fingerprint(&entry.blob), printable(entry.kind.as_bytes())));
        let expected: Vec<String> = self.pins.iter().cloned().chain(on_file).collect();
        let mut reason = if expected.is_empty() {
            format!("the host key of {address} is not known: the server shows {shown_text}")
        } else {
            format!(
                "the host key of {address} is not the one on file: the server shows {shown_text}, on file is {}",
                list(expected.into_iter())
            )
        };
        if !self.authorities().is_empty() {
            reason.push_str("; the @cert-authority line for it is of no use: host certificates are not supported");
        }
        let (name, first) = (&sftp.name, shown.first().map_or("FINGERPRINT", |key| key.fingerprint.as_str()));
        Verdict::Distrusted {
            reason,
            hint: Some(format!(
                "compare the fingerprint with one that the server's administrator tells you; if it is right,                  `reportferry trust {name} --accept {first}` (or put it into `host_keys`), then `reportferry retry RUN`"
            )),
        }
    }
}

/// A key that the server may be recognised by, or by which it never is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnFile {
    pub fingerprint: String,
    pub kind: Option<String>,
    pub place: Place,
    pub revoked: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `host_keys`.
    Settings,
    File(PathBuf),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Settings => f.write_str("host_keys"),
            Place::File(path) => path.display().fmt(f),
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
