//! Expressions and files against DuckDB and Python's `csv`: oracles that are not ours.

#![allow(clippy::unwrap_used)] // a test may stop at what it did not expect

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use reportferry::encode::{ArtifactFile, FileLayout};
use reportferry::expr::Expr;
use reportferry::pipeline::plan::{
    Assign, Column, CsvDialect, CsvInput, DecimalPoint, Expression, Format, Header, OnError, QuoteStyle, RecordEnd,
    Rename, StepKind, TransformStep,
};
use reportferry::progress::Meter;
use reportferry::settings::Limits;
use reportferry::transform::{Input, Transform};
use reportferry::yaml::problem::Place;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

mod aggregate;
mod cells;
mod delta;
mod duckdb;
mod expressions;
mod fuzz;
mod generator;
mod join;
mod mixed;
mod oracle;
mod table_steps;

use duckdb::{Difference, assert_differences, compare};
use generator::Generator;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/python");

/// Runs a script with one JSON document in and one out.
fn ask_python(script: &str, question: &Value) -> Value {
    let mut python = Command::new(PYTHON)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{PYTHON}: {error}; tests/tools installs it"));
    python.stdin.take().unwrap().write_all(question.to_string().as_bytes()).unwrap();
    let answer = python.wait_with_output().unwrap();
    assert!(answer.status.success(), "the oracle failed");
    serde_json::from_slice(&answer.stdout).unwrap()
}

fn place() -> Place {
    Place { file: Arc::new(PathBuf::from("p.yaml")), line: 1, column: 1, span: 0..0, key: "step".to_owned() }
}

fn step(kind: StepKind) -> TransformStep {
    TransformStep { at: place(), kind, on_error: OnError::Fail }
}

fn set(column: &str, expr: &str) -> Assign {
    let expr = Expr::parse(expr).unwrap_or_else(|problem| panic!("{expr}: {problem}"));
    Assign { column: column.to_owned(), value: Expression::new(expr, |_| place()), at: place() }
}

fn input(read: impl std::io::Read + Send + 'static, meter: &Meter) -> Input<'_> {
    let csv = CsvInput::default();
    let (stop, step_inputs) = (CancellationToken::new(), Default::default());
    let folder = Path::new("/tmp");
    Input { read: Box::new(read), csv, limits: Limits::default(), folder, meter, stop, step_inputs }
}

const COLUMNS: [&str; 6] = ["a", "b", "n", "d", "t", "f"];

/// Texts with everything that trips a reader, and numbers, times and booleans that are well formed. Empty is null.
const ROWS: [[&str; 6]; 9] = [
    ["Ann", "ann@example.com", "5", "1.50", "2026-01-05 23:30:00", "true"],
    ["", "", "", "", "", ""],
    ["O'Neil, \"B\"", "x", "-3", "-0.05", "2024-02-29", "false"],
    ["Ärger ÉCLAIR ß", "日本語テキスト", "0", "100", "1999-12-31 00:00:00", "t"],
    ["  padded  ", "", "42", "2.675", "2026-07-01 12:00:00.5", "no"],
    ["007", "7", "7", "7.00", "2026-03-08 06:59:59", "1"],
    ["100%", "a_b%c\\d", "1000000", "0.001", "2026-03-08 07:00:00", "0"],
    ["line\nbreak", "tab\there", "-1", "99999.99", "2026-11-01 05:59:59", "yes"],
    ["", "only b", "12", "", "", "f"],
];

fn csv_of(rows: &[[&str; 6]]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).unwrap();
    rows.iter().for_each(|row| writer.write_record(row).unwrap());
    writer.into_inner().unwrap()
}

fn strings(exprs: &[&str]) -> Vec<String> {
    exprs.iter().map(|expr| (*expr).to_owned()).collect()
}

#[test]
fn written_expressions_mean_what_duckdb_means() {
    let exprs = strings(&[
        "a",
        "a = b",
        "a <> b",
        "a < b",
        "a <= 'Z'",
        "a > 'é'",
        "a != 'Ann'",
        "a is null",
        "b is not null",
        "a = 'Ann' and b = 'x'",
        "a = 'Ann' or b = 'x'",
        "not a = 'Ann'",
        "a is null and b = 'x'",
        "a = 'x' or b is null",
        "a in ('Ann', '007')",
        "a not in ('Ann', '007')",
        "a in ('1','2','3','4','5','6','7','8','9','Ann')",
        "a not in ('1','2','3','4','5','6','7','8','9','Ann')",
        "a in ('Ann', cast(null as varchar))",
        "a not in ('Ann', cast(null as varchar))",
        "(a = 'Ann') is unknown",
        "(a = 'Ann') is not unknown",
        "position('n' in a)",
        "position('' in a)",
        "strpos(b, '本')",
        "strpos(a, 'zz')",
        "abs(cast(n as bigint))",
        "abs(cast(d as decimal(10,2)))",
        "abs(cast(d as double))",
        "floor(cast(d as decimal(10,2)))",
        "ceil(cast(d as decimal(10,2)))",
        "floor(cast(d as double))",
        "ceil(cast(d as double))",
        "round(cast(d as decimal(10,3)))",
        "round(cast(d as decimal(10,3)), 1)",
        "round(cast(d as decimal(10,3)), 2)",
        "round(-cast(d as decimal(10,3)), 2)",
        "round(cast(d as decimal(10,3)), 5)",
        "round(cast(d as double), 2)",
        "round(cast(d as double))",
        "round(cast(n as bigint), 2)",
        "round(2.5)",
        "round(-2.5)",
        "floor(-2.5)",
        "ceil(-2.5)",
        "'00' || cast(n as bigint) + 1",
        "cast(n as integer) in (5, 7)",
        "cast(n as integer) in (5.0, 7)",
        "cast(n as bigint) between -1 and 7",
        "cast(n as bigint) not between -1 and 7",
        "a between 'A' and 'P'",
        "a like 'A%'",
        "a not like '%n'",
        "b like '%@%.com'",
        "a like '_nn'",
        "a like '%!%%' escape '!'",
        "b like 'a\\_%'",
        "b like '%本_テ%'",
        "a like '%\"B\"'",
        "a like '%'",
        "b like 'tab%here'",
        "(a = 'Ann') is true",
        "(a = 'Ann') is not true",
        "(a = 'Ann') is false",
        "(a = 'Ann') is not false",
        "case when a = 'Ann' then 'one' when b = 'x' then 'two' else 'three' end",
        "case when a is null then 'none' end",
        "case a when 'Ann' then 1 when '007' then 2 end",
        "case cast(n as integer) when 5 then 'five' else a end",
        "case when a = 'Ann' then 1 else 2.5 end",
        "coalesce(cast(d as decimal(10,2)), 1)",
        "coalesce(a, b, 'none')",
        "nullif(a, 'Ann')",
        "nullif(a, b)",
        "nullif(cast(n as integer), 5)",
        "a || b",
        "a || '-' || b || '!'",
        "concat(a, '-', b, 1, true)",
        "concat(a)",
        "'x' || cast(n as integer)",
        "a || true",
        "a || 1.50",
        "lower(a)",
        "upper(a)",
        "upper(b)",
        "lower('İ ẞ ΑΣ')",
        "upper('straße ŉ ﬁ ǆ ǅ ſ ÿ')",
        "length(a)",
        "length(b)",
        "trim(a)",
        "ltrim(a)",
        "rtrim(a)",
        "trim(a, 'Aß')",
        "ltrim(a, '0')",
        "rtrim(b, 'mo')",
        "trim(both '0' from a)",
        "trim(leading 'A' from a)",
        "trim('\u{a0}\u{2003} x \t\u{3000}')",
        "trim('\u{1680}\u{200b}x')",
        "replace(a, 'n', 'NN')",
        "replace(a, '', 'x')",
        "replace(a, 'n', '')",
        "replace(b, '本', 'ß')",
        "left(a, 2)",
        "left(a, -2)",
        "left(b, 100)",
        "left(a, 0)",
        "right(a, 2)",
        "right(a, -2)",
        "right(b, 100)",
        "right(a, 0)",
        "lpad(a, 12, 'xy')",
        "lpad(b, 3, 'é')",
        "rpad(a, 12, '日本')",
        "rpad(a, 0, 'x')",
        "lpad(a, -1, 'x')",
        "substr(a, 2)",
        "substr(a, 2, 3)",
        "substr(a, 0, 2)",
        "substr(a, -3)",
        "substr(a, -3, 2)",
        "substr(a, -10, 7)",
        "substr(a, 3, -2)",
        "substr(a, 100)",
        "substring(b, 2, 2)",
        "substring(b from 2 for 2)",
        "substring(b from 2)",
        "substr(a, cast(n as bigint), 2)",
        "cast(n as bigint) + 1",
        "cast(n as bigint) - 1",
        "cast(n as bigint) * 3",
        "cast(n as bigint) / 4",
        "cast(n as bigint) % 4",
        "-cast(n as bigint)",
        "- -5",
        "+5",
        "1 + 2 * 3 - 4",
        "(1 + 2) * 3",
        "7 / 2",
        "6 / 2",
        "-7 % 3",
        "5.5 % 2",
        "0.1 + 0.2",
        "0.1 * 0.2",
        "1.50 + 1",
        "1.50 * 2",
        "1.5 - 0.25",
        "cast(d as decimal(10,2)) + 1",
        "cast(d as decimal(10,2)) * 2.5",
        "cast(d as decimal(10,2)) / 3",
        "cast(d as double)",
        "cast(d as double) * 3",
        "cast(d as double) / 7",
        "1e3",
        "1e20",
        "1e-7",
        "cast(d as decimal(10,1))",
        "cast(d as decimal(4,2))",
        "cast(d as numeric)",
        "cast(d as integer)",
        "cast(2.5 as integer)",
        "cast(cast(2.5 as double) as integer)",
        "cast(cast(3.5 as double) as integer)",
        "cast(d as decimal(3,0))",
        "cast(' 42 ' as integer)",
        "cast('+5' as integer)",
        "cast('1e3' as integer)",
        "cast('2.5' as integer)",
        "cast('-2.5' as integer)",
        "cast('1e2' as decimal(10,2))",
        "cast('.5' as double)",
        "cast('1.' as integer)",
        "cast('-0' as integer)",
        "try_cast(a as integer)",
        "try_cast(a as double)",
        "try_cast(a as boolean)",
        "try_cast(a as date)",
        "try_cast(a as decimal(5,2))",
        "cast(a as integer)",
        "cast(a as boolean)",
        "cast(a as date)",
        "cast(a as decimal(9,2))",
        "try_cast('99999' as decimal(5,2))",
        "cast(f as boolean)",
        "not cast(f as boolean)",
        "cast(cast(f as boolean) as integer)",
        "cast(cast(n as integer) as boolean)",
        "cast(f as boolean) = true",
        "cast(f as boolean) > false",
        "cast(true as text)",
        "cast(1.7 as text)",
        "cast(n as text)",
        "cast(t as date)",
        "cast(t as timestamp)",
        "cast(cast(t as date) as timestamp)",
        "cast(t as timestamp) >= '2026-03-08 07:00:00'",
        "cast(t as date) >= '2026-01-05'",
        "cast(t as date) = cast(t as timestamp)",
        "date '2026-02-03'",
        "timestamp '2026-02-03 04:05:06.070'",
        "cast(cast(t as timestamp) as text) || '!'",
        "cast('2026-01-05T10:00:00Z' as timestamp)",
        "sha256(a)",
        "sha256('')",
        "sha256(b || a)",
        "1 = 1.0",
        "1.0 = 1",
        "1 < 1.0000001",
        "cast(d as double) > 1",
        "null",
        "null or true",
        "null and false",
        "not null is null",
        "9223372036854775807",
        "-9223372036854775807",
        "cast(n as bigint) + 9223372036854775800",
        "cast(n as bigint) * 9223372036854775",
        "a = 'Ann' or cast(n as bigint) > 3 and not b like '%x%'",
        "n::bigint + 1",
    ]);
    compare(&exprs, &ROWS);
}

#[test]
fn generated_expressions_mean_what_duckdb_means() {
    let mut generator = Generator(fastrand::Rng::with_seed(20_261_123));
    let exprs: Vec<String> = (0..600).map(|index| generator.expression(index)).collect();
    compare(&exprs, &ROWS);
}

/// Every intended difference (`transform::expr` gives the reasons): the expression, ours, DuckDB's. None is an error.
#[test]
fn the_differences_from_duckdb_are_these() {
    let differences: &[Difference] = &[
        ("d = 2", Some("false"), Some("true")),
        ("d > 1", Some("true"), None),
        ("n + 1", Some("6"), None),
        ("length(5)", Some("1"), None),
        ("substr(a, 9223372036854775807, 9223372036854775807)", Some(""), None),
        ("cast('3000000000' as integer)", Some("3000000000"), None),
        ("2147483647 + 1", Some("2147483648"), None),
        ("1 / cast('0' as integer)", None, Some("inf")),
        ("1 % cast('0' as integer)", None, Some("")),
        ("cast(concat('1e308') as double) * 10", None, Some("inf")),
        ("try_cast(concat('inf') as double)", Some(""), Some("inf")),
        ("try_cast(concat('nan') as double)", Some(""), Some("nan")),
        ("try_cast(concat('0x10') as integer)", Some(""), Some("16")),
        ("try_cast(concat('1_000') as integer)", Some(""), Some("1000")),
        ("try_cast(concat('2026/1/5') as date)", Some(""), Some("2026-01-05")),
        (
            "try_cast(concat('2026-01-05 10:00:00.1234567') as timestamp)",
            Some("2026-01-05 10:00:00.123456"),
            Some("2026-01-05 10:00:00.123456"),
        ),
        ("floor(cast(n as bigint))", Some("5"), Some("5.0")),
        ("cast(a as varchar(2))", Some("An"), Some("Ann")),
        ("cast('2026-01-05 10:00:00+02:00' as timestamp)", Some("2026-01-05 08:00:00"), Some("2026-01-05 10:00:00")),
    ];
    assert_differences(differences, ROWS[0]);
}

const DIALECT: CsvDialect = CsvDialect {
    delimiter: b',',
    quote: QuoteStyle::Necessary,
    record_end: RecordEnd::Lf,
    header: Header::Names,
    bom: false,
    formula_guard: false,
    escape: None,
    null_text: String::new(),
    decimal: DecimalPoint::Point,
};

/// Writes `in.csv` and, by DuckDB's own means, `theirs.csv` into a folder.
const WHOLE_FILE: &str = r#"
import csv, duckdb, json, random, sys
folder = json.load(sys.stdin)
chance = random.Random(11)
names = ["Ann", "O'Neil, B", 'say "hi"', "Ärger", "日本語", "line\nbreak", "x" * 300, "", "a;b|c"]
with open(folder + "/in.csv", "w", newline="", encoding="utf-8") as file:
    out = csv.writer(file)
    out.writerow(["Employee Number", "Name", "Status", "Completion Date", "Score"])
    for row in range(100_000):
        done = f"{chance.randrange(1990, 2035)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02} {chance.randrange(24):02}:{chance.randrange(60):02}:{chance.randrange(60):02}"
        out.writerow([f"{row:07}", chance.choice(names), chance.choice(["Completed", "In Progress", ""]), chance.choice([done, done, done, ""]), chance.choice([str(chance.randrange(100)), ""])])
db = duckdb.connect()
db.execute("set timezone = 'UTC'")
db.execute(f'''copy (select "Name" as name, "Employee Number" as id,
  strftime(timezone('America/New_York', timezone('UTC', cast("Completion Date" as timestamp))), '%m/%d/%Y %H:%M:%S') as done,
  sha256("Name") as digest, coalesce(upper("Status"), 'NONE') as state, cast("Score" as bigint) * 2 + 1 as score
  from read_csv('{folder}/in.csv', all_varchar=true, header=true, delim=',', quote='"', escape='"', new_line='\\r\\n', parallel=false)
  where "Status" is null or "Status" <> 'In Progress') to '{folder}/theirs.csv' (header, delimiter ',')''')
json.dump(db.execute(f"select count(*) from read_csv('{folder}/theirs.csv', all_varchar=true)").fetchone()[0], sys.stdout)
"#;

#[test]
fn a_whole_file_is_duckdbs_byte_for_byte() {
    let folder = crate::stage::folder();
    let delivered = ask_python(WHOLE_FILE, &json!(folder.path())).as_u64().unwrap();
    let column = |name: &str| Column { name: name.to_owned(), at: place() };
    let rename = |to: &str, from: &str| Rename { to: column(to), from: column(from) };
    let steps = [
        step(StepKind::Rename(vec![
            rename("name", "Name"),
            rename("id", "Employee Number"),
            rename("state", "Status"),
        ])),
        step(StepKind::Filter(Expression::new(
            Expr::parse("state is null or state <> 'In Progress'").unwrap(),
            |_| place(),
        ))),
        step(StepKind::Set(vec![
            set("done", "format_time(\"Completion Date\", '%m/%d/%Y %H:%M:%S', 'America/New_York')"),
            set("digest", "sha256(name)"),
            set("state", "coalesce(upper(state), 'NONE')"),
            set("score", "cast(\"Score\" as bigint) * 2 + 1"),
        ])),
        step(StepKind::Select(["name", "id", "done", "digest", "state", "score"].map(column).into())),
    ];
    let meter = Meter::default();
    let source = std::fs::File::open(folder.path().join("in.csv")).unwrap();
    let transform = Transform::open(input(source, &meter), &steps, &BTreeMap::new()).unwrap();
    let path = folder.path().join("ours.csv");
    let format = Format::Csv(DIALECT.clone());
    let layout = FileLayout { format: &format, split: None, keeps_rows: false };
    let mut file = ArtifactFile::create(&path, "ours.csv", layout, transform.columns()).unwrap();
    let balance = transform.run(|row| file.row(row).map_err(std::io::Error::other)).unwrap();
    let artifact = file.finish(|_| Ok(String::new())).unwrap();
    assert_eq!((balance.extracted, balance.written, artifact.rows), (100_000, delivered, delivered));
    assert_eq!(balance.steps[0].rows, 100_000 - delivered);
    assert_eq!(meter.done(), std::fs::metadata(folder.path().join("in.csv")).unwrap().len());
    assert_same(&path, &folder.path().join("theirs.csv"));
}

fn assert_same(ours: &Path, theirs: &Path) {
    let (ours, theirs) = (std::fs::read_to_string(ours).unwrap(), std::fs::read_to_string(theirs).unwrap());
    let differing = ours.lines().zip(theirs.lines()).enumerate().find(|(_, (ours, theirs))| ours != theirs);
    assert_eq!(differing, None);
    assert_eq!(ours.len(), theirs.len());
}

#[test]
fn what_is_written_is_what_python_reads() {
    let cells = ["", "x", "a,b", "\"", "\"\"", "\r", "\n", "\r\n", " lead", "é", "=1", "'", "\\", "\t"];
    let rows: Vec<[&str; 2]> = cells.iter().flat_map(|one| cells.iter().map(move |two| [*one, *two])).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["a", "b"]).unwrap();
    rows.iter().for_each(|row| writer.write_record(row).unwrap());
    let bytes = writer.into_inner().unwrap();
    let folder = crate::stage::folder();
    for (quote, record_end, delimiter) in [
        (QuoteStyle::Necessary, RecordEnd::Lf, b','),
        (QuoteStyle::Always, RecordEnd::CrLf, b'|'),
        (QuoteStyle::Necessary, RecordEnd::CrLf, b'\t'),
    ] {
        let dialect = CsvDialect { delimiter, quote, record_end, ..DIALECT };
        let path = folder.path().join("out.csv");
        let meter = Meter::default();
        let transform = Transform::open(input(Cursor::new(bytes.clone()), &meter), &[], &BTreeMap::new()).unwrap();
        let format = Format::Csv(dialect.clone());
        let layout = FileLayout { format: &format, split: None, keeps_rows: false };
        let mut file = ArtifactFile::create(&path, "out.csv", layout, transform.columns()).unwrap();
        transform.run(|row| file.row(row).map_err(std::io::Error::other)).unwrap();
        file.finish(|_| Ok(String::new())).unwrap();
        let script = "import csv, json, sys; path, delimiter = json.load(sys.stdin); \
                      json.dump(list(csv.reader(open(path, newline='', encoding='utf-8'), delimiter=delimiter)), sys.stdout)";
        let read = ask_python(script, &json!([path, char::from(delimiter).to_string()]));
        let expected: Vec<[&str; 2]> = std::iter::once(["a", "b"]).chain(rows.iter().copied()).collect();
        assert_eq!(read, json!(expected), "{dialect:?}");
    }
}
