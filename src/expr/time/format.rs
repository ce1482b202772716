//! A compiled strftime format: its items, and how it is written.

mod directive;
mod lint;
mod sortable;
mod units;

use super::{DAY_SECONDS, Instant, Moment, ZoneClock, civil_from_days, days_from_civil, is_in_years, push_two};

/// The reason a text is not a usable time format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FormatProblem {
    pub(crate) what: String,
    pub(crate) hint: Option<String>,
}

impl FormatProblem {
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: Some(hint.into()) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimePart {
    Year,
    YearOfCentury,
    Century,
    Quarter,
    Month,
    Day,
    DayOfYear,
    Hour,
    Hour12,
    Minute,
    Second,
    /// Monday is 1.
    Weekday,
    /// Sunday is 0.
    WeekdayFromSunday,
    IsoYear,
    IsoYearOfCentury,
    IsoWeek,
    WeekFromSunday,
    WeekFromMonday,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pad {
    Zero,
    Space,
    None,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Literal(Vec<u8>),
    Number {
        part: TimePart,
        pad: Pad,
        width: u8,
    },
    MonthName {
        is_short: bool,
        is_upper: bool,
    },
    WeekdayName {
        is_short: bool,
        is_upper: bool,
    },
    Meridiem {
        is_lower: bool,
    },
    /// Fractional seconds: this many digits, or as many as there are. With a dot, nothing is written if they are zero.
    Fraction {
        dot: bool,
        precision: Option<u8>,
    },
    /// The offset from UTC, with this many colons.
    Offset {
        colons: u8,
    },
    /// Seconds since 1970.
    Epoch,
    Abbreviation,
    ZoneName,
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Beginning with Monday.
pub(super) const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A strftime format, compiled.
#[derive(Clone, Debug)]
pub(crate) struct TimeFormat {
    pub(super) text: String,
    pub(super) items: Vec<Item>,
    /// True if it contains something that depends on the zone even for a date.
    needs_zone: bool,
    /// True if it has numbers of two and four digits and short literals alone, [`SHORT_BYTES_MAX`] together at most.
    is_short: bool,
}

/// The longest text that is put together on the stack.
const SHORT_BYTES_MAX: usize = 32;

/// A date and a local time of day.
struct LocalTime {
    days: i64,
    clock: u32,
    nanoseconds: u32,
    /// Seconds since 1970 in UTC, and the offset east of it.
    instant: i64,
    offset: i32,
    /// True for the zone's local time, false for the value's own.
    in_zone: bool,
}

impl TimeFormat {
    /// Compiles a format; fails for an unknown directive or a format that cannot be intended.
    pub(crate) fn compile(text: &str) -> Result<Self, FormatProblem> {
        let mut items = Vec::new();
        directive::compile_into(text, &mut items)?;
        lint::check(text, &items)?;
        let needs_zone = items
            .iter()
            .any(|item| matches!(item, Item::Offset { .. } | Item::Epoch | Item::Abbreviation | Item::ZoneName));
        let lengths = items.iter().map(|item| match item {
            Item::Literal(bytes) => Some(bytes.len()),
            Item::Number { pad: Pad::Zero, width: width @ (2 | 4), .. } => Some(usize::from(*width)),
            _ => None,
        });
        let is_short = lengths.sum::<Option<usize>>().is_some_and(|length| length <= SHORT_BYTES_MAX);
        Ok(Self { text: text.to_owned(), items, needs_zone, is_short })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Appends a date unchanged, an instant in the zone's local time. An instant that the zone would move outside the
    /// years 1 to 9999 is written in its own local time.
    pub(crate) fn write(&self, moment: Moment, zone: &mut ZoneClock, out: &mut Vec<u8>) {
        let shown = match moment {
            Moment::Date(days) => {
                let instant = if self.needs_zone { zone.instant_of(days * DAY_SECONDS) } else { 0 };
                let offset = if self.needs_zone { zone.offset_at(instant) } else { 0 };
                LocalTime { days, clock: 0, nanoseconds: 0, instant, offset, in_zone: true }
            }
            Moment::Instant(Instant { seconds, nanoseconds, wall }) => {
                let offset = zone.offset_at(seconds);
                let local = seconds + i64::from(offset);
                let (local, offset, in_zone) = match is_in_years(local) {
                    true => (local, offset, true),
                    false => (wall, (wall - seconds) as i32, false),
                };
                let (days, clock) = (local.div_euclid(DAY_SECONDS), local.rem_euclid(DAY_SECONDS) as u32);
                LocalTime { days, clock, nanoseconds, instant: seconds, offset, in_zone }
            }
        };
        let date = civil_from_days(shown.days);
        if self.is_short {
            return self.write_short(date, &shown, out);
        }
        for item in &self.items {
            match item {
                Item::Literal(bytes) => out.extend_from_slice(bytes),
                Item::Number { part, pad, width } => {
                    push_number(value_of(*part, date, &shown), *pad, usize::from(*width), out);
                }
                other => write_text(other, date, &shown, zone, out),
            }
        }
    }
}

impl TimeFormat {
    /// Appends literals and numbers at once: the usual formats have nothing else.
    fn write_short(&self, date: (i64, u32, u32), shown: &LocalTime, out: &mut Vec<u8>) {
        let mut text = [0; SHORT_BYTES_MAX];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            if let Some(place) = text.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
                at += bytes.len();
            }
        };
        for item in &self.items {
            match item {
                Item::Literal(bytes) => match bytes.as_slice() {
                    [byte] => put(&[*byte]),
                    bytes => put(bytes),
                },
                Item::Number { part, width, .. } => {
                    let value = value_of(*part, date, shown);
                    match *width {
                        4 => put([two(value / 100), two(value)].as_flattened()),
                        _ => put(&two(value)),
                    }
                }
                _ => {}
            }
        }
        out.extend_from_slice(&text[..at]);
    }
}

/// Returns the last two digits of a number.
fn two(number: u32) -> [u8; 2] {
    let number = number % 100;
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// Appends the items that are not plain numbers.
fn write_text(item: &Item, date: (i64, u32, u32), shown: &LocalTime, zone: &mut ZoneClock, out: &mut Vec<u8>) {
    let push_name = |out: &mut Vec<u8>, name: &str, is_short: bool, is_upper: bool| {
        let start = out.len();
        out.extend_from_slice(if is_short { &name.as_bytes()[..3] } else { name.as_bytes() });
        if is_upper {
            out[start..].make_ascii_uppercase();
        }
    };
    match item {
        Item::Literal(_) | Item::Number { .. } => {}
        Item::MonthName { is_short, is_upper } => push_name(out, MONTHS[date.1 as usize - 1], *is_short, *is_upper),
        Item::WeekdayName { is_short, is_upper } => {
            push_name(out, WEEKDAYS[weekday(shown.days) as usize], *is_short, *is_upper);
        }
        Item::Meridiem { is_lower } => {
            let is_morning = shown.clock < 43_200;
            out.extend_from_slice(match (is_morning, is_lower) {
                (true, true) => b"am",
                (true, false) => b"AM",
                (false, true) => b"pm",
                (false, false) => b"PM",
            });
        }
        Item::Fraction { dot, precision } => write_fraction(shown.nanoseconds, *dot, *precision, out),
        Item::Offset { colons } => write_offset(shown.offset, *colons, out),
        Item::Epoch => push_signed(shown.instant, out),
        Item::Abbreviation if !shown.in_zone => write_offset(shown.offset, 1, out),
        Item::Abbreviation => zone.write_abbreviation(shown.instant, out),
        Item::ZoneName if !shown.in_zone => write_offset(shown.offset, 1, out),
        Item::ZoneName => match zone.name() {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => write_offset(shown.offset, 0, out),
        },
    }
}

/// Returns the weekday; Monday is 0.
pub(crate) fn weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7)
}

fn value_of(part: TimePart, (year, month, day): (i64, u32, u32), shown: &LocalTime) -> u32 {
    let day_of_year = || shown.days - days_from_civil(year, 1, 1);
    let week = |first: i64| ((day_of_year() + 7 - (weekday(shown.days) - first).rem_euclid(7)) / 7) as u32;
    match part {
        TimePart::Year => year as u32,
        TimePart::YearOfCentury => year as u32 % 100,
        TimePart::Century => year as u32 / 100,
        TimePart::Quarter => (month - 1) / 3 + 1,
        TimePart::Month => month,
        TimePart::Day => day,
        TimePart::DayOfYear => day_of_year() as u32 + 1,
        TimePart::Hour => shown.clock / 3_600,
        TimePart::Hour12 => (shown.clock / 3_600 + 11) % 12 + 1,
        TimePart::Minute => shown.clock / 60 % 60,
        TimePart::Second => shown.clock % 60,
        TimePart::Weekday => weekday(shown.days) as u32 + 1,
        TimePart::WeekdayFromSunday => (weekday(shown.days) as u32 + 1) % 7,
        TimePart::WeekFromSunday => week(6),
        TimePart::WeekFromMonday => week(0),
        TimePart::IsoYear => iso_week(shown.days).0.max(0) as u32,
        TimePart::IsoYearOfCentury => iso_week(shown.days).0.rem_euclid(100) as u32,
        TimePart::IsoWeek => iso_week(shown.days).1,
    }
}

/// Returns the year and the week of ISO 8601: a week belongs to the year of its Thursday.
pub(crate) fn iso_week(days: i64) -> (i64, u32) {
    let thursday = days - weekday(days) + 3;
    let (year, ..) = civil_from_days(thursday);
    (year, ((thursday - days_from_civil(year, 1, 1)) / 7) as u32 + 1)
}

#[inline]
fn push_number(value: u32, pad: Pad, width: usize, out: &mut Vec<u8>) {
    match (pad, width) {
        (Pad::Zero, 2) if value < 100 => push_two(out, value),
        (Pad::Zero, 4) if value < 10_000 => {
            push_two(out, value / 100);
            push_two(out, value % 100);
        }
        _ => {
            let mut digits = [b'0'; 10];
            let (mut at, mut rest) = (digits.len(), value);
            while rest > 0 || at == digits.len() {
                at -= 1;
                digits[at] = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            let fill = if pad == Pad::None { 0 } else { width.saturating_sub(digits.len() - at) };
            let with = if pad == Pad::Space { b' ' } else { b'0' };
            out.resize(out.len() + fill, with);
            out.extend_from_slice(&digits[at..]);
        }
    }
}

fn push_signed(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(value.to_string().as_bytes());
}

fn write_fraction(nanoseconds: u32, dot: bool, precision: Option<u8>, out: &mut Vec<u8>) {
    if dot && precision.unwrap_or(0) == 0 && (nanoseconds == 0 || precision == Some(0)) {
        return;
    }
    if dot {
        out.push(b'.');
    }
    match precision {
        None => super::print_fraction(nanoseconds, out),
        Some(precision) => {
            let mut unit = 100_000_000;
            for _ in 0..precision {
                out.push(b'0' + (nanoseconds / unit % 10) as u8);
                unit = (unit / 10).max(1);
            }
        }
    }
}

fn write_offset(offset: i32, colons: u8, out: &mut Vec<u8>) {
    out.push(if offset < 0 { b'-' } else { b'+' });
    let total = offset.unsigned_abs();
    let (hours, minutes, seconds) = (total / 3_600, total / 60 % 60, total % 60);
    push_two(out, hours);
    let push = |number: u32, out: &mut Vec<u8>| {
        if colons > 0 {
            out.push(b':');
        }
        push_two(out, number);
    };
    if colons < 3 || minutes + seconds > 0 {
        push(minutes, out);
    }
    if colons == 2 || seconds > 0 {
        push(seconds, out);
    }
}
