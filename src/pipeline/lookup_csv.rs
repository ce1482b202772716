//! A CSV in memory → records, by RFC 4180: for the small files beside a pipeline file. Nothing is read leniently.

/// The records of a CSV, one at a time.
pub(super) struct LookupCsv<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
    /// The cells of the record, one after the other, and their ends.
    text: Vec<u8>,
    ends: Vec<usize>,
}

/// A part of the file that has no meaning.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CsvMistake {
    pub(super) line: u64,
    /// The text after "line 3".
    pub(super) what: &'static str,
}

impl<'a> LookupCsv<'a> {
    /// Begins to read; the text is UTF-8.
    ///
    /// # Errors
    /// A byte that is not UTF-8, or a NUL.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, CsvMistake> {
        let line_of = |at: usize| 1 + memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64;
        if let Err(error) = std::str::from_utf8(bytes) {
            return Err(CsvMistake { line: line_of(error.valid_up_to()), what: "is not UTF-8" });
        }
        if let Some(at) = memchr::memchr(0, bytes) {
            return Err(CsvMistake { line: line_of(at), what: "has a NUL byte" });
        }
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        Ok(Self { bytes, at: 0, line: 1, text: Vec::new(), ends: Vec::new() })
    }

    /// Reads the next record, and returns its line; `None` after the last one. Empty lines are none.
    ///
    /// # Errors
    /// Text after a closing quote, or a quote that is not closed.
    pub(super) fn next(&mut self) -> Result<Option<u64>, CsvMistake> {
        while let Some(b'\n' | b'\r') = self.bytes.get(self.at) {
            self.end_line();
        }
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let line = self.line;
        self.text.clear();
        self.ends.clear();
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => self.quoted(line)?,
                _ => self.plain(),
            }
            self.ends.push(self.text.len());
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(_) => {
                    self.end_line();
                    return Ok(Some(line));
                }
                None => return Ok(Some(line)),
            }
        }
    }

    /// Returns the number of cells of the record.
    pub(super) fn width(&self) -> usize {
        self.ends.len()
    }

    /// Returns a cell of the record, which has it.
    pub(super) fn cell(&self, column: usize) -> &[u8] {
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[column]]
    }

    fn plain(&mut self) {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b',' | b'\n' | b'\r')).unwrap_or(rest.len());
        self.text.extend_from_slice(&rest[..length]);
        self.at += length;
    }

    fn quoted(&mut self, line: u64) -> Result<(), CsvMistake> {
        loop {
            let start = self.at + 1;
            let Some(length) = memchr::memchr(b'"', &self.bytes[start..]) else {
                return Err(CsvMistake { line, what: "has a quote that is never closed" });
            };
            let text = &self.bytes[start..start + length];
            self.line += memchr::memchr_iter(b'\n', text).count() as u64;
            self.text.extend_from_slice(text);
            self.at = start + length + 1;
            match self.bytes.get(self.at) {
                Some(b'"') => self.text.push(b'"'),
                Some(b',' | b'\n' | b'\r') | None => return Ok(()),
                Some(_) => return Err(CsvMistake { line: self.line, what: "has text after a closing quote" }),
            }
        }
    }

    /// Passes LF, CR or both.
    fn end_line(&mut self) {
        self.at += if self.bytes[self.at..].starts_with(b"\r\n") { 2 } else { 1 };
        self.line += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(u64, Vec<String>)>, CsvMistake> {
        let mut csv = LookupCsv::new(text.as_bytes())?;
        let mut records = Vec::new();
        while let Some(line) = csv.next()? {
            let cell = |column| String::from_utf8(csv.cell(column).to_vec()).unwrap();
            records.push((line, (0..csv.width()).map(cell).collect()));
        }
        Ok(records)
    }

    #[test]
    fn records_are_read_as_rfc_4180_has_them() {
        let records = read("\u{feff}a,b\r\n1,\"x, \"\"y\"\"\n2\"\n\n\"\",é\n,").unwrap();
        let texts: Vec<(u64, Vec<&str>)> =
            records.iter().map(|(line, cells)| (*line, cells.iter().map(String::as_str).collect())).collect();
        assert_eq!(texts, [(1, vec!["a", "b"]), (2, vec!["1", "x, \"y\"\n2"]), (5, vec!["", "é"]), (6, vec!["", ""])]);
        assert_eq!(read(""), Ok(vec![]));
    }

    #[test]
    fn what_has_no_meaning_is_refused_with_its_line() {
        for (text, line, what) in [
            ("a,b\n1,\"x\"y\n", 2, "has text after a closing quote"),
            ("a\n\"x\n\n", 2, "has a quote that is never closed"),
            ("a\n\"x\ny\"z\n", 3, "has text after a closing quote"),
            ("a\n\0\n", 2, "has a NUL byte"),
        ] {
            assert_eq!(read(text), Err(CsvMistake { line, what }), "{text:?}");
        }
        assert_eq!(LookupCsv::new(b"a\nb\n\xff").err(), Some(CsvMistake { line: 3, what: "is not UTF-8" }));
    }
}
