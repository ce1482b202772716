//! Calculating with dates: units, parts, differences and intervals. Times are microseconds since 1970, UTC.

use super::unit::Unit;
use super::value::Value;
use crate::expr::shorten;
use crate::expr::time::{self, civil_from_days, days_from_civil, iso_week, weekday};
use crate::yaml::problem::did_you_mean;

pub(super) const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

const UNITS: [(&str, Unit); 10] = [
    ("year", Unit::Year),
    ("quarter", Unit::Quarter),
    ("month", Unit::Month),
    ("week", Unit::Week),
    ("day", Unit::Day),
    ("hour", Unit::Hour),
    ("minute", Unit::Minute),
    ("second", Unit::Second),
    ("millisecond", Unit::Millisecond),
    ("microsecond", Unit::Microsecond),
];

/// A part of a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatePart {
    Of(Unit),
    /// Sunday is 0.
    DayOfWeek,
    /// Monday is 1.
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    /// Seconds since 1970, with a fraction.
    Epoch,
}

const PARTS: [(&str, DatePart); 10] = [
    ("dow", DatePart::DayOfWeek),
    ("dayofweek", DatePart::DayOfWeek),
    ("weekday", DatePart::DayOfWeek),
    ("isodow", DatePart::IsoDayOfWeek),
    ("doy", DatePart::DayOfYear),
    ("dayofyear", DatePart::DayOfYear),
    ("isoyear", DatePart::IsoYear),
    ("epoch", DatePart::Epoch),
    ("weekofyear", DatePart::Of(Unit::Week)),
    ("dayofmonth", DatePart::Of(Unit::Day)),
];

/// The reason a name or an interval is not valid, and what to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) what: String,
    pub(super) hint: String,
}

fn unknown(what: &str, name: &str, known: impl Iterator<Item = &'static str> + Clone) -> Refused {
    let hint = did_you_mean(name, known.clone())
        .unwrap_or_else(|| format!("they are {}", known.collect::<Vec<_>>().join(", ")));
    Refused { what: format!("there is no {what} {:?}", shorten(name)), hint }
}

impl Unit {
    /// Returns the unit of a name in singular or plural, in upper or lower case.
    pub(super) fn of(name: &str) -> Result<Self, Refused> {
        let lower = name.trim().to_lowercase();
        let singular = lower.strip_suffix('s').unwrap_or(&lower);
        let found = UNITS.iter().find(|(known, _)| *known == singular || *known == lower);
        found.map(|(_, unit)| *unit).ok_or_else(|| unknown("unit", name, UNITS.iter().map(|(known, _)| *known)))
    }

    /// Returns the number of units since a fixed moment: two times in the same unit have the same number.
    fn number_of(self, micros: i64) -> i64 {
        let days = micros.div_euclid(DAY);
        match self {
            Unit::Year => civil_from_days(days).0,
            Unit::Quarter => Unit::Month.number_of(micros).div_euclid(3),
            Unit::Month => {
                let (year, month, _) = civil_from_days(days);
                year * 12 + i64::from(month) - 1
            }
            // 1970-01-01 is a Thursday.
            Unit::Week => (days + 3).div_euclid(7),
            Unit::Day => days,
            Unit::Hour => micros.div_euclid(HOUR),
            Unit::Minute => micros.div_euclid(MINUTE),
            Unit::Second => micros.div_euclid(SECOND),
            Unit::Millisecond => micros.div_euclid(1_000),
            Unit::Microsecond => micros,
        }
    }

    /// Returns the number of boundaries of the unit between two times; negative if the second is earlier.
    pub(super) fn between(self, from: i64, until: i64) -> i64 {
        self.number_of(until) - self.number_of(from)
    }

    /// Returns the beginning of the unit that a time is in.
    pub(super) fn begin(self, micros: i64) -> i64 {
        let days = micros.div_euclid(DAY);
        let (year, month, _) = civil_from_days(days);
        let month = i64::from(month);
        match self {
            Unit::Year => days_from_civil(year, 1, 1) * DAY,
            Unit::Quarter => days_from_civil(year, (month - 1) / 3 * 3 + 1, 1) * DAY,
            Unit::Month => days_from_civil(year, month, 1) * DAY,
            Unit::Week => (days - weekday(days)) * DAY,
            Unit::Day => days * DAY,
            Unit::Hour => micros - micros.rem_euclid(HOUR),
            Unit::Minute => micros - micros.rem_euclid(MINUTE),
            Unit::Second => micros - micros.rem_euclid(SECOND),
            Unit::Millisecond => micros - micros.rem_euclid(1_000),
            Unit::Microsecond => micros,
        }
    }
}

impl DatePart {
    /// Returns the part of a name, in upper or lower case.
    pub(super) fn of(name: &str) -> Result<Self, Refused> {
        let lower = name.trim().to_lowercase();
        if let Some((_, part)) = PARTS.iter().find(|(known, _)| *known == lower) {
            return Ok(*part);
        }
        let known = UNITS.iter().map(|(known, _)| *known).chain(PARTS.iter().map(|(known, _)| *known));
        Unit::of(&lower).map(DatePart::Of).map_err(|_| unknown("part", name, known))
    }

    pub(super) fn value_of(self, micros: i64) -> Value {
        let (days, clock) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        Value::Int(match self {
            DatePart::Of(Unit::Year) => year,
            DatePart::Of(Unit::Quarter) => i64::from(month - 1) / 3 + 1,
            DatePart::Of(Unit::Month) => month.into(),
            DatePart::Of(Unit::Week) => iso_week(days).1.into(),
            DatePart::Of(Unit::Day) => day.into(),
            DatePart::Of(Unit::Hour) => clock / HOUR,
            DatePart::Of(Unit::Minute) => clock / MINUTE % 60,
            DatePart::Of(Unit::Second) => clock / SECOND % 60,
            DatePart::Of(Unit::Millisecond) => clock % MINUTE / 1_000,
            DatePart::Of(Unit::Microsecond) => clock % MINUTE,
            DatePart::DayOfWeek => (weekday(days) + 1) % 7,
            DatePart::IsoDayOfWeek => weekday(days) + 1,
            DatePart::DayOfYear => days - days_from_civil(year, 1, 1) + 1,
            DatePart::IsoYear => iso_week(days).0,
            DatePart::Epoch => return Value::Double(micros as f64 / SECOND as f64),
        })
    }
}

/// A literal interval. A month is not a number of days, nor a day of hours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(super) months: i64,
    pub(super) days: i64,
    pub(super) micros: i64,
}

impl Interval {
    /// Parses `1 day`, `-2 hours`, `1 month 15 days`.
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        let hint = || "as in interval '1 day' or interval '1 month 15 days'".to_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        let (pairs, rest) = words.as_chunks::<2>();
        if pairs.is_empty() || !rest.is_empty() {
            let what = format!("{:?} is not an interval: numbers and units follow one another", shorten(text));
            return Err(Refused { what, hint: hint() });
        }
        pairs.iter().try_fold(Self::default(), |sum, [number, name]| {
            let Ok(number) = number.parse::<i32>() else {
                let what = format!("{:?} is not a whole number of at most ten digits", shorten(number));
                return Err(Refused { what, hint: "36 hours, in place of 1.5 days".to_owned() });
            };
            Ok(sum.plus(i64::from(number), Unit::of(name)?))
        })
    }

    /// Adds a number of units. The number has 32 bits, so that nothing overflows.
    fn plus(mut self, number: i64, unit: Unit) -> Self {
        let (field, unit) = match unit {
            Unit::Year => (&mut self.months, 12),
            Unit::Quarter => (&mut self.months, 3),
            Unit::Month => (&mut self.months, 1),
            Unit::Week => (&mut self.days, 7),
            Unit::Day => (&mut self.days, 1),
            Unit::Hour => (&mut self.micros, HOUR),
            Unit::Minute => (&mut self.micros, MINUTE),
            Unit::Second => (&mut self.micros, SECOND),
            Unit::Millisecond => (&mut self.micros, 1_000),
            Unit::Microsecond => (&mut self.micros, 1),
        };
        *field = field.saturating_add(number.saturating_mul(unit));
        self
    }

    pub(super) fn negate(self) -> Self {
        Self { months: -self.months, days: -self.days, micros: self.micros.saturating_neg() }
    }

    /// Returns the time that is the interval later; `None` outside of the years 1 to 9999. A day that the month does
    /// not have becomes its last.
    pub(super) fn after(self, micros: i64) -> Option<i64> {
        let (days, clock) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
        let days = if self.months == 0 { days } else { add_months(days, self.months)? };
        let days = days.checked_add(self.days).filter(|days| (-4_000_000..4_000_000).contains(days))?;
        (days * DAY + clock).checked_add(self.micros).filter(|micros| is_in_years(*micros))
    }
}

fn add_months(days: i64, months: i64) -> Option<i64> {
    let (year, month, day) = civil_from_days(days);
    let number = (year * 12 + i64::from(month) - 1).checked_add(months)?;
    let (year, month) = (number.div_euclid(12), number.rem_euclid(12) + 1);
    if !(1..=9_999).contains(&year) {
        return None;
    }
    let first = days_from_civil(year, month, 1);
    Some((first + i64::from(day) - 1).min(last_day(first)))
}

/// Returns the last day of the month that a day is in.
pub(super) fn last_day(days: i64) -> i64 {
    let (year, month, _) = civil_from_days(days);
    match month {
        12 => days_from_civil(year, 12, 31),
        _ => days_from_civil(year, i64::from(month) + 1, 1) - 1,
    }
}

/// Returns true if a day is in the years that can be written.
pub(super) fn is_day_in_years(days: i64) -> bool {
    time::is_in_years(days.saturating_mul(time::DAY_SECONDS))
}

/// Returns true if a time is in the years that can be written.
pub(super) fn is_in_years(micros: i64) -> bool {
    time::is_in_years(micros.div_euclid(SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_or_refused() {
        let interval = |months, days, micros| Interval { months, days, micros };
        for (text, expected) in [
            ("1 day", interval(0, 1, 0)),
            ("-2 HOURS", interval(0, 0, -2 * HOUR)),
            (" 1 year  2 months 3 weeks 4 seconds", interval(14, 21, 4 * SECOND)),
            ("2147483647 quarters", interval(6_442_450_941, 0, 0)),
        ] {
            assert_eq!(Interval::parse(text), Ok(expected), "{text}");
        }
        for text in ["", "day", "1", "1 day 2", "1.5 days", "1day", "1 dai", "01:30:00", "2147483648 days", "x day"] {
            assert!(Interval::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn intervals_stay_within_the_years() {
        let edge = 253_402_300_799 * SECOND;
        assert_eq!(Interval::default().after(edge), Some(edge));
        for text in ["1 second", "1 day", "1 month", "2147483647 years", "2147483647 days", "2147483647 hours"] {
            assert_eq!(Interval::parse(text).unwrap().after(edge), None, "{text}");
            let back = Interval::parse(text).unwrap().negate().after(-62_135_596_800 * SECOND);
            assert_eq!(back, None, "-{text}");
        }
    }
}
