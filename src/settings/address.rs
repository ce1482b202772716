//! Addresses and fingerprints as people write them → their canonical form.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use reqwest::Url;

use crate::yaml::problem::Problem;
use crate::yaml::read::{FromNode, scalar};
use crate::yaml::tree::Node;

/// A problem and its fix.
pub(super) type AddressProblem = (String, String);

/// A platform's scheme, host and port.
pub struct Base {
    pub text: String,
    /// True if secrets would cross a network unencrypted.
    pub exposed: bool,
}

/// Parses `https://acme.docebosaas.com/` to `https://acme.docebosaas.com`: scheme, host and port only.
pub(super) fn base_of(text: &str) -> Result<Base, AddressProblem> {
    let hint = "write scheme and host: `https://acme.docebosaas.com`";
    let wrong = |what: &str| Err((what.to_string(), hint.to_string()));
    if !text.contains("://") {
        return wrong("an address begins with `https://`");
    }
    let url = match Url::parse(text) {
        Ok(url) if url.has_host() => url,
        // The text is not shown: it may contain a password before an `@`.
        Ok(_) => return wrong("this is not a web address"),
        Err(error) => return Err((format!("this is not a web address: {error}"), hint.into())),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("an address contains no user or password");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return wrong("an address is written without a path");
    }
    if !matches!(url.scheme(), "https" | "http") {
        return wrong("an address begins with `https://`");
    }
    let exposed = url.scheme() == "http" && !is_loopback(&url);
    Ok(Base { text: url.origin().ascii_serialization(), exposed })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("").trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Parses `SHA256:` and 43 characters of base64: a SHA-256 digest of the server's key, as OpenSSH writes it.
pub fn fingerprint(text: &str) -> Result<String, AddressProblem> {
    let hint = "write it as `ssh-keyscan HOST | ssh-keygen -lf -` shows it: `SHA256:` and 43 characters";
    let Some(digest) = text.strip_prefix("SHA256:") else {
        return Err((format!("{text:?} is not a SHA-256 fingerprint"), hint.into()));
    };
    let digest = digest.trim_end_matches('=');
    match STANDARD_NO_PAD.decode(digest) {
        Ok(bytes) if bytes.len() == 32 => Ok(format!("SHA256:{digest}")),
        Ok(bytes) => Err((format!("this fingerprint has {} bytes, a SHA-256 digest has 32", bytes.len()), hint.into())),
        Err(_) => Err((format!("{text:?} is not a SHA-256 fingerprint"), hint.into())),
    }
}

/// Parses a server's name or address, without scheme, user or port.
pub(super) fn host(text: &str) -> Result<String, AddressProblem> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if inner.parse::<std::net::IpAddr>().is_ok() {
        return Ok(inner.to_string());
    }
    let named = !inner.is_empty()
        && inner.len() <= 253
        && inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    match named {
        true => Ok(inner.to_string()),
        false => Err((
            format!("{text:?} is not a server's name"),
            "write the name or address alone: `sftp.hris.example`; the port goes to `port`, the user to `username`"
                .into(),
        )),
    }
}

/// Parses `proxy.example:3128`, `[2001:db8::1]:1080`.
pub(super) fn endpoint(text: &str) -> Result<(String, u16), AddressProblem> {
    let wrong = || (format!("{text:?} is not a host and a port"), "write it as `proxy.example:3128`".to_string());
    let (name, port) = text.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
    if name.contains(':') && !name.starts_with('[') {
        return Err(wrong());
    }
    Ok((host(name).map_err(|_| wrong())?, port))
}

/// Parses `127.0.0.1:8080`.
pub(super) fn listen(text: &str) -> Result<std::net::SocketAddr, AddressProblem> {
    let hint = "write an IP address and a port: `127.0.0.1:8080`";
    text.parse().map_err(|_| (format!("{text:?} is not an address to listen on"), hint.into()))
}

/// Parses a directory on a server; empty for the default.
pub(super) fn remote(text: &str) -> Result<String, AddressProblem> {
    match text.split('/').any(|part| part == "..") || text.contains(char::is_control) {
        true => Err((format!("{text:?} is not a directory to deliver to"), "write a path without `..`".into())),
        false => Ok(text.to_string()),
    }
}

/// Parses log levels by module.
pub(super) fn log_filter(text: &str) -> Result<String, AddressProblem> {
    let hint = "write levels by module: `info`, `warn,reportferry=debug`";
    match text.parse::<tracing_subscriber::EnvFilter>() {
        Ok(_) => Ok(text.to_string()),
        Err(_) => Err((format!("{text:?} is not a log filter"), hint.into())),
    }
}

/// A type that is read from a text by a parser.
macro_rules! parsed {
    ($(#[$meta:meta])* $Name:ident($Inner:ty), $expected:literal, $parse:expr) => {
        $(#[$meta])*
        pub struct $Name(pub $Inner);

        impl FromNode for $Name {
            fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
                let (text, _) = scalar(node, $expected, problems)?;
                $parse(text).map(Self).map_err(|(what, hint)| problems.push(node.error(what).hint(hint))).ok()
            }
        }
    };
}

parsed!(
    /// A platform's address, plain http among them still.
    Address(Base), "an address", base_of
);
parsed!(Host(String), "a server's name", host);
parsed!(
    /// Host and port.
    Endpoint((String, u16)), "a host and a port", endpoint
);
parsed!(Fingerprint(String), "a fingerprint", fingerprint);
parsed!(Listen(std::net::SocketAddr), "an address to listen on", listen);
parsed!(
    /// A directory on a server.
    Remote(String), "a directory", remote
);
parsed!(
    /// A `tracing` filter.
    Filter(String), "a log filter", log_filter
);
crate::schema_as!(Filter, {"type": "string"});

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.0
    }
}
