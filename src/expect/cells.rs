//! Conditions on single cells.

use std::ops::RangeInclusive;

use jiff::tz::TimeZone;
use regex::bytes::Regex;

use super::offending::Offending;
use super::part_of;
use crate::expr::decimal::{Decimal, Number, read_number};
use crate::expr::read_boolean;
use crate::expr::time::{Moment, TimeFormat, ZoneClock, read_iso};
use crate::pipeline::plan::{CellCondition, Severity, ValueSet};

/// A condition on a delivered column, and the rows that do not meet it.
pub(super) struct CellCheck {
    /// The position of the column.
    pub(super) column: usize,
    pub(super) name: String,
    pub(super) severity: Severity,
    pub(super) offending: Offending,
    condition: Condition,
}

enum Condition {
    NotNull,
    Integer,
    Decimal,
    Date,
    Datetime,
    TimeFormat(TimeFormat, Box<ZoneClock>),
    Values(ValueSet),
    Range(Range),
    Length(RangeInclusive<u64>),
    Match(Regex),
    Boolean,
}

struct Range {
    min: Option<Decimal>,
    max: Option<Decimal>,
    /// The same limits for whole numbers.
    whole: RangeInclusive<i64>,
}

impl CellCheck {
    pub(super) fn new(column: usize, name: &str, severity: Severity, condition: &CellCondition) -> Self {
        let condition = match condition {
            CellCondition::NotNull => Condition::NotNull,
            CellCondition::Integer => Condition::Integer,
            CellCondition::Decimal => Condition::Decimal,
            CellCondition::Date => Condition::Date,
            CellCondition::Datetime => Condition::Datetime,
            CellCondition::TimeFormat(format) => {
                Condition::TimeFormat(format.clone(), Box::new(ZoneClock::new(TimeZone::UTC)))
            }
            CellCondition::Values(values) => Condition::Values(values.clone()),
            CellCondition::Range { min, max } => Condition::Range(Range::new(*min, *max)),
            CellCondition::Length { min, max } => Condition::Length(*min..=*max),
            CellCondition::Match(regex) => Condition::Match(regex.clone()),
            CellCondition::Boolean => Condition::Boolean,
        };
        Self { column, name: name.to_owned(), severity, offending: Offending::default(), condition }
    }

    /// Checks the cell of a row.
    #[inline]
    pub(super) fn check(&mut self, cell: &[u8], row: u64) {
        if !self.condition.holds(cell) {
            self.offending.add(row);
        }
    }

    /// Returns the key in the pipeline file.
    pub(super) fn key(&self) -> &'static str {
        match self.condition {
            Condition::NotNull => "not_null",
            Condition::Values(_) => "values",
            Condition::Range(_) => "range",
            Condition::Length(_) => "length",
            Condition::Match(_) => "match",
            _ => "types",
        }
    }

    pub(super) fn message(&self, rows: u64) -> String {
        let (name, part) = (&self.name, part_of(self.offending.total, rows));
        let wrong = match &self.condition {
            Condition::NotNull => return format!("{part} no {name}"),
            Condition::Integer => "is not a whole number".to_owned(),
            Condition::Decimal => "is not a decimal number".to_owned(),
            Condition::Date => "is not a date (YYYY-MM-DD)".to_owned(),
            Condition::Datetime => "is not a date with a time (YYYY-MM-DD HH:MM:SS)".to_owned(),
            Condition::TimeFormat(format, _) => format!("does not have the format {}", format.text()),
            Condition::Values(values) => format!("is not {}", choice(values)),
            Condition::Range(range) => range.describe(),
            Condition::Length(length) => format!("is not {}", characters(*length.start(), *length.end())),
            Condition::Match(regex) => format!("does not match {}", regex.as_str()),
            Condition::Boolean => "is not true or false".to_owned(),
        };
        format!("{part} a value of {name} that {wrong}")
    }
}

impl Condition {
    #[inline]
    fn holds(&mut self, cell: &[u8]) -> bool {
        if cell.is_empty() {
            return !matches!(self, Self::NotNull);
        }
        match self {
            Self::NotNull => true,
            Self::Integer => small_whole(cell).is_some() || matches!(read_number(cell), Some(Number::Int(_))),
            Self::Decimal => {
                small_whole(cell).is_some() || matches!(read_number(cell), Some(Number::Int(_) | Number::Decimal(_)))
            }
            Self::Date => matches!(read_iso(cell), Some(Moment::Date(_))),
            Self::Datetime => matches!(read_iso(cell), Some(Moment::Instant(_))),
            Self::TimeFormat(format, clock) => format.read(cell, clock).is_ok(),
            Self::Values(values) => values.contains(cell),
            Self::Range(range) => match small_whole(cell) {
                Some(number) => range.whole.contains(&number),
                None => range.holds(cell),
            },
            Self::Length(length) => length.contains(&count_characters(cell)),
            Self::Match(regex) => regex.is_match(cell),
            Self::Boolean => read_boolean(cell).is_some(),
        }
    }
}

/// Parses a whole number of up to 18 digits, with nothing around it.
#[inline]
fn small_whole(cell: &[u8]) -> Option<i64> {
    if cell.len() > 18 {
        return None;
    }
    let mut number = 0_i64;
    for byte in cell {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(number)
}

impl Range {
    fn new(min: Option<Decimal>, max: Option<Decimal>) -> Self {
        // Rounded towards the inside of the range: no whole number is between a limit and its rounded one.
        let ten = |scale: u8| 10_i128.pow(u32::from(scale).min(38));
        let least = min.map_or(i128::MIN, |min| -((-min.unscaled).div_euclid(ten(min.scale))));
        let most = max.map_or(i128::MAX, |max| max.unscaled.div_euclid(ten(max.scale)));
        let whole = match (i64::try_from(least.max(i64::MIN.into())), i64::try_from(most.min(i64::MAX.into()))) {
            (Ok(least), Ok(most)) => least..=most,
            // The whole range is beyond numbers of 64 bits.
            _ => RangeInclusive::new(1, 0),
        };
        Self { min, max, whole }
    }

    fn holds(&self, cell: &[u8]) -> bool {
        match read_number(cell) {
            Some(Number::Int(int)) => self.whole.contains(&int),
            Some(Number::Decimal(decimal)) => {
                self.min.is_none_or(|min| decimal.compare(min).is_ge())
                    && self.max.is_none_or(|max| decimal.compare(max).is_le())
            }
            Some(Number::Double(double)) => {
                self.min.is_none_or(|min| double >= min.to_f64()) && self.max.is_none_or(|max| double <= max.to_f64())
            }
            None => false,
        }
    }

    fn describe(&self) -> String {
        let shown = |decimal: Decimal| {
            let mut text = Vec::new();
            decimal.print(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        };
        match (self.min.map(shown), self.max.map(shown)) {
            (Some(min), Some(max)) => format!("is not a number from {min} to {max}"),
            (Some(min), None) => format!("is not a number of at least {min}"),
            (None, Some(max)) => format!("is not a number of at most {max}"),
            (None, None) => "is not a number".to_owned(),
        }
    }
}

/// Returns the number of characters: of bytes that do not continue one.
fn count_characters(cell: &[u8]) -> u64 {
    cell.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
}

/// Describes a length: `at most 255 characters long`.
pub(crate) fn characters(min: u64, max: u64) -> String {
    match (min, max) {
        (0, max) => format!("at most {max} characters long"),
        (min, u64::MAX) => format!("at least {min} characters long"),
        (min, max) if min == max => format!("{max} characters long"),
        (min, max) => format!("{min} to {max} characters long"),
    }
}

/// Joins the first allowed values.
fn choice(values: &ValueSet) -> String {
    const SHOWN_MAX: usize = 5;
    let all: Vec<String> = values.iter().map(|value| format!("{:?}", crate::expr::shorten(&value))).collect();
    match all.as_slice() {
        [one] => one.clone(),
        [first @ .., last] if all.len() <= SHOWN_MAX => format!("{} or {last}", first.join(", ")),
        _ => format!("{} or another of the {} allowed", all[..SHOWN_MAX.min(all.len())].join(", "), all.len()),
    }
}
