/// Tests of strict mode.
mod strict;

use std::io::Cursor;

use proptest::prelude::*;

use super::super::block::BLOCK_BYTES;
use super::super::decode;
use super::*;
use crate::pipeline::plan::Encoding;

struct Dribble(Cursor<Vec<u8>>, usize);

impl std::io::Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = self.1.min(buffer.len());
        self.0.read(&mut buffer[..most])
    }
}

type Rows = Vec<Vec<Vec<u8>>>;

const STRICT: CsvInput = CsvInput { delimiter: b',', strict: true, encoding: Encoding::Utf8 };
const LENIENT: CsvInput = CsvInput { strict: false, ..STRICT };

fn read_as(csv: CsvInput, input: &[u8], limits: Limits) -> Result<Rows, TransformError> {
    let meter = Meter::default();
    let ahead = ReadAhead::start(Box::new(Dribble(Cursor::new(input.to_vec()), 100_000)), csv.delimiter).unwrap();
    let mut records = Records::new(ahead, csv, limits, &meter, CancellationToken::new());
    let mut rows = Vec::new();
    while let Some(record) = records.next()? {
        rows.push(
            record.cells.bounds.iter().map(|&(a, b)| record.cells.bytes[a as usize..b as usize].to_vec()).collect(),
        );
    }
    assert_eq!(meter.done(), input.len() as u64);
    Ok(rows)
}

fn read_with(input: &[u8], limits: Limits) -> Result<Rows, TransformError> {
    read_as(STRICT, input, limits)
}

fn read(input: &[u8]) -> Result<Rows, TransformError> {
    read_with(input, Limits::default())
}

fn read_leniently(input: &[u8]) -> Result<Rows, TransformError> {
    read_as(LENIENT, input, Limits::default())
}

fn read_with_csv(input: &[u8]) -> Rows {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
    reader.byte_records().map(|row| row.unwrap().iter().map(<[u8]>::to_vec).collect()).collect()
}

/// Returns the header and the records after it, as a run reads them.
fn read_whole(csv: CsvInput, input: &[u8]) -> Result<(Vec<String>, Vec<Vec<String>>), TransformError> {
    let meter = Meter::default();
    let input = decode::reader(Box::new(Dribble(Cursor::new(input.to_vec()), 5)), csv.encoding);
    let ahead = ReadAhead::start(input, csv.delimiter).unwrap();
    let mut records = Records::new(ahead, csv, Limits::default(), &meter, CancellationToken::new());
    let header = records.header()?.unwrap_or_default();
    let mut rows = Vec::new();
    while let Some(record) = records.next()? {
        let text = |&(a, b): &Bounds| String::from_utf8(record.cells.bytes[a as usize..b as usize].to_vec()).unwrap();
        rows.push(record.cells.bounds.iter().map(text).collect());
    }
    Ok((header, rows))
}

fn error(input: &[u8]) -> String {
    read_whole(STRICT, input).unwrap_err().to_string()
}

fn lines(rows: &[Vec<String>]) -> String {
    rows.iter().map(|row| row.join("|")).collect::<Vec<_>>().join("/")
}

fn cells(csv: CsvInput, input: &[u8]) -> String {
    let (header, rows) = read_whole(csv, input).unwrap_or_else(|error| panic!("{error}"));
    lines(&[vec![header], rows].concat())
}

#[test]
fn records_match_the_csv_crate() {
    for input in [
        "a,b\n1,2\n",
        "a,b\n1,2",
        "a,b\r\n1,2\r\n",
        "a,b\r1,2\r",
        "a,b\n\n\r\n1,2\n\n",
        "a,b\n\"1,\n2\",\"\"\"q\"\"\"\n",
        "a,b\nx\"y\"\",z\n",
        "a,b\n\"\",\"\"\n",
        "a,b\n\"1\",\"2\"\r\n\"3\"\"\",4\r\n5,6",
        "\u{feff}a,b\n1,2\n",
        "\u{feff}\"a\",b\n1,2\n",
        "a,b\n\u{feff}\"x\"\"\",2\n",
        "é,ü\n\"ß\",€\n",
        "a,b\n,\n",
    ] {
        assert_eq!(read_leniently(input.as_bytes()).unwrap(), read_with_csv(input.as_bytes()), "{input:?}");
        if !input.contains("\n\u{feff}") {
            assert_eq!(read(input.as_bytes()).unwrap(), read_with_csv(input.as_bytes()), "{input:?}");
        }
    }
    // In one column an empty line is a null.
    assert_eq!(read(b"a\n1\n\n2\n").unwrap(), [[b"a".to_vec()], [b"1".to_vec()], [vec![]], [b"2".to_vec()]]);
    assert_eq!(read(b"a\r\n1\r\n\r\n2").unwrap().len(), 4);
    assert_eq!(read(b"").unwrap(), Rows::new());
    assert_eq!(read(b"\n\r\n").unwrap(), Rows::new());
}

#[test]
fn errors_have_record_and_line() {
    let shown = |input: &[u8]| error(input).split("; ").next().unwrap().to_owned();
    assert_eq!(shown(b"a,b\n1,2\n\n1\n"), "record 2 (line 4) has 1 cell, the header has 2");
    assert_eq!(shown(b"a,b\n\"x\n\ny\",2\n1,2,3\n"), "record 2 (line 5) has 3 cells, the header has 2");
    for (cut, line) in [
        ("a,b\n1,\"2", 2),
        ("a,b\n1,\"2\n3,4\n", 2),
        ("a,b\n1,\"2\"\"", 2),
        ("a,b\n\"x\ny\"\"\",\"", 3),
        ("a,b\n1,\"2\"\"\n", 2),
    ] {
        let expected = format!("record 1 (line 2): the quote opened on line {line}, column \"b\", is never closed");
        assert_eq!(shown(cut.as_bytes()), expected, "{cut:?}");
        let lenient = read_whole(LENIENT, cut.as_bytes()).unwrap_err().to_string();
        assert!(lenient.contains(&expected), "{cut:?}: {lenient}");
    }
    let opened = error(b"a,\"b\n1,2\n");
    assert!(
        opened.starts_with("the header (line 1): the quote opened on line 1, column 2, is never closed"),
        "{opened}"
    );
}

#[test]
fn limits_are_exact() {
    let limits = |rows, record_bytes| Limits { rows, record_bytes, ..Limits::default() };
    let input = b"a,b\n1,2\n3,4\n";
    assert_eq!(read_with(input, limits(2, 4)).unwrap().len(), 3);
    let many = read_with(input, limits(1, 4)).unwrap_err();
    let message =
        "the extract has more than 1 rows (limits.rows, or the source's `rows`), the first too many on line 3";
    assert_eq!(many.to_string(), message);
    let long = read_with(input, limits(2, 3)).unwrap_err();
    let message = long.to_string();
    assert!(message.starts_with("the header (line 1) is longer than 3 bytes (limits.record_bytes)"), "{message}");
    // A record that never ends is refused after the limit, not after the memory.
    let endless = [b"a,b\n\"".to_vec(), vec![b'x'; 8 << 20]].concat();
    let message = error(&endless);
    assert!(
        message.starts_with("record 1 (line 2): the quote opened on line 2, column \"a\", is not closed within"),
        "{message}"
    );
}

#[test]
fn records_may_span_blocks() {
    for length in [HEADROOM - 3, HEADROOM + 1, BLOCK_BYTES - 9, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7] {
        for cell in [
            "x".repeat(length),
            format!("\"{}\"", "é,\n".repeat(length / 4)),
            format!("\"{}\"\"\"", "x".repeat(length)),
        ] {
            let input = format!("a,b\r\n{cell},2\r\n3,{cell}\r\n5,6\r\n");
            let limits = Limits { record_bytes: 4 << 20, ..Limits::default() };
            assert_eq!(read_with(input.as_bytes(), limits).unwrap(), read_with_csv(input.as_bytes()), "{length}");
        }
    }
    // A CRLF at every position relative to the end of a block.
    for shift in 0..4 {
        let rows = "1234567,\"abcdef\"\r\n".repeat(2 * BLOCK_BYTES / 17);
        let input = format!("a,b{}\r\n{rows}", "b".repeat(shift));
        assert_eq!(read(input.as_bytes()).unwrap(), read_with_csv(input.as_bytes()), "{shift}");
    }
}

#[test]
fn a_stop_ends_it() {
    let meter = Meter::default();
    let stop = CancellationToken::new();
    stop.cancel();
    let ahead = ReadAhead::start(Box::new(std::io::repeat(b'x')), b',').unwrap();
    let mut records = Records::new(ahead, STRICT, Limits::default(), &meter, stop);
    assert!(matches!(records.next(), Err(TransformError::Stopped)));
}

#[test]
fn a_read_error_is_reported() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("deflate stream is corrupt"))
        }
    }
    let meter = Meter::default();
    let ahead = ReadAhead::start(Box::new(Broken), b',').unwrap();
    let mut records = Records::new(ahead, STRICT, Limits::default(), &meter, CancellationToken::new());
    assert!(matches!(records.next(), Err(TransformError::Read { .. })));
}

/// An independent reader of RFC 4180, byte by byte, with quotes inside unquoted cells as ordinary characters.
fn read_by_rfc4180(input: &[u8]) -> Option<Rows> {
    let (mut rows, mut row, mut cell, mut at) = (Rows::new(), Vec::new(), Vec::new(), 0);
    while at < input.len() {
        if input[at] == b'"' {
            at += 1;
            loop {
                match (input.get(at)?, input.get(at + 1)) {
                    (b'"', Some(b'"')) => {
                        cell.push(b'"');
                        at += 2;
                    }
                    (b'"', None | Some(b',' | b'\n' | b'\r')) => break at += 1,
                    (b'"', Some(_)) => return None,
                    (byte, _) => {
                        cell.push(*byte);
                        at += 1;
                    }
                }
            }
        } else {
            while at < input.len() && !b",\r\n".contains(&input[at]) {
                cell.push(input[at]);
                at += 1;
            }
        }
        let end = input.get(at);
        row.push(std::mem::take(&mut cell));
        at += 1 + usize::from(end == Some(&b'\r') && input.get(at + 1) == Some(&b'\n'));
        if end == Some(&b',') && at == input.len() {
            row.push(Vec::new());
        }
        if end != Some(&b',') || at == input.len() {
            rows.push(std::mem::take(&mut row));
            while matches!(input.get(at), Some(b'\r' | b'\n')) {
                at += 1;
            }
        }
    }
    Some(rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    /// For any bytes, strict mode loses none, which the `csv` crate does not guarantee.
    #[test]
    fn f01_any_bytes_are_read_by_rfc4180_or_refused(tail in "[ab,\"\r\n\u{feff}é]{0,40}") {
        let input = format!("a,b\n{tail}");
        let book = read_by_rfc4180(input.as_bytes());
        match read(input.as_bytes()) {
            Ok(ours) => prop_assert_eq!(Some(ours), book),
            Err(error) => {
                let message = error.to_string();
                let is_ragged = book.as_ref().is_some_and(|rows| rows.iter().any(|row| row.len() != 2));
                let is_cut = message.contains("never closed") || message.contains("text follows a closing quote");
                prop_assert!(is_ragged || (is_cut && book.is_none()) || message.contains("byte order mark") || message.contains(" cell"), "{}", message);
            }
        }
    }

    /// For any bytes, lenient mode reads like the `csv` crate, or fails.
    #[test]
    fn any_bytes_are_read_leniently(tail in "[ab,\"\r\n\u{feff}é]{0,40}") {
        let input = format!("a,b\n{tail}");
        let theirs = read_with_csv(input.as_bytes());
        match read_leniently(input.as_bytes()) {
            Ok(ours) => prop_assert_eq!(ours, theirs),
            Err(error) => {
                let message = error.to_string();
                let is_ragged = message.contains("the header has") && theirs.iter().any(|row| row.len() != 2);
                prop_assert!(is_ragged || message.contains("is never closed"), "{}", message);
            }
        }
    }
}
