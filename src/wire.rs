//! Shared by SSH and SFTP: a byte stream that can be aborted, the data types of RFC 4251, 5, and text from a peer.

use std::io::{Read, Write};
use std::time::Duration;

/// A byte stream to a peer. One thread uses it at a time.
pub trait Transport: Read + Write + Send {
    /// Limits how long one read or write may block.
    fn set_timeout(&mut self, timeout: Duration);
    /// Returns the peer's other output as text: error output, and how its program ended.
    fn diagnostics(&mut self) -> Option<String> {
        None
    }
    /// Aborts the connection, so that no pending call waits for it.
    fn abort(&mut self);
}

/// Maximum characters kept of a text from a peer.
const TEXT_CHARS_MAX: usize = 200;

/// A violation of the protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// Reads the fields of a message from its front.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or(Malformed("a message ends in the middle of a field"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        let mut number = [0; 4];
        number.copy_from_slice(self.take(4)?);
        Ok(u32::from_be_bytes(number))
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        let mut number = [0; 8];
        number.copy_from_slice(self.take(8)?);
        Ok(u64::from_be_bytes(number))
    }

    pub fn string(&mut self) -> Result<&'a [u8], Malformed> {
        let count = self.u32()? as usize;
        self.take(count)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends a string with its length.
pub fn put_string(message: &mut Vec<u8>, string: &[u8]) {
    // No string of ours comes near 4 GiB: the plan limits paths, `write_bytes` limits data.
    message.extend(u32::try_from(string.len()).unwrap_or(u32::MAX).to_be_bytes());
    message.extend_from_slice(string);
}

/// Returns a peer's text in a form that is safe to show: control characters escaped, cut after 200 characters. Text that is
/// not UTF-8 is read as Latin-1, the encoding of old servers.
pub fn printable(text: &[u8]) -> String {
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => text.iter().map(|byte| char::from(*byte)).collect(),
    };
    let mut shown = String::new();
    for (count, character) in text.trim().chars().enumerate() {
        if count == TEXT_CHARS_MAX {
            shown.push('…');
            break;
        }
        // Bidirectional controls would reverse the remaining text.
        let is_bidirectional =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if is_bidirectional {
            shown.extend(character.escape_unicode());
        } else if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peers_text_is_shortened_and_made_printable() {
        assert_eq!(printable(b"  no\x1b[31m way\r\n"), r"no\u{1b}[31m way");
        assert_eq!(printable(&[b'x'; 200]).chars().count(), 200);
        assert_eq!(printable(&[b'x'; 201]).chars().last(), Some('…'));
    }
}
