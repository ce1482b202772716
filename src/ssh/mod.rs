//! A signed-in SSH connection, by `libssh2`: reaches the server directly, through a proxy or through a jump host, checks
//! its host key, and signs in. Independent of what the connection is for.
//!
//! [`connect()`] takes a [`Login`] and returns a connection that is [`SignedIn`]; its [`Channel`] is a byte stream. An
//! [`Observer`] receives each step. [`scan()`] requests a server's host keys without signing in; [`accept`] and [`forget`]
//! maintain the `known_hosts` file of accepted keys.

mod accepted;
mod agent;
mod agent_proxy;
mod algorithms;
mod auth;
mod connect;
mod connection;
mod disconnect;
mod error;
mod host_key;
mod jump;
mod kex_signature;
mod kexinit;
mod keyboard_interactive;
mod known_hosts;
mod libssh2;
mod observer;
mod packets;
mod private_key;
mod proxy;
mod randomart;
mod reach;
mod scan;
mod stream;
mod trust;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::secret::Secret;

pub use accepted::{accept, forget, has_accepted};
pub use algorithms::{AlgorithmKind, supported};
pub use connect::{SignedIn, connect};
pub use connection::{Channel, Connection};
pub use error::{AgentProblem, Error, SignInProblem};
pub use host_key::HostKey;
pub use observer::{ConnectStep, Observer, StepOutcome};
pub use private_key::{KeyProblem, NO_PASSPHRASE, NOT_TEXT, PrivateKey};
pub use scan::{Scan, ScannedKey, scan};
pub use trust::{KnownKey, Trust};

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
}

impl Endpoint {
    pub fn new(host: &str, port: u16) -> Self {
        Endpoint { host: host.to_owned(), port }
    }
}

impl fmt::Display for Endpoint {
    /// Formats as `host:port`, with an IPv6 address in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// A server's address, route and trusted keys.
pub struct Server {
    pub endpoint: Endpoint,
    pub route: Route,
    pub host_keys: HostKeys,
    pub algorithms: Algorithms,
    /// Timeout of each of name, address, proxy and key exchange.
    pub connect_timeout: Duration,
    /// Timeout of each response after the key exchange.
    pub idle_timeout: Duration,
    /// A keepalive is sent after this time without data.
    pub keepalive: Option<Duration>,
}

/// Route of the connection.
pub enum Route {
    Direct,
    Proxy(Proxy),
    /// A server that is signed in to first, and makes the connection.
    Jump(Box<Login>),
}

/// A proxy, which also resolves the server's name.
pub struct Proxy {
    pub kind: ProxyKind,
    pub endpoint: Endpoint,
    pub account: Option<ProxyAccount>,
}

pub struct ProxyAccount {
    pub username: String,
    pub password: Secret,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// `CONNECT` (RFC 9110, 9.3.6).
    Http,
    /// RFC 1928, with the password of RFC 1929.
    Socks5,
}

/// Keys by which to recognise a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostKeys {
    /// `SHA256:…` fingerprints.
    pub pins: Vec<String>,
    pub known_hosts: Vec<PathBuf>,
    /// The `known_hosts` file that [`accept`] writes; it need not exist.
    pub accepted: Option<PathBuf>,
}

/// The algorithms to offer, best first; an empty list means the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Algorithms {
    pub kex: Vec<String>,
    pub host_key: Vec<String>,
    pub cipher: Vec<String>,
    pub mac: Vec<String>,
}

/// A server and the account that signs in to it.
pub struct Login {
    pub server: Server,
    pub auth: Auth,
}

/// An account and its credentials. No `Debug`.
pub struct Auth {
    pub username: String,
    pub password: Option<Secret>,
    pub key: Option<KeyText>,
    pub agent: Option<Agent>,
    /// Answers to keyboard-interactive questions, by a part of the question in lower case.
    pub keyboard_interactive: Vec<(String, Secret)>,
}

/// The text of a private key, OpenSSH or PEM.
pub struct KeyText {
    pub text: Secret,
    /// Source of the text, for messages.
    pub place: String,
    pub passphrase: Option<Secret>,
}

/// An ssh-agent that signs for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub socket: AgentSocket,
    /// Fingerprint of the only key to use; otherwise the agent's first keys.
    pub key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentSocket {
    /// The one that `SSH_AUTH_SOCK` names, if it is set.
    Environment(Option<PathBuf>),
    Path(PathBuf),
}
