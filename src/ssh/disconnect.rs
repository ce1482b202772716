//! The reason for which a server ends connections, in its own text (RFC 4253, 11.1).
//!
//! libssh2 drops the text of SSH_MSG_DISCONNECT, and after the key exchange only libssh2 can decrypt it. So the server is
//! asked once more, by a key exchange of our own that goes as far as the user's name and, if the account's key is an
//! ed25519 key without a passphrase, as far as a session. It never sends a password, and nothing to a server with an
//! untrusted key. Texts after a sign-in by other means remain unknown.

use std::io::{self, BufReader, Write};
use std::time::{Duration, Instant};

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::{Digest, Sha256};

use super::host_key::{HostKey, KeyKind, algorithms};
use super::kex_signature;
use super::packets::{
    Cipher, DISCONNECT, IDENTIFICATION, KEXINIT, disconnect_reason, name_lists, read_identification, read_packet,
};
use super::stream::{DeadlineStream, Stream};
use super::trust::Trust;
use crate::wire::{Malformed, Reader, put_string};

/// Timeout of the whole exchange.
const TIMEOUT: Duration = Duration::from_secs(5);
const PACKETS_MAX: usize = 32;

const SERVICE_REQUEST: u8 = 5;
const SERVICE_ACCEPT: u8 = 6;
const NEWKEYS: u8 = 21;
const ECDH_INIT: u8 = 30;
const ECDH_REPLY: u8 = 31;
const USERAUTH_REQUEST: u8 = 50;
const USERAUTH_FAILURE: u8 = 51;
const USERAUTH_SUCCESS: u8 = 52;
const CHANNEL_OPEN: u8 = 90;
const CHANNEL_OPEN_CONFIRMATION: u8 = 91;
const CHANNEL_OPEN_FAILURE: u8 = 92;
const WINDOW_BYTES: [u8; 4] = 32_768u32.to_be_bytes();

/// Returns the server's reason, if it gives one before it knows who signs in. `stream` is a new one, and is consumed.
pub(super) fn reason(stream: &Stream, trust: &Trust, username: &str, pair: Option<&Ed25519KeyPair>) -> Option<String> {
    let deadline = Instant::now() + TIMEOUT;
    let mut handshake = Handshake { stream: BufReader::new(DeadlineStream { stream, deadline }), keys: None };
    let ended = handshake.run(trust, username, pair);
    stream.abort();
    match ended {
        Err(Ended::Disconnected(text)) => Some(text),
        Ok(()) | Err(Ended::Failed) => None,
    }
}

enum Ended {
    Disconnected(String),
    /// Failed or not understood: nothing is known.
    Failed,
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Ended::Failed
    }
}

impl From<ring::error::Unspecified> for Ended {
    fn from(_: ring::error::Unspecified) -> Self {
        Ended::Failed
    }
}

impl From<Malformed> for Ended {
    fn from(_: Malformed) -> Self {
        Ended::Failed
    }
}

struct Keys {
    ours: Cipher,
    theirs: Cipher,
    /// Data that the sign-in's signature is bound to (RFC 4253, 7.2).
    session: [u8; 32],
}

struct Handshake<'a> {
    stream: BufReader<DeadlineStream<'a>>,
    keys: Option<Keys>,
}

impl Handshake<'_> {
    fn run(&mut self, trust: &Trust, username: &str, pair: Option<&Ed25519KeyPair>) -> Result<(), Ended> {
        self.stream.get_mut().write_all(format!("{IDENTIFICATION}\r\n").as_bytes())?;
        let theirs = read_identification(&mut self.stream, &mut Vec::new())?.ok_or(Ended::Failed)?;
        let random = SystemRandom::new();
        let ours = kexinit(&random)?;
        self.send(&ours)?;
        let lists = self.receive(KEXINIT)?;
        let keys = self.exchange(trust, &random, [IDENTIFICATION.as_bytes(), &theirs, &ours, &lists])?;
        self.send(&[NEWKEYS])?;
        self.receive(NEWKEYS)?;
        let session = keys.session;
        self.keys = Some(keys);
        self.send(&message(SERVICE_REQUEST, &[b"ssh-userauth"]))?;
        self.receive(SERVICE_ACCEPT)?;
        self.send(&message(USERAUTH_REQUEST, &[username.as_bytes(), b"ssh-connection", b"none"]))?;
        self.receive(USERAUTH_FAILURE)?;
        let Some(pair) = pair else { return Ok(()) };
        self.send(&signed(username, pair, &session))?;
        self.receive(USERAUTH_SUCCESS)?;
        self.send(&[&message(CHANNEL_OPEN, &[b"session"])[..], &[0; 4], &WINDOW_BYTES, &WINDOW_BYTES].concat())?;
        self.receive(CHANNEL_OPEN_CONFIRMATION).map(|_| ())
    }

    /// Agrees on keys by X25519 or NIST P-256 (RFC 8731, 5656). `transcript` is what both sides sent so far.
    fn exchange(&mut self, trust: &Trust, random: &SystemRandom, transcript: [&[u8]; 4]) -> Result<Keys, Ended> {
        let lists = name_lists(transcript[3])?;
        let kex = common(KEX, &lists[0])?;
        let (outward, inward) = (common(CIPHERS, &lists[2])?, common(CIPHERS, &lists[3])?);
        let curve = if kex == "ecdh-sha2-nistp256" { &ECDH_P256 } else { &X25519 };
        let private = EphemeralPrivateKey::generate(curve, random)?;
        let public = private.compute_public_key()?;
        self.send(&message(ECDH_INIT, &[public.as_ref()]))?;
        let reply = self.receive(ECDH_REPLY)?;
        let mut reply = Reader(reply.get(1..).unwrap_or_default());
        let (host_key, theirs, signature) = (reply.string()?, reply.string()?, reply.string()?);
        if !HostKey::parse(host_key).is_some_and(|key| trust.permits(&key)) {
            return Err(Ended::Failed);
        }
        let secret = agree_ephemeral(private, &UnparsedPublicKey::new(curve, theirs), mpint)?;
        let mut hash = Sha256::new();
        for part in transcript.into_iter().chain([host_key, public.as_ref(), theirs]) {
            hash.update((part.len() as u32).to_be_bytes());
            hash.update(part);
        }
        hash.update(&secret);
        let hash = hash.finalize();
        if !kex_signature::verify(host_key, signature, &hash)? {
            return Err(Ended::Failed);
        }
        let derived = |letter: u8| -> [u8; 32] {
            let hasher = Sha256::new().chain_update(&secret).chain_update(hash).chain_update([letter]);
            hasher.chain_update(hash).finalize().into()
        };
        Ok(Keys {
            ours: cipher(outward, &derived(b'C'), &derived(b'A'))?,
            theirs: cipher(inward, &derived(b'D'), &derived(b'B'))?,
            session: hash.into(),
        })
    }

    fn send(&mut self, payload: &[u8]) -> Result<(), Ended> {
        // The length itself is padded too while nothing is encrypted.
        let counted = if self.keys.is_some() { payload.len() + 1 } else { payload.len() + 5 };
        let padding = 16 + (16 - counted % 16) % 16;
        let mut packet = ((payload.len() + 1 + padding) as u32).to_be_bytes().to_vec();
        packet.push(padding as u8);
        packet.extend_from_slice(payload);
        packet.resize(packet.len() + padding, 0);
        if let Some(keys) = &mut self.keys {
            let nonce = keys.ours.next_nonce();
            let (length, body) = packet.split_at_mut(4);
            let tag = keys.ours.key.seal_in_place_separate_tag(nonce, Aad::from(&*length), body)?;
            packet.extend_from_slice(tag.as_ref());
        }
        Ok(self.stream.get_mut().write_all(&packet)?)
    }

    /// Returns the payload of the next message with this number. Skips others, unless they end the handshake.
    fn receive(&mut self, wanted: u8) -> Result<Vec<u8>, Ended> {
        for _ in 0..PACKETS_MAX {
            let payload = read_packet(&mut self.stream, self.keys.as_mut().map(|keys| &mut keys.theirs))?;
            match payload.first() {
                Some(number) if *number == wanted => return Ok(payload),
                Some(&DISCONNECT) => return Err(Ended::Disconnected(disconnect_reason(&payload)?)),
                Some(&(USERAUTH_SUCCESS | USERAUTH_FAILURE | CHANNEL_OPEN_FAILURE)) | None => {
                    return Err(Ended::Failed);
                }
                Some(_) => {}
            }
        }
        Err(Ended::Failed)
    }
}

const KEX: &[&str] = &["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"];
const CIPHERS: &[&str] = &["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"];

fn cipher(name: &str, key: &[u8; 32], nonce: &[u8; 32]) -> Result<Cipher, Ended> {
    let algorithm: &Algorithm = if name.starts_with("aes256") { &AES_256_GCM } else { &AES_128_GCM };
    let key = LessSafeKey::new(UnboundKey::new(algorithm, &key[..algorithm.key_len()])?);
    let mut first = [0; 12];
    first.copy_from_slice(&nonce[..12]);
    Ok(Cipher { key, nonce: first })
}

/// Returns the first of ours that the server has too (RFC 4253, 7.1).
fn common(ours: &[&'static str], theirs: &str) -> Result<&'static str, Ended> {
    ours.iter().copied().find(|our| theirs.split(',').any(|their| their == *our)).ok_or(Ended::Failed)
}

fn kexinit(random: &SystemRandom) -> Result<Vec<u8>, Ended> {
    let mut payload = vec![KEXINIT];
    let mut cookie = [0; 16];
    random.fill(&mut cookie)?;
    payload.extend(cookie);
    let (kex, ciphers, hosts) = (KEX.join(","), CIPHERS.join(","), algorithms(&KeyKind::ALL));
    // GCM needs no MAC, but a list without names may be refused.
    let mac = "hmac-sha2-256,hmac-sha2-512";
    for list in [kex.as_str(), &hosts, &ciphers, &ciphers, mac, mac, "none", "none", "", ""] {
        put_string(&mut payload, list.as_bytes());
    }
    payload.extend([0; 5]); // nothing is guessed; reserved
    Ok(payload)
}

fn message(number: u8, strings: &[&[u8]]) -> Vec<u8> {
    let mut payload = vec![number];
    for string in strings {
        put_string(&mut payload, string);
    }
    payload
}

/// Returns a sign-in request by key (RFC 4252, 7; RFC 8709).
fn signed(username: &str, pair: &Ed25519KeyPair, session: &[u8]) -> Vec<u8> {
    const KIND: &[u8] = b"ssh-ed25519";
    let string = |bytes: &[u8]| message(0, &[bytes]).split_off(1);
    let mut request = message(USERAUTH_REQUEST, &[username.as_bytes(), b"ssh-connection", b"publickey"]);
    request.push(1); // with a signature
    request.extend(string(KIND));
    request.extend(string(&[string(KIND), string(pair.public_key().as_ref())].concat()));
    let signature = pair.sign(&[string(session), request.clone()].concat());
    request.extend(string(&[string(KIND), string(signature.as_ref())].concat()));
    request
}

/// Returns a positive integer with its length (RFC 4251, 5).
fn mpint(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = &number[zeros..];
    let sign = usize::from(digits.first().is_some_and(|first| *first >= 0x80));
    let mut written = ((digits.len() + sign) as u32).to_be_bytes().to_vec();
    written.resize(4 + sign, 0);
    written.extend_from_slice(digits);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_written_as_rfc_4251_has_them() {
        assert_eq!(mpint(&[0, 0]), [0, 0, 0, 0]);
        assert_eq!(mpint(&[0, 0x09, 0xa3]), [0, 0, 0, 2, 0x09, 0xa3]);
        assert_eq!(mpint(&[0x80]), [0, 0, 0, 2, 0, 0x80]);
    }
}
