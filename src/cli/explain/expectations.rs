//! The checks before anything is delivered, in sentences.

use super::{Fact, duration};
use crate::cli::text::bytes;
use crate::expect::characters;
use crate::expr::decimal::Decimal;
use crate::pipeline::plan::{
    CellCondition, CellRule, Column, DroppedMax, Expect, Fresh, FreshColumn, HeaderRule, Reference, RowsChange, Rule,
    ScopeRule, Severity, WhenEmpty,
};

const HELD: &str = "the run is held: nothing is sent until a person releases or rejects it";

/// Returns what is expected. `has_account` is false for a source that states no rows and has no account; `has_accepted`
/// for one of several artifacts, which is not compared with what was accepted.
pub(super) fn expect(expect: &Expect, has_account: bool, has_accepted: bool) -> Vec<Fact> {
    let Expect {
        when_empty,
        rows_min,
        rows_max,
        rows_change,
        columns,
        cells,
        unique,
        references,
        fresh,
        complete,
        size_max,
        scope,
        dropped_rows,
    } = expect;
    let mut facts = Vec::new();
    let mut add = |condition: String, severity: Severity| facts.push(Fact::new(sentence(&condition, severity)));
    let rows = |count: u64| if count == 1 { "row" } else { "rows" };
    if let Some(Rule { severity, expected }) = rows_min {
        add(format!("With fewer than {expected} {}", rows(*expected)), *severity);
    }
    if let Some(Rule { severity, expected }) = rows_max {
        add(format!("With more than {expected} {}", rows(*expected)), *severity);
    }
    if let Some(Rule { severity, expected }) = rows_change {
        add(change(expected), *severity);
    }
    match columns {
        None if !has_accepted => {}
        None => add("If columns of the source are added or missing".to_owned(), Severity::Warn),
        Some(Rule { severity, expected }) => add(header(expected), *severity),
    }
    for Rule { severity, expected } in cells {
        add(cell(expected), *severity);
    }
    for Rule { severity, expected } in unique {
        add(format!("If two rows have the same {}", names(expected)), *severity);
    }
    for Rule { severity, expected: Reference { from, to } } in references {
        add(format!("If a {} is not the {} of any row", from.name, to.name), *severity);
    }
    if let Some(Rule { severity, expected }) = fresh {
        add(age(expected), *severity);
    }
    if let Some(severity) = complete.filter(|_| has_account) {
        add("If the source states another number of rows than were read".to_owned(), severity);
    }
    if let Some(Rule { severity, expected }) = size_max {
        add(format!("If the file is larger than {}", bytes(*expected)), *severity);
    }
    match scope {
        ScopeRule::Note if !has_account || !has_accepted => {}
        ScopeRule::Note => add("If the LMS account is assigned other resources than before".to_owned(), Severity::Warn),
        ScopeRule::Same(severity) => {
            add("If the LMS account is assigned other resources than were accepted".to_owned(), *severity);
        }
    }
    if let Some(Rule { severity, expected }) = dropped_rows {
        let of = if matches!(expected, DroppedMax::Part(_)) { " of the source's rows" } else { "" };
        add(format!("If more than {expected}{of} are dropped for values without a result"), *severity);
    }
    facts.push(Fact::new(match when_empty {
        WhenEmpty::Send => "Without any row, the empty file is sent.".to_owned(),
        WhenEmpty::Skip => "Without any row, nothing is sent, and the run ends as skipped.".to_owned(),
        WhenEmpty::Hold => format!("Without any row, {HELD}."),
    }));
    facts
}

fn sentence(condition: &str, severity: Severity) -> String {
    match severity {
        Severity::Warn => format!("{condition}, the file is sent with a warning."),
        Severity::Hold => format!("{condition}, {HELD}."),
        Severity::Fail => format!("{condition}, the run fails, and nothing is sent."),
    }
}

fn change(change: &RowsChange) -> String {
    let RowsChange { by, over, same_weekday } = change;
    let percent = by * 100.0;
    let of = match same_weekday {
        true => "delivered runs of the same weekday",
        false => "delivered runs",
    };
    format!("If the number of rows differs by more than {percent} % from the middle one of the last {over} {of}")
}

fn header(rule: &HeaderRule) -> String {
    match rule {
        HeaderRule::Exact => "If the columns of the source are not those that were accepted, in their order".to_owned(),
        HeaderRule::Superset => "If a column of the source that was accepted is missing".to_owned(),
        HeaderRule::List(names) => format!("If the columns of the source are not {}, in this order", names.join(", ")),
    }
}

fn cell(CellRule { column, condition }: &CellRule) -> String {
    let name = &column.name;
    let ends = |min: &Option<Decimal>, max: &Option<Decimal>| match (min, max) {
        (Some(min), Some(max)) => format!("between {} and {}", number(*min), number(*max)),
        (Some(min), None) => format!("at least {}", number(*min)),
        (None, Some(max)) => format!("at most {}", number(*max)),
        (None, None) => "a number".to_owned(),
    };
    match condition {
        CellCondition::NotNull => format!("If a row has no {name}"),
        CellCondition::Integer => format!("If a {name} is not a whole number"),
        CellCondition::Decimal => format!("If a {name} is not a number"),
        CellCondition::Date => format!("If a {name} is not a date such as 2026-11-23"),
        CellCondition::Datetime => format!("If a {name} is not a date with a time, such as 2026-11-23 05:30:00"),
        CellCondition::TimeFormat(format) => format!("If a {name} is not a time as {:?} writes it", format.text()),
        CellCondition::Values(values) => {
            let values: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
            format!("If a {name} is none of {}", values.join(", "))
        }
        CellCondition::Range { min, max } => format!("If a {name} is not {}", ends(min, max)),
        CellCondition::Length { min, max } => format!("If a {name} is not {}", characters(*min, *max)),
        CellCondition::Match(regex) => format!("If a {name} does not match the pattern {}", regex.as_str()),
        CellCondition::Boolean => format!("If a {name} is neither true nor false"),
    }
}

fn age(Fresh { column, format: _, zone, max_age }: &Fresh) -> String {
    let column = match column {
        FreshColumn::Source(column) => format!("{} of the source", column.name),
        FreshColumn::Delivered(column) => column.name.clone(),
    };
    let zone = zone.iana_name().unwrap_or("UTC");
    format!("If the newest {column} (times in {zone}) is more than {} old at the time of the run", duration(*max_age))
}

fn names(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    names.join(" and ")
}

fn number(decimal: Decimal) -> String {
    let mut text = Vec::new();
    decimal.print(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}
