//! The expectations of a pipeline, complete.

use std::time::Duration;

use jiff::tz::TimeZone;
use regex::bytes::Regex;

use super::Column;
use crate::expr::decimal::Decimal;
use crate::expr::time::TimeFormat;

/// The conditions under which an artifact is delivered.
pub struct Expect {
    pub when_empty: WhenEmpty,
    /// The smallest number of delivered rows.
    pub rows_min: Option<Rule<u64>>,
    /// The largest number of delivered rows.
    pub rows_max: Option<Rule<u64>>,
    pub rows_change: Option<Rule<RowsChange>>,
    /// The source's header; without a rule, a change of its columns is a warning.
    pub columns: Option<Rule<HeaderRule>>,
    /// Conditions on one cell of a row each.
    pub(crate) cells: Vec<Rule<CellRule>>,
    /// Lists of columns whose values together occur once.
    pub unique: Vec<Rule<Vec<Column>>>,
    pub references: Vec<Rule<Reference>>,
    pub(crate) fresh: Option<Rule<Fresh>>,
    /// The consequence of reading another number of rows than the source states; `None` if they are not compared.
    pub complete: Option<Severity>,
    /// The largest artifact, in bytes.
    pub size_max: Option<Rule<u64>>,
    /// The consequence of changed assignments of the account.
    pub scope: ScopeRule,
    /// The largest number of rows that steps drop by `on_error`; `None` if no step does.
    pub dropped_rows: Option<Rule<DroppedMax>>,
}

/// A largest number of dropped rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DroppedMax {
    Rows(u64),
    /// This many millionths of the extracted rows.
    Part(u64),
}

/// All rows, in millionths.
const WHOLE: u64 = 1_000_000;
/// A percent, in millionths.
const PERCENT: u64 = WHOLE / 100;

impl DroppedMax {
    /// 1 % of the extracted rows.
    pub const DEFAULT: Self = Self::Part(PERCENT);

    /// Parses a number or a percentage.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some(percent) = text.strip_suffix('%') else {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            return is_number.then(|| text.parse().ok())?.map(Self::Rows);
        };
        let (whole, decimals) = percent.split_once('.').unwrap_or((percent, "0"));
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits(whole) || !are_digits(decimals) || decimals.len() > DECIMALS_MAX {
            return None;
        }
        let decimals = format!("{decimals:0<DECIMALS_MAX$}");
        let part = whole.parse::<u64>().ok()?.checked_mul(PERCENT)? + decimals.parse::<u64>().ok()?;
        (part <= WHOLE).then_some(Self::Part(part))
    }

    /// Returns true if so many rows may be dropped of the extracted ones.
    pub(crate) fn allows(self, dropped: u64, extracted: u64) -> bool {
        match self {
            Self::Rows(max) => dropped <= max,
            Self::Part(part) => u128::from(dropped) * u128::from(WHOLE) <= u128::from(part) * u128::from(extracted),
        }
    }
}

/// The decimals of a percentage that millionths can hold.
const DECIMALS_MAX: usize = 4;

impl std::fmt::Display for DroppedMax {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rows(1) => f.write_str("1 row"),
            Self::Rows(rows) => write!(f, "{rows} rows"),
            Self::Part(part) => {
                let decimals = format!("{:04}", part % PERCENT);
                match decimals.trim_end_matches('0') {
                    "" => write!(f, "{}%", part / PERCENT),
                    decimals => write!(f, "{}.{decimals}%", part / PERCENT),
                }
            }
        }
    }
}

/// An expectation, and the consequence of not meeting it.
pub struct Rule<T> {
    pub severity: Severity,
    pub expected: T,
}

impl<T> Rule<T> {
    /// Returns the rule with another form of what is expected.
    pub(crate) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Rule<U> {
        Rule { severity: self.severity, expected: convert(self.expected) }
    }
}

/// The consequence of an expectation that is not met, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The run is delivered, with a warning.
    Warn,
    /// The run waits for a person.
    Hold,
    /// The run fails.
    Fail,
}

/// The policy for an artifact without rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenEmpty {
    Send,
    Skip,
    Hold,
}

/// The allowed difference from the usual number of rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RowsChange {
    /// A part of the usual number: 0.3 is 30 %.
    pub by: f64,
    /// The largest number of earlier runs that make the usual number.
    pub over: usize,
    /// Compares runs of the same weekday, or else of the same kind of day.
    pub same_weekday: bool,
}

/// The columns that the source's header must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderRule {
    /// The accepted ones, in their order.
    Exact,
    /// The accepted ones, and any others.
    Superset,
    /// These, in this order.
    List(Vec<String>),
}

/// A condition on the cells of one column.
pub(crate) struct CellRule {
    pub(crate) column: Column,
    pub(crate) condition: CellCondition,
}

/// A condition on a cell. All but [`CellCondition::NotNull`] ignore empty ones.
#[derive(Clone)]
pub(crate) enum CellCondition {
    NotNull,
    Integer,
    Decimal,
    /// `YYYY-MM-DD`.
    Date,
    /// A date with a time of day, in ISO form.
    Datetime,
    TimeFormat(TimeFormat),
    Values(ValueSet),
    Range {
        min: Option<Decimal>,
        max: Option<Decimal>,
    },
    /// A number of characters.
    Length {
        min: u64,
        max: u64,
    },
    Match(Regex),
    /// `true` or `false`, or one of the words that casts read.
    Boolean,
}

/// The allowed values of a column.
#[derive(Clone)]
pub(crate) struct ValueSet(Vec<Box<[u8]>>);

impl ValueSet {
    pub(crate) fn new(values: impl Iterator<Item = String>) -> Self {
        let mut values: Vec<Box<[u8]>> = values.map(|value| value.into_bytes().into_boxed_slice()).collect();
        values.sort_unstable_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        values.dedup();
        Self(values)
    }

    #[inline]
    pub(crate) fn contains(&self, cell: &[u8]) -> bool {
        // By length first: most comparisons are one of numbers.
        self.0.binary_search_by(|value| value.len().cmp(&cell.len()).then_with(|| (**value).cmp(cell))).is_ok()
    }

    /// Returns the values, the shortest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

/// Every non-empty value of `from` occurs in `to`.
pub struct Reference {
    pub from: Column,
    pub to: Column,
}

/// The largest age of the newest value of a column at the slot.
pub(crate) struct Fresh {
    pub(crate) column: FreshColumn,
    /// ISO forms without one.
    pub(crate) format: Option<TimeFormat>,
    /// The zone of values without an offset.
    pub(crate) zone: TimeZone,
    pub(crate) max_age: Duration,
}

pub(crate) enum FreshColumn {
    /// A column of the extract.
    Source(Column),
    /// A delivered column.
    Delivered(Column),
}

/// The consequence of changed assignments of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeRule {
    /// A change is a warning; assignments that cannot be read are not compared.
    Note,
    /// `scope: same`: a change and assignments that cannot be read are findings.
    Same(Severity),
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            when_empty: WhenEmpty::Hold,
            rows_min: None,
            rows_max: None,
            rows_change: None,
            columns: None,
            cells: Vec::new(),
            unique: Vec::new(),
            references: Vec::new(),
            fresh: None,
            complete: Some(Severity::Hold),
            size_max: None,
            scope: ScopeRule::Note,
            dropped_rows: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_largest_number_of_dropped_rows_is_exact() {
        for (text, shown) in
            [("0", "0 rows"), ("1", "1 row"), ("1%", "1%"), ("0.0001%", "0.0001%"), ("12.50%", "12.5%")]
        {
            assert_eq!(DroppedMax::parse(text).unwrap().to_string(), shown);
        }
        for text in ["", "%", "1.%", ".5%", "-1", "100.0001%", "0.00001%", "1 %", "x", "99999999999999999999%"] {
            assert_eq!(DroppedMax::parse(text), None, "{text:?}");
        }
        for (max, dropped, extracted, allowed) in [
            ("29%", 29, 100, true),
            ("29%", 30, 100, false),
            ("0%", 0, 0, true),
            ("0%", 1, u64::MAX, false),
            ("100%", u64::MAX, u64::MAX, true),
            ("1%", 1, 99, false),
            ("1%", 1, 100, true),
            ("3", 3, 3, true),
            ("3", 4, 1000, false),
        ] {
            assert_eq!(
                DroppedMax::parse(max).unwrap().allows(dropped, extracted),
                allowed,
                "{max} {dropped}/{extracted}"
            );
        }
    }
}
