//! OpenPGP messages (RFC 9580) that every GnuPG reads: an encrypted session key for each recipient, and SEIPD version 1.
//!
//! Which part of a key is used: the newest subkey whose latest binding says that it is meant for this, and which is neither
//! revoked nor expired; without any, the primary key, if it is meant for it.

use std::io::{self, Read, Write};

use jiff::Timestamp;
use pgp::composed::{Deserializable, MessageBuilder, SignedPublicKey, SignedPublicSubKey, SignedSecretKey};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{KeyFlags, PublicKey, Signature, SignatureType};
use pgp::types::{KeyDetails, Password, SigningKey, Tag};
use rand_core::OsRng;

use super::KeyError;
use crate::secret::Secret;

/// A recipient's public key.
pub struct Recipient {
    key: SignedPublicKey,
}

/// A private key that signs.
pub struct Signer {
    key: SignedSecretKey,
    passphrase: Option<Secret>,
}

/// The keys with which a run encrypts, as of one moment.
pub struct Keys {
    to: Vec<EncryptionPart>,
    signer: Option<Signer>,
    at: Timestamp,
}

/// The part of a recipient's key that is used.
#[derive(Clone)]
enum EncryptionPart {
    Subkey(Box<SignedPublicSubKey>),
    Primary(Box<PublicKey>),
}

/// The owner's word on a key or a subkey, by signatures.
struct Binding {
    created: u32,
    flags: KeyFlags,
    expires: Option<u32>,
    is_revoked: bool,
}

impl Recipient {
    /// Reads a public key, armored or binary.
    ///
    /// # Errors
    /// It is not a public key, or several.
    pub fn read(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.windows(PRIVATE.len()).any(|window| window == PRIVATE) {
            return Err(KeyError::Private);
        }
        Ok(Self { key: read_one(bytes)? })
    }

    /// Returns the name that its owner gave it, or its fingerprint.
    pub fn name(&self) -> String {
        let user = self.key.details.users.first().and_then(|user| user.id.as_str().map(str::to_owned));
        user.unwrap_or_else(|| format!("{:X}", self.key.fingerprint()))
    }

    /// Checks that something can be encrypted for it.
    ///
    /// # Errors
    /// It, or all of its parts for encryption, are revoked or expired.
    pub fn check(&self, now: Timestamp) -> Result<(), KeyError> {
        self.part(now).map(drop)
    }

    fn part(&self, now: Timestamp) -> Result<EncryptionPart, KeyError> {
        let primary = primary_binding(&self.key.primary_key, &self.key.details);
        primary.check(now)?;
        let is_meant = |flags: &KeyFlags| flags.encrypt_comms() || flags.encrypt_storage();
        let subkeys = self.key.public_subkeys.iter().filter(|subkey| subkey.algorithm().can_encrypt());
        let subkeys = subkeys.filter_map(|subkey| {
            let verifies =
                |signature: &Signature| signature.verify_subkey_binding(&self.key.primary_key, &subkey.key).is_ok();
            Some((subkey_binding(&subkey.signatures, subkey.created_at().as_secs(), verifies)?, subkey))
        });
        let whole = (is_meant(&primary.flags) && self.key.primary_key.algorithm().can_encrypt())
            .then(|| EncryptionPart::Primary(Box::new(self.key.primary_key.clone())));
        let found = newest(subkeys.filter(|(binding, _)| is_meant(&binding.flags)), now, "encryption");
        match (found, whole) {
            (Ok(subkey), _) => Ok(EncryptionPart::Subkey(Box::new(subkey.clone()))),
            (Err(_), Some(whole)) => Ok(whole),
            (Err(error), None) => Err(error),
        }
    }
}

impl Signer {
    /// Reads a private key.
    ///
    /// # Errors
    /// It is not a private key, or several.
    pub fn read(text: &Secret, passphrase: Option<Secret>) -> Result<Self, KeyError> {
        Ok(Self { key: read_one(text.expose().as_bytes())?, passphrase })
    }

    /// Checks that it can sign.
    ///
    /// # Errors
    /// It is revoked, expired, or locked.
    pub fn check(&self, now: Timestamp) -> Result<(), KeyError> {
        self.part(now).map(drop)
    }

    fn password(&self) -> Password {
        self.passphrase.as_ref().map_or_else(Password::empty, |passphrase| passphrase.expose().into())
    }

    fn part(&self, now: Timestamp) -> Result<&dyn SigningKey, KeyError> {
        let public = self.key.primary_key.public_key();
        let primary = primary_binding(public, &self.key.details);
        primary.check(now)?;
        let password = self.password();
        let subkeys = self.key.secret_subkeys.iter().filter(|subkey| subkey.key.algorithm().can_sign());
        let subkeys = subkeys.filter_map(|subkey| {
            let verifies =
                |signature: &Signature| signature.verify_subkey_binding(public, subkey.key.public_key()).is_ok();
            Some((subkey_binding(&subkey.signatures, subkey.key.created_at().as_secs(), verifies)?, subkey))
        });
        match newest(subkeys.filter(|(binding, _)| binding.flags.sign()), now, "signing") {
            Ok(subkey) => match subkey.key.unlock(&password, |_, _| Ok(())) {
                Ok(Ok(())) => Ok(&subkey.key),
                Ok(Err(_)) | Err(_) => Err(KeyError::Locked),
            },
            Err(_) if primary.flags.sign() => match self.key.primary_key.unlock(&password, |_, _| Ok(())) {
                Ok(Ok(())) => Ok(&self.key.primary_key),
                Ok(Err(_)) | Err(_) => Err(KeyError::Locked),
            },
            Err(error) => Err(error),
        }
    }
}

impl Keys {
    /// Returns the keys of a run that begins now. `signer` must have been checked.
    ///
    /// # Errors
    /// The key of a recipient cannot be used, with its place in the list.
    pub fn new<'a>(
        to: impl Iterator<Item = &'a Recipient>,
        signer: Option<Signer>,
        at: Timestamp,
    ) -> Result<Self, (usize, KeyError)> {
        let parts = to.enumerate().map(|(index, recipient)| recipient.part(at).map_err(|error| (index, error)));
        Ok(Self { to: parts.collect::<Result<_, _>>()?, signer, at })
    }

    /// Encrypts all that can be read.
    ///
    /// # Errors
    /// Reading or writing fails.
    pub fn encrypt(&self, from: impl Read, to: impl Write) -> io::Result<()> {
        let failed = |error: pgp::errors::Error| io::Error::other(format!("OpenPGP: {error}"));
        let mut message = MessageBuilder::from_reader("", from).seipd_v1(OsRng, SymmetricKeyAlgorithm::AES256);
        for part in &self.to {
            match part {
                EncryptionPart::Subkey(key) => message.encrypt_to_key(OsRng, key.as_ref()).map_err(failed)?,
                EncryptionPart::Primary(key) => message.encrypt_to_key(OsRng, key.as_ref()).map_err(failed)?,
            };
        }
        if let Some(signer) = &self.signer {
            let key = signer.part(self.at).map_err(io::Error::other)?;
            message.sign(key, signer.password(), key.hash_alg());
        }
        message.to_writer(OsRng, to).map_err(failed)
    }
}

const PRIVATE: &[u8] = b"PRIVATE KEY BLOCK";

fn read_one<K: Deserializable>(bytes: &[u8]) -> Result<K, KeyError> {
    let (keys, _) = K::from_reader_many(bytes).map_err(|error| KeyError::NotOpenPgp(error.to_string()))?;
    let mut keys = keys.collect::<Result<Vec<K>, _>>().map_err(|error| KeyError::NotOpenPgp(error.to_string()))?;
    match (keys.pop(), keys.len()) {
        (Some(key), 0) => Ok(key),
        (last, others) => Err(KeyError::NotOne(others + usize::from(last.is_some()))),
    }
}

/// Returns the latest of the owner's signatures on the key itself and on its names.
fn primary_binding(key: &PublicKey, details: &pgp::composed::SignedKeyDetails) -> Binding {
    let direct = details.direct_signatures.iter().filter(|signature| signature.verify_key(key).is_ok());
    let of_users = details.users.iter().flat_map(|user| {
        let by_owner = move |signature: &&Signature| signature.verify_certification(key, Tag::UserId, &user.id).is_ok();
        user.signatures.iter().filter(|signature| signature.is_certification()).filter(by_owner)
    });
    let latest = direct.chain(of_users).max_by_key(|signature| made(signature));
    let is_revoked = details.revocation_signatures.iter().any(|signature| signature.verify_key(key).is_ok());
    Binding::new(key.created_at().as_secs(), latest, is_revoked)
}

/// Returns the latest signature that binds a subkey; `None` if it is not bound.
fn subkey_binding(signatures: &[Signature], created: u32, verifies: impl Fn(&Signature) -> bool) -> Option<Binding> {
    let of = |typ| signatures.iter().filter(move |signature| signature.typ() == Some(typ));
    let latest =
        of(SignatureType::SubkeyBinding).filter(|signature| verifies(signature)).max_by_key(|one| made(one))?;
    let is_revoked = of(SignatureType::SubkeyRevocation).any(&verifies);
    Some(Binding::new(created, Some(latest), is_revoked))
}

fn made(signature: &Signature) -> u32 {
    signature.created().map_or(0, |at| at.as_secs())
}

/// Returns the newest that can be used.
///
/// # Errors
/// There is none: the reason of the newest one.
fn newest<K>(keys: impl Iterator<Item = (Binding, K)>, now: Timestamp, use_: &'static str) -> Result<K, KeyError> {
    let mut keys: Vec<(Binding, K)> = keys.collect();
    keys.sort_by_key(|(binding, _)| std::cmp::Reverse(binding.created));
    let mut refused = None;
    for (binding, key) in keys {
        match binding.check(now) {
            Ok(()) => return Ok(key),
            Err(error) => drop(refused.get_or_insert(error)),
        }
    }
    Err(refused.unwrap_or(KeyError::NoPart(use_)))
}

impl Binding {
    fn new(created: u32, latest: Option<&Signature>, is_revoked: bool) -> Self {
        let lasts =
            latest.and_then(Signature::key_expiration_time).map(|lasts| lasts.as_secs()).filter(|secs| *secs > 0);
        let expires = lasts.map(|lasts| created.saturating_add(lasts));
        Self { created, flags: latest.map(Signature::key_flags).unwrap_or_default(), expires, is_revoked }
    }

    fn check(&self, now: Timestamp) -> Result<(), KeyError> {
        if self.is_revoked {
            return Err(KeyError::Revoked);
        }
        match self.expires.and_then(|at| Timestamp::from_second(i64::from(at)).ok()) {
            Some(at) if at <= now => Err(KeyError::Expired(at)),
            _ => Ok(()),
        }
    }
}
