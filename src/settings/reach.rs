//! Connections and sign-in to SSH servers: settings → [`Login`](crate::ssh::Login), with its secrets read.

use std::path::PathBuf;

use super::{SecretError, SecretRef, Sftp};
use crate::secret::Secret;
use crate::ssh::{self, Endpoint, HostKeys, ProxyKind, Route};

/// A proxy for the connection to the server. It resolves the server's name.
pub struct Proxy {
    pub kind: ProxyKind,
    pub host: String,
    pub port: u16,
    pub username: Option<String>,
    pub password: Option<SecretRef>,
}

/// A credential of a connection that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read {what}: {source}")]
pub struct CredentialError {
    /// `the key for sftp.example`.
    what: String,
    is_key: bool,
    source: SecretError,
}

impl CredentialError {
    /// Returns true for a private key's file that is not text.
    pub fn is_key_not_text(&self) -> bool {
        self.is_key && matches!(self.source, SecretError::FileNotText(_))
    }
}

/// Returns the socket named by `SSH_AUTH_SOCK`.
#[allow(clippy::disallowed_methods)] // `settings` is the one module that may
pub(super) fn agent_socket() -> Option<PathBuf> {
    std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty()).map(PathBuf::from)
}

impl Sftp {
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::new(&self.host, self.port)
    }

    /// Returns the expected host keys.
    pub fn host_keys(&self) -> HostKeys {
        HostKeys {
            pins: self.host_keys.clone(),
            known_hosts: self.known_hosts.clone(),
            accepted: self.accepted.clone(),
        }
    }

    /// Returns the server's address, route and expected host keys.
    ///
    /// # Errors
    /// A secret of the proxy or the jump host cannot be read.
    pub fn server(&self) -> Result<ssh::Server, CredentialError> {
        let route = match (&self.jump, &self.proxy) {
            (Some(jump), _) => Route::Jump(Box::new(jump.login()?)),
            (None, Some(proxy)) => Route::Proxy(proxy.read()?),
            (None, None) => Route::Direct,
        };
        Ok(ssh::Server {
            endpoint: self.endpoint(),
            route,
            host_keys: self.host_keys(),
            algorithms: self.algorithms.clone(),
            connect_timeout: self.timeouts.connect,
            idle_timeout: self.timeouts.idle,
            keepalive: self.keepalive,
        })
    }

    /// Returns the secrets of the sign-in, and of the way to the server.
    pub(super) fn all_secrets(&self) -> Vec<&SecretRef> {
        let answers = self.keyboard_interactive.iter().map(|(_, answer)| answer);
        let proxy = self.proxy.as_ref().and_then(|proxy| proxy.password.as_ref());
        let jump = self.jump.iter().flat_map(|jump| jump.all_secrets());
        let own = self.password.iter().chain(&self.key).chain(&self.passphrase);
        own.chain(answers).chain(proxy).chain(jump).collect()
    }

    /// Returns the server and the account that signs in to it. Blocks while secrets are read.
    ///
    /// # Errors
    /// A secret cannot be read.
    pub fn login(&self) -> Result<ssh::Login, CredentialError> {
        let secret =
            |what: &str, secret: &SecretRef| read(format!("the {what} for {}", self.host), what == "key", secret);
        let optional =
            |what: &str, given: &Option<SecretRef>| given.as_ref().map(|given| secret(what, given)).transpose();
        let key = self.key.as_ref().map(|key| {
            Ok(ssh::KeyText {
                text: secret("key", key)?,
                place: key.place(),
                passphrase: optional("passphrase", &self.passphrase)?,
            })
        });
        let responses = self
            .keyboard_interactive
            .iter()
            .map(|(question, answer)| Ok((question.clone(), secret(&format!("answer to {question:?}"), answer)?)));
        let auth = ssh::Auth {
            username: self.username.clone(),
            password: optional("password", &self.password)?,
            key: key.transpose()?,
            agent: self.agent.clone(),
            keyboard_interactive: responses.collect::<Result<_, _>>()?,
        };
        Ok(ssh::Login { server: self.server()?, auth })
    }
}

impl Proxy {
    fn read(&self) -> Result<ssh::Proxy, CredentialError> {
        let endpoint = Endpoint::new(&self.host, self.port);
        let account = self.username.as_ref().zip(self.password.as_ref()).map(|(username, password)| {
            let password = read(format!("the password for the proxy {endpoint}"), false, password)?;
            Ok(ssh::ProxyAccount { username: username.clone(), password })
        });
        Ok(ssh::Proxy { kind: self.kind, endpoint: endpoint.clone(), account: account.transpose()? })
    }
}

fn read(what: String, is_key: bool, secret: &SecretRef) -> Result<Secret, CredentialError> {
    secret.read().map_err(|source| CredentialError { what, is_key, source })
}
