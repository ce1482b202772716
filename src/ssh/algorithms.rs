//! The algorithms to offer: the default lists, or those of [`Algorithms`].

use ssh2::{MethodType, Session};

use super::Algorithms;
use super::host_key::{self, KeyKind};

/// libssh2's names of the algorithms for both directions.
const CIPHERS: &[MethodType] = &[MethodType::CryptCs, MethodType::CryptSc];
const MACS: &[MethodType] = &[MethodType::MacCs, MethodType::MacSc];

/// Fast on processors with AES instructions; the others are for servers without these.
const USUAL_CIPHERS: &str = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,\
                             aes256-ctr,aes192-ctr,aes128-ctr";

/// Kinds of algorithms that both sides of a key exchange agree on (RFC 4253, 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlgorithmKind {
    Kex,
    HostKey,
    Cipher,
    Mac,
}

impl AlgorithmKind {
    /// Returns libssh2's name for it; of both directions, the one to the server.
    pub(super) fn method(self) -> MethodType {
        match self {
            AlgorithmKind::Kex => MethodType::Kex,
            AlgorithmKind::HostKey => MethodType::HostKey,
            AlgorithmKind::Cipher => MethodType::CryptCs,
            AlgorithmKind::Mac => MethodType::MacCs,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            AlgorithmKind::Kex => "key exchange",
            AlgorithmKind::HostKey => "host key algorithm",
            AlgorithmKind::Cipher => "cipher",
            AlgorithmKind::Mac => "MAC",
        }
    }
}

/// Returns every algorithm that may be offered, in the library's order of preference, without host key certificates, which
/// cannot be verified here.
pub fn supported(of: AlgorithmKind) -> Vec<String> {
    if of == AlgorithmKind::HostKey {
        return split(&host_key::algorithms(&KeyKind::ALL));
    }
    library(of.method()).into_iter().filter(|name| !is_marker(name)).collect()
}

/// Returns all that libssh2 lists.
fn library(method: MethodType) -> Vec<String> {
    let listed = Session::new().and_then(|session| session.supported_algs(method).map(|names| names.join(",")));
    split(&listed.unwrap_or_default())
}

/// Returns true for list entries that are not algorithms: strict key exchange, and the extension messages.
fn is_marker(name: &str) -> bool {
    name.starts_with("ext-info-") || name.starts_with("kex-strict-")
}

fn split(list: &str) -> Vec<String> {
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Returns the algorithms of one kind to offer to the server, best first.
pub(super) fn offered(algorithms: &Algorithms, kinds: &[KeyKind], of: AlgorithmKind) -> Vec<String> {
    let (configured, usual) = match of {
        AlgorithmKind::Kex => (&algorithms.kex, supported(of)),
        AlgorithmKind::Cipher => {
            let known = supported(of);
            (&algorithms.cipher, split(USUAL_CIPHERS).into_iter().filter(|name| known.contains(name)).collect())
        }
        AlgorithmKind::Mac => (&algorithms.mac, supported(of)),
        AlgorithmKind::HostKey => {
            let all = split(&host_key::algorithms(kinds));
            let configured = &algorithms.host_key;
            // Kinds on file come first in any case; a configured list only removes others.
            return all.into_iter().filter(|name| configured.is_empty() || configured.contains(name)).collect();
        }
    };
    if configured.is_empty() { usual } else { configured.clone() }
}

/// Returns the kinds of host key for which the configured list has any algorithm.
pub(super) fn usable(algorithms: &Algorithms, kinds: &[KeyKind]) -> Vec<KeyKind> {
    kinds.iter().copied().filter(|kind| !offered(algorithms, &[*kind], AlgorithmKind::HostKey).is_empty()).collect()
}

/// Returns the lists for libssh2, each with its directions. Others keep libssh2's defaults.
pub(super) fn preferences(algorithms: &Algorithms, kinds: &[KeyKind]) -> Vec<(&'static [MethodType], String)> {
    const KEX: &[MethodType] = &[MethodType::Kex];
    const HOST_KEY: &[MethodType] = &[MethodType::HostKey];
    let joined = |of: AlgorithmKind| offered(algorithms, kinds, of).join(",");
    let mut lists = vec![(CIPHERS, joined(AlgorithmKind::Cipher)), (HOST_KEY, joined(AlgorithmKind::HostKey))];
    if !algorithms.kex.is_empty() {
        // A configured list must not turn strict key exchange off.
        let markers = library(MethodType::Kex).into_iter().filter(|name| is_marker(name));
        let list: Vec<String> = offered(algorithms, kinds, AlgorithmKind::Kex).into_iter().chain(markers).collect();
        lists.push((KEX, list.join(",")));
    }
    if !algorithms.mac.is_empty() {
        lists.push((MACS, joined(AlgorithmKind::Mac)));
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_list_keeps_key_exchange_strict() {
        let mut algorithms = Algorithms::default();
        // Only cipher and host key: the library decides the rest.
        assert_eq!(preferences(&algorithms, &KeyKind::ALL).len(), 2);
        algorithms.kex = vec!["ecdh-sha2-nistp256".to_owned()];
        let lists = preferences(&algorithms, &KeyKind::ALL);
        let (_, kex) = &lists[2];
        let names = split(kex);
        assert_eq!(names[0], "ecdh-sha2-nistp256");
        assert!(names.contains(&"kex-strict-c-v00@openssh.com".to_owned()), "{kex}");
        assert!(!supported(AlgorithmKind::Kex).iter().any(|name| is_marker(name)));
    }

    #[test]
    fn aes_gcm_is_offered_first_and_nothing_that_is_broken() {
        let algorithms = Algorithms::default();
        let ciphers = offered(&algorithms, &KeyKind::ALL, AlgorithmKind::Cipher);
        assert_eq!(ciphers[..2], ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]);
        for of in [AlgorithmKind::Kex, AlgorithmKind::HostKey, AlgorithmKind::Cipher, AlgorithmKind::Mac] {
            let names = offered(&algorithms, &KeyKind::ALL, of);
            assert!(!names.is_empty() && names.iter().all(|name| supported(of).contains(name)), "{of:?} {names:?}");
            assert!(!names.iter().any(|name| name.contains("-cbc") || name.contains("md5")), "{of:?} {names:?}");
        }
    }
}
