//! What the coming slots of a plan will meet: clocks that change, and names that come twice.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use super::plan::{DeliveryPlan, Existing, Plan};
use super::problem::{Problem, Severity};
use crate::encode::name::{Apart, NameError, NameTemplate};
use crate::schedule::cron::{ChangeKind, ClockChange};
use crate::schedule::slot::Slot;
use crate::settings::DestinationKind;

/// Names are compared for so many days ahead, or so many slots, whichever are fewer.
const DAYS: i64 = 400;
const SLOTS_MAX: usize = 10_000;

/// Slots this near to a change of the clocks are compared even where [`SLOTS_MAX`] ends before it.
const AROUND_CHANGE: SignedDuration = SignedDuration::from_hours(27);

/// Two slots with one name.
struct Shared {
    name: String,
    first: Slot,
    second: Slot,
}

impl Plan {
    /// Slots that the zone's clock changes displace in the year after `now`, as warnings at the schedule's place.
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
                    format!("{time} comes twice on {day} in {zone}: it runs the first time only")
                }
            };
            Problem { severity: Severity::Warning, ..Problem::error(schedule.at.clone(), what) }
                .hint("a time outside of the changing hours, or the zone UTC, avoids this")
        };
        changes.into_iter().map(warn).collect()
    }

    /// Slots of the next 400 days, at most 10,000, whose files would have one name, as warnings at the name's place. A
    /// name without a slot is meant where `existing` is `replace` or `number`.
    pub fn name_warnings(&self, now: Timestamp) -> Vec<Problem> {
        let template = &self.artifact.name;
        let shared = match self.shared_name(template, now) {
            Ok(shared) => shared,
            Err(error) => {
                let NameError { name, what, .. } = &error.1;
                let what = format!("the file of slot {} would be called {name:?}: {what}", error.0.rfc3339());
                return vec![
                    Problem::error(self.artifact.at.clone(), what)
                        .hint("write another format of the slot, or a shorter name"),
                ];
            }
        };
        let Some(shared) = shared else { return self.constant_companions(now) };
        let constant = !template.uses_slot();
        let named = self.deliveries.iter().filter(|delivery| delivery.has_names());
        let affected: Vec<&DeliveryPlan> = named
            .filter(|delivery| !constant || matches!(delivery.existing, Existing::Fail | Existing::Keep))
            .collect();
        if affected.is_empty() {
            return Vec::new();
        }
        let ends: Vec<String> = affected.iter().map(|delivery| what_becomes(delivery)).collect();
        let what = format!(
            "the slots {} and {} share the name {:?}: {}",
            shared.first.rfc3339(),
            shared.second.rfc3339(),
            shared.name,
            ends.join(", ")
        );
        let unique = template.finer().into_iter().find(|finer| matches!(self.shared_name(finer, now), Ok(None)));
        let hint = match unique {
            Some(unique) if constant => format!("write `name: \"{unique}\"`, or `existing: replace`"),
            Some(unique) => format!("write `name: \"{unique}\"`"),
            None => "put `{run}` into the name: it is different for every slot".to_owned(),
        };
        vec![Problem::warning(self.artifact.at.clone(), what).hint(hint)]
    }

    /// Files beside the data whose names are the same for every slot.
    fn constant_companions(&self, now: Timestamp) -> Vec<Problem> {
        let slots = self.coming(now, 2);
        let [first, second] = slots.as_slice() else { return Vec::new() };
        let shown = |at: &Timestamp| self.slot(*at).rfc3339();
        let mut found = Vec::new();
        for delivery in self.deliveries.iter().filter(|delivery| delivery.has_names()) {
            let constant = delivery.companions().find(|(_, template)| !template.uses_name());
            if let Some((what, template)) = constant.filter(|_| delivery.existing != Existing::Replace) {
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

    fn slot(&self, at: Timestamp) -> Slot {
        Slot::new(&self.name, at, self.zone.clone())
    }

    /// The coming slots, at most `most`.
    fn coming(&self, now: Timestamp, most: usize) -> Vec<Timestamp> {
        let Some(schedule) = &self.schedule else { return Vec::new() };
        schedule.cron.between(now, last_day(now), most, &self.zone)
    }

    /// The slots around the changes of clocks that come after `from`.
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

    /// The slots whose names may be the same, by what the template tells apart for sure. The first is among them always.
    fn compared(&self, template: &NameTemplate, now: Timestamp) -> Vec<Timestamp> {
        let most = match template.tells_apart() {
            Apart::All => return self.coming(now, 1),
            Apart::AllOnOneClock => 1,
            Apart::Unknown => SLOTS_MAX,
        };
        let mut slots = self.coming(now, most);
        if slots.len() == most
            && let Some(last) = slots.last().copied()
        {
            slots.extend(self.around_changes(last, now));
        }
        slots
    }

    /// The first slot whose name an earlier one has.
    fn shared_name(&self, template: &NameTemplate, now: Timestamp) -> Result<Option<Shared>, Box<(Slot, NameError)>> {
        let slots = self.compared(template, now);
        let mut seen: HashMap<String, Timestamp> = HashMap::with_capacity(slots.len());
        for at in slots {
            let slot = self.slot(at);
            let name = match self.artifact.split {
                None => template.render(&slot),
                Some(_) => template.render_file(&slot, 1),
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

/// The last moment whose names are compared.
fn last_day(now: Timestamp) -> Timestamp {
    now.saturating_add(SignedDuration::from_hours(DAYS * 24)).unwrap_or(Timestamp::MAX)
}

impl DeliveryPlan {
    fn has_names(&self) -> bool {
        !matches!(self.destination.kind, DestinationKind::Webhook(_))
    }

    /// The files beside the data, and what they are called.
    pub fn companions(&self) -> impl Iterator<Item = (&'static str, &NameTemplate)> {
        let all = [("checksum", &self.checksum), ("manifest", &self.manifest), ("done file", &self.done_file)];
        all.into_iter().filter_map(|(what, template)| Some((what, template.as_ref()?)))
    }
}

/// What becomes of the second file of a name at a delivery.
fn what_becomes(delivery: &DeliveryPlan) -> String {
    let name = &delivery.destination.name;
    match delivery.existing {
        Existing::Fail => format!("`{name}` refuses the second file"),
        Existing::Replace => format!("at `{name}` the second file replaces the first"),
        Existing::Keep => format!("`{name}` keeps the first file and never gets the second"),
        Existing::Number => format!("at `{name}` the second file gets a number instead of a name of its own"),
    }
}
