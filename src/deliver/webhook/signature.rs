//! Signatures by Standard Webhooks (<https://github.com/standard-webhooks/standard-webhooks>, specification 1.0.0).
//!
//! The signed text is `id.timestamp.body`: the body as sent, and for a compressed one also as before compression. Each
//! attempt signs again, because receivers refuse an old timestamp.

use std::io::{self, Read};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ring::signature::Ed25519KeyPair;
use sha2::Sha256;

use crate::secret::Secret;

/// Bytes of a symmetric key.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// One key that signs.
pub enum Key {
    /// `whsec_`: HMAC-SHA256, scheme `v1`.
    Symmetric(Vec<u8>),
    /// `whsk_`: ed25519, scheme `v1a`.
    Asymmetric(Box<Ed25519KeyPair>),
}

/// Problem of a key. Does not contain the key's text.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("a webhook secret begins with `whsec_` (or `whsk_` for ed25519)")]
    Prefix,
    #[error("what follows `whsec_` is not base64")]
    Base64,
    #[error("a `whsec_` secret holds 24 to 64 bytes; this one holds {0}")]
    Length(usize),
    #[error("a `whsk_` secret holds an ed25519 seed of 32 bytes, alone or with its public key")]
    Seed,
}

impl Key {
    /// # Errors
    /// It is not a key.
    pub fn parse(secret: &Secret) -> Result<Self, KeyError> {
        let text = secret.expose().trim();
        if let Some(seed) = text.strip_prefix("whsk_") {
            let bytes = STANDARD.decode(seed).map_err(|_| KeyError::Seed)?;
            let pair = match bytes.len() {
                32 => Ed25519KeyPair::from_seed_unchecked(&bytes),
                64 => Ed25519KeyPair::from_seed_and_public_key(&bytes[..32], &bytes[32..]),
                _ => return Err(KeyError::Seed),
            };
            return Ok(Self::Asymmetric(Box::new(pair.map_err(|_| KeyError::Seed)?)));
        }
        let Some(key) = text.strip_prefix("whsec_") else { return Err(KeyError::Prefix) };
        let bytes = STANDARD.decode(key).map_err(|_| KeyError::Base64)?;
        match KEY_BYTES.contains(&bytes.len()) {
            true => Ok(Self::Symmetric(bytes)),
            false => Err(KeyError::Length(bytes.len())),
        }
    }

    /// Returns true if the key must sign the whole message at once.
    pub fn needs_whole_message(&self) -> bool {
        matches!(self, Self::Asymmetric(_))
    }
}

/// Returns `webhook-signature` for a body in memory: one signature for each key, separated by spaces.
pub fn sign(keys: &[Key], id: &str, timestamp: i64, body: &[u8]) -> String {
    let signatures = keys.iter().map(|key| match key {
        Key::Symmetric(key) => {
            let mut mac = begin(key, id, timestamp);
            mac.update(body);
            finish(mac)
        }
        Key::Asymmetric(pair) => {
            let message = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
            format!("v1a,{}", STANDARD.encode(pair.sign(&message)))
        }
    });
    signatures.collect::<Vec<_>>().join(" ")
}

/// Does what [`sign`] does for a body that is read once and never held. Omits keys that need the whole body.
///
/// # Errors
/// Any error of reading.
pub fn sign_stream(keys: &[Key], id: &str, timestamp: i64, mut body: impl Read) -> io::Result<String> {
    let symmetric = keys.iter().filter_map(|key| match key {
        Key::Symmetric(key) => Some(begin(key, id, timestamp)),
        Key::Asymmetric(_) => None,
    });
    let mut macs: Vec<Hmac<Sha256>> = symmetric.collect();
    let mut block = vec![0; 256 * 1024];
    loop {
        match body.read(&mut block) {
            Ok(0) => break,
            Ok(read) => macs.iter_mut().for_each(|mac| mac.update(&block[..read])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(macs.into_iter().map(finish).collect::<Vec<_>>().join(" "))
}

fn begin(key: &[u8], id: &str, timestamp: i64) -> Hmac<Sha256> {
    // HMAC accepts keys of any length; the other arm satisfies the type.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac
}

fn finish(mac: Hmac<Sha256>) -> String {
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Example of the specification's reference libraries.
    #[test]
    fn signs_as_the_specification_does() {
        let key = Key::parse(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap_or_else(|e| panic!("{e}"));
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", br#"{"test": 2432232314}"#);
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(std::slice::from_ref(&key), id, 1_614_265_330, body), expected);
        assert_eq!(sign_stream(&[key], id, 1_614_265_330, &body[..]).unwrap(), expected);
    }

    #[test]
    fn several_keys_make_several_signatures() {
        let keys = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="]
            .map(|text| Key::parse(&Secret::new(text)).unwrap_or_else(|error| panic!("{error}")));
        let signed = sign(&keys, "id", 1, b"body");
        let (v1, v1a) = signed.split_once(' ').unwrap();
        assert!(v1.starts_with("v1,") && v1a.starts_with("v1a,"), "{signed}");
        assert_eq!(sign_stream(&keys, "id", 1, &b"body"[..]).unwrap(), v1);
    }

    #[test]
    fn what_is_no_key_is_told_without_its_text() {
        let error = |text: &str| Key::parse(&Secret::new(text)).err().unwrap();
        assert_eq!(error("hunter2"), KeyError::Prefix);
        assert_eq!(error("whsec_!!!"), KeyError::Base64);
        assert_eq!(error("whsec_aHVudGVyMg=="), KeyError::Length(7));
        assert_eq!(error("whsk_aHVudGVyMg=="), KeyError::Seed);
    }
}
