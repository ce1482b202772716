//! Connection errors.

use std::io;
use std::path::PathBuf;

use super::{Endpoint, HostKey};

/// Reasons why a server was not reached, not trusted, or did not accept the account. `Display` gives the operation, its subject,
/// and the cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server, or the way to it, was not reached, or contact was lost: another attempt may succeed.
    #[error("{0}")]
    Connection(String),
    /// The proxy requires an account, or refuses ours.
    #[error("{0}")]
    ProxyAccount(String),
    #[error("exchange keys with {endpoint}: {why}")]
    NoCommonAlgorithm { endpoint: Endpoint, why: String },
    #[error("read known_hosts {path}: {source}")]
    KnownHosts { path: PathBuf, source: io::Error },
    /// None of the server's keys is on file.
    #[error("{reason}")]
    UntrustedHostKey { reason: String, shown: Vec<HostKey> },
    #[error("the host key of {endpoint} is revoked in known_hosts: {fingerprint}")]
    RevokedHostKey { endpoint: Endpoint, fingerprint: String },
    /// The private key cannot be used.
    #[error("the private key for {host} ({place}) {what}")]
    PrivateKey { host: String, place: String, what: String, fix: String },
    #[error("{reason}")]
    Agent { reason: String, problem: AgentProblem },
    #[error("sign in to {endpoint} as {username}: {why}")]
    SignIn { endpoint: Endpoint, username: String, why: String, problem: SignInProblem },
    #[error("the password of {username} at {endpoint} has expired: the server asks for a new one{detail}")]
    PasswordExpired { endpoint: Endpoint, username: String, detail: String },
    #[error("start the SFTP subsystem at {endpoint}: the server refused it")]
    SubsystemRefused { endpoint: Endpoint },
    /// The jump host is the cause.
    #[error("jump host {endpoint}: {source}")]
    Jump { endpoint: Endpoint, source: Box<Error> },
}

/// Problems of the ssh-agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentProblem {
    /// `SSH_AUTH_SOCK` is not set.
    NotSet,
    Unavailable,
    /// It has no key, or not the configured one.
    NoKey,
}

/// Problems of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInProblem {
    /// Only keys were tried, and refused.
    KeyRefused {
        is_rsa: bool,
    },
    Refused,
    /// The server closed the connection after the password.
    ClosedOnPassword,
    /// The server accepts RSA keys only with SHA-1 signatures.
    Sha1Only,
}

impl Error {
    /// Returns true if another attempt may succeed without a change.
    pub fn is_connection(&self) -> bool {
        match self {
            Error::Connection(_) => true,
            Error::Jump { source, .. } => source.is_connection(),
            _ => false,
        }
    }
}
