//! Hints that suggest a replacement work when applied.

use super::*;

/// Returns the expression with the hint's replacement in the place of the problem.
fn applied(text: &str, problem: &ExprProblem) -> String {
    let hint = problem.hint.as_deref().unwrap_or_else(|| panic!("{text}: {problem} has no hint"));
    let by = hint.split('`').nth(1).unwrap_or_else(|| panic!("{text}: the hint of {problem} has no replacement"));
    format!("{}{by}{}", &text[..problem.offset], &text[problem.offset + problem.len..])
}

/// Returns each problem and its hint; the hint, applied, leaves neither problem nor warning.
fn hints(texts: &[&str]) -> String {
    let mut shown = Vec::new();
    for text in texts {
        let problem = match Expr::parse(text) {
            Err(problem) => problem,
            Ok(expr) => expr.warnings().first().unwrap_or_else(|| panic!("{text:?} has no problem")).clone(),
        };
        let fixed = applied(text, &problem);
        match Expr::parse(&fixed) {
            Ok(expr) => assert_eq!(expr.warnings(), [], "{text} → {fixed}"),
            Err(other) => panic!("{text} → {fixed}: {other}"),
        }
        shown.push(format!("{text}: {} → {fixed}", problem.what));
    }
    shown.join("\n")
}

#[test]
fn f12_what_can_never_be_true_is_a_problem_and_its_hint_helps() {
    insta::assert_snapshot!(hints(&[
        "a = null",
        "a <> null",
        "a != null",
        "a < null",
        "a >= null",
        "null = a",
        "null <> trim(a)",
        "trim(a) = null",
        "(a) = (null)",
        "null = null",
        "b = 'x' and a = null",
        "not (a = null)",
        "cast(n as integer) = null",
        "a in (null)",
        "a in ('A', null)",
        "a in ('A', null, 'B') and b = 'x'",
        "a not in ('A', null)",
        "a not in (null)",
        "trim(a) in (null, 'x')",
        "a between null and 'x'",
        "a between 'x' and null",
        "a not between 'x' and null",
        "a between null and null",
        "a like null",
        "a not like null",
        "a like ''",
        "a = ''",
        "'' = a",
        "a <= ''",
        "a in ('A', '')",
        "a not in ('')",
        "case a when null then 'x' else a end",
        "case a when 'b' then '1' when null then '2' end = '1'",
        "case a when '' then 'x' end",
        "a between 'b' and 'a'",
        "cast(n as integer) between 5 and 3",
        "a between '60' and '100'",
        "1 < n < 5",
        "a = b = c",
        "a || not b is null",
        "a like 'x' like 'y'",
        "a in ('x') in (true)",
    ]));
}

#[test]
fn f12_contradictions_are_problems() {
    for text in [
        "'x' = 'y'",
        "1 = 2",
        "1 > 2",
        "date '2026-01-01' > '2026-02-01'",
        "a = 'A' and a = 'B'",
        "a = 'A' and b = 'x' and 'B' = a",
        "a = 'A' and a in ('B', 'C')",
        "a is null and a = 'A'",
        "a in ('A', 'B') and a in ('B', 'C') and a = 'A'",
    ] {
        assert!(problem(text).contains("never true"), "{text}: {}", problem(text));
    }
    for text in [
        "1 = 1",
        "'x' = 'x'",
        "a = 'A' or a = 'B'",
        "a = 'A' and a = 'A'",
        "a = 'A' and b = 'B'",
        "a in ('A', 'B') and a = 'B'",
        "a is null and b is null",
        "a <> 'A' and a <> 'B'",
        "a <> ''",
        "trim(a) = ''",
        "a = 'A' and a = b",
        "a between 'a' and 'a'",
    ] {
        assert!(Expr::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn f12_ordering_texts_that_look_like_numbers_is_a_warning() {
    insta::assert_snapshot!(hints(&[
        "score > '60'",
        "score <= '60.5'",
        "'60' < score",
        "trim(score) >= ' 60 '",
        "score between '5' and '60'",
        "score not between '-5' and '60'",
        "b = 'x' or score < '0.5'",
    ]));
    for text in [
        "score = '60'",
        "score <> '60'",
        "score in ('60', '100')",
        "score > 'A'",
        "done >= '2026-01-01'",
        "done between '2026-01-01' and '2026-12-31'",
        "id > '007'",
        "score > 60",
        "cast(score as integer) > '60'",
        "format_time(done, '%Y', 'UTC') >= '2026'",
    ] {
        assert_eq!(Expr::parse(text).unwrap().warnings(), [], "{text}");
    }
}

#[test]
fn f07_a_format_without_a_directive_is_a_problem_and_its_translation_helps() {
    let formats = [
        "MM/dd/yyyy",
        "MM/dd/yyyy HH:mm:ss",
        "yyyy-MM-dd",
        "YYYY-MM-DD",
        "DD.MM.YYYY HH24:MI",
        "DD-MON-YYYY",
        "mm/dd/yyyy",
        "mm/dd/yy hh:mm AM/PM",
        "M/d/yyyy h:mm tt",
        "yyyyMMdd",
        "YYYYMMDDHH24MISS",
        "dd MMM yyyy",
        "EEEE, d MMMM yyyy",
        "yyyy-MM-dd HH:mm:ss.SSS",
        "yyyy-MM-ddTHH:mm:ssZ",
        "yyyy-MM-dd''T''HH:mm:ssXXX",
        "HH:MM:SS",
        "DD/MM/YYYY HH:MM",
        "dd.MM.yy",
        "hh:mm a",
        "%Y-%M-%d",
        "%Y-%m-%d %H:%m",
        "%Y-%m-%d %H:%M:%s",
        "%Y-%m-%D",
        "%Y-%m-%d %h:%M",
        "%m/%d/%Y %I:%M",
    ];
    let shown = formats.map(|format| {
        let text = format!("format_time(done, '{format}', 'UTC')");
        let problem = Expr::parse(&text).err().unwrap_or_else(|| panic!("{format} has no problem"));
        let hint = problem.hint.as_deref().unwrap_or_default();
        let meant = hint.split('`').nth(1).unwrap_or_else(|| panic!("{format}: {problem}"));
        let fixed = format!("format_time(done, '{meant}', 'UTC')");
        if let Err(problem) = Expr::parse(&fixed) {
            panic!("{fixed}: {problem}");
        }
        format!("{format}: {} → {meant}", problem.what)
    });
    let others = [
        "foo",
        "",
        "%%",
        "%Y-%!",
        "%Y-%",
        "%#d.%m.%Y",
        "%L",
        "%c",
        "%Y-MM-dd",
        "%yyyy",
        "%Y-%m-%d %H:%i",
        "%5Y",
        "%Ey",
    ];
    let others = others.map(|format| problem(&format!("format_time(done, '{format}', 'UTC')")));
    let read = ["%d.%m.", "%Y-%m", "%H:%M", "%F %Z", "%Y-W%V-%u", "%Y %B"];
    let read = read.map(|format| problem(&format!("parse_time(done, '{format}')")));
    insta::assert_snapshot!([shown.as_slice(), &others, &read].concat().join("\n"));
    for format in
        ["%d. %B %Y um %H Uhr", "Q%q/%Y", "week %V of %G", "%Y-%m-%dT%H:%M:%S%.3f%:z", "%s", "on %A at %I %p", "%j"]
    {
        assert!(Expr::parse(&format!("format_time(done, '{format}', 'UTC')")).is_ok(), "{format}");
    }
}

#[test]
fn functions_of_other_engines_have_a_hint_that_can_be_applied() {
    insta::assert_snapshot!(hints(&[
        "isnull(a)",
        "isnull(a) and b = 'x'",
        "isnull(a, 'x')",
        "nvl(trim(a), b)",
        "nvl2(a, 'x', 'y')",
        "initcap(a) || 'w'",
        "len(a) > 5",
        "char_length(a)",
        "ucase(a)",
        "mid(a, 2, 3)",
        "ceiling(n)",
        "charindex('x', a)",
        "instr(a, 'x')",
        "replicate(a, 3)",
        "substring_index(a, '-', 1)",
        "regexp_like(a, 'x')",
        "a ~ 'x'",
        "b = 'x' and a !~* 'x'",
        "datediff(day, a, b)",
        "datediff(a, b) > 5",
        "dateadd(month, 2, d)",
        "dateadd(month, -2, d)",
        "add_months(d, 3)",
        "datepart(year, d)",
        "dayofmonth(d)",
        "eomonth(d)",
        "uuid_v5('dns', a)",
        "startswith(a, 'x') and b = 'y'",
        "endswith(a, 'x')",
        "int(n)",
        "cstr(n)",
        "date(d)",
        "a ilike 'X%'",
        "not a not ilike 'X%'",
    ]));
}

#[test]
fn a_long_chain_is_no_danger_to_a_hint() {
    let chain = vec!["x"; 900].join(" || ");
    for text in [
        format!("{chain} like null"),
        format!("{chain} = null"),
        format!("{chain} in ('a', null)"),
        format!("lower({chain}) between null and 'a'"),
        format!("case {chain} when null then 'a' end"),
        format!("isnull({chain})"),
        format!("'a' < {chain} < 'b'"),
        format!("{chain} || not true"),
    ] {
        assert!(Expr::parse(&text).is_err(), "{text:.40}");
    }
    assert_eq!(Expr::parse(&format!("{chain} > '60'")).unwrap().warnings().len(), 1);
}
