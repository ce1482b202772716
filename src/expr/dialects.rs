//! Functions of other engines, each with its equivalent here.

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned};

use super::ExprProblem;
use super::build::Builder;
use super::calendar::DatePart;
use super::refuse::shown;
use super::unit::Unit;
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
    Some(match (name, arguments) {
        ("isnull", [of]) => Expression(format!("({of} is null)")),
        ("nvl" | "isnull", [of, other]) => Expression(format!("coalesce({of}, {other})")),
        ("nvl" | "isnull", _) => Sentence("write coalesce(x, y), or `x is null`"),
        ("decode" | "switch" | "choose", _) => Sentence("write case when … then … else … end"),
        ("nvl2", [of, one, other]) => Expression(format!("if({of} is not null, {one}, {other})")),
        ("char_length" | "character_length" | "len", [of]) => Expression(format!("length({of})")),
        ("ucase" | "toupper", [of]) => Expression(format!("upper({of})")),
        ("lcase" | "tolower", [of]) => Expression(format!("lower({of})")),
        ("initcap" | "proper", [of]) => Expression(format!("(upper(left({of}, 1)) || lower(substr({of}, 2)))")),
        ("mid", [of, from]) => Expression(format!("substr({of}, {from})")),
        ("mid", [of, from, length]) => Expression(format!("substr({of}, {from}, {length})")),
        ("unaccent" | "remove_accents", [of]) => Expression(format!("strip_accents({of})")),
        ("char" | "nchar", [of]) => Expression(format!("chr({of})")),
        ("space", [of]) => Expression(format!("repeat(' ', {of})")),
        ("replicate", [of, times]) => Expression(format!("repeat({of}, {times})")),
        ("ceiling", [of]) => Expression(format!("ceil({of})")),
        ("trunc" | "truncate", _) => Sentence("write floor(x) or ceil(x)"),
        ("sqrt" | "power" | "pow" | "exp" | "ln" | "log", _) => Sentence("it is not available; multiply and divide"),
        ("instr", [of, wanted]) => Expression(format!("strpos({of}, {wanted})")),
        ("charindex" | "locate", [wanted, of]) => Expression(format!("strpos({of}, {wanted})")),
        ("position" | "instr" | "charindex" | "locate" | "find", _) => {
            Sentence("write strpos(text, wanted), or position(wanted in text)")
        }
        ("startswith" | "prefix", [of, wanted]) => Expression(format!("starts_with({of}, {wanted})")),
        ("endswith" | "suffix", [of, wanted]) => Expression(format!("ends_with({of}, {wanted})")),
        ("substring_index", [of, separator, n]) if n == "1" || n == "-1" => {
            Expression(format!("split_part({of}, {separator}, {n})"))
        }
        ("substring_index" | "string_split" | "split", _) => {
            Sentence("write split_part(text, separator, n) for one part, counted from 1, from the end with -1")
        }
        ("to_number" | "val", [of]) => Expression(format!("cast({of} as decimal(18,3))")),
        ("int" | "integer" | "cint" | "to_integer", [of]) => Expression(format!("cast({of} as integer)")),
        ("str" | "cstr" | "text" | "string", [of]) => Expression(format!("cast({of} as text)")),
        ("date" | "cdate", [of]) => Expression(format!("cast({of} as date)")),
        ("convert", _) => Sentence("write cast(x as integer)"),
        ("sha1" | "sha512", _) => Sentence("it is not available; use sha256(x) or hmac_sha256(x, secret)"),
        ("regexp_like" | "regexp_full_match" | "rlike", [of, pattern]) => {
            Expression(format!("regexp_matches({of}, {pattern})"))
        }
        ("regexp_substr", [of, pattern]) => Expression(format!("regexp_extract({of}, {pattern})")),
        ("regexp" | "regex" | "regexp_like" | "regexp_substr" | "regexp_count" | "regexp_split", _) => Sentence(
            "write regexp_matches(x, pattern), regexp_extract(x, pattern) or regexp_replace(x, pattern, replacement)",
        ),
        ("json_build_object" | "to_json", _) => Sentence("write json_object('key', value, …)"),
        ("json_build_array", _) => Sentence("write json_array(value, …)"),
        ("uuid_generate_v5" | "uuid_v5" | "uuidv5", [namespace, of]) => Expression(format!("uuid5({namespace}, {of})")),
        ("random" | "rand" | "uuid" | "newid" | "gen_random_uuid", _) => {
            Sentence("an expression has no random values, so that a repeated run gives the same file; see uuid5")
        }
        _ => return of_time(name, arguments),
    })
}

/// Returns the replacement for a function of dates and times.
fn of_time(name: &str, arguments: &[String]) -> Option<Instead> {
    use Instead::{Expression, Sentence};
    // Transact-SQL names a unit without quotes.
    let unit = |text: &String| text.trim_matches('\'').to_lowercase();
    Some(match (name, arguments) {
        (
            "strftime" | "date_format" | "to_char" | "format" | "format_date" | "monthname" | "dayname" | "datename",
            _,
        ) => {
            Sentence("write format_time(value, format, zone), as in format_time(done, '%m/%d/%Y', 'America/New_York')")
        }
        ("strptime" | "to_timestamp" | "to_date" | "str_to_date" | "parse_date", _) => {
            Sentence("write parse_time(text, format, zone), as in parse_time(done, '%m/%d/%Y', 'America/New_York')")
        }
        ("datediff" | "timestampdiff", [name, from, until]) if Unit::of(&unit(name)).is_ok() => {
            Expression(format!("date_diff('{}', {from}, {until})", unit(name)))
        }
        ("datediff", [until, from]) => Expression(format!("date_diff('day', {from}, {until})")),
        ("months_between", [until, from]) => Expression(format!("date_diff('month', {from}, {until})")),
        ("datediff" | "timestampdiff" | "age" | "date_sub" | "months_between", _) => {
            Sentence("write date_diff('day', from, until), or with another unit")
        }
        ("dateadd" | "timestampadd", [name, number, of])
            if Unit::of(&unit(name)).is_ok() && number.parse::<i32>().is_ok() =>
        {
            Expression(format!("({of} + interval '{number} {}')", unit(name)))
        }
        ("add_months", [of, number]) if number.parse::<i32>().is_ok() => {
            Expression(format!("({of} + interval '{number} month')"))
        }
        ("dateadd" | "date_add" | "adddate" | "subdate" | "timestampadd" | "add_months", _) => {
            Sentence("write done + interval '1 day' or done - interval '1 month'")
        }
        ("datepart", [name, of]) if DatePart::of(&unit(name)).is_ok() => {
            Expression(format!("date_part('{}', {of})", unit(name)))
        }
        ("datepart" | "datetrunc" | "trunc_date", _) => {
            Sentence("write date_part('year', x), or date_trunc('month', x)")
        }
        ("dayofmonth", [of]) => Expression(format!("day({of})")),
        ("weekday" | "day_of_week", [of]) => Expression(format!("dayofweek({of})")),
        ("weekofyear" | "isoweek" | "weeknum", [of]) => Expression(format!("week({of})")),
        ("eomonth", [of]) => Expression(format!("last_day({of})")),
        (
            "now" | "current_date" | "current_time" | "current_timestamp" | "localtime" | "localtimestamp" | "today"
            | "getdate" | "getutcdate" | "sysdate" | "curdate" | "curtime" | "utc_timestamp" | "sysdatetime",
            _,
        ) => Sentence(NO_CLOCK),
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
                        .unwrap_or_else(|| "docs/expressions.md lists the functions".to_owned()),
                });
                problem
            }
        }
    }
}
