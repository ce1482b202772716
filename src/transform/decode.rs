//! Bytes in the encoding of the source → UTF-8, in constant memory. Malformed bytes are an error, never a replacement
//! character, and so is a byte order mark that contradicts the source.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult};

use crate::pipeline::plan::Encoding;

const RAW_BYTES: usize = 64 << 10;

/// An encoding that differs from the one that the source declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndeclaredEncoding {
    #[error("the file is UTF-16: add `csv: {{encoding: utf-16}}` to the source")]
    Utf16,
    #[error("the file looks like UTF-16 without a byte order mark: add `csv: {{encoding: utf-16le}}` to the source")]
    Utf16Le,
    #[error("the file looks like UTF-16 without a byte order mark: add `csv: {{encoding: utf-16be}}` to the source")]
    Utf16Be,
    #[error("the file is UTF-32, which is not supported: export it as UTF-8")]
    Utf32,
}

/// Detects another encoding by the start of a file that should be UTF-8.
pub(crate) fn undeclared_encoding(head: &[u8]) -> Option<UndeclaredEncoding> {
    if head.starts_with(b"\xff\xfe\0\0") || head.starts_with(b"\0\0\xfe\xff") {
        return Some(UndeclaredEncoding::Utf32);
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Some(UndeclaredEncoding::Utf16);
    }
    // Four characters, each with one zero byte in the same position.
    let pairs = head.as_chunks::<2>().0.get(..4)?;
    if pairs.iter().all(|[first, second]| *first != 0 && *second == 0) {
        return Some(UndeclaredEncoding::Utf16Le);
    }
    pairs.iter().all(|[first, second]| *first == 0 && *second != 0).then_some(UndeclaredEncoding::Utf16Be)
}

/// Malformed text in the encoding that the source declares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("byte {offset} of the file (line {line}) is not {}: {found}; {hint}", .encoding.name())]
    Malformed { offset: u64, line: u64, found: String, encoding: Encoding, hint: &'static str },
    #[error("the file has the byte order mark of {found}, but the source declares `encoding: {}`; {hint}", .encoding.name())]
    OtherMark { found: &'static str, encoding: Encoding, hint: &'static str },
    #[error("the file has no byte order mark, so its byte order is unknown; write `encoding: utf-16le` or `utf-16be`")]
    NoMark,
}

impl From<DecodeError> for io::Error {
    fn from(error: DecodeError) -> Self {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// Decodes the input to UTF-8. An input declared as UTF-8 is passed through unchecked.
pub(super) fn reader(input: Box<dyn Read + Send>, encoding: Encoding) -> Box<dyn Read + Send> {
    match encoding {
        Encoding::Utf8 => input,
        _ => Box::new(Decoded::new(input, encoding)),
    }
}

enum Table {
    /// The characters of the bytes from 0x80 on.
    Single(Vec<Option<char>>),
    Utf16(Box<Decoder>),
    /// Until the byte order mark is read.
    Unknown,
}

struct Decoded {
    input: Box<dyn Read + Send>,
    encoding: Encoding,
    table: Table,
    raw: Vec<u8>,
    /// Bytes in `raw` to decode.
    filled: usize,
    text: Vec<u8>,
    /// Bytes of `text` already returned.
    consumed: usize,
    /// The position of the first byte of `raw` in the file.
    offset: u64,
    line: u64,
    begun: bool,
    ended: bool,
}

impl Decoded {
    fn new(input: Box<dyn Read + Send>, encoding: Encoding) -> Self {
        let table = match encoding {
            Encoding::Utf16 | Encoding::Utf8 => Table::Unknown,
            Encoding::Utf16Le => utf16(encoding_rs::UTF_16LE),
            Encoding::Utf16Be => utf16(encoding_rs::UTF_16BE),
            Encoding::Windows1252 | Encoding::Iso8859_1 | Encoding::Iso8859_15 => Table::Single(upper_half(encoding)),
        };
        Self {
            input,
            encoding,
            table,
            raw: vec![0; RAW_BYTES],
            filled: 0,
            text: Vec::new(),
            consumed: 0,
            offset: 0,
            line: 1,
            begun: false,
            ended: false,
        }
    }

    /// Reads enough bytes for a byte order mark, and removes it.
    fn begin(&mut self) -> io::Result<()> {
        while self.filled < 4 {
            match self.input.read(&mut self.raw[self.filled..])? {
                0 => break,
                read => self.filled += read,
            }
        }
        self.begun = true;
        let head = &self.raw[..self.filled];
        let (found, length, table) = if head.starts_with(b"\xef\xbb\xbf") {
            (Some("UTF-8"), 3, Table::Unknown)
        } else if head.starts_with(b"\xff\xfe\0\0") || head.starts_with(b"\0\0\xfe\xff") {
            (Some("UTF-32"), 4, Table::Unknown)
        } else if head.starts_with(b"\xff\xfe") {
            (Some("utf-16le"), 2, utf16(encoding_rs::UTF_16LE))
        } else if head.starts_with(b"\xfe\xff") {
            (Some("utf-16be"), 2, utf16(encoding_rs::UTF_16BE))
        } else {
            (None, 0, Table::Unknown)
        };
        let encoding = self.encoding;
        match found {
            None if encoding == Encoding::Utf16 && self.filled > 0 => return Err(DecodeError::NoMark.into()),
            None => return Ok(()),
            Some("utf-16le" | "utf-16be") if encoding == Encoding::Utf16 => self.table = table,
            Some(name) if name == encoding.name() => {}
            Some(found) => {
                let hint = match found {
                    "UTF-8" => "leave `encoding` out",
                    "UTF-32" => "export it as UTF-8",
                    _ => "write `encoding: utf-16`",
                };
                return Err(DecodeError::OtherMark { found, encoding, hint }.into());
            }
        }
        self.raw.copy_within(length..self.filled, 0);
        self.filled -= length;
        self.offset = length as u64;
        Ok(())
    }

    /// Decodes the next bytes into `text`, whose content was consumed.
    fn advance(&mut self) -> io::Result<()> {
        if !self.begun {
            self.begin()?;
        }
        if self.filled == 0 {
            self.filled = self.input.read(&mut self.raw)?;
            self.ended = self.filled == 0;
        }
        self.text.clear();
        self.consumed = 0;
        let raw = &self.raw[..self.filled];
        let malformed = match &mut self.table {
            Table::Single(upper) => decode_single(raw, upper, &mut self.text),
            Table::Utf16(decoder) => decode_utf16(raw, decoder, self.ended, &mut self.text),
            Table::Unknown => None,
        };
        if let Some((end, length)) = malformed {
            return Err(self.malformed(end, length).into());
        }
        self.offset += self.filled as u64;
        self.filled = 0;
        self.line += memchr::memchr_iter(b'\n', &self.text).count() as u64;
        Ok(())
    }

    /// Returns the error for the `length` malformed bytes that end at `end` in `raw`; `text` is the decoded text
    /// before.
    fn malformed(&self, end: isize, length: usize) -> DecodeError {
        let begin = usize::try_from(end).unwrap_or(0).saturating_sub(length);
        let found = match (&self.table, self.ended) {
            (Table::Utf16(_), true) => "the file ends inside of a character".to_owned(),
            (Table::Utf16(_), false) => "an unpaired surrogate".to_owned(),
            _ => format!("0x{:02X} is not assigned to a character", self.raw[begin]),
        };
        let hint = match self.encoding {
            Encoding::Windows1252 => "the file is in another encoding: is it UTF-8?",
            Encoding::Iso8859_1 | Encoding::Iso8859_15 => "is it `encoding: windows-1252`?",
            _ => "the file is cut off or damaged",
        };
        DecodeError::Malformed {
            offset: self.offset.saturating_add_signed(end as i64 - length as i64),
            line: self.line + memchr::memchr_iter(b'\n', &self.text).count() as u64,
            found,
            encoding: self.encoding,
            hint,
        }
    }
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.consumed == self.text.len() {
            if self.ended || buffer.is_empty() {
                return Ok(0);
            }
            self.advance()?;
        }
        let read = buffer.len().min(self.text.len() - self.consumed);
        buffer[..read].copy_from_slice(&self.text[self.consumed..self.consumed + read]);
        self.consumed += read;
        Ok(read)
    }
}

fn utf16(encoding: &'static encoding_rs::Encoding) -> Table {
    Table::Utf16(Box::new(encoding.new_decoder_without_bom_handling()))
}

/// Returns the characters of the bytes 0x80 to 0xFF. Unlike browsers, does not decode unassigned bytes to C1 controls,
/// nor treat ISO 8859-1 as windows-1252.
fn upper_half(encoding: Encoding) -> Vec<Option<char>> {
    let table = match encoding {
        Encoding::Iso8859_15 => encoding_rs::ISO_8859_15,
        _ => encoding_rs::WINDOWS_1252,
    };
    let of = |byte: u8| match encoding {
        Encoding::Iso8859_1 => Some(char::from(byte)),
        _ => table.decode_without_bom_handling_and_without_replacement(&[byte])?.chars().next(),
    };
    (0x80..=0xff).map(|byte| of(byte).filter(|char| !char.is_control())).collect()
}

/// Decodes a single-byte encoding. Returns the end and length of the first malformed byte.
fn decode_single(raw: &[u8], upper: &[Option<char>], text: &mut Vec<u8>) -> Option<(isize, usize)> {
    let mut utf8 = [0; 4];
    for (at, &byte) in raw.iter().enumerate() {
        match byte.checked_sub(0x80) {
            None => text.push(byte),
            Some(index) => match upper[usize::from(index)] {
                Some(char) => text.extend_from_slice(char.encode_utf8(&mut utf8).as_bytes()),
                None => return Some((at as isize + 1, 1)),
            },
        }
    }
    None
}

/// Decodes UTF-16 like [`decode_single`]; a malformed sequence may also end before `raw`.
fn decode_utf16(raw: &[u8], decoder: &mut Decoder, is_last: bool, text: &mut Vec<u8>) -> Option<(isize, usize)> {
    let (mut read, mut written) = (0, 0);
    loop {
        let wanted = decoder.max_utf8_buffer_length_without_replacement(raw.len() - read).unwrap_or(RAW_BYTES);
        text.resize(written + wanted, 0);
        let (result, used, made) =
            decoder.decode_to_utf8_without_replacement(&raw[read..], &mut text[written..], is_last);
        (read, written) = (read + used, written + made);
        match result {
            DecoderResult::OutputFull => {}
            DecoderResult::InputEmpty => {
                text.truncate(written);
                return None;
            }
            DecoderResult::Malformed(length, behind) => {
                text.truncate(written);
                return Some((read as isize - isize::from(behind as i8), usize::from(length)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
