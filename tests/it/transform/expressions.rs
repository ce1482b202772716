//! Thousands of generated expressions against DuckDB: every function and operator of the documentation.

use std::collections::BTreeSet;

use super::duckdb::{Difference, assert_differences, assert_refused_here, compare};
use super::generator::Generator;

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

#[test]
fn every_function_and_operator_means_what_duckdb_means() {
    let mut generator = Generator(fastrand::Rng::with_seed(20_261_126));
    let exprs: Vec<String> = (0..9_000).map(|index| generator.expression(index)).collect();
    assert_covered(&exprs);
    let with_result = compare(&exprs, &ROWS);
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

/// Every function and operator of the documentation is in at least 30 expressions, but `var`: its value is a text of the
/// pipeline file.
fn assert_covered(exprs: &[String]) {
    let texts: Vec<&str> = OPERATORS.iter().map(|(operator, _)| *operator).collect();
    let unknown: Vec<String> =
        documented("Operators").into_iter().filter(|operator| !texts.contains(&operator.as_str())).collect();
    assert_eq!(unknown, [""; 0], "operators without a text to find them by");
    let functions: BTreeSet<String> = documented("Functions")
        .iter()
        .filter_map(|call| call.split_once('(').map(|(name, _)| format!("{name}(")))
        .filter(|name| name != "var(")
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
    let differences: &[Difference] = &[
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
    assert_differences(differences, ROWS[0]);
    assert_refused_here(&refused, ROWS[0]);
    // The page and the source have one list of differences.
    for row in include_str!("../../../src/expr/mod.rs").lines().filter_map(|line| line.strip_prefix("//! |")) {
        assert!(row.starts_with(" here") || row.starts_with("---") || PAGE.contains(row), "not in the page: {row}");
    }
}
