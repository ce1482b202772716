//! `map`, `mask`, `fill` and `number` beside DuckDB.

use std::fmt::Write as _;

use super::oracle::{Case, Table, Values, compare, table};

/// The SQL of a filled column.
type Filled = Box<dyn Fn(&str) -> String>;

/// The number of generated cases of each operator.
const CASES: usize = 500;

const WORDS: &[&str] = &["x", "y", "Z", "é", "In Progress", "O'Neil", "a,b", "say \"hi\"", "007", "日本語", " "];
const RESULTS: &[&str] = &["1", "", "two words", "é, \"quoted\"", "x", "O'Neil"];

fn rows(random: &mut fastrand::Rng) -> Table {
    let columns = [("a", Values::Of(WORDS)), ("b", Values::Of(WORDS)), ("n", Values::Integers(0, 9))];
    let rows = [0, 1, 2, 12, 40][random.usize(..5)];
    table(random, &columns, rows)
}

fn pick<'a, T>(random: &mut fastrand::Rng, of: &'a [T]) -> &'a T {
    &of[random.usize(..of.len())]
}

/// A text in YAML, and one in SQL. An empty one is null.
fn yaml(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn sql(text: &str) -> String {
    if text.is_empty() { "null".to_owned() } else { yaml(text) }
}

/// Checks that the cases differ: enough of them have rows, and give others than they got.
fn assert_cases(cases: &[Case]) {
    assert!(cases.len() >= CASES);
    assert!(cases.iter().filter(|case| case.table.rows.len() > 10).count() > CASES / 4);
    let (mut of_cases, all) = (cases.iter().map(|case| case.sql.clone()).collect::<Vec<_>>(), cases.len());
    of_cases.sort();
    of_cases.dedup();
    println!("{} different queries of {all}", of_cases.len());
}

/// Some words with a result for each, without duplicates.
fn entries(random: &mut fastrand::Rng) -> Vec<(&'static str, &'static str)> {
    let mut words: Vec<&'static str> = WORDS.to_vec();
    random.shuffle(&mut words);
    words.truncate(random.usize(1..WORDS.len()));
    words.into_iter().map(|word| (word, *pick(random, RESULTS))).collect()
}

/// `else`, the SQL of a value that is not there, and the rows that stay.
fn otherwise(random: &mut fastrand::Rng, column: &str) -> (String, String, bool) {
    let value = *pick(random, RESULTS);
    match random.u8(..6) {
        0 => (", else: keep".to_owned(), column.to_owned(), false),
        1 => (format!(", else: {{value: {}}}", yaml(value)), sql(value), false),
        2 => (", else: empty".to_owned(), "null".to_owned(), false),
        3 => (", else: hold".to_owned(), "null".to_owned(), false),
        4 => (", else: drop_row".to_owned(), "null".to_owned(), true),
        _ => (String::new(), "null".to_owned(), false),
    }
}

#[test]
fn values_are_mapped_as_a_case_expression_does() {
    let random = &mut fastrand::Rng::with_seed(11);
    let mut cases = Vec::new();
    for number in 0..CASES + 100 {
        let (column, entries) = (*pick(random, &["a", "b"]), entries(random));
        let (otherwise, missing, drops) = otherwise(random, column);
        let to = *pick(random, &[column, column, "c", "n"]);
        let to_key = if to == column { String::new() } else { format!(", to: {to}") };
        let of_empty = random.bool().then(|| *pick(random, RESULTS)).filter(|_| number % 2 == 0);
        let in_file = number % 2 == 1;
        let mut values = String::new();
        let mut whens = format!("when {column} is null then {}", of_empty.map_or("null".to_owned(), sql));
        for (word, result) in &entries {
            let _ = write!(values, "{}: {}, ", yaml(word), yaml(result));
            let _ = write!(whens, " when {column} = {} then {}", sql(word), sql(result));
        }
        if let Some(result) = of_empty {
            let _ = write!(values, "'': {}", yaml(result));
        }
        let (source, others) = match in_file {
            false => (format!("values: {{{values}}}"), Vec::new()),
            true => {
                // The same line twice, a column more, and a line without a key, which no cell equals.
                let row = |(word, result): &(&str, &str)| vec!["-".to_owned(), (*result).into(), (*word).into()];
                let mut rows: Vec<Vec<String>> = entries.iter().map(row).collect();
                rows.push(rows[0].clone());
                rows.push(vec!["-".to_owned(), "never".to_owned(), String::new()]);
                let columns = ["note", "value", "the key"].map(str::to_owned).into();
                let source = "file: {path: codes.csv, key: the key, value: value}".to_owned();
                (source, vec![("codes".to_owned(), Table { columns, rows })])
            }
        };
        let mapped = format!("case {whens} else {missing} end");
        let keys: Vec<String> = entries.iter().map(|(word, _)| sql(word)).collect();
        let filter =
            if drops { format!("where {column} is null or {column} in ({})", keys.join(", ")) } else { String::new() };
        let selected = |name: &str| if name == to { format!("{mapped} as {name}") } else { name.to_owned() };
        let mut columns: Vec<String> = ["a", "b", "n"].map(selected).into();
        if to == "c" {
            columns.push(selected("c"));
        }
        cases.push(Case {
            table: rows(random),
            others,
            steps: format!("- map: {{column: {column}{to_key}, {source}{otherwise}}}"),
            sql: format!("select {} from rows {filter} order by i", columns.join(", ")),
            ..Case::default()
        });
    }
    let balances = compare(&cases);
    assert_cases(&cases);
    assert!(balances.iter().any(|balance| balance.steps.iter().any(|step| step.kind == "map" && step.rows > 0)));
}

#[test]
fn cells_are_masked_as_sql_would() {
    let random = &mut fastrand::Rng::with_seed(12);
    let mut cases = Vec::new();
    for _ in 0..CASES {
        let mut columns: Vec<&str> = vec!["a", "b", "n"];
        random.shuffle(&mut columns);
        columns.truncate(random.usize(1..=3));
        let mut steps = String::new();
        let mut selected = ["a", "b", "n"].map(str::to_owned);
        for column in columns {
            let count = random.u8(1..5);
            let (method, masked) = match random.u8(..4) {
                0 => ("redact".to_owned(), format!("case when {column} is not null then '***' end")),
                1 => ("sha256".to_owned(), format!("sha256({column})")),
                2 => (
                    format!("{{keep_first: {count}}}"),
                    format!(
                        "if(length({column}) > {count}, left({column}, {count}) || '***', if({column} is null, null, '***'))"
                    ),
                ),
                _ => (
                    format!("{{keep_last: {count}}}"),
                    format!(
                        "if(length({column}) > {count}, '***' || right({column}, {count}), if({column} is null, null, '***'))"
                    ),
                ),
            };
            let _ = write!(steps, "{column}: {method}, ");
            let position = ["a", "b", "n"].iter().position(|name| *name == column).unwrap();
            selected[position] = format!("{masked} as {column}");
        }
        cases.push(Case {
            table: rows(random),
            steps: format!("- mask: {{{steps}}}"),
            sql: format!("select {} from rows order by i", selected.join(", ")),
            ..Case::default()
        });
    }
    compare(&cases);
    assert_cases(&cases);
}

#[test]
fn empty_cells_are_filled_as_sql_would() {
    let random = &mut fastrand::Rng::with_seed(13);
    let mut cases = Vec::new();
    for _ in 0..CASES {
        let columns = *pick(random, &[&["a"][..], &["b"], &["a", "b"], &["n", "a"]]);
        let written = match columns {
            [one] if random.bool() => format!("column: {one}"),
            all => format!("columns: [{}]", all.join(", ")),
        };
        let (order, sorted) = match random.bool() {
            true => ("n nulls last, i", "- sort: [n]\n"),
            false => ("i", ""),
        };
        let value = *pick(random, &RESULTS[2..]);
        let (with, filled): (String, Filled) = match random.bool() {
            true => (
                "with: previous".to_owned(),
                Box::new(|name| {
                    format!(
                        "last_value({name} ignore nulls) over (order by o rows between unbounded preceding and current row)"
                    )
                }),
            ),
            false => (format!("value: {}", yaml(value)), Box::new(|name| format!("coalesce({name}, {})", sql(value)))),
        };
        let selected = ["a", "b", "n"].map(|name| match columns.contains(&name) {
            true => format!("{} as {name}", filled(name)),
            false => name.to_owned(),
        });
        cases.push(Case {
            table: rows(random),
            steps: format!("{sorted}- fill: {{{written}, {with}}}"),
            sql: format!(
                "select {} from (select *, row_number() over (order by {order}) as o from rows) order by o",
                selected.join(", ")
            ),
            ..Case::default()
        });
    }
    compare(&cases);
    assert_cases(&cases);
}

#[test]
fn rows_are_numbered_as_they_arrive() {
    let random = &mut fastrand::Rng::with_seed(14);
    let mut cases = Vec::new();
    for _ in 0..CASES {
        let least = random.u8(..10);
        let start = *pick(random, &[0_u64, 1, 9, 1_000_000_000_000]);
        let to = *pick(random, &["line", "b", "n"]);
        let start_key = if start == 1 && random.bool() { String::new() } else { format!(", start: {start}") };
        let (order, sorted) = match random.bool() {
            true => ("a nulls last, i", "- sort: [a]\n"),
            false => ("i", ""),
        };
        let numbered = format!("row_number() over (order by {order}) - 1 + {start}");
        let selected = |name: &str| if name == to { format!("{numbered} as {name}") } else { name.to_owned() };
        let mut columns: Vec<String> = ["a", "b", "n"].map(selected).into();
        if to == "line" {
            columns.push(selected("line"));
        }
        cases.push(Case {
            table: rows(random),
            steps: format!("- filter: cast(n as integer) >= {least}\n{sorted}- number: {{column: {to}{start_key}}}"),
            sql: format!(
                "select {} from rows where cast(n as integer) >= {least} order by {order}",
                columns.join(", ")
            ),
            ..Case::default()
        });
    }
    compare(&cases);
    assert_cases(&cases);
}

/// State from row to row, between programs that change the cells.
#[test]
fn steps_with_state_stand_anywhere() {
    let random = &mut fastrand::Rng::with_seed(15);
    let cases: Vec<Case> = (0..50)
        .map(|_| Case {
            table: rows(random),
            steps: "- set: {m: a || n}\n- fill: {column: m, with: previous}\n- filter: b is not null\n\
                    - number: {column: line}\n- set: {line: m || '/' || line}\n- mask: {a: redact}\n\
                    - fill: {column: a, value: none}"
                .to_owned(),
            sql: "select coalesce(if(a is null, null, '***'), 'none') as a, b, n, m, \
                  m || '/' || row_number() over (order by i) as line from (select *, \
                  last_value(a || n ignore nulls) over (order by i rows between unbounded preceding and current row) \
                  as m from rows) where b is not null order by i"
                .to_owned(),
            ..Case::default()
        })
        .collect();
    compare(&cases);
}
