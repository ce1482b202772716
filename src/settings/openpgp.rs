//! Private OpenPGP keys, which sign artifacts.

use jiff::Timestamp;

use super::secrets::SecretFile;
use super::{SecretError, SecretRef, Settings};
use crate::encrypt::KeyError;
use crate::encrypt::openpgp::Signer;
use crate::yaml::problem::Problem;
use crate::yaml::tree::Origin;

crate::table! {
    pub struct OpenPgpKeyFile {
        /// The private key, as `gpg --export-secret-keys --armor` writes it.
        key: SecretFile,
        /// The passphrase of the key. Default: none.
        passphrase: Option<SecretFile>,
    }
}

/// A private key. It is read at each use.
#[derive(Clone)]
pub struct OpenPgpKey {
    pub(super) origin: Origin,
    pub(super) key: SecretRef,
    pub(super) passphrase: Option<SecretRef>,
}

/// The reason why a signing key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("the signing key cannot be used: {0}")]
    Key(#[from] KeyError),
}

impl OpenPgpKey {
    /// Reads the key. Blocks.
    ///
    /// # Errors
    /// It cannot be read or unlocked, is revoked or expired, or cannot sign.
    pub fn signer(&self, now: Timestamp) -> Result<Signer, SigningKeyError> {
        let passphrase = self.passphrase.as_ref().map(SecretRef::read).transpose()?;
        let signer = Signer::read(&self.key.read()?, passphrase)?;
        signer.check(now)?;
        Ok(signer)
    }
}

impl Settings {
    /// Returns the problems of the signing keys. A secret that cannot be read here may be readable for the worker.
    pub fn signing_key_problems(&self, now: Timestamp) -> Vec<Problem> {
        let problem = |key: &OpenPgpKey| {
            let is_command = |secret: &SecretRef| matches!(secret, SecretRef::Command(_));
            if is_command(&key.key) || key.passphrase.as_ref().is_some_and(is_command) {
                return None; // commands run for deliveries only
            }
            match key.signer(now) {
                // Without the feature, a pipeline that signs is the one at fault.
                Ok(_) | Err(SigningKeyError::Secret(_) | SigningKeyError::Key(KeyError::NotBuilt(_))) => None,
                Err(error @ SigningKeyError::Key(_)) => {
                    let hint = match error {
                        SigningKeyError::Key(KeyError::Locked) => "write the key's `passphrase` beside it",
                        _ => "export a key that signs: `gpg --export-secret-keys --armor ADDRESS`",
                    };
                    Some(key.origin.error(error.to_string()).hint(hint))
                }
            }
        };
        self.openpgp_keys.values().filter_map(|key| problem(key)).collect()
    }
}
