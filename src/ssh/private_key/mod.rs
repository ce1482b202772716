//! Converts a private key's text as people paste it into the text that libssh2 reads, or describes what is wrong and the
//! fix.
//!
//! Keys come through environment variables, YAML, JSON, chat windows and password managers, which change line breaks,
//! quotes and dashes. None of these changes loses anything, so they are undone. Every copy is wiped when dropped.

mod parse;
mod pem;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::signature::Ed25519KeyPair;
use secrecy::zeroize::Zeroizing;

use crate::secret::Secret;

/// Accepts base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Layers of base64 that are decoded.
const DEPTH_MAX: usize = 3;

/// A private key in the form that libssh2 reads. No `Debug`.
pub struct PrivateKey {
    pub text: Secret,
    pub encrypted: bool,
    pub is_rsa: bool,
    /// `ssh-ed25519 SHA256:…`, as the server's administrator sees it; `None` if only the passphrase reveals it.
    pub shown: Option<String>,
}

/// Problem of a key's text, and the fix. Contains none of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProblem {
    /// Follows "the private key …".
    pub what: String,
    pub fix: String,
}

impl KeyProblem {
    fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        KeyProblem { what: what.into(), fix: fix.into() }
    }
}

pub(super) const NEW_KEY: &str =
    "make a new one with `ssh-keygen -t ed25519 -f key`, and have the server accept `key.pub`";
const AS_WRITTEN: &str =
    "give the whole file as ssh-keygen writes it, from `-----BEGIN` to `-----END … PRIVATE KEY-----`";

/// The fix for a key file that is not text.
pub const NOT_TEXT: &str = "convert it: `openssl pkey -inform DER -in key.der -out key` from DER, `iconv -f UTF-16 -t UTF-8` \
                            from UTF-16";
/// The fix for an encrypted key without a passphrase.
pub const NO_PASSPHRASE: &str = "set the destination's `passphrase`, or take it off with `ssh-keygen -p -N '' -f key`";

impl PrivateKey {
    /// # Errors
    /// The text is not a private key that can sign in, whatever the passphrase.
    pub fn read(text: &str) -> Result<Self, KeyProblem> {
        read(text, DEPTH_MAX)
    }

    /// Returns the key pair, if it is an ed25519 key without a passphrase.
    pub fn ed25519(&self) -> Option<Ed25519KeyPair> {
        let blocks = pem::blocks(self.text.expose());
        parse::ed25519(blocks.first()?)
    }
}

fn read(text: &str, depth: usize) -> Result<PrivateKey, KeyProblem> {
    let cleaned = cleaned(text);
    let trimmed = cleaned.trim();
    if trimmed.is_empty() {
        return Err(KeyProblem::new("is empty", AS_WRITTEN));
    }
    if trimmed.starts_with("PuTTY-User-Key-File") {
        return Err(KeyProblem::new(
            "is in PuTTY's form (.ppk)",
            "convert it with `puttygen key.ppk -O private-openssh -o key`, and give the new file",
        ));
    }
    let blocks = pem::blocks(trimmed);
    if let Some(block) = blocks.iter().find(|block| block.is_private()) {
        return parse::key(block);
    }
    if let Some(block) = blocks.first() {
        return Err(pem::not_private(&block.label));
    }
    if let Some(name) = public_line(trimmed) {
        return Err(parse::public(name));
    }
    if let Some(decoded) = decoded(trimmed) {
        return match std::str::from_utf8(&decoded) {
            Ok(text) if depth > 1 && !text.contains('\0') => read(text, depth - 1),
            _ => parse::bare(&decoded),
        };
    }
    if is_path(text.trim()) {
        return Err(KeyProblem::new("is the path of a file, not a key", "write `key: {file: PATH}`"));
    }
    Err(KeyProblem::new("has no line `-----BEGIN … PRIVATE KEY-----`", AS_WRITTEN))
}

/// Undoes what copying does to a key: escapes become line breaks, quotes and invisible characters go, typographic dashes
/// become hyphens again. A key contains none of these characters.
fn cleaned(text: &str) -> Zeroizing<String> {
    // Allocated in full size: a string that grows leaves copies behind.
    let mut cleaned = Zeroizing::new(String::with_capacity(text.len()));
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.peek() {
                Some('n' | 'r') => {
                    characters.next();
                    cleaned.push('\n');
                }
                Some('t') => {
                    characters.next();
                    cleaned.push(' ');
                }
                _ => {} // `\/` of JSON, `\\n`, and a shell's `\` at a line's end
            },
            '"' | '\'' | '`' | '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => {}
            '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{ad}' => {}
            '\u{2010}'..='\u{2015}' | '\u{2212}' => cleaned.push('-'),
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => cleaned.push('\n'),
            other if other.is_whitespace() || other.is_control() => cleaned.push(' '),
            other => cleaned.push(other),
        }
    }
    cleaned
}

/// Returns the kind of key in a line of `authorized_keys` or a `.pub` file.
fn public_line(text: &str) -> Option<&str> {
    let mut words = text.split_whitespace();
    let is_kind = |word: &str| {
        ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "rsa-sha2-"].iter().any(|prefix| word.starts_with(prefix))
    };
    let kind = words.find(|word| is_kind(word))?;
    words.next().filter(|blob| blob.starts_with("AAAA")).map(|_| kind)
}

/// Decodes a text that is entirely base64.
fn decoded(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut compact = Zeroizing::new(String::with_capacity(text.len()));
    for character in text.chars().filter(|character| !character.is_whitespace()) {
        match character {
            '-' => compact.push('+'),
            '_' => compact.push('/'),
            other => compact.push(other),
        }
    }
    let bytes = BASE64.decode(compact.as_bytes()).ok()?;
    Some(Zeroizing::new(bytes)).filter(|bytes| bytes.len() >= 32)
}

/// Recognises `/home/acme/.ssh/id_rsa`, `~/key`, `C:\keys\id_rsa`, `keys/hris.pem`.
fn is_path(text: &str) -> bool {
    let ends = ["id_rsa", "id_ed25519", "id_ecdsa", ".pem", ".key", ".ppk", ".pub", ".openssh"];
    let short = text.len() <= 300 && !text.contains('\n');
    short && (text.starts_with(['/', '~', '.']) || text.contains(":\\") || ends.iter().any(|end| text.ends_with(end)))
}
