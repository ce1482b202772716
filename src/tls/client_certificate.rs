//! A client certificate and its key, examined before a receiver sees them.

use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Version;

/// What is wrong with a client certificate or its key, and what to do about it. Neither text is a secret's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    pub what: String,
    pub hint: String,
}

/// Checks a chain of certificates (PEM, ours first) and its key (PEM). Returns what a receiver may refuse although it can
/// be used.
///
/// # Errors
/// They cannot be used.
pub fn examine(chain: &[u8], key: &str, now: Timestamp) -> Result<Vec<Flaw>, Flaw> {
    let chain = certificates(chain)?;
    let mut parsed = Vec::new();
    for (index, der) in chain.iter().enumerate() {
        let certificate = X509Certificate::from_der(der).map(|(_, certificate)| certificate);
        parsed.push(certificate.map_err(|_| {
            flaw(format!("certificate {} of the file cannot be read", index + 1), "export it again, as PEM")
        })?);
    }
    let Some(own) = parsed.first() else {
        return Err(flaw(
            "the file holds no certificate",
            "write the certificate as PEM: it begins with `-----BEGIN CERTIFICATE-----`",
        ));
    };
    belongs(&parsed, own, key)?;
    if own.version() != X509Version::V3 {
        let version = own.version().0 + 1;
        return Err(flaw(
            format!("the client certificate is X.509 v{version}, which TLS does not accept"),
            "have it issued as version 3: with OpenSSL, `openssl x509 -req` needs `-extfile` with an extension such as \
             `extendedKeyUsage=clientAuth`",
        ));
    }
    let (from, until) = (own.validity().not_before.timestamp(), own.validity().not_after.timestamp());
    if until < now.as_second() {
        return Err(flaw(format!("the client certificate expired on {}", day(until)), "renew it"));
    }
    if from > now.as_second() {
        return Err(flaw(
            format!("the client certificate is not valid before {}", day(from)),
            "check this machine's clock, or use the certificate from then on",
        ));
    }
    Ok(doubts(&parsed, own))
}

fn certificates(chain: &[u8]) -> Result<Vec<CertificateDer<'static>>, Flaw> {
    let text = String::from_utf8_lossy(chain);
    if !text.contains("-----BEGIN ") {
        return Err(match chain.first() {
            // A DER SEQUENCE: a certificate, or PKCS #12.
            Some(0x30) => flaw(
                "the file is binary (DER or PKCS #12), not PEM",
                "convert it: `openssl x509 -inform der -in FILE -out FILE.pem`, or `openssl pkcs12 -in FILE -nokeys -out FILE.pem`",
            ),
            _ => flaw(
                "the file holds no certificate",
                "write the certificate as PEM: it begins with `-----BEGIN CERTIFICATE-----`",
            ),
        });
    }
    if text.contains("BEGIN CERTIFICATE REQUEST") || text.contains("BEGIN NEW CERTIFICATE REQUEST") {
        return Err(flaw(
            "the file holds a request for a certificate, not a certificate",
            "put the certificate there that the authority issued for it",
        ));
    }
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    read.map_err(|_| flaw("the file's PEM cannot be read", "export the certificate again, as PEM"))
}

/// Whether the key is that of the first certificate.
fn belongs(chain: &[X509Certificate<'_>], own: &X509Certificate<'_>, key: &str) -> Result<(), Flaw> {
    if key.contains("ENCRYPTED") {
        return Err(flaw(
            "the client certificate's key is encrypted",
            "decrypt it: `openssl pkey -in KEY -out KEY.plain`, readable for this program only",
        ));
    }
    let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| match key.contains("BEGIN CERTIFICATE") {
        true => {
            flaw("the client certificate's key holds a certificate and no key", "write the file of the private key")
        }
        false => flaw(
            "the client certificate's key is not a private key in PEM",
            "it begins with `-----BEGIN PRIVATE KEY-----`, `RSA PRIVATE KEY` or `EC PRIVATE KEY`",
        ),
    })?;
    let key = rustls::crypto::ring::sign::any_supported_type(&der).map_err(|_| {
        flaw(
            "the client certificate's key is of a kind that is not supported",
            "use RSA of 2048 to 8192 bits, ECDSA with P-256 or P-384, or Ed25519",
        )
    })?;
    let Some(public) = key.public_key() else { return Ok(()) };
    let of_key = |certificate: &X509Certificate<'_>| certificate.public_key().raw == public.as_ref();
    match (of_key(own), chain.iter().position(of_key)) {
        (true, _) => Ok(()),
        (false, Some(at)) => Err(flaw(
            format!("the certificates are in the wrong order: that of the key is number {}", at + 1),
            "put it first, then its issuer's, and so on",
        )),
        (false, None) => Err(flaw(
            "the client certificate and its key do not belong together",
            "write the key that the certificate was issued for; `openssl x509 -pubkey` and `openssl pkey -pubout` must print \
             the same",
        )),
    }
}

/// What receivers may refuse.
fn doubts(chain: &[X509Certificate<'_>], own: &X509Certificate<'_>) -> Vec<Flaw> {
    let mut doubts = Vec::new();
    if let Some(at) = chain.windows(2).position(|pair| pair[0].issuer() != pair[1].subject()) {
        doubts.push(flaw(
            format!(
                "the client certificates are in the wrong order: number {} did not issue number {}",
                at + 2,
                at + 1
            ),
            "put each one's issuer behind it",
        ));
    }
    if let Ok(Some(usage)) = own.extended_key_usage()
        && !(usage.value.client_auth || usage.value.any)
    {
        doubts.push(flaw(
            "the client certificate is not for clients: its extended key usage does not list clientAuth",
            "have it issued with `extendedKeyUsage=clientAuth`: most receivers refuse it",
        ));
    }
    doubts
}

fn day(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).strftime("%Y-%m-%d").to_string()
}

fn flaw(what: impl Into<String>, hint: &str) -> Flaw {
    Flaw { what: what.into(), hint: hint.to_owned() }
}
