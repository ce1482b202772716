//! The cells of dialects that never quote, that escape, or that write numbers or empty cells in a way of their own.

use memchr::memmem;

use super::{needs_quotes, runs_as_formula};
use crate::pipeline::plan::{CsvDialect, EscapedLineEnds, QuoteStyle, RecordEnd};

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordKind {
    /// Names of columns: none is a number or an empty cell.
    Header,
    Row,
}

/// A cell that cannot be written.
pub(super) struct BadCell {
    pub(super) index: usize,
    pub(super) what: &'static str,
}

/// Appends a record.
pub(super) fn write_record<'a>(
    dialect: &CsvDialect,
    cells: impl Iterator<Item = &'a [u8]>,
    kind: RecordKind,
    out: &mut Vec<u8>,
) -> Result<(), BadCell> {
    let (start, mut count) = (out.len(), 0);
    for cell in cells {
        if count > 0 {
            out.push(dialect.delimiter);
        }
        write_cell(dialect, cell, kind, out).map_err(|what| BadCell { index: count, what })?;
        count += 1;
    }
    if count == 1 && out.len() == start {
        if dialect.quote == QuoteStyle::Never && !matches!(dialect.record_end, RecordEnd::Text(_)) {
            let what = "is alone in its record and empty: most readers skip an empty line; set `null_text`";
            return Err(BadCell { index: 0, what });
        }
        out.extend_from_slice(if dialect.quote == QuoteStyle::Never { b"" } else { b"\"\"" });
    }
    out.extend_from_slice(dialect.record_end.as_bytes());
    match &dialect.record_end {
        // No cell contains it, but the last one may end as it begins.
        RecordEnd::Text(end) if dialect.quote == QuoteStyle::Never => {
            match memmem::find(&out[start..], end.as_bytes()) {
                Some(at) if start + at + end.len() < out.len() => Err(BadCell {
                    index: count.saturating_sub(1),
                    what: "ends as `record_end` begins: the record would end early",
                }),
                _ => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn write_cell(dialect: &CsvDialect, cell: &[u8], kind: RecordKind, out: &mut Vec<u8>) -> Result<(), &'static str> {
    if cell.is_empty() && kind == RecordKind::Row {
        let is_quoted = dialect.quote == QuoteStyle::Always && dialect.null_text.is_empty();
        out.extend_from_slice(if is_quoted { b"\"\"" } else { dialect.null_text.as_bytes() });
        return Ok(());
    }
    let is_number = kind == RecordKind::Row && is_number(cell);
    let point = if is_number { dialect.decimal.byte() } else { b'.' };
    let is_null_text = kind == RecordKind::Row && cell == dialect.null_text.as_bytes();
    let needs_quotes =
        || is_null_text || needs_quotes(cell, dialect) || (point == dialect.delimiter && cell.contains(&b'.'));
    let is_quoted = match dialect.quote {
        QuoteStyle::Always => true,
        QuoteStyle::Necessary => needs_quotes(),
        QuoteStyle::Text => !is_number || needs_quotes(),
        QuoteStyle::Never if is_null_text => return Err("is the text of an empty cell (`null_text`)"),
        QuoteStyle::Never => {
            check_unquoted(cell, dialect)?;
            false
        }
    };
    if is_quoted {
        out.push(b'"');
    }
    if dialect.formula_guard && runs_as_formula(cell) {
        out.push(b'\'');
    }
    for byte in cell {
        let byte = if *byte == b'.' { point } else { *byte };
        match (dialect.escape, byte) {
            (Some(escape), byte) if byte == escape.character => out.extend_from_slice(&[byte, byte]),
            (Some(escape), b'"') if is_quoted => out.extend_from_slice(&[escape.character, b'"']),
            (None, b'"') if is_quoted => out.extend_from_slice(b"\"\""),
            (Some(escape), b'\n' | b'\r') if !is_quoted => {
                let letter = if byte == b'\n' { b'n' } else { b'r' };
                let written = if escape.line_ends == EscapedLineEnds::Letters { letter } else { byte };
                out.extend_from_slice(&[escape.character, written]);
            }
            (Some(escape), byte) if byte == dialect.delimiter && !is_quoted => {
                out.extend_from_slice(&[escape.character, byte]);
            }
            (_, byte) => out.push(byte),
        }
    }
    if is_quoted {
        out.push(b'"');
    }
    Ok(())
}

/// Checks a cell that may have no quotes around it.
fn check_unquoted(cell: &[u8], dialect: &CsvDialect) -> Result<(), &'static str> {
    if let RecordEnd::Text(end) = &dialect.record_end {
        let visible = end.trim_end_matches(['\r', '\n']);
        let end = if visible.is_empty() { end } else { visible };
        if memmem::find(cell, end.as_bytes()).is_some() {
            return Err("contains `record_end`, and `quote: never` cannot protect it");
        }
    }
    if dialect.escape.is_some() {
        return Ok(());
    }
    let ends_lines = !matches!(dialect.record_end, RecordEnd::Text(_));
    for byte in cell {
        match *byte {
            byte if byte == dialect.delimiter => {
                return Err("contains the delimiter, and `quote: never` cannot protect it without `escape`");
            }
            b'"' => return Err("contains a quote, and `quote: never` cannot protect it without `escape`"),
            b'\n' | b'\r' if ends_lines => {
                return Err("contains a line end, and `quote: never` cannot protect it without `escape`");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns true for `-12.5e3`, but not for `007`, which is an id.
fn is_number(cell: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = cell.strip_prefix(b"-").unwrap_or(cell);
    let whole = digits(text);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return false;
    }
    let mut rest = &text[whole..];
    if let [b'.', fraction @ ..] = rest {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = &fraction[count..];
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::is_number;

    #[test]
    fn ids_with_leading_zeros_are_no_numbers() {
        for number in ["0", "-1", "1.50", "-0.05", "1e5", "1.5E-3", "1e+20"] {
            assert!(is_number(number.as_bytes()), "{number}");
        }
        for text in ["", "007", "-", "1.", ".5", "1,5", "+1", "1e", "1e5x", " 1", "1-2", "00.5", "2026-01-05"] {
            assert!(!is_number(text.as_bytes()), "{text}");
        }
    }
}
