//! One record read by `csv-core`, which accepts everything.

use csv_core::ReadRecordResult;

use super::Bounds;

/// A reader for records that violate RFC 4180.
pub(super) struct Lenient {
    core: csv_core::Reader,
    delimiter: u8,
    /// The cells of the record, one after the other.
    pub unquoted: Vec<u8>,
    ends: Vec<usize>,
}

pub(super) enum Read {
    /// The record has this many bytes of the input.
    Record { bytes: usize },
    /// It continues in the next block.
    Incomplete,
    /// The input ends inside the quoted cell that starts here.
    Unclosed { opened: usize },
}

impl Lenient {
    pub(super) fn new(delimiter: u8) -> Self {
        let core = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
        Self { core, delimiter, unquoted: Vec::new(), ends: Vec::new() }
    }

    /// Reads the record at the start of `input`; `is_last` if the input ends there.
    pub(super) fn read(&mut self, input: &[u8], is_last: bool, bounds: &mut Vec<Bounds>) -> Read {
        // One reader for all records, as creating one builds its table. A fresh one would skip a byte order mark.
        let core = &mut self.core;
        core.reset();
        core.read_record(b"\n", &mut [], &mut [0]);
        let (mut read, mut written, mut cells) = (0, 0, 0);
        loop {
            let (result, used, out, ends) =
                core.read_record(&input[read..], &mut self.unquoted[written..], &mut self.ends[cells..]);
            (read, written, cells) = (read + used, written + out, cells + ends);
            match result {
                ReadRecordResult::OutputFull => self.unquoted.resize(self.unquoted.len() * 2 + 4_096, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2 + 64, 0),
                ReadRecordResult::Record | ReadRecordResult::End => break,
                // An empty input signals the end to csv-core.
                ReadRecordResult::InputEmpty if is_last => {}
                ReadRecordResult::InputEmpty => return Read::Incomplete,
            }
        }
        if input.get(read.wrapping_sub(1)) == Some(&b'\r') {
            match input.get(read) {
                Some(b'\n') => read += 1,
                None if !is_last => return Read::Incomplete,
                _ => {}
            }
        }
        if let (true, Some(opened)) = (read == input.len(), open_quote(input, self.delimiter)) {
            return Read::Unclosed { opened };
        }
        let mut start = 0;
        bounds.clear();
        for &end in &self.ends[..cells] {
            bounds.push((start, end as u32));
            start = end as u32;
        }
        Read::Record { bytes: read }
    }
}

/// Returns the position of the quote that is unclosed at the end of the text, by the rules of `csv-core`.
fn open_quote(input: &[u8], delimiter: u8) -> Option<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        CellStart,
        Bare,
        Quoted,
        QuoteInQuoted,
    }
    let (mut state, mut opened) = (State::CellStart, 0);
    for (at, byte) in input.iter().enumerate() {
        if state == State::CellStart && *byte == b'"' {
            opened = at;
        }
        state = match (state, *byte) {
            (State::Quoted, b'"') => State::QuoteInQuoted,
            (State::Quoted, _) => State::Quoted,
            (State::QuoteInQuoted | State::CellStart, b'"') => State::Quoted,
            (_, b'\n' | b'\r') => State::CellStart,
            (_, byte) if byte == delimiter => State::CellStart,
            _ => State::Bare,
        };
    }
    (state == State::Quoted).then_some(opened)
}
