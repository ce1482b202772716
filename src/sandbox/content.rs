//! The bytes of a report's CSV, or the cells of one page, with the changes of `--misbehave`.

use std::io::{self, Write};

use super::learning::Learning;
use super::misbehave::Body;
use super::reports::Report;

/// Bytes of CSV produced before they are passed on.
const BLOCK_BYTES: usize = 64 << 10;

/// Data of one report.
pub(super) struct Content {
    learning: Learning,
    headers: Vec<String>,
    rows: u64,
    bom: bool,
    crlf: bool,
}

impl Content {
    pub(super) fn new(report: &'static Report, seed: u64, rows: u64, body: &Body) -> Self {
        let rows = if body.header_only { 0 } else { rows - rows * body.fewer_rows / 100 };
        let learning = Learning::new(report, seed, rows);
        let mut headers: Vec<String> = learning.headers().map(str::to_owned).collect();
        if let Some((old, new)) = &body.rename {
            headers.iter_mut().filter(|header| *header == old).for_each(|header| header.clone_from(new));
        }
        if body.duplicate_header {
            headers[1] = headers[0].clone();
        }
        Self { learning, headers, rows, bom: body.bom, crlf: body.crlf }
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn headers(&self) -> &[String] {
        &self.headers
    }

    /// Writes the whole CSV, block by block.
    pub(super) fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        let mut block = Vec::with_capacity(BLOCK_BYTES + 4096);
        if self.bom {
            block.extend_from_slice(b"\xef\xbb\xbf");
        }
        {
            let mut header = csv::Writer::from_writer(&mut block);
            header.write_record(&self.headers)?;
            header.flush()?;
        }
        self.end_line(&mut block);
        for index in 0..self.learning.rows() {
            self.learning.write_row(index, &mut block);
            self.end_line(&mut block);
            if block.len() >= BLOCK_BYTES {
                to.write_all(&block)?;
                block.clear();
            }
        }
        to.write_all(&block)
    }

    fn end_line(&self, block: &mut Vec<u8>) {
        if self.crlf {
            block.pop();
            block.extend_from_slice(b"\r\n");
        }
    }

    /// Returns the cells of `count` rows from `from` on; fewer at the end.
    pub(super) fn page(&self, from: u64, count: u64) -> Vec<Vec<String>> {
        let mut csv = Vec::new();
        for index in from..from.saturating_add(count).min(self.rows) {
            self.learning.write_row(index, &mut csv);
        }
        let rows = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_slice()).into_records();
        rows.filter_map(Result::ok).map(|row| row.iter().map(str::to_owned).collect()).collect()
    }
}
