//! Values that are never shown: no `Debug`, no `Display`, no `Serialize`.

use secrecy::{ExposeSecret, SecretString};

/// A secret's text, wiped from memory when dropped. A type that holds one cannot derive `Debug`, which is the point.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself, to be handed to the protocol that needs it and to nothing else.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}
