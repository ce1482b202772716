//! Rows → a CSV file in the dialect that the receiver wants (RFC 4180, and what spreadsheets make of it).

use std::io;
use std::path::{Path, PathBuf};

use super::spool::{SpoolFile, Written};
use super::{Artifact, FileSet, SetFile};
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
    cut: Option<Cut>,
}

/// How a file is cut into a set.
struct Cut {
    rows_max: u64,
    head_bytes: u64,
    /// Rows of the file that is being written.
    rows: u64,
    /// Those of the files before it.
    ended: Vec<u64>,
}

/// Files of one set.
pub const SET_FILES_MAX: usize = 999;

impl CsvFile {
    /// Begins `<path>.part` and writes the header, if the dialect has one. With `split`, a new file of a set begins after
    /// that many rows, each with byte order mark and header.
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
        let trusts_plain = dialect.delimiter == b',' && dialect.quote == QuoteStyle::Necessary;
        let mut file = Self {
            spool: SpoolFile::create(path, split.is_some())?,
            path: path.to_owned(),
            name: name.to_owned(),
            dialect: dialect.clone(),
            trusts_plain,
            rows: 0,
            columns: columns.to_vec(),
            cut: split.map(|rows_max| Cut { rows_max: rows_max.max(1), head_bytes: 0, rows: 0, ended: Vec::new() }),
        };
        let head_bytes = file.head()?;
        if let Some(cut) = &mut file.cut {
            cut.head_bytes = head_bytes;
        }
        Ok(file)
    }

    /// Writes what stands before the rows, and says how long it is.
    fn head(&mut self) -> io::Result<u64> {
        let before = self.spool.block.len();
        if self.dialect.bom {
            self.spool.block.extend_from_slice(b"\xEF\xBB\xBF");
        }
        let mut bytes = self.spool.block.len() - before;
        if self.dialect.header {
            let columns = std::mem::take(&mut self.columns);
            bytes += self.record(columns.iter().map(|column| Cell { bytes: column.as_bytes(), is_plain: false }))?;
            self.columns = columns;
        }
        Ok(bytes as u64)
    }

    /// Appends one row.
    ///
    /// # Errors
    /// What writing the file answers, possibly for earlier rows.
    pub fn row(&mut self, row: &Row<'_>) -> io::Result<()> {
        self.cells(row.cells())
    }

    #[inline]
    fn cells<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>>) -> io::Result<()> {
        self.rows += 1;
        if self.cut.is_some() {
            self.cut_before_row()?;
        }
        self.record(cells).map(|_| ())
    }

    /// Begins the next file of the set where this one is full.
    fn cut_before_row(&mut self) -> io::Result<()> {
        let Some(cut) = &mut self.cut else { return Ok(()) };
        let is_full = cut.rows == cut.rows_max;
        if is_full {
            if cut.ended.len() + 1 == SET_FILES_MAX {
                let rows = cut.rows_max;
                let what = format!("more than {SET_FILES_MAX} files of {rows} rows: raise `artifact.split.rows`");
                return Err(io::Error::other(what));
            }
            cut.ended.push(std::mem::take(&mut cut.rows));
        }
        cut.rows += 1;
        if is_full {
            self.spool.mark()?;
            self.head()?;
        }
        Ok(())
    }

    /// Writes one record, and says how many bytes it has.
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
            out.extend_from_slice(b"\"\""); // an empty line would be no record to most readers
        }
        match self.dialect.line_end {
            LineEnd::Lf => out.push(b'\n'),
            LineEnd::CrLf => out.extend_from_slice(b"\r\n"),
        }
        let bytes = out.len() - start;
        self.spool.pass_on()?;
        Ok(bytes)
    }

    /// The whole file, under its name. The files of a set are called by `names`, from 1 on.
    ///
    /// # Errors
    /// What writing the file answers. It is not synced: after a power cut its digest tells whether it is whole, and
    /// the extract makes it again.
    pub fn finish(mut self, names: impl Fn(usize) -> io::Result<String>) -> io::Result<Artifact> {
        if self.cut.is_some() {
            self.spool.mark()?;
        }
        let Written { bytes, sha256, marked } = self.spool.finish()?;
        let set = self.cut.map(|Cut { head_bytes, rows, mut ended, .. }| {
            ended.push(rows);
            let files = ended.into_iter().zip(marked).enumerate();
            let files = files
                .map(|(index, (rows, (bytes, sha256)))| Ok(SetFile { name: names(index + 1)?, bytes, sha256, rows }));
            Ok::<_, io::Error>(FileSet { head_bytes, files: files.collect::<io::Result<_>>()? })
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

/// Whether a spreadsheet would run the cell: after any white space it begins with `=`, `+`, `-` or `@`, in ASCII or full
/// width, and is no number; or it begins with a tab or a line end, which some importers take for the end of a cell.
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
    // Spreadsheets skip more than white space: what shows nothing is skipped here.
    let text = cell.trim_start_matches(|char: char| char.is_whitespace() || char.is_control() || is_invisible(char));
    let mut rest = text.chars();
    match rest.next() {
        Some('=' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}') => true,
        Some('+' | '-') => !is_number(rest.as_str().as_bytes()),
        _ => false,
    }
}

/// Characters without width that may stand before others.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// What follows the sign of a number: digits, perhaps in groups of three, a decimal point with digits behind it or none,
/// an exponent or none: `1,234.56`, `1.234,56`, `.5`, `1e5`. White space may follow, and nothing else.
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
