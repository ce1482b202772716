use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::expr::Expr;
use crate::pipeline::plan::{Assign, Column, Direction, Expression, NullsPosition, OnError, Sort, SortKey, StepKind};
use crate::pipeline::value_type::ValueType;
use crate::transform::Needs;
use crate::yaml::problem::Place;

/// Keeps all that a transform yields.
#[derive(Default)]
struct Kept {
    needs_rows: bool,
    needs_encoded: bool,
    records: Vec<(u64, u64)>,
    rows: Vec<Vec<u8>>,
    encoded: Vec<u8>,
    encoded_rows: u64,
}

impl Sink for Kept {
    fn needs(&self) -> Needs {
        Needs { records: true, rows: self.needs_rows, encoded: self.needs_encoded }
    }

    fn record(&mut self, record: &Record<'_>) {
        self.records.push((record.number, record.line));
    }

    fn row(&mut self, row: &Row<'_>) -> Result<(), TransformError> {
        let mut text = Vec::new();
        encode(row, &mut text);
        self.rows.push(text);
        Ok(())
    }

    fn encoded(&mut self, bytes: &mut Vec<u8>, rows: u64) -> Result<(), TransformError> {
        self.encoded.append(bytes);
        self.encoded_rows += rows;
        Ok(())
    }
}

fn encode(row: &Row<'_>, out: &mut Vec<u8>) {
    for cell in row.cells() {
        out.extend_from_slice(cell.bytes);
        out.push(b'|');
    }
    out.push(b'\n');
}

fn place() -> Place {
    Place { file: Arc::new(PathBuf::from("p.yaml")), line: 1, column: 1, span: 0..0, key: "step".to_owned() }
}

fn steps() -> Vec<TransformStep> {
    let expression = |text: &str| Expression::new(Expr::parse(text).unwrap(), |_| place());
    let assign = Assign { column: "e".to_owned(), value: expression("a || '/' || cast(d as integer)"), at: place() };
    let other = Assign { column: "b".to_owned(), value: expression("upper(b)"), at: place() };
    let kinds = [StepKind::Filter(expression("c <> 'drop'")), StepKind::Set(vec![assign, other])];
    kinds.map(|kind| TransformStep { at: place(), kind, on_error: OnError::Fail }).into()
}

/// A CSV with quotes, line ends and commas in cells, empty lines, cells longer than a block, and up to one fault.
fn csv(random: &mut fastrand::Rng) -> String {
    let mut text = "a,b,c,d\n".to_owned();
    let bytes = random.usize(200_000..2_000_000);
    let fault_at = random.bool().then(|| random.usize(..bytes));
    let is_crlf = random.bool();
    let mut is_faulty = false;
    while text.len() < bytes {
        let end = if is_crlf { "\r\n" } else { "\n" };
        let length = match random.u32(..3_000) {
            0 => random.usize(10_000..700_000),
            _ => random.usize(..30),
        };
        let a: String = std::iter::repeat_with(|| random.alphanumeric()).take(length).collect();
        let b = ["x", "\"quo\"\"ted\"", "\"a,b\"", "\"two\nlines\"", "é", "", "in\"side"][random.usize(..7)];
        let c = ["keep", "drop", "", "\"keep\""][random.usize(..4)];
        text.push_str(&format!("{a},{b},{c},{}{end}", random.i32(..)));
        if random.u8(..40) == 0 {
            text.push_str(end);
        }
        if fault_at.is_some_and(|at| text.len() > at) && !is_faulty {
            is_faulty = true;
            text.push_str(
                ["1,2,3\n", "a,b,keep,no number\n", "a,\"b\"c,keep,1\n", "a,\"b,keep,1\n"][random.usize(..4)],
            );
        }
    }
    text
}

fn open(text: &str, strict: bool) -> Transform<'static> {
    let meter: &'static Meter = Box::leak(Box::default());
    let input = Input {
        read: Box::new(Cursor::new(text.as_bytes().to_vec())),
        csv: CsvInput { strict, ..CsvInput::default() },
        limits: Limits::default(),
        folder: Path::new("/tmp"),
        meter,
        stop: CancellationToken::new(),
        step_inputs: Default::default(),
    };
    Transform::open(input, &steps(), &BTreeMap::new()).unwrap()
}

/// The rows as one thread makes them, one record after the other.
fn expected(text: &str, strict: bool) -> (Kept, Result<String, String>) {
    let Transform { mut records, mut chain } = open(text, strict);
    let mut kept = Kept::default();
    let mut dropped = 0;
    let ended = loop {
        match records.next() {
            Ok(None) => break Ok(format!("{} {dropped} {}", kept.records.len(), kept.rows.len())),
            Err(error) => break Err(error.to_string()),
            Ok(Some(record)) => {
                kept.record(&record);
                let before = kept.rows.len();
                match chain.record(record, &mut |row| kept.row(row)) {
                    Ok(()) => dropped += u64::from(kept.rows.len() == before),
                    Err(error) => break Err(error.to_string()),
                }
            }
        }
    };
    (kept, ended)
}

#[test]
fn several_threads_make_the_rows_that_one_makes_and_find_the_same_error() {
    let (mut faults, mut blocks) = (0, 0);
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (text, strict) = (csv(&mut random), random.bool());
        let (one, ended) = expected(&text, strict);
        for (needs_rows, needs_encoded) in [(true, true), (false, true), (true, false)] {
            let mut kept = Kept { needs_rows, needs_encoded, ..Kept::default() };
            let transform = open(&text, strict);
            blocks += u32::from(!transform.records.is_last_block());
            let passed = transform.run_into(&encode, &mut kept);
            let passed = passed.map(|passed| {
                let balance = passed.balance;
                format!("{} {} {}", balance.extracted, balance.steps[0].rows, balance.written)
            });
            assert_eq!(passed.map_err(|error| error.to_string()), ended, "seed {seed}");
            assert!(kept.records == one.records, "seed {seed}: the records differ");
            if needs_rows {
                assert!(kept.rows == one.rows, "seed {seed}: the rows differ");
            }
            if needs_encoded {
                assert!(kept.encoded == one.rows.concat(), "seed {seed}: the encoded rows differ");
                assert_eq!(kept.encoded_rows, one.rows.len() as u64, "seed {seed}");
            }
        }
        faults += u32::from(ended.is_err());
    }
    assert!(faults > 10 && blocks > 100, "{faults} faults, {blocks} with several blocks");
}

#[test]
fn a_sink_that_fails_ends_all_threads() {
    let mut random = fastrand::Rng::with_seed(7);
    let text = format!("a,b,c,d\n{}", "a,b,keep,1\n".repeat(500_000));
    for rows in [0, 1, random.usize(..400_000)] {
        let mut left = rows;
        let on_row = |_: &Row<'_>| {
            left = left.checked_sub(1).ok_or_else(|| std::io::Error::other("enough"))?;
            Ok(())
        };
        let error = open(&text, true).run(on_row).unwrap_err();
        assert_eq!(error.to_string(), "writing the artifact");
    }
}

/// Returns the cells of the rows that are passed on until there are `rows_max`, the extracted rows, and if that is all.
fn first(steps: &[TransformStep], records_max: u64, rows_max: usize) -> (String, u64, bool) {
    let meter = Meter::default();
    let input = Input {
        read: Box::new(Cursor::new(b"a\n3\n1\n2\n".to_vec())),
        csv: CsvInput::default(),
        limits: Limits::default(),
        meter: &meter,
        stop: CancellationToken::new(),
        folder: &std::env::temp_dir(),
        step_inputs: StepInputs::default(),
    };
    let mut cells = Vec::new();
    let passed = Transform::open(input, steps, &BTreeMap::new()).unwrap().run_first(records_max, |row| {
        cells.push(String::from_utf8_lossy(row.cell(0)).into_owned());
        Ok(if cells.len() >= rows_max { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    let PassedFirst { balance, is_whole } = passed.unwrap();
    assert!(balance.is_even(), "{balance:?}");
    (cells.join(" "), balance.extracted, is_whole)
}

#[test]
fn the_first_records_are_passed_on_and_no_others() {
    let at = Place { file: Arc::new(PathBuf::from("p.yaml")), line: 1, column: 1, span: 0..0, key: "sort".to_owned() };
    let column = Column { name: "a".to_owned(), at: at.clone() };
    let keys = vec![SortKey {
        column,
        value_type: ValueType::Text,
        direction: Direction::Ascending,
        nulls: NullsPosition::Last,
    }];
    let sort = [TransformStep { at, kind: StepKind::Sort(Sort { keys }), on_error: OnError::Fail }];
    for (steps, records_max, rows_max, expected) in [
        (&[][..], 9, 9, ("3 1 2", 3, true)),
        (&[], 3, 9, ("3 1 2", 3, true)),
        (&[], 2, 9, ("3 1", 2, false)),
        (&[], 9, 2, ("3 1", 2, false)),
        (&[], 9, 3, ("3 1 2", 3, true)),
        (&[], 0, 9, ("", 0, false)),
        (&sort, 9, 1, ("1 2 3", 3, true)),
        (&sort, 2, 9, ("1 3", 2, false)),
    ] {
        let (cells, extracted, is_whole) = first(steps, records_max, rows_max);
        assert_eq!((cells.as_str(), extracted, is_whole), expected, "{records_max} {rows_max}");
    }
}
