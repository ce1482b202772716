//! A server's host key: its kind, fingerprints and picture.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use md5::Md5;
use sha2::{Digest, Sha256};

use super::randomart;
use crate::wire::Reader;

/// The kinds of host key that are accepted. RSA with SHA-1 and DSA are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Ed25519,
    Ecdsa256,
    Ecdsa384,
    Ecdsa521,
    Rsa,
}

impl KeyKind {
    /// In order of preference.
    pub(super) const ALL: [KeyKind; 5] =
        [KeyKind::Ed25519, KeyKind::Ecdsa256, KeyKind::Ecdsa384, KeyKind::Ecdsa521, KeyKind::Rsa];

    /// Returns the name of the kind (RFC 4253, 5656, 8709), as in `known_hosts`.
    pub(super) fn name(self) -> &'static str {
        match self {
            KeyKind::Ed25519 => "ssh-ed25519",
            KeyKind::Ecdsa256 => "ecdsa-sha2-nistp256",
            KeyKind::Ecdsa384 => "ecdsa-sha2-nistp384",
            KeyKind::Ecdsa521 => "ecdsa-sha2-nistp521",
            KeyKind::Rsa => "ssh-rsa",
        }
    }

    /// Returns the signature algorithms to request for a key of this kind (RFC 8332 for RSA).
    fn algorithms(self) -> &'static str {
        match self {
            KeyKind::Rsa => "rsa-sha2-512,rsa-sha2-256",
            other => other.name(),
        }
    }
}

/// Returns the algorithms to offer for these kinds, without certificates, which cannot be verified here.
pub(super) fn algorithms(kinds: &[KeyKind]) -> String {
    kinds.iter().map(|kind| kind.algorithms()).collect::<Vec<_>>().join(",")
}

/// A key that a server showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    pub(super) kind: KeyKind,
    pub(super) blob: Vec<u8>,
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fingerprint: String,
}

impl HostKey {
    /// Returns `None` for a kind that is not accepted.
    pub(super) fn parse(blob: &[u8]) -> Option<Self> {
        let name = Reader(blob).string().ok()?;
        let kind = KeyKind::ALL.into_iter().find(|kind| kind.name().as_bytes() == name)?;
        Some(HostKey { kind, blob: blob.to_vec(), fingerprint: fingerprint(blob) })
    }

    /// Returns `MD5:aa:bb:…`, the format of documents from before 2015.
    pub fn md5(&self) -> String {
        let digest = Md5::digest(&self.blob);
        let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("MD5:{}", pairs.join(":"))
    }

    /// Returns the number of bits as `ssh-keygen -l` counts them: of the curve's field, or of the modulus.
    pub fn bits(&self) -> usize {
        match self.kind {
            KeyKind::Ed25519 | KeyKind::Ecdsa256 => 256,
            KeyKind::Ecdsa384 => 384,
            KeyKind::Ecdsa521 => 521,
            KeyKind::Rsa => {
                let mut body = Reader(&self.blob);
                let parts = (body.string(), body.string(), body.string());
                let (Ok(_), Ok(_), Ok(modulus)) = parts else { return 0 };
                let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
                let first = modulus.get(zeros).map_or(0, |byte| 8 - byte.leading_zeros() as usize);
                first + modulus.len().saturating_sub(zeros + 1) * 8
            }
        }
    }

    /// Returns the name of its kind, as in `known_hosts`.
    pub fn kind_name(&self) -> &'static str {
        self.kind.name()
    }

    /// Returns the picture that `ssh-keygen -lv` draws of it.
    pub fn randomart(&self) -> String {
        let short = match self.kind {
            KeyKind::Ed25519 => "ED25519",
            KeyKind::Rsa => "RSA",
            _ => "ECDSA",
        };
        randomart::draw(&Sha256::digest(&self.blob), &format!("{short} {}", self.bits()), "SHA256")
    }
}

/// Returns `SHA256:…` of a public key.
pub(super) fn fingerprint(blob: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}
