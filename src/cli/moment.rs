//! Times in arguments: RFC 3339, a date, or how long ago.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::pipeline::plan::Plan;
use crate::schedule::slot::Slot;
use crate::yaml::problem::Problem;
use crate::yaml::scalars::parse_length;

/// Periods to search for the slot before a moment: a few days first, as most schedules need no more.
const LOOK_BACK_DAYS: [i64; 3] = [2, 400, 3000];

/// A moment, a day, or a length of time before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    At(Timestamp),
    /// A whole day, in a zone that is known only later.
    Day(Date),
    Ago(SignedDuration),
}

impl Moment {
    /// Parses `2026-11-23T05:30:00-05:00`, `2026-11-23`, `12h` or `2d`.
    ///
    /// # Errors
    /// The message for any other text.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Self::At(at));
        }
        // `Date` also parses a date with a time but no offset, and drops the time.
        if let Some(day) = text.parse::<Date>().ok().filter(|day| day.to_string() == text) {
            return Ok(Self::Day(day));
        }
        let ago = parse_length(text).ok().and_then(|length| SignedDuration::try_from(length).ok());
        ago.map(Self::Ago).ok_or_else(|| {
            format!("{text:?} is not a time: write 2026-11-23T05:30:00-05:00, or 2026-11-23, or how long ago: 12h, 2d")
        })
    }

    /// Returns the slot of a plan: for a day, the only slot on it; for a length of time, the last slot due that long
    /// ago. Without a schedule, returns the start of the day or the moment itself.
    ///
    /// # Errors
    /// The schedule has no slot on the day, or several.
    pub(super) fn slot(self, clock: &Clock, plan: &Plan) -> Result<Timestamp, Problem> {
        let (since, until) = (self.since(clock, &plan.zone), self.until(clock, &plan.zone));
        let Some(schedule) = &plan.schedule else { return Ok(since) };
        let shown = |at: Timestamp| Slot::new(&plan.name, at, plan.zone.clone()).rfc3339();
        let before = |at: Timestamp| {
            LOOK_BACK_DAYS.iter().find_map(|days| {
                let from = at.saturating_sub(SignedDuration::from_hours(days * 24)).unwrap_or(Timestamp::MIN);
                schedule.cron.between(from, at, usize::MAX, &plan.zone).pop()
            })
        };
        let day = match self {
            Self::At(at) => return Ok(at),
            Self::Ago(_) => return Ok(before(since).unwrap_or(since)),
            Self::Day(day) => day,
        };
        let just_before = since.saturating_sub(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MIN);
        let slots = schedule.cron.between(just_before, until, usize::MAX, &plan.zone);
        match slots.as_slice() {
            [one] => Ok(*one),
            [] => {
                let near = [before(since), schedule.cron.next_after(until, &plan.zone)];
                let near: Vec<String> =
                    near.into_iter().flatten().map(|at| format!("`--slot {}`", shown(at))).collect();
                let message = format!("the schedule of {} has no slot on {day}", plan.name);
                Err(Problem::error(None, message)
                    .hint(format!("write {}, or the time of another slot", near.join(" or "))))
            }
            [first, .., last] => {
                let message = format!("the schedule of {} has {} slots on {day}", plan.name, slots.len());
                let hint = format!("write the time too: `--slot {}` to `--slot {}`", shown(*first), shown(*last));
                Err(Problem::error(None, message).hint(hint))
            }
        }
    }

    /// Returns the moment as the start of a period: for a day, its start.
    pub(super) fn since(self, clock: &Clock, zone: &TimeZone) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Day(day) => start(day, zone),
            Self::Ago(ago) => clock.now().saturating_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }

    /// Returns the moment as the end of a period: for a day, its end.
    pub(super) fn until(self, clock: &Clock, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Day(day) => day.tomorrow().map_or(Timestamp::MAX, |next| {
                start(next, zone).saturating_sub(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MIN)
            }),
            Self::At(_) | Self::Ago(_) => self.since(clock, zone),
        }
    }
}

fn start(day: Date, zone: &TimeZone) -> Timestamp {
    day.to_zoned_datetime(zone.clone()).map_or(Timestamp::MAX, |at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_whole_day_and_a_length_counts_back() {
        let (clock, _) = Clock::manual("2026-11-23T12:00:00Z".parse().unwrap());
        let zone = crate::schedule::zone::find("America/New_York").unwrap();
        let read = |text: &str| {
            let moment = Moment::parse(text).unwrap();
            format!("{} {}", moment.since(&clock, &zone), moment.until(&clock, &zone))
        };
        assert_eq!(read("2026-11-01"), "2026-11-01T04:00:00Z 2026-11-02T04:59:59.999Z", "a day of 25 hours");
        assert_eq!(read("12h"), "2026-11-23T00:00:00Z 2026-11-23T00:00:00Z");
        assert_eq!(read("2026-11-23T05:30:00-05:00"), "2026-11-23T10:30:00Z 2026-11-23T10:30:00Z");
        for wrong in ["", "yesterday", "5", "2026-13-01", "-2d", "2026-11-23T05:30"] {
            assert!(Moment::parse(wrong).unwrap_err().contains("how long ago"), "{wrong}");
        }
    }
}
