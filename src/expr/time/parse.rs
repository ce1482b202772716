//! A text and a strftime format → a date or an instant. Strict: whatever does not match the format is an error.

use super::format::{FormatProblem, Item, MONTHS, Pad, TimePart, WEEKDAYS, weekday};
use super::{DAY_SECONDS, Instant, Moment, TimeFormat, ZoneClock, checked_days, clock_seconds, days_from_civil};

/// The parts of a date and time found in a text.
#[derive(Default)]
struct Parts {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    weekday: Option<i64>,
    hour: Option<i64>,
    /// From 1 to 12.
    half_hour: Option<i64>,
    is_afternoon: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    nanoseconds: Option<u32>,
    offset: Option<i64>,
    epoch: Option<i64>,
}

/// The bytes that are not parsed yet.
struct Rest<'a>(&'a [u8]);

impl TimeFormat {
    /// Checks that a date can be parsed with this format.
    pub(crate) fn reads_a_date(&self) -> Result<(), FormatProblem> {
        for item in &self.items {
            let (what, hint) = match item {
                Item::Abbreviation | Item::ZoneName => (
                    "the names of zones (%Z, %Q) cannot be read",
                    "write the name as it is into the format, as in '%Y-%m-%d %H:%M:%S UTC', and the zone as the third argument",
                ),
                Item::Number { part, .. } if !is_readable(*part) => {
                    ("weeks, weekdays as numbers, quarters and centuries cannot be read", "read %Y, %m and %d")
                }
                _ => continue,
            };
            return Err(FormatProblem::new(what, hint));
        }
        let has = |wanted: &[TimePart]| {
            self.items.iter().any(|item| matches!(item, Item::Number { part, .. } if wanted.contains(part)))
        };
        let has_month = has(&[TimePart::Month]) || self.items.iter().any(|item| matches!(item, Item::MonthName { .. }));
        let missing = if self.items.contains(&Item::Epoch)
            || (has(&[TimePart::DayOfYear]) && has(&[TimePart::Year, TimePart::YearOfCentury]))
        {
            return Ok(());
        } else if !has(&[TimePart::Year, TimePart::YearOfCentury]) {
            "the year (%Y)"
        } else if !has_month {
            "the month (%m)"
        } else if !has(&[TimePart::Day]) {
            "the day (%d)"
        } else {
            return Ok(());
        };
        Err(FormatProblem::new(
            format!("no date can be read with this format: {missing} is missing"),
            "a format that is read names year, month and day, as in %m/%d/%Y",
        ))
    }

    /// Parses a text, ignoring spaces around it. A text without a time of day is a date; one with it is local time of
    /// the zone unless it has its own offset.
    ///
    /// # Errors
    /// The text does not match the format; the error names what was expected and the place.
    pub(crate) fn read(&self, text: &[u8], zone: &mut ZoneClock) -> Result<Moment, String> {
        let mut parts = Parts::default();
        let mut rest = Rest(text.trim_ascii());
        for (index, item) in self.items.iter().enumerate() {
            // If two numbers are adjacent, only their full widths separate them.
            let is_number = |at: Option<usize>| {
                let item = at.and_then(|at| self.items.get(at));
                matches!(item, Some(Item::Number { .. } | Item::Epoch))
            };
            let touches = is_number(index.checked_sub(1)) || is_number(Some(index + 1));
            rest.take(item, touches, &mut parts)?;
        }
        if !rest.0.is_empty() {
            return Err(format!("{:?} is left over", rest.shown()));
        }
        parts.moment(zone)
    }
}

fn is_readable(part: TimePart) -> bool {
    use TimePart::{Day, DayOfYear, Hour, Hour12, Minute, Month, Second, Year, YearOfCentury};
    matches!(part, Year | YearOfCentury | Month | Day | DayOfYear | Hour | Hour12 | Minute | Second)
}

impl Rest<'_> {
    fn shown(&self) -> String {
        let text = String::from_utf8_lossy(self.0);
        if text.is_empty() { "nothing".to_owned() } else { crate::expr::shorten(&text) }
    }

    fn expected(&self, what: &str) -> String {
        match self.0 {
            [] => format!("{what} is expected at its end"),
            _ => format!("{what} is expected where {:?} is", self.shown()),
        }
    }

    fn take(&mut self, item: &Item, touches: bool, parts: &mut Parts) -> Result<(), String> {
        match item {
            Item::Literal(bytes) => self.literal(bytes)?,
            Item::Number { part, pad, .. } => {
                let value = self.number(*part, *pad, touches)?;
                match part {
                    TimePart::Year => parts.year = Some(value),
                    // As in POSIX and Python, 69 to 99 belong to the last century.
                    TimePart::YearOfCentury => {
                        parts.year = Some(if value < 69 { 2_000 + value } else { 1_900 + value })
                    }
                    TimePart::Month => parts.month = Some(value),
                    TimePart::Day => parts.day = Some(value),
                    TimePart::DayOfYear => parts.day_of_year = Some(value),
                    TimePart::Hour => parts.hour = Some(value),
                    TimePart::Hour12 => parts.half_hour = Some(value),
                    TimePart::Minute => parts.minute = Some(value),
                    TimePart::Second => parts.second = Some(value),
                    _ => {}
                }
            }
            Item::MonthName { is_short, .. } => {
                parts.month = Some(self.name(&MONTHS, *is_short, "a month's name")? + 1)
            }
            Item::WeekdayName { is_short, .. } => {
                parts.weekday = Some(self.name(&WEEKDAYS, *is_short, "a weekday's name")?);
            }
            Item::Meridiem { .. } => {
                let is_afternoon = match self.0.get(..2).map(<[u8]>::to_ascii_lowercase).as_deref() {
                    Some(b"am") => false,
                    Some(b"pm") => true,
                    _ => return Err(self.expected("AM or PM (%p)")),
                };
                self.0 = &self.0[2..];
                parts.is_afternoon = Some(is_afternoon);
            }
            Item::Fraction { dot, precision } => self.fraction(*dot, *precision, parts)?,
            Item::Offset { .. } => self.offset(parts)?,
            Item::Epoch => {
                let length = self
                    .0
                    .iter()
                    .enumerate()
                    .take_while(|(at, byte)| byte.is_ascii_digit() || (*at == 0 && **byte == b'-'));
                let (digits, rest) = self.0.split_at(length.count());
                let seconds = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok());
                parts.epoch = Some(seconds.ok_or_else(|| self.expected("seconds since 1970 (%s)"))?);
                self.0 = rest;
            }
            Item::Abbreviation | Item::ZoneName => {}
        }
        Ok(())
    }

    /// Skips a literal of the format; white space in it matches any amount of white space.
    fn literal(&mut self, bytes: &[u8]) -> Result<(), String> {
        for (index, byte) in bytes.iter().enumerate() {
            if byte.is_ascii_whitespace() {
                let is_first = index == 0 || !bytes[index - 1].is_ascii_whitespace();
                if is_first && !self.0.first().is_some_and(u8::is_ascii_whitespace) {
                    return Err(self.expected("a space"));
                }
                self.0 = self.0.trim_ascii_start();
            } else if self.0.first() == Some(byte) {
                self.0 = &self.0[1..];
            } else {
                let literal = String::from_utf8_lossy(&bytes[index..]).trim_end().to_owned();
                return Err(self.expected(&format!("{literal:?}")));
            }
        }
        Ok(())
    }

    fn number(&mut self, part: TimePart, pad: Pad, touches: bool) -> Result<i64, String> {
        let (name, width, range) = match part {
            TimePart::Year => ("a year of four digits (%Y)", 4, 1..=9_999),
            TimePart::YearOfCentury => ("a year of two digits (%y)", 2, 0..=99),
            TimePart::Month => ("a month from 1 to 12 (%m)", 2, 1..=12),
            TimePart::Day => ("a day from 1 to 31 (%d)", 2, 1..=31),
            TimePart::DayOfYear => ("a day from 1 to 366 (%j)", 3, 1..=366),
            TimePart::Hour => ("an hour from 0 to 23 (%H)", 2, 0..=23),
            TimePart::Hour12 => ("an hour from 1 to 12 (%I)", 2, 1..=12),
            TimePart::Minute => ("a minute from 0 to 59 (%M)", 2, 0..=59),
            _ => ("a second from 0 to 59 (%S)", 2, 0..=59),
        };
        let before = self.0;
        if pad == Pad::Space {
            self.0 = self.0.trim_ascii_start();
        }
        let most = if touches { width } else { width + 1 };
        let length = self.0.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
        let is_exact = matches!(part, TimePart::Year | TimePart::YearOfCentury) || (touches && pad == Pad::Zero);
        let least = if is_exact { width } else { 1 };
        let (digits, rest) = self.0.split_at(length);
        let value = digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
        if length < least || length > width || !range.contains(&value) {
            self.0 = before;
            return Err(self.expected(name));
        }
        self.0 = rest;
        Ok(value)
    }

    fn name(&mut self, names: &[&str], is_short: bool, what: &str) -> Result<i64, String> {
        let found = names.iter().zip(0..).find_map(|(name, index)| {
            let name = if is_short { &name[..3] } else { name };
            let head = self.0.get(..name.len())?;
            head.eq_ignore_ascii_case(name.as_bytes()).then_some((index, name.len()))
        });
        let is_whole = |length: usize| !self.0.get(length).is_some_and(u8::is_ascii_alphabetic);
        match found.filter(|(_, length)| is_whole(*length)) {
            Some((index, length)) => {
                self.0 = &self.0[length..];
                Ok(index)
            }
            None if is_short => Err(self.expected(&format!("{what} of three letters"))),
            None => Err(self.expected(&format!("{what} in full"))),
        }
    }

    fn fraction(&mut self, dot: bool, precision: Option<u8>, parts: &mut Parts) -> Result<(), String> {
        let digits = match (dot, self.0) {
            (true, [b'.' | b',', digits @ ..]) => digits,
            // A zero fraction may be omitted.
            (true, _) if precision.is_none() => return Ok(()),
            (true, _) => return Err(self.expected("a dot and a fraction of a second (%.f)")),
            (false, digits) => digits,
        };
        match super::read_fraction(digits).filter(|(_, count)| precision.is_none_or(|most| *count == usize::from(most)))
        {
            Some((nanoseconds, count)) => {
                parts.nanoseconds = Some(nanoseconds);
                self.0 = &digits[count..];
                Ok(())
            }
            None => Err(self.expected(&match precision {
                Some(precision) => format!("a fraction of a second of {precision} digits (%{precision}f)"),
                None => "a fraction of a second of 1 to 9 digits (%f)".to_owned(),
            })),
        }
    }

    fn offset(&mut self, parts: &mut Parts) -> Result<(), String> {
        for length in [6, 5, 3, 1] {
            let head = self.0.get(..length).filter(|head| !head.eq_ignore_ascii_case(b"utc"));
            if let Some(offset) = head.and_then(super::read_offset) {
                parts.offset = Some(offset);
                self.0 = &self.0[length..];
                return Ok(());
            }
        }
        Err(self.expected("an offset as +0200, +02:00, +02 or Z (%z)"))
    }
}

impl Parts {
    fn moment(&self, zone: &mut ZoneClock) -> Result<Moment, String> {
        let nanoseconds = self.nanoseconds.unwrap_or(0);
        if let Some(seconds) = self.epoch {
            if !super::is_in_years(seconds) {
                return Err("this is not a time of the years 1 to 9999".to_owned());
            }
            return Ok(Moment::Instant(Instant::utc(seconds, nanoseconds)));
        }
        let days = self.days()?;
        if self.weekday.is_some_and(|named| named != weekday(days)) {
            return Err(format!("that day is a {}", WEEKDAYS[weekday(days) as usize]));
        }
        let Some(hour) = self.hour.or_else(|| self.half_hour.map(|hour| self.of_day(hour))) else {
            return Ok(Moment::Date(days));
        };
        if self.is_afternoon.is_some_and(|is_afternoon| is_afternoon != (hour >= 12)) {
            return Err(format!("hour {hour} is not {}", if hour >= 12 { "AM" } else { "PM" }));
        }
        let clock = clock_seconds(hour, self.minute.unwrap_or(0), self.second.unwrap_or(0));
        let wall = days * DAY_SECONDS + clock.ok_or("there is no such time of day")?;
        let seconds = match self.offset {
            Some(offset) => wall - offset,
            None => zone.instant_of(wall),
        };
        Ok(Moment::Instant(Instant { seconds, nanoseconds, wall }))
    }

    /// Converts an hour from 1 to 12 to one from 0 to 23.
    fn of_day(&self, hour: i64) -> i64 {
        hour % 12 + if self.is_afternoon == Some(true) { 12 } else { 0 }
    }

    fn days(&self) -> Result<i64, String> {
        let year = self.year.ok_or("the year is missing")?;
        let days = match (self.month, self.day, self.day_of_year) {
            (Some(month), Some(day), _) => checked_days(year, month, day),
            (_, _, Some(day)) => {
                Some(days_from_civil(year, 1, 1) + day - 1).filter(|days| *days < days_from_civil(year + 1, 1, 1))
            }
            _ => None,
        };
        let days = days.ok_or("there is no such day in the calendar")?;
        match self.day_of_year {
            Some(day) if days - days_from_civil(year, 1, 1) + 1 != day => {
                Err(format!("that is day {} of the year", days - days_from_civil(year, 1, 1) + 1))
            }
            _ => Ok(days),
        }
    }
}
