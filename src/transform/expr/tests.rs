use super::*;

/// The problem as `what | the underlined text | hint`.
fn problem(text: &str) -> String {
    let problem = match Expr::parse(text) {
        Err(problem) => problem,
        Ok(_) => panic!("{text:?} is read without a problem"),
    };
    let under = &text[problem.offset..problem.offset + problem.len];
    let hint = problem.hint.map(|hint| format!(" | {hint}")).unwrap_or_default();
    format!("{} | {under}{hint}", problem.what)
}

#[test]
fn names_and_secrets_are_known() {
    let expr = Expr::parse(r#"coalesce("Odd Name", b) || hmac_sha256(b, salt) || hmac_sha256("Odd Name", 'other')"#);
    let expr = expr.unwrap();
    assert_eq!(expr.columns().collect::<Vec<_>>(), ["Odd Name", "b"]);
    assert_eq!(expr.secrets().collect::<Vec<_>>(), ["salt", "other"]);
    assert!(expr.not_a_condition().is_some());
    assert_eq!(expr.yields(), "text");
    assert_eq!(Expr::parse("Größe = '1'").unwrap().not_a_condition(), None);
}

#[test]
fn problems_point_at_what_is_wrong() {
    let shown: Vec<String> = [
        "",
        "status =",
        "status = 'x' extra",
        "a = 'x';",
        "'abc",
        "lowre(x)",
        "ifnull(x, 'y')",
        "now()",
        "substr(x)",
        "count(*)",
        "sum(x)",
        "row_number() over (order by x)",
        "x in (select 1)",
        "(select 1)",
        "x = ?",
        "t.x = '1'",
        "x ilike 'a'",
        "x && y",
        "x like y",
        "x like 'a!' escape '!'",
        "x like 'a' escape 'ab'",
        "x and y = '1'",
        "x = ''",
        "x in ('a', '')",
        "cast(x as blob)",
        "cast(x as decimal(40,2))",
        "cast('abc' as integer)",
        "x > 5 and 'abc' > 5",
        "true + 1",
        "true = 1.5",
        "case when x = 'a' then true else 5 end",
        "format_time(x, '%!', 'UTC')",
        "format_time(x, '%Y', 'America/NewYork')",
        "format_time(x, y, 'UTC')",
        "format_time(5, '%Y', 'UTC')",
        "format_time(x, '%Y')",
        "parse_time(x, '%H:%M')",
        "hmac_sha256(x, lower(y))",
        "x = 'é' and\n  lowr(y) = 'a'",
        "e'abc'",
        "cast(x as timestamp(3))",
        "cast(x as timestamptz)",
        "cast(x as char(5))",
        "cast(x as int(5))",
        "cast(x as float(3))",
        "cast(x as varchar(0))",
        "date '2026-02-30'",
        "employee-id = 'x'",
        "x = status is 'a'",
        "x is 'a'",
        "x isnull",
        "x = now()",
        "x > current_date",
        "x > getdate()",
        "cast(d as date) + interval '1 day' > '2026-01-01'",
        "interval '1 day'",
        "extract(year from d)",
        "d at time zone 'UTC'",
        "to_char(d, 'YYYY-MM-DD')",
        "split_part(x, '-', 1)",
        "regexp_replace(x, 'a', 'b')",
        "datediff(x, y)",
        "if(x, y)",
        "floor(x, 2)",
        "round(x, y)",
        "round(x, -1)",
        "initcap(x)",
        "md5(x)",
        "x ~ 'a'",
        "x ^ 2",
        "x <=> y",
        "x[1]",
        "[1, 2]",
        "x -> y",
        "{a: 1}",
        "x = :name",
        "x = $1",
        "x = @name",
        "x = {{ tenant }}",
        "x not 'a'",
        "x = 'a' and",
        "x = 'a' or or y = 'b'",
        "x in 'a'",
        "x in ()",
        "x between 1",
        "case x end",
        "case when x = 'a' then 1",
        "lower(x",
        "lower x)",
        "x = 'a')",
        "x = 'O'Neil'",
        "x == 'a' ? 1 : 2",
        "select x",
        "if x > 5 then 'a'",
        "x =< 5",
        "x like null",
        "null like 'a'",
        "null in ('a')",
        "null between 'a' and 'b'",
        "case null when 'a' then 1 end",
    ]
    .into_iter()
    .map(|text| format!("{text:?}: {}", problem(text)))
    .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn limits_hold_at_their_edge() {
    let text = format!("x = '{}'", "y".repeat(TEXT_BYTES_MAX - 6));
    assert!(Expr::parse(&text).is_ok());
    assert!(problem(&format!("{text} ")).starts_with("the expression has 16385 bytes; the most is 16384"));
    let nested = |depth: usize| format!("{}x{} = 'a'", "lower(".repeat(depth), ")".repeat(depth));
    assert!(Expr::parse(&nested(30)).is_ok());
    assert!(problem(&nested(100)).starts_with("the expression is nested"));
    // A chain is not nested, however long.
    let chain = vec!["x = 'a'"; 499].join(" or ");
    assert!(Expr::parse(&chain).is_ok());
    let tokens = |count: usize| vec!["x"; count / 2].join("||");
    assert!(Expr::parse(&tokens(TOKENS_MAX)).is_ok());
    assert!(
        problem(&tokens(TOKENS_MAX + 4)).starts_with("the expression has 2003 words, signs and literals; the most is")
    );
    // However deep the parser's tree is, it is refused before the stack is.
    let sum = vec!["x"; 990].join("+");
    for text in [
        sum.clone(),
        format!("{sum}=1"),
        format!("{sum} in (1)"),
        format!("{sum} between 1 and 2"),
        format!("lower({sum})"),
        format!("cast({sum} as text)"),
        format!("case when {sum} then 1 end"),
        format!("{sum} is null"),
        format!("-{sum}"),
    ] {
        assert!(problem(&text).starts_with("the expression is nested"), "{text:.20}");
    }
}

/// The expression with what the hint says to write in the place that the problem names.
fn mended(text: &str, problem: &ExprProblem) -> String {
    let hint = problem.hint.as_deref().unwrap_or_else(|| panic!("{text}: {problem} has no hint"));
    let by = hint.split('`').nth(1).unwrap_or_else(|| panic!("{text}: the hint of {problem} has no replacement"));
    format!("{}{by}{}", &text[..problem.offset], &text[problem.offset + problem.len..])
}

/// Each problem and its hint; the hint, applied, leaves neither problem nor warning.
fn hints(texts: &[&str]) -> String {
    let mut shown = Vec::new();
    for text in texts {
        let problem = match Expr::parse(text) {
            Err(problem) => problem,
            Ok(expr) => expr.warnings().first().unwrap_or_else(|| panic!("{text:?} has no problem")).clone(),
        };
        let mended = mended(text, &problem);
        match Expr::parse(&mended) {
            Ok(expr) => assert_eq!(expr.warnings(), [], "{text} → {mended}"),
            Err(other) => panic!("{text} → {mended}: {other}"),
        }
        shown.push(format!("{text}: {} → {mended}", problem.what));
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
        let mended = format!("format_time(done, '{meant}', 'UTC')");
        if let Err(problem) = Expr::parse(&mended) {
            panic!("{mended}: {problem}");
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
        "ifnull(a, 'x')",
        "nvl(trim(a), b)",
        "nvl2(a, 'x', 'y')",
        "iif(a = 'x', 'y', 'z')",
        "if(a = 'x', lower(b), 'z') || 'w'",
        "len(a) > 5",
        "char_length(a)",
        "ucase(a)",
        "mid(a, 2, 3)",
        "ceiling(n)",
        "mod(n, 3)",
        "contains(a, 'x')",
        "startswith(a, 'x') and b = 'y'",
        "endswith(a, 'x')",
        "int(n)",
        "cstr(n)",
        "date(d)",
        "year(d)",
        "a ilike 'X%'",
        "not a not ilike 'X%'",
        "a is distinct from b",
        "a is not distinct from b",
        "greatest(a, b)",
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

#[test]
fn characters_that_no_keyboard_has_are_named() {
    let texts = [
        "a = ‘x’",
        "a = “x”",
        "a\u{a0}= 'x'",
        "a = \u{200b}'x'",
        "\u{feff}a = 'x'",
        "a = 'x\0y'",
        "a\0 = 'x'",
        "n – 1 > 0",
        "n ≥ 1",
        "n ≠ 1",
        "lower（a)",
        "a\u{3000}= 'x'",
        "a = `x`",
        "a\u{7} = 'x'",
    ];
    insta::assert_snapshot!(texts.map(|text| format!("{text:?}: {}", problem(text))).join("\n"));
    // In quotes they are data.
    assert!(Expr::parse("a = '‘x’ – \u{a0}“y”' or \"naïve\u{a0}“b”\" = 'x'").is_ok());
}

#[test]
fn messages_stay_short_however_long_the_expression_is() {
    let long = "x".repeat(10_000);
    let many = vec!["'a'"; 900].join(", ");
    for text in [
        format!("a = '{long}' '{long}'"),
        format!("{long}(a)"),
        format!("a in ({many}, null)"),
        format!("a between '{long}' and null"),
        format!("'{long}' = null"),
        format!("case a when null then '{long}' end"),
        format!("cast('{long}' as integer)"),
        format!("format_time(a, '{long}', 'UTC')"),
        format!("format_time(a, '%Y', '{long}')"),
        format!("isnull('{long}')"),
        format!("a = {}", "9".repeat(5_000) + "x"),
        format!("hmac_sha256(a, '{long}', b)"),
        format!("parse_time(a, '%Y%m {long}')"),
        format!("a {long} b"),
        format!("cast(a as {long})"),
        format!("a like '{long}' escape 'xx'"),
    ] {
        let problem = Expr::parse(&text).err().unwrap_or_else(|| panic!("{text:.40} has no problem"));
        let length = problem.what.len() + problem.hint.as_deref().map_or(0, str::len);
        assert!(length < 600, "{length}: {problem}");
    }
}
