//! The encoding of the artifact.

use super::Format;

/// A format that is written in another character encoding than UTF-8.
pub struct EncodedFormat {
    pub format: Format,
    pub charset: Charset,
    pub unmappable: Unmappable,
}

/// The policy for characters that the charset lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmappable {
    Fail,
    /// With a question mark.
    Replace,
    /// With ASCII characters that look or sound alike.
    Transliterate,
}

/// A character encoding of artifacts, other than UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    UsAscii,
    Utf16Le,
    Utf16Be,
    /// One byte for each character, and its name.
    Single(&'static str),
}

/// The names of those with one byte for each character.
const SINGLE: [&str; 24] = [
    "windows-1252",
    "iso-8859-1",
    "iso-8859-15",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-9",
    "iso-8859-10",
    "iso-8859-13",
    "iso-8859-14",
    "iso-8859-16",
    "windows-1250",
    "windows-1251",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "windows-874",
];

impl Charset {
    /// Returns the charset of a name; UTF-8 is none of them.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::all().find(|charset| charset.name().eq_ignore_ascii_case(name))
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [Self::UsAscii, Self::Utf16Le, Self::Utf16Be].into_iter().chain(SINGLE.into_iter().map(Self::Single))
    }

    /// Returns the name used in pipeline files.
    pub fn name(self) -> &'static str {
        match self {
            Self::UsAscii => "us-ascii",
            Self::Utf16Le => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Single(name) => name,
        }
    }

    /// Returns true if it has all characters.
    pub fn is_unicode(self) -> bool {
        matches!(self, Self::Utf16Le | Self::Utf16Be)
    }

    /// Returns the characters of the bytes from 0x80 on, with these bytes, in the order of the characters.
    pub(crate) fn upper_half(self) -> Vec<(char, u8)> {
        let Self::Single(name) = self else { return Vec::new() };
        let Some(encoding) = encoding_rs::Encoding::for_label(name.as_bytes()) else { return Vec::new() };
        // Some labels of ISO 8859 mean a Windows code page to browsers: these differ only in the bytes 0x80 to 0x9F,
        // which are control characters in ISO 8859.
        let first = if name.starts_with("iso-") { 0xA0 } else { 0x80 };
        let mut table: Vec<(char, u8)> =
            (first..=0xFF).filter_map(|byte| Some((decoded(encoding, byte)?, byte))).collect();
        table.retain(|(char, _)| !char.is_control());
        table.sort_unstable();
        table
    }
}

/// Returns the character of a byte, if it has one.
fn decoded(encoding: &'static encoding_rs::Encoding, byte: u8) -> Option<char> {
    let mut out = [0; 8];
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let (result, _, written) = decoder.decode_to_utf8_without_replacement(&[byte], &mut out, true);
    let is_whole = matches!(result, encoding_rs::DecoderResult::InputEmpty);
    std::str::from_utf8(&out[..written]).ok().filter(|_| is_whole)?.chars().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_and_has_characters() {
        for charset in Charset::all() {
            assert_eq!(Charset::of_name(&charset.name().to_uppercase()), Some(charset));
            let count = charset.upper_half().len();
            assert_eq!(count > 40, matches!(charset, Charset::Single(_)), "{charset:?}: {count}");
        }
        let latin = Charset::Single("iso-8859-1").upper_half();
        assert_eq!(latin, (0xA0..=0xFF).map(|byte| (char::from(byte), byte)).collect::<Vec<_>>());
        let byte = |name, char| Charset::Single(name).upper_half().into_iter().find(|(of, _)| *of == char);
        assert_eq!(byte("windows-1252", '€'), Some(('€', 0x80)));
        assert_eq!(byte("iso-8859-15", '€'), Some(('€', 0xA4)));
        assert_eq!(byte("iso-8859-9", 'ş'), Some(('ş', 0xFE)));
        assert_eq!(byte("iso-8859-9", '€'), None);
    }
}
