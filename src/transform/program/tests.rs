use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::expr::Expr;
use crate::pipeline::plan::{Assign, Column, CsvInput, Direction, NullsPosition, Rename, Sort, SortKey};
use crate::pipeline::value_type::ValueType;
use crate::progress::Meter;
use crate::settings::Limits;
use crate::transform::{Input, Transform, TransformError};

fn place(key: &str) -> Place {
    Place { file: Arc::new(PathBuf::from("p.yaml")), line: 1, column: 1, span: 0..0, key: key.to_owned() }
}

fn columns(names: &str) -> Vec<Column> {
    names.split(' ').map(|name| Column { name: name.to_owned(), at: place("column") }).collect()
}

fn expression(text: &str, key: &str) -> Expression {
    Expression::new(Expr::parse(text).unwrap(), |_| place(key))
}

/// Parses one step per line: `rename to=from …`, `select a b`, `drop a`, `filter EXPR`, `set a=EXPR; b=EXPR`.
fn steps(text: &str) -> Vec<TransformStep> {
    let step = |line: &str| {
        let (word, rest) = line.trim().split_once(' ').unwrap();
        let kind = match word {
            "rename" => StepKind::Rename(
                rest.split(' ')
                    .map(|pair| pair.split_once('=').unwrap())
                    .map(|(to, from)| Rename { to: columns(to).remove(0), from: columns(from).remove(0) })
                    .collect(),
            ),
            "select" => StepKind::Select(columns(rest)),
            "drop" => StepKind::Drop(columns(rest)),
            "sort" => {
                let key = |column| SortKey {
                    column,
                    value_type: ValueType::Text,
                    direction: Direction::Ascending,
                    nulls: NullsPosition::Last,
                };
                StepKind::Sort(Sort { keys: columns(rest).into_iter().map(key).collect() })
            }
            "filter" => StepKind::Filter(expression(rest, word)),
            "set" => StepKind::Set(
                rest.split("; ")
                    .map(|pair| pair.split_once('=').unwrap())
                    .map(|(column, expr)| Assign {
                        column: column.into(),
                        value: expression(expr, column),
                        at: place(column),
                    })
                    .collect(),
            ),
            other => panic!("no step {other}"),
        };
        TransformStep { at: place(word), kind, on_error: OnError::Fail }
    };
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(step).collect()
}

/// Returns the output as lines of `|`-separated cells, then the balance; or the error.
fn transform(text: &str, input: &str) -> Result<String, TransformError> {
    let meter = Meter::default();
    let input = Input {
        read: Box::new(Cursor::new(input.as_bytes().to_vec())),
        csv: CsvInput::default(),
        limits: Limits::default(),
        meter: &meter,
        stop: CancellationToken::new(),
        folder: &std::env::temp_dir(),
        step_inputs: Default::default(),
    };
    let secrets = BTreeMap::from([("salt".to_owned(), Secret::new("pepper"))]);
    let transform = Transform::open(input, &steps(text), &secrets)?;
    let mut out = transform.columns().join("|");
    let balance = transform.run(|row| {
        let cells: Vec<_> = row.cells().map(|cell| String::from_utf8_lossy(cell.bytes).into_owned()).collect();
        out.push('\n');
        out.push_str(&cells.join("|"));
        Ok(())
    })?;
    Ok(format!("{out}\n{}", serde_json::to_string(&balance).unwrap()))
}

fn check(steps: &str, input: &str, expected: &str) {
    let expected: Vec<_> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(transform(steps, input).unwrap(), expected.join("\n"), "{steps}");
}

fn problems(text: &str, input: &str) -> Vec<String> {
    match transform(text, input) {
        Err(TransformError::Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn steps_transform_rows() {
    let rows = "id,name,done\n007,Ann,2026-01-05 23:30:00\n008,\"O'Neil, B\",\n";
    check("select name id", rows, "name|id\nAnn|007\nO'Neil, B|008\n{\"extracted\":2,\"steps\":[],\"written\":2}");
    check(
        "rename key=id\nfilter key = '007'\ndrop name",
        rows,
        "key|done\n007|2026-01-05 23:30:00\n{\"extracted\":2,\"steps\":[{\"step\":2,\"kind\":\"filter\",\"dropped\":1}],\"written\":1}",
    );
    check(
        "set done=format_time(done, '%m/%d/%Y %H:%M', 'Europe/Berlin'); n=length(name)",
        rows,
        "id|name|done|n\n007|Ann|01/06/2026 00:30|3\n008|O'Neil, B||9\n{\"extracted\":2,\"steps\":[],\"written\":2}",
    );
}

#[test]
fn a_step_sees_the_values_before_it() {
    let rows = "a,b\n1,2\n";
    check("rename a=b b=a", rows, "b|a\n1|2\n{\"extracted\":1,\"steps\":[],\"written\":1}");
    check("set a=b; b=a", rows, "a|b\n2|1\n{\"extracted\":1,\"steps\":[],\"written\":1}");
    check("set a=a || 'x'\nset a=a || 'y'; c=a", rows, "a|b|c\n1xy|2|1x\n{\"extracted\":1,\"steps\":[],\"written\":1}");
    // A filter counts only what reaches it.
    check(
        "filter a = '0'\nfilter b = '0'",
        rows,
        "a|b\n{\"extracted\":1,\"steps\":[{\"step\":1,\"kind\":\"filter\",\"dropped\":1},{\"step\":2,\"kind\":\"filter\",\"dropped\":0}],\"written\":0}",
    );
}

#[test]
fn an_empty_result_is_null_for_the_next_step() {
    check(
        "set a=trim(a)\nset b=coalesce(a, 'none'); c='lit'",
        "a,b\n\"  \",x\n",
        "a|b|c\n|none|lit\n{\"extracted\":1,\"steps\":[],\"written\":1}",
    );
}

#[test]
fn all_problems_with_the_header_are_reported_at_once() {
    let found =
        problems("rename x=Statsu\nfilter nope = 'a'\nset y=hmac_sha256(x, sallt)\nselect x zz", "Status,id\n1,2\n");
    insta::assert_snapshot!(found.join("\n"), @r#"
    p.yaml:1:1: column: there is no column "Statsu" here (did you mean "Status"?; there are "Status", "id")
    p.yaml:1:1: filter: there is no column "nope" here (a text is written in single quotes, a column in double quotes or none; there are "Status", "id", "x")
    p.yaml:1:1: y: there is no secret "sallt" (did you mean "salt"?)
    p.yaml:1:1: column: there is no column "zz" here (there are "Status", "id", "x", "y")
    "#);
}

#[test]
fn a_doubled_name_may_be_dropped_unused_but_not_used_or_delivered() {
    let rows = "id,note,note\n1,a,b\n";
    check("select id", rows, "id\n1\n{\"extracted\":1,\"steps\":[],\"written\":1}");
    for steps in ["filter id = '1'", "rename x=note", "drop note", "set y=note", "set note=id", "select id note"] {
        let found = problems(steps, rows);
        assert!(found[0].contains("more than one column \"note\""), "{steps}: {found:?}");
    }
    assert!(problems("rename a=b", "a,b\n")[0].contains("there is a column \"a\" already"));
    assert!(problems("select a a", "a,b\n")[0].contains("the column \"a\" is named twice"));
    assert!(problems("drop a b", "a,b\n")[0].contains("no column is left"));
}

#[test]
fn a_row_without_a_result_is_named() {
    let rows = "id,points\n1,5\n2,\"a value that is longer than forty characters, by far\"\n";
    let error = transform("filter points > 3", rows).unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"record 2 (line 3), column "points": "a value that is longer than forty chara…" is not a valid number (filter)"#);
    let error = transform("set big=9223372036854775807 + cast(id as integer)", rows).unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"record 1 (line 2), column "big": "9223372036854775807 + 1" is out of range (big)"#);
    let error = transform("set t=format_time(id, '%Y', 'UTC')", "id\n0000-00-00 00:00:00\n").unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"record 1 (line 2), column "id": "0000-00-00 00:00:00" is not a date (make it null with nullif before format_time) (t)"#);
}

#[test]
fn a_secret_keys_the_hash() {
    // printf x | openssl dgst -sha256 -hmac pepper
    let hash = "3907347a65f6001d4cef35d4b93f9ed9887bcdf74f824aced9c6e9e3e3abf33c";
    check(
        "set h=hmac_sha256(a, 'salt')",
        "a\nx\n\n",
        &format!("a|h\nx|{hash}\n|\n{{\"extracted\":2,\"steps\":[],\"written\":2}}"),
    );
    check(
        "set h=hmac_sha256(a, salt)",
        "a\nx\n",
        &format!("a|h\nx|{hash}\n{{\"extracted\":1,\"steps\":[],\"written\":1}}"),
    );
}

#[test]
fn computed_cells_of_a_row_have_a_size_limit() {
    // 4 MiB: 64 KiB, 64 times.
    let rows = format!("a\n{}\n", "x".repeat(64 << 10));
    let to = |length: usize| format!("set a=replace(a, 'x', '{}')\nfilter length(a) <> 4194304", "y".repeat(length));
    check(
        &to(64),
        &rows,
        "a\n{\"extracted\":1,\"steps\":[{\"step\":2,\"kind\":\"filter\",\"dropped\":1}],\"written\":0}",
    );
    let error = transform(&to(65), &rows).unwrap_err().to_string();
    assert!(error.contains("the row's expressions make more than 4194304 bytes"), "{error}");
    let rows = "a\nx\n";
    let padded = "filter length(lpad(a, 4194304, 'y')) = 4194304";
    check(
        padded,
        rows,
        "a\nx\n{\"extracted\":1,\"steps\":[{\"step\":1,\"kind\":\"filter\",\"dropped\":0}],\"written\":1}",
    );
    assert!(transform("set a=lpad(a, 4194305, 'y')", rows).is_err());
    assert!(transform("set a=rpad(a, 9223372036854775807, 'y')", rows).is_err());
}

#[test]
fn a_column_that_a_delimiter_at_the_end_of_the_header_line_made_is_named() {
    let found = problems("select a c", "a,b,\n1,2,3\n").join("\n");
    let expected = "there are \"a\", \"b\", one without a name (a delimiter at the end of the header line makes one)";
    assert!(found.contains("there is no column \"c\" here") && found.contains(expected), "{found}");
    let found = problems("", "a,,\n1,2,3\n").join("\n");
    assert!(found.contains("more than one column without a name"), "{found}");
}

#[test]
fn f03_a_date_stays_the_day_that_it_is() {
    check(
        "set done=format_time(done, '%m/%d/%Y', 'America/New_York'); read=parse_time(done, '%Y-%m-%d', 'America/New_York')",
        "emp,done\n00123,2026-01-05\n",
        "emp|done|read\n00123|01/05/2026|2026-01-05\n{\"extracted\":1,\"steps\":[],\"written\":1}",
    );
    check(
        "set a=format_time(cast(d as date), '%d.%m.%Y', 'Asia/Tokyo'); b=format_time(parse_time(d, '%F'), '%F', 'America/Lima')",
        "x,d\n1, 2026-01-05 \n",
        "x|d|a|b\n1| 2026-01-05 |05.01.2026|2026-01-05\n{\"extracted\":1,\"steps\":[],\"written\":1}",
    );
    // Surrounding spaces are ignored in all three.
    check(
        "set a=cast(t as timestamp); b=format_time(t, '%F %T', 'UTC'); c=parse_time(t, '%F %T')",
        "x,t\n1, 2026-01-05 10:00:00 \n",
        "x|t|a|b|c\n1| 2026-01-05 10:00:00 |2026-01-05 10:00:00|2026-01-05 10:00:00|2026-01-05 10:00:00\n{\"extracted\":1,\"steps\":[],\"written\":1}",
    );
}

#[test]
fn f04_a_short_year_is_an_error_of_its_row() {
    let error = transform("set dob=parse_time(dob, '%m/%d/%Y')", "emp,dob\n1,07/16/68\n").unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"record 1 (line 2), column "dob": "07/16/68" does not match the format "%m/%d/%Y": a year of four digits (%Y) is expected where "68" is (dob)"#);
    let error = transform("set t=format_time(t, '%Y', 'UTC')", "t\n07/16/2026\n").unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r#"record 1 (line 2), column "t": "07/16/2026" is not a date or time that format_time reads (expected YYYY-MM-DD, alone or with HH:MM[:SS[.fraction]] and an offset as Z, +02 or +02:00; parse_time reads other forms) (t)"#);
}

#[test]
fn f05_no_end_is_a_date() {
    check(
        "set until=format_time(until, '%Y-%m-%d', 'UTC')",
        "emp,until\n1,9999-12-31\n2,9999-12-31 23:59:59\n",
        "emp|until\n1|9999-12-31\n2|9999-12-31\n{\"extracted\":2,\"steps\":[],\"written\":2}",
    );
    check(
        "set a=cast(a as timestamp)",
        "a\n9999-12-31T23:59:59-05:00\n0001-01-01 00:00:00+01:00\n",
        "a\n9999-12-31 23:59:59\n0001-01-01 00:00:00\n{\"extracted\":2,\"steps\":[],\"written\":2}",
    );
}

#[test]
fn f06_a_sum_binds_more_than_a_concatenation() {
    check("set n='00' || n + 1", "n\n41\n", "n\n0042\n{\"extracted\":1,\"steps\":[],\"written\":1}");
}

#[test]
fn fractions_are_kept() {
    check(
        "set a=parse_time(t, '%FT%T%.f'); b=format_time(t, '%T%.f', 'UTC'); c=format_time(t, '%3f', 'UTC')",
        "t\n2026-01-05T10:00:00.125\n",
        "t|a|b|c\n2026-01-05T10:00:00.125|2026-01-05 10:00:00.125|10:00:00.125|125\n{\"extracted\":1,\"steps\":[],\"written\":1}",
    );
}

#[test]
fn a_varchar_of_five_has_five_characters() {
    check(
        "set a=cast(a as varchar(5)); b=try_cast(a as varchar(2)); c=cast(n as varchar(2))",
        "a,n\nÄrgerlich,1234\n",
        "a|n|b|c\nÄrger|1234|Är|12\n{\"extracted\":1,\"steps\":[],\"written\":1}",
    );
}

#[test]
fn a_missing_column_may_be_a_text_or_a_name_with_a_minus_or_spaces() {
    let mut found = problems("filter Status = \"Completed\"", "Status,id\n1,2\n");
    found.extend(problems("filter employee-id = 5", "employee-id,id\n1,2\n"));
    found.extend(problems("filter employee-no > 5", "employee-id,id\n1,2\n"));
    found.extend(problems("filter status = 'x'", "Status,id\n1,2\n"));
    found.extend(problems("filter ID = 'x'", "x, id \n1,2\n"));
    insta::assert_snapshot!(found.join("\n"), @r#"
    p.yaml:1:1: filter: there is no column "Completed" here (a text is written in single quotes: `'Completed'`; there are "Status", "id")
    p.yaml:1:1: filter: there is no column "employee" here (did you mean "employee-id"?; a name with a minus is written in double quotes: `"employee-id"`; there are "employee-id", "id")
    p.yaml:1:1: filter: there is no column "employee" here (did you mean "employee-id"?; a name with a minus is written in double quotes: `"employee-no"`; there are "employee-id", "id")
    p.yaml:1:1: filter: there is no column "no" here (a name with a minus is written in double quotes: `"employee-no"`; there are "employee-id", "id")
    p.yaml:1:1: filter: there is no column "status" here (did you mean "Status"?; a text is written in single quotes, a column in double quotes or none; there are "Status", "id")
    p.yaml:1:1: filter: there is no column "ID" here (did you mean " id " with the spaces that the header has?; a text is written in single quotes, a column in double quotes or none; there are "x", " id ")
    "#);
}

#[test]
fn a_key_without_text_is_a_problem_and_never_another_key() {
    for text in ["", " ", "\n", "\t\r\n"] {
        let secrets = BTreeMap::from([("salt".to_owned(), Secret::new(text))]);
        let mut columns = Columns::of_header(&["a".to_owned()]);
        let (step, masked) = (&steps("set h=hmac_sha256(a, salt)")[0], &BTreeSet::new());
        Builder::new(&secrets).row_operator(&StepInput { step, index: 0, masked }, &mut columns);
        let found = columns.into_problems();
        assert!(found[0].to_string().contains("the secret \"salt\" is empty or only white space"), "{found:?}");
    }
}

/// Returns the cells of a Markdown table row, with `\|` unescaped.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|').trim_end_matches('|').replace("\\|", "\u{1}");
    line.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
}

#[test]
fn the_documentation_is_true() {
    let page = include_str!("../../../docs/expressions.md");
    let row = "name,n,score,done,day,note,Employee Number\nAda Lovelace,41,100,2026-01-05 23:30:00,2026-01-05,,00123\n";
    let mut examples = 0;
    for line in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| name")) {
        let cells = cells(line);
        let [_, example, result] = cells.as_slice() else { continue };
        if example == "Example" {
            continue;
        }
        let code = |cell: &str| cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`')).map(str::to_owned);
        let example = code(example).unwrap_or_else(|| panic!("no example in {line}"));
        let result = code(result).unwrap_or_default();
        let expr = Expr::parse(&example).unwrap_or_else(|problem| panic!("{example}: {problem}"));
        assert_eq!(expr.warnings(), [], "{example}");
        let expr = expr.with_vars(&|_| Some("10001234".to_owned())).unwrap();
        let step = TransformStep {
            at: place("set"),
            kind: StepKind::Set(vec![Assign {
                column: "result".to_owned(),
                value: Expression::new(expr, |_| place("result")),
                at: place("result"),
            }]),
            on_error: OnError::Fail,
        };
        let meter = Meter::default();
        let input = Input {
            read: Box::new(Cursor::new(row.as_bytes().to_vec())),
            csv: crate::pipeline::plan::CsvInput::default(),
            limits: Limits::default(),
            meter: &meter,
            stop: CancellationToken::new(),
            folder: &std::env::temp_dir(),
            step_inputs: Default::default(),
        };
        let secrets = BTreeMap::from([("email_salt".to_owned(), Secret::new("a key of more than 16 bytes"))]);
        let transform = Transform::open(input, &[step], &secrets).unwrap();
        let mut found = String::new();
        transform
            .run(|row| {
                found = row.cells().last().map(|cell| String::from_utf8_lossy(cell.bytes).into_owned()).unwrap();
                Ok(())
            })
            .unwrap_or_else(|error| panic!("{example}: {error}"));
        assert_eq!(found, result, "{example}");
        examples += 1;
    }
    assert!(examples > 60, "{examples}");
    for function in crate::expr::function_names() {
        assert!(page.contains(&format!("`{function}(")), "{function} is not documented");
    }
}

#[test]
fn programs_follow_operators_on_whole_tables() {
    check(
        "filter n > 1\nset m=n * 2\nsort b\nfilter m < 10\nrename c=b\nsort c m\nset n=c || n",
        "n,b\n1,x\n2,y\n5,a\n4,\n3,a\n2,a\n",
        r#"
        n|c|m
        a2|a|4
        a3|a|6
        y2|y|4
        ||8
        {"extracted":6,"steps":[{"step":1,"kind":"filter","dropped":1},{"step":4,"kind":"filter","dropped":1}],"written":4}
        "#,
    );
}
