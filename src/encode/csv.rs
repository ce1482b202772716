//! CSV in the receiver's dialect (RFC 4180, with care for spreadsheets).

mod cells;

use std::io;

use self::cells::{BadCell, RecordKind, write_record};
use super::RowFormat;
use super::values::{BadValue, CellList, Values};
use crate::pipeline::plan::{CsvDialect, DecimalPoint, Header, QuoteStyle, RecordEnd};
use crate::transform::{Cell, Row, RowError};

/// Encodes rows of a dialect.
pub struct CsvFormat {
    dialect: CsvDialect,
    columns: Vec<String>,
    /// Quotes are all that cells may need.
    is_simple: bool,
    /// Cells known to be plain need no check for quotes, as the delimiter is a comma.
    trusts_plain: bool,
}

impl RowFormat for CsvFormat {
    /// Appends byte order mark and header.
    fn head(&self, columns: &[String], out: &mut Vec<u8>) -> io::Result<()> {
        if self.dialect.bom {
            out.extend_from_slice(b"\xEF\xBB\xBF");
        }
        let names = match &self.dialect.header {
            Header::None => return Ok(()),
            Header::Names => columns.to_vec(),
            Header::Upper => columns.iter().map(|column| column.to_uppercase()).collect(),
            Header::List(names) => names.clone(),
        };
        if names.len() != columns.len() {
            let (named, columns) = (names.len(), columns.len());
            let what = format!("`artifact.csv.header` names {named} columns, and the rows have {columns}");
            return Err(io::Error::other(what));
        }
        if self.is_simple {
            self.record(names.iter().map(|name| Cell { bytes: name.as_bytes(), is_plain: false }), out);
            return Ok(());
        }
        let bytes = names.iter().map(String::as_bytes);
        write_record(&self.dialect, bytes, RecordKind::Header, out).map_err(|BadCell { index, what }| {
            let name = names.get(index).map_or("", String::as_str);
            io::Error::other(format!("the header {name:?} {what} (artifact.csv)"))
        })
    }

    fn row(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        if !self.is_simple {
            return self.any_dialect(row, out);
        }
        match row.plain_parts().filter(|_| self.trusts_plain && !self.dialect.formula_guard) {
            Some(parts) => self.record(parts, out),
            None => self.record(row.cells(), out),
        }
        Ok(())
    }
}

impl CsvFormat {
    pub(super) fn new(dialect: &CsvDialect, columns: &[String]) -> Self {
        let is_simple = matches!(dialect.quote, QuoteStyle::Necessary | QuoteStyle::Always)
            && (dialect.escape, dialect.decimal) == (None, DecimalPoint::Point)
            && dialect.null_text.is_empty();
        let trusts_plain = is_simple
            && dialect.delimiter == b','
            && dialect.quote == QuoteStyle::Necessary
            && !matches!(dialect.record_end, RecordEnd::Text(_));
        Self { dialect: dialect.clone(), columns: columns.to_vec(), is_simple, trusts_plain }
    }

    /// Returns true if a file begins with a record of names.
    pub(super) fn has_header(&self) -> bool {
        self.dialect.header != Header::None
    }

    /// Appends a record of computed values.
    ///
    /// # Errors
    /// A value that the dialect cannot have.
    pub(super) fn values(&self, values: &Values, cells: &CellList, out: &mut Vec<u8>) -> Result<(), BadValue> {
        write_record(&self.dialect, values.all(cells), RecordKind::Row, out)
            .map_err(|BadCell { index, what }| values.bad(cells, index, what))
    }

    /// Appends one record of a dialect that is not simple.
    fn any_dialect(&self, row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
        let cells = row.cells().map(|cell| cell.bytes);
        write_record(&self.dialect, cells, RecordKind::Row, out).map_err(|BadCell { index, what }| {
            let column = self.columns.get(index).map_or("", String::as_str);
            row.error(column, row.cell(index), what, "artifact.csv")
        })
    }

    /// Appends one record.
    #[inline]
    fn record<'a>(&self, cells: impl Iterator<Item = Cell<'a>>, out: &mut Vec<u8>) {
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
    }
}

#[inline]
fn write_cell(out: &mut Vec<u8>, cell: Cell<'_>, dialect: &CsvDialect, trusts_plain: bool) {
    let guard = dialect.formula_guard && runs_as_formula(cell.bytes);
    let quote = match dialect.quote {
        QuoteStyle::Always | QuoteStyle::Never | QuoteStyle::Text => true, // of simple dialects only
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
