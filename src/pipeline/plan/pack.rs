//! Compression and encryption of the artifact.

use std::sync::Arc;

use jiff::Timestamp;

use crate::encrypt::{KeyError, Keys, age, openpgp};
use crate::feature;
use crate::name::{NameError, NameTemplate};
use crate::schedule::slot::Slot;
use crate::settings::{OpenPgpKey, SigningKeyError};
use crate::yaml::problem::{Place, Problem};

/// The compression of the artifact's files, each by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compression {
    Gzip,
    Zstd,
    /// An archive of one entry. Its name; by default the artifact's, without `.zip`.
    Zip(Option<NameTemplate>),
}

/// The encryption of the artifact's files, each by itself, after they are compressed.
pub enum Encryption {
    OpenPgp { feature: feature::OpenPgp, to: Vec<OpenPgpRecipient>, sign: Option<SignWith> },
    Age { feature: feature::Age, to: Vec<age::Recipient> },
}

/// A recipient, and the file with its key.
pub struct OpenPgpRecipient {
    pub at: Place,
    pub file: String,
    pub key: openpgp::Recipient,
}

/// The key of the settings that signs.
pub struct SignWith {
    pub at: Place,
    pub name: String,
    pub key: Arc<OpenPgpKey>,
}

/// A key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableKey {
    #[error("artifact.encrypt: {file}: {error}; ask its owner for a new key, and put it in place of this one")]
    Recipient { file: String, error: KeyError },
    #[error("openpgp_keys.{name}: {error}")]
    Signing { name: String, error: SigningKeyError },
}

impl Encryption {
    /// Returns a problem for each recipient's key that cannot be used now.
    pub fn key_problems(&self, now: Timestamp) -> Vec<Problem> {
        let Self::OpenPgp { to, .. } = self else { return Vec::new() };
        let problem = |OpenPgpRecipient { at, file, key }: &OpenPgpRecipient| {
            let error = key.check(now).err()?;
            let problem = Problem::error(at.clone(), format!("the key of {} cannot be used: {error}", key.name()));
            Some(problem.hint(format!("ask its owner for a new key, and put it in place of {file}")))
        };
        to.iter().filter_map(problem).collect()
    }

    /// Reads the keys of a run that begins now. Blocks while the signing key is read.
    ///
    /// # Errors
    /// A key is revoked or expired, or the signing key cannot be read.
    pub fn keys(&self, now: Timestamp) -> Result<Keys, UnusableKey> {
        let (to, sign) = match self {
            Self::Age { to, feature: _ } => return Ok(Keys::Age(to.clone())),
            Self::OpenPgp { to, sign, feature: _ } => (to, sign),
        };
        let signer = sign.as_ref().map(|SignWith { name, key, .. }| {
            key.signer(now).map_err(|error| UnusableKey::Signing { name: name.clone(), error })
        });
        let keys = openpgp::Keys::new(to.iter().map(|recipient| &recipient.key), signer.transpose()?, now);
        keys.map(|keys| Keys::OpenPgp(Box::new(keys))).map_err(|(index, error)| UnusableKey::Recipient {
            file: to.get(index).map(|recipient| recipient.file.clone()).unwrap_or_default(),
            error,
        })
    }
}

/// Returns the name of the entry in a ZIP: without a template, the file's own without `.zip` and what follows it.
///
/// # Errors
/// As [`NameTemplate::render`].
pub fn entry_name(
    template: Option<&NameTemplate>,
    slot: &Slot,
    file: &str,
    number: Option<usize>,
) -> Result<String, NameError> {
    match (template, number) {
        (Some(template), Some(number)) => Ok(template.render_file(&slot.name_fields(), number)?.to_string()),
        (Some(template), None) => Ok(template.render(&slot.name_fields())?.to_string()),
        (None, _) => {
            let encrypted = ENCRYPTED.iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(file);
            Ok(encrypted.strip_suffix(".zip").filter(|name| !name.is_empty()).unwrap_or(encrypted).to_owned())
        }
    }
}

/// Usual endings of the names of encrypted files.
const ENCRYPTED: [&str; 3] = [".gpg", ".pgp", ".age"];
