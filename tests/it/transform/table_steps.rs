//! `sort`, `dedupe`, `limit` and `unpivot` beside DuckDB, on generated tables with nulls, duplicates and ties.

use super::oracle::{Case, Values, compare, table};

/// Cases of each operator.
const CASES: usize = 500;

const COLUMNS: [(&str, Values); 7] = [
    ("a", Values::Of(&["x", "y", "Z", "é", "x y", "x\"y", "x,", "日本", "xx", "line\nbreak"])),
    ("b", Values::Of(&["true", "false"])),
    ("n", Values::Integers(-300, 300)),
    ("d", Values::Decimals(12, 4)),
    ("t", Values::Dates),
    ("m", Values::Datetimes),
    ("c", Values::Integers(1, 6)),
];

/// A sort key in both languages.
struct Key {
    ours: String,
    theirs: String,
}

/// Returns one to three keys, on different columns.
fn keys(random: &mut fastrand::Rng, nulls_default: &str) -> Vec<Key> {
    let mut columns = vec![
        ("a", "text", "varchar"),
        ("b", "boolean", "boolean"),
        ("n", "integer", "bigint"),
        ("n", "text", "varchar"),
    ];
    columns.extend([("d", "decimal", "decimal(38, 4)"), ("t", "date", "date"), ("m", "datetime", "timestamp")]);
    columns.extend([("t", "{date: \"%Y-%m-%d\"}", "date"), ("c", "integer", "bigint")]);
    random.shuffle(&mut columns);
    columns.dedup_by_key(|(column, ..)| *column);
    let mut keys: Vec<Key> = Vec::new();
    let mut used = Vec::new();
    for (column, kind, sql) in columns {
        if used.contains(&column) || keys.len() > random.usize(..3) {
            continue;
        }
        used.push(column);
        let direction = ["asc", "desc"][random.usize(..2)];
        let nulls = ["first", "last", ""][random.usize(..3)];
        let ours = match (kind, direction, nulls) {
            ("text", "asc", "") => column.to_owned(),
            (_, _, "") => format!("{{column: {column}, order: {direction}, as: {kind}}}"),
            _ => format!("{{column: {column}, order: {direction}, as: {kind}, nulls: {nulls}}}"),
        };
        let nulls = if nulls.is_empty() { nulls_default } else { nulls };
        keys.push(Key { ours, theirs: format!("cast({column} as {sql}) {direction} nulls {nulls}") });
    }
    keys
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// Makes cases of one operator. Half of them have so little memory that its rows do not fit.
fn cases(seed: u64, spilling: bool, steps_and_sql: impl Fn(&mut fastrand::Rng) -> (String, String)) -> Vec<Case> {
    let random = &mut fastrand::Rng::with_seed(seed);
    let case = |number: usize| {
        let (steps, sql) = steps_and_sql(random);
        let spills = spilling && number.is_multiple_of(2);
        let rows = if spills { random.usize(60..400) } else { random.usize(..60) };
        let memory = if spills { random.usize(200..3_000) } else { 0 };
        Case { table: table(random, &COLUMNS, rows), steps, sql, memory, spills, ..Case::default() }
    };
    (0..CASES).map(case).collect()
}

#[test]
fn sorted_rows_are_those_of_duckdb() {
    let cases = cases(20_261_126, true, |random| {
        let keys = keys(random, "last");
        let ours = joined(keys.iter().map(|key| key.ours.clone()));
        let theirs = joined(keys.iter().map(|key| key.theirs.clone()));
        let sql = format!("select {ALL} from rows order by {theirs}, i");
        (format!("- sort: [{ours}]"), sql)
    });
    let balances = compare(&cases);
    assert!(balances.iter().all(|balance| balance.extracted == balance.written));
}

const ALL: &str = "a, b, n, d, t, m, c";

#[test]
fn deduplicated_rows_are_those_of_duckdb() {
    let cases = cases(20_261_127, true, |random| {
        let by = ["c", "a", "b, c", "c, t", "a, b, n", "t"][random.usize(..6)];
        let (keep, direction, nulls) = [("first", "", "last"), ("last", "desc", "first")][random.usize(..2)];
        let order = if random.bool() { keys(random, nulls) } else { Vec::new() };
        let ours = match order.is_empty() {
            true => format!("- dedupe: {{by: [{by}], keep: {keep}}}"),
            false => {
                let order = joined(order.iter().map(|key| key.ours.clone()));
                format!("- dedupe: {{by: [{by}], keep: {keep}, order: [{order}]}}")
            }
        };
        // The position in the order, then the first or the last of each group.
        let order = joined(order.iter().map(|key| key.theirs.clone()).chain(["i".to_owned()]));
        let sql = format!(
            "with ranked as (select *, row_number() over (order by {order}) as rank from rows) \
             select {ALL} from ranked qualify row_number() over (partition by {by} order by rank {direction}) = 1 order by i"
        );
        (ours, sql)
    });
    let balances = compare(&cases);
    for balance in &balances {
        assert_eq!(
            (balance.steps.len(), balance.steps[0].kind, balance.steps[0].share.name()),
            (1, "dedupe", "merged")
        );
    }
    assert!(balances.iter().filter(|balance| balance.steps[0].rows > 0).count() > CASES / 2);
}

#[test]
fn limited_rows_are_those_of_duckdb() {
    let cases = cases(20_261_128, false, |random| {
        let most = random.usize(1..80);
        match random.bool() {
            true => (format!("- limit: {most}"), format!("select {ALL} from rows order by i limit {most}")),
            false => (
                format!("- sort: [{{column: n, as: integer}}]\n- limit: {most}\n- filter: a <> 'x'"),
                format!(
                    "select * from (select {ALL} from rows order by cast(n as bigint) nulls last, i limit {most}) where a <> 'x'"
                ),
            ),
        }
    });
    for (balance, case) in compare(&cases).iter().zip(&cases) {
        let most: usize = case.steps.split("limit: ").nth(1).unwrap().lines().next().unwrap().parse().unwrap();
        assert_eq!(balance.steps[0].rows as usize, case.table.rows.len().saturating_sub(most), "{}", case.steps);
    }
}

#[test]
fn unpivoted_rows_are_those_of_duckdb() {
    let cases = cases(20_261_129, false, |random| {
        let mut columns = ["a", "b", "n", "d", "t", "m"];
        random.shuffle(&mut columns);
        let (columns, kept) = columns.split_at(random.usize(1..6));
        let (nulls, keep) = [("", false), (", nulls: drop", false), (", nulls: keep", true)][random.usize(..3)];
        // The cells as values of the same table, so that their order is that of the columns.
        let all: Vec<&str> = [&["c"], kept].concat();
        let rows = columns.iter().enumerate().map(|(at, column)| {
            format!("select i, {at} as place, {}, '{column}' as course, {column} as status from rows", all.join(", "))
        });
        let union = rows.collect::<Vec<_>>().join(" union all ");
        let condition = if keep { "true" } else { "status is not null" };
        let all = all.join(", ");
        (
            format!(
                "- unpivot: {{columns: [{}], name: course, value: status{nulls}}}\n- select: [{all}, course, status]",
                columns.join(", ")
            ),
            format!("select {all}, course, status from ({union}) where {condition} order by i, place"),
        )
    });
    for (balance, case) in compare(&cases).iter().zip(&cases) {
        let [added, dropped] = [0, 1].map(|at| balance.steps[at].rows);
        assert_eq!(balance.extracted + added, balance.written + dropped, "{}", case.steps);
    }
}

#[test]
fn the_latest_of_each_group_then_sorted_is_duckdbs() {
    let cases: Vec<Case> = cases(20_261_130, true, |_| {
        let steps = "- filter: b is not null\n- set: {a: upper(a)}\n\
                     - dedupe: {by: [a, c], keep: last, order: [{column: m, as: datetime}]}\n\
                     - sort: [{column: n, as: integer}, {column: m, as: datetime, order: desc, nulls: first}]\n\
                     - set: {d: d || '!'}\n- select: [n, m, d, a]";
        let sql = "with ours as (select * replace (upper(a) as a) from rows where b is not null), \
                   latest as (select * from ours qualify row_number() over \
                     (partition by a, c order by cast(m as timestamp) desc nulls last, i desc) = 1) \
                   select n, m, d || '!' as d, a from latest \
                   order by cast(n as bigint) nulls last, cast(m as timestamp) desc nulls first, i";
        (steps.to_owned(), sql.to_owned())
    });
    let cases: Vec<Case> = cases.into_iter().map(|case| Case { spills: false, ..case }).take(100).collect();
    compare(&cases);
}
