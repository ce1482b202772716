//! Expressions here and in DuckDB: the results of one are those of the other.

use std::collections::BTreeMap;
use std::io::Cursor;

use reportferry::expr::Expr;
use reportferry::pipeline::plan::{Column, StepKind};
use reportferry::progress::Meter;
use reportferry::secret::Secret;
use reportferry::transform::Transform;
use serde_json::{Value, json};

use super::{COLUMNS, ask_python, csv_of, input, place, set, step};

/// The value of the secret `salt`.
const SALT: &str = "a key of more than 16 bytes";

/// Results by expression and row: a text, `""` for null as for empty, JSON's null for an error, or `refused: ` and the
/// reason. What DuckDB lacks is made of its own functions.
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

/// Returns the results of an expression by row; `None` where one of them is a row error.
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

/// Returns our results by row; `None` is a row error.
pub(super) fn ours(expr: &str, rows: &[[&str; 6]]) -> Vec<Option<String>> {
    match results(expr, rows) {
        Some(results) => results.into_iter().map(Some).collect(),
        None => rows.iter().map(|row| results(expr, &[*row]).and_then(|mut only| only.pop())).collect(),
    }
}

/// Returns DuckDB's results by expression and row; `None` is an error, `refused: ` an expression that it does not take.
fn answers(exprs: &[&str], rows: &[[&str; 6]]) -> Vec<Vec<Option<String>>> {
    let answers = ask_python(DUCKDB, &json!({"columns": COLUMNS, "rows": rows, "exprs": exprs, "salt": SALT}));
    let results =
        |answer: &Value| answer.as_array().unwrap().iter().map(|cell| cell.as_str().map(str::to_owned)).collect();
    answers.as_array().unwrap().iter().map(results).collect()
}

/// Compares every expression on every row. Returns the number of expressions that have a result.
pub(super) fn compare(exprs: &[String], rows: &[[&str; 6]]) -> usize {
    let (mut wrong, mut with_result) = (Vec::new(), 0);
    let answers = answers(&exprs.iter().map(String::as_str).collect::<Vec<_>>(), rows);
    for (expr, answers) in exprs.iter().zip(answers) {
        if let Err(problem) = Expr::parse(expr) {
            wrong.push(format!("{expr}\n  {problem}"));
            continue;
        }
        let ours = ours(expr, rows);
        with_result += usize::from(ours.iter().flatten().any(|result| !result.is_empty()));
        let mut compared = rows.iter().zip(answers).zip(ours);
        let differing = compared.find(|((_, answer), ours)| ours != answer);
        wrong.extend(
            differing.map(|((row, answer), ours)| format!("{expr}\n  of {row:?}\n  ours {ours:?}, DuckDB {answer:?}")),
        );
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    with_result
}

/// An intended difference: the expression, our result and DuckDB's for the first row. `None` is an error.
pub(super) type Difference = (&'static str, Option<&'static str>, Option<&'static str>);

pub(super) fn assert_differences(differences: &[Difference], row: [&str; 6]) {
    let exprs: Vec<&str> = differences.iter().map(|(expr, ..)| *expr).collect();
    for ((expr, expected, theirs), answer) in differences.iter().zip(answers(&exprs, &[row])) {
        assert_eq!(ours(expr, &[row])[0].as_deref(), *expected, "ours: {expr}");
        assert_eq!(accepted(&answer), *theirs, "DuckDB: {expr}");
    }
}

/// Asserts that these expressions are problems here, and have a result in DuckDB.
pub(super) fn assert_refused_here(exprs: &[&str], row: [&str; 6]) {
    for (expr, answer) in exprs.iter().zip(answers(exprs, &[row])) {
        assert!(Expr::parse(expr).is_err(), "{expr}");
        assert!(accepted(&answer).is_some(), "DuckDB refuses {expr}");
    }
}

fn accepted(answer: &[Option<String>]) -> Option<&str> {
    answer[0].as_deref().filter(|text| !text.starts_with("refused: "))
}
