//! An expression in plain English, for people who do not read SQL.

mod calls;

use sqlparser::ast::{
    BinaryOperator, CastKind, Expr as Tree, Function, FunctionArg, FunctionArgExpr, FunctionArguments, InTarget,
    UnaryOperator, Value,
};
use sqlparser::parser::Parser;

use super::{Expr, Scalar};

/// Returns the description of a column's content by its name.
pub(crate) type Describe<'a> = &'a dyn Fn(&str) -> String;

impl Expr {
    /// Returns the value in English; `describe` describes columns. Functions without a translation are quoted as written.
    pub(crate) fn explain(&self, describe: Describe<'_>) -> String {
        self.tree().map_or_else(|| quoted(&self.0.text), |tree| value(&tree, describe))
    }

    /// Returns the conditions that must all be true, in English.
    pub(crate) fn explain_conditions(&self, describe: Describe<'_>) -> Vec<String> {
        let Some(tree) = self.tree() else { return vec![quoted(&self.0.text)] };
        let mut conditions = Vec::new();
        operands(&tree, &BinaryOperator::And, &mut conditions);
        conditions.into_iter().map(|tree| condition(tree, describe)).collect()
    }

    fn tree(&self) -> Option<Tree> {
        Parser::new(&Scalar).try_with_sql(&self.0.text).ok()?.parse_expr().ok()
    }
}

/// Collects the operands of a chain such as `a and (b and c)`.
fn operands<'a>(tree: &'a Tree, operator: &BinaryOperator, into: &mut Vec<&'a Tree>) {
    match tree {
        Tree::BinaryOp { left, op, right } if op == operator => {
            operands(left, operator, into);
            operands(right, operator, into);
        }
        Tree::Nested(inner) if matches!(&**inner, Tree::BinaryOp { op, .. } if op == operator) => {
            operands(inner, operator, into);
        }
        other => into.push(other),
    }
}

/// Returns a condition as a clause: `"Status" is 'Completed'`.
fn condition(tree: &Tree, describe: Describe<'_>) -> String {
    let of = |tree: &Tree| value(tree, describe);
    match tree {
        Tree::Nested(inner) => condition(inner, describe),
        Tree::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
            let mut parts = Vec::new();
            operands(tree, op, &mut parts);
            let parts: Vec<String> = parts.into_iter().map(|part| nested_condition(part, describe)).collect();
            match op {
                BinaryOperator::And => format!("both or all of these hold: {}", joined(&parts, "and")),
                _ => format!("at least one of these holds: {}", joined(&parts, "or")),
            }
        }
        Tree::BinaryOp { left, op, right } => match comparison(op, right) {
            Some((before, after)) => format!("{} {before} {}{after}", of(left), of(right)),
            None => format!("{} is true", quoted(&tree.to_string())),
        },
        Tree::UnaryOp { op: UnaryOperator::Not, expr } => {
            format!("it is not true that {}", nested_condition(expr, describe))
        }
        Tree::IsNull(expr) => format!("{} is empty", of(expr)),
        Tree::IsNotNull(expr) => format!("{} is not empty", of(expr)),
        Tree::IsTrue(expr) | Tree::IsNotFalse(expr) => nested_condition(expr, describe),
        Tree::IsFalse(expr) | Tree::IsNotTrue(expr) => {
            format!("it is not true that {}", nested_condition(expr, describe))
        }
        Tree::In { expr, target: InTarget::List(list), negated, .. } => {
            let list: Vec<String> = list.iter().map(of).collect();
            match negated {
                false => format!("{} is one of {}", of(expr), joined(&list, "or")),
                true => format!("{} is none of {}", of(expr), joined(&list, "or")),
            }
        }
        Tree::Between { expr, negated, low, high } => {
            let not = if *negated { " not" } else { "" };
            format!("{} is{not} between {} and {}, both included", of(expr), of(low), of(high))
        }
        Tree::Like { negated, expr, pattern, escape_char: None, .. } => like(&of(expr), pattern, *negated),
        Tree::IsDistinctFrom(left, right) => format!("{} is not {}, or only one is empty", of(left), of(right)),
        Tree::IsNotDistinctFrom(left, right) => format!("{} is {}, or both are empty", of(left), of(right)),
        Tree::Function(function) => {
            let clause = arguments_of(function).and_then(|arguments| {
                calls::condition(&function.name.to_string().to_lowercase(), &arguments, describe)
            });
            clause.unwrap_or_else(|| format!("{} is true", of(tree)))
        }
        Tree::Identifier(_) => format!("{} is true", of(tree)),
        _ => format!("{} is true", quoted(&tree.to_string())),
    }
}

fn nested_condition(tree: &Tree, describe: Describe<'_>) -> String {
    let inner = if let Tree::Nested(inner) = tree { inner } else { tree };
    let text = condition(inner, describe);
    let is_chain = matches!(inner, Tree::BinaryOp { op: BinaryOperator::And | BinaryOperator::Or, .. });
    if is_chain { format!("({text})") } else { text }
}

/// Returns the words before and after the right side of a comparison.
fn comparison(op: &BinaryOperator, right: &Tree) -> Option<(&'static str, &'static str)> {
    let is_date = text_of(right).is_some_and(|text| text.parse::<jiff::civil::Date>().is_ok() && text.len() >= 10);
    Some(match (op, is_date) {
        (BinaryOperator::Eq, _) => ("is", ""),
        (BinaryOperator::NotEq, _) => ("is not", ""),
        (BinaryOperator::Lt, true) => ("is before", ""),
        (BinaryOperator::Lt, false) => ("is less than", ""),
        (BinaryOperator::LtEq, true) => ("is", " or earlier"),
        (BinaryOperator::LtEq, false) => ("is at most", ""),
        (BinaryOperator::Gt, true) => ("is after", ""),
        (BinaryOperator::Gt, false) => ("is more than", ""),
        (BinaryOperator::GtEq, true) => ("is", " or later"),
        (BinaryOperator::GtEq, false) => ("is at least", ""),
        _ => return None,
    })
}

fn like(of: &str, pattern: &Tree, negated: bool) -> String {
    let Some(pattern) = text_of(pattern) else {
        let not = if negated { " not" } else { "" };
        return format!("{of} is{not} like {}", quoted(&pattern.to_string()));
    };
    let inner = pattern.trim_matches('%');
    let verbs = match (pattern.starts_with('%'), pattern.ends_with('%')) {
        _ if inner.contains(['%', '_']) || inner.is_empty() => None,
        (true, true) => Some(("contains", "does not contain")),
        (false, true) => Some(("begins with", "does not begin with")),
        (true, false) => Some(("ends with", "does not end with")),
        (false, false) => Some(("is", "is not")),
    };
    match verbs {
        Some((does, does_not)) => format!("{of} {} {}", if negated { does_not } else { does }, text_literal(inner)),
        None => {
            let matches = if negated { "does not match" } else { "matches" };
            format!("{of} {matches} the pattern {} (% is any text, _ any one character)", text_literal(pattern))
        }
    }
}

/// Returns a value as a noun phrase: `"Email" in lower case`.
fn value(tree: &Tree, describe: Describe<'_>) -> String {
    match tree {
        Tree::Nested(inner) => value(inner, describe),
        Tree::Identifier(name) => describe(&name.value),
        Tree::Value(literal) => match &literal.value {
            Value::SingleQuotedString(text) => text_literal(text),
            Value::Null => "nothing".to_owned(),
            other => other.to_string(),
        },
        Tree::Function(function) => call(function, describe).unwrap_or_else(|| quoted(&tree.to_string())),
        Tree::Extract { field, expr, .. } => calls::extract(field, expr, describe),
        Tree::Interval(interval) => calls::interval(interval),
        Tree::Trim { expr, trim_where: None, trim_what: None, trim_characters: None } => {
            format!("{} without spaces around it", value(expr, describe))
        }
        Tree::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, .. } => {
            format!("{} read as {}", operand(expr, describe), data_type.to_string().to_lowercase())
        }
        Tree::Case { operand, conditions, else_result, .. } => {
            let case = |case: &sqlparser::ast::CaseWhen| {
                let when = match operand {
                    Some(operand) => format!("{} is {}", value(operand, describe), value(&case.condition, describe)),
                    None => condition(&case.condition, describe),
                };
                format!("{} if {when}", value(&case.result, describe))
            };
            let cases: Vec<String> = conditions.iter().map(case).collect();
            let otherwise = else_result.as_ref().map_or("nothing".to_owned(), |result| value(result, describe));
            format!("{}; otherwise {otherwise}", cases.join("; else "))
        }
        Tree::BinaryOp { op: BinaryOperator::StringConcat, .. } => {
            let mut parts = Vec::new();
            operands(tree, &BinaryOperator::StringConcat, &mut parts);
            let parts: Vec<String> = parts.into_iter().map(|part| value(part, describe)).collect();
            format!("{}, written together (nothing if one is empty)", joined(&parts, "and"))
        }
        Tree::BinaryOp { left, op, right } => {
            let sign = match op {
                BinaryOperator::Plus => "plus",
                BinaryOperator::Minus => "minus",
                BinaryOperator::Multiply => "times",
                BinaryOperator::Divide => "divided by",
                _ => return quoted(&tree.to_string()),
            };
            format!("{} {sign} {}", operand(left, describe), operand(right, describe))
        }
        _ => quoted(&tree.to_string()),
    }
}

/// Returns a side of a calculation, in parentheses if it is one itself.
fn operand(tree: &Tree, describe: Describe<'_>) -> String {
    let text = value(tree, describe);
    let inner = if let Tree::Nested(inner) = tree { inner } else { tree };
    if matches!(inner, Tree::Identifier(_) | Tree::Value(_)) { text } else { format!("({text})") }
}

/// Returns a function's value, if there is a translation.
fn call(function: &Function, describe: Describe<'_>) -> Option<String> {
    let arguments = arguments_of(function)?;
    let of = |tree: &Tree| value(tree, describe);
    let all = || arguments.iter().map(|tree| of(tree)).collect::<Vec<_>>();
    let name = function.name.to_string().to_lowercase();
    Some(match (name.as_str(), arguments.as_slice()) {
        ("lower", [text]) => format!("{} in lower case", of(text)),
        ("upper", [text]) => format!("{} in upper case", of(text)),
        ("concat", [_, _, ..]) => format!("{}, written together", joined(&all(), "and")),
        ("coalesce", [_, _, ..]) => format!("the first of {} that is not empty", joined(&all(), "and")),
        ("replace", [text, from, to]) => format!("{} with {} replaced by {}", of(text), of(from), of(to)),
        ("left", [text, count]) => format!("the first {} characters of {}", of(count), of(text)),
        ("right", [text, count]) => format!("the last {} characters of {}", of(count), of(text)),
        ("length", [text]) => format!("the number of characters of {}", of(text)),
        ("nullif", [text, other]) => format!("{}, or nothing if it is {}", of(text), of(other)),
        ("format_time", [time, format, zone]) => {
            format!("the time {} written as {} in the time zone {}", of(time), of(format), of(zone))
        }
        ("parse_time", [text, format]) => format!("the time that {} gives in the format {}", of(text), of(format)),
        ("parse_time", [text, format, zone]) => {
            format!("the time that {} gives in the format {} in the time zone {}", of(text), of(format), of(zone))
        }
        ("sha256", [text]) => format!("a hash (SHA-256) of {}; common values can be guessed from it", of(text)),
        ("hmac_sha256", [text, secret]) => {
            format!("a pseudonym: a keyed hash (HMAC-SHA-256, secret {}) of {}", of(secret), of(text))
        }
        (name, arguments) => return calls::call(name, arguments, describe),
    })
}

fn arguments_of(function: &Function) -> Option<Vec<&Tree>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(tree)) => Some(tree),
        _ => None,
    });
    arguments.collect()
}

fn text_of(tree: &Tree) -> Option<&str> {
    match tree {
        Tree::Value(literal) => match &literal.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Returns a text as it is written in an expression: a quote in it is doubled.
fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn quoted(text: &str) -> String {
    format!("`{}`", text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Joins as `a, b and c`.
pub(crate) fn joined(parts: &[String], word: &str) -> String {
    match parts {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let describe = |name: &str| format!("\"{name}\"");
        let expr = Expr::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        match expr.yields() {
            "boolean" => expr.explain_conditions(&describe).join(" & "),
            _ => expr.explain(&describe),
        }
    }

    #[test]
    fn expressions_are_english() {
        for (text, english) in [
            ("a = 'x' and (b <> 'y' and c is not null)", r#""a" is 'x' & "b" is not 'y' & "c" is not empty"#),
            ("a >= '2026-01-01' and a < '2027-01-01'", r#""a" is '2026-01-01' or later & "a" is before '2027-01-01'"#),
            ("cast(a as integer) > 5", r#""a" read as integer is more than 5"#),
            (
                "a = 'x' or (b = 'y' and c = 'z')",
                r#"at least one of these holds: "a" is 'x' or (both or all of these hold: "b" is 'y' and "c" is 'z')"#,
            ),
            (
                "not (a = 'x' or b = 'y')",
                r#"it is not true that (at least one of these holds: "a" is 'x' or "b" is 'y')"#,
            ),
            ("a in ('x', 'y', 'z')", r#""a" is one of 'x', 'y' or 'z'"#),
            ("a not in ('x')", r#""a" is none of 'x'"#),
            ("cast(a as integer) not between 1 and 9", r#""a" read as integer is not between 1 and 9, both included"#),
            (
                "a like 'x%' and a not like '%y%' and a like '%z' and a like 'a_b'",
                r#""a" begins with 'x' & "a" does not contain 'y' & "a" ends with 'z' & "a" matches the pattern 'a_b' (% is any text, _ any one character)"#,
            ),
            ("a is null", r#""a" is empty"#),
            (
                "case when a is null then 'none' else lower(a) end",
                r#"'none' if "a" is empty; otherwise "a" in lower case"#,
            ),
            ("case a when 'Yes' then 'true' end", r#"'true' if "a" is 'Yes'; otherwise nothing"#),
            ("a || '@' || b", r#""a", '@' and "b", written together (nothing if one is empty)"#),
            ("cast(a as integer) / 60 + 1", r#"(("a" read as integer) divided by 60) plus 1"#),
            ("lpad(a, 8, '0')", "`lpad(a, 8, '0')`"),
            (
                "hmac_sha256(lower(a), 'salt')",
                r#"a pseudonym: a keyed hash (HMAC-SHA-256, secret 'salt') of "a" in lower case"#,
            ),
            ("trim(a)", r#""a" without spaces around it"#),
            ("year(a) = 2026", r#"the year of "a" is 2026"#),
            ("extract(week from a)", r#"the week of "a""#),
            ("date_trunc('month', a)", r#"the beginning of the month of "a""#),
            ("date_diff('days', a, b) > 5", r#"the number of days from "a" to "b" is more than 5"#),
            ("cast(a as date) + interval '1 month'", r#"("a" read as date) plus (1 month)"#),
            (
                "regexp_matches(a, '^x') and contains(b, a)",
                r#""a" matches the regular expression '^x' & "b" contains "a""#,
            ),
            ("a is not distinct from b", r#""a" is "b", or both are empty"#),
            ("split_part(a, '-', 2)", r#"part 2 of "a", split at '-'"#),
            ("json_object('id', a, 'n', b)", r#"a JSON object of 'id': "a", 'n': "b""#),
            (
                "json_object('a', json_object('x', a, 'y', b), 'l', json_array(a, b || '!'))",
                r#"a JSON object of 'a': (a JSON object of 'x': "a", 'y': "b"), 'l': (a JSON array of "a" and ("b" and '!', written together (nothing if one is empty)))"#,
            ),
            (
                "a = 'O''Neil' or a like 'it''s%'",
                r#"at least one of these holds: "a" is 'O''Neil' or "a" begins with 'it''s'"#,
            ),
            ("if(a = 'x', b, 'y')", r#""b" if "a" is 'x'; otherwise 'y'"#),
        ] {
            assert_eq!(said(text), english, "{text}");
        }
    }

    /// Every function is translated or quoted; none ends the program.
    #[test]
    fn no_function_is_lost() {
        for name in super::super::function_names() {
            let calls = [
                "(a)",
                "(a, 'x')",
                "(a, 2)",
                "(a, 'x', 'y')",
                "(a, 2, 'x')",
                "(a, '%Y-%m-%d')",
                "(a, '%Y', 'UTC')",
                "(a, 'x', 2)",
                "(a = 'x', a, a)",
                "('day', a)",
                "('day', a, a)",
                "('dns', a)",
                "('x', a)",
                "('x')",
            ];
            let expr = calls.iter().find_map(|call| Expr::parse(&format!("{name}{call}")).ok());
            let expr = expr.unwrap_or_else(|| panic!("{name} takes other arguments"));
            assert!(expr.explain(&|_| "COLUMN".to_owned()).contains(['C', '`']), "{name}");
        }
    }
}
