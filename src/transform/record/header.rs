//! The first record → the column names, or an error if the file has another delimiter.

use super::{BOM, Records};
use crate::transform::decode;
use crate::transform::error::TransformError;

/// The usual delimiters, to detect another than the source declares.
const DELIMITERS: [char; 4] = [';', '\t', '|', ','];

impl Records<'_> {
    /// Reads the header. Returns `None` if the file has no records.
    pub(crate) fn header(&mut self) -> Result<Option<Vec<String>>, TransformError> {
        let Some(mut names) = self.read_names()? else { return Ok(None) };
        if let Some(declared) = declared_separator(&names, self.csv.delimiter) {
            if declared == char::from(self.csv.delimiter) {
                // A line for spreadsheets, not part of the data.
                (self.width, self.read) = (None, 0);
                match self.read_names()? {
                    Some(next) => names = next,
                    None => return Ok(None),
                }
            } else if self.csv.strict {
                return Err(self.separated_by(declared, "its first line declares it"));
            }
        }
        if let (true, Some((other, why))) = (self.csv.strict, other_delimiter(&names, self.csv.delimiter)) {
            return Err(self.separated_by(other, why));
        }
        self.header.clone_from(&names);
        Ok(Some(names))
    }

    /// Returns the column names, once the header is read.
    pub(crate) fn names(&self) -> &[String] {
        &self.header
    }

    fn read_names(&mut self) -> Result<Option<Vec<String>>, TransformError> {
        let Some(record) = self.next()? else { return Ok(None) };
        let cells = record.cells.bounds.iter().map(|&(start, end)| &record.cells.bytes[start as usize..end as usize]);
        let mut names: Vec<String> = cells.map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
        // Removes a byte order mark inside the first cell's quotes too.
        if let Some(first) = names.first_mut() {
            *first = first.trim_start_matches('\u{feff}').to_owned();
        }
        Ok(Some(names))
    }

    fn separated_by(&self, found: char, why: &'static str) -> TransformError {
        TransformError::Delimiter { found, expected: char::from(self.csv.delimiter), why }
    }

    /// Skips byte order marks at the start of the file; refuses another encoding than the source declares.
    pub(super) fn begin(&mut self) -> Result<(), TransformError> {
        let head = &self.block.bytes[self.at..];
        if let Some(found) = decode::undeclared_encoding(head) {
            return Err(TransformError::Encoding(found));
        }
        while self.block.bytes[self.at..].starts_with(BOM) {
            self.at += BOM.len();
        }
        Ok(())
    }
}

/// Detects another delimiter by the header, with the evidence. A comma or semicolon may be part of a name, but hardly
/// of every name; a tab of none.
fn other_delimiter(names: &[String], delimiter: u8) -> Option<(char, &'static str)> {
    let mut others = DELIMITERS.into_iter().filter(|other| *other != char::from(delimiter));
    let why = match names.len() {
        1 => "its header is one column",
        _ => "each column of its header holds one",
    };
    let shared = others.clone().find(|other| names.iter().all(|name| name.contains(*other)));
    shared.map(|other| (other, why)).or_else(|| {
        let tab = others.find(|other| *other == '\t')?;
        names.iter().any(|name| name.contains(tab)).then_some((tab, "its header holds one"))
    })
}

/// Returns the delimiter that a line `sep=;` declares.
fn declared_separator(names: &[String], delimiter: u8) -> Option<char> {
    let declares = |text: &str| text.get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case("sep="));
    match names {
        [only] if declares(only) => {
            let mut rest = only[4..].chars();
            rest.next().filter(|_| rest.next().is_none())
        }
        [first, second] if first.len() == 4 && declares(first) && second.is_empty() => Some(char::from(delimiter)),
        _ => None,
    }
}
