//! How an SSH server is reached and signed in to: agent, proxy, algorithms.

use std::path::PathBuf;

use super::SecretRef;

/// An ssh-agent that signs in our place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub socket: AgentSocket,
    /// The one key to use, `SHA256:…`; otherwise the first ones that the agent has.
    pub key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentSocket {
    /// The one that `SSH_AUTH_SOCK` names when it is needed.
    Environment,
    Path(PathBuf),
}

impl AgentSocket {
    /// `None` where the environment names none.
    #[allow(clippy::disallowed_methods)] // `settings` is the one room that may
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            AgentSocket::Path(path) => Some(path.clone()),
            AgentSocket::Environment => {
                std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from)
            }
        }
    }
}

/// What stands between us and the server. It looks up the server's name.
pub struct Proxy {
    pub kind: ProxyKind,
    pub host: String,
    pub port: u16,
    pub username: Option<String>,
    pub password: Option<SecretRef>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// `CONNECT` (RFC 9110, 9.3.6).
    Http,
    /// RFC 1928, with the password of RFC 1929.
    Socks5,
}

/// What may be agreed on, best first; an empty list is the usual one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Algorithms {
    pub kex: Vec<String>,
    pub host_key: Vec<String>,
    pub cipher: Vec<String>,
    pub mac: Vec<String>,
}
