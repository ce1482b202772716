//! Dates and times in cells: parsed from text, formatted in a zone, fast enough for every row of a large file.
//!
//! A value without a time of day is a date, and no zone moves a date. A value with a time of day is an instant, UTC
//! unless it has an offset. An instant that a zone or an offset would move out of the years 1 to 9999 is not moved:
//! `9999-12-31 23:59:59` means "no end" in every zone.

mod format;
mod parse;
mod zone;

pub(crate) use format::{FormatProblem, TimeFormat, iso_week, weekday};
pub(crate) use zone::ZoneClock;

pub(crate) const DAY_SECONDS: i64 = 86_400;

/// A date or an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Days since 1970-01-01.
    Date(i64),
    Instant(Instant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instant {
    /// Seconds since 1970-01-01T00:00:00Z; up to a day outside the years that can be written.
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
    /// The value's own local time, in seconds since 1970-01-01 00:00:00 local time.
    pub(crate) wall: i64,
}

impl Instant {
    pub(crate) fn utc(seconds: i64, nanoseconds: u32) -> Self {
        Self { seconds, nanoseconds, wall: seconds }
    }

    /// Returns the seconds in UTC, or in the value's own local time if UTC is outside the years 1 to 9999.
    pub(crate) fn utc_seconds(self) -> i64 {
        if is_in_years(self.seconds) { self.seconds } else { self.wall }
    }
}

/// Returns the days since 1970-01-01 of a date of the proleptic Gregorian calendar.
/// <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Returns the year, month and day of a count of days since 1970-01-01.
pub(crate) fn civil_from_days(days: i64) -> (i64, u32, u32) {
    // 32 bits divide faster than 64: 1,000 eras of 400 years more, and every day is a positive number of them.
    let shifted = (days + 719_468 + 146_097_000) as u32;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (i64::from(era * 400 + year_of_era + u32::from(month <= 2)) - 400_000, month, day)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Returns the days since 1970-01-01, if the date exists.
fn checked_days(year: i64, month: i64, day: i64) -> Option<i64> {
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap(year)),
        1..=12 => 31,
        _ => return None,
    };
    (1..=length).contains(&day).then(|| days_from_civil(year, month, day))
}

/// Parses `N` decimal digits at `at`.
#[inline]
fn digits<const N: usize>(text: &[u8], at: usize) -> Option<i64> {
    let mut number = 0;
    for &byte in text.get(at..at + N)? {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(number)
}

fn clock_seconds(hour: i64, minute: i64, second: i64) -> Option<i64> {
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3_600 + minute * 60 + second)
}

/// Parses `YYYY-MM-DD`, or `YYYY-MM-DD[ T]HH:MM[:SS[.fraction]][offset]`, with spaces around it: a date, or an instant,
/// UTC if it has no offset. `None` for anything else, such as `24:00:00`, a leap second or MySQL's zero date.
pub(crate) fn read_iso(text: &[u8]) -> Option<Moment> {
    let text = text.trim_ascii();
    if text.get(4) != Some(&b'-') || text.get(7) != Some(&b'-') {
        return None;
    }
    let days = checked_days(digits::<4>(text, 0)?, digits::<2>(text, 5)?, digits::<2>(text, 8)?)?;
    if text.len() == 10 {
        return Some(Moment::Date(days));
    }
    if !matches!(text[10], b' ' | b'T' | b't') || text.get(13) != Some(&b':') {
        return None;
    }
    let (hour, minute) = (digits::<2>(text, 11)?, digits::<2>(text, 14)?);
    let (second, mut rest) = match text.get(16) {
        Some(b':') => (digits::<2>(text, 17)?, &text[19..]),
        _ => (0, &text[16..]),
    };
    let wall = days * DAY_SECONDS + clock_seconds(hour, minute, second)?;
    let mut nanoseconds = 0;
    if matches!(rest.first(), Some(b'.' | b',')) && text[16] == b':' {
        let (fraction, length) = read_fraction(&rest[1..])?;
        nanoseconds = fraction;
        rest = &rest[1 + length..];
    }
    let offset = match rest {
        [] => 0,
        [b' ', offset @ ..] => read_offset(offset)?,
        offset => read_offset(offset)?,
    };
    Some(Moment::Instant(Instant { seconds: wall - offset, nanoseconds, wall }))
}

/// Parses one to nine digits after a decimal point. Returns nanoseconds and the number of digits.
fn read_fraction(text: &[u8]) -> Option<(u32, usize)> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let fraction = text[..count].iter().fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0'));
    Some((fraction * 10_u32.pow(9 - count as u32), count))
}

/// Parses a whole text as an offset, in seconds east of Greenwich: `Z`, `UTC`, `GMT`, `±hh`, `±hhmm` or `±hh:mm`.
fn read_offset(text: &[u8]) -> Option<i64> {
    if [b"Z".as_slice(), b"UTC", b"GMT"].iter().any(|name| text.eq_ignore_ascii_case(name)) {
        return Some(0);
    }
    let (hours, minutes) = match text {
        [b'+' | b'-', _, _] => (digits::<2>(text, 1)?, 0),
        [b'+' | b'-', _, _, _, _] => (digits::<2>(text, 1)?, digits::<2>(text, 3)?),
        [b'+' | b'-', _, _, b':', _, _] => (digits::<2>(text, 1)?, digits::<2>(text, 4)?),
        _ => return None,
    };
    let seconds = (hours < 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)?;
    Some(if text[0] == b'-' { -seconds } else { seconds })
}

#[inline]
fn push_two(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
}

/// Appends `YYYY-MM-DD`. Years are between 0 and 9999: others cannot be parsed.
pub(crate) fn print_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    let year = year.clamp(0, 9_999) as u32;
    push_two(out, year / 100);
    push_two(out, year % 100);
    out.push(b'-');
    push_two(out, month);
    out.push(b'-');
    push_two(out, day);
}

/// Returns true if an instant is in the years 1 to 9999 of UTC, which every receiver can read.
pub(crate) fn is_in_years(seconds: i64) -> bool {
    (-62_135_596_800..253_402_300_800).contains(&seconds)
}

/// Appends `YYYY-MM-DD HH:MM:SS`, and the fraction if there is one.
pub(crate) fn print_seconds(seconds: i64, nanoseconds: u32, out: &mut Vec<u8>) {
    print_date(seconds.div_euclid(DAY_SECONDS), out);
    let clock = seconds.rem_euclid(DAY_SECONDS) as u32;
    for (separator, number) in [(b' ', clock / 3_600), (b':', clock / 60 % 60), (b':', clock % 60)] {
        out.push(separator);
        push_two(out, number);
    }
    if nanoseconds > 0 {
        out.push(b'.');
        print_fraction(nanoseconds, out);
    }
}

/// Appends the digits after the decimal point, without trailing zeros.
fn print_fraction(mut nanoseconds: u32, out: &mut Vec<u8>) {
    let start = out.len();
    let mut unit = 100_000_000;
    loop {
        out.push(b'0' + (nanoseconds / unit) as u8);
        nanoseconds %= unit;
        unit /= 10;
        if nanoseconds == 0 || out.len() - start == 9 {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
