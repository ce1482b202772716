//! SSH's identification lines and packets (RFC 4253, 4.2 and 6), which libssh2 does not expose.

use std::io::{self, BufRead, ErrorKind, Read};

use ring::aead::{Aad, LessSafeKey, Nonce};

use crate::wire::{Malformed, Reader, printable};

pub(super) const IDENTIFICATION: &str = "SSH-2.0-reportferry";

pub(super) const DISCONNECT: u8 = 1;
pub(super) const IGNORE: u8 = 2;
pub(super) const DEBUG: u8 = 4;
pub(super) const KEXINIT: u8 = 20;

/// Lines that a server may send before its identification, and bytes of each.
const LINES_MAX: usize = 50;
const LINE_BYTES_MAX: u64 = 1024;
/// RFC 4253, 6.1: the longest packet that every implementation must take.
const PACKET_BYTES_MAX: u32 = 35_000;
const TAG_BYTES: usize = 16;

/// AES-GCM of one direction (RFC 5647).
pub(super) struct Cipher {
    pub key: LessSafeKey,
    pub nonce: [u8; 12],
}

impl Cipher {
    /// Returns the nonce of the next packet: a counter in the last eight bytes.
    pub(super) fn next_nonce(&mut self) -> Nonce {
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let mut count = [0; 8];
        count.copy_from_slice(&self.nonce[4..]);
        self.nonce[4..].copy_from_slice(&u64::from_be_bytes(count).wrapping_add(1).to_be_bytes());
        nonce
    }
}

fn invalid() -> io::Error {
    ErrorKind::InvalidData.into()
}

impl From<Malformed> for io::Error {
    fn from(malformed: Malformed) -> Self {
        io::Error::new(ErrorKind::InvalidData, malformed.0)
    }
}

/// Reads up to and including the identification, and returns it without its line end; earlier lines go into `text`. Returns
/// `None` if there is none.
pub(super) fn read_identification(from: &mut impl BufRead, text: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    for _ in 0..LINES_MAX {
        let mut line = Vec::new();
        let read = from.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if line.starts_with(b"SSH-") && line.ends_with(b"\n") {
            line.truncate(line.trim_ascii_end().len());
            return Ok(Some(line));
        }
        text.extend_from_slice(&line);
        match read {
            Ok(1..) => {}
            Ok(0) => break,
            Err(error) if text.is_empty() && error.kind() != ErrorKind::ConnectionReset => return Err(error),
            Err(_) => break,
        }
    }
    Ok(None)
}

/// Reads a packet and returns its payload: the message number and its fields.
pub(super) fn read_packet(from: &mut impl Read, cipher: Option<&mut Cipher>) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let bytes = u32::from_be_bytes(length);
    if bytes > PACKET_BYTES_MAX {
        return Err(invalid());
    }
    let tag = if cipher.is_some() { TAG_BYTES } else { 0 };
    let mut packet = vec![0; bytes as usize + tag];
    from.read_exact(&mut packet)?;
    if let Some(cipher) = cipher {
        let nonce = cipher.next_nonce();
        cipher.key.open_in_place(nonce, Aad::from(length), &mut packet).map_err(|_| invalid())?;
    }
    let padding = usize::from(*packet.first().ok_or_else(invalid)?);
    let payload = (bytes as usize).checked_sub(padding).and_then(|end| packet.get(1..end)).ok_or_else(invalid)?;
    Ok(payload.to_vec())
}

/// Returns the name lists of a KEXINIT's payload, in RFC 4253's order.
pub(super) fn name_lists(kexinit: &[u8]) -> io::Result<Vec<String>> {
    let mut body = Reader(kexinit.get(17..).ok_or_else(invalid)?); // behind number and cookie
    (0..8).map(|_| Ok(String::from_utf8_lossy(body.string()?).into_owned())).collect()
}

/// Describes the server's reason in a DISCONNECT's payload.
pub(super) fn disconnect_reason(payload: &[u8]) -> io::Result<String> {
    let mut body = Reader(payload.get(5..).ok_or_else(invalid)?);
    Ok(match printable(body.string()?) {
        text if text.is_empty() => "the server ended the connection without a reason".to_owned(),
        text => format!("the server ended the connection: \"{text}\""),
    })
}
