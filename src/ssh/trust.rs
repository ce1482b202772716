//! Checks a server's host key against pins and `known_hosts`.

use std::io;
use std::path::{Path, PathBuf};

use super::host_key::{KeyKind, fingerprint};
use super::known_hosts::{self, Entry, Marker};
use super::{Endpoint, Error, HostKey, HostKeys};
use crate::wire::printable;

/// Keys by which to recognise a server: pins, and the lines of `known_hosts` files that name it.
pub struct Trust {
    pins: Vec<String>,
    /// Each line with its file.
    known: Vec<(PathBuf, Entry)>,
}

impl Trust {
    /// Reads the `known_hosts` files for `endpoint`.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(host_keys: &HostKeys, endpoint: &Endpoint) -> Result<Self, Error> {
        let mut known = Vec::new();
        let entries = |path: &Path, text: &[u8]| -> Vec<(PathBuf, Entry)> {
            let found = known_hosts::entries_for(&String::from_utf8_lossy(text), endpoint);
            found.into_iter().map(|entry| (path.to_owned(), entry)).collect()
        };
        let unreadable = |path: &Path, source| Error::KnownHosts { path: path.to_owned(), source };
        for path in &host_keys.known_hosts {
            let text = std::fs::read(path).map_err(|error| unreadable(path, error))?;
            known.extend(entries(path, &text));
        }
        if let Some(path) = &host_keys.accepted {
            match std::fs::read(path) {
                Ok(text) => known.extend(entries(path, &text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(path, error)),
            }
        }
        // Some tools print the padding that ssh-keygen omits.
        let pins = host_keys.pins.iter().map(|pin| pin.trim().trim_end_matches('=').to_owned()).collect();
        Ok(Trust { pins, known })
    }

    pub(super) fn has_pins(&self) -> bool {
        !self.pins.is_empty()
    }

    /// Returns the kinds on file first, so that a server with several keys shows one that can be recognised.
    pub(super) fn preferred_kinds(&self) -> Vec<KeyKind> {
        let on_file = |kind: &KeyKind| self.hosts().any(|entry| entry.kind == kind.name());
        let (mut first, rest): (Vec<KeyKind>, Vec<KeyKind>) = KeyKind::ALL.into_iter().partition(on_file);
        first.extend(rest);
        first
    }

    fn hosts(&self) -> impl Iterator<Item = &Entry> {
        self.known.iter().map(|(_, entry)| entry).filter(|entry| entry.marker == Marker::None)
    }

    pub(super) fn is_revoked(&self, key: &HostKey) -> bool {
        self.known.iter().any(|(_, entry)| entry.marker == Marker::Revoked && entry.blob == key.blob)
    }

    /// Returns where an accepted key is on file.
    pub(super) fn source(&self, key: &HostKey) -> String {
        if self.pins.contains(&key.fingerprint) {
            return "pinned in `host_keys`".to_owned();
        }
        let from = self.known.iter().find(|(_, entry)| entry.marker == Marker::None && entry.blob == key.blob);
        from.map_or_else(|| "not accepted yet".to_owned(), |(path, _)| format!("on file in {}", path.display()))
    }

    /// Returns every key that is on file.
    pub(super) fn known_keys(&self) -> Vec<KnownKey> {
        let pins =
            self.pins.iter().map(|pin| KnownKey { fingerprint: pin.clone(), kind: None, file: None, revoked: false });
        let lines = self.known.iter().filter(|(_, entry)| entry.marker != Marker::CertAuthority);
        let lines = lines.map(|(path, entry)| KnownKey {
            fingerprint: fingerprint(&entry.blob),
            kind: Some(printable(entry.kind.as_bytes())),
            file: Some(path.clone()),
            revoked: entry.marker == Marker::Revoked,
        });
        pins.chain(lines).collect()
    }

    /// Returns the files with a certificate authority for this server, which has no effect here.
    pub(super) fn authorities(&self) -> Vec<PathBuf> {
        let authorities = self.known.iter().filter(|(_, entry)| entry.marker == Marker::CertAuthority);
        authorities.map(|(path, _)| path.clone()).collect()
    }

    pub(super) fn accepts(&self, key: &HostKey) -> bool {
        self.pins.contains(&key.fingerprint) || self.hosts().any(|entry| entry.blob == key.blob)
    }

    /// Returns true if a server with this key is trusted.
    pub fn permits(&self, key: &HostKey) -> bool {
        self.accepts(key) && !self.is_revoked(key)
    }

    /// Returns the error for a server without an accepted key.
    pub(super) fn untrusted(&self, endpoint: &Endpoint, shown: Vec<HostKey>) -> Error {
        let shown_text = list(shown.iter().map(|key| format!("{} ({})", key.fingerprint, key.kind_name())));
        let on_file =
            self.hosts().map(|entry| format!("{} ({})", fingerprint(&entry.blob), printable(entry.kind.as_bytes())));
        let expected: Vec<String> = self.pins.iter().cloned().chain(on_file).collect();
        let mut reason = if expected.is_empty() {
            format!("the host key of {endpoint} is not known: the server shows {shown_text}")
        } else {
            format!(
                "the host key of {endpoint} is not the one on file: the server shows {shown_text}, on file is {}",
                list(expected.into_iter())
            )
        };
        if !self.authorities().is_empty() {
            reason.push_str("; the @cert-authority line for it is of no use: host certificates are not supported");
        }
        Error::UntrustedHostKey { reason, shown }
    }
}

/// A key on file: an accepted or a revoked one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    pub fingerprint: String,
    pub kind: Option<String>,
    /// Its `known_hosts` file; `None` for a pin.
    pub file: Option<PathBuf>,
    pub revoked: bool,
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}
