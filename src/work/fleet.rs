//! The plans in use and the moment at which each is next due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::ledger::Portion;
use crate::pipeline::plan::{Plan, Schedule};
use crate::schedule::cron::Cron;
use crate::schedule::expected;
use crate::schedule::missed;
use crate::schedule::slot::Slot;
use crate::schedule::zone;

/// Slots of one pipeline that are decided in one go.
const PORTION_MAX: usize = 1_000;

/// All plans by name, ordered by what is due next.
#[derive(Default)]
pub struct Fleet {
    members: HashMap<String, Member>,
    /// Some of it may be out of date: what counts is the member's own `next`.
    due: BinaryHeap<Reverse<(Timestamp, String)>>,
}

struct Member {
    plan: Arc<Plan>,
    /// Every slot up to here is in the ledger.
    cursor: Timestamp,
    next: Option<Timestamp>,
}

impl Fleet {
    /// Takes a plan up, or takes it in the place of an older one.
    pub fn take(&mut self, plan: Arc<Plan>, cursor: Timestamp) {
        let member = Member { next: next(&plan, cursor), plan, cursor };
        self.queue(&member);
        self.members.insert(member.plan.name.clone(), member);
    }

    pub fn drop(&mut self, name: &str) {
        self.members.remove(name);
    }

    pub fn plan(&self, name: &str) -> Option<&Arc<Plan>> {
        self.members.get(name).map(|member| &member.plan)
    }

    pub fn plans(&self) -> impl Iterator<Item = &Arc<Plan>> {
        self.members.values().map(|member| &member.plan)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// How far a pipeline's schedule was gone through.
    pub fn cursor(&self, name: &str) -> Option<Timestamp> {
        self.members.get(name).map(|member| member.cursor)
    }

    /// When some pipeline is next due.
    pub fn next(&mut self) -> Option<Timestamp> {
        while let Some(Reverse((at, name))) = self.due.peek() {
            if self.is_next(name, *at) {
                return Some(*at);
            }
            self.due.pop();
        }
        None
    }

    /// The slots that have come and are not in the ledger, at most about `most`. They come again until [`Fleet::passed`].
    pub fn due(&mut self, now: Timestamp, most: usize) -> Vec<Portion> {
        let mut portions: Vec<Portion> = Vec::new();
        let mut slots = 0;
        let mut popped = Vec::new();
        while slots < most && self.next().is_some_and(|at| at <= now) {
            let Some(entry) = self.due.pop() else { break };
            let Some(member) = self.members.get(&entry.0.1) else { continue };
            if let Some(schedule) = &member.plan.schedule {
                let portion = portion(&member.plan, schedule, &schedule.cron, &member.plan.zone, member.cursor, now);
                slots += portion.slots.len();
                portions.push(portion);
            }
            popped.push(entry);
        }
        self.due.extend(popped);
        portions
    }

    /// The ledger has them.
    pub fn passed(&mut self, portions: &[Portion]) {
        for portion in portions {
            let Some(member) = self.members.get_mut(&portion.pipeline) else { continue };
            member.cursor = Timestamp::from_millisecond(portion.cursor_ms).unwrap_or(member.cursor).max(member.cursor);
            member.next = next(&member.plan, member.cursor);
            if let Some(next) = member.next {
                self.due.push(Reverse((next, portion.pipeline.clone())));
            }
        }
    }

    fn is_next(&self, name: &str, at: Timestamp) -> bool {
        self.members.get(name).is_some_and(|member| member.next == Some(at))
    }

    fn queue(&mut self, member: &Member) {
        if let Some(next) = member.next {
            self.due.push(Reverse((next, member.plan.name.clone())));
        }
    }
}

fn next(plan: &Plan, cursor: Timestamp) -> Option<Timestamp> {
    plan.schedule.as_ref()?.cron.next_after(cursor, &plan.zone)
}

/// The slots of a schedule after `cursor` and up to `now`, decided.
fn portion(plan: &Plan, rules: &Schedule, cron: &Cron, zone: &TimeZone, cursor: Timestamp, now: Timestamp) -> Portion {
    let mut due = Vec::new();
    let mut at = cursor;
    let mut last = true;
    while let Some(next) = cron.next_after(at, zone).filter(|next| *next <= now) {
        if due.len() == PORTION_MAX {
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

/// A plan's schedule in the words that the ledger keeps: what tells two schedules apart.
pub fn words(plan: &Plan) -> Option<String> {
    let schedule = plan.schedule.as_ref()?;
    Some(format!("{} {}", plan.zone.iana_name().unwrap_or("UTC"), schedule.cron.text()))
}

/// What a schedule that was changed had still due, by its [`words`]: the next portion after `cursor`, up to `now`.
/// `None` where nothing is left of it.
pub fn left_over(plan: &Plan, words: &str, cursor: Timestamp, now: Timestamp) -> Option<Portion> {
    let rules = plan.schedule.as_ref()?;
    let (zone_name, cron) = words.split_once(' ')?;
    let cron = Cron::parse(cron).ok()?;
    let portion = portion(plan, rules, &cron, &zone::find(zone_name)?, cursor, now);
    (!portion.slots.is_empty()).then_some(portion)
}
