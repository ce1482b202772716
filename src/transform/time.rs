//! Times in cells: read from text, shown in a zone, fast enough for every row of a large file.
//!
//! The shapes that reports use are read and written by hand; the rest goes to `jiff`. Zone offsets are remembered
//! for as long as they hold, so that a row costs a comparison instead of a search through the zone's transitions.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;

pub(crate) const DAY_SECONDS: i64 = 86_400;

/// An instant, or a wall-clock time disguised as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: u32,
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
/// <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The year, month and day of a count of days since 1970-01-01.
pub(crate) fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days since 1970-01-01, if there is such a date.
fn checked_days(year: i64, month: i64, day: i64) -> Option<i64> {
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap(year)),
        1..=12 => 31,
        _ => return None,
    };
    (1..=length).contains(&day).then(|| days_from_civil(year, month, day))
}

/// `N` decimal digits at `at`.
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

/// Reads `YYYY-MM-DD`, or `YYYY-MM-DD[ T]HH:MM:SS[.fraction][Z|±hh:mm]`: the instant, UTC where no offset is given.
/// `None` for anything else, such as `24:00:00`, a leap second, MySQL's zero date, or what an offset moves out of the
/// years 0 to 9999.
pub(crate) fn read_iso(text: &[u8]) -> Option<Moment> {
    if text.get(4) != Some(&b'-') || text.get(7) != Some(&b'-') {
        return None;
    }
    let days = checked_days(digits::<4>(text, 0)?, digits::<2>(text, 5)?, digits::<2>(text, 8)?)?;
    let midnight = days * DAY_SECONDS;
    if text.len() == 10 {
        return Some(Moment { seconds: midnight, nanoseconds: 0 });
    }
    if !matches!(text[10], b' ' | b'T') || text.get(13) != Some(&b':') || text.get(16) != Some(&b':') {
        return None;
    }
    let clock = clock_seconds(digits::<2>(text, 11)?, digits::<2>(text, 14)?, digits::<2>(text, 17)?)?;
    let mut moment = Moment { seconds: midnight + clock, nanoseconds: 0 };
    if text.len() == 19 {
        return Some(moment);
    }
    let mut rest = &text[19..];
    if rest[0] == b'.' {
        let count = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if !(1..=9).contains(&count) {
            return None;
        }
        let fraction = rest[1..=count].iter().fold(0, |sum, byte| sum * 10 + u32::from(byte - b'0'));
        moment.nanoseconds = fraction * 10_u32.pow(9 - count as u32);
        rest = &rest[count + 1..];
    }
    moment.seconds -= read_offset(rest)?;
    is_printable(moment.seconds).then_some(moment)
}

/// Seconds east of Greenwich: nothing, `Z`, or `±hh:mm`.
fn read_offset(text: &[u8]) -> Option<i64> {
    match text {
        [] | [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let (hours, minutes) = (digits::<2>(text, 1)?, digits::<2>(text, 4)?);
            let seconds = (hours < 24 && minutes < 60).then_some(hours * 3_600 + minutes * 60)?;
            Some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

#[inline]
fn push_two(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]);
}

/// `YYYY-MM-DD`. Years stand between 0 and 9999: nothing else can be read.
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

/// Whether an instant lies in the years 0 to 9999 of UTC, the ones that have four digits.
pub(crate) fn is_printable(seconds: i64) -> bool {
    (-62_167_219_200..253_402_300_800).contains(&seconds)
}

/// `YYYY-MM-DD HH:MM:SS` of an instant that [`is_printable`].
pub(crate) fn print_seconds(seconds: i64, out: &mut Vec<u8>) {
    print_date(seconds.div_euclid(DAY_SECONDS), out);
    let clock = seconds.rem_euclid(DAY_SECONDS) as u32;
    for (separator, number) in [(b' ', clock / 3_600), (b':', clock / 60 % 60), (b':', clock % 60)] {
        out.push(separator);
        push_two(out, number);
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Literal(Vec<u8>),
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

/// A strftime format, compiled.
#[derive(Clone, Debug)]
pub(crate) struct TimeFormat {
    text: String,
    /// `None` where the format asks for more than the common numbers: then `jiff` does it.
    items: Option<Vec<Item>>,
}

impl TimeFormat {
    /// # Errors
    /// What `jiff` says about a format that it cannot write.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        let sample = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
        strtime::format(text, &sample).map_err(|cause| cause.to_string())?;
        Ok(Self { text: text.to_owned(), items: compile_items(text) })
    }

    /// Whether a date can be read with this format.
    ///
    /// # Errors
    /// What is missing or cannot be read.
    pub(crate) fn reads_a_date(&self) -> Result<(), String> {
        let sample = Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
        let shown = strtime::format(&self.text, &sample).map_err(|cause| cause.to_string())?;
        let parsed = BrokenDownTime::parse(&self.text, shown.as_bytes()).map_err(|cause| cause.to_string())?;
        if parsed.timestamp().is_some() {
            return Ok(());
        }
        parsed.to_date().map(drop).map_err(|cause| cause.to_string())
    }

    /// Appends `moment` as the zone's clocks showed it.
    ///
    /// # Errors
    /// An instant outside of the calendar (years -9999 to 9999).
    pub(crate) fn write(&self, moment: Moment, zone: &mut ZoneClock, out: &mut Vec<u8>) -> Result<(), String> {
        let local = moment.seconds + i64::from(zone.offset_at(moment.seconds)?);
        let (year, month, day) = civil_from_days(local.div_euclid(DAY_SECONDS));
        let Some(items) = self.items.as_ref().filter(|_| (0..=9_999).contains(&year)) else {
            let instant = Timestamp::new(moment.seconds, moment.nanoseconds as i32).map_err(|e| e.to_string())?;
            let broken = BrokenDownTime::from(&instant.to_zoned_datetime(zone.zone.clone()));
            return broken.format(&self.text, jiff::fmt::StdIoWrite(out)).map_err(|cause| cause.to_string());
        };
        let clock = local.rem_euclid(DAY_SECONDS) as u32;
        for item in items {
            match item {
                Item::Literal(bytes) => out.extend_from_slice(bytes),
                Item::Year => {
                    push_two(out, year as u32 / 100);
                    push_two(out, year as u32 % 100);
                }
                Item::Month => push_two(out, month),
                Item::Day => push_two(out, day),
                Item::Hour => push_two(out, clock / 3_600),
                Item::Minute => push_two(out, clock / 60 % 60),
                Item::Second => push_two(out, clock % 60),
            }
        }
        Ok(())
    }

    /// Reads `text`, a time of the zone unless it says its own offset: the instant in seconds.
    ///
    /// # Errors
    /// Why the text does not fit the format.
    pub(crate) fn read(&self, text: &[u8], zone: &mut ZoneClock) -> Result<i64, String> {
        if let Some(local) = self.items.as_ref().and_then(|items| read_items(items, text)) {
            return zone.instant_of(local);
        }
        let parsed = BrokenDownTime::parse(&self.text, text).map_err(|cause| cause.to_string())?;
        if let Ok(instant) = parsed.to_timestamp() {
            return Ok(instant.as_second());
        }
        let local = parsed.to_datetime().map_err(|cause| cause.to_string())?;
        zone.instant_of(seconds_of(local))
    }
}

fn seconds_of(local: DateTime) -> i64 {
    let days = days_from_civil(local.year().into(), local.month().into(), local.day().into());
    days * DAY_SECONDS + i64::from(local.hour()) * 3_600 + i64::from(local.minute()) * 60 + i64::from(local.second())
}

/// The items of a format that needs nothing but the common numbers.
fn compile_items(text: &str) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let literal = |items: &mut Vec<Item>, piece: &[u8]| match items.last_mut() {
        Some(Item::Literal(bytes)) => bytes.extend_from_slice(piece),
        _ => items.push(Item::Literal(piece.to_vec())),
    };
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            literal(&mut items, c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match rest.next()? {
            '%' => literal(&mut items, b"%"),
            'Y' => items.push(Item::Year),
            'm' => items.push(Item::Month),
            'd' => items.push(Item::Day),
            'H' => items.push(Item::Hour),
            'M' => items.push(Item::Minute),
            'S' => items.push(Item::Second),
            'F' => items.extend(compile_items("%Y-%m-%d")?),
            'T' => items.extend(compile_items("%H:%M:%S")?),
            'R' => items.extend(compile_items("%H:%M")?),
            _ => return None,
        }
    }
    Some(items)
}

/// Wall-clock seconds, where the text has exactly the format's digits; `jiff` judges everything else.
fn read_items(items: &[Item], text: &[u8]) -> Option<i64> {
    let (mut year, mut month, mut day) = (None, None, None);
    let (mut hour, mut minute, mut second) = (0, 0, 0);
    let mut at = 0;
    for item in items {
        match item {
            Item::Literal(bytes) => {
                text[at..].starts_with(bytes).then_some(())?;
                at += bytes.len();
            }
            Item::Year => {
                year = Some(digits::<4>(text, at)?);
                at += 4;
            }
            number => {
                let value = digits::<2>(text, at)?;
                at += 2;
                match number {
                    Item::Month => month = Some(value),
                    Item::Day => day = Some(value),
                    Item::Hour => hour = value,
                    Item::Minute => minute = value,
                    _ => second = value,
                }
            }
        }
    }
    (at == text.len()).then_some(())?;
    Some(checked_days(year?, month?, day?)? * DAY_SECONDS + clock_seconds(hour, minute, second)?)
}

/// The most stretches that a [`ZoneClock`] remembers; a zone has two a year.
const STRETCHES_MAX: usize = 1_024;

/// A stretch of time in which a zone's offset does not change: `from <= instant < until`, in seconds.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: i64,
    until: i64,
    offset: i32,
}

/// A time zone that remembers its offsets.
#[derive(Clone, Debug)]
pub(crate) struct ZoneClock {
    zone: TimeZone,
    /// Sorted by `from`; filled as instants are asked for.
    stretches: Vec<Stretch>,
    last: Stretch,
}

impl ZoneClock {
    pub(crate) fn new(zone: TimeZone) -> Self {
        Self { zone, stretches: Vec::new(), last: Stretch { from: 0, until: 0, offset: 0 } }
    }

    /// Seconds east of Greenwich at an instant.
    ///
    /// # Errors
    /// An instant outside of the calendar.
    #[inline]
    pub(crate) fn offset_at(&mut self, seconds: i64) -> Result<i32, String> {
        if !(self.last.from..self.last.until).contains(&seconds) {
            self.last = self.stretch_at(seconds)?;
        }
        Ok(self.last.offset)
    }

    fn stretch_at(&mut self, seconds: i64) -> Result<Stretch, String> {
        let after = self.stretches.partition_point(|stretch| stretch.from <= seconds);
        if let Some(found) = after.checked_sub(1).map(|at| self.stretches[at]).filter(|s| seconds < s.until) {
            return Ok(found);
        }
        let instant = Timestamp::from_second(seconds).map_err(|cause| cause.to_string())?;
        // `preceding` looks strictly before; a transition at the very instant has happened already.
        let probe = Timestamp::from_second(seconds + 1).unwrap_or(instant);
        let from = self.zone.preceding(probe).next().map_or(i64::MIN, |found| found.timestamp().as_second());
        let until = self.zone.following(instant).next().map_or(i64::MAX, |found| found.timestamp().as_second());
        let stretch = Stretch { from, until, offset: self.zone.to_offset(instant).seconds() };
        if self.stretches.len() >= STRETCHES_MAX {
            self.stretches.clear();
        }
        let after = self.stretches.partition_point(|known| known.from <= stretch.from);
        self.stretches.insert(after, stretch);
        Ok(stretch)
    }

    /// The instant at which the zone's clocks showed `local`: the first of two in a fold; after a gap, by the offset
    /// from before it (RFC 5545, section 3.3.5).
    ///
    /// # Errors
    /// A time outside of the calendar.
    pub(crate) fn instant_of(&mut self, local: i64) -> Result<i64, String> {
        // No offset change moves a clock by more than a day: two days from either end there is only one answer.
        let guess = local - i64::from(self.offset_at(local)?);
        if guess.saturating_sub(2 * DAY_SECONDS) >= self.last.from
            && guess.saturating_add(2 * DAY_SECONDS) < self.last.until
        {
            return Ok(guess);
        }
        let (year, month, day) = civil_from_days(local.div_euclid(DAY_SECONDS));
        let clock = local.rem_euclid(DAY_SECONDS);
        let civil = DateTime::new(
            year as i16,
            month as i8,
            day as i8,
            (clock / 3_600) as i8,
            (clock / 60 % 60) as i8,
            (clock % 60) as i8,
            0,
        );
        let civil = civil.map_err(|cause| cause.to_string())?;
        let instant = self.zone.to_timestamp(civil).map_err(|cause| cause.to_string())?;
        Ok(instant.as_second())
    }
}

#[cfg(test)]
mod tests;
