//! Thousands of generated expressions against DuckDB: every function and operator of the documentation.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use reportferry::expr::Expr;
use reportferry::pipeline::plan::{Column, StepKind};
use reportferry::progress::Meter;
use reportferry::secret::Secret;
use reportferry::transform::Transform;
use serde_json::json;

use super::generator::Generator;
use super::{COLUMNS, ask_python, csv_of, input, place, set, step};

const ROWS: [[&str; 6]; 10] = [
    ["Ann", "ann@example.com", "5", "1.50", "2026-01-05 23:30:00", "true"],
    ["", "", "", "", "", ""],
    ["Ärger ÉCLAIR ß", "日本語テキスト", "-3", "-0.05", "1969-12-31 23:59:59.5", "false"],
    ["O'Neil, \"B\" \\1 $", "a-b--c", "0", "100", "2024-02-29 12:00:00", "true"],
    ["  padded  ", "x,y,,z", "42", "2.675", "1900-03-01 00:00:00", "false"],
    ["e\u{301} N\u{303}a 123 abc", "line\nbreak", "7", "9999.99", "2000-12-31 23:59:59.999999", "true"],
    ["007", "", "12", "", "1583-01-01 06:30:00", ""],
    ["aab-aab", "Ann", "-1", "0.01", "1968-02-29 00:00:00.000001", "true"],
    ["Ångström ðø", "%_%", "-42", "-2.5", "2026-03-08 06:59:59", "false"],
    ["", "only b", "1", "7.00", "1970-01-01 00:00:00", "false"],
];

const SALT: &str = "a key of more than 16 bytes";

/// Results by expression and row: a text, `""` for null as for empty, JSON's null for an error. What DuckDB lacks is
/// made of its own functions.
const DUCKDB: &str = r#"
import duckdb, json, sys, uuid
ask = json.load(sys.stdin)
db = duckdb.connect()
db.execute("set timezone = 'UTC'")
spaces = {"dns": uuid.NAMESPACE_DNS, "url": uuid.NAMESPACE_URL, "oid": uuid.NAMESPACE_OID, "x500": uuid.NAMESPACE_X500}
cases = " ".join(f"when '{name}' then '{space.hex}'" for name, space in spaces.items())
db.execute(f"create macro space_of(s) as unhex(case s {cases} else replace(s, '-', '') end)")
db.execute("create macro digits_of(h) as substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-5' || substr(h, 14, 3) || '-' || substr('89ab', (strpos('0123456789abcdef', substr(h, 17, 1)) - 1) % 4 + 1, 1) || substr(h, 18, 3) || '-' || substr(h, 21, 12)")
db.execute("create macro uuid5(s, x) as digits_of(sha1(space_of(s) || encode(x)))")
key = ask["salt"].encode().ljust(64, b"\0")
inner, outer = bytes(byte ^ 0x36 for byte in key).hex(), bytes(byte ^ 0x5C for byte in key).hex()
db.execute(f"create macro hmac_sha256(x, name) as sha256(unhex('{outer}') || unhex(sha256(unhex('{inner}') || encode(x))))")
db.execute("create macro iif(a, b, c) as case when a then b else c end")
db.execute("create macro format_time(x, f, z) as strftime(timezone(z, timezone('UTC', x)), f)")
db.execute("create macro parse_time(x, f) as cast(strptime(x, f) as varchar), (x, f, z) as cast(timezone('UTC', timezone(z, strptime(x, f))) as varchar)")
db.execute("create table rows (i integer, " + ", ".join(f'"{c}" varchar' for c in ask["columns"]) + ")")
for i, row in enumerate(ask["rows"]):
    db.execute("insert into rows values (?" + ", ?" * len(row) + ")", [i] + [cell or None for cell in row])
def one(expr, where):
    return [value or "" for (value,) in db.execute(f"select cast(({expr}) as varchar) from rows {where} order by i").fetchall()]
out = []
for expr in ask["exprs"]:
    try:
        out.append(one(expr, ""))
    except duckdb.Error:
        results = []
        for i in range(len(ask["rows"])):
            try:
                results += one(expr, f"where i = {i}")
            except (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException) as error:
                results.append("refused: " + str(error))
            except duckdb.Error:
                results.append(None)
        out.append(results)
json.dump(out, sys.stdout)
"#;

fn results(expr: &str, rows: &[[&str; 6]]) -> Option<Vec<String>> {
    let meter = Meter::default();
    let steps = [
        step(StepKind::Set(vec![set("result", expr)])),
        step(StepKind::Select(vec![Column { name: "result".to_owned(), at: place() }])),
    ];
    let secrets = BTreeMap::from([("salt".to_owned(), Secret::new(SALT))]);
    let transform = Transform::open(input(Cursor::new(csv_of(rows)), &meter), &steps, &secrets).unwrap();
    let mut results = Vec::new();
    let balance = transform.run(|row| {
        results.extend(row.cells().map(|cell| String::from_utf8(cell.bytes.to_vec()).unwrap()));
        Ok(())
    });
    balance.ok().map(|_| results)
}

/// Our results by row; `None` is a row error.
fn ours(expr: &str, rows: &[[&str; 6]]) -> Vec<Option<String>> {
    match results(expr, rows) {
        Some(results) => results.into_iter().map(Some).collect(),
        None => rows.iter().map(|row| results(expr, &[*row]).and_then(|mut only| only.pop())).collect(),
    }
}

#[test]
fn every_function_and_operator_means_what_duckdb_means() {
    let mut generator = Generator(fastrand::Rng::with_seed(20_261_126));
    let exprs: Vec<String> = (0..9_000).map(|index| generator.expression(index)).collect();
    assert_covered(&exprs);
    let answers = ask_python(DUCKDB, &json!({"columns": COLUMNS, "rows": ROWS, "exprs": exprs, "salt": SALT}));
    let (mut wrong, mut with_result) = (Vec::new(), 0);
    for (expr, answers) in exprs.iter().zip(answers.as_array().unwrap()) {
        if let Err(problem) = Expr::parse(expr) {
            wrong.push(format!("{expr}\n  {problem}"));
            continue;
        }
        let ours = ours(expr, &ROWS);
        with_result += usize::from(ours.iter().flatten().any(|result| !result.is_empty()));
        let rows = ROWS.iter().zip(answers.as_array().unwrap()).zip(ours);
        let differing = rows.filter(|((_, answer), ours)| ours.as_deref() != answer.as_str());
        wrong.extend(
            differing
                .take(1)
                .map(|((row, answer), ours)| format!("{expr}\n  of {row:?}\n  ours {ours:?}, DuckDB {answer}")),
        );
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(with_result * 10 >= exprs.len() * 6, "only {with_result} expressions have a result");
}

const PAGE: &str = include_str!("../../../docs/expressions.md");

/// Returns the code in the first cells of the table below a heading.
fn documented(heading: &str) -> Vec<String> {
    let section = PAGE.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let first = row.replace("\\|", "\u{1}").split('|').nth(1).unwrap().replace('\u{1}', "|");
        first.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    })
    .collect()
}

/// The texts by which the operators of the documentation are found in an expression.
const OPERATORS: &[(&str, &str)] = &[
    ("::", "::"),
    ("-x", "(-"),
    ("+x", "(+"),
    ("*", " * "),
    ("/", " / "),
    ("%", " % "),
    ("+", " + "),
    ("-", " - "),
    ("||", " || "),
    ("between", " between "),
    ("in", " in ("),
    ("like", " like "),
    ("_", "_%'"),
    ("like … escape", " escape "),
    ("=", " = "),
    ("<>", " <> "),
    ("!=", " != "),
    ("<", " < "),
    ("<=", " <= "),
    (">", " > "),
    (">=", " >= "),
    ("is null", " is null"),
    ("is not null", " is not null"),
    ("is true", " is true"),
    ("is false", " is false"),
    ("is unknown", " is unknown"),
    ("is distinct from", " is distinct from "),
    ("is not distinct from", " is not distinct from "),
    ("not", "not "),
    ("and", " and "),
    ("or", " or "),
    ("case", "case when "),
    ("case x when", " when 'Ann'"),
    ("interval", "interval "),
];

/// Every function and operator of the documentation is in at least 30 expressions.
fn assert_covered(exprs: &[String]) {
    let texts: Vec<&str> = OPERATORS.iter().map(|(operator, _)| *operator).collect();
    let unknown: Vec<String> =
        documented("Operators").into_iter().filter(|operator| !texts.contains(&operator.as_str())).collect();
    assert_eq!(unknown, [""; 0], "operators without a text to find them by");
    let functions: BTreeSet<String> = documented("Functions")
        .iter()
        .filter_map(|call| call.split_once('(').map(|(name, _)| format!("{name}(")))
        .collect();
    assert!(functions.len() > 50, "{functions:?}");
    let needles = functions.iter().map(String::as_str).chain(OPERATORS.iter().map(|(_, text)| *text));
    let rare: Vec<_> = needles
        .map(|text| (text, exprs.iter().filter(|expr| expr.contains(text)).count()))
        .filter(|(_, count)| *count < 30)
        .collect();
    assert!(rare.is_empty(), "too rare: {rare:?}");
}

/// Every intended difference of the newer functions: the expression, ours, DuckDB's, for the first row. None is an error.
#[test]
fn the_differences_of_dates_patterns_and_json_are_these() {
    let differences: &[(&str, Option<&str>, Option<&str>)] = &[
        ("greatest(n, 12)", Some("12"), None),
        ("year(t)", Some("2026"), None),
        ("t + interval '1 day'", Some("2026-01-06 23:30:00"), None),
        ("date '9999-12-31' + cast(n as integer)", None, Some("10000-01-05")),
        ("date '9999-12-31' + interval '1 day'", None, Some("10000-01-01 00:00:00")),
        ("date_diff('week', date '2026-01-04', date '2026-01-05')", Some("1"), Some("0")),
        ("regexp_matches(concat('é'), '\\w')", Some("true"), Some("false")),
        ("reverse('\u{1f1e9}\u{1f1ea}x')", Some("x\u{1f1ea}\u{1f1e9}"), Some("x\u{1f1e9}\u{1f1ea}")),
        ("split_part(a, '-', length(concat('')))", None, Some("")),
        ("chr(cast(length(concat('')) as integer))", None, Some("\0")),
        ("json_array(cast(d as decimal(5,2)), 1e20)", Some("[1.50,1e+20]"), Some("[1.5,100000000000000000000.0]")),
        ("json_array(coalesce(json_array(1), json_array(2)))", Some("[\"[1]\"]"), Some("[[1]]")),
    ];
    let refused = [
        "split_part(a, '-', 0)",
        "regexp_extract(a, '(n)', 2)",
        "regexp_replace(a, '(n)', '\\2')",
        "regexp_replace(a, 'n', '\\x')",
        "regexp_matches(a, b)",
        "cast(t as timestamp) + interval '1.5 days'",
        "cast(t as timestamp) + interval '01:30:00'",
        "cast(t as timestamp) + interval '1 d'",
    ];
    let exprs: Vec<&str> = differences.iter().map(|(expr, ..)| *expr).chain(refused).collect();
    let answers = ask_python(DUCKDB, &json!({"columns": COLUMNS, "rows": [ROWS[0]], "exprs": exprs, "salt": SALT}));
    let theirs = |index: usize| answers[index][0].as_str().filter(|text| !text.starts_with("refused: "));
    for (index, (expr, expected, duckdb)) in differences.iter().enumerate() {
        assert_eq!(ours(expr, &ROWS[..1])[0].as_deref(), *expected, "ours: {expr}");
        assert_eq!(theirs(index), *duckdb, "DuckDB: {expr}");
    }
    for (index, expr) in refused.iter().enumerate() {
        assert!(Expr::parse(expr).is_err(), "{expr}");
        assert!(theirs(differences.len() + index).is_some(), "DuckDB refuses {expr}");
    }
    // The page and the source have one list of differences.
    for row in include_str!("../../../src/expr/mod.rs").lines().filter_map(|line| line.strip_prefix("//! |")) {
        assert!(row.starts_with(" here") || row.starts_with("---") || PAGE.contains(row), "not in the page: {row}");
    }
}
