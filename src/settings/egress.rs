//! The way of HTTP clients to their servers: certificates and proxies, as configured and as used.

use std::path::PathBuf;

use super::{SecretError, SecretRef};
use crate::http::{self, address_guard::AllowAddresses};
use crate::settings::secrets::SecretFile;
use crate::yaml::read::{At, OneOrMore};

/// Certificates and a proxy.
#[derive(Clone, Default)]
pub struct Egress {
    /// Certificates (PEM) that replace the system's.
    pub ca: Option<PathBuf>,
    pub proxy: Option<WebProxy>,
}

/// A proxy with CONNECT (RFC 9110, 9.3.6). It resolves the server's name.
#[derive(Clone)]
pub struct WebProxy {
    /// `http://proxy.acme.example:3128`.
    pub url: String,
    pub username: Option<String>,
    pub password: Option<SecretRef>,
}

impl Egress {
    /// Returns the proxy's password.
    pub fn secret(&self) -> Option<&SecretRef> {
        self.proxy.as_ref()?.password.as_ref()
    }

    /// Reads the proxy's password. Blocks.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> Result<http::Egress, SecretError> {
        let proxy = self.proxy.as_ref().map(|proxy| {
            let account = proxy.username.clone().zip(proxy.password.as_ref());
            let account = account.map(|(username, password)| Ok::<_, SecretError>((username, password.read()?)));
            Ok(http::WebProxy { url: proxy.url.clone(), account: account.transpose()? })
        });
        Ok(http::Egress { ca: self.ca.clone(), proxy: proxy.transpose()? })
    }
}

crate::table! {
    /// An HTTP proxy with CONNECT. It resolves the server's name.
    pub struct WebProxyFile {
        /// `http://proxy.acme.example:3128`.
        url: At<String>,
        username: Option<String>,
        password: Option<SecretFile>,
    }
}

/// A kind of addresses that is refused by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressWord {
    Private,
    Loopback,
    LinkLocal,
}

crate::words!(AddressWord {
    "private" => AddressWord::Private, "loopback" => AddressWord::Loopback, "link_local" => AddressWord::LinkLocal,
});

/// Returns the addresses that these words allow.
pub(super) fn allowed(words: Option<OneOrMore<AddressWord>>) -> AllowAddresses {
    let words = words.map(|words| words.0).unwrap_or_default();
    AllowAddresses {
        private: words.contains(&AddressWord::Private),
        loopback: words.contains(&AddressWord::Loopback),
        link_local: words.contains(&AddressWord::LinkLocal),
    }
}
