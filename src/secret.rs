//! Values that are never shown: no `Debug`, no `Display`, no `Serialize`.

use secrecy::{ExposeSecret, SecretString};

/// A secret's text, wiped from memory when dropped. A type that contains one cannot derive `Debug`, on purpose.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// Returns the text, only for the protocol that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}
