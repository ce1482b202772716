//! Checks a client certificate and its key before a receiver sees them.

use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::X509Version;

/// Problem of a client certificate or its key, and the fix. Neither text is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateProblem {
    pub what: String,
    pub hint: String,
}

/// Checks a certificate chain (PEM, ours first) and its key (PEM). Returns reasons for which a receiver may refuse it
/// although it is usable.
///
/// # Errors
/// They cannot be used.
pub fn check(chain: &[u8], key: &str, now: Timestamp) -> Result<Vec<CertificateProblem>, CertificateProblem> {
    let chain = certificates(chain)?;
    let mut parsed = Vec::new();
    for (index, der) in chain.iter().enumerate() {
        let certificate = X509Certificate::from_der(der).map(|(_, certificate)| certificate);
        parsed.push(certificate.map_err(|_| {
            problem(format!("certificate {} of the file cannot be read", index + 1), "export it again, as PEM")
        })?);
    }
    let Some(own) = parsed.first() else {
        return Err(problem(
            "the file holds no certificate",
            "write the certificate as PEM: it begins with `-----BEGIN CERTIFICATE-----`",
        ));
    };
    check_key_match(&parsed, own, key)?;
    if own.version() != X509Version::V3 {
        let version = own.version().0 + 1;
        return Err(problem(
            format!("the client certificate is X.509 v{version}, which TLS does not accept"),
            "have it issued as version 3: with OpenSSL, `openssl x509 -req` needs `-extfile` with an extension such as \
             `extendedKeyUsage=clientAuth`",
        ));
    }
    let (from, until) = (own.validity().not_before.timestamp(), own.validity().not_after.timestamp());
    if until < now.as_second() {
        return Err(problem(format!("the client certificate expired on {}", day(until)), "renew it"));
    }
    if from > now.as_second() {
        return Err(problem(
            format!("the client certificate is not valid before {}", day(from)),
            "check this machine's clock, or use the certificate from then on",
        ));
    }
    Ok(warnings(&parsed, own))
}

fn certificates(chain: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateProblem> {
    let text = String::from_utf8_lossy(chain);
    if !text.contains("-----BEGIN ") {
        return Err(match chain.first() {
            // A DER SEQUENCE: a certificate, or PKCS #12.
            Some(0x30) => problem(
                "the file is binary (DER or PKCS #12), not PEM",
                "convert it: `openssl x509 -inform der -in FILE -out FILE.pem`, or `openssl pkcs12 -in FILE -nokeys -out FILE.pem`",
            ),
            _ => problem(
                "the file holds no certificate",
                "write the certificate as PEM: it begins with `-----BEGIN CERTIFICATE-----`",
            ),
        });
    }
    if text.contains("BEGIN CERTIFICATE REQUEST") || text.contains("BEGIN NEW CERTIFICATE REQUEST") {
        return Err(problem(
            "the file holds a request for a certificate, not a certificate",
            "put the certificate there that the authority issued for it",
        ));
    }
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    read.map_err(|_| problem("the file's PEM cannot be read", "export the certificate again, as PEM"))
}

/// Returns true if the key check_key_match to the first certificate.
fn check_key_match(
    chain: &[X509Certificate<'_>],
    own: &X509Certificate<'_>,
    key: &str,
) -> Result<(), CertificateProblem> {
    if key.contains("ENCRYPTED") {
        return Err(problem(
            "the client certificate's key is encrypted",
            "decrypt it: `openssl pkey -in KEY -out KEY.plain`, readable for this program only",
        ));
    }
    let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| match key.contains("BEGIN CERTIFICATE") {
        true => {
            problem("the client certificate's key holds a certificate and no key", "write the file of the private key")
        }
        false => problem(
            "the client certificate's key is not a private key in PEM",
            "it begins with `-----BEGIN PRIVATE KEY-----`, `RSA PRIVATE KEY` or `EC PRIVATE KEY`",
        ),
    })?;
    let key = rustls::crypto::ring::sign::any_supported_type(&der).map_err(|_| {
        problem(
            "the client certificate's key is of a kind that is not supported",
            "use RSA of 2048 to 8192 bits, ECDSA with P-256 or P-384, or Ed25519",
        )
    })?;
    let Some(public) = key.public_key() else { return Ok(()) };
    let of_key = |certificate: &X509Certificate<'_>| certificate.public_key().raw == public.as_ref();
    match (of_key(own), chain.iter().position(of_key)) {
        (true, _) => Ok(()),
        (false, Some(at)) => Err(problem(
            format!("the certificates are in the wrong order: that of the key is number {}", at + 1),
            "put it first, then its issuer's, and so on",
        )),
        (false, None) => Err(problem(
            "the client certificate and its key do not belong together",
            "write the key that the certificate was issued for; `openssl x509 -pubkey` and `openssl pkey -pubout` must print \
             the same",
        )),
    }
}

/// Returns reasons for which receivers may refuse it.
fn warnings(chain: &[X509Certificate<'_>], own: &X509Certificate<'_>) -> Vec<CertificateProblem> {
    let mut warnings = Vec::new();
    if let Some(at) = chain.windows(2).position(|pair| pair[0].issuer() != pair[1].subject()) {
        warnings.push(problem(
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
        warnings.push(problem(
            "the client certificate is not for clients: its extended key usage does not list clientAuth",
            "have it issued with `extendedKeyUsage=clientAuth`: most receivers refuse it",
        ));
    }
    warnings
}

fn day(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).strftime("%Y-%m-%d").to_string()
}

fn problem(what: impl Into<String>, hint: &str) -> CertificateProblem {
    CertificateProblem { what: what.into(), hint: hint.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 3, for clients, of `KEY`; valid from 2026-11-26 to 2126.
    const OWN: &str = "\
-----BEGIN CERTIFICATE-----
MIIBfDCCASKgAwIBAgIUfAsIVEyxhiUVQ7H054Xpu3xX/vAwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyNjA3MDMwMVoYDzIxMjYxMTAy
MDcwMzAxWjANMQswCQYDVQQDDAJ1czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BHLNpiAo32SzKyDYCj9SbyOfigmVSjTlN5dnqMn7mLkQ2bvkuPqoJ0sNZC6X2cZk
aKrTYLkCM7aH2wORx0eIH16jVzBVMBMGA1UdJQQMMAoGCCsGAQUFBwMCMB0GA1Ud
DgQWBBT5/ULx1BdFQYY3UIlLRkVfYUl1ATAfBgNVHSMEGDAWgBQkvHzAofcAgDph
KHKnreiI9gRClDAKBggqhkjOPQQDAgNIADBFAiAdJw7y7LQwufOQ6vFmlXNaG7MR
06f8sjpfsvE2FAZrKwIhAODTeN6RlOPPJ8lQHdLag54KJRgzLRT/QlVB+9HrE73Q
-----END CERTIFICATE-----
";
    /// The same in version 1.
    const V1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBHjCBxAIUfAsIVEyxhiUVQ7H054Xpu3xX/u8wCgYIKoZIzj0EAwIwFDESMBAG
A1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyNjA3MDMwMVoYDzIxMjYxMTAyMDcwMzAx
WjANMQswCQYDVQQDDAJ1czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHLNpiAo
32SzKyDYCj9SbyOfigmVSjTlN5dnqMn7mLkQ2bvkuPqoJ0sNZC6X2cZkaKrTYLkC
M7aH2wORx0eIH14wCgYIKoZIzj0EAwIDSQAwRgIhAP2Z/6Lr+UGA6rdtqKs4htQz
0eAOFfEJ1gZMCY/Fq0FXAiEA7YlfZAEAsCwizVjXgHHvV9EtWr2OIA0WprVKrGwF
o18=
-----END CERTIFICATE-----
";
    /// The same for servers.
    const FOR_SERVERS: &str = "\
-----BEGIN CERTIFICATE-----
MIIBfDCCASKgAwIBAgIUfAsIVEyxhiUVQ7H054Xpu3xX/vEwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyNjA3MDMwMVoYDzIxMjYxMTAy
MDcwMzAxWjANMQswCQYDVQQDDAJ1czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BHLNpiAo32SzKyDYCj9SbyOfigmVSjTlN5dnqMn7mLkQ2bvkuPqoJ0sNZC6X2cZk
aKrTYLkCM7aH2wORx0eIH16jVzBVMBMGA1UdJQQMMAoGCCsGAQUFBwMBMB0GA1Ud
DgQWBBT5/ULx1BdFQYY3UIlLRkVfYUl1ATAfBgNVHSMEGDAWgBQkvHzAofcAgDph
KHKnreiI9gRClDAKBggqhkjOPQQDAgNIADBFAiEAz+GJRSH3ouzZjA+LwFVDl0jg
TnsyHmebhamDlbqa7owCIGvqW4SOqmJ27mbD3xnN85u318YJSs/QtfVjDvtvd7+6
-----END CERTIFICATE-----
";
    /// The issuer of these.
    const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBfjCCASWgAwIBAgIUTlnktWmcUjpri8qu8kQ5+vhRfgAwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJYXV0aG9yaXR5MCAXDTI2MTEyNjA3MDMwMVoYDzIxMjYxMTAy
MDcwMzAxWjAUMRIwEAYDVQQDDAlhdXRob3JpdHkwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAS+qQfHMjBSB5XVUWgp3AaSX9S/mhKfMUmsI/0eOCE/8WziXShZRyjC
JOIf19nIsNv2o5gQ34u/QIjEnyEHF85No1MwUTAdBgNVHQ4EFgQUJLx8wKH3AIA6
YShyp63oiPYEQpQwHwYDVR0jBBgwFoAUJLx8wKH3AIA6YShyp63oiPYEQpQwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAo/B3QmqtslbsE2RF5oQy1
PucXKxmP9hxnMcPK61AkbwIgOty5m8fR7hQ8zIYPnD7f0aR+hbx89UjhuBKqms+U
N7E=
-----END CERTIFICATE-----
";
    /// Created for these tests.
    const KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKpjJranNxLcq+lyN
tOlJkjWmsJSV9sSL/3W9fa2oNfyhRANCAARyzaYgKN9ksysg2Ao/Um8jn4oJlUo0
5TeXZ6jJ+5i5ENm75Lj6qCdLDWQul9nGZGiq02C5AjO2h9sDkcdHiB9e
-----END PRIVATE KEY-----
";
    /// A key of none of these certificates.
    const OTHER_KEY: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9BozkNnniRuSkNCf
JMYC5wsxAxutyorCfol5R10B9umhRANCAAQXwwGlM0+lDgxmNzCv+iqeNTpAoLQR
+SW5EOveow0jsvbRayk0Js8c+9N3hqie45GDuWeVR8ZPGeYYx/dAuvYV
-----END PRIVATE KEY-----
";
    /// `KEY`, with a passphrase.
    const ENCRYPTED_KEY: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAj2L7YKgK9UagICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEAQIEEAIf+o/OCbwxZp5f0JhKyKAEgZC9
CB/DiFCJ803FM3/jrLRG8jmyuhupVNC5yu5W7wittV0UsKofSK1taRhBSIB0MT2X
J+VNoCP9sqpeZ09MjiNphH7jAq8PlwdGP6fv4cT1x3Iz4G9iyPLtGZGB7wLeOX+a
kr31wXTtr6To2SmkZbqgjIAHBImlLuXSM5Q7JvGngS49uFKKP+fP5mBh3Q3aAnY=
-----END ENCRYPTED PRIVATE KEY-----
";

    fn examined(chain: &str, key: &str, at: &str) -> Result<Vec<String>, String> {
        match check(chain.as_bytes(), key, at.parse().unwrap()) {
            Ok(warnings) => Ok(warnings.into_iter().map(|doubt| doubt.what).collect()),
            Err(problem) => Err(format!("{}; {}", problem.what, problem.hint)),
        }
    }

    const IN_TIME: &str = "2030-01-01T00:00:00Z";

    #[test]
    fn d16_a_good_client_certificate_is_taken() {
        assert_eq!(examined(OWN, KEY, IN_TIME), Ok(Vec::new()));
        assert_eq!(examined(&format!("{OWN}{AUTHORITY}"), KEY, IN_TIME), Ok(Vec::new()));
        assert_eq!(examined(&format!("{OWN}{KEY}"), KEY, IN_TIME), Ok(Vec::new()), "with its key in one file");
        assert_eq!(examined(&OWN.replace('\n', "\r\n"), KEY, IN_TIME), Ok(Vec::new()));
    }

    #[test]
    fn d16_what_cannot_be_used_is_named() {
        let chain = |certificates: &[&str]| certificates.concat();
        for (certificates, key, at, words) in [
            (V1.to_owned(), KEY, IN_TIME, "the client certificate is X.509 v1"),
            (OWN.to_owned(), OTHER_KEY, IN_TIME, "certificate and its key do not belong together"),
            (OWN.to_owned(), KEY, "2127-01-01T00:00:00Z", "the client certificate expired on 2126-11-02"),
            (OWN.to_owned(), KEY, "2026-01-01T00:00:00Z", "is not valid before 2026-11-26"),
            (chain(&[AUTHORITY, OWN]), KEY, IN_TIME, "wrong order: that of the key is number 2; put it first"),
            (OWN.to_owned(), ENCRYPTED_KEY, IN_TIME, "key is encrypted; decrypt it: `openssl pkey"),
            (OWN.to_owned(), OWN, IN_TIME, "holds a certificate and no key"),
            (OWN.to_owned(), "secret", IN_TIME, "is not a private key in PEM"),
            (KEY.to_owned(), KEY, IN_TIME, "the file holds no certificate"),
            (String::new(), KEY, IN_TIME, "the file holds no certificate"),
            ("0\u{82}".to_owned(), KEY, IN_TIME, "openssl pkcs12"),
            (OWN.replace("CERTIFICATE-", "CERTIFICATE REQUEST-"), KEY, IN_TIME, "a request for a certificate"),
            (OWN.replace("MII", "!!!"), KEY, IN_TIME, "PEM cannot be read"),
            (OWN.replace("MIIB", "MIID"), KEY, IN_TIME, "cannot be read"),
        ] {
            let described = examined(&certificates, key, at).unwrap_err();
            assert!(described.contains(words), "{words}: {described}");
            assert!(!described.contains("secret") && !described.contains("MII"), "{described}");
        }
    }

    #[test]
    fn d16_what_receivers_may_refuse_is_doubted() {
        let described = examined(FOR_SERVERS, KEY, IN_TIME).unwrap();
        assert!(described.len() == 1 && described[0].contains("does not list clientAuth"), "{described:?}");
        let described = examined(&format!("{OWN}{V1}"), KEY, IN_TIME).unwrap();
        assert!(described.len() == 1 && described[0].contains("number 2 did not issue number 1"), "{described:?}");
    }
}
