//! Decisions about slots that are due. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::slot::Slot;
use super::{Missed, Schedule};

/// A slot noticed within this time is on time.
pub const ON_TIME: SignedDuration = SignedDuration::from_secs(60);

/// The decision about one slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotDecision {
    /// Run it, from this moment on.
    Run { next_run_at: Timestamp },
    /// It was missed; run it nevertheless.
    CatchUp { next_run_at: Timestamp },
    /// End it without running.
    Skip { reason: String },
}

/// Decides the slots `due`, ascending and none later than `now`. `last` is true if no other slot follows until `now`:
/// of slots that arrive in several batches, only the last batch contains the latest.
pub fn decide(due: Vec<Slot>, last: bool, now: Timestamp, schedule: &Schedule) -> Vec<(Slot, SlotDecision)> {
    let age = |slot: &Slot| now.duration_since(slot.at.timestamp());
    let max_age = SignedDuration::try_from(schedule.missed_max_age).unwrap_or(SignedDuration::MAX);
    let latest = due.last().map(Slot::rfc3339).unwrap_or_default();
    let latest_ms = due.last().filter(|_| last).map(Slot::at_ms);
    let decide = |slot: &Slot| {
        let next_run_at = slot.at.timestamp().saturating_add(jitter(slot, schedule.jitter)).unwrap_or(now);
        let skip = |reason: String| SlotDecision::Skip { reason };
        if age(slot) <= ON_TIME {
            return SlotDecision::Run { next_run_at };
        }
        match schedule.missed {
            Missed::Skip => skip("missed: there was no worker, or no valid file, at its time".to_owned()),
            Missed::Latest if Some(slot.at_ms()) != latest_ms => match last {
                true => skip(format!("missed: superseded by the later slot {latest}")),
                false => skip("missed: superseded by a later slot".to_owned()),
            },
            _ if age(slot) > max_age => {
                skip(format!("missed more than {} ago", format_duration(schedule.missed_max_age)))
            }
            Missed::Latest | Missed::All => SlotDecision::CatchUp { next_run_at },
        }
    };
    due.into_iter()
        .map(|slot| {
            let decision = decide(&slot);
            (slot, decision)
        })
        .collect()
}

/// Returns the delay of a slot's start: always the same for the same slot, evenly distributed below `most`.
pub fn jitter(slot: &Slot, most: Duration) -> SignedDuration {
    let most_ms = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    let spread = u64::from_str_radix(&slot.run_id(), 16).unwrap_or_default();
    // The high half of the product: evenly distributed, without modulo bias.
    let wait = (u128::from(spread) * u128::from(most_ms)) >> 64;
    SignedDuration::from_millis(i64::try_from(wait).unwrap_or(i64::MAX))
}

/// Formats a duration as `24h`, `90m` or `45s`.
fn format_duration(length: Duration) -> String {
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
    use crate::schedule::cron::Cron;
    use crate::schedule::{Overlap, WhileHeld};
    use crate::yaml::tree::place;

    fn schedule(missed: Missed) -> Schedule {
        Schedule {
            at: place(&std::sync::Arc::new("p.yaml".into()), "", 0..0, ""),
            cron: Cron::parse("0 * * * *").unwrap(),
            missed,
            missed_max_age: Duration::from_secs(2 * 3600),
            overlap: Overlap::Skip,
            while_held: WhileHeld::Continue,
            jitter: Duration::ZERO,
            expected_by: None,
        }
    }

    /// Decides the slots of 10:00, 11:00, 12:00 and 13:00 at `now`; `+` is run, the others show their reason.
    fn decisions(missed: Missed, now: &str, last: bool) -> Vec<String> {
        let now: Timestamp = now.parse().unwrap();
        let due = ["10", "11", "12", "13"]
            .map(|hour| format!("2026-11-23T{hour}:00:00Z").parse::<Timestamp>().unwrap())
            .into_iter()
            .filter(|at| *at <= now)
            .map(|at| Slot::new("p", at, TimeZone::UTC))
            .collect();
        decide(due, last, now, &schedule(missed))
            .into_iter()
            .map(|(_, decision)| match decision {
                SlotDecision::Run { .. } => "+".to_owned(),
                SlotDecision::CatchUp { .. } => "late".to_owned(),
                SlotDecision::Skip { reason } => reason.chars().take(25).collect(),
            })
            .collect()
    }

    #[test]
    fn a_slot_on_time_runs_under_every_policy() {
        for missed in [Missed::Latest, Missed::All, Missed::Skip] {
            assert_eq!(decisions(missed, "2026-11-23T10:01:00Z", true), ["+"]);
        }
        assert_eq!(decisions(Missed::Skip, "2026-11-23T10:01:00.001Z", true), ["missed: there was no work"]);
    }

    #[test]
    fn missed_slots_follow_their_policy() {
        let later = "missed: superseded by the";
        assert_eq!(decisions(Missed::Latest, "2026-11-23T13:30:00Z", true), [later, later, later, "late"]);
        assert_eq!(decisions(Missed::Latest, "2026-11-23T13:30:00Z", false), ["missed: superseded by a l"; 4]);
        let old = "missed more than 2h ago";
        assert_eq!(decisions(Missed::All, "2026-11-23T13:30:00Z", true), [old, old, "late", "late"]);
        assert_eq!(
            decisions(Missed::All, "2026-11-23T12:00:00Z", true),
            ["late", "late", "+"],
            "two hours is not more than 2h"
        );
        assert_eq!(decisions(Missed::Latest, "2026-11-23T15:00:01Z", true), [later, later, later, old]);
        assert_eq!(decisions(Missed::Skip, "2026-11-23T11:00:30Z", true), ["missed: there was no work", "+"]);
    }

    #[test]
    fn a_slot_on_time_supersedes_those_before_it() {
        assert_eq!(decisions(Missed::Latest, "2026-11-23T13:00:10Z", true).last().unwrap(), "+");
        assert_eq!(decisions(Missed::Latest, "2026-11-23T13:00:10Z", true)[2], "missed: superseded by the");
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
