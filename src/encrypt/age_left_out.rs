//! age in a program that was built without it: there are no recipients.

use std::convert::Infallible;
use std::io::{self, Write};

use super::KeyError;
use crate::feature::NotBuilt;

/// A recipient; there is none.
pub type Recipient = Infallible;

/// A writer that encrypts; there is none.
pub struct Encrypted<W>(Infallible, W);

/// Reads no recipients.
///
/// # Errors
/// Always: the feature was not built.
pub fn recipients(_: &str) -> Result<Vec<Recipient>, KeyError> {
    Err(KeyError::NotBuilt(NotBuilt("age")))
}

/// Encrypts nothing.
///
/// # Errors
/// Always: the feature was not built.
pub fn encrypt<W: Write>(_: &[Recipient], _: W) -> io::Result<Encrypted<W>> {
    Err(io::Error::other(NotBuilt("age")))
}

impl<W> Encrypted<W> {
    /// Ends the file.
    ///
    /// # Errors
    /// None.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {}
    }
}

impl<W: Write> Write for Encrypted<W> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}
