//! The key of `hmac_sha256`: never empty, never a default.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// The smallest number of bytes of a key; shorter ones can be guessed.
pub(crate) const KEY_BYTES_MIN: usize = 16;

/// The reason a secret cannot be a key. Never contains its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HmacKeyError {
    #[error("is empty or only white space: every hash would be the same for everyone")]
    Empty,
    #[error("cannot be used as a key")]
    Unusable,
}

/// A keyed state, cloned for each row. Can only be made from a non-empty secret.
#[derive(Clone)]
pub(crate) struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    /// Makes a key of a secret; fails if that is empty or white space.
    pub(crate) fn new(secret: &Secret) -> Result<Self, HmacKeyError> {
        if secret.expose().trim().is_empty() {
            return Err(HmacKeyError::Empty);
        }
        Hmac::new_from_slice(secret.expose().as_bytes()).map(Self).map_err(|_| HmacKeyError::Unusable)
    }

    /// Returns the authentication code of a message.
    pub(crate) fn code_of(&self, message: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(message);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_text() {
        for text in ["", " ", "\n", "\r\n", "\t \u{a0}"] {
            assert_eq!(HmacKey::new(&Secret::new(text)).err(), Some(HmacKeyError::Empty), "{text:?}");
        }
        assert!(HmacKey::new(&Secret::new("x")).is_ok());
    }
}
