//! Tables, steps and SQL: whole transforms beside DuckDB, row for row.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use reportferry::pipeline;
use reportferry::progress::Meter;
use reportferry::settings::{Limits, Settings};
use reportferry::transform::{Balance, Input, StepInputs, Transform};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::ask_python;

/// A table of texts. Empty ones are null.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// The same on both sides: steps of a pipeline file, and a query.
#[derive(Debug, Default)]
pub(super) struct Case {
    /// The rows of the source. In SQL they are the table `rows`: `i`, the position from 0, then the columns as varchar.
    pub(super) table: Table,
    /// More tables, by name: in SQL as `rows`, for steps as `NAME.csv` beside the pipeline file.
    pub(super) others: Vec<(String, Table)>,
    /// The list under `transform`, as `- sort: [a]` on lines of their own.
    pub(super) steps: String,
    /// A query with an order, whose columns are the expected ones.
    pub(super) sql: String,
    /// `limits.memory`; the default if it is 0.
    pub(super) memory: usize,
    /// True if the steps must have a temporary file open when the first row comes out.
    pub(super) spills: bool,
}

/// The values of a column.
#[allow(dead_code)] // not every operator needs all of them
#[derive(Clone, Copy)]
pub(super) enum Values {
    Of(&'static [&'static str]),
    Integers(i64, i64),
    /// With up to this many digits after the point, and sometimes none.
    Decimals(i64, u32),
    Dates,
    Datetimes,
}

/// Returns a table with about one null in six, and few enough values for duplicates.
pub(super) fn table(random: &mut fastrand::Rng, columns: &[(&str, Values)], rows: usize) -> Table {
    let mut cell = |values: &Values| {
        if random.u8(..6) == 0 {
            return String::new();
        }
        match *values {
            Values::Of(words) => words[random.usize(..words.len())].to_owned(),
            Values::Integers(least, most) => random.i64(least..=most).to_string(),
            Values::Decimals(most, digits) => match random.u32(..=digits) {
                0 => random.i64(-most..=most).to_string(),
                digits => {
                    let fraction = random.u32(..10_u32.pow(digits));
                    format!("{}.{fraction:0width$}", random.i64(-most..=most), width = digits as usize)
                }
            },
            Values::Dates => format!("2{:03}-{:02}-{:02}", random.u8(20..24), random.u8(1..4), random.u8(1..4)),
            Values::Datetimes => {
                let fraction = ["", ".5", ".25"][random.usize(..3)];
                format!("2024-02-2{} 0{}:30:0{}{fraction}", random.u8(7..10), random.u8(..3), random.u8(..4))
            }
        }
    };
    let rows = (0..rows).map(|_| columns.iter().map(|(_, values)| cell(values)).collect()).collect();
    Table { columns: columns.iter().map(|(name, _)| (*name).to_owned()).collect(), rows }
}

/// Names, then rows, of each query; a text where DuckDB refuses one.
const DUCKDB: &str = r#"
import duckdb, json, sys
db = duckdb.connect(config={"threads": 1})
db.execute("set timezone = 'UTC'")
def text(value):
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
def quoted(cell):
    return "null" if cell == "" else "'" + cell.replace("'", "''") + "'"
out = []
for case in json.load(sys.stdin):
    for name, table in case["tables"]:
        columns = "".join(f', "{column}" varchar' for column in table["columns"])
        db.execute(f'create or replace table "{name}" (i integer{columns})')
        rows = [f"({i}, {', '.join(map(quoted, row))})" for i, row in enumerate(table["rows"])]
        if rows:
            db.execute(f'insert into "{name}" values ' + ", ".join(rows))
    try:
        found = db.execute(case["sql"])
        names = [column[0] for column in found.description]
        out.append([names, [[text(value) for value in row] for row in found.fetchall()]])
    except duckdb.Error as error:
        out.append(str(error))
json.dump(out, sys.stdout)
"#;

/// Compares names and rows of every case, with one process of DuckDB, and returns our balances.
pub(super) fn compare(cases: &[Case]) -> Vec<Balance> {
    compare_with(cases, |_, _| StepInputs::default())
}

/// Compares as [`compare`]. `step_inputs` opens the inputs of the steps of a plan, whose folder has the other tables.
pub(super) fn compare_with(
    cases: &[Case],
    step_inputs: impl Fn(&pipeline::plan::Plan, &Path) -> StepInputs,
) -> Vec<Balance> {
    let table = |table: &Table| json!({"columns": table.columns, "rows": table.rows});
    let question = cases.iter().map(|case| {
        let others = case.others.iter().map(|(name, other)| json!([name, table(other)]));
        let tables: Vec<Value> = std::iter::once(json!(["rows", table(&case.table)])).chain(others).collect();
        json!({"tables": tables, "sql": case.sql})
    });
    let answers = ask_python(DUCKDB, &Value::Array(question.collect()));
    let folder = crate::stage::folder();
    let (mut wrong, mut balances) = (Vec::new(), Vec::new());
    for (number, (case, answer)) in cases.iter().zip(answers.as_array().unwrap()).enumerate() {
        let (names, rows, balance) = ours(case, folder.path(), &step_inputs);
        let ours = json!([names, rows]);
        if &ours != answer {
            let Case { steps, sql, memory, table, .. } = case;
            let at = rows.iter().zip(answer[1].as_array().into_iter().flatten()).position(|(a, b)| &json!(a) != b);
            let around = |of: &Value| at.map_or_else(|| of.clone(), |at| of[1][at].clone()).to_string();
            let shown = |text: String| text.chars().take(600).collect::<String>();
            wrong.push(format!(
                "case {number}: {steps}\n  {sql}\n  memory {memory}, {} rows in, {} out, first difference {at:?}\n  \
                 ours {}\n  DuckDB {}",
                table.rows.len(),
                rows.len(),
                shown(around(&ours)),
                shown(around(answer)),
            ));
        }
        balances.push(balance);
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    balances
}

/// Returns our names and rows, with their balance.
fn ours(
    case: &Case,
    folder: &Path,
    step_inputs: &impl Fn(&pipeline::plan::Plan, &Path) -> StepInputs,
) -> (Vec<String>, Vec<Vec<String>>, Balance) {
    let (settings, path) = (folder.join("reportferry.yaml"), folder.join("p.yaml"));
    fs::write(&settings, "destinations: {out: {local: {path: out}}}\n").unwrap();
    for (name, table) in &case.others {
        fs::write(folder.join(format!("{name}.csv")), csv_of(table)).unwrap();
    }
    let text = format!(
        "source: {{file: {{path: in.csv}}}}\ntransform:\n{}\nartifact: {{name: out.csv}}\ndeliver: {{out: {{}}}}\n",
        case.steps
    );
    let (settings, _) = Settings::load(Some(&settings), &[]).unwrap();
    let (plan, _) = pipeline::load_text(&settings, &path, &text).unwrap_or_else(|found| panic!("{text}\n{found:#?}"));
    let meter = Meter::default();
    let memory = if case.memory == 0 { settings.limits.memory } else { case.memory };
    let input = Input {
        read: Box::new(Cursor::new(csv_of(&case.table))),
        csv: Default::default(),
        limits: Limits { memory, ..settings.limits },
        folder,
        meter: &meter,
        stop: CancellationToken::new(),
        step_inputs: step_inputs(&plan, folder),
    };
    let secrets = std::collections::BTreeMap::new();
    let transform =
        Transform::open(input, &plan.steps, &secrets).unwrap_or_else(|error| panic!("{}: {error}", case.steps));
    let names = transform.columns().to_vec();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut spilled = false;
    let passed = transform.run(|row| {
        if rows.is_empty() {
            spilled = has_open_file(folder);
        }
        rows.push(row.cells().map(|cell| String::from_utf8(cell.bytes.to_vec()).unwrap()).collect());
        Ok(())
    });
    let balance = passed.unwrap_or_else(|error| panic!("{}: {error}", case.steps));
    assert!(spilled || !case.spills || rows.is_empty(), "it fits into {memory} bytes: {}", case.steps);
    (names, rows, balance)
}

fn csv_of(table: &Table) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&table.columns).unwrap();
    table.rows.iter().for_each(|row| writer.write_record(row).unwrap());
    writer.into_inner().unwrap()
}

/// Returns true if this process has a file without a name open in the folder.
fn has_open_file(folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap();
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|path| path.starts_with(&folder) && path.to_string_lossy().ends_with(" (deleted)"))
}

#[test]
fn sort_and_what_does_not_change_rows_are_compared() {
    let random = &mut fastrand::Rng::with_seed(1);
    let columns = [("a", Values::Of(&["x", "y", "Z", "é"])), ("n", Values::Integers(-9, 9)), ("d", Values::Dates)];
    let cases: Vec<Case> = (0..20)
        .map(|number| Case {
            table: table(random, &columns, 200),
            steps: "- filter: a <> 'y'\n- sort: [a, d]\n- set: {n: n || '!'}".to_owned(),
            sql: "select a, n || '!' as n, d from rows where a <> 'y' order by a, d nulls last, i".to_owned(),
            memory: if number % 2 == 0 { 1_000 } else { 0 },
            spills: number % 2 == 0,
            ..Case::default()
        })
        .collect();
    let balances = compare(&cases);
    assert!(balances.iter().zip(&cases).all(|(balance, case)| balance.extracted == case.table.rows.len() as u64));
}
