//! Verifies the host key's signature over a key exchange (RFC 4253, 8), which proves that the server has the key.

use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use crate::wire::{Malformed, Reader};

/// Returns true if `signature` over `exchange_hash` is by `host_key`, both as SSH encodes them. Always false for signatures
/// of unknown kinds (ECDSA other than P-256).
pub(super) fn verify(host_key: &[u8], signature: &[u8], exchange_hash: &[u8]) -> Result<bool, Malformed> {
    let (mut key, mut signature) = (Reader(host_key), Reader(signature));
    let (kind, algorithm) = (key.string()?, signature.string()?);
    let signature = signature.string()?;
    let verified = match (kind, algorithm) {
        (b"ssh-ed25519", b"ssh-ed25519") => {
            UnparsedPublicKey::new(&ED25519, key.string()?).verify(exchange_hash, signature)
        }
        (b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp256") => {
            key.string()?; // the curve
            let (mut pair, point) = (Reader(signature), key.string()?);
            let Some(fixed) = fixed(pair.string()?, pair.string()?) else { return Ok(false) };
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(exchange_hash, &fixed)
        }
        (b"ssh-rsa", b"rsa-sha2-256" | b"rsa-sha2-512") => {
            let (e, n) = (unsigned(key.string()?), unsigned(key.string()?));
            let by =
                if algorithm == b"rsa-sha2-256" { &RSA_PKCS1_2048_8192_SHA256 } else { &RSA_PKCS1_2048_8192_SHA512 };
            RsaPublicKeyComponents { n, e }.verify(by, exchange_hash, signature)
        }
        _ => return Ok(false),
    };
    Ok(verified.is_ok())
}

/// Returns a positive integer (RFC 4251, 5) without leading zeros.
fn unsigned(mpint: &[u8]) -> &[u8] {
    let zeros = mpint.iter().take_while(|byte| **byte == 0).count();
    &mpint[zeros..]
}

/// Returns the pair of integers of an ECDSA signature (RFC 5656, 3.1.2), 32 bytes each.
fn fixed(r: &[u8], s: &[u8]) -> Option<[u8; 64]> {
    let mut both = [0; 64];
    for (number, end) in [(unsigned(r), 32usize), (unsigned(s), 64)] {
        both.get_mut(end.checked_sub(number.len())?..end).filter(|_| number.len() <= 32)?.copy_from_slice(number);
    }
    Some(both)
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

    use super::*;

    fn strings(parts: &[&[u8]]) -> Vec<u8> {
        parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes()[..], part].concat()).collect()
    }

    fn mpint(number: &[u8]) -> Vec<u8> {
        let number = unsigned(number);
        let sign = number.first().is_some_and(|first| *first >= 0x80);
        [if sign { &[0][..] } else { &[] }, number].concat()
    }

    #[test]
    fn a_signature_is_accepted_only_from_the_key_and_for_the_exchange() {
        let hash = [7; 32];
        let random = SystemRandom::new();
        let ed25519 = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        let pair = p256.sign(&random, &hash).unwrap();
        let pair = strings(&[&mpint(&pair.as_ref()[..32]), &mpint(&pair.as_ref()[32..])]);
        let (ed, ec) = (&b"ssh-ed25519"[..], &b"ecdsa-sha2-nistp256"[..]);
        for (key, signature) in [
            (strings(&[ed, ed25519.public_key().as_ref()]), strings(&[ed, ed25519.sign(&hash).as_ref()])),
            (strings(&[ec, b"nistp256", p256.public_key().as_ref()]), strings(&[ec, &pair])),
        ] {
            assert_eq!(verify(&key, &signature, &hash), Ok(true));
            assert_eq!(verify(&key, &signature, &[8; 32]), Ok(false));
            let mut other = key.clone();
            *other.last_mut().unwrap() ^= 1;
            assert_eq!(verify(&other, &signature, &hash), Ok(false));
            assert!(verify(&key[..9], &signature, &hash).is_err());
        }
    }
}
