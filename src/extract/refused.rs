//! Credentials that the platform refused: one pipeline tries them, and then none until they change or time has passed.

use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// A refusal of a tenant's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedCredentials {
    /// Distinguishes other credentials, and is worthless to whoever reads it.
    pub digest: String,
    pub at: Timestamp,
    /// They are not sent again before.
    pub until: Timestamp,
    /// The refusal as it was reported.
    pub reason: String,
}

/// Remembers refused credentials over restarts.
pub trait CredentialMemory: Send + Sync {
    /// Returns the digest of credentials, by which a later process recognizes them; `None` if it cannot be made.
    fn digest(&self, parts: &[&str]) -> Option<String>;

    /// Returns the last refusal of the tenant's credentials, if it is known.
    fn recall<'a>(&'a self, tenant: &'a str) -> BoxFuture<'a, Option<RefusedCredentials>>;

    /// Replaces what is remembered of the tenant; `None` once its credentials are accepted.
    fn remember<'a>(&'a self, tenant: &'a str, refused: Option<RefusedCredentials>) -> BoxFuture<'a, ()>;
}
