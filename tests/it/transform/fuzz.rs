//! Arbitrary bytes where files and people write: nothing panics, whatever is written.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use reportferry::expr::Expr;
use reportferry::extract::{Extract, Form, Stored};
use reportferry::pipeline;
use reportferry::pipeline::plan::{
    Assign, Column, CsvInput, Direction, Expression, NullsPosition, Rename, Sort, SortKey, StepKind,
};
use reportferry::pipeline::value_type::ValueType;
use reportferry::progress::Meter;
use reportferry::secret::Secret;
use reportferry::settings::{Limits, Settings};
use reportferry::transform::Transform;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{csv_of, input, place, step};

mod seeds;
use seeds::fuzz;

/// Changes some bytes: removed, repeated, replaced, inserted from a list, cut off.
fn mutate(rng: &mut fastrand::Rng, bytes: &mut Vec<u8>, pieces: &[&str]) {
    for _ in 0..rng.usize(1..6) {
        let at = rng.usize(..=bytes.len());
        let until = (at + rng.usize(..8)).min(bytes.len());
        match rng.u8(..6) {
            0 => drop(bytes.drain(at..until)),
            1 => {
                let piece = bytes[at..until].to_vec();
                bytes.splice(at..at, piece);
            }
            2 if at < bytes.len() => bytes[at] = rng.u8(..),
            3 => bytes.truncate(at),
            _ => {
                let piece = pieces[rng.usize(..pieces.len())];
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
}

const ROWS: [[&str; 6]; 3] = [
    ["Ann é\u{301}", "a-b \\1 $", "5", "1.50", "2026-01-05 23:30:00.5", "true"],
    ["", "", "", "", "", ""],
    ["日本\u{0}語\r\n", "😀", "-9223372036854775808", "99999999999999999999999999999999999999", "0001-01-01", "x"],
];

const WORDS: &[&str] = &[
    "a",
    "b",
    "n",
    "d",
    "t",
    "f",
    "\"a\"",
    "'x'",
    "''",
    "'é'",
    "0",
    "1",
    "-1",
    "2.5",
    "1e308",
    "9223372036854775807",
    "null",
    "true",
    "+",
    "-",
    "*",
    "/",
    "%",
    "||",
    "::",
    "=",
    "<>",
    "<",
    ">=",
    "and",
    "or",
    "not",
    "is null",
    "is true",
    "is distinct from",
    "is unknown",
    "in (",
    "between",
    "like '%x_'",
    "escape '!'",
    "case",
    "when",
    "then",
    "else",
    "end",
    "(",
    ")",
    ",",
    "cast(",
    "try_cast(",
    "as integer)",
    "as date)",
    "as timestamp)",
    "as decimal(38,2))",
    "as text)",
    "interval '1 day'",
    "interval '2147483647 years'",
    "interval",
    "date '2026-01-05'",
    "extract(year from",
    "'day'",
    "'month'",
    "'(a)|(b)*'",
    "'\\2\\1'",
    "'g'",
    "'%Y-%m-%d %f'",
    "'UTC'",
    "'dns'",
    "{",
    "--",
    "/*",
    ";",
    "\u{0}",
    "'",
    "\"",
    "😀",
    "\u{2018}",
    "@",
    "?",
    "$1",
    "x'41'",
    "e'\\n'",
];

/// Every function with arguments that fit most.
const CALLS: &[&str] = &[
    "lower(a)",
    "upper(a)",
    "trim(a, b)",
    "substr(a, n, n)",
    "left(a, n)",
    "right(a, n)",
    "lpad(a, n, b)",
    "rpad(a, 5, b)",
    "replace(a, b, t)",
    "repeat(a, n)",
    "reverse(a)",
    "split_part(a, b, n)",
    "strip_accents(a)",
    "translate(a, b, t)",
    "chr(n)",
    "ascii(a)",
    "length(a)",
    "strpos(a, b)",
    "concat(a, b, n)",
    "concat_ws(a, b, t)",
    "coalesce(a, b)",
    "nullif(a, b)",
    "greatest(n, d, 5)",
    "least(t, cast(t as date))",
    "abs(n)",
    "round(d, 2)",
    "floor(d)",
    "ceil(d)",
    "mod(n, d)",
    "n::integer * n::integer",
    "d + n",
    "-cast(n as integer)",
    "cast(d as double) * 1e300",
    "regexp_matches(a, '.*b?')",
    "regexp_replace(a, 'b*', '\\0-', 'g')",
    "regexp_replace(a, '(.)(b)?', '\\2\\1', 'gi')",
    "regexp_extract(a, '(.)$', 1)",
    "date_trunc('week', t)",
    "date_diff('microsecond', t, '9999-12-31')",
    "date_part('epoch', t)",
    "last_day(t)",
    "cast(t as date) + n",
    "t - interval '2147483647 months'",
    "t + interval '9999 years'",
    "cast(t as date) - date '0001-01-01'",
    "format_time(t, '%G-%V %j %s %Z', 'America/Sao_Paulo')",
    "parse_time(t, '%Y-%m-%d %H:%M:%S%.f')",
    "parse_time(a, '%d %B %y', 'Asia/Tokyo')",
    "sha256(a)",
    "md5(a)",
    "hmac_sha256(a, salt)",
    "uuid5('url', a)",
    "json_object('k', a, 'n', d)",
    "json_array(a, n, json_array(t))",
    "if(f = 'x', a, b)",
    "case a when b then n else d end",
    "a is not distinct from b",
    "n between d and 5",
];

fn expression(rng: &mut fastrand::Rng) -> String {
    let mut text = Vec::new();
    for _ in 0..rng.usize(1..8) {
        let list = if rng.bool() { CALLS } else { WORDS };
        text.extend_from_slice(list[rng.usize(..list.len())].as_bytes());
        text.push(b' ');
    }
    if rng.u8(..3) > 0 {
        // One call, with its arguments replaced by others.
        text = CALLS[rng.usize(..CALLS.len())].as_bytes().to_vec();
        for name in ["a", "n", "t", "d"] {
            if rng.bool() {
                let by = CALLS[rng.usize(..CALLS.len())];
                let of = String::from_utf8_lossy(&text).replacen(&format!("({name}"), &format!("({by}"), 1);
                text = of.into_bytes();
            }
        }
    }
    if rng.bool() {
        mutate(rng, &mut text, WORDS);
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn assign(column: &str, expr: Expr) -> Assign {
    Assign { column: column.to_owned(), value: Expression::new(expr, |_| place()), at: place() }
}

fn secrets() -> BTreeMap<String, Secret> {
    BTreeMap::from([("salt".to_owned(), Secret::new("a key of more than 16 bytes"))])
}

#[test]
fn no_expression_panics() {
    fuzz("no_expression_panics", |rng, description| {
        *description = expression(rng);
        let expr = match Expr::parse(description) {
            Ok(expr) => expr,
            Err(problem) => {
                let end = problem.offset + problem.len;
                assert!(description.get(problem.offset..end).is_some(), "{problem:?} is outside of the text");
                return;
            }
        };
        for row in ROWS {
            let meter = Meter::default();
            let steps = [step(StepKind::Set(vec![assign("result", expr.clone())]))];
            let Ok(transform) = Transform::open(input(Cursor::new(csv_of(&[row])), &meter), &steps, &secrets()) else {
                return;
            };
            let ran = transform.run(|row| {
                let mut cells = row.cells().map(|cell| std::str::from_utf8(cell.bytes));
                assert!(cells.all(|cell| cell.is_ok()), "a result is not UTF-8");
                Ok(())
            });
            if let Err(error) = ran {
                assert!(!error.to_string().is_empty());
            }
        }
    });
}

fn steps(rng: &mut fastrand::Rng) -> Vec<StepKind> {
    let column = |rng: &mut fastrand::Rng| {
        let name = ["a", "b", "n", "d", "result", "é"][rng.usize(..6)];
        Column { name: name.to_owned(), at: place() }
    };
    let expr = |rng: &mut fastrand::Rng, list: &[&str]| {
        let text = list[rng.usize(..list.len())];
        Expr::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
    };
    (0..rng.usize(..4))
        .map(|_| match rng.u8(..6) {
            0 => StepKind::Select(vec![column(rng), column(rng)]),
            1 => StepKind::Drop(vec![column(rng)]),
            2 => StepKind::Rename(vec![Rename { to: column(rng), from: column(rng) }]),
            3 => {
                let (value_type, direction) = (ValueType::Text, Direction::Ascending);
                let key = SortKey { column: column(rng), value_type, direction, nulls: NullsPosition::Last };
                StepKind::Sort(Sort { keys: vec![key] })
            }
            4 => {
                let list = ["a = b", "a is null", "length(a) > 2", "a like '%\"%'", "a > 5"];
                let expr = expr(rng, &list);
                StepKind::Filter(Expression::new(expr, |_| place()))
            }
            _ => StepKind::Set(vec![assign(["a", "result"][rng.usize(..2)], expr(rng, CALLS))]),
        })
        .collect()
}

#[test]
fn no_csv_panics() {
    let pieces =
        ["\"", "\"\"", ",", ";", "\t", "\r", "\n", "\r\n", "é", "\u{feff}", "\0", "5", "2026-01-05", "x,y", "\\"];
    let folder = crate::stage::folder();
    fuzz("no_csv_panics", |rng, description| {
        let mut bytes = if rng.bool() { csv_of(&ROWS) } else { b"a,b,n\nx,y,5\n\"q\"\"\",,\n".to_vec() };
        mutate(rng, &mut bytes, &pieces);
        *description = format!("{:?}", String::from_utf8_lossy(&bytes));
        let steps: Vec<_> = steps(rng).into_iter().map(step).collect();
        let meter = Meter::default();
        let mut input = input(Cursor::new(bytes), &meter);
        input.folder = folder.path();
        input.csv = CsvInput { strict: rng.bool(), ..CsvInput::default() };
        let Ok(transform) = Transform::open(input, &steps, &secrets()) else { return };
        let mut rows = 0;
        let ran = transform.run(|row| {
            rows += u64::from(row.cells().count() > 0);
            Ok(())
        });
        if let Ok(balance) = ran {
            assert_eq!(balance.written, rows);
        }
    });
}

const PIPELINE: &str = include_str!("../../../pipelines/compliance-completions.yaml");

#[test]
fn no_pipeline_text_panics() {
    let pieces = [
        "\n",
        "  ",
        "- ",
        ": ",
        "[",
        "]",
        "{",
        "}",
        "&a ",
        "*a",
        "!!str ",
        "|\n",
        ">-\n",
        "'",
        "\"",
        "#",
        "\t",
        "é",
        "\0",
        "null",
        "~",
        "steps:",
        "filter: ",
        "set: ",
        "sort: ",
        "expect: ",
        "<<: *a",
        "%",
        "---\n",
        "...\n",
        "99999999999999999999",
        "-1",
        "1e9",
        "0x1F",
        "? ",
        "every: ",
        "cron: ",
        "file: ",
        "columns: ",
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("reportferry.yaml");
    let (settings, _) =
        Settings::load_with(Some(&file), &[], std::iter::empty()).unwrap_or_else(|problems| panic!("{problems:?}"));
    fuzz("no_pipeline_text_panics", |rng, description| {
        let mut bytes = PIPELINE.as_bytes().to_vec();
        mutate(rng, &mut bytes, &pieces);
        *description = String::from_utf8_lossy(&bytes).into_owned();
        match pipeline::load_text(&settings, &root.join("pipelines/p.yaml"), description) {
            Ok((plan, _)) => assert_eq!(plan.name, "p"),
            Err(problems) => assert!(!problems.is_empty(), "refused without a problem"),
        }
    });
}

fn zip_file(rng: &mut fastrand::Rng) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let method = if rng.bool() { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    for number in 0..rng.u8(1..3) {
        let name = ["r.csv", "report.CSV", "../é.csv", "r.txt"][rng.usize(..4)];
        let options = SimpleFileOptions::default().compression_method(method);
        if zip.start_file(format!("{number}{name}"), options).is_ok() {
            zip.write_all(&csv_of(&ROWS).repeat(rng.usize(1..4))).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn no_zip_panics() {
    let folder = crate::stage::folder();
    let path = folder.path().join("extract.zip");
    let pieces =
        ["PK\u{1}\u{2}", "PK\u{3}\u{4}", "PK\u{5}\u{6}", "\0\0\0\0", "\u{7f}\u{7f}\u{7f}\u{7f}", "PK\u{6}\u{7}"];
    fuzz("no_zip_panics", |rng, description| {
        let mut bytes = zip_file(rng);
        let whole = bytes.clone();
        mutate(rng, &mut bytes, &pieces);
        *description = format!("{bytes:?}");
        std::fs::write(&path, &bytes).unwrap();
        let extract = Extract {
            path: Path::new(&path).to_path_buf(),
            form: Form::Zip,
            bytes: bytes.len() as u64,
            stored: Stored::Spool { sha256: String::new() },
            source: Default::default(),
        };
        let Ok(mut read) = extract.open(&Limits::default()) else { return };
        let mut content = Vec::new();
        let content_read = read.read_to_end(&mut content);
        assert!(content_read.is_err() || content.len() <= whole.len() * 64, "{} bytes", content.len());
    });
}

/// Found by `no_zip_panics`: the end of a name was cut inside of a character.
#[test]
fn a_zip_with_a_name_that_is_not_utf_8_is_refused() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("abcdef", SimpleFileOptions::default()).unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    while let Some(at) = bytes.windows(6).position(|window| window == b"abcdef") {
        bytes[at..at + 6].copy_from_slice(b"\xff\xff\xff   ");
    }
    let folder = crate::stage::folder();
    let path = folder.path().join("extract.zip");
    std::fs::write(&path, &bytes).unwrap();
    let (form, bytes) = (Form::Zip, bytes.len() as u64);
    let extract =
        Extract { path, form, bytes, stored: Stored::Spool { sha256: String::new() }, source: Default::default() };
    let error = extract.open(&Limits::default()).err().unwrap();
    assert!(error.to_string().contains("holds no CSV"), "{error}");
}
