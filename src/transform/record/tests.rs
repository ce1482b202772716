use std::io::Cursor;

use proptest::prelude::*;

use super::super::block::BLOCK_BYTES;
use super::*;

struct Dribble(Cursor<Vec<u8>>, usize);

impl std::io::Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = self.1.min(buffer.len());
        self.0.read(&mut buffer[..most])
    }
}

type Rows = Vec<Vec<Vec<u8>>>;

fn read_with(input: &[u8], limits: Limits) -> Result<Rows, TransformError> {
    let meter = Meter::default();
    let ahead = ReadAhead::start(Box::new(Dribble(Cursor::new(input.to_vec()), 100_000))).unwrap();
    let mut records = Records::new(ahead, limits, &meter, CancellationToken::new());
    let mut rows = Vec::new();
    while let Some(record) = records.next()? {
        rows.push(record.bounds.iter().map(|&(a, b)| record.bytes[a as usize..b as usize].to_vec()).collect());
    }
    assert_eq!(meter.done(), input.len() as u64);
    Ok(rows)
}

fn read(input: &[u8]) -> Result<Rows, TransformError> {
    read_with(input, Limits::default())
}

fn read_with_csv(input: &[u8]) -> Rows {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
    reader.byte_records().map(|row| row.unwrap().iter().map(<[u8]>::to_vec).collect()).collect()
}

fn error(input: &[u8]) -> String {
    read(input).unwrap_err().to_string()
}

#[test]
fn what_the_csv_crate_reads() {
    for input in [
        "a,b\n1,2\n",
        "a,b\n1,2",
        "a,b\r\n1,2\r\n",
        "a,b\r1,2\r",
        "a,b\n\n\r\n1,2\n\n",
        "a,b\n\"1,\n2\",\"\"\"q\"\"\"\n",
        "a,b\n\"x\"y,z\n",
        "a,b\nx\"y\"\",z\n",
        "a,b\n\"\",\"\"\n",
        "a,b\n\"1\",\"2\"\r\n\"3\"\"\",4\r\n5,6",
        "\u{feff}a,b\n1,2\n",
        "\u{feff}\"a\",b\n1,2\n",
        "a,b\n\u{feff}\"x\"\"\",2\n",
        "é,ü\n\"ß\",€\n",
        "a,b\n,\n",
    ] {
        assert_eq!(read(input.as_bytes()).unwrap(), read_with_csv(input.as_bytes()), "{input:?}");
    }
    // In one column an empty line is a null.
    assert_eq!(read(b"a\n1\n\n2\n").unwrap(), [[b"a".to_vec()], [b"1".to_vec()], [vec![]], [b"2".to_vec()]]);
    assert_eq!(read(b"a\r\n1\r\n\r\n2").unwrap().len(), 4);
    assert_eq!(read(b"").unwrap(), Rows::new());
    assert_eq!(read(b"\n\r\n").unwrap(), Rows::new());
}

#[test]
fn what_is_wrong_is_named_with_record_and_line() {
    assert_eq!(error(b"a,b\n1,2\n\n1\n"), "record 2 (line 4) has 1 cells, the header has 2");
    assert_eq!(error(b"a,b\n\"x\n\ny\",2\n1,2,3\n"), "record 2 (line 5) has 3 cells, the header has 2");
    assert_eq!(error(b"a,b\n1,\xff\n"), "record 1 (line 2) is not UTF-8");
    for cut in ["a,b\n1,\"2", "a,b\n1,\"2\n3,4\n", "a,b\n1,\"2\"\"", "a,b\n\"x\"\"\",\"", "a,b\n1,\"2\"\"\n"] {
        let expected = "record 1 (line 2) opens a quote that is never closed: the extract is cut off";
        assert_eq!(error(cut.as_bytes()), expected, "{cut:?}");
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let limits = |rows, record_bytes| Limits { rows, record_bytes, ..Limits::default() };
    let input = b"a,b\n1,2\n3,4\n";
    assert_eq!(read_with(input, limits(2, 4)).unwrap().len(), 3);
    let many = read_with(input, limits(1, 4)).unwrap_err();
    assert_eq!(many.to_string(), "the extract has more than 1 rows (limits.rows), the first too many on line 3");
    let long = read_with(input, limits(2, 3)).unwrap_err();
    assert_eq!(long.to_string(), "record 0 (line 1) is longer than 3 bytes (limits.record_bytes)");
    // A record that never ends is refused after the limit, not after the memory.
    let endless = [b"a,b\n\"".to_vec(), vec![b'x'; 8 << 20]].concat();
    assert!(matches!(read(&endless).unwrap_err(), TransformError::RecordTooLong { number: 1, line: 2, .. }));
}

#[test]
fn records_may_lie_across_blocks() {
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
    // Every position of a CRLF against a block's end.
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
    let ahead = ReadAhead::start(Box::new(std::io::repeat(b'x'))).unwrap();
    let mut records = Records::new(ahead, Limits::default(), &meter, stop);
    assert!(matches!(records.next(), Err(TransformError::Stopped)));
}

#[test]
fn a_failing_read_is_told() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("deflate stream is corrupt"))
        }
    }
    let meter = Meter::default();
    let mut records =
        Records::new(ReadAhead::start(Box::new(Broken)).unwrap(), Limits::default(), &meter, CancellationToken::new());
    assert!(matches!(records.next(), Err(TransformError::Read { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]
    /// Whatever the bytes: either what the `csv` crate reads, or an error.
    #[test]
    fn any_bytes(tail in "[ab,\"\r\n\u{feff}é]{0,40}") {
        let input = format!("a,b\n{tail}");
        let theirs = read_with_csv(input.as_bytes());
        match read(input.as_bytes()) {
            Ok(ours) => prop_assert_eq!(ours, theirs),
            Err(TransformError::Ragged { .. }) => prop_assert!(theirs.iter().any(|row| row.len() != 2)),
            Err(TransformError::UnclosedQuote { .. }) => prop_assert!(input.contains('"')),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
