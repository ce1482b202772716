//! Warnings about a plan's upcoming slots: clock changes, and names that occur twice.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::plan::{DeliveryPlan, Existing, Plan};
use crate::name::{NameError, NameTemplate, PendingName, Uniqueness};
use crate::schedule::cron::{ChangeKind, ClockChange};
use crate::schedule::slot::Slot;
use crate::yaml::problem::{Place, Problem, Severity};

/// Names are compared for this many days ahead, or this many slots, whichever are fewer.
const DAYS: i64 = 400;
const SLOTS_MAX: usize = 10_000;

/// Slots this near to a clock change are compared even if [`SLOTS_MAX`] ends before it.
const AROUND_CHANGE: SignedDuration = SignedDuration::from_hours(27);

/// Two slots with one name.
struct Shared {
    name: PendingName,
    first: Slot,
    second: Slot,
}

impl Plan {
    /// Returns warnings, at the schedule's place, about slots that clock changes displace in the year after `now`.
    pub fn clock_warnings(&self, now: Timestamp) -> Vec<Problem> {
        let Some(schedule) = &self.schedule else { return Vec::new() };
        let until = now.saturating_add(SignedDuration::from_hours(366 * 24)).unwrap_or(Timestamp::MAX);
        let zone = self.zone.iana_name().unwrap_or("this zone").to_string();
        let changes = schedule.cron.clock_changes(now, until, &self.zone);
        let warn = |change: ClockChange| {
            let (day, time) = (change.wall.strftime("%Y-%m-%d"), change.wall.strftime("%H:%M"));
            let what = match change.kind {
                ChangeKind::Skipped => {
                    let runs = change.runs.to_zoned_datetime(self.zone.clone());
                    format!("{time} does not exist on {day} in {zone}: it runs at {}", runs.strftime("%H:%M"))
                }
                ChangeKind::Twice => {
                    format!("{time} is repeated on {day} in {zone}: it runs the first time only")
                }
            };
            Problem { severity: Severity::Warning, ..Problem::error(schedule.at.clone(), what) }
                .hint("a time outside of the changing hours, or the zone UTC, avoids this")
        };
        changes.into_iter().map(warn).collect()
    }

    /// Returns warnings, at the name's place, about slots of the next 400 days, at most 10,000, whose files would have
    /// the same name. A name without a slot is intended if `existing` is `replace` or `number`.
    pub fn name_warnings(&self, now: Timestamp) -> Vec<Problem> {
        let names = self.artifact.file_names();
        let mut found = names.into_iter().map(|(at, template)| self.warnings_of_name(at, template, now));
        found.find(|found| !found.is_empty()).unwrap_or_else(|| self.constant_companions(now))
    }

    fn warnings_of_name(&self, at: &Place, template: &NameTemplate, now: Timestamp) -> Vec<Problem> {
        let shared = match self.shared_name(template, now) {
            Ok(shared) => shared,
            Err(error) => {
                let NameError { name, what, .. } = &error.1;
                let what = format!("the file of slot {} would be called {name:?}: {what}", error.0.rfc3339());
                return vec![
                    Problem::error(at.clone(), what).hint("write another format of the slot, or a shorter name"),
                ];
            }
        };
        let Some(shared) = shared else { return Vec::new() };
        let constant = !template.uses_slot();
        let named = self.deliveries.iter().filter(|delivery| delivery.has_names());
        let affected: Vec<&DeliveryPlan> = named
            .filter(|delivery| !constant || matches!(delivery.existing, Existing::Fail | Existing::Keep))
            .collect();
        if affected.is_empty() {
            return Vec::new();
        }
        let ends: Vec<String> = affected.iter().map(|delivery| outcome_of_second(delivery)).collect();
        let what = format!(
            "the slots {} and {} share the name {:?}: {}",
            shared.first.rfc3339(),
            shared.second.rfc3339(),
            shared.name.to_string(),
            ends.join(", ")
        );
        let unique = template.suggestions().into_iter().find(|finer| matches!(self.shared_name(finer, now), Ok(None)));
        let hint = match unique {
            Some(unique) if constant => format!("write `name: \"{unique}\"`, or `existing: replace`"),
            Some(unique) => format!("write `name: \"{unique}\"`"),
            None => "put `{run}` into the name: it is different for every slot".to_owned(),
        };
        vec![Problem::warning(at.clone(), what).hint(hint)]
    }

    /// Returns warnings about companion files whose names are the same for every slot.
    fn constant_companions(&self, now: Timestamp) -> Vec<Problem> {
        let slots = self.upcoming(now, 2);
        let [first, second] = slots.as_slice() else { return Vec::new() };
        let shown = |at: &Timestamp| self.slot(*at).rfc3339();
        let mut found = Vec::new();
        for delivery in self.deliveries.iter().filter(|delivery| delivery.has_names()) {
            let is_constant = |template: &NameTemplate| !template.uses_name() || self.group_has_one_name();
            let constant = delivery.companions().find(|(_, template)| is_constant(template));
            if let Some((what, template)) =
                constant.filter(|_| !matches!(delivery.existing, Existing::Replace | Existing::Wait(_)))
            {
                let what = format!(
                    "the {what} of `{}` has the same name for the slots {} and {}, {:?}: the second one is refused",
                    delivery.destination.name,
                    shown(first),
                    shown(second),
                    template.to_string()
                );
                let hint = format!("write `{{name}}` into it, as in `{{name}}.{template}`, or `existing: replace`");
                found.push(Problem::warning(delivery.at.clone(), what).hint(hint));
            }
        }
        found
    }

    /// Returns true if the files of all slots have one name together.
    fn group_has_one_name(&self) -> bool {
        self.artifact.is_group() && !self.artifact.name.uses_slot()
    }

    fn slot(&self, at: Timestamp) -> Slot {
        Slot::new(&self.name, at, self.zone.clone())
    }

    pub(super) fn upcoming(&self, now: Timestamp, most: usize) -> Vec<Timestamp> {
        let Some(schedule) = &self.schedule else { return Vec::new() };
        schedule.cron.between(now, last_day(now), most, &self.zone)
    }

    /// Returns the slots around the clock changes after `from`.
    fn around_changes(&self, from: Timestamp, now: Timestamp) -> Vec<Timestamp> {
        let Some(schedule) = &self.schedule else { return Vec::new() };
        let until = last_day(now);
        let mut found = Vec::new();
        for change in self.zone.following(from).take_while(|change| change.timestamp() < until) {
            let near = |shift: SignedDuration| change.timestamp().saturating_add(shift).unwrap_or(until);
            let (start, end) = (near(-AROUND_CHANGE).max(from), near(AROUND_CHANGE).min(until));
            found.extend(schedule.cron.between(start, end, SLOTS_MAX, &self.zone));
        }
        found
    }

    /// Returns the slots that may have the same name, judged from the template. Always contains the first.
    fn compared(&self, template: &NameTemplate, now: Timestamp) -> Vec<Timestamp> {
        let most = match template.uniqueness() {
            Uniqueness::All => return self.upcoming(now, 1),
            Uniqueness::ExceptRepeatedHour => 1,
            Uniqueness::Unknown => SLOTS_MAX,
        };
        let mut slots = self.upcoming(now, most);
        if slots.len() == most
            && let Some(last) = slots.last().copied()
        {
            slots.extend(self.around_changes(last, now));
        }
        slots
    }

    /// Returns the first slot that has the same name as an earlier one.
    fn shared_name(&self, template: &NameTemplate, now: Timestamp) -> Result<Option<Shared>, Box<(Slot, NameError)>> {
        let slots = self.compared(template, now);
        let mut seen: HashMap<PendingName, Timestamp> = HashMap::with_capacity(slots.len());
        for at in slots {
            let slot = self.slot(at);
            let name = match self.artifact.split {
                None => template.render(&slot.name_fields()),
                Some(_) => template.render_file(&slot.name_fields(), 1),
            };
            let name = match name {
                Ok(name) => name,
                Err(error) => return Err(Box::new((slot, error))),
            };
            if let Some(first) = seen.get(&name).copied() {
                return Ok(Some(Shared { name, first: self.slot(first), second: slot }));
            }
            seen.insert(name, at);
        }
        Ok(None)
    }
}

/// Returns the last moment whose names are compared.
fn last_day(now: Timestamp) -> Timestamp {
    now.saturating_add(SignedDuration::from_hours(DAYS * 24)).unwrap_or(Timestamp::MAX)
}

impl DeliveryPlan {
    fn has_names(&self) -> bool {
        self.destination.webhook().is_none()
    }

    /// Returns the companion files and their name templates.
    pub fn companions(&self) -> impl Iterator<Item = (&'static str, &NameTemplate)> {
        let all = [("checksum", &self.checksum), ("manifest", &self.manifest), ("done file", &self.done_file)];
        all.into_iter().filter_map(|(what, template)| Some((what, template.as_ref()?)))
    }
}

/// Describes the outcome of a second file with the same name at a delivery.
fn outcome_of_second(delivery: &DeliveryPlan) -> String {
    let name = &delivery.destination.name;
    match delivery.existing {
        Existing::Fail => format!("`{name}` refuses the second file"),
        Existing::Replace => format!("at `{name}` the second file replaces the first"),
        Existing::Keep => format!("`{name}` keeps the first file and never gets the second"),
        Existing::Number => format!("at `{name}` the second file gets a number instead of a name of its own"),
        Existing::Wait(_) => format!("at `{name}` the second file waits until the first one is taken away"),
    }
}
