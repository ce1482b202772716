use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::expr::Expr;
use crate::pipeline::plan::{
    Assign, Column, Direction, Expression, Join, JoinKind, Lookup, Match, NullsPosition, Number, OnError, Rename, Sort,
    SortKey, StepKind, TableRef,
};
use crate::pipeline::value_type::ValueType;
use crate::transform::step_inputs::OpenTable;
use crate::transform::{Needs, RowError};
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
        encode(row, &mut text)?;
        self.rows.push(text);
        Ok(())
    }

    fn encoded(&mut self, bytes: &mut Vec<u8>, rows: u64) -> Result<(), TransformError> {
        self.encoded.append(bytes);
        self.encoded_rows += rows;
        Ok(())
    }
}

fn encode(row: &Row<'_>, out: &mut Vec<u8>) -> Result<(), RowError> {
    for cell in row.cells() {
        out.extend_from_slice(cell.bytes);
        out.push(b'|');
    }
    out.push(b'\n');
    Ok(())
}

fn place() -> Place {
    Place { file: Arc::new(PathBuf::from("p.yaml")), line: 1, column: 1, span: 0..0, key: "step".to_owned() }
}

/// The steps after a filter and a `set`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Nothing,
    /// A join that keeps rows with the given kind of match, and a `set` that reads the added column.
    Join(bool),
    /// A join with a table that has a key twice.
    Multiplied,
    /// A join, and an operator that needs all rows in their order.
    JoinAndNumber,
}

const MORE: [More; 5] = [More::Nothing, More::Join(true), More::Join(false), More::Multiplied, More::JoinAndNumber];

fn steps(more: More) -> Vec<TransformStep> {
    let expression = |text: &str| Expression::new(Expr::parse(text).unwrap(), |_| place());
    let set = |pairs: &[(&str, &str)]| {
        let assign =
            |(to, value): &(&str, &str)| Assign { column: (*to).to_owned(), value: expression(value), at: place() };
        StepKind::Set(pairs.iter().map(assign).collect())
    };
    let column = |name: &str| Column { name: name.to_owned(), at: place() };
    let join = |is_left: bool| {
        let columns = vec![Rename { to: column("v"), from: column("value") }];
        let lookup = Lookup { columns, many: false, hold: false };
        StepKind::Join(Join {
            with: TableRef::Source("table".to_owned()),
            matches: vec![Match { ours: column("c"), theirs: column("key") }],
            kind: if is_left { JoinKind::Left(lookup) } else { JoinKind::Inner(lookup) },
        })
    };
    let mut kinds = vec![
        StepKind::Filter(expression("c <> 'drop'")),
        set(&[("e", "a || '/' || cast(d as integer)"), ("b", "upper(b)")]),
    ];
    match more {
        More::Nothing => {}
        More::Join(is_left) => kinds.extend([join(is_left), set(&[("f", "v || a")])]),
        // Rows without a match come before the error, and are passed on once.
        More::Multiplied => kinds.push(join(true)),
        More::JoinAndNumber => {
            kinds.extend([
                join(true),
                StepKind::Number(Number { column: column("n"), start: 1 }),
                set(&[("f", "v || n")]),
            ]);
        }
    }
    kinds.into_iter().map(|kind| TransformStep { at: place(), kind, on_error: OnError::Fail }).collect()
}

/// The table that joins read.
fn table(more: More) -> StepInputs {
    let rows =
        if more == More::Multiplied { "key,value\nkeep,1\nother,2\nkeep,3\n" } else { "key,value\nkeep,\"1,\"\n" };
    let read = Arc::new(move || Ok(Box::new(Cursor::new(rows.as_bytes())) as Box<dyn Read + Send>));
    let table = OpenTable { read, csv: CsvInput::default(), rows_max: None };
    StepInputs { tables: BTreeMap::from([("table".to_owned(), table)]), delta: None }
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
        // An empty one is dropped by the filter, and `none` has no match.
        let c = ["keep", "drop", "", "\"keep\"", "none"][random.usize(..5)];
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

fn open(text: &str, strict: bool, more: More) -> Transform<'static> {
    let meter: &'static Meter = Box::leak(Box::default());
    let input = Input {
        read: Box::new(Cursor::new(text.as_bytes().to_vec())),
        csv: CsvInput { strict, ..CsvInput::default() },
        limits: Limits::default(),
        folder: Path::new("/tmp"),
        meter,
        stop: CancellationToken::new(),
        step_inputs: table(more),
    };
    Transform::open(input, &steps(more), &BTreeMap::new()).unwrap()
}

/// The rows as one thread makes them, one record after the other.
fn expected(text: &str, strict: bool, more: More) -> (Kept, Result<(u64, u64), String>) {
    let Transform { mut records, mut chain } = open(text, strict, more);
    let mut kept = Kept::default();
    let ended = loop {
        match records.next() {
            Ok(None) => break Ok((kept.records.len() as u64, kept.rows.len() as u64)),
            Err(error) => break Err(error.to_string()),
            Ok(Some(record)) => {
                kept.record(&record);
                if let Err(error) = chain.record(record, &mut |row| kept.row(row)) {
                    break Err(error.to_string());
                }
            }
        }
    };
    (kept, ended)
}

#[test]
fn several_threads_make_the_rows_that_one_makes_and_find_the_same_error() {
    let (mut faults, mut blocks) = (0, 0);
    for seed in 0..100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (text, strict) = (csv(&mut random), random.bool());
        let more = MORE[seed as usize % MORE.len()];
        let (one, ended) = expected(&text, strict, more);
        for (needs_rows, needs_encoded) in [(true, true), (false, true), (true, false)] {
            let mut kept = Kept { needs_rows, needs_encoded, ..Kept::default() };
            let transform = open(&text, strict, more);
            blocks += u32::from(!transform.records.is_last_block());
            let passed = transform.run_into(&encode, &mut kept);
            let passed = passed.map(|passed| (passed.balance.extracted, passed.balance.written));
            assert_eq!(passed.map_err(|error| error.to_string()), ended, "seed {seed}, {more:?}");
            // A join looks up many rows at once, so later records are seen before its error.
            let seen = if ended.is_ok() { kept.records.len() } else { one.records.len() };
            assert!(kept.records[..seen] == one.records, "seed {seed}, {more:?}: the records differ");
            if needs_rows {
                assert!(kept.rows == one.rows, "seed {seed}: the rows differ");
            }
            let encoded = one.rows.concat();
            if needs_encoded && ended.is_ok() {
                assert!(kept.encoded == encoded, "seed {seed}, {more:?}: the encoded rows differ");
                assert_eq!(kept.encoded_rows, one.rows.len() as u64, "seed {seed}, {more:?}");
            }
            // The last rows before an error may be missing.
            assert!(encoded.starts_with(&kept.encoded), "seed {seed}, {more:?}: the encoded rows differ");
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
        let error = open(&text, true, More::Nothing).run(on_row).unwrap_err();
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
