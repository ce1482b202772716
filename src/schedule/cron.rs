//! Five-field cron as Debian reads it (crontab(5)), on the `cron` crate behind a parser of our own.
//!
//! The crate counts Sunday as 1, joins the two day fields by AND, takes seconds and accepts `L W # ?`; Debian does none
//! of it. So the text is parsed here to explicit sets, and the crate computes the next local time in those. It never
//! sees a time zone: it gets local times as if they were UTC, and [`Cron::next_after`] converts its results to instants
//! by Vixie cron's rule for days on which clocks change.

/// Corrections of invalid expressions.
mod corrections;
/// Schedules in English.
mod describe;
/// Parser of one field of an expression.
mod field;

use std::collections::BTreeSet;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use jiff::civil;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use field::{Field, FieldKind};

/// Larger than any zone's clock ever shifted: Samoa and Kwajalein skipped a whole day.
const SHIFT_MAX: SignedDuration = SignedDuration::from_hours(26);

/// More whole days than a clock may shift.
const SHIFT_DAYS: SignedDuration = SignedDuration::from_hours(72);

/// The `cron` crate starts at the year 1970.
const FIRST: civil::DateTime = civil::date(1969, 12, 31).at(23, 59, 59, 0);

/// The local times at which a pipeline is due.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    /// One schedule, or two if both day fields are restricted: a day then needs to match either.
    schedules: Vec<cron::Schedule>,
    fields: [Field; 5],
}

/// A problem in a cron expression, and its place in the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct CronProblem {
    /// Byte offset in the text.
    pub offset: usize,
    pub len: usize,
    pub what: String,
    pub hint: Option<String>,
}

/// A future local time that does not exist, or exists twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockChange {
    /// The local time of the schedule.
    pub wall: civil::DateTime,
    /// The instant it runs instead, or the first of the two.
    pub runs: Timestamp,
    pub kind: ChangeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// Clocks skip the time on that day.
    Skipped,
    /// The time is repeated on that day; the schedule runs the first time only.
    Twice,
}

const MACROS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

impl Cron {
    /// Parses exactly five fields (minute, hour, day of month, month, day of week), or `@yearly` to `@hourly`.
    ///
    /// # Errors
    /// The text is anything else; the problem's hint contains the intended expression if it is recognised.
    pub fn parse(text: &str) -> Result<Self, CronProblem> {
        Self::parse_exactly(text).map_err(|problem| corrections::explain(text, problem))
    }

    /// Parses as [`Cron::parse`], without a guess at the intended expression.
    pub(super) fn parse_exactly(text: &str) -> Result<Self, CronProblem> {
        let trimmed = text.trim();
        if trimmed.starts_with('@') {
            let Some((_, expression)) = MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(trimmed)) else {
                return Err(unknown_macro(text, trimmed));
            };
            let cron = Self::parse_exactly(expression)?;
            return Ok(Self { text: trimmed.to_string(), ..cron });
        }
        let fields = split(text)?;
        let parse = |index: usize| {
            let (offset, word) = fields[index];
            field::parse(FieldKind::ALL[index], word)
                .map_err(|problem| CronProblem { offset: problem.offset + offset, ..problem })
        };
        let fields = [parse(0)?, parse(1)?, parse(2)?, parse(3)?, parse(4)?];
        never(&fields, text)?;
        let schedules = schedules(&fields).map_err(|error| CronProblem {
            offset: 0,
            len: text.len(),
            what: format!("this schedule cannot be read: {error}"),
            hint: None,
        })?;
        Ok(Self { text: trimmed.to_string(), schedules, fields })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the first instant after `after` at which this is due in `zone`, or `None` if none is before the year
    /// 2100.
    ///
    /// On clock changes (Vixie cron's rule) a schedule whose minute or hour begins with `*` skips times that do not
    /// exist, and runs at both instants of times that are repeated. Any other runs at the first instant after the gap,
    /// and at the first of two.
    ///
    /// ```
    /// use jiff::{Timestamp, tz::TimeZone};
    /// use reportferry::schedule::cron::Cron;
    ///
    /// let cron = Cron::parse("30 2 * * *").unwrap();
    /// let zone = TimeZone::get("America/New_York").unwrap();
    /// // On 8 March 2026 the clocks go from 2:00 to 3:00: what is due at 2:30 runs at 3:00.
    /// let before: Timestamp = "2026-03-08T01:00:00-05:00".parse().unwrap();
    /// let next: Timestamp = "2026-03-08T03:00:00-04:00".parse().unwrap();
    /// assert_eq!(cron.next_after(before, &zone), Some(next));
    /// ```
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let wall = zone.to_datetime(after);
        // The second pass of a repeated hour begins with local times before `after`'s own.
        let from = wall.saturating_sub(repeated_near(after, zone));
        let mut best: Option<Timestamp> = None;
        for wall in self.local_times_after(from) {
            let (first, second) = self.instants(wall, zone)?;
            // The first instants of ascending local times never descend, so no later one can be better.
            if best.is_some_and(|best| first.is_some_and(|first| first >= best)) {
                break;
            }
            for instant in [first, second].into_iter().flatten().filter(|instant| *instant > after) {
                best = Some(best.map_or(instant, |best| best.min(instant)));
            }
        }
        best
    }

    /// Returns the instants due after `after` up to `until`, ascending, at most `most`. Far cheaper than repeated calls
    /// of [`Cron::next_after`], with the same result.
    pub fn between(&self, after: Timestamp, until: Timestamp, most: usize, zone: &TimeZone) -> Vec<Timestamp> {
        let mut found = Vec::new();
        let mut day = zone.to_datetime(after).date().saturating_sub(SHIFT_DAYS);
        let mut last = zone.to_datetime(until).date().saturating_add(SHIFT_DAYS);
        let [minutes, hours, ..] = &self.fields;
        while day <= last {
            let times = hours.set.iter().flat_map(|hour| minutes.set.iter().map(move |minute| (*hour, *minute)));
            for (hour, minute) in times.filter(|_| self.is_day(day)) {
                let (Ok(hour), Ok(minute)) = (i8::try_from(hour), i8::try_from(minute)) else { continue };
                let (first, second) = self.instants(day.at(hour, minute, 0, 0), zone).unwrap_or_default();
                found.extend([first, second].into_iter().flatten().filter(|at| *at > after && *at <= until));
            }
            if found.len() >= most {
                // Repeated times may still come before the last one.
                last = last.min(day.saturating_add(SHIFT_DAYS));
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        found.sort_unstable();
        found.dedup();
        found.truncate(most);
        found
    }

    /// Returns true if the schedule is due on this day, by the rule of crontab(5) for its two day fields.
    fn is_day(&self, day: civil::Date) -> bool {
        let [_, _, days, months, weekdays] = &self.fields;
        let has = |field: &Field, value: i8| u8::try_from(value).is_ok_and(|value| field.set.contains(&value));
        let (on_day, on_weekday) = (has(days, day.day()), has(weekdays, day.weekday().to_sunday_zero_offset()));
        let both = days.starts_with_star || weekdays.starts_with_star;
        has(months, day.month()) && if both { on_day && on_weekday } else { on_day || on_weekday }
    }

    /// Returns times of this schedule that `zone`'s clock skips or repeats between `from` and `until`.
    pub fn clock_changes(&self, from: Timestamp, until: Timestamp, zone: &TimeZone) -> Vec<ClockChange> {
        if self.has_wildcard_time() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for change in zone.following(from).take_while(|change| change.timestamp() < until) {
            let at = change.timestamp();
            let new = change.offset();
            let old = zone.to_offset(at - SignedDuration::from_nanos(1));
            let (before, after) = (old.to_datetime(at), new.to_datetime(at));
            let (kind, start, end) = match before.cmp(&after) {
                std::cmp::Ordering::Less => (ChangeKind::Skipped, before, after),
                std::cmp::Ordering::Greater => (ChangeKind::Twice, after, before),
                std::cmp::Ordering::Equal => continue,
            };
            let just_before = start.saturating_sub(SignedDuration::from_secs(1));
            if let Some(wall) = self.local_times_after(just_before).next().filter(|wall| *wall < end)
                && let Some((Some(runs), _)) = self.instants(wall, zone)
            {
                found.push(ClockChange { wall, runs, kind });
            }
        }
        found
    }

    /// Returns true if a day field `*/n` is combined with a restricted other day field: Debian takes days that match
    /// both, other implementations either.
    pub fn has_ambiguous_days(&self) -> bool {
        let [_, _, day, _, weekday] = &self.fields;
        let steps = |field: &Field| field.starts_with_star && !field.is_all();
        let restricted = |field: &Field| !field.starts_with_star;
        (steps(day) && restricted(weekday)) || (steps(weekday) && restricted(day)) || (steps(day) && steps(weekday))
    }

    fn has_wildcard_time(&self) -> bool {
        self.fields[0].starts_with_star || self.fields[1].starts_with_star
    }

    /// Returns local times after `from`, ascending, up to the year 2100.
    fn local_times_after(&self, from: civil::DateTime) -> impl Iterator<Item = civil::DateTime> + '_ {
        let from = from.max(FIRST);
        let from =
            Offset::UTC.to_timestamp(from).ok().and_then(|instant| DateTime::from_timestamp(instant.as_second(), 0));
        let mut streams: Vec<_> = from
            .iter()
            .flat_map(|from: &DateTime<Utc>| self.schedules.iter().map(|schedule| schedule.after(from).peekable()))
            .collect();
        std::iter::from_fn(move || {
            let next = streams.iter_mut().filter_map(|stream| stream.peek().copied()).min()?;
            for stream in &mut streams {
                stream.next_if_eq(&next);
            }
            Timestamp::from_second(next.timestamp()).ok().map(|instant| Offset::UTC.to_datetime(instant))
        })
    }

    /// Returns the instants at which a local time is due: none, one or two. `None` outside the representable range.
    fn instants(&self, wall: civil::DateTime, zone: &TimeZone) -> Option<(Option<Timestamp>, Option<Timestamp>)> {
        let ambiguous = zone.to_ambiguous_timestamp(wall);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => Some((Some(offset.to_timestamp(wall).ok()?), None)),
            AmbiguousOffset::Gap { .. } if self.has_wildcard_time() => Some((None, None)),
            AmbiguousOffset::Gap { after, .. } => {
                // By the new offset, a skipped time comes before the change: the next transition is the gap's end.
                let before = after.to_timestamp(wall).ok()? - SignedDuration::from_nanos(1);
                Some((zone.following(before).next().map(|change| change.timestamp()), None))
            }
            AmbiguousOffset::Fold { before, after } => {
                let second = after.to_timestamp(wall).ok().filter(|_| self.has_wildcard_time());
                Some((Some(before.to_timestamp(wall).ok()?), second))
            }
        }
    }
}

/// Returns the largest amount of local time that a clock change near an instant repeats.
fn repeated_near(instant: Timestamp, zone: &TimeZone) -> SignedDuration {
    let from = instant.saturating_sub(SHIFT_MAX).unwrap_or(Timestamp::MIN);
    let until = instant.saturating_add(SHIFT_MAX).unwrap_or(Timestamp::MAX);
    let repeated = |change: jiff::tz::TimeZoneTransition<'_>| {
        let before = zone.to_offset(change.timestamp().saturating_sub(SignedDuration::from_secs(1)).unwrap_or(from));
        SignedDuration::from_secs(i64::from(before.seconds() - change.offset().seconds()))
    };
    let changes = zone.following(from).take_while(|change| change.timestamp() <= until);
    changes.map(repeated).max().unwrap_or_default().max(SignedDuration::ZERO)
}

fn unknown_macro(text: &str, given: &str) -> CronProblem {
    let known = MACROS.map(|(name, _)| name);
    let hint = crate::yaml::problem::did_you_mean(given, known)
        .unwrap_or_else(|| "write five fields, or one of @yearly, @monthly, @weekly, @daily, @hourly".into());
    let offset = text.len() - text.trim_start().len();
    CronProblem { offset, len: given.len(), what: format!("`{given}` is not a schedule"), hint: Some(hint) }
}

/// Splits an expression into its five fields, with their byte offsets.
fn split(text: &str) -> Result<[(usize, &str); 5], CronProblem> {
    let words: Vec<(usize, &str)> =
        text.split_whitespace().map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word)).collect();
    <[(usize, &str); 5]>::try_from(words).map_err(|words| CronProblem {
        offset: words.get(5).map_or(0, |(offset, _)| *offset),
        len: words.get(5).map_or(text.len(), |(offset, _)| text.trim_end().len() - offset),
        what: match words.len() {
            0 => "the schedule is empty".into(),
            n => format!("a schedule has five fields, this has {n}"),
        },
        hint: Some(match words.len() {
            6 | 7 => "there is no field for seconds or years: minute, hour, day of month, month, day of week".into(),
            _ => "write minute, hour, day of month, month, day of week: `30 5 * * mon-fri`".into(),
        }),
    })
}

/// Refuses days that no month of the expression has.
fn never(fields: &[Field; 5], text: &str) -> Result<(), CronProblem> {
    let [_, _, day, month, weekday] = fields;
    let either = !day.starts_with_star && !weekday.starts_with_star;
    let days_in = |month: &u8| match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let first_day = day.set.first().copied().unwrap_or(1);
    if either || month.set.iter().any(|month| first_day <= days_in(month)) {
        return Ok(());
    }
    Err(CronProblem {
        offset: text.len() - text.trim_start().len(),
        len: text.trim().len(),
        what: format!("this is never due: none of its months has a day {first_day}"),
        hint: Some("write a day that the month has".into()),
    })
}

fn schedules(fields: &[Field; 5]) -> Result<Vec<cron::Schedule>, cron::error::Error> {
    let [minute, hour, day, month, weekday] = fields;
    let every_day: BTreeSet<u8> = (1..=31).collect();
    let every_weekday: BTreeSet<u8> = (0..=6).collect();
    let schedule = |days: &BTreeSet<u8>, weekdays: &BTreeSet<u8>| {
        let weekdays: BTreeSet<u8> = weekdays.iter().map(|day| day % 7 + 1).collect();
        let fields = [&minute.set, &hour.set, days, &month.set, &weekdays]
            .map(|set| set.iter().map(u8::to_string).collect::<Vec<_>>().join(","));
        cron::Schedule::from_str(&format!("0 {}", fields.join(" ")))
    };
    if day.starts_with_star || weekday.starts_with_star {
        return Ok(vec![schedule(&day.set, &weekday.set)?]);
    }
    Ok(vec![schedule(&day.set, &every_weekday)?, schedule(&every_day, &weekday.set)?])
}
