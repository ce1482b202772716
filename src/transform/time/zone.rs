//! A time zone that remembers its offsets, so that a row costs a comparison instead of a search.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{DAY_SECONDS, civil_from_days};

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

    /// Returns the zone's IANA name, if it has one.
    pub(super) fn name(&self) -> Option<&str> {
        self.zone.iana_name()
    }

    /// Appends the zone's abbreviation at an instant, as `EST`.
    pub(super) fn write_abbreviation(&self, seconds: i64, out: &mut Vec<u8>) {
        let abbreviation = self.zone.to_offset_info(within_calendar(seconds));
        out.extend_from_slice(abbreviation.abbreviation().as_bytes());
    }

    /// Seconds east of Greenwich at an instant.
    #[inline]
    pub(crate) fn offset_at(&mut self, seconds: i64) -> i32 {
        if !(self.last.from..self.last.until).contains(&seconds) {
            self.last = self.stretch_at(seconds);
        }
        self.last.offset
    }

    fn stretch_at(&mut self, seconds: i64) -> Stretch {
        let after = self.stretches.partition_point(|stretch| stretch.from <= seconds);
        if let Some(found) = after.checked_sub(1).map(|at| self.stretches[at]).filter(|s| seconds < s.until) {
            return found;
        }
        let instant = within_calendar(seconds);
        // `preceding` looks strictly before; a transition at the very instant has happened already.
        let probe = within_calendar(seconds.saturating_add(1));
        let from = self.zone.preceding(probe).next().map_or(i64::MIN, |found| found.timestamp().as_second());
        let until = self.zone.following(instant).next().map_or(i64::MAX, |found| found.timestamp().as_second());
        let stretch = Stretch { from, until, offset: self.zone.to_offset(instant).seconds() };
        if self.stretches.len() >= STRETCHES_MAX {
            self.stretches.clear();
        }
        let after = self.stretches.partition_point(|known| known.from <= stretch.from);
        self.stretches.insert(after, stretch);
        stretch
    }

    /// Returns the instant at which the zone's clocks showed `local`: the first of two in a fold; after a gap, by the
    /// offset from before it (RFC 5545, section 3.3.5).
    pub(crate) fn instant_of(&mut self, local: i64) -> i64 {
        // No offset change moves a clock by more than a day: two days from either end there is only one answer.
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

/// The nearest instant that `jiff` knows.
fn within_calendar(seconds: i64) -> Timestamp {
    let (least, most) = (Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(seconds.clamp(least, most)).unwrap_or(Timestamp::MAX)
}
