//! A server's host keys, read without signing in, and the keys on file.

use std::path::PathBuf;

use super::algorithms::{AlgorithmKind, offered, usable};
use super::connect::{handshake, name_lists};
use super::host_key::KeyKind;
use super::observer::Steps;
use super::trust::{KnownKey, Trust};
use super::{Error, HostKey, Server};

/// A server's host keys and the keys on file.
pub struct Scan {
    /// `host:port`.
    pub address: String,
    /// One of each kind that the server has and that can be verified here.
    pub keys: Vec<ScannedKey>,
    pub on_file: Vec<KnownKey>,
    /// Files with an `@cert-authority` line for the server, which has no effect here.
    pub authorities: Vec<PathBuf>,
}

pub struct ScannedKey {
    pub key: HostKey,
    /// Its `known_hosts` file, if it is on file.
    pub source: Option<String>,
    pub revoked: bool,
}

/// Requests all of the server's host keys, with one key exchange per kind.
///
/// # Errors
/// The server cannot be reached, or has no key of a known kind.
pub fn scan(server: &Server) -> Result<Scan, Error> {
    let trust = Trust::read(&server.host_keys, &server.endpoint)?;
    let offers = name_lists(server).and_then(|lists| lists.into_iter().nth(1));
    let mut keys: Vec<ScannedKey> = Vec::new();
    let mut failed = None;
    for kind in usable(&server.algorithms, &KeyKind::ALL) {
        let ours = offered(&server.algorithms, &[kind], AlgorithmKind::HostKey);
        let has_one = |list: &String| list.split(',').any(|name| ours.iter().any(|our| our == name));
        if offers.as_ref().is_some_and(|list| !has_one(list)) {
            continue;
        }
        match handshake(server, &[kind], &mut Steps::unobserved()) {
            Ok(connection) => {
                let key = connection.host_key.clone();
                let source = trust.accepts(&key).then(|| trust.source(&key));
                keys.push(ScannedKey { revoked: trust.is_revoked(&key), source, key });
            }
            // A jump host that refuses is not asked again for each kind.
            Err(error @ Error::Jump { .. }) if !error.is_connection() => return Err(error),
            Err(error) => failed = Some(error),
        }
    }
    match (keys.is_empty(), failed) {
        (false, _) => {}
        (true, Some(error)) => return Err(error),
        // It offers none of the requested kinds: an ordinary key exchange reports both lists.
        (true, None) => {
            let no_key = || Error::Connection(format!("{} shows no key of a known kind", server.endpoint.host));
            return Err(handshake(server, &KeyKind::ALL, &mut Steps::unobserved()).err().unwrap_or_else(no_key));
        }
    }
    Ok(Scan {
        address: server.endpoint.to_string(),
        keys,
        on_file: trust.known_keys(),
        authorities: trust.authorities(),
    })
}
