//! Which algorithms are offered: the usual lists, or those of the settings.

use ssh2::{MethodType, Session};

use super::connect::{CIPHERS, MACS};
use super::hostkey::{self, KINDS, Kind};
use crate::settings::Sftp;

/// Fast where the processor has AES, which is everywhere; the others for servers that lack it.
const USUAL_CIPHERS: &str = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,\
                             aes256-ctr,aes192-ctr,aes128-ctr";

/// What two sides of a key exchange agree on (RFC 4253, 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    Kex,
    HostKey,
    Cipher,
    Mac,
}

impl Offer {
    pub fn name(self) -> &'static str {
        match self {
            Offer::Kex => "key exchange",
            Offer::HostKey => "host key algorithm",
            Offer::Cipher => "cipher",
            Offer::Mac => "MAC",
        }
    }
}

/// Every algorithm that may be written in the settings, the library's preference first. Host key certificates are not
/// among them: nothing here could check one.
pub fn supported(of: Offer) -> Vec<String> {
    let method = match of {
        Offer::Kex => MethodType::Kex,
        Offer::Cipher => MethodType::CryptCs,
        Offer::Mac => MethodType::MacCs,
        Offer::HostKey => return split(&hostkey::algorithms(&KINDS)),
    };
    library(method).into_iter().filter(|name| !is_sign(name)).collect()
}

/// All that libssh2 lists.
fn library(method: MethodType) -> Vec<String> {
    let listed = Session::new().and_then(|session| session.supported_algs(method).map(|names| owned(&names)));
    listed.unwrap_or_default()
}

/// No algorithm but a sign that goes along with the key exchange: strict key exchange, and being told of signatures.
fn is_sign(name: &str) -> bool {
    name.starts_with("ext-info-") || name.starts_with("kex-strict-")
}

fn owned(names: &[&'static str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

pub fn split(list: &str) -> Vec<String> {
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What is offered to the server, best first, of one sort.
pub fn offered(sftp: &Sftp, kinds: &[Kind], of: Offer) -> Vec<String> {
    let (said, usual) = match of {
        Offer::Kex => (&sftp.algorithms.kex, supported(of)),
        Offer::Cipher => {
            let known = supported(of);
            (&sftp.algorithms.cipher, split(USUAL_CIPHERS).into_iter().filter(|name| known.contains(name)).collect())
        }
        Offer::Mac => (&sftp.algorithms.mac, supported(of)),
        Offer::HostKey => {
            let all = split(&hostkey::algorithms(kinds));
            let said = &sftp.algorithms.host_key;
            // The kinds on file come first whatever is preferred; what is said leaves others out.
            return all.into_iter().filter(|name| said.is_empty() || said.contains(name)).collect();
        }
    };
    if said.is_empty() { usual } else { said.clone() }
}

/// The kinds of host key that the settings' list leaves any algorithm for.
pub fn usable(sftp: &Sftp, kinds: &[Kind]) -> Vec<Kind> {
    kinds.iter().copied().filter(|kind| !offered(sftp, &[*kind], Offer::HostKey).is_empty()).collect()
}

/// What libssh2 is told: each list with the directions that it holds for. Lists that are left to it are not named.
pub fn preferences(sftp: &Sftp, kinds: &[Kind]) -> Vec<(&'static [MethodType], String)> {
    const KEX: &[MethodType] = &[MethodType::Kex];
    const HOST_KEY: &[MethodType] = &[MethodType::HostKey];
    let joined = |of: Offer| offered(sftp, kinds, of).join(",");
    let mut lists = vec![(CIPHERS, joined(Offer::Cipher)), (HOST_KEY, joined(Offer::HostKey))];
    if !sftp.algorithms.kex.is_empty() {
        // A list of a person's own must not take strict key exchange away with it.
        let signs = library(MethodType::Kex).into_iter().filter(|name| is_sign(name));
        let list: Vec<String> = offered(sftp, kinds, Offer::Kex).into_iter().chain(signs).collect();
        lists.push((KEX, list.join(",")));
    }
    if !sftp.algorithms.mac.is_empty() {
        lists.push((MACS, joined(Offer::Mac)));
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_ones_own_keeps_key_exchange_strict() {
        let mut sftp = Sftp::new("hris", "h", 22, "me");
        // Cipher and host key alone: the rest is left to libssh2.
        assert_eq!(preferences(&sftp, &KINDS).len(), 2);
        sftp.algorithms.kex = vec!["ecdh-sha2-nistp256".to_owned()];
        let lists = preferences(&sftp, &KINDS);
        let (_, kex) = &lists[2];
        let names = split(kex);
        assert_eq!(names[0], "ecdh-sha2-nistp256");
        assert!(names.contains(&"kex-strict-c-v00@openssh.com".to_owned()), "{kex}");
        assert!(!supported(Offer::Kex).iter().any(|name| is_sign(name)));
    }

    #[test]
    fn aes_gcm_is_offered_first_and_nothing_that_is_broken() {
        let sftp = Sftp::new("hris", "h", 22, "me");
        let ciphers = offered(&sftp, &KINDS, Offer::Cipher);
        assert_eq!(ciphers[..2], ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"]);
        for of in [Offer::Kex, Offer::HostKey, Offer::Cipher, Offer::Mac] {
            let names = offered(&sftp, &KINDS, of);
            assert!(!names.is_empty() && names.iter().all(|name| supported(of).contains(name)), "{of:?} {names:?}");
            assert!(!names.iter().any(|name| name.contains("-cbc") || name.contains("md5")), "{of:?} {names:?}");
        }
    }
}
