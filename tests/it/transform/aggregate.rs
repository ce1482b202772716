//! `aggregate` beside DuckDB, in memory and on disk, and its limits.

use reportferry::transform::StepInputs;

use super::join::run_step;
use super::oracle::{Case, Values, compare_with, table};

/// Calls, and the same in SQL on texts.
const CALLS: [(&str, &str); 27] = [
    ("count(*)", "count(*)"),
    ("count(v)", "count(v)"),
    ("count(distinct v)", "count(distinct v)"),
    ("count(distinct n) filter (where v <> 'x')", "count(distinct n) filter (where v <> 'x')"),
    ("count(distinct lower(v) || n)", "count(distinct lower(v) || n)"),
    ("count(*) filter (where n::integer > 0)", "count(*) filter (where n::bigint > 0)"),
    ("count(d) filter (where v is null)", "count(d) filter (where v is null)"),
    ("sum(n)", "sum(n::bigint)"),
    ("sum(n * 2 + 1)", "sum(n::bigint * 2 + 1)"),
    ("sum(n) filter (where v = 'x' or v = 'Y')", "sum(n::bigint) filter (where v = 'x' or v = 'Y')"),
    ("sum(d::decimal(18,2))", "sum(d::decimal(18,2))"),
    ("sum(n::integer) filter (where n like '1%')", "sum(n::bigint) filter (where n like '1%')"),
    ("avg(n)", "avg(n::bigint)"),
    ("avg(d::decimal(18,2))", "avg(d::decimal(18,2))"),
    ("avg(n) filter (where n::integer < 0)", "avg(n::bigint) filter (where n::bigint < 0)"),
    ("min(v)", "min(v)"),
    ("max(n)", "max(n)"),
    ("min(n::integer)", "min(n::bigint)"),
    ("max(d::decimal(18,2))", "max(d::decimal(18,2))"),
    ("min(t::date)", "min(t::date)"),
    (
        "max(s::timestamp)",
        "strftime(max(s::timestamp), '%Y-%m-%d %H:%M:%S') || case when microsecond(max(s::timestamp)) % 1000000 = 0 then '' else rtrim(strftime(max(s::timestamp), '.%f'), '0') end",
    ),
    ("max(n > '3')", "max(n > '3')"),
    ("min(length(v))", "min(length(v))"),
    ("first(v)", "first(v order by i)"),
    ("last(v)", "last(v order by i)"),
    ("first(n) filter (where v = 'x')", "first(n order by i) filter (where v = 'x')"),
    ("last(t) filter (where n is not null)", "last(t order by i) filter (where n is not null)"),
];

#[test]
fn aggregates_are_those_of_duckdb() {
    let random = &mut fastrand::Rng::with_seed(21);
    let columns = [
        ("g", Values::Of(&["", "one", "two, three"])),
        ("k", Values::Integers(1, 300)),
        ("v", Values::Of(&["x", "Y", "y", "é", "10", "9"])),
        ("n", Values::Integers(-40, 40)),
        ("d", Values::Decimals(100, 2)),
        ("t", Values::Dates),
        ("s", Values::Datetimes),
    ];
    let cases: Vec<Case> = (0..600)
        .map(|number| {
            let by = [&["g", "k"][..], &["g"], &["k"], &[], &["v", "g"]][number % 5];
            let rows = if number % 50 == 3 { 0 } else { random.usize(80..200) };
            let calls: Vec<(&str, &str)> =
                (0..random.usize(1..6)).map(|_| CALLS[random.usize(..CALLS.len())]).collect();
            let steps = calls.iter().enumerate().map(|(index, (call, _))| format!("c{index}: \"{call}\""));
            let queries = calls.iter().enumerate().map(|(index, (_, query))| format!("{query} as c{index}"));
            let selected: Vec<String> = by.iter().map(ToString::to_string).chain(queries).collect();
            let groups = if by.is_empty() { String::new() } else { format!("group by {} ", by.join(", ")) };
            let is_small = number.is_multiple_of(2);
            Case {
                table: table(random, &columns, rows),
                steps: format!(
                    "- aggregate: {{by: [{}], columns: {{{}}}}}",
                    by.join(", "),
                    steps.collect::<Vec<_>>().join(", ")
                ),
                sql: format!("select {} from rows {groups}order by min(i)", selected.join(", ")),
                memory: if is_small { 5_000 } else { 0 },
                spills: is_small && by.contains(&"k"),
                ..Case::default()
            }
        })
        .collect();
    let balances = compare_with(&cases, |_, _| StepInputs::default());
    let merged = balances.iter().filter(|balance| balance.steps[0].rows > 0).count();
    assert!(merged > 500, "{merged} of {} merge rows", cases.len());
}

#[test]
fn sums_are_exact_and_end_at_38_digits() {
    let sum =
        |rows: &str, memory| run_step("{aggregate: {columns: {s: sum(n)}}}", rows, "", memory).map(|(out, _)| out);
    for memory in [0, 64 << 20] {
        assert_eq!(sum("n\n0.1\n0.2\n-0.30\n", memory).unwrap(), "s\n0.00");
        assert_eq!(sum("n\n\n", memory).unwrap(), "s\n");
        assert_eq!(sum("n\n9007199254740993\n0.5\n", memory).unwrap(), "s\n9007199254740993.5");
        assert_eq!(sum("n\n1e3\n1\n", memory).unwrap(), "s\n1001.0");
        let most = "9".repeat(38);
        assert_eq!(sum(&format!("n\n{most}\n0\n"), memory).unwrap(), format!("s\n{most}"));
        let told = sum(&format!("n\n{most}\n5\n"), memory).unwrap_err();
        let expected = "column \"s\": \"5\" makes the sum of its group longer than 38 digits (aggregate in step 1)";
        assert!(told.ends_with(expected), "{told}");
        let told = sum("n\n7\nx\n", memory).unwrap_err();
        assert!(told.starts_with("record 2 (line 3), column \"n\": \"x\" is not a valid number"), "{told}");
    }
}

#[test]
fn an_argument_is_computed_only_where_its_filter_holds() {
    let step = "{aggregate: {columns: {s: \"sum(n::integer) filter (where kind = 'number')\"}}}";
    let (out, passed) = run_step(step, "n,kind\n4,number\nx,text\n5,number\n", "", 64 << 20).unwrap();
    assert_eq!(out, "s\n9");
    assert_eq!((passed.balance.extracted, passed.balance.written), (3, 1));
}

#[test]
fn columns_of_an_aggregate_are_checked() {
    let told = |step: &str| run_step(step, "a,b\n1,2\n", "", 64 << 20).map(|_| ()).unwrap_err();
    for (step, expected) in [
        ("{aggregate: {by: [c], columns: {n: count(*)}}}", "there is no column \"c\" here"),
        ("{aggregate: {by: [a, a], columns: {n: count(*)}}}", "the column \"a\" is named twice"),
        ("{aggregate: {by: [a], columns: {a: count(*)}}}", "there is a column \"a\" already (give it another name"),
        ("{aggregate: {by: [a], columns: {n: max(B)}}}", "there is no column \"B\" here (did you mean \"b\"?"),
        ("{aggregate: {columns: {n: b}}}", "b is one value of each row, not one of the group"),
        ("{aggregate: {columns: {}}}", "neither a group nor a column is written here"),
        ("{aggregate: {by: a, columns: {n: sum(b)}}}, {filter: b = '1'}", "there is no column \"b\" here"),
    ] {
        let told = told(step);
        assert!(told.contains(expected), "{step}: {told}");
    }
}

#[test]
fn pivots_are_filtered_aggregates_of_duckdb() {
    let random = &mut fastrand::Rng::with_seed(22);
    let columns = [
        ("k", Values::Integers(1, 60)),
        ("name", Values::Of(&["A", "B, b", "C", "d"])),
        ("v", Values::Of(&["x", "y", "\"z\"", "é"])),
    ];
    let cases: Vec<Case> = (0..500)
        .map(|number: usize| {
            let is_small = number.is_multiple_of(2);
            let count = random.usize(80..200);
            let rows = table(random, &columns, count);
            let first = |name: &str, to: &str| format!("first(v order by i) filter (where name = '{name}') as {to}");
            Case {
                table: rows,
                steps: "- pivot: {by: k, names: name, values: v, columns: {c: C, a: A, b: 'B, b'}, many: first, other: drop}"
                    .to_owned(),
                sql: format!(
                    "select k, {}, {}, {} from rows where name in ('A', 'B, b', 'C') group by k order by min(i)",
                    first("C", "c"),
                    first("A", "a"),
                    first("B, b", "b")
                ),
                memory: if is_small { 4_000 } else { 0 },
                spills: is_small,
                ..Case::default()
            }
        })
        .collect();
    let balances = compare_with(&cases, |_, _| StepInputs::default());
    assert!(balances.iter().all(|balance| balance.steps.iter().all(|step| step.rows > 0)));
}

#[test]
fn what_a_pivot_has_no_place_for_is_an_error() {
    let pivot = |columns: &str, memory| {
        let step = format!("{{pivot: {{by: [id], names: course, values: status, columns: {columns}}}}}");
        run_step(&step, "id,course,status\n1,A,x\n2,B,y\n1,B,z\n3,A,\n", "", memory).map(|(out, _)| out)
    };
    for memory in [100, 64 << 20] {
        assert_eq!(pivot("[A, B]", memory).unwrap(), "id|A|B\n1|x|z\n2||y\n3||");
        let told = pivot("[A]", memory).unwrap_err();
        let expected = "record 2 (line 3), column \"course\": \"B\" is not a column of the pivot; list it under `columns`, or \
                        write `other: drop` (pivot in step 1)";
        assert_eq!(told, expected);
        let step = "{pivot: {by: [id], names: course, values: status, columns: [A]}}";
        let told = run_step(step, "id,course,status\n1,A,x\n1,A,\n", "", memory).map(|_| ()).unwrap_err();
        let expected = "column \"A\": \"\" is a second value; write `many: first` to keep the first one, or add a column to \
                        `by` (pivot in step 1)";
        assert!(told.ends_with(expected), "{told}");
    }
    for (columns, expected) in [
        ("[]", "no column of the result is named here"),
        ("{x: A, y: A}", "the name \"A\" becomes two columns"),
        ("{id: A}", "there is a column \"id\" already"),
    ] {
        let told = pivot(columns, 64 << 20).unwrap_err();
        assert!(told.contains(expected), "{told}");
    }
}
