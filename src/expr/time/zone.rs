//! A time zone with cached offsets, so that a row costs a comparison instead of a search.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{DAY_SECONDS, civil_from_days};

/// The largest number of periods that a [`ZoneClock`] caches; a zone has two a year.
const PERIODS_MAX: usize = 1_024;

/// A period in which a zone's offset does not change: `from <= instant < until`, in seconds.
#[derive(Clone, Copy, Debug)]
struct Period {
    from: i64,
    until: i64,
    offset: i32,
}

#[derive(Clone, Debug)]
pub(crate) struct ZoneClock {
    zone: TimeZone,
    /// Sorted by `from`; filled on demand.
    periods: Vec<Period>,
    last: Period,
}

impl ZoneClock {
    pub(crate) fn new(zone: TimeZone) -> Self {
        Self { zone, periods: Vec::new(), last: Period { from: 0, until: 0, offset: 0 } }
    }

    /// Returns the zone's IANA name, if it has one.
    pub(super) fn name(&self) -> Option<&str> {
        self.zone.iana_name()
    }

    /// Appends the zone's abbreviation at an instant, such as `EST`.
    pub(super) fn write_abbreviation(&self, seconds: i64, out: &mut Vec<u8>) {
        let abbreviation = self.zone.to_offset_info(within_calendar(seconds));
        out.extend_from_slice(abbreviation.abbreviation().as_bytes());
    }

    /// Returns the offset at an instant, in seconds east of Greenwich.
    #[inline]
    pub(crate) fn offset_at(&mut self, seconds: i64) -> i32 {
        if !(self.last.from..self.last.until).contains(&seconds) {
            self.last = self.period_at(seconds);
        }
        self.last.offset
    }

    fn period_at(&mut self, seconds: i64) -> Period {
        let after = self.periods.partition_point(|period| period.from <= seconds);
        if let Some(found) = after.checked_sub(1).map(|at| self.periods[at]).filter(|s| seconds < s.until) {
            return found;
        }
        let instant = within_calendar(seconds);
        // `preceding` searches strictly before; a transition at this very instant has already happened.
        let probe = within_calendar(seconds.saturating_add(1));
        let from = self.zone.preceding(probe).next().map_or(i64::MIN, |found| found.timestamp().as_second());
        let until = self.zone.following(instant).next().map_or(i64::MAX, |found| found.timestamp().as_second());
        let period = Period { from, until, offset: self.zone.to_offset(instant).seconds() };
        if self.periods.len() >= PERIODS_MAX {
            self.periods.clear();
        }
        let after = self.periods.partition_point(|known| known.from <= period.from);
        self.periods.insert(after, period);
        period
    }

    /// Returns the instant of a local time: the first of two in a fold; in a gap, by the offset before it (RFC 5545,
    /// 3.3.5).
    pub(crate) fn instant_of(&mut self, local: i64) -> i64 {
        // No transition moves a clock by more than a day: two days to either side the result is unambiguous.
        let guess = local - i64::from(self.offset_at(local));
        if guess.saturating_sub(2 * DAY_SECONDS) >= self.last.from
            && guess.saturating_add(2 * DAY_SECONDS) < self.last.until
        {
            return guess;
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
        // Beyond the calendar's end (9999-12-30T22:00Z) no zone changes its offset.
        civil.and_then(|civil| self.zone.to_timestamp(civil)).map_or(guess, |instant| instant.as_second())
    }
}

/// Returns the nearest instant that `jiff` supports.
fn within_calendar(seconds: i64) -> Timestamp {
    let (least, most) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(seconds.clamp(least, most)).unwrap_or(Timestamp::MAX)
}
