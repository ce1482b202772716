//! `backfill PIPELINE --since --until`: schedules past slots.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::json;

use super::moment::Moment;
use super::opened::{Opened, argument, argument_hint};
use super::{Common, exit, print_json, text};
use crate::ledger::record::Run;
use crate::pipeline::plan::Plan;
use crate::schedule::slot::Slot;
use crate::settings;

#[derive(clap::Args)]
pub(super) struct BackfillArgs {
    /// The pipeline's name
    pipeline: String,
    /// The first moment: RFC 3339, a date in the pipeline's zone, or how long ago (2d)
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    since: Moment,
    /// The last moment; a date means its whole day [default: now]
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    until: Option<Moment>,
    /// The rate at which runs start: 10/h, 1/m, 2/s
    #[arg(long, value_name = "N/UNIT", default_value = "1/m", value_parser = rate)]
    rate: Duration,
    /// Schedule the slots; without it they are only shown
    #[arg(long)]
    yes: bool,
    /// Include slots that may have been delivered and then pruned from the ledger
    #[arg(long)]
    include_pruned: bool,
}

/// The maximum number of slots: more are most likely a mistake.
const SLOTS_MAX: usize = 10_000;

pub(super) async fn run(args: BackfillArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let plan = opened.plan(&args.pipeline)?;
    let now = opened.clock.now();
    let since = args.since.since(&opened.clock, &plan.zone);
    let until = args.until.map_or(now, |until| until.until(&opened.clock, &plan.zone)).min(now);
    let slots = slots(&plan, since, until)?;
    let known = opened.ledger.runs_between(&plan.name, since.as_millisecond(), until.as_millisecond()).await?;
    let known: HashMap<i64, Run> = known.into_iter().map(|run| (run.slot_ms, run)).collect();
    if !args.include_pruned {
        refuse_pruned(&opened, &plan, &slots, &known).await?;
    }
    let open: Vec<&Slot> =
        slots.iter().filter(|slot| known.get(&slot.at_ms()).is_none_or(Run::may_be_backfilled)).collect();
    let start_of = |nth: usize| {
        let wait = args.rate.saturating_mul(u32::try_from(nth).unwrap_or(u32::MAX));
        now.saturating_add(SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX)
    };
    let mut scheduled = None;
    if args.yes {
        let starts: Vec<(Slot, i64)> =
            open.iter().enumerate().map(|(nth, slot)| ((*slot).clone(), start_of(nth).as_millisecond())).collect();
        scheduled = Some(opened.ledger.backfill(&starts, &plan.digest, &settings::login()).await?);
    }
    let report = BackfillReport { plan: &plan, slots: &slots, known: &known, open: open.len(), scheduled };
    if common.json {
        print_json(&report.document())?;
        return Ok(exit::DONE);
    }
    print!("{}", report.table());
    match scheduled {
        None => println!("{} of {} slots would be scheduled; `--yes` schedules them", open.len(), slots.len()),
        Some(0) => println!("all {} slots are already in the ledger", slots.len()),
        Some(scheduled) => {
            let last = start_of(open.len().saturating_sub(1)).round(Unit::Second)?;
            println!("{scheduled} slots scheduled, oldest first; the last starts at {last} or later");
            warn_if_not_running(&opened, &plan).await?;
        }
    }
    Ok(exit::DONE)
}

/// Refuses slots that may have been delivered and pruned since: only a person can know.
async fn refuse_pruned(opened: &Opened, plan: &Plan, slots: &[Slot], known: &HashMap<i64, Run>) -> anyhow::Result<()> {
    let keep = SignedDuration::try_from(opened.settings.keep.runs).unwrap_or(SignedDuration::MAX);
    let retained_from = opened.clock.now().saturating_sub(keep).unwrap_or(Timestamp::MIN).as_millisecond();
    let forgotten = opened.ledger.pruned_up_to(&plan.name).await?.unwrap_or(i64::MIN);
    let in_doubt = |slot: &&Slot| {
        let at_ms = slot.at_ms();
        !known.contains_key(&at_ms) && (at_ms < retained_from || at_ms <= forgotten)
    };
    let Some(latest) = slots.iter().rev().find(in_doubt) else { return Ok(()) };
    Err(argument_hint(
        format!("slots up to {} may have been delivered and then pruned from the ledger (keep.runs)", latest.rfc3339()),
        "choose a later --since, or add `--include-pruned` if delivering them again does no harm",
    ))
}

/// Prints why the scheduled slots do not start now: no worker is running, or the pipeline is paused.
async fn warn_if_not_running(opened: &Opened, plan: &Plan) -> anyhow::Result<()> {
    let name = &plan.name;
    let worker = opened.worker().await?;
    if !worker.is_some_and(|(_, state)| state.is_alive()) {
        println!(
            "no worker is running: start `reportferry work`, or run one slot with `reportferry run {name} --slot TIME`"
        );
    }
    if let Some(paused) = opened.ledger.paused(name).await? {
        println!("{name} is paused by {}: the slots wait until `reportferry resume {name}`", paused.by);
    }
    Ok(())
}

/// Returns the slots of the plan's schedule from `since` to `until`, both included.
fn slots(plan: &Plan, since: Timestamp, until: Timestamp) -> anyhow::Result<Vec<Slot>> {
    let Some(schedule) = &plan.schedule else {
        let hint = format!("`reportferry run {} --slot TIME` runs one slot", plan.name);
        return Err(argument_hint(format!("{} has no schedule, so it has no past slots", plan.name), hint));
    };
    let mut slots = Vec::new();
    let mut at = since.saturating_sub(SignedDuration::from_millis(1)).unwrap_or(since);
    while let Some(next) = schedule.cron.next_after(at, &plan.zone).filter(|next| *next <= until) {
        if slots.len() == SLOTS_MAX {
            let hint = "choose a shorter period and repeat";
            return Err(argument_hint(format!("there are more than {SLOTS_MAX} slots in that period"), hint));
        }
        slots.push(Slot::new(&plan.name, next, plan.zone.clone()));
        at = next;
    }
    if slots.is_empty() {
        return Err(argument(format!("{} has no slot between {since} and {until}", plan.name)));
    }
    Ok(slots)
}

/// The slots of a backfill, for printing.
struct BackfillReport<'a> {
    plan: &'a Plan,
    slots: &'a [Slot],
    known: &'a HashMap<i64, Run>,
    open: usize,
    /// `None` for a dry run.
    scheduled: Option<u64>,
}

impl BackfillReport<'_> {
    /// Returns the JSON document; its names are an interface. `state` is null where the slot is not in the ledger.
    fn document(&self) -> serde_json::Value {
        let slot = |slot: &Slot| {
            let run = self.known.get(&slot.at_ms());
            json!({"slot": slot.rfc3339(), "run": slot.run_id(), "state": run.map(|run| run.state),
                   "reason": run.and_then(|run| run.reason.as_deref()), "to_do": run.is_none_or(Run::may_be_backfilled)})
        };
        let slots: Vec<_> = self.slots.iter().map(slot).collect();
        json!({"pipeline": self.plan.name, "slots": slots, "to_do": self.open, "entered": self.scheduled.unwrap_or(0),
               "dry": self.scheduled.is_none()})
    }

    fn table(&self) -> String {
        let row = |slot: &Slot| {
            let (state, reason) = match self.known.get(&slot.at_ms()) {
                None => ("new".to_owned(), None),
                Some(run) if run.may_be_backfilled() => ("skipped, to backfill".to_owned(), run.reason.as_ref()),
                Some(run) => (format!("{}, kept", run.state.name()), run.reason.as_ref()),
            };
            vec![slot.rfc3339(), slot.run_id(), state, reason.cloned().unwrap_or_default()]
        };
        text::table(&["SLOT", "RUN", "STATE", "REASON"], &self.slots.iter().map(row).collect::<Vec<_>>())
    }
}

/// Parses a rate (`10/h`) into the time between two slots.
fn rate(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a rate: write a number per unit, as in 10/h, 1/m or 2/s");
    let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
    let number: u32 = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    let span = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    Ok(Duration::from_secs(span) / number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        for (text, millis) in [("1/m", 60_000), ("10/h", 360_000), ("2/s", 500), ("24/d", 3_600_000)] {
            assert_eq!(rate(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for wrong in ["", "1", "0/m", "/m", "1/", "1/min", "-1/m", "1.5/m", "1/m/s"] {
            assert!(rate(wrong).unwrap_err().contains("10/h"), "{wrong}");
        }
    }
}
