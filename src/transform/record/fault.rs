//! Error messages for malformed records. Valid records never come here.

use std::ops::Range;

use super::Records;
use crate::expr::shorten;
use crate::pipeline::masked::MASKED;
use crate::transform::error::{CsvFault, TransformError};

/// The setting for files that violate RFC 4180.
const LENIENT: &str = "`csv: {strict: false}` in the source";

impl Records<'_> {
    /// Returns a fault of the record that starts at `self.at`.
    fn fault(&self, what: impl Into<String>, hint: impl Into<String>) -> TransformError {
        CsvFault { number: self.read, line: self.line, what: what.into(), hint: hint.into() }.into()
    }

    /// Returns the line of the byte at `position` of the block.
    fn line_of(&self, position: usize) -> u64 {
        self.line + memchr::memchr_iter(b'\n', &self.block.bytes[self.at..position]).count() as u64
    }

    /// Returns the byte's offset in its line, from 1.
    fn offset_of(&self, position: usize) -> usize {
        let before = &self.block.bytes[self.at..position];
        position - memchr::memrchr(b'\n', before).map_or(self.at, |newline| self.at + newline + 1) + 1
    }

    /// Returns the column's name if known, otherwise its number.
    fn column(&self, index: usize) -> String {
        match self.header.get(index) {
            Some(name) if !name.is_empty() => format!("column {:?}", shorten(name)),
            Some(_) => format!("column {} (which has no name)", index + 1),
            None => format!("column {}", index + 1),
        }
    }

    /// Returns the column of a byte of the record, whose cells are known.
    fn column_at(&self, position: usize) -> String {
        let cells = self.bounds.partition_point(|(_, end)| (*end as usize) < position);
        self.column(cells.min(self.bounds.len().saturating_sub(1)))
    }

    /// Returns the beginning of a text, unless that must not be shown.
    fn shown(&self, text: &str) -> String {
        if self.hides_text { MASKED.to_owned() } else { shorten(text) }
    }

    #[cold]
    pub(super) fn text_after_quote(&self, opened: usize, quote: usize) -> TransformError {
        let rest = &self.block.bytes[quote + 1..];
        let rest = &rest[..memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len())];
        let text = self.shown(&String::from_utf8_lossy(&rest[..rest.len().min(200)]));
        let (line, column) = (self.line_of(quote), self.column(self.bounds.len()));
        self.fault(
            format!(": text follows a closing quote (line {line}), {column}: {text:?}"),
            format!(
                "the cell's quote opened on line {}: correct the file (a quote inside a quoted cell is written \
                 twice), or read it leniently with {LENIENT}",
                self.line_of(opened)
            ),
        )
    }

    #[cold]
    pub(super) fn unclosed(&self, opened: usize) -> TransformError {
        let (line, column) = (self.line_of(opened), self.column(self.bounds.len()));
        self.fault(
            format!(": the quote opened on line {line}, {column}, is never closed"),
            "the file is cut off, or the quote is stray",
        )
    }

    #[cold]
    pub(super) fn too_long(&self, opened: Option<usize>) -> TransformError {
        let limit = self.limits.record_bytes;
        match opened {
            Some(opened) => {
                let (line, column) = (self.line_of(opened), self.column(self.bounds.len()));
                self.fault(
                    format!(": the quote opened on line {line}, {column}, is not closed within {limit} bytes"),
                    "it is stray, or the cell is longer than limits.record_bytes",
                )
            }
            None => self.fault(
                format!(" is longer than {limit} bytes (limits.record_bytes)"),
                "raise the limit, or check that the file is a CSV",
            ),
        }
    }

    #[cold]
    pub(super) fn ragged(&self, raw: Range<usize>, expected: usize) -> TransformError {
        let found = self.bounds.len();
        let text = &self.block.bytes[raw];
        let ends_with = |suffix: &[u8]| text.trim_ascii_end().ends_with(suffix);
        let hint = if found + 1 == expected && self.header.last().is_some_and(String::is_empty) {
            let delimiter = char::from(self.csv.delimiter);
            format!(
                "the header's last column has no name: the header line ends with `{delimiter}`, and the rows do not"
            )
        } else if found == expected + 1 && ends_with(&[self.csv.delimiter]) {
            let delimiter = char::from(self.csv.delimiter);
            format!("this line ends with `{delimiter}`, and the header does not")
        } else if memchr::memmem::find(text, super::BOM).is_some() {
            "it holds a byte order mark (U+FEFF): two files were joined here".to_owned()
        } else if found > expected {
            "a cell that holds the delimiter must be quoted".to_owned()
        } else {
            "a cell is missing, or an unquoted cell contains a line end".to_owned()
        };
        let cells = |count: usize| if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") };
        self.fault(format!(" has {}, the header has {expected}", cells(found)), hint)
    }

    #[cold]
    pub(super) fn nul(&self, position: usize) -> TransformError {
        let (line, byte, column) = (self.line_of(position), self.offset_of(position), self.column_at(position));
        self.fault(
            format!(": NUL byte in {column} (byte {byte} of line {line})"),
            format!("text files contain none: export the file again, or keep the byte with {LENIENT}"),
        )
    }

    #[cold]
    pub(super) fn not_utf8(&self, raw: Range<usize>, is_irregular: bool) -> TransformError {
        let bytes = &self.block.bytes[raw.clone()];
        let valid = std::str::from_utf8(bytes).err().map_or(0, |error| error.valid_up_to());
        let position = raw.start + valid;
        let (line, byte) = (self.line_of(position), self.offset_of(position));
        let column = if is_irregular { "a cell".to_owned() } else { self.column_at(position) };
        let around = &bytes[valid.saturating_sub(12)..bytes.len().min(valid + 12)];
        let around = self.shown(String::from_utf8_lossy(around).trim_start_matches('\u{fffd}'));
        let value = bytes.get(valid).copied().unwrap_or_default();
        self.fault(
            format!(" is not UTF-8: byte 0x{value:02X} in {column} (byte {byte} of line {line}, at {around:?})"),
            "if a Windows program wrote the file, add `csv: {encoding: windows-1252}` to the source",
        )
    }

    #[cold]
    pub(super) fn byte_order_mark(&self) -> TransformError {
        self.fault(
            format!(": it starts with a byte order mark (U+FEFF), {}", self.column(0)),
            format!("two files were joined here: join them without it, or keep the character with {LENIENT}"),
        )
    }
}
