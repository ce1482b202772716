//! The blocks of a PEM text (RFC 7468), however their lines were broken.

use secrecy::zeroize::Zeroizing;

use super::{BASE64, KeyProblem, NEW_KEY};
use base64::Engine;

/// Characters of a label, such as `OPENSSH PRIVATE KEY`.
const LABEL_CHARS_MAX: usize = 40;
/// Characters of a line of base64.
const LINE_CHARS: usize = 64;

pub(super) struct Block {
    pub label: String,
    /// Encryption of an old PEM key (RFC 1421, `DEK-Info`).
    encryption: Option<String>,
    /// Only base64.
    body: Zeroizing<String>,
    /// It has characters that are not base64.
    is_damaged: bool,
    has_end: bool,
}

/// Returns all blocks of a cleaned text, without the surrounding text.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(begin) = marker(rest, "BEGIN") {
        let after = &rest[begin.end..];
        let (body, has_end) = match marker(after, "END") {
            Some(end) => (&after[..end.start], true),
            None => (after, false),
        };
        found.push(Block::of(begin.label, body, has_end));
        rest = &after[body.len()..];
    }
    found
}

struct Marker {
    start: usize,
    end: usize,
    label: String,
}

/// Finds `-----BEGIN LABEL-----`, with any number of hyphens, because editors turn them into dashes.
fn marker(text: &str, word: &str) -> Option<Marker> {
    let mut from = 0;
    while let Some(at) = text[from..].find(word).map(|at| at + from) {
        from = at + word.len();
        let before = text[..at].trim_end_matches([' ', '\n']);
        let start = before.trim_end_matches('-').len();
        let rest = &text[from..];
        let label_end = rest.find('-').unwrap_or(rest.len());
        let label = rest[..label_end].split_whitespace().collect::<Vec<_>>().join(" ");
        let is_label = !label.is_empty()
            && label.len() <= LABEL_CHARS_MAX
            && label.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ');
        if start < before.len() && is_label && rest.starts_with([' ', '\n']) && label_end < rest.len() {
            let hyphens = rest[label_end..].len() - rest[label_end..].trim_start_matches('-').len();
            return Some(Marker { start, end: from + label_end + hyphens, label });
        }
    }
    None
}

/// Returns the text with `DEK-Info` on a line of its own.
fn headers_apart(text: &str) -> Zeroizing<String> {
    let mut apart = Zeroizing::new(String::with_capacity(text.len() + 16));
    let mut rest = text;
    while let Some(at) = rest.find("DEK-Info:") {
        apart.push_str(&rest[..at]);
        apart.push_str("\nDEK-Info:");
        rest = &rest[at + "DEK-Info:".len()..];
    }
    apart.push_str(rest);
    apart
}

/// Bytes of a header's value: `4,ENCRYPTED`, or a cipher and an initialization vector in hex of its length.
fn header_length(value: &str) -> usize {
    let Some((cipher, _)) = value.split_once(',') else { return value.len() };
    let digits = match cipher {
        cipher if cipher.starts_with("AES") => 32,
        cipher if cipher.starts_with("DES") => 16,
        _ => return value.len(),
    };
    value.len().min(cipher.len() + 1 + digits)
}

impl Block {
    fn of(label: String, text: &str, has_end: bool) -> Self {
        let mut block = Block {
            label,
            encryption: None,
            body: Zeroizing::new(String::with_capacity(text.len())),
            is_damaged: false,
            has_end,
        };
        let apart = headers_apart(text);
        for line in apart.lines() {
            let mut words = line.split_whitespace();
            while let Some(word) = words.next() {
                let Some((name, value)) = word.split_once(':') else {
                    block.take(word);
                    continue;
                };
                if name != "DEK-Info" {
                    break; // another header, to its line's end
                }
                let value = if value.is_empty() { words.next().unwrap_or_default() } else { value };
                // Without any line breaks, the base64 follows without a space.
                let (value, rest) = value.split_at(header_length(value));
                block.encryption = Some(value.to_owned());
                block.take(rest);
            }
        }
        block
    }

    fn take(&mut self, word: &str) {
        for character in word.chars() {
            match character {
                'A'..='Z' | 'a'..='z' | '0'..='9' | '+' | '/' | '=' => self.body.push(character),
                // Line endings of a list in JSON, a quoted e-mail, or source code.
                ',' | ';' | '[' | ']' | '>' | '|' => {}
                _ => self.is_damaged = true,
            }
        }
    }

    pub(super) fn is_private(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// Returns true if its headers declare encryption.
    pub(super) fn is_encrypted(&self) -> bool {
        self.encryption.is_some()
    }

    /// Decodes its base64.
    pub(super) fn bytes(&self) -> Result<Zeroizing<Vec<u8>>, KeyProblem> {
        if !self.has_end {
            return Err(KeyProblem::new(
                format!("is cut off: its line `-----END {}-----` is missing", self.label),
                "copy the whole file; where a variable takes one line only, write `\\n` for each line break",
            ));
        }
        let decoded = if self.is_damaged { None } else { BASE64.decode(self.body.as_bytes()).ok() };
        decoded.filter(|bytes| !bytes.is_empty()).map(Zeroizing::new).ok_or_else(damaged)
    }

    /// Returns the block as ssh-keygen and OpenSSL write it.
    pub(super) fn written(&self) -> Zeroizing<String> {
        let room = self.body.len() * 2 + 2 * LABEL_CHARS_MAX + 200;
        let mut text = Zeroizing::new(String::with_capacity(room));
        text.push_str(&format!("-----BEGIN {}-----\n", self.label));
        if let Some(encryption) = &self.encryption {
            text.push_str(&format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: {encryption}\n\n"));
        }
        let mut body = self.body.as_str();
        while !body.is_empty() {
            let (line, rest) = body.split_at(body.len().min(LINE_CHARS));
            text.push_str(line);
            text.push('\n');
            body = rest;
        }
        text.push_str(&format!("-----END {}-----\n", self.label));
        text
    }

    /// Returns a block of bytes that had no BEGIN and END.
    pub(super) fn around(label: &str, bytes: &[u8]) -> Self {
        let body = Zeroizing::new(BASE64.encode(bytes));
        Block { label: label.to_owned(), encryption: None, body, is_damaged: false, has_end: true }
    }
}

pub(super) fn damaged() -> KeyProblem {
    KeyProblem::new("is damaged or cut off", "copy the whole file again, and change nothing between its BEGIN and END")
}

/// Returns the problem of a text with blocks but without a private key.
pub(super) fn not_private(label: &str) -> KeyProblem {
    let (what, fix) = match label {
        label if label.ends_with("PUBLIC KEY") => {
            ("is a public key, which is the server's half", "give the private key that belongs to it")
        }
        label if label.ends_with("CERTIFICATE REQUEST") || label.ends_with("CERTIFICATE") => {
            ("is a certificate, not a key", "give the private key that belongs to it")
        }
        label if label.starts_with("PGP") => ("is a PGP key, which SSH does not use", NEW_KEY),
        _ => ("is not a private key", "give a file that begins with `-----BEGIN … PRIVATE KEY-----`"),
    };
    KeyProblem::new(format!("{what} ({label})"), fix)
}
