//! Blocks → records: the CSV of RFC 4180 as the `csv` crate reads it, without copying a cell.
//!
//! Three differences, all on the safe side: a quote that is never closed is an error (a truncated download), and so
//! is a record of another width; and in a file of one column an empty line is a row, because that is how a null is
//! written there. Elsewhere empty lines are skipped. CRLF, LF and CR end a record.

use csv_core::ReadRecordResult;
use tokio_util::sync::CancellationToken;

use super::block::{Block, HEADROOM, ReadAhead, mark};
use super::error::TransformError;
use crate::progress::Meter;
use crate::settings::Limits;

/// A cell's first byte and the byte behind its last, within its record's bytes.
pub(crate) type Bounds = (u32, u32);

/// One record.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) bounds: &'a [Bounds],
    /// Read without a quote in it: no cell holds a comma, a quote or a line end.
    pub(crate) is_plain: bool,
    /// From 1, the header not counted.
    pub number: u64,
    /// The line that it begins on, from 1.
    pub line: u64,
}

pub(crate) struct Records<'a> {
    ahead: ReadAhead,
    block: Block,
    /// Where the next record begins, and the first mark at or behind it.
    at: usize,
    mark: usize,
    tail: Vec<u8>,
    bounds: Vec<Bounds>,
    core: csv_core::Reader,
    unquoted: Vec<u8>,
    ends: Vec<usize>,
    width: Option<usize>,
    /// Records read, the header included.
    read: u64,
    line: u64,
    started: bool,
    limits: Limits,
    meter: &'a Meter,
    stop: CancellationToken,
}

/// What the walk along the marks found.
enum Walk {
    Record {
        next: usize,
        mark: usize,
        is_plain: bool,
    },
    /// The record goes on in the next block.
    Incomplete {
        in_quotes: bool,
        cell: usize,
        closed: Option<Bounds>,
        is_plain: bool,
    },
    /// Doubled quotes, or text behind a closing quote: `csv-core` reads this one.
    Irregular,
}

impl<'a> Records<'a> {
    pub(crate) fn new(ahead: ReadAhead, limits: Limits, meter: &'a Meter, stop: CancellationToken) -> Self {
        Self {
            ahead,
            block: Block::default(),
            at: 0,
            mark: 0,
            tail: Vec::new(),
            bounds: Vec::new(),
            core: csv_core::Reader::new(),
            unquoted: Vec::new(),
            ends: Vec::new(),
            width: None,
            read: 0,
            line: 1,
            started: false,
            limits,
            meter,
            stop,
        }
    }

    /// The next record; the first one is the header and sets the width.
    pub(crate) fn next(&mut self) -> Result<Option<Record<'_>>, TransformError> {
        if !self.started {
            self.started = true;
            self.refill()?;
            if self.block.bytes[self.at..].starts_with(b"\xEF\xBB\xBF") {
                self.at += 3;
            }
        }
        let (next, next_mark, is_plain, from_core) = loop {
            if self.width != Some(1) {
                self.skip_empty_lines();
            }
            if self.at >= self.block.bytes.len() && self.block.is_last {
                return Ok(None);
            }
            let end = self.block.bytes.len();
            match walk(&self.block, self.at, self.mark, &mut self.bounds) {
                Walk::Record { next, mark, is_plain } => break (next, mark, is_plain, false),
                Walk::Incomplete { .. } if !self.block.is_last => self.refill()?,
                Walk::Incomplete { in_quotes: true, .. } => return Err(self.unclosed()),
                Walk::Incomplete { cell, closed, is_plain, .. } => {
                    self.bounds.push(closed.unwrap_or((cell as u32, end as u32)));
                    break (end, self.block.marks.len(), is_plain, false);
                }
                Walk::Irregular => match self.read_with_core()? {
                    Some(next) => {
                        let behind = self.block.marks[self.mark..].partition_point(|at| (*at as usize) < next);
                        break (next, self.mark + behind, false, true);
                    }
                    None => self.refill()?,
                },
            }
        };
        let raw = self.at..next;
        let (number, line) = (self.read, self.line);
        self.at = next;
        self.mark = next_mark;
        self.read += 1;
        self.line += if is_plain {
            u64::from(self.block.bytes[next - 1] == b'\n')
        } else {
            memchr::memchr_iter(b'\n', &self.block.bytes[raw.clone()]).count() as u64
        };
        self.check(raw, number, line)?;
        let bytes = if from_core { &self.unquoted } else { &self.block.bytes };
        Ok(Some(Record { bytes, bounds: &self.bounds, is_plain, number, line }))
    }

    fn check(&mut self, raw: std::ops::Range<usize>, number: u64, line: u64) -> Result<(), TransformError> {
        if raw.len() > self.limits.record_bytes {
            return Err(TransformError::RecordTooLong { number, line, limit: self.limits.record_bytes });
        }
        if number > self.limits.rows {
            return Err(TransformError::TooManyRows { limit: self.limits.rows, line });
        }
        let found = self.bounds.len();
        let expected = *self.width.get_or_insert(found);
        if found != expected {
            return Err(TransformError::Ragged { number, line, found, expected });
        }
        if !self.block.is_ascii && std::str::from_utf8(&self.block.bytes[raw]).is_err() {
            return Err(TransformError::NotUtf8 { number, line });
        }
        Ok(())
    }

    fn unclosed(&self) -> TransformError {
        TransformError::UnclosedQuote { number: self.read, line: self.line }
    }

    fn skip_empty_lines(&mut self) {
        while let Some(byte @ (b'\n' | b'\r')) = self.block.bytes.get(self.at) {
            self.line += u64::from(*byte == b'\n');
            self.at += 1;
            self.mark += 1;
        }
    }

    /// Puts the unfinished record in front of the next block.
    fn refill(&mut self) -> Result<(), TransformError> {
        self.tail.clear();
        self.tail.extend_from_slice(self.block.bytes.get(self.at..).unwrap_or_default());
        if self.tail.len() > self.limits.record_bytes {
            let (number, line) = (self.read, self.line);
            return Err(TransformError::RecordTooLong { number, line, limit: self.limits.record_bytes });
        }
        let next = self.receive()?;
        self.ahead.give_back(std::mem::replace(&mut self.block, next));
        self.mark = 0;
        if self.tail.is_empty() {
            self.at = HEADROOM;
            return Ok(());
        }
        let mut marks = std::mem::take(&mut self.block.marks);
        if self.tail.len() <= HEADROOM {
            self.at = HEADROOM - self.tail.len();
            self.block.bytes[self.at..HEADROOM].copy_from_slice(&self.tail);
            mark(&self.block.bytes[..HEADROOM], self.at, &mut self.block.marks);
            self.block.marks.append(&mut marks);
            self.block.is_ascii &= self.tail.is_ascii();
            return Ok(());
        }
        // A record longer than the headroom: gather at least as much again, so that rescanning stays linear.
        let wanted = self.tail.len() * 2;
        self.tail.extend_from_slice(&self.block.bytes[HEADROOM..]);
        while self.tail.len() < wanted && !self.block.is_last {
            let next = self.receive()?;
            self.ahead.give_back(std::mem::replace(&mut self.block, next));
            self.tail.extend_from_slice(&self.block.bytes[HEADROOM..]);
        }
        let is_last = self.block.is_last;
        let bytes = std::mem::take(&mut self.tail);
        let mut gathered = Block { is_ascii: bytes.is_ascii(), bytes, marks: Vec::new(), is_last };
        mark(&gathered.bytes, 0, &mut gathered.marks);
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
            Some(Err(source)) => Err(TransformError::Read { source }),
            None => Err(TransformError::Read { source: std::io::Error::other("the reading thread is gone") }),
        }
    }

    /// Reads one record into `unquoted`; where it ends, or `None` if it goes on in the next block.
    fn read_with_core(&mut self) -> Result<Option<usize>, TransformError> {
        // One reader for all: making one builds its table. A fresh one would take a byte order mark off this record.
        let core = &mut self.core;
        core.reset();
        core.read_record(b"\n", &mut [], &mut [0]);
        let (mut read, mut written, mut cells) = (0, 0, 0);
        let input = &self.block.bytes[self.at..];
        loop {
            let (result, used, out, ends) =
                core.read_record(&input[read..], &mut self.unquoted[written..], &mut self.ends[cells..]);
            (read, written, cells) = (read + used, written + out, cells + ends);
            match result {
                ReadRecordResult::OutputFull => self.unquoted.resize(self.unquoted.len() * 2 + 4_096, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2 + 64, 0),
                ReadRecordResult::Record => break,
                // An empty input tells csv-core that this is the end.
                ReadRecordResult::InputEmpty if self.block.is_last => {}
                ReadRecordResult::InputEmpty => return Ok(None),
                ReadRecordResult::End => break,
            }
        }
        if input.get(read.wrapping_sub(1)) == Some(&b'\r') {
            match input.get(read) {
                Some(b'\n') => read += 1,
                None if !self.block.is_last => return Ok(None),
                _ => {}
            }
        }
        if read == input.len() && ends_in_quotes(input) {
            return Err(self.unclosed());
        }
        let mut start = 0;
        self.bounds.clear();
        for &end in &self.ends[..cells] {
            self.bounds.push((start, end as u32));
            start = end as u32;
        }
        Ok(Some(self.at + read))
    }
}

/// Whether the text breaks off inside of a quoted cell, by the rules of `csv-core`.
fn ends_in_quotes(input: &[u8]) -> bool {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        CellStart,
        Bare,
        Quoted,
        QuoteInQuoted,
    }
    let mut state = State::CellStart;
    for byte in input {
        state = match (state, byte) {
            (State::Quoted, b'"') => State::QuoteInQuoted,
            (State::Quoted, _) => State::Quoted,
            (State::QuoteInQuoted | State::CellStart, b'"') => State::Quoted,
            (_, b',' | b'\n' | b'\r') => State::CellStart,
            _ => State::Bare,
        };
    }
    state == State::Quoted
}

/// Follows the marks from the record's beginning to its end.
fn walk(block: &Block, at: usize, first_mark: usize, bounds: &mut Vec<Bounds>) -> Walk {
    let bytes = &block.bytes;
    let (mut cell, mut mark, mut is_plain) = (at, first_mark, true);
    // A quoted cell whose closing quote has been seen.
    let mut closed: Option<Bounds> = None;
    bounds.clear();
    while let Some(&position) = block.marks.get(mark) {
        let position_at = position as usize;
        match bytes[position_at] {
            b',' => {
                bounds.push(closed.take().unwrap_or((cell as u32, position)));
                cell = position_at + 1;
                mark += 1;
            }
            b'\n' => {
                bounds.push(closed.unwrap_or((cell as u32, position)));
                return Walk::Record { next: position_at + 1, mark: mark + 1, is_plain };
            }
            b'\r' => {
                let following = bytes.get(position_at + 1);
                if following.is_none() && !block.is_last {
                    break;
                }
                let extra = usize::from(following == Some(&b'\n'));
                bounds.push(closed.unwrap_or((cell as u32, position)));
                return Walk::Record { next: position_at + 1 + extra, mark: mark + 1 + extra, is_plain };
            }
            _ if position_at != cell => {
                // A quote inside of a bare cell is a character like any other.
                is_plain = false;
                mark += 1;
            }
            _ => {
                is_plain = false;
                let behind = block.marks[mark + 1..].iter().position(|at| bytes[*at as usize] == b'"');
                let Some(behind) = behind else {
                    return Walk::Incomplete { in_quotes: true, cell, closed: None, is_plain };
                };
                mark += behind + 2;
                let closing = block.marks[mark - 1];
                match bytes.get(closing as usize + 1) {
                    Some(b',' | b'\n' | b'\r') | None => closed = Some((position + 1, closing)),
                    Some(_) => return Walk::Irregular,
                }
            }
        }
    }
    Walk::Incomplete { in_quotes: false, cell, closed, is_plain }
}

#[cfg(test)]
mod tests;
