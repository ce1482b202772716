//! Functions of other engines, each with its equivalent here.

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};

use super::ExprProblem;
use super::build::Builder;
use super::refuse::shown;
use crate::expr::shorten;
use crate::yaml::problem::did_you_mean;

/// The suggested replacement: a whole expression, or a sentence.
enum Instead {
    Expression(String),
    Sentence(&'static str),
}

const NO_CLOCK: &str = "an expression has no clock, so that a repeated run gives the same file; write the day as a text, \
                        or have the report filter by date";

fn instead(name: &str, arguments: &[String]) -> Option<Instead> {
    use Instead::{Expression, Sentence};
    let is_date = |text: &str| text.contains('\'');
    Some(match (name, arguments) {
        ("isnull", [of]) => Expression(format!("({of} is null)")),
        ("ifnull" | "nvl" | "isnull", [of, other]) => Expression(format!("coalesce({of}, {other})")),
        ("ifnull" | "nvl" | "isnull", _) => Sentence("write coalesce(x, y), or `x is null`"),
        ("iif" | "if", [condition, one, other]) => {
            Expression(format!("case when {condition} then {one} else {other} end"))
        }
        ("iif" | "if" | "decode" | "switch" | "choose", _) => Sentence("write case when … then … else … end"),
        ("nvl2", [of, one, other]) => Expression(format!("case when {of} is not null then {one} else {other} end")),
        ("char_length" | "character_length" | "len", [of]) => Expression(format!("length({of})")),
        ("ucase", [of]) => Expression(format!("upper({of})")),
        ("lcase", [of]) => Expression(format!("lower({of})")),
        ("mid", [of, from]) => Expression(format!("substr({of}, {from})")),
        ("mid", [of, from, length]) => Expression(format!("substr({of}, {from}, {length})")),
        ("ceiling", [of]) => Expression(format!("ceil({of})")),
        ("mod", [a, b]) => Expression(format!("({a} % {b})")),
        ("trunc" | "truncate", _) => Sentence("write floor(x) or ceil(x)"),
        ("position" | "instr" | "charindex" | "locate" | "find", _) => {
            Sentence("write strpos(text, wanted), or position(wanted in text)")
        }
        ("contains", [of, wanted]) => Expression(format!("(strpos({of}, {wanted}) > 0)")),
        ("starts_with" | "startswith", [of, wanted]) => Expression(format!("(strpos({of}, {wanted}) = 1)")),
        ("ends_with" | "endswith", [of, wanted]) => Expression(format!("(right({of}, length({wanted})) = {wanted})")),
        ("to_number" | "val", [of]) => Expression(format!("cast({of} as decimal(18,3))")),
        ("int" | "integer" | "cint" | "to_integer", [of]) => Expression(format!("cast({of} as integer)")),
        ("str" | "cstr" | "text" | "string", [of]) => Expression(format!("cast({of} as text)")),
        ("date" | "cdate", [of]) => Expression(format!("cast({of} as date)")),
        ("year", [of]) => Expression(format!("format_time({of}, '%Y', 'UTC')")),
        ("month", [of]) => Expression(format!("format_time({of}, '%m', 'UTC')")),
        ("day", [of]) => Expression(format!("format_time({of}, '%d', 'UTC')")),
        ("strftime" | "date_format" | "to_char" | "format" | "format_date", _) => {
            Sentence("write format_time(value, format, zone), as in format_time(done, '%m/%d/%Y', 'America/New_York')")
        }
        ("strptime" | "to_timestamp" | "to_date" | "str_to_date" | "parse_date", _) => {
            Sentence("write parse_time(text, format, zone), as in parse_time(done, '%m/%d/%Y', 'America/New_York')")
        }
        ("convert", _) => Sentence("write cast(x as integer)"),
        ("concat_ws", _) => Sentence("it is not available; write a || ', ' || b"),
        ("md5" | "sha1" | "sha512", _) => Sentence("it is not available; use sha256(x) or hmac_sha256(x, secret)"),
        ("dateadd" | "datediff" | "date_add" | "date_sub" | "date_diff" | "date_trunc" | "date_part" | "age", _) => {
            Sentence("calculating with dates is not available yet; dates can be compared and written with format_time")
        }
        ("regexp_matches" | "regexp_replace" | "regexp_extract" | "regexp_like", _) => {
            Sentence("regular expressions are not available yet; use like, replace, substr or strpos")
        }
        ("split_part", _) => Sentence("it is not available yet; use substr and strpos"),
        ("greatest" | "least", [a, b]) if !is_date(a) => {
            let sign = if name == "least" { "<" } else { ">" };
            Expression(format!("case when {a} {sign} {b} then {a} else {b} end"))
        }
        ("greatest" | "least", _) => Sentence("it is not available yet; write case when a > b then a else b end"),
        (
            "now" | "current_date" | "current_time" | "current_timestamp" | "localtime" | "localtimestamp" | "today"
            | "getdate" | "getutcdate" | "sysdate" | "curdate" | "curtime" | "utc_timestamp",
            _,
        ) => Sentence(NO_CLOCK),
        ("random" | "rand" | "uuid" | "newid" | "gen_random_uuid", _) => {
            Sentence("an expression has no random values, so that a repeated run gives the same file")
        }
        _ => return None,
    })
}

impl Builder<'_> {
    pub(super) fn unknown_function(&self, name: &str, function: &Function, known: &[&str]) -> ExprProblem {
        let arguments: Option<Vec<String>> = match &function.args {
            FunctionArguments::List(list) => list
                .args
                .iter()
                .map(|argument| match argument {
                    FunctionArg::Unnamed(FunctionArgExpr::Expr(tree)) => shown(tree),
                    _ => None,
                })
                .collect(),
            _ => None,
        };
        let what = format!("there is no function {}", shorten(name));
        match instead(name, &arguments.unwrap_or_default()) {
            Some(Instead::Expression(by)) if by.len() <= 200 => {
                self.replaced(&Expr::Function(function.clone()), what, Some(by))
            }
            found => {
                let mut problem = self.problem(function.name.span(), what);
                problem.hint = Some(match found {
                    Some(Instead::Sentence(hint)) => hint.to_owned(),
                    _ => did_you_mean(name, known.iter().copied())
                        .unwrap_or_else(|| format!("the functions are {}", known.join(", "))),
                });
                problem
            }
        }
    }
}
