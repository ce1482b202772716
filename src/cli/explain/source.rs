//! Schedule and source in sentences.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Fact, duration};
use crate::extract::requests_of;
use crate::pipeline::plan::{CsvInput, DoceboSource, FileSource, Plan, ReportRef, Source, Via};
use crate::schedule::slot::Slot;
use crate::schedule::{Missed, Overlap, Schedule};
use crate::settings::Tenant;

/// The number of coming slots that are listed.
const SLOTS: usize = 3;

pub(super) fn schedule(plan: &Plan, schedule: Option<&Schedule>, zone: &TimeZone, now: Timestamp) -> Vec<Fact> {
    let Some(schedule) = schedule else {
        return vec![Fact::new("It has no schedule: it runs when a person starts it.")];
    };
    let Schedule { at: _, cron, missed, missed_max_age, overlap, jitter, expected_by } = schedule;
    let zone_name = zone.iana_name().unwrap_or("UTC");
    let mut facts = vec![Fact::new(format!("It is due {}, in the time zone {zone_name}.", cron.describe()))];
    let mut slots = Vec::new();
    let mut after = now;
    while let Some(next) = cron.next_after(after, zone).filter(|_| slots.len() < SLOTS) {
        slots.push(Slot::new(&plan.name, next, zone.clone()).rfc3339());
        after = next;
    }
    facts.push(Fact::list("The next times are:", slots));
    if !jitter.is_zero() {
        facts.push(Fact::new(format!("Each start is delayed by up to {}.", duration(*jitter))));
    }
    let age = duration(*missed_max_age);
    facts.push(Fact::new(match missed {
        Missed::Latest => format!(
            "Of the times missed while no worker was running, the latest one is made up for, if it is at most {age} old."
        ),
        Missed::All => format!("Times missed while no worker was running are all made up for, if they are at most {age} old."),
        Missed::Skip => "Times missed while no worker was running are skipped.".to_owned(),
    }));
    facts.push(Fact::new(match overlap {
        Overlap::Skip => "A time that comes while the run before is still going on is skipped.",
        Overlap::Queue => "A time that comes while the run before is still going on waits for its end.",
    }));
    if let Some(by) = expected_by {
        facts.push(Fact::new(format!("A delivery is late after {} in the same time zone.", by.strftime("%H:%M"))));
    }
    facts
}

pub(super) fn source(source: &Source) -> Vec<Fact> {
    match source {
        Source::Docebo(docebo) => self::docebo(docebo, requests_of(source)),
        Source::File(FileSource { path, csv }) => {
            let mut facts = vec![Fact::new(format!("It reads the file {} on the worker's machine.", path.display()))];
            facts.push(Fact::new("Nothing is requested from an LMS."));
            facts.extend(input(*csv));
            facts
        }
    }
}

fn docebo(docebo: &DoceboSource, requests: Vec<String>) -> Vec<Fact> {
    let DoceboSource { tenant, report, via, csv } = docebo;
    let mut facts = vec![Fact::new(match report {
        ReportRef::Id(id) => format!("It exports the report {id} from the LMS at {}.", tenant.base),
        ReportRef::Name(name) => format!("It exports the report named {name:?} from the LMS at {}.", tenant.base),
    })];
    facts.extend(account(tenant));
    facts.push(Fact::new(match via {
        Via::Download => "The rows come as one download.",
        Via::Results => "The rows come in pages of results.",
    }));
    facts.push(Fact::list("It may send these requests and no others:", requests));
    facts.extend(input(*csv));
    facts
}

fn account(tenant: &Tenant) -> [Fact; 3] {
    [
        Fact::new(format!(
            "It signs in as {} (tenant {}) and sees what that account may see.",
            tenant.username, tenant.name
        )),
        Fact::new(match tenant.allow_superadmin {
            false => "A Superadmin, or an account whose level is not known, is refused.",
            true => "A SUPERADMIN IS ACCEPTED: the settings have `allow_superadmin` for this tenant.",
        }),
        Fact::new("Nothing in the LMS is changed: besides the sign-in, every request reads."),
    ]
}

/// Returns how the CSV is read, if that is not the usual way.
fn input(csv: CsvInput) -> Option<Fact> {
    let CsvInput { delimiter, strict, encoding } = csv;
    let lenient = if strict { "" } else { ", and small mistakes in it are accepted" };
    (csv != CsvInput::default()).then(|| {
        let delimiter = char::from(delimiter);
        Fact::new(format!(
            "The rows are read as CSV with {delimiter:?} between the cells, in {}{lenient}.",
            encoding.name()
        ))
    })
}
