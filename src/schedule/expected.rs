//! The deadline of a slot's delivery. Pure.

use jiff::civil::Time;
use jiff::{Timestamp, ToSpan};

use super::slot::Slot;

/// Returns the first instant at or after the slot at which local time in its zone is `by`.
///
/// A time that is skipped when clocks change is interpreted by the offset before the change (RFC 5545); of a repeated
/// one, the first that is not before the slot counts.
pub fn deadline(slot: &Slot, by: Time) -> Timestamp {
    let (zone, today, at) = (slot.at.time_zone(), slot.at.date(), slot.at.timestamp());
    let days = [Ok(today), today.checked_add(1.day()), today.checked_add(2.days())];
    let moments = days.into_iter().flatten().flat_map(|day| {
        let shown = zone.to_ambiguous_zoned_datetime(day.to_datetime(by));
        [shown.clone().compatible(), shown.later()]
    });
    let mut moments = moments.flatten().map(|moment| moment.timestamp());
    moments.find(|moment| *moment >= at).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::zone;

    fn late(slot: &str, by: &str) -> String {
        let slot = Slot::new("p", slot.parse().unwrap(), zone::find("America/New_York").unwrap());
        deadline(&slot, by.parse().unwrap()).to_string()
    }

    #[test]
    fn the_first_such_time_after_the_slot() {
        assert_eq!(late("2026-11-23T05:30:00-05:00", "06:30"), "2026-11-23T11:30:00Z");
        assert_eq!(late("2026-11-23T06:30:00-05:00", "06:30"), "2026-11-23T11:30:00Z", "at the slot itself");
        assert_eq!(late("2026-11-23T23:30:00-05:00", "06:30"), "2026-11-24T11:30:00Z", "on the next day");
    }

    #[test]
    fn days_on_which_clocks_change() {
        assert_eq!(late("2026-03-08T00:30:00-05:00", "02:30"), "2026-03-08T07:30:00Z", "skipped: 03:30 EDT");
        assert_eq!(late("2026-11-01T00:30:00-04:00", "01:30"), "2026-11-01T05:30:00Z", "the first of two");
        assert_eq!(late("2026-11-01T01:15:00-05:00", "01:30"), "2026-11-01T06:30:00Z", "the second of two");
        assert_eq!(late("2026-11-01T01:45:00-05:00", "01:30"), "2026-11-02T06:30:00Z", "both have passed");
        assert_eq!(late("2026-03-08T03:00:00-04:00", "02:45"), "2026-03-08T07:45:00Z", "a slot at the end of the gap");
    }
}
