//! The plans in use and when each is next due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::ledger::Portion;
use crate::pipeline::plan::Plan;
use crate::schedule::Schedule;
use crate::schedule::cron::Cron;
use crate::schedule::expected;
use crate::schedule::missed;
use crate::schedule::slot::Slot;
use crate::schedule::zone;

/// Slots of one pipeline decided at once.
const SLOTS_PER_BATCH_MAX: usize = 1_000;

/// All plans by name, with a queue by the next due time.
#[derive(Default)]
pub(super) struct ScheduleTable {
    entries: HashMap<String, Entry>,
    /// May hold outdated times: the entry's own `next` counts.
    due: BinaryHeap<Reverse<(Timestamp, String)>>,
}

struct Entry {
    plan: Arc<Plan>,
    /// Every slot up to here is in the ledger.
    cursor: Timestamp,
    next: Option<Timestamp>,
}

impl ScheduleTable {
    /// Inserts a plan, or replaces an older version.
    pub(super) fn insert(&mut self, plan: Arc<Plan>, cursor: Timestamp) {
        let entry = Entry { next: next(&plan, cursor), plan, cursor };
        self.queue(&entry);
        self.entries.insert(entry.plan.name.clone(), entry);
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.entries.remove(name);
    }

    pub(super) fn plan(&self, name: &str) -> Option<&Arc<Plan>> {
        self.entries.get(name).map(|entry| &entry.plan)
    }

    pub(super) fn plans(&self) -> impl Iterator<Item = &Arc<Plan>> {
        self.entries.values().map(|entry| &entry.plan)
    }

    /// Returns the number of plans.
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    /// Returns the time up to which the pipeline's slots are in the ledger.
    pub(super) fn cursor(&self, name: &str) -> Option<Timestamp> {
        self.entries.get(name).map(|entry| entry.cursor)
    }

    /// Returns when the next pipeline is due.
    pub(super) fn next(&mut self) -> Option<Timestamp> {
        while let Some(Reverse((at, name))) = self.due.peek() {
            if self.is_next(name, *at) {
                return Some(*at);
            }
            self.due.pop();
        }
        None
    }

    /// Returns the slots that are due and not in the ledger, about `max` at once. They are returned again until
    /// [`ScheduleTable::passed`] is called.
    pub(super) fn due(&mut self, now: Timestamp, max: usize) -> Vec<Portion> {
        let mut portions: Vec<Portion> = Vec::new();
        let mut slots = 0;
        let mut popped = Vec::new();
        while slots < max && self.next().is_some_and(|at| at <= now) {
            let Some(queued) = self.due.pop() else { break };
            let Some(entry) = self.entries.get(&queued.0.1) else { continue };
            if let Some(schedule) = &entry.plan.schedule {
                let portion = portion(&entry.plan, schedule, &schedule.cron, &entry.plan.zone, entry.cursor, now);
                slots += portion.slots.len();
                portions.push(portion);
            }
            popped.push(queued);
        }
        self.due.extend(popped);
        portions
    }

    /// Moves the cursors past slots that are now in the ledger.
    pub(super) fn passed(&mut self, portions: &[Portion]) {
        for portion in portions {
            let Some(entry) = self.entries.get_mut(&portion.pipeline) else { continue };
            entry.cursor = Timestamp::from_millisecond(portion.cursor_ms).unwrap_or(entry.cursor).max(entry.cursor);
            entry.next = next(&entry.plan, entry.cursor);
            if let Some(next) = entry.next {
                self.due.push(Reverse((next, portion.pipeline.clone())));
            }
        }
    }

    fn is_next(&self, name: &str, at: Timestamp) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.next == Some(at))
    }

    fn queue(&mut self, entry: &Entry) {
        if let Some(next) = entry.next {
            self.due.push(Reverse((next, entry.plan.name.clone())));
        }
    }
}

fn next(plan: &Plan, cursor: Timestamp) -> Option<Timestamp> {
    plan.schedule.as_ref()?.cron.next_after(cursor, &plan.zone)
}

/// Returns the slots of a schedule after `cursor` and up to `now`, with what becomes of each.
fn portion(plan: &Plan, rules: &Schedule, cron: &Cron, zone: &TimeZone, cursor: Timestamp, now: Timestamp) -> Portion {
    let mut due = Vec::new();
    let mut at = cursor;
    let mut last = true;
    while let Some(next) = cron.next_after(at, zone).filter(|next| *next <= now) {
        if due.len() == SLOTS_PER_BATCH_MAX {
            last = false;
            break;
        }
        due.push(Slot::new(&plan.name, next, plan.zone.clone()));
        at = next;
    }
    let slots = missed::decide(due, last, now, rules);
    Portion {
        pipeline: plan.name.clone(),
        plan_digest: plan.digest.clone(),
        overlap: rules.overlap,
        alert_after: plan.alert_after(),
        cursor_ms: if last { now.max(cursor) } else { at }.as_millisecond(),
        slots: slots
            .into_iter()
            .map(|(slot, fate)| {
                let deadline = rules.expected_by.map(|by| expected::deadline(&slot, by).as_millisecond());
                (slot, fate, deadline)
            })
            .collect(),
    }
}

/// Returns zone and cron expression as stored in the ledger, to distinguish two schedules.
pub(super) fn schedule_key(plan: &Plan) -> Option<String> {
    let schedule = plan.schedule.as_ref()?;
    Some(format!("{} {}", plan.zone.iana_name().unwrap_or("UTC"), schedule.cron.text()))
}

/// Returns what a replaced schedule, by its [`schedule_key`], still had due: the next slots after `cursor`, up to `now`.
/// `None` if nothing is left.
pub(super) fn left_over(plan: &Plan, key: &str, cursor: Timestamp, now: Timestamp) -> Option<Portion> {
    let rules = plan.schedule.as_ref()?;
    let (zone_name, cron) = key.split_once(' ')?;
    let cron = Cron::parse(cron).ok()?;
    let portion = portion(plan, rules, &cron, &zone::find(zone_name)?, cursor, now);
    (!portion.slots.is_empty()).then_some(portion)
}
