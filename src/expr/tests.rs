use super::*;

mod hints;

/// The problem as `what | the underlined text | hint`.
fn problem(text: &str) -> String {
    let problem = match Expr::parse(text) {
        Err(problem) => problem,
        Ok(_) => panic!("{text:?} is parsed without a problem"),
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
        "nvl(x, 'y')",
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
        "interval '1 day'",
        "d + interval '1 dai'",
        "d + interval '1.5 days'",
        "d + interval '01:30:00'",
        "d + interval (n) day",
        "d * interval '1 day'",
        "interval '1 day' - d",
        "cast(d as date) * 2",
        "cast(d as date) - n",
        "cast(d as date) + 1.5",
        "cast(d as timestamp) + 1",
        "cast(d as timestamp) - cast(e as timestamp)",
        "extract(fortnight from d)",
        "date_part('fortnight', d)",
        "date_trunc('years and', d)",
        "date_trunc('dya', d)",
        "date_trunc(u, d)",
        "date_trunc('month', 5)",
        "date_diff('day', d)",
        "year(true)",
        "d at time zone 'UTC'",
        "to_char(d, 'YYYY-MM-DD')",
        "split_part(x, '-', 0)",
        "regexp_replace(x, 'a', '\\1')",
        "regexp_replace(x, 'a', '\\n')",
        "regexp_replace(x, 'a', y)",
        "regexp_matches(x, 'a(b')",
        "regexp_matches(x, '(?=a)')",
        "regexp_matches(x, '(a{1000}){1000}')",
        "regexp_matches(x, y)",
        "regexp_matches(x, 'a', 'g')",
        "regexp_extract(x, '(a)', 2)",
        "regexp_like(x, 'a', 'i', 1)",
        "uuid5('Acme', x)",
        "json_object('a', x, 'b')",
        "json_object('a', x, 'a', y)",
        "json_object(x, y)",
        "greatest(x, true, 5)",
        "if(x, y, z)",
        "datediff(x, y)",
        "if(x, y)",
        "floor(x, 2)",
        "round(x, y)",
        "round(x, -1)",
        "initcap(x)",
        "sha1(x)",
        "x ~ 'a'",
        "x !~* 'a'",
        "x similar to 'a'",
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
    // However deep the parser's tree is, it is refused before it exhausts the stack.
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
    // In quotes these characters are data.
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

#[test]
fn the_page_lists_the_functions_of_the_code() {
    let page = include_str!("../../docs/expressions.md");
    let table = page.split("\n## Functions\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let first_cells = table.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    let calls = first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).filter_map(|code| code.split_once('('));
    let documented: std::collections::BTreeSet<&str> = calls.map(|(name, _)| name).collect();
    // The parser's own forms are no functions.
    let forms = ["cast", "try_cast", "extract", "position"];
    assert_eq!(documented, function_names().chain(forms).collect());
}
