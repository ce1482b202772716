//! Rows → a CSV file in the dialect that the receiver wants (RFC 4180, and what spreadsheets make of it).

use std::io;
use std::path::{Path, PathBuf};

use super::Artifact;
use super::spool::SpoolFile;
use crate::pipeline::plan::{CsvDialect, LineEnd, QuoteStyle};
use crate::transform::{Cell, Row};

/// A CSV file being written. Dropped unfinished, it leaves nothing behind.
pub struct CsvFile {
    spool: SpoolFile,
    path: PathBuf,
    name: String,
    dialect: CsvDialect,
    /// The delimiter is a comma, so that a cell that is known to be plain needs no look.
    trusts_plain: bool,
    rows: u64,
    columns: Vec<String>,
}

impl CsvFile {
    /// Begins `<path>.part` and writes the header, if the dialect has one.
    ///
    /// # Errors
    /// A file that cannot be created or written.
    pub fn create(path: &Path, name: &str, dialect: &CsvDialect, columns: &[String]) -> io::Result<Self> {
        let mut spool = SpoolFile::create(path)?;
        if dialect.bom {
            spool.block.extend_from_slice(b"\xEF\xBB\xBF");
        }
        let trusts_plain = dialect.delimiter == b',' && dialect.quote == QuoteStyle::Necessary;
        let (path, name) = (path.to_owned(), name.to_owned());
        let mut file =
            Self { spool, path, name, dialect: dialect.clone(), trusts_plain, rows: 0, columns: columns.to_vec() };
        if dialect.header {
            file.record(columns.iter().map(|column| Cell { bytes: column.as_bytes(), is_plain: false }))?;
        }
        Ok(file)
    }

    /// Appends one row.
    ///
    /// # Errors
    /// What writing the file answers, possibly for earlier rows.
    pub fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.rows += 1;
        self.record(row.cells())
    }

    #[inline]
    fn record<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) -> io::Result<()> {
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
            out.extend_from_slice(b"\"\""); // an empty line would be no record to most readers
        }
        match self.dialect.line_end {
            LineEnd::Lf => out.push(b'\n'),
            LineEnd::CrLf => out.extend_from_slice(b"\r\n"),
        }
        self.spool.pass_on()
    }

    /// The whole file, under its name.
    ///
    /// # Errors
    /// What writing the file answers. It is not synced: after a power cut its digest tells whether it is whole, and
    /// the extract makes it again.
    pub fn finish(self) -> io::Result<Artifact> {
        let (bytes, sha256) = self.spool.finish()?;
        let Self { path, name, rows, columns, .. } = self;
        Ok(Artifact { path, name, bytes, sha256, rows, columns, dialect: self.dialect })
    }
}

#[inline]
fn write_cell(out: &mut Vec<u8>, cell: Cell<'_>, dialect: &CsvDialect, trusts_plain: bool) {
    let guard = dialect.formula_guard && runs_as_formula(cell.bytes);
    let quote = match dialect.quote {
        QuoteStyle::Always => true,
        QuoteStyle::Necessary => !(trusts_plain && cell.is_plain) && needs_quotes(cell.bytes, dialect.delimiter),
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
fn needs_quotes(cell: &[u8], delimiter: u8) -> bool {
    // Without an early return, so that the compiler compares many bytes at once.
    cell.iter()
        .fold(false, |needed, &byte| needed | (byte == delimiter) | (byte == b'"') | (byte == b'\n') | (byte == b'\r'))
}

/// Whether a spreadsheet would run the cell: it begins with `= + - @`, TAB or CR, and is no plain number.
/// <https://owasp.org/www-community/attacks/CSV_Injection>
fn runs_as_formula(cell: &[u8]) -> bool {
    match cell.first() {
        Some(b'=' | b'@' | b'\t' | b'\r') => true,
        Some(b'+' | b'-') => !is_plain_number(&cell[1..]),
        _ => false,
    }
}

/// Digits, at most one point between or before them, and nothing else.
fn is_plain_number(text: &[u8]) -> bool {
    let points = text.iter().filter(|byte| **byte == b'.').count();
    let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
    digits > 0 && points <= 1 && digits + points == text.len() && text.last() != Some(&b'.')
}

#[cfg(test)]
mod tests;
