//! Public keys → an encrypting writer: OpenPGP and age. Streams in constant memory.

#[cfg_attr(not(feature = "age"), path = "age_left_out.rs")]
pub mod age;
#[cfg_attr(not(feature = "openpgp"), path = "openpgp_left_out.rs")]
pub mod openpgp;

use jiff::Timestamp;

use crate::feature::NotBuilt;

/// The reason why a key cannot be used. Has nothing of a private key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("it is not an OpenPGP key: {0}")]
    NotOpenPgp(String),
    #[error("it has {0} keys in place of one")]
    NotOne(usize),
    #[error("it is a private key; recipients have public keys")]
    Private,
    #[error("it has no part that is meant for {0}")]
    NoPart(&'static str),
    #[error("it was revoked by its owner")]
    Revoked,
    #[error("it expired on {}", .0.strftime("%Y-%m-%d"))]
    Expired(Timestamp),
    #[error("it is encrypted, and its passphrase is missing or does not fit")]
    Locked,
    #[error("line {line} is not an age recipient (`age1…`): {cause}")]
    NotAge { line: usize, cause: &'static str },
    #[error("it has no age recipient (`age1…`)")]
    NoRecipient,
    #[error(transparent)]
    NotBuilt(#[from] NotBuilt),
}

/// The keys with which a run encrypts.
pub enum Keys {
    OpenPgp(Box<openpgp::Keys>),
    Age(Vec<age::Recipient>),
}
