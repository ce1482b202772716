//! The signed assertion of the grant `jwt_bearer` (RFC 7523): a JWT (RFC 7519) with RS256.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

use crate::secret::Secret;

/// Seconds for which an assertion is valid: it is used at once.
const LIFETIME_SECS: i64 = 300;

/// The claims of an assertion.
pub(super) struct Claims<'a> {
    /// The OAuth2 app.
    pub client_id: &'a str,
    /// The account to act as.
    pub username: &'a str,
    /// The platform's host, without a scheme.
    pub host: &'a str,
}

/// Signs an assertion with an RSA key (PEM; PKCS #8 or PKCS #1).
///
/// # Errors
/// The key cannot be used; the text names no part of it.
pub(super) fn sign(claims: &Claims<'_>, key: &Secret, now: Timestamp) -> Result<Secret, &'static str> {
    let key = key_pair(key)?;
    let issued = now.as_second();
    let header = json!({"alg": "RS256", "typ": "JWT"});
    let claims = json!({
        "iss": claims.client_id, "sub": claims.username, "aud": claims.host,
        "iat": issued, "exp": issued + LIFETIME_SECS,
    });
    let encode = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| "cannot sign: its numbers do not fit together")?;
    Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

fn key_pair(key: &Secret) -> Result<RsaKeyPair, &'static str> {
    let der = PrivateKeyDer::from_pem_slice(key.expose().as_bytes());
    let der = der.map_err(|_| "is not a private key in PEM without a passphrase (`-----BEGIN PRIVATE KEY-----`)")?;
    let pair = match &der {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err("is not an RSA key"),
    };
    pair.map_err(|_| "is not an RSA key of 2048 to 4096 bits")
}
