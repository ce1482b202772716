//! `backfill PIPELINE --since --until`: past slots, entered to be done.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::moment::Moment;
use super::opened::{Opened, argument, argument_hint};
use super::{Common, exit, print_json, text};
use crate::ledger::record::Run;
use crate::pipeline::plan::Plan;
use crate::schedule::slot::Slot;
use crate::settings;

#[derive(clap::Args)]
pub struct BackfillArgs {
    /// The pipeline's name
    pipeline: String,
    /// The first moment: RFC 3339, a date in the pipeline's zone, or how long ago (2d)
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    since: Moment,
    /// The last moment [default: now]
    #[arg(long, value_name = "TIME", value_parser = Moment::parse)]
    until: Option<Moment>,
    /// How many slots in which time: 10/h, 1/m, 2/s
    #[arg(long, value_name = "N/UNIT", default_value = "6/m", value_parser = rate)]
    rate: Duration,
    /// Enter them; without it they are only shown
    #[arg(long)]
    yes: bool,
    /// Also slots so old that the ledger has forgotten whether they were delivered
    #[arg(long)]
    beyond: bool,
}

/// More is a mistake, most likely.
const SLOTS_MAX: usize = 10_000;

pub async fn run(args: BackfillArgs, common: &Common) -> anyhow::Result<u8> {
    let opened = Opened::new(common).await?;
    let plan = opened.plan(&args.pipeline)?;
    let now = opened.clock.now();
    let since = args.since.timestamp(&opened.clock, &plan.zone);
    let until = args.until.map_or(now, |until| until.timestamp(&opened.clock, &plan.zone)).min(now);
    let slots = slots(&plan, since, until)?;
    let keep = SignedDuration::try_from(opened.settings.keep.runs).unwrap_or(SignedDuration::MAX);
    let horizon = now.saturating_sub(keep).unwrap_or(Timestamp::MIN);
    if !args.beyond && slots.first().is_some_and(|slot| slot.at.timestamp() < horizon) {
        return Err(argument_hint(
            format!(
                "the ledger forgets what is older than keep.runs: it cannot say whether slots before {horizon} were delivered"
            ),
            "begin later, or say `--beyond` if doing them again does no harm",
        ));
    }
    let known = opened.ledger.runs_between(&plan.name, since.as_millisecond(), until.as_millisecond()).await?;
    let known: HashMap<i64, Run> = known.into_iter().map(|run| (run.slot_ms, run)).collect();
    let open: Vec<&Slot> =
        slots.iter().filter(|slot| known.get(&slot.at_ms()).is_none_or(Run::may_be_backfilled)).collect();
    let mut entered = 0;
    if args.yes {
        let step = i64::try_from(args.rate.as_millis()).unwrap_or(i64::MAX);
        let wakes = open.iter().enumerate().map(|(n, slot)| {
            (
                (*slot).clone(),
                now.as_millisecond().saturating_add(step.saturating_mul(i64::try_from(n).unwrap_or(i64::MAX))),
            )
        });
        let wakes: Vec<(Slot, i64)> = wakes.collect();
        entered = opened.ledger.backfill(&wakes, &plan.digest, &settings::login()).await?;
    }
    say(&args, common, &slots, &known, open.len(), entered)
}

/// The slots of the plan's schedule from `since` to `until`, both included.
fn slots(plan: &Plan, since: Timestamp, until: Timestamp) -> anyhow::Result<Vec<Slot>> {
    let Some(schedule) = &plan.schedule else {
        let hint = format!("`reportferry run {} --slot TIME` does one slot", plan.name);
        return Err(argument_hint(format!("{} has no schedule, so it has no past slots", plan.name), hint));
    };
    let mut slots = Vec::new();
    let mut at = since.saturating_sub(SignedDuration::from_millis(1)).unwrap_or(since);
    while let Some(next) = schedule.cron.next_after(at, &plan.zone).filter(|next| *next <= until) {
        if slots.len() == SLOTS_MAX {
            let hint = "do it in several parts";
            return Err(argument_hint(format!("there are more than {SLOTS_MAX} slots in that time"), hint));
        }
        slots.push(Slot::new(&plan.name, next, plan.zone.clone()));
        at = next;
    }
    if slots.is_empty() {
        return Err(argument(format!("{} has no slot between {since} and {until}", plan.name)));
    }
    Ok(slots)
}

fn say(
    args: &BackfillArgs,
    common: &Common,
    slots: &[Slot],
    known: &HashMap<i64, Run>,
    open: usize,
    entered: u64,
) -> anyhow::Result<u8> {
    let state = |slot: &Slot| match known.get(&slot.at_ms()) {
        None => "new".to_owned(),
        Some(run) if run.may_be_backfilled() => "skipped: is taken up again".to_owned(),
        Some(run) => format!("{}: stays", run.state.name()),
    };
    if common.json {
        let rows: Vec<_> = slots
            .iter()
            .map(|slot| {
                let run = known.get(&slot.at_ms());
                json!({"slot": slot.rfc3339(), "run": slot.run_id(), "state": run.map(|run| run.state),
                       "to_do": run.is_none_or(Run::may_be_backfilled)})
            })
            .collect();
        print_json(&json!({"pipeline": args.pipeline, "slots": rows, "entered": entered, "dry": !args.yes}))?;
        return Ok(exit::DONE);
    }
    let rows: Vec<Vec<String>> = slots.iter().map(|slot| vec![slot.rfc3339(), slot.run_id(), state(slot)]).collect();
    print!("{}", text::table(&["SLOT", "RUN", "STATE"], &rows));
    match args.yes {
        true => println!("{entered} entered, oldest first: the worker does them beside its slots"),
        false => println!("{open} of {} would be entered: `--yes` does it", slots.len()),
    }
    Ok(exit::DONE)
}

/// `6/m` → the time between two slots.
fn rate(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no rate: write how many in which time, as 10/h, 1/m or 2/s");
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
