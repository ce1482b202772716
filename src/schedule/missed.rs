//! What becomes of slots that have come: pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::slot::Slot;
use crate::pipeline::plan::{Missed, Schedule};

/// A slot that is noticed within this time is on time: nobody missed it.
pub const ON_TIME: SignedDuration = SignedDuration::from_secs(60);

/// What is to become of one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is done, from this moment on.
    Do { wake: Timestamp },
    /// It was missed and is done nevertheless.
    MakeUp { wake: Timestamp },
    /// It ends without being done.
    Skip { reason: String },
}

/// Decides the slots `due`, ascending and none later than `now`. `last` says that no other slot lies between them and
/// `now`: of slots that come in several portions, only the last portion holds the latest.
pub fn decide(due: Vec<Slot>, last: bool, now: Timestamp, schedule: &Schedule) -> Vec<(Slot, Fate)> {
    let age = |slot: &Slot| now.duration_since(slot.at.timestamp());
    let within = SignedDuration::try_from(schedule.missed_within).unwrap_or(SignedDuration::MAX);
    let latest = due.last().map(Slot::rfc3339).unwrap_or_default();
    let latest_ms = due.last().filter(|_| last).map(Slot::at_ms);
    let fate = |slot: &Slot| {
        let wake = slot.at.timestamp().saturating_add(jitter(slot, schedule.jitter)).unwrap_or(now);
        let skip = |reason: String| Fate::Skip { reason };
        if age(slot) <= ON_TIME {
            return Fate::Do { wake };
        }
        match schedule.missed {
            Missed::Skip => skip("missed: no worker was there at its time".to_owned()),
            Missed::Latest if Some(slot.at_ms()) != latest_ms => match last {
                true => skip(format!("missed: the later slot {latest} stands for it")),
                false => skip("missed: a later slot stands for it".to_owned()),
            },
            _ if age(slot) > within => skip(format!("missed more than {} ago", spoken(schedule.missed_within))),
            Missed::Latest | Missed::All => Fate::MakeUp { wake },
        }
    };
    due.into_iter()
        .map(|slot| {
            let fate = fate(&slot);
            (slot, fate)
        })
        .collect()
}

/// How much later than its moment a slot begins: the same for the same slot for ever, evenly spread below `most`.
pub fn jitter(slot: &Slot, most: Duration) -> SignedDuration {
    let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    let spread = u64::from_str_radix(&slot.run_id(), 16).unwrap_or_default();
    // The high half of the product: even, without the bias of a remainder.
    let wait = (u128::from(spread) * u128::from(most_ms)) >> 64;
    SignedDuration::from_millis(i64::try_from(wait).unwrap_or(i64::MAX))
}

/// `24h`, `90m`, `45s`.
fn spoken(length: Duration) -> String {
    match length.as_secs() {
        secs if secs > 0 && secs % 3600 == 0 => format!("{}h", secs / 3600),
        secs if secs > 0 && secs % 60 == 0 => format!("{}m", secs / 60),
        _ => format!("{length:?}"),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::pipeline::plan::Overlap;
    use crate::pipeline::tree::place;
    use crate::schedule::cron::Cron;

    fn schedule(missed: Missed) -> Schedule {
        Schedule {
            at: place(&std::sync::Arc::new("p.yaml".into()), "", 0..0, ""),
            cron: Cron::parse("0 * * * *").unwrap(),
            missed,
            missed_within: Duration::from_secs(2 * 3600),
            overlap: Overlap::Skip,
            jitter: Duration::ZERO,
            expected_by: None,
        }
    }

    /// The slots of 10:00, 11:00, 12:00 and 13:00, looked at then; `+` is done, the others begin so.
    fn fates(missed: Missed, now: &str, last: bool) -> Vec<String> {
        let now: Timestamp = now.parse().unwrap();
        let due = ["10", "11", "12", "13"]
            .map(|hour| format!("2026-11-23T{hour}:00:00Z").parse::<Timestamp>().unwrap())
            .into_iter()
            .filter(|at| *at <= now)
            .map(|at| Slot::new("p", at, TimeZone::UTC))
            .collect();
        decide(due, last, now, &schedule(missed))
            .into_iter()
            .map(|(_, fate)| match fate {
                Fate::Do { .. } => "+".to_owned(),
                Fate::MakeUp { .. } => "late".to_owned(),
                Fate::Skip { reason } => reason.chars().take(18).collect(),
            })
            .collect()
    }

    #[test]
    fn a_slot_on_time_is_done_whatever_the_rule() {
        for missed in [Missed::Latest, Missed::All, Missed::Skip] {
            assert_eq!(fates(missed, "2026-11-23T10:01:00Z", true), ["+"]);
        }
        assert_eq!(fates(Missed::Skip, "2026-11-23T10:01:00.001Z", true), ["missed: no worker "]);
    }

    #[test]
    fn missed_slots_follow_their_rule() {
        let later = "missed: the later ";
        assert_eq!(fates(Missed::Latest, "2026-11-23T13:30:00Z", true), [later, later, later, "late"]);
        assert_eq!(fates(Missed::Latest, "2026-11-23T13:30:00Z", false), ["missed: a later sl"; 4]);
        let old = "missed more than 2";
        assert_eq!(fates(Missed::All, "2026-11-23T13:30:00Z", true), [old, old, "late", "late"]);
        assert_eq!(
            fates(Missed::All, "2026-11-23T12:00:00Z", true),
            ["late", "late", "+"],
            "two hours is not more than 2h"
        );
        assert_eq!(fates(Missed::Latest, "2026-11-23T15:00:01Z", true), [later, later, later, old]);
        assert_eq!(fates(Missed::Skip, "2026-11-23T11:00:30Z", true), ["missed: no worker ", "+"]);
    }

    #[test]
    fn a_slot_on_time_stands_for_those_before_it() {
        assert_eq!(fates(Missed::Latest, "2026-11-23T13:00:10Z", true).last().unwrap(), "+");
        assert_eq!(fates(Missed::Latest, "2026-11-23T13:00:10Z", true)[2], "missed: the later ");
    }

    #[test]
    fn jitter_is_the_same_for_a_slot_and_spread_over_slots() {
        let most = Duration::from_secs(120);
        let slots: Vec<Slot> =
            (0..1000).map(|n| Slot::new("p", Timestamp::from_second(n * 3600).unwrap(), TimeZone::UTC)).collect();
        let waits: Vec<i64> = slots.iter().map(|slot| jitter(slot, most).as_millis() as i64).collect();
        assert!(waits.iter().all(|wait| (0..120_000).contains(wait)));
        let mean = waits.iter().sum::<i64>() / 1000;
        assert!((54_000..66_000).contains(&mean), "{mean}");
        assert_eq!(waits, slots.iter().map(|slot| jitter(slot, most).as_millis() as i64).collect::<Vec<_>>());
        assert_eq!(jitter(&slots[0], Duration::ZERO), SignedDuration::ZERO);
    }
}
