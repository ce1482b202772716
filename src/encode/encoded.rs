//! Rows of a text format in another charset than UTF-8.
//!
//! Characters that the charset lacks are found, or replaced, in the cells: before the format, which escapes and pads what
//! came of them.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use super::RowFormat;
use crate::expr::value::{Bounds, CellRef, Cells};
use crate::pipeline::plan::{Charset, EncodedFormat, Unmappable};
use crate::transform::{Record, Row, RowError};

/// A format that is written in a charset.
pub(super) struct Encoded {
    format: Arc<dyn RowFormat>,
    key: &'static str,
    charset: Charset,
    unmappable: Unmappable,
    /// The characters of the bytes from 0x80 on.
    upper_half: Vec<(char, u8)>,
    columns: Vec<String>,
    outputs: Vec<CellRef>,
}

/// The cells of a row as they are written, or the bytes of one in UTF-8.
#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    bounds: Vec<Bounds>,
    text: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Encoded {
    pub(super) fn new(format: Arc<dyn RowFormat>, encoding: &EncodedFormat, columns: &[String]) -> Self {
        let EncodedFormat { format: written, charset, unmappable } = encoding;
        let outputs = (0..columns.len() as u32).map(CellRef::Input).collect();
        let upper_half = charset.upper_half();
        let (charset, unmappable, key) = (*charset, *unmappable, written.key());
        Self { format, key, charset, unmappable, upper_half, columns: columns.to_vec(), outputs }
    }

    fn has(&self, char: char) -> bool {
        char.is_ascii() || self.charset.is_unicode() || self.byte(char).is_some()
    }

    fn byte(&self, char: char) -> Option<u8> {
        let at = self.upper_half.binary_search_by_key(&char, |(known, _)| *known).ok()?;
        Some(self.upper_half[at].1)
    }

    /// Appends a cell as it is written, in UTF-8.
    ///
    /// # Errors
    /// The position of the first character that the charset lacks, from 0, and the character.
    fn fit(&self, cell: &str, out: &mut Vec<u8>) -> Result<(), (usize, char)> {
        let mut chars = cell.chars().enumerate().peekable();
        while let Some((position, char)) = chars.next() {
            match self.unmappable {
                _ if self.has(char) => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
                Unmappable::Fail => return Err((position, char)),
                Unmappable::Replace => out.push(b'?'),
                Unmappable::Transliterate => {
                    let text = deunicode::deunicode_char(char).unwrap_or("?");
                    // Syllables have a space after them, which only another one needs.
                    let is_syllable = |(_, char): &(usize, char)| !self.has(*char) && char.is_alphabetic();
                    let text = if chars.peek().is_some_and(is_syllable) { text } else { text.trim_end() };
                    out.extend_from_slice(text.as_bytes());
                }
            }
        }
        Ok(())
    }

    /// Converts what was appended since `start` from UTF-8.
    ///
    /// # Errors
    /// The first character that the charset lacks.
    fn convert(&self, start: usize, out: &mut Vec<u8>, scratch: &mut Vec<u8>) -> Result<(), char> {
        if out[start..].is_ascii() && !self.charset.is_unicode() {
            return Ok(());
        }
        scratch.clear();
        scratch.extend_from_slice(&out[start..]);
        out.truncate(start);
        let mut units = [0; 2];
        for char in String::from_utf8_lossy(scratch).chars() {
            match self.charset {
                Charset::Utf16Le => {
                    char.encode_utf16(&mut units).iter().for_each(|unit| out.extend(unit.to_le_bytes()))
                }
                Charset::Utf16Be => {
                    char.encode_utf16(&mut units).iter().for_each(|unit| out.extend(unit.to_be_bytes()))
                }
                Charset::UsAscii | Charset::Single(_) if char.is_ascii() => out.push(char as u8),
                Charset::UsAscii | Charset::Single(_) => out.push(self.byte(char).ok_or(char)?),
            }
        }
        Ok(())
    }

    fn lacks(&self, char: char) -> String {
        format!("has {char:?} (U+{:04X}), which {} lacks", u32::from(char), self.charset.name())
    }

    fn row_within(&self, row: &Row<'_>, out: &mut Vec<u8>, scratch: &mut Scratch) -> Result<(), RowError> {
        let Scratch { bytes, bounds, text } = scratch;
        let start = out.len();
        if self.charset.is_unicode() || row.cells().all(|cell| cell.bytes.is_ascii()) {
            self.format.row(row, out)?;
        } else {
            self.format.before_replacing(row)?;
            bytes.clear();
            bounds.clear();
            for (index, cell) in row.cells().enumerate() {
                let at = bytes.len() as u32;
                self.fit(&String::from_utf8_lossy(cell.bytes), bytes).map_err(|(position, _)| {
                    // Without the character, which may be one of a masked value.
                    let what = format!(
                        "cannot be written in {}: its character {} is not in it",
                        self.charset.name(),
                        position + 1
                    );
                    row.error(&self.columns[index], cell.bytes, what, "artifact.encoding")
                })?;
                bounds.push((at, bytes.len() as u32));
            }
            let record = Record { cells: Cells { bytes, bounds }, is_plain: false, ..row.record() };
            self.format.row(&Row::of_record(&self.outputs, record), out)?;
        }
        self.convert(start, out, text).map_err(|char| {
            let what = format!("is a text of the pipeline file that {} lacks", self.charset.name());
            row.error(self.key, char.encode_utf8(&mut [0; 4]).as_bytes(), what, "artifact.encoding")
        })
    }

    fn convert_whole(&self, start: usize, out: &mut Vec<u8>) -> io::Result<()> {
        self.convert(start, out, &mut Vec::new())
            .map_err(|char| io::Error::other(format!("what is written before or after the rows {}", self.lacks(char))))
    }
}

impl RowFormat for Encoded {
    fn head(&self, columns: &[String], out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        let fitted = columns.iter().map(|name| {
            let mut bytes = Vec::new();
            self.fit(name, &mut bytes).map_err(|(_, char)| {
                io::Error::other(format!("the column {name:?} {} (artifact.encoding)", self.lacks(char)))
            })?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        });
        self.format.head(&fitted.collect::<io::Result<Vec<_>>>()?, out)?;
        self.convert_whole(start, out)
    }

    fn row(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        SCRATCH.with_borrow_mut(|scratch| self.row_within(row, out, scratch))
    }

    fn end(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        self.format.end(out)?;
        self.convert_whole(start, out)
    }

    fn late_records(&self) -> usize {
        self.format.late_records()
    }

    fn late_record(&self, index: usize, out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        self.format.late_record(index, out)?;
        self.convert(start, out, &mut Vec::new()).map_err(|char| {
            io::Error::other(format!(
                "the record before the rows {} (artifact.layout.header[{index}])",
                self.lacks(char)
            ))
        })
    }

    fn is_ordered(&self) -> bool {
        self.format.is_ordered()
    }
}
