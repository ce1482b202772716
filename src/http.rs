//! Shared by all HTTP clients of the process: how they reach servers, leniency towards these, and parsing of `Retry-After`.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, ClientBuilder, Proxy};

use crate::secret::Secret;
use address_guard::{AllowAddresses, GuardedResolver};

/// Private addresses, which are refused unless the settings allow them.
pub mod address_guard;
/// Lifetimes of tokens.
mod token_lifetime;

pub use self::token_lifetime::{token_lifetime, usable_for};

/// Maximum header lines of a response; the default of 100 is exceeded by some gateways.
const HEADERS_MAX: usize = 500;

/// The way to a server, with its secrets read.
#[derive(Default)]
pub struct Egress {
    /// A file of certificates (PEM) that replace the system's.
    pub ca: Option<PathBuf>,
    pub proxy: Option<WebProxy>,
}

/// A proxy with CONNECT (RFC 9110, 9.3.6). It resolves the server's name, so it decides what may be reached.
pub struct WebProxy {
    pub url: String,
    /// User name and password.
    pub account: Option<(String, Secret)>,
}

/// The way to a server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    #[error("{}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{} holds no certificate: {reason}", path.display())]
    NoCertificate { path: PathBuf, reason: String },
    #[error("the proxy: {0}")]
    Proxy(String),
}

impl Egress {
    /// Returns true if both give the proxy the same account.
    pub fn has_same_account(&self, other: &Self) -> bool {
        let account = |egress: &'_ Self| {
            let account = egress.proxy.as_ref()?.account.as_ref();
            account.map(|(username, password)| (username.clone(), password.clone()))
        };
        match (account(self), account(other)) {
            (Some((username, password)), Some(other)) => username == other.0 && password.expose() == other.1.expose(),
            (None, None) => true,
            _ => false,
        }
    }

    /// Begins a client that goes this way and follows neither redirects nor the environment's proxies. Without a proxy, it
    /// reaches no address that `guard` refuses. Blocks while the certificates are read.
    ///
    /// # Errors
    /// The certificates cannot be read, or the proxy's address is invalid.
    pub fn client(&self, guard: Option<AllowAddresses>) -> Result<ClientBuilder, EgressError> {
        // Fails if another module installed the same provider before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = lenient(Client::builder())
            .user_agent(concat!("reportferry/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(path) = &self.ca {
            builder = builder.tls_certs_only(certificates(path)?);
        }
        if let Some(proxy) = &self.proxy {
            let mut through = Proxy::all(&proxy.url).map_err(|error| EgressError::Proxy(error.to_string()))?;
            if let Some((username, password)) = &proxy.account {
                through = through.basic_auth(username, password.expose());
            }
            builder = builder.proxy(through);
        } else if let Some(allow) = guard {
            builder = builder.dns_resolver(Arc::new(GuardedResolver(allow)));
        }
        Ok(builder)
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, EgressError> {
    let none = |reason: String| EgressError::NoCertificate { path: path.to_owned(), reason };
    let certificates = Certificate::from_pem_bundle(&pem(path)?).map_err(|error| none(error.to_string()))?;
    if certificates.is_empty() { Err(none("PEM is expected".to_owned())) } else { Ok(certificates) }
}

/// Reads a file of certificates.
///
/// # Errors
/// It cannot be read.
pub fn pem(path: &Path) -> Result<Vec<u8>, EgressError> {
    std::fs::read(path).map_err(|source| EgressError::Unreadable { path: path.to_owned(), source })
}

/// Accepts responses with slightly invalid headers, as browsers and curl do: a space before the colon (`X-Bad : 1`), values
/// folded over several lines, and unreadable header lines, which are skipped.
pub fn lenient(builder: ClientBuilder) -> ClientBuilder {
    builder
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_max_headers(HEADERS_MAX)
}

/// Returns the wait requested by `Retry-After` (RFC 9110, 10.2.3), the longest of several: seconds, or a date in one of
/// HTTP's three forms. A date in the past is zero; anything else is ignored.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    headers.get_all(RETRY_AFTER).iter().filter_map(|value| wait(value, now)).max()
}

fn wait(value: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit mean "very long".
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    Some(Duration::try_from(date(text)?.duration_since(now)).unwrap_or_default())
}

/// Parses a date in one of HTTP's forms.
fn date(text: &str) -> Option<Timestamp> {
    match httpdate::parse_http_date(text) {
        Ok(at) => Timestamp::try_from(at).ok(),
        // Not HTTP's, but seen: a numeric zone in place of GMT.
        Err(_) => jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok(),
    }
}

/// Returns the server's time when it sent the response (RFC 9110, 6.6.1).
pub fn server_time(headers: &HeaderMap) -> Option<Timestamp> {
    date(headers.get(DATE)?.to_str().ok()?.trim())
}

/// Finds the first error of type `E` in a chain of causes. An error inside an `io::Error` counts as its cause, which
/// [`Error::source`] omits.
pub fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = wrapped.and_then(|wrapped| find(wrapped)) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Option<Duration> {
        let now = "2026-11-23T05:30:00Z".parse().unwrap();
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(RETRY_AFTER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        retry_after(&headers, now)
    }

    #[test]
    fn d01_retry_after_is_read_in_all_its_forms() {
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("0", Some(0)),
            ("99999999999999999999999", Some(u64::MAX)),
            ("Mon, 23 Nov 2026 05:31:30 GMT", Some(90)),
            ("Monday, 23-Nov-26 05:31:30 GMT", Some(90)),
            ("Mon Nov 23 05:31:30 2026", Some(90)),
            ("Mon, 23 Nov 2026 05:31:30 +0000", Some(90)),
            ("Mon, 23 Nov 2026 05:29:00 GMT", Some(0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(0)),
            ("Sun Nov  6 08:49:37 1994", Some(0)),
            ("soon", None),
            ("-1", None),
            ("+5", None),
            ("1.5", None),
            ("", None),
            ("5 seconds", None),
            ("Mon, 99 Nov 2026 05:31:30 GMT", None),
            ("\u{fc}", None),
        ] {
            assert_eq!(read(&[text]), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn d01_of_several_retry_after_the_longest_holds() {
        assert_eq!(read(&["0", "soon", "30"]), Some(Duration::from_secs(30)));
        assert_eq!(read(&[]), None);
    }
}
