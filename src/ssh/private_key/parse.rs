//! Reads kind and public half from the bytes of a private key: OpenSSH's format (PROTOCOL.key) and ASN.1 (RFC 5208, 5915,
//! 8017).

use ring::signature::{Ed25519KeyPair, KeyPair};

use super::pem::{Block, damaged};
use super::{KeyProblem, NEW_KEY, PrivateKey};
use crate::secret::Secret;
use crate::ssh::host_key::fingerprint;
use crate::wire::{Reader, put_string};

const MAGIC: &[u8] = b"openssh-key-v1\0";

/// Parsed parts of a key.
struct Found {
    encrypted: bool,
    is_rsa: bool,
    /// The public half, as SSH encodes it (RFC 4253, 6.6).
    public: Option<Vec<u8>>,
}

/// Returns the key in a block, or why it cannot sign in.
pub(super) fn key(block: &Block) -> Result<PrivateKey, KeyProblem> {
    let found = match block.label.as_str() {
        "OPENSSH PRIVATE KEY" => openssh(&block.bytes()?)?,
        "RSA PRIVATE KEY" | "EC PRIVATE KEY" if block.is_encrypted() => {
            block.bytes()?;
            Found { encrypted: true, is_rsa: block.label.starts_with("RSA"), public: None }
        }
        "RSA PRIVATE KEY" => pkcs1(&block.bytes()?)?,
        "EC PRIVATE KEY" => sec1(&block.bytes()?)?,
        "PRIVATE KEY" => pkcs8(&block.bytes()?)?,
        "ENCRYPTED PRIVATE KEY" => {
            whole(&block.bytes()?)?;
            Found { encrypted: true, is_rsa: false, public: None }
        }
        "DSA PRIVATE KEY" => return Err(unusable("ssh-dss")),
        label if label.starts_with("SSH2") => {
            return Err(KeyProblem::new(
                "is in the form of ssh.com (SSH2)",
                "convert it with `puttygen key -O private-openssh -o newkey`, and give the new file",
            ));
        }
        label => return Err(KeyProblem::new(format!("is of an unknown form ({label})"), NEW_KEY)),
    };
    let shown = found.public.as_deref().map(|blob| {
        let kind = String::from_utf8_lossy(Reader(blob).string().unwrap_or_default()).into_owned();
        format!("{kind} {}", fingerprint(blob))
    });
    let text = Secret::new(block.written().as_str());
    Ok(PrivateKey { text, encrypted: found.encrypted, is_rsa: found.is_rsa, shown })
}

/// Returns the key pair, if it is an ed25519 key without a passphrase.
pub(super) fn ed25519(block: &Block) -> Option<Ed25519KeyPair> {
    let bytes = block.bytes().ok()?;
    if block.label == "PRIVATE KEY" {
        return Ed25519KeyPair::from_pkcs8_maybe_unchecked(&bytes).ok();
    }
    let mut body = Reader(bytes.strip_prefix(MAGIC)?);
    if body.string().ok()? != b"none" {
        return None;
    }
    let (_kdf, _options, _count, _public) =
        (body.string().ok()?, body.string().ok()?, body.u32().ok()?, body.string().ok()?);
    let mut private = Reader(body.string().ok()?);
    let (_check, _again, kind) = (private.u32().ok()?, private.u32().ok()?, private.string().ok()?);
    let (public, both) = (private.string().ok()?, private.string().ok()?);
    let seed = both.get(..32).filter(|_| kind == b"ssh-ed25519")?;
    Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()
}

/// Returns a key that had base64 without BEGIN and END.
pub(super) fn bare(bytes: &[u8]) -> Result<PrivateKey, KeyProblem> {
    if bytes.starts_with(MAGIC) {
        return key(&Block::around("OPENSSH PRIVATE KEY", bytes));
    }
    if let Ok(name) = Reader(bytes).string()
        && name.is_ascii()
        && (name.starts_with(b"ssh-") || name.starts_with(b"ecdsa-") || name.starts_with(b"sk-"))
    {
        return Err(public(&String::from_utf8_lossy(name)));
    }
    let label = match parts(bytes).as_deref() {
        Some([(INTEGER, _), (SEQUENCE, _), (OCTETS, _), ..]) => "PRIVATE KEY",
        Some([(INTEGER, _), (OCTETS, _), ..]) => "EC PRIVATE KEY",
        Some([(SEQUENCE, _), (OCTETS, _)]) => "ENCRYPTED PRIVATE KEY",
        Some(integers) if integers.len() == 9 => "RSA PRIVATE KEY",
        _ => {
            let what = "has no line `-----BEGIN … PRIVATE KEY-----`";
            return Err(KeyProblem::new(what, "give the text of the private key's file, or that file in base64"));
        }
    };
    key(&Block::around(label, bytes))
}

/// Returns the problem of a public key in place of the private one.
pub(super) fn public(kind: &str) -> KeyProblem {
    if kind.contains("-cert-") {
        return KeyProblem::new(
            format!("is a certificate ({kind}), and certificates are not supported"),
            "give the private key that it was made for, and have the server accept its public half in `authorized_keys`",
        );
    }
    let what = format!("is a public key ({kind}), which is the server's half");
    KeyProblem::new(what, "give the private key: the file of the same name without `.pub`")
}

/// Returns the problem of a kind of key that cannot sign here.
fn unusable(kind: &str) -> KeyProblem {
    match kind {
        kind if kind.starts_with("sk-") => KeyProblem::new(
            format!("needs a security device and a person to touch it ({kind})"),
            format!("give the worker a key of its own: {NEW_KEY}"),
        ),
        kind if kind.contains("-cert-") => public(kind),
        "ssh-dss" => KeyProblem::new("is a DSA key, which is too weak to be accepted", NEW_KEY),
        kind => KeyProblem::new(format!("is of a kind that cannot be used ({kind})"), NEW_KEY),
    }
}

fn openssh(bytes: &[u8]) -> Result<Found, KeyProblem> {
    let mut body = Reader(bytes.strip_prefix(MAGIC).ok_or_else(damaged)?);
    let mut string = || body.string().map_err(|_| damaged());
    let cipher = string()?;
    let (_kdf, _options) = (string()?, string()?);
    let count = body.u32().map_err(|_| damaged())?;
    let public = body.string().map_err(|_| damaged())?;
    let kind = String::from_utf8_lossy(Reader(public).string().map_err(|_| damaged())?).into_owned();
    let known = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];
    if !known.contains(&kind.as_str()) {
        return Err(unusable(&kind));
    }
    if count != 1 {
        return Err(KeyProblem::new(format!("is a file of {count} keys"), "give a file with one key"));
    }
    body.string().map_err(|_| damaged())?; // the private half
    let cipher = String::from_utf8_lossy(cipher).into_owned();
    let readable = ["none", "aes256-ctr", "aes192-ctr", "aes128-ctr", "aes256-cbc", "aes192-cbc", "aes128-cbc"];
    if !readable.contains(&cipher.as_str()) {
        return Err(KeyProblem::new(
            format!("is encrypted with {cipher}, which cannot be read here"),
            "encrypt it again with `ssh-keygen -p -Z aes256-ctr -f key`",
        ));
    }
    Ok(Found { encrypted: cipher != "none", is_rsa: kind == "ssh-rsa", public: Some(public.to_vec()) })
}

const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const FIRST: u8 = 0xa0;
const SECOND: u8 = 0xa1;

/// Splits off the first value of DER: its tag, its content, and what follows.
fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Returns tags and contents of a sequence's values.
fn parts(bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let (SEQUENCE, mut rest, _) = value(bytes)? else { return None };
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (tag, content, after) = value(rest)?;
        parts.push((tag, content));
        rest = after;
    }
    Some(parts)
}

fn whole(bytes: &[u8]) -> Result<Vec<(u8, &[u8])>, KeyProblem> {
    parts(bytes).ok_or_else(damaged)
}

fn public_of(strings: &[&[u8]]) -> Vec<u8> {
    let mut blob = Vec::new();
    for string in strings {
        put_string(&mut blob, string);
    }
    blob
}

fn pkcs1(bytes: &[u8]) -> Result<Found, KeyProblem> {
    let parts = whole(bytes)?;
    let [(INTEGER, _), (INTEGER, modulus), (INTEGER, exponent), ..] = parts.as_slice() else { return Err(damaged()) };
    Ok(Found { encrypted: false, is_rsa: true, public: Some(public_of(&[b"ssh-rsa", exponent, modulus])) })
}

/// Curves by their object identifiers.
const CURVES: [(&[u8], &str, &str); 3] = [
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07], "ecdsa-sha2-nistp256", "nistp256"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "ecdsa-sha2-nistp384", "nistp384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "ecdsa-sha2-nistp521", "nistp521"),
];

fn sec1(bytes: &[u8]) -> Result<Found, KeyProblem> {
    let parts = whole(bytes)?;
    let curve = parts.iter().find(|(tag, _)| *tag == FIRST).and_then(|(_, parameters)| value(parameters));
    elliptic(&parts, curve.map_or(&[], |(_, curve, _)| curve))
}

fn elliptic(parts: &[(u8, &[u8])], curve: &[u8]) -> Result<Found, KeyProblem> {
    let Some((_, kind, name)) = CURVES.iter().find(|(known, _, _)| *known == curve) else {
        let what = "is of an elliptic curve that SSH does not use (it uses nistp256, nistp384 and nistp521)";
        return Err(KeyProblem::new(what, NEW_KEY));
    };
    let point = parts.iter().find(|(tag, _)| *tag == SECOND).and_then(|(_, bits)| value(bits));
    // The first byte of a bit string counts its unused bits.
    let point = point.filter(|(tag, ..)| *tag == BITS).and_then(|(_, bits, _)| bits.get(1..));
    let public = point.map(|point| public_of(&[kind.as_bytes(), name.as_bytes(), point]));
    Ok(Found { encrypted: false, is_rsa: false, public })
}

fn pkcs8(bytes: &[u8]) -> Result<Found, KeyProblem> {
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01];
    let outer = whole(bytes)?;
    let [(INTEGER, _), (SEQUENCE, algorithm), (OCTETS, private), ..] = outer.as_slice() else { return Err(damaged()) };
    let Some((OID, kind, parameters)) = value(algorithm) else { return Err(damaged()) };
    match kind {
        RSA => pkcs1(private),
        EC => {
            let curve = value(parameters).filter(|(tag, ..)| *tag == OID).map_or(&[][..], |(_, curve, _)| curve);
            elliptic(&whole(private)?, curve)
        }
        ED25519 => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).ok();
            let public = pair.map(|pair| public_of(&[b"ssh-ed25519", pair.public_key().as_ref()]));
            Ok(Found { encrypted: false, is_rsa: false, public })
        }
        DSA => Err(unusable("ssh-dss")),
        _ => Err(KeyProblem::new("is of a kind that SSH does not sign with (PKCS#8)", NEW_KEY)),
    }
}
