//! Functions of dates, patterns and JSON in plain English.

use sqlparser::ast::{DateTimeField, Expr as Tree, Interval};

use super::{Describe, joined, operand, text_of, value};

/// Returns a function that is a condition as a clause, if there is a translation.
pub(super) fn condition(name: &str, arguments: &[&Tree], describe: Describe<'_>) -> Option<String> {
    let of = |tree: &Tree| value(tree, describe);
    Some(match (name, arguments) {
        ("starts_with", [text, wanted]) => format!("{} begins with {}", of(text), of(wanted)),
        ("ends_with", [text, wanted]) => format!("{} ends with {}", of(text), of(wanted)),
        ("contains", [text, wanted]) => format!("{} contains {}", of(text), of(wanted)),
        ("regexp_matches", [text, pattern, ..]) => {
            format!("{} matches the regular expression {}", of(text), of(pattern))
        }
        _ => return None,
    })
}

/// Returns a function's value, if there is a translation.
pub(super) fn call(name: &str, arguments: &[&Tree], describe: Describe<'_>) -> Option<String> {
    let of = |tree: &Tree| value(tree, describe);
    let all = |trees: &[&Tree]| trees.iter().map(|tree| of(tree)).collect::<Vec<_>>();
    let word = |tree: &Tree| text_of(tree).map_or_else(|| of(tree), str::to_lowercase);
    Some(match (name, arguments) {
        ("year" | "quarter" | "month" | "week" | "day" | "hour" | "minute" | "second", [time]) => {
            format!("the {name} of {}", of(time))
        }
        ("date_part", [part, time]) => format!("the {} of {}", word(part), of(time)),
        ("date_trunc", [unit, time]) => format!("the beginning of the {} of {}", word(unit), of(time)),
        ("date_diff", [unit, from, until]) => {
            format!("the number of {}s from {} to {}", word(unit).trim_end_matches('s'), of(from), of(until))
        }
        ("last_day", [time]) => format!("the last day of the month of {}", of(time)),
        ("greatest", [_, _, ..]) => format!("the greatest of {}", joined(&all(arguments), "and")),
        ("least", [_, _, ..]) => format!("the least of {}", joined(&all(arguments), "and")),
        ("if" | "iif", [condition, one, other]) => {
            let condition = super::condition(condition, describe);
            format!("{} if {condition}; otherwise {}", of(one), of(other))
        }
        ("ifnull", [text, other]) => format!("the first of {} and {} that is not empty", of(text), of(other)),
        ("concat_ws", [separator, parts @ ..]) => {
            format!("{}, written together with {} between them", joined(&all(parts), "and"), of(separator))
        }
        ("split_part", [text, separator, n]) => format!("part {} of {}, split at {}", of(n), of(text), of(separator)),
        ("strip_accents", [text]) => format!("{} without accents", of(text)),
        ("regexp_extract", [text, pattern]) => {
            format!("what the regular expression {} finds in {}", of(pattern), of(text))
        }
        ("regexp_replace", [text, pattern, by, ..]) => {
            format!("{} with what the regular expression {} finds replaced by {}", of(text), of(pattern), of(by))
        }
        ("uuid5", [namespace, text]) => {
            format!("a UUID made of {} (version 5, namespace {})", of(text), of(namespace))
        }
        ("json_array", [_, ..]) => {
            let elements: Vec<String> = arguments.iter().map(|tree| operand(tree, describe)).collect();
            format!("a JSON array of {}", joined(&elements, "and"))
        }
        ("json_object", [_, _, ..]) => {
            let pair = |pair: &[&Tree]| match pair {
                [key, value] => format!("{}: {}", operand(key, describe), operand(value, describe)),
                _ => String::new(),
            };
            let pairs: Vec<String> = arguments.chunks(2).map(pair).collect();
            format!("a JSON object of {}", pairs.join(", "))
        }
        _ => return None,
    })
}

/// Returns `extract(year from x)`.
pub(super) fn extract(field: &DateTimeField, of: &Tree, describe: Describe<'_>) -> String {
    format!("the {} of {}", field.to_string().to_lowercase(), value(of, describe))
}

/// Returns an interval: `1 day`.
pub(super) fn interval(interval: &Interval) -> String {
    let number = text_of(&interval.value).map_or_else(|| interval.value.to_string(), str::to_owned);
    match &interval.leading_field {
        Some(unit) => format!("{number} {}", unit.to_string().to_lowercase()),
        None => number,
    }
}
