//! Blocks → records: the CSV of RFC 4180, without copying a cell.
//!
//! Violations of RFC 4180 are errors with a position: text after a closing quote, an unclosed quote (a truncated
//! download), a NUL byte, a byte order mark at the start of a later record, a record of another width. `strict: false`
//! reads text after a closing quote like the `csv` crate, and keeps NUL and the mark. A quote inside an unquoted cell
//! is an ordinary character. In a file of one column an empty line is a row, because a null is written so; elsewhere
//! empty lines are skipped. CRLF, LF and CR end a record.

pub(super) mod batch;
mod fault;
mod header;
mod lenient;
mod walk;

use std::ops::Range;

use tokio_util::sync::CancellationToken;

use self::lenient::{Lenient, Read};
use self::walk::{Found, Walk, unescape_quotes, walk};
use super::block::{Block, HEADROOM, ReadAhead, mark, scan};
use super::error::TransformError;
use crate::expr::value::{Bounds, Cells};
use crate::pipeline::plan::CsvInput;
use crate::progress::Meter;
use crate::settings::Limits;

/// U+FEFF in UTF-8.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One record.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub(crate) cells: Cells<'a>,
    /// True if no cell contains a comma, a quote or a line end.
    pub(crate) is_plain: bool,
    /// The record number, from 1, without the header.
    pub number: u64,
    /// The line on which it starts, from 1.
    pub line: u64,
}

impl<'a> Record<'a> {
    /// Returns a cell by its column's position.
    #[inline]
    pub(crate) fn cell(&self, column: usize) -> &'a [u8] {
        let (start, end) = self.cells.bounds[column];
        &self.cells.bytes[start as usize..end as usize]
    }
}

pub(crate) struct Records<'a> {
    ahead: ReadAhead,
    csv: CsvInput,
    block: Block,
    /// The start of the next record, and the first mark at or after it.
    at: usize,
    mark: usize,
    tail: Vec<u8>,
    bounds: Vec<Bounds>,
    lenient: Lenient,
    /// The column names, once read.
    header: Vec<String>,
    width: Option<usize>,
    /// Records read, the header included.
    read: u64,
    line: u64,
    started: bool,
    /// True if errors show no text of the file.
    hides_text: bool,
    limits: Limits,
    meter: &'a Meter,
    stop: CancellationToken,
    /// Keeps a block whose records are used after the next ones are read, in place of giving it back.
    keeps_blocks: bool,
    kept: Option<Block>,
}

/// A record of the current block, whose cells are at [`Records::bounds`].
pub(super) struct Position {
    pub(super) is_plain: bool,
    pub(super) number: u64,
    pub(super) line: u64,
    /// True if its cells are not in the block, but in the lenient reader's text.
    is_irregular: bool,
}

impl<'a> Records<'a> {
    pub(crate) fn new(
        ahead: ReadAhead,
        csv: CsvInput,
        limits: Limits,
        meter: &'a Meter,
        stop: CancellationToken,
    ) -> Self {
        Self {
            ahead,
            csv,
            block: Block::default(),
            at: 0,
            mark: 0,
            tail: Vec::new(),
            bounds: Vec::new(),
            lenient: Lenient::new(csv.delimiter),
            header: Vec::new(),
            width: None,
            read: 0,
            line: 1,
            started: false,
            hides_text: false,
            limits,
            meter,
            stop,
            keeps_blocks: false,
            kept: None,
        }
    }

    /// Hides the file's text in all errors, because some of its columns are masked.
    pub(crate) fn hide_text(&mut self) {
        self.hides_text = true;
    }

    /// Returns the next record; the first one is the header and sets the width.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, TransformError> {
        let found = self.advance()?;
        Ok(found.map(|Position { is_plain, number, line, is_irregular }| {
            let bytes = if is_irregular { &self.lenient.unquoted } else { &self.block.bytes };
            Record { cells: Cells { bytes, bounds: &self.bounds }, is_plain, number, line }
        }))
    }

    /// Moves to the next record.
    fn advance(&mut self) -> Result<Option<Position>, TransformError> {
        if !self.started {
            self.started = true;
            self.refill(None)?;
            self.begin()?;
        }
        let (found, is_irregular) = loop {
            if self.width != Some(1) {
                self.skip_empty_lines();
            }
            if self.at >= self.block.bytes.len() && self.block.is_last {
                return Ok(None);
            }
            match walk(&self.block, self.at, self.mark, self.csv.delimiter, &mut self.bounds) {
                Walk::Record(found) => break (found, false),
                Walk::Incomplete { opened, .. } if !self.block.is_last => self.refill(opened)?,
                Walk::Incomplete { opened: Some(opened), .. } => return Err(self.unclosed(opened)),
                Walk::Incomplete { cell, closed, found, .. } => {
                    self.bounds.push(closed.unwrap_or((cell as u32, found.next as u32)));
                    break (found, false);
                }
                Walk::Irregular { opened, quote } if self.csv.strict => {
                    return Err(self.text_after_quote(opened, quote));
                }
                Walk::Irregular { .. } => match self.read_leniently()? {
                    Some(found) => break (found, true),
                    None => self.refill(None)?,
                },
            }
        };
        let raw = self.at..found.next;
        self.check(raw.clone(), is_irregular)?;
        let (number, line) = (self.read, self.line);
        (self.at, self.mark) = (found.next, found.mark);
        self.read += 1;
        self.line += if found.is_plain {
            u64::from(self.block.bytes[found.next - 1] == b'\n')
        } else {
            memchr::memchr_iter(b'\n', &self.block.bytes[raw.clone()]).count() as u64
        };
        if found.has_escaped_quotes {
            unescape_quotes(&mut self.block.bytes, raw.start, &mut self.bounds);
        }
        // With another delimiter any cell may contain a comma, for which the writer must check.
        let is_plain = found.is_plain && self.csv.delimiter == b',';
        Ok(Some(Position { is_plain, number, line, is_irregular }))
    }

    /// Checks the record that starts at `self.at`, whose cells are known.
    fn check(&mut self, raw: Range<usize>, is_irregular: bool) -> Result<(), TransformError> {
        if raw.len() > self.limits.record_bytes {
            return Err(self.too_long(None));
        }
        if self.read > self.limits.rows {
            return Err(TransformError::TooManyRows { limit: self.limits.rows, line: self.line });
        }
        if self.csv.strict
            && self.block.has_nul
            && let Some(nul) = memchr::memchr(0, &self.block.bytes[raw.clone()])
        {
            return Err(self.nul(raw.start + nul));
        }
        if !self.block.is_ascii {
            let bytes = &self.block.bytes[raw.clone()];
            if std::str::from_utf8(bytes).is_err() {
                return Err(self.not_utf8(raw, is_irregular));
            }
            let cell = bytes.strip_prefix(b"\"").unwrap_or(bytes);
            if self.csv.strict && self.read > 0 && cell.starts_with(BOM) {
                return Err(self.byte_order_mark());
            }
        }
        let expected = *self.width.get_or_insert(self.bounds.len());
        if self.bounds.len() != expected {
            return Err(self.ragged(raw, expected));
        }
        Ok(())
    }

    fn skip_empty_lines(&mut self) {
        while let Some(byte @ (b'\n' | b'\r')) = self.block.bytes.get(self.at) {
            self.line += u64::from(*byte == b'\n');
            self.at += 1;
            self.mark += 1;
        }
    }

    /// Moves the unfinished record in front of the next block; `opened` is the position of its unclosed quote.
    fn refill(&mut self, opened: Option<usize>) -> Result<(), TransformError> {
        self.tail.clear();
        self.tail.extend_from_slice(self.block.bytes.get(self.at..).unwrap_or_default());
        if self.tail.len() > self.limits.record_bytes {
            return Err(self.too_long(opened));
        }
        let next = self.receive()?;
        let before = std::mem::replace(&mut self.block, next);
        match self.keeps_blocks && self.kept.is_none() {
            true => self.kept = Some(before),
            false => self.ahead.give_back(before),
        }
        self.mark = 0;
        if self.tail.is_empty() {
            self.at = HEADROOM;
            return Ok(());
        }
        let mut marks = std::mem::take(&mut self.block.marks);
        if self.tail.len() <= HEADROOM {
            self.at = HEADROOM - self.tail.len();
            self.block.bytes[self.at..HEADROOM].copy_from_slice(&self.tail);
            mark(&self.block.bytes[..HEADROOM], self.at, self.csv.delimiter, &mut self.block.marks);
            self.block.marks.append(&mut marks);
            let (is_ascii, has_nul) = scan(&self.tail);
            self.block.is_ascii &= is_ascii;
            self.block.has_nul |= has_nul;
            return Ok(());
        }
        // A record longer than the headroom: read at least as much again, so that rescanning stays linear.
        let wanted = self.tail.len() * 2;
        self.tail.extend_from_slice(&self.block.bytes[HEADROOM..]);
        while self.tail.len() < wanted && !self.block.is_last {
            let next = self.receive()?;
            self.ahead.give_back(std::mem::replace(&mut self.block, next));
            self.tail.extend_from_slice(&self.block.bytes[HEADROOM..]);
        }
        let is_last = self.block.is_last;
        let bytes = std::mem::take(&mut self.tail);
        let (is_ascii, has_nul) = scan(&bytes);
        let mut gathered = Block { is_ascii, has_nul, bytes, marks: Vec::new(), is_last };
        mark(&gathered.bytes, 0, self.csv.delimiter, &mut gathered.marks);
        self.ahead.give_back(std::mem::replace(&mut self.block, gathered));
        self.at = 0;
        Ok(())
    }

    fn receive(&mut self) -> Result<Block, TransformError> {
        if self.stop.is_cancelled() {
            return Err(TransformError::Stopped);
        }
        match self.ahead.next() {
            Some(Ok(block)) => {
                self.meter.add((block.bytes.len() - HEADROOM) as u64);
                Ok(block)
            }
            Some(Err(source)) => Err(TransformError::reading(source)),
            None => Err(TransformError::Read { source: std::io::Error::other("the reading thread panicked") }),
        }
    }

    /// Reads the record at `self.at` with `csv-core`; `None` if it continues in the next block.
    fn read_leniently(&mut self) -> Result<Option<Found>, TransformError> {
        let input = &self.block.bytes[self.at..];
        match self.lenient.read(input, self.block.is_last, &mut self.bounds) {
            Read::Incomplete => Ok(None),
            Read::Unclosed { opened } => Err(self.unclosed(self.at + opened)),
            Read::Record { bytes } => {
                let next = self.at + bytes;
                let behind = self.block.marks[self.mark..].partition_point(|at| (*at as usize) < next);
                Ok(Some(Found { next, mark: self.mark + behind, is_plain: false, has_escaped_quotes: false }))
            }
        }
    }
}

#[cfg(test)]
mod tests;
