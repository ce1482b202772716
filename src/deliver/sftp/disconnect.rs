//! Why a server ends connections, in its own words (RFC 4253, 11.1).
//!
//! libssh2 drops the text of SSH_MSG_DISCONNECT, and after the key exchange nobody else can read it. So the server is asked
//! once more, by a key exchange of our own that goes as far as the user's name and, where the destination's key is an ed25519
//! key without a passphrase, as far as a session. No password is ever sent, and nothing to a server that shows another key
//! than a trusted one. What a server says after a sign-in by other means remains unknown.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::{Duration, Instant};

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::{Digest, Sha256};

use super::hostkey::{HostKey, KINDS, Trust, algorithms};
use super::kex_signature;
use super::line::{Line, reach};
use super::offers::disconnected;
use super::packet::Body;
use super::private_key::PrivateKey;
use super::watch::Watch;
use crate::settings::Sftp;

/// For the whole of it.
const WITHIN: Duration = Duration::from_secs(5);
const IDENTIFICATION: &str = "SSH-2.0-reportferry";
const LINES_MAX: usize = 50;
const LINE_BYTES_MAX: u64 = 1024;
/// RFC 4253, 6.1.
const PACKET_BYTES_MAX: u32 = 35_000;
const PACKETS_MAX: usize = 32;
const TAG_BYTES: usize = 16;

const DISCONNECT: u8 = 1;
const SERVICE_REQUEST: u8 = 5;
const SERVICE_ACCEPT: u8 = 6;
const KEXINIT: u8 = 20;
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

/// The server's reason, if it gives one before it knows who signs in.
pub fn reason(sftp: &Sftp) -> Option<String> {
    let trust = Trust::read(sftp).ok()?;
    let line = reach(sftp, &mut Watch::none()).ok()?;
    let cut = line.try_clone().ok()?;
    let key = sftp.key.as_ref().and_then(|key| key.read().ok());
    let pair = key.and_then(|text| PrivateKey::read(text.expose()).ok()).and_then(|key| key.ed25519());
    let mut asking = Asking { line: BufReader::new(line), until: Instant::now() + WITHIN, keys: None };
    let ended = asking.run(sftp, &trust, pair.as_ref());
    cut.cut();
    match ended {
        Err(Ended::Disconnected(said)) => Some(said),
        Ok(()) | Err(Ended::Failed) => None,
    }
}

enum Ended {
    Disconnected(String),
    /// It broke, or is not understood: nothing is known.
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

impl From<super::packet::Malformed> for Ended {
    fn from(_: super::packet::Malformed) -> Self {
        Ended::Failed
    }
}

/// AES-GCM of one direction (RFC 5647).
struct Cipher {
    key: LessSafeKey,
    nonce: [u8; 12],
}

impl Cipher {
    fn of(algorithm: &'static Algorithm, key: &[u8; 32], nonce: &[u8; 32]) -> Result<Self, Ended> {
        let key = LessSafeKey::new(UnboundKey::new(algorithm, &key[..algorithm.key_len()])?);
        let mut first = [0; 12];
        first.copy_from_slice(&nonce[..12]);
        Ok(Cipher { key, nonce: first })
    }

    /// The nonce of the next packet: the last eight bytes count.
    fn next(&mut self) -> Nonce {
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let mut count = [0; 8];
        count.copy_from_slice(&self.nonce[4..]);
        self.nonce[4..].copy_from_slice(&u64::from_be_bytes(count).wrapping_add(1).to_be_bytes());
        nonce
    }
}

struct Keys {
    ours: Cipher,
    theirs: Cipher,
    /// What signatures are bound to (RFC 4253, 7.2).
    session: [u8; 32],
}

struct Asking {
    line: BufReader<Line>,
    until: Instant,
    keys: Option<Keys>,
}

impl Asking {
    fn run(&mut self, sftp: &Sftp, trust: &Trust, pair: Option<&Ed25519KeyPair>) -> Result<(), Ended> {
        self.wait()?;
        self.line.get_mut().write_all(format!("{IDENTIFICATION}\r\n").as_bytes())?;
        let theirs = self.identification()?;
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
        self.send(&message(USERAUTH_REQUEST, &[sftp.username.as_bytes(), b"ssh-connection", b"none"]))?;
        self.receive(USERAUTH_FAILURE)?;
        let Some(pair) = pair else { return Ok(()) };
        self.send(&signed(&sftp.username, pair, &session))?;
        self.receive(USERAUTH_SUCCESS)?;
        self.send(&[&message(CHANNEL_OPEN, &[b"session"])[..], &[0; 4], &WINDOW_BYTES, &WINDOW_BYTES].concat())?;
        self.receive(CHANNEL_OPEN_CONFIRMATION).map(|_| ())
    }

    /// What is left of the time, for the next read.
    fn wait(&mut self) -> Result<(), Ended> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Ended::Failed);
        }
        Ok(self.line.get_mut().set_patience(left)?)
    }

    fn identification(&mut self) -> Result<Vec<u8>, Ended> {
        for _ in 0..LINES_MAX {
            self.wait()?;
            let mut line = Vec::new();
            self.line.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
            if line.starts_with(b"SSH-") {
                let length = line.trim_ascii_end().len();
                line.truncate(length);
                return Ok(line);
            }
        }
        Err(Ended::Failed)
    }

    /// Agrees on keys by X25519 or NIST P-256 (RFC 8731, 5656): `told` is what both sides said so far.
    fn exchange(&mut self, trust: &Trust, random: &SystemRandom, told: [&[u8]; 4]) -> Result<Keys, Ended> {
        let mut lists = Body(told[3].get(17..).ok_or(Ended::Failed)?);
        let kex = common(KEX, lists.string()?)?;
        lists.string()?; // host keys
        let (outward, inward) = (common(CIPHERS, lists.string()?)?, common(CIPHERS, lists.string()?)?);
        let curve = if kex == "ecdh-sha2-nistp256" { &ECDH_P256 } else { &X25519 };
        let private = EphemeralPrivateKey::generate(curve, random)?;
        let public = private.compute_public_key()?;
        self.send(&message(ECDH_INIT, &[public.as_ref()]))?;
        let reply = self.receive(ECDH_REPLY)?;
        let mut reply = Body(reply.get(1..).unwrap_or_default());
        let (host_key, theirs, signature) = (reply.string()?, reply.string()?, reply.string()?);
        if !HostKey::of(host_key).is_some_and(|key| trust.accepts(&key) && !trust.is_revoked(&key)) {
            return Err(Ended::Failed);
        }
        let secret = agree_ephemeral(private, &UnparsedPublicKey::new(curve, theirs), mpint)?;
        let mut hash = Sha256::new();
        for part in told.into_iter().chain([host_key, public.as_ref(), theirs]) {
            hash.update((part.len() as u32).to_be_bytes());
            hash.update(part);
        }
        hash.update(&secret);
        let hash = hash.finalize();
        if !kex_signature::is_of(host_key, signature, &hash)? {
            return Err(Ended::Failed);
        }
        let derived = |letter: u8| -> [u8; 32] {
            Sha256::new()
                .chain_update(&secret)
                .chain_update(hash)
                .chain_update([letter])
                .chain_update(hash)
                .finalize()
                .into()
        };
        Ok(Keys {
            ours: Cipher::of(algorithm(outward), &derived(b'C'), &derived(b'A'))?,
            theirs: Cipher::of(algorithm(inward), &derived(b'D'), &derived(b'B'))?,
            session: hash.into(),
        })
    }

    fn send(&mut self, payload: &[u8]) -> Result<(), Ended> {
        self.wait()?;
        // The length itself is padded too while nothing is encrypted.
        let counted = if self.keys.is_some() { payload.len() + 1 } else { payload.len() + 5 };
        let padding = 16 + (16 - counted % 16) % 16;
        let mut packet = ((payload.len() + 1 + padding) as u32).to_be_bytes().to_vec();
        packet.push(padding as u8);
        packet.extend_from_slice(payload);
        packet.resize(packet.len() + padding, 0);
        if let Some(keys) = &mut self.keys {
            let nonce = keys.ours.next();
            let (length, body) = packet.split_at_mut(4);
            let tag = keys.ours.key.seal_in_place_separate_tag(nonce, Aad::from(&*length), body)?;
            packet.extend_from_slice(tag.as_ref());
        }
        Ok(self.line.get_mut().write_all(&packet)?)
    }

    /// The next message of this number; others are passed over, but for the end.
    fn receive(&mut self, wanted: u8) -> Result<Vec<u8>, Ended> {
        for _ in 0..PACKETS_MAX {
            let payload = self.packet()?;
            match payload.first() {
                Some(number) if *number == wanted => return Ok(payload),
                Some(&DISCONNECT) => {
                    let mut body = Body(payload.get(5..).unwrap_or_default());
                    return Err(Ended::Disconnected(disconnected(body.string()?)));
                }
                Some(&(USERAUTH_SUCCESS | USERAUTH_FAILURE | CHANNEL_OPEN_FAILURE)) | None => {
                    return Err(Ended::Failed);
                }
                Some(_) => {}
            }
        }
        Err(Ended::Failed)
    }

    fn packet(&mut self) -> Result<Vec<u8>, Ended> {
        self.wait()?;
        let mut length = [0; 4];
        self.line.read_exact(&mut length)?;
        let bytes = u32::from_be_bytes(length);
        if bytes > PACKET_BYTES_MAX {
            return Err(Ended::Failed);
        }
        let tag = if self.keys.is_some() { TAG_BYTES } else { 0 };
        let mut packet = vec![0; bytes as usize + tag];
        self.line.read_exact(&mut packet)?;
        if let Some(keys) = &mut self.keys {
            let nonce = keys.theirs.next();
            keys.theirs.key.open_in_place(nonce, Aad::from(length), &mut packet)?;
        }
        let padding = usize::from(*packet.first().ok_or(Ended::Failed)?);
        let payload = (bytes as usize).checked_sub(padding).and_then(|end| packet.get(1..end)).ok_or(Ended::Failed)?;
        Ok(payload.to_vec())
    }
}

const KEX: &[&str] = &["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256"];
const CIPHERS: &[&str] = &["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"];

fn algorithm(name: &str) -> &'static Algorithm {
    if name.starts_with("aes256") { &AES_256_GCM } else { &AES_128_GCM }
}

/// The first of ours that the server has too (RFC 4253, 7.1).
fn common(ours: &[&'static str], theirs: &[u8]) -> Result<&'static str, Ended> {
    let theirs = String::from_utf8_lossy(theirs);
    ours.iter().copied().find(|our| theirs.split(',').any(|their| their == *our)).ok_or(Ended::Failed)
}

fn kexinit(random: &SystemRandom) -> Result<Vec<u8>, Ended> {
    let mut payload = vec![KEXINIT];
    let mut cookie = [0; 16];
    random.fill(&mut cookie)?;
    payload.extend(cookie);
    let (kex, ciphers, hosts) = (KEX.join(","), CIPHERS.join(","), algorithms(&KINDS));
    // No code of authentication is used along with GCM, but a list without names may be refused.
    let mac = "hmac-sha2-256,hmac-sha2-512";
    for list in [kex.as_str(), &hosts, &ciphers, &ciphers, mac, mac, "none", "none", "", ""] {
        payload.extend((list.len() as u32).to_be_bytes());
        payload.extend(list.as_bytes());
    }
    payload.extend([0; 5]); // nothing is guessed; reserved
    Ok(payload)
}

fn message(number: u8, strings: &[&[u8]]) -> Vec<u8> {
    let mut payload = vec![number];
    for string in strings {
        payload.extend((string.len() as u32).to_be_bytes());
        payload.extend_from_slice(string);
    }
    payload
}

/// A sign-in by key (RFC 4252, 7; RFC 8709).
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

/// A positive integer with its length (RFC 4251, 5).
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
