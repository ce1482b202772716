//! Rows → a CSV file in the receiver's dialect (RFC 4180, with care for spreadsheets).

use std::io;
use std::path::{Path, PathBuf};

use super::spool::{SpoolFile, Written};
use super::{Artifact, FileGroup, GroupFile};
use crate::pipeline::plan::{CsvDialect, Header, QuoteStyle, RecordEnd};
use crate::transform::{Cell, Row};

/// A CSV file being written. Removed if dropped unfinished.
pub struct CsvFile {
    spool: SpoolFile,
    path: PathBuf,
    name: String,
    dialect: CsvDialect,
    /// Cells known to be plain need no check for quotes, as the delimiter is a comma.
    trusts_plain: bool,
    rows: u64,
    columns: Vec<String>,
    split: Option<Split>,
}

/// The state of splitting into a file group.
#[derive(Default)]
struct Split {
    rows_max: u64,
    head_bytes: u64,
    /// Rows of the current file.
    rows: u64,
    /// Rows of each completed file.
    completed: Vec<u64>,
}

/// The maximum number of files in a file group.
pub const GROUP_FILES_MAX: usize = 999;

impl CsvFile {
    /// Starts `<path>.part` and writes the header, if the dialect has one. With `split`, a new file of the file group
    /// starts after that many rows, each with byte order mark and header.
    ///
    /// # Errors
    /// A file that cannot be created or written.
    pub fn create(
        path: &Path,
        name: &str,
        dialect: &CsvDialect,
        columns: &[String],
        split: Option<u64>,
    ) -> io::Result<Self> {
        let trusts_plain = dialect.delimiter == b','
            && dialect.quote == QuoteStyle::Necessary
            && !matches!(dialect.record_end, RecordEnd::Text(_));
        let mut file = Self {
            spool: SpoolFile::create(path, split.is_some())?,
            path: path.to_owned(),
            name: name.to_owned(),
            dialect: dialect.clone(),
            trusts_plain,
            rows: 0,
            columns: columns.to_vec(),
            split: split.map(|rows_max| Split { rows_max: rows_max.max(1), ..Split::default() }),
        };
        let head_bytes = file.head()?;
        if let Some(split) = &mut file.split {
            split.head_bytes = head_bytes;
        }
        Ok(file)
    }

    /// Writes byte order mark and header. Returns their length.
    fn head(&mut self) -> io::Result<u64> {
        let before = self.spool.block.len();
        if self.dialect.bom {
            self.spool.block.extend_from_slice(b"\xEF\xBB\xBF");
        }
        let mut bytes = self.spool.block.len() - before;
        let header = match &self.dialect.header {
            Header::None => None,
            Header::Names => Some(self.columns.clone()),
            Header::Upper => Some(self.columns.iter().map(|column| column.to_uppercase()).collect()),
            Header::List(names) => Some(names.clone()),
        };
        if let Some(names) = header {
            if names.len() != self.columns.len() {
                let (named, columns) = (names.len(), self.columns.len());
                let what = format!("`artifact.csv.header` names {named} columns, and the rows have {columns}");
                return Err(io::Error::other(what));
            }
            bytes += self.record(names.iter().map(|name| Cell { bytes: name.as_bytes(), is_plain: false }))?;
        }
        Ok(bytes as u64)
    }

    /// Appends one row.
    ///
    /// # Errors
    /// The file cannot be written; the error may concern earlier rows.
    pub fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.cells(row.cells())
    }

    #[inline]
    fn cells<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) -> io::Result<()> {
        self.rows += 1;
        if self.split.is_some() {
            self.split_before_row()?;
        }
        self.record(cells).map(|_| ())
    }

    /// Starts the next file of the file group if this one is full.
    fn split_before_row(&mut self) -> io::Result<()> {
        let Some(split) = &mut self.split else { return Ok(()) };
        let is_full = split.rows == split.rows_max;
        if is_full {
            if split.completed.len() + 1 == GROUP_FILES_MAX {
                let rows = split.rows_max;
                let what = format!("more than {GROUP_FILES_MAX} files of {rows} rows: raise `artifact.split.rows`");
                return Err(io::Error::other(what));
            }
            split.completed.push(std::mem::take(&mut split.rows));
        }
        split.rows += 1;
        if is_full {
            self.spool.mark()?;
            self.head()?;
        }
        Ok(())
    }

    /// Writes one record. Returns its length in bytes.
    #[inline]
    fn record<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) -> io::Result<usize> {
        let out = &mut self.spool.block;
        let (start, mut count) = (out.len(), 0);
        for cell in cells {
            if count > 0 {
                out.push(self.dialect.delimiter);
            }
            count += 1;
            write_cell(out, cell, &self.dialect, self.trusts_plain);
        }
        if count == 1 && out.len() == start {
            out.extend_from_slice(b"\"\""); // most readers would skip an empty line
        }
        out.extend_from_slice(self.dialect.record_end.as_bytes());
        let bytes = out.len() - start;
        self.spool.send_if_full()?;
        Ok(bytes)
    }

    /// Completes the file and renames it. `names` returns the names of a file group's files, from 1. The file is not
    /// synced: if it does not match its digest after a power cut, it is created again from the extract.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self, names: impl Fn(usize) -> io::Result<String>) -> io::Result<Artifact> {
        if self.split.is_some() {
            self.spool.mark()?;
        }
        let Written { bytes, sha256, marked } = self.spool.finish()?;
        let set = self.split.map(|Split { head_bytes, rows, mut completed, .. }| {
            completed.push(rows);
            let files = completed.into_iter().zip(marked).enumerate();
            let files = files
                .map(|(index, (rows, (bytes, sha256)))| Ok(GroupFile { name: names(index + 1)?, bytes, sha256, rows }));
            Ok::<_, io::Error>(FileGroup { head_bytes, files: files.collect::<io::Result<_>>()? })
        });
        let Self { path, name, rows, columns, dialect, .. } = self;
        Ok(Artifact { path, name, bytes, sha256, rows, columns, dialect, set: set.transpose()? })
    }
}

#[inline]
fn write_cell(out: &mut Vec<u8>, cell: Cell<'_>, dialect: &CsvDialect, trusts_plain: bool) {
    let guard = dialect.formula_guard && runs_as_formula(cell.bytes);
    let quote = match dialect.quote {
        QuoteStyle::Always => true,
        QuoteStyle::Necessary => !(trusts_plain && cell.is_plain) && needs_quotes(cell.bytes, dialect),
    };
    if !quote {
        if guard {
            out.push(b'\'');
        }
        out.extend_from_slice(cell.bytes);
        return;
    }
    out.push(b'"');
    if guard {
        out.push(b'\'');
    }
    let mut rest = cell.bytes;
    while let Some(at) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

#[inline]
fn needs_quotes(cell: &[u8], dialect: &CsvDialect) -> bool {
    if let RecordEnd::Text(end) = &dialect.record_end
        && cell.iter().any(|byte| end.as_bytes().contains(byte))
    {
        return true; // a single byte of it in the cell could combine with the bytes that follow
    }
    let delimiter = dialect.delimiter;
    // Without an early return, so that the compiler can vectorize it.
    cell.iter()
        .fold(false, |needed, &byte| needed | (byte == delimiter) | (byte == b'"') | (byte == b'\n') | (byte == b'\r'))
}

/// Returns true if a spreadsheet may run the cell as a formula: after any white space it begins with `=`, `+`, `-` or
/// `@`, in ASCII or full width, and is not a number; or it begins with a tab or a line end, which some importers take
/// for the end of a cell.
/// <https://owasp.org/www-community/attacks/CSV_Injection>
#[inline]
fn runs_as_formula(cell: &[u8]) -> bool {
    // Most cells begin with a letter or digit.
    match cell.first() {
        None => false,
        Some(byte) if byte.is_ascii_alphanumeric() => false,
        Some(b'\t' | b'\r' | b'\n') => true,
        Some(_) => begins_formula(cell),
    }
}

fn begins_formula(cell: &[u8]) -> bool {
    let cell = String::from_utf8_lossy(cell);
    // Spreadsheets skip invisible characters too, not only white space.
    let text = cell.trim_start_matches(|char: char| char.is_whitespace() || char.is_control() || is_invisible(char));
    let mut rest = text.chars();
    match rest.next() {
        Some('=' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}') => true,
        Some('+' | '-') => !is_number(rest.as_str().as_bytes()),
        _ => false,
    }
}

/// Returns true for characters without width.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Returns true if the text after a sign is a number: `1,234.56`, `1.234,56`, `.5`, `1e5`. Groups of three digits, a
/// decimal point with digits after it, an exponent and trailing white space are optional.
fn is_number(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        None => (text, None),
        Some(at) => (&text[..at], Some(&text[at + 1..])),
    };
    let is_exponent = exponent.is_none_or(|digits| {
        let digits = digits.strip_prefix(b"+").or(digits.strip_prefix(b"-")).unwrap_or(digits);
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
    });
    is_exponent && (is_mantissa(mantissa, b',', b'.') || is_mantissa(mantissa, b'.', b','))
}

fn is_mantissa(text: &[u8], group: u8, point: u8) -> bool {
    let are_digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let (whole, fraction) = match text.iter().position(|byte| *byte == point) {
        None => (text, None),
        Some(at) => (&text[..at], Some(&text[at + 1..])),
    };
    let mut groups = whole.split(|byte| *byte == group);
    let first = groups.next().unwrap_or_default();
    let mut is_grouped = false;
    let are_groups = groups.all(|group| {
        is_grouped = true;
        group.len() == 3 && are_digits(group)
    });
    let is_whole = match (is_grouped, fraction) {
        (true, _) => are_digits(first) && first.len() <= 3,
        (false, Some(_)) => first.is_empty() || are_digits(first),
        (false, None) => are_digits(first),
    };
    are_groups && is_whole && fraction.is_none_or(are_digits)
}

#[cfg(test)]
mod tests;
