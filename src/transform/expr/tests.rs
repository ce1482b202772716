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
    assert!(!expr.is_condition());
    assert_eq!(expr.yields(), "text");
    assert!(Expr::parse("Größe = '1'").unwrap().is_condition());
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
