//! TLS failures as text in the terms of OpenSSL, with what to do about them.

use std::error::Error;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, OtherError};

use crate::http::find;

/// Our own certificate and key, where a server asks for them.
pub mod client_certificate;

/// A failed TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFailure {
    pub reason: String,
    pub hint: Option<String>,
    /// Permanent: a person must replace a certificate or change a setting.
    pub is_final: bool,
}

impl TlsFailure {
    /// Returns failure and hint in one text, for a server that is not called "the receiver".
    pub fn about(self, server: &str) -> String {
        let text = match self.hint {
            Some(hint) => format!("{}; {hint}", self.reason),
            None => self.reason,
        };
        text.replace("the receiver", server)
    }
}

/// Returns the description of a request's TLS failure; `None` if TLS did not fail.
pub fn explain(error: &(dyn Error + 'static), has_client_certificate: bool) -> Option<TlsFailure> {
    Some(match find::<rustls::Error>(error)? {
        rustls::Error::InvalidCertificate(error) => of_certificate(error),
        rustls::Error::NoCertificatesPresented => refused("the receiver presents no certificate", None),
        rustls::Error::AlertReceived(alert) => of_alert(*alert, has_client_certificate),
        rustls::Error::PeerIncompatible(why) => refused(
            &format!("the receiver and this program have no TLS version or algorithm in common ({why:?})"),
            Some("TLS 1.2 or 1.3 is needed: ask the receiver's administrator"),
        ),
        rustls::Error::InvalidMessage(_) => temporary(
            "the receiver does not answer in TLS",
            Some("check the port: plain http is written `http://`, with `insecure: true`"),
        ),
        other => temporary(&other.to_string(), None),
    })
}

fn of_certificate(error: &CertificateError) -> TlsFailure {
    const ITS: &str = "the receiver's certificate";
    const RENEW: &str = "the receiver's administrator must renew it; then run `retry`";
    const CLOCK: &str = "check this machine's clock; otherwise the receiver's administrator must replace it";
    const REPLACE: &str = "the receiver's administrator must replace it; then run `retry`";
    match error {
        CertificateError::Expired => refused(&format!("{ITS} expired"), Some(RENEW)),
        CertificateError::ExpiredContext { not_after, .. } => {
            refused(&format!("{ITS} expired on {}", day(*not_after)), Some(RENEW))
        }
        CertificateError::NotValidYet => refused(&format!("{ITS} is not valid yet"), Some(CLOCK)),
        CertificateError::NotValidYetContext { not_before, .. } => {
            refused(&format!("{ITS} is not valid before {}", day(*not_before)), Some(CLOCK))
        }
        CertificateError::UnknownIssuer => refused(
            &format!("{ITS} is self-signed, or its issuer is not trusted here"),
            Some(
                "write `ca: FILE` with the certificate (PEM) of the authority that issued it; a public authority's is \
                 refused where the receiver does not send its intermediate certificates",
            ),
        ),
        CertificateError::NotValidForName => {
            refused(&format!("{ITS} is for another name"), Some("write `url` with the name in the certificate"))
        }
        CertificateError::NotValidForNameContext { expected, presented } => refused(
            &format!("{ITS} is for {}, not for {}", names(presented), expected.to_str()),
            Some("write `url` with a name in the certificate, or have the receiver's administrator replace it"),
        ),
        CertificateError::Revoked => refused(&format!("{ITS} is revoked"), Some(REPLACE)),
        CertificateError::BadEncoding => refused(&format!("{ITS} cannot be read"), Some(REPLACE)),
        CertificateError::BadSignature => refused(
            &format!("{ITS} or one that leads to its authority is not signed by the key of its issuer"),
            Some(REPLACE),
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => not_for_servers(),
        CertificateError::UnhandledCriticalExtension => {
            refused(&format!("{ITS} has a critical extension that is not known here"), Some(REPLACE))
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            refused(&format!("{ITS} is signed by an algorithm that is not accepted here, such as SHA-1"), Some(REPLACE))
        }
        CertificateError::Other(OtherError(error)) => of_other(&**error),
        other => refused(&format!("{ITS} is not accepted: {}", spaced(&format!("{other:?}"))), Some(REPLACE)),
    }
}

fn not_for_servers() -> TlsFailure {
    refused(
        "the receiver's certificate is not for servers: its extended key usage does not list serverAuth",
        Some("the receiver's administrator must replace it; then run `retry`"),
    )
}

fn of_other(error: &(dyn Error + 'static)) -> TlsFailure {
    use webpki::Error as Webpki;
    let replace = Some("the receiver's administrator must replace it; then run `retry`");
    match find::<Webpki>(error) {
        Some(Webpki::CaUsedAsEndEntity) => refused(
            "the receiver presents a CA certificate as its own; it needs a server certificate",
            Some("the receiver's administrator must issue one with `basicConstraints=CA:FALSE`; then run `retry`"),
        ),
        Some(Webpki::EndEntityUsedAsCa) => {
            refused("the receiver's certificate is issued by a certificate that is not a CA's", replace)
        }
        Some(Webpki::UnsupportedCertVersion) => {
            refused("the receiver's certificate is X.509 v1; it needs a version 3 certificate", replace)
        }
        Some(Webpki::NameConstraintViolation) => {
            refused("the receiver's certificate has a name that its authority may not certify", replace)
        }
        Some(Webpki::PathLenConstraintViolated) => {
            refused("the receiver's certificate chain is longer than its authority allows", replace)
        }
        Some(other) => {
            refused(&format!("the receiver's certificate is not accepted: {}", spaced(&other.to_string())), replace)
        }
        // The system verifier's error for a certificate with another purpose; its type is private.
        None if error.to_string() == "certificate had invalid extensions" => not_for_servers(),
        None => refused(&format!("the receiver's certificate is not accepted: {error}"), replace),
    }
}

fn of_alert(alert: AlertDescription, has_client_certificate: bool) -> TlsFailure {
    use AlertDescription as Alert;
    const NEEDS_ONE: &str = "write `client: {cert: FILE, key: {file: FILE}}`";
    let refuses =
        |why: &str, hint: &str| refused(&format!("the receiver refuses the client certificate: {why}"), Some(hint));
    match (alert, has_client_certificate) {
        (Alert::CertificateRequired | Alert::NoCertificate, false) => {
            refused("the receiver requires a client certificate", Some(NEEDS_ONE))
        }
        (Alert::CertificateRequired | Alert::NoCertificate, true) => refuses(
            "it has no use for the one that was offered (alert: certificate required)",
            "ask the receiver's administrator which authority must issue it",
        ),
        (Alert::HandshakeFailure | Alert::BadCertificate | Alert::CertificateUnknown | Alert::AccessDenied, false) => {
            refused(
                &format!("the receiver ends the handshake (alert: {})", spaced(&format!("{alert:?}"))),
                Some(&format!("it may require a client certificate: {NEEDS_ONE}")),
            )
        }
        (Alert::UnknownCA, true) => refuses(
            "it does not know the authority that issued it (alert: unknown CA)",
            "put the intermediate certificates behind it in `client.cert`, or give the receiver's administrator the authority's",
        ),
        (Alert::CertificateExpired, true) => refuses("it is expired (alert: certificate expired)", "renew it"),
        (Alert::CertificateRevoked, true) => refuses("it is revoked (alert: certificate revoked)", "renew it"),
        (Alert::UnsupportedCertificate, true) => refuses(
            "it is of a kind that is not accepted (alert: unsupported certificate)",
            "its extended key usage must list clientAuth, and its key an algorithm that the receiver takes",
        ),
        (
            Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::AccessDenied
            | Alert::HandshakeFailure
            | Alert::DecryptError
            | Alert::DecodeError,
            true,
        ) => refused(
            &format!("the receiver ends the handshake (alert: {})", spaced(&format!("{alert:?}"))),
            Some("it may refuse the client certificate: ask its administrator what its log says"),
        ),
        (Alert::ProtocolVersion | Alert::InsufficientSecurity, _) => refused(
            "the receiver and this program have no TLS version or algorithm in common",
            Some("TLS 1.2 or 1.3 is needed: ask the receiver's administrator"),
        ),
        (Alert::UnrecognisedName, _) => {
            refused("the receiver does not know the name in `url`", Some("check the name, and the address it leads to"))
        }
        (other, _) => {
            temporary(&format!("the receiver ends the connection (alert: {})", spaced(&format!("{other:?}"))), None)
        }
    }
}

fn refused(reason: &str, hint: Option<&str>) -> TlsFailure {
    TlsFailure { reason: format!("TLS: {reason}"), hint: hint.map(str::to_owned), is_final: true }
}

fn temporary(reason: &str, hint: Option<&str>) -> TlsFailure {
    let reason = match hint {
        Some(hint) => format!("TLS: {reason}; {hint}"),
        None => format!("TLS: {reason}"),
    };
    TlsFailure { reason, hint: None, is_final: false }
}

/// Returns at most three names of a certificate.
fn names(presented: &[String]) -> String {
    // Written by rustls as `DnsName("bi.example")` and `IpAddress(127.0.0.1)`.
    let plain = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, inner)| inner.trim_end_matches(')'));
        inner.trim_matches('"').to_owned()
    };
    let shown: Vec<String> = presented.iter().take(3).map(plain).collect();
    match presented.len() {
        0 => "no name (it has no subject alternative name)".to_owned(),
        1..=3 => shown.join(", "),
        more => format!("{} and {} more", shown.join(", "), more - 3),
    }
}

/// Returns the date of a moment, in UTC.
fn day(at: UnixTime) -> String {
    let since = SignedDuration::try_from(Duration::from_secs(at.as_secs())).unwrap_or(SignedDuration::MAX);
    let at = Timestamp::UNIX_EPOCH.saturating_add(since).unwrap_or(Timestamp::MAX);
    at.strftime("%Y-%m-%d").to_string()
}

/// Converts `BadCertificate` to `bad certificate`.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && at > 0 {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn described(error: rustls::Error, has_client_certificate: bool) -> (String, bool) {
        // As HTTP clients wrap it: in an I/O error, in their own.
        let error = std::io::Error::other(std::io::Error::new(std::io::ErrorKind::InvalidData, error));
        let failure = explain(&error, has_client_certificate).unwrap();
        let hint = failure.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        (format!("{}{hint}", failure.reason), failure.is_final)
    }

    #[test]
    fn d16_no_failure_is_shown_as_rust_writes_it() {
        let other = |error: webpki::Error| CertificateError::Other(OtherError(Arc::new(error)));
        let time = UnixTime::since_unix_epoch(Duration::from_secs(1_780_000_000));
        for error in [
            CertificateError::BadEncoding,
            CertificateError::Expired,
            CertificateError::ExpiredContext { time, not_after: time },
            CertificateError::NotValidYet,
            CertificateError::NotValidYetContext { time, not_before: time },
            CertificateError::Revoked,
            CertificateError::UnhandledCriticalExtension,
            CertificateError::UnknownIssuer,
            CertificateError::UnknownRevocationStatus,
            CertificateError::BadSignature,
            CertificateError::NotValidForName,
            CertificateError::InvalidPurpose,
            CertificateError::InvalidOcspResponse,
            CertificateError::ApplicationVerificationFailure,
            other(webpki::Error::CaUsedAsEndEntity),
            other(webpki::Error::EndEntityUsedAsCa),
            other(webpki::Error::UnsupportedCertVersion),
            other(webpki::Error::NameConstraintViolation),
            other(webpki::Error::PathLenConstraintViolated),
            other(webpki::Error::InvalidSerialNumber),
            other(webpki::Error::MaximumPathDepthExceeded),
        ] {
            let (described, is_final) = described(rustls::Error::InvalidCertificate(error), false);
            assert!(is_final && described.starts_with("TLS: "), "{described}");
            assert!(!["Error", "Other", "peer", "{", "::"].iter().any(|word| described.contains(word)), "{described}");
        }
    }

    #[test]
    fn d16_a_receiver_that_presents_a_ca_certificate() {
        let error = CertificateError::Other(OtherError(Arc::new(webpki::Error::CaUsedAsEndEntity)));
        let (described, _) = described(rustls::Error::InvalidCertificate(error), false);
        assert!(
            described.contains("presents a CA certificate as its own; it needs a server certificate"),
            "{described}"
        );
    }

    #[test]
    fn d16_dates_and_names_are_given() {
        let at = |secs| UnixTime::since_unix_epoch(Duration::from_secs(secs));
        let expired = CertificateError::ExpiredContext { time: at(1_800_000_000), not_after: at(1_780_000_000) };
        assert!(described(rustls::Error::InvalidCertificate(expired), false).0.contains("expired on 2026-05-28"));
        let named = CertificateError::NotValidForNameContext {
            expected: "bi.example".try_into().unwrap(),
            presented: vec!["DnsName(\"localhost\")".to_owned(), "IpAddress(127.0.0.1)".to_owned()],
        };
        let (described, _) = described(rustls::Error::InvalidCertificate(named), false);
        assert!(described.contains("is for localhost, 127.0.0.1, not for bi.example"), "{described}");
    }

    #[test]
    fn d16_alerts_name_the_client_certificate() {
        let alert = |alert, has| described(rustls::Error::AlertReceived(alert), has);
        assert!(
            alert(AlertDescription::CertificateRequired, false)
                .0
                .contains("requires a client certificate; write `client:")
        );
        assert!(alert(AlertDescription::HandshakeFailure, false).0.contains("may require a client certificate"));
        let (unknown, is_final) = alert(AlertDescription::UnknownCA, true);
        assert!(is_final && unknown.contains("does not know the authority that issued it"), "{unknown}");
        let (internal, is_final) = alert(AlertDescription::InternalError, true);
        assert!(!is_final && internal.contains("alert: internal error"), "{internal}");
        assert!(!alert(AlertDescription::Unknown(200), false).1);
    }

    #[test]
    fn other_failures_are_not_those_of_tls() {
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(explain(&reset, false), None);
    }
}
