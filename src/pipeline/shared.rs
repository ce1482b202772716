//! Deliveries of several pipelines that would put files at the same names: each would replace or block the other's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Display;
use std::sync::Arc;

use jiff::Timestamp;

use super::plan::{DeliveryPlan, Existing, Plan};
use crate::name::NameTemplate;
use crate::schedule::slot::Slot;
use crate::yaml::problem::Problem;

/// Upcoming slots of each pipeline whose names are compared.
const SLOTS_MAX: usize = 400;

/// Returns a problem for each delivery that puts a file at a name of an earlier one, in the slots after `now`. `folder_of`
/// returns the folder that a delivery puts its files in, whatever its destination is called; `None` if it has no files.
/// Deliveries that number their files (`existing: number`) may share a folder.
pub fn shared_names<F: Ord + Display>(
    plans: &[Arc<Plan>],
    now: Timestamp,
    folder_of: impl Fn(&DeliveryPlan) -> Option<F>,
) -> Vec<Problem> {
    let mut folders: BTreeMap<F, Vec<(&Plan, &DeliveryPlan)>> = BTreeMap::new();
    for plan in plans {
        for delivery in &plan.deliveries {
            if let Some(folder) = folder_of(delivery) {
                folders.entry(folder).or_default().push((plan, delivery));
            }
        }
    }
    let mut problems = Vec::new();
    for (folder, deliveries) in folders.into_iter().filter(|(_, deliveries)| deliveries.len() > 1) {
        let moments = moments(&deliveries, now);
        let mut owners: HashMap<String, (&Plan, &DeliveryPlan)> = HashMap::new();
        for (plan, delivery) in deliveries {
            let names = names(plan, delivery, &moments, now);
            let taken = names.iter().find_map(|(name, slot)| {
                let (owner, other) = owners.get(name)?;
                let both_number = other.existing == Existing::Number && delivery.existing == Existing::Number;
                (!both_number).then_some((owner, other, name, slot))
            });
            if let Some((owner, other, name, slot)) = taken {
                let owner = match owner.name == plan.name {
                    true => format!("`{}`", other.destination.name),
                    false => format!("the pipeline `{}`, by `{}`,", owner.name, other.destination.name),
                };
                let what = format!(
                    "`{}` by `{}` and {owner} deliver to the same name, {name:?} in {folder} (slot {slot})",
                    plan.name, delivery.destination.name
                );
                let hint =
                    "give one of them another `path`, or its artifact another name, as `{pipeline}_{slot:%Y%m%d}.csv`";
                problems.push(Problem::error(delivery.at.clone(), what).hint(hint));
            }
            for name in names.into_keys() {
                owners.entry(name).or_insert((plan, delivery));
            }
        }
    }
    problems
}

/// Returns the slots to compare for pipelines without a schedule: those of the others, as a person may run them any time.
fn moments(deliveries: &[(&Plan, &DeliveryPlan)], now: Timestamp) -> BTreeSet<Timestamp> {
    let mut moments: BTreeSet<Timestamp> =
        deliveries.iter().flat_map(|(plan, _)| plan.upcoming(now, SLOTS_MAX)).collect();
    if moments.is_empty() {
        moments.insert(now);
    }
    moments
}

/// Returns the names that the delivery uses, each with its first slot.
fn names(
    plan: &Plan,
    delivery: &DeliveryPlan,
    moments: &BTreeSet<Timestamp>,
    now: Timestamp,
) -> BTreeMap<String, String> {
    let mut slots = match plan.schedule {
        Some(_) => plan.upcoming(now, SLOTS_MAX),
        None => moments.iter().copied().collect(),
    };
    if !plan.artifact.uses_slot() {
        slots.truncate(1);
    }
    let mut names = BTreeMap::new();
    for at in slots {
        let slot = Slot::new(&plan.name, at, plan.zone.clone());
        let Ok(data) = plan.artifact.names(&slot) else { continue }; // a problem of its own
        let together = plan.artifact.is_group() && delivery.publish_together;
        let group = if together { plan.artifact.name.render(&slot.name_fields()).ok() } else { None };
        let data: Vec<String> = data.iter().map(ToString::to_string).collect();
        let whole = group.map_or_else(|| data[0].clone(), |name| name.to_string());
        let companion = |(_, template): (&str, &NameTemplate)| template.render_done(&whole).ok();
        for name in delivery.companions().filter_map(companion).chain(data) {
            names.entry(name).or_insert_with(|| slot.rfc3339());
        }
    }
    names
}
