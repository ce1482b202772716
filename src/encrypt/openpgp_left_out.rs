//! OpenPGP in a program that was built without it: there are no keys.

use std::io::{self, Read, Write};

use jiff::Timestamp;

use super::KeyError;
use crate::feature::NotBuilt;
use crate::secret::Secret;

/// A recipient's public key; there is none.
pub enum Recipient {}

/// A private key that signs; there is none.
pub enum Signer {}

/// The keys with which a run encrypts; there are none.
pub enum Keys {}

impl Recipient {
    /// Reads no key.
    ///
    /// # Errors
    /// Always: the feature was not built.
    pub fn read(_: &[u8]) -> Result<Self, KeyError> {
        Err(KeyError::NotBuilt(NotBuilt("openpgp")))
    }

    /// Returns its owner's name.
    pub fn name(&self) -> String {
        match *self {}
    }

    /// Checks that something can be encrypted for it.
    ///
    /// # Errors
    /// None.
    pub fn check(&self, _: Timestamp) -> Result<(), KeyError> {
        match *self {}
    }
}

impl Signer {
    /// Reads no key.
    ///
    /// # Errors
    /// Always: the feature was not built.
    pub fn read(_: &Secret, _: Option<Secret>) -> Result<Self, KeyError> {
        Err(KeyError::NotBuilt(NotBuilt("openpgp")))
    }

    /// Checks that it can sign.
    ///
    /// # Errors
    /// None.
    pub fn check(&self, _: Timestamp) -> Result<(), KeyError> {
        match *self {}
    }
}

impl Keys {
    /// Returns no keys.
    ///
    /// # Errors
    /// Always: the feature was not built.
    pub fn new<'a>(
        _: impl Iterator<Item = &'a Recipient>,
        _: Option<Signer>,
        _: Timestamp,
    ) -> Result<Self, (usize, KeyError)> {
        Err((0, KeyError::NotBuilt(NotBuilt("openpgp"))))
    }

    /// Encrypts nothing.
    ///
    /// # Errors
    /// None.
    pub fn encrypt(&self, _: impl Read, _: impl Write) -> io::Result<()> {
        match *self {}
    }
}
