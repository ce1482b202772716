//! Schedule and source in sentences.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Fact, duration};
use crate::extract::requests_of;
use crate::pipeline::plan::{
    CsvInput, DoceboSource, EnrollmentFilter, FileSource, MainSource, NamedSource, Plan, Pull,
};
use crate::pipeline::plan::{RecordList, RecordsPull, ReportPull, ReportRef, Source, UpdatedSince, Via};
use crate::schedule::slot::Slot;
use crate::schedule::{Missed, Overlap, Schedule, WhileHeld};
use crate::settings::{AllowedLevel, Tenant};

/// The number of coming slots that are listed.
const SLOTS: usize = 3;

pub(super) fn schedule(plan: &Plan, schedule: Option<&Schedule>, zone: &TimeZone, now: Timestamp) -> Vec<Fact> {
    let Some(schedule) = schedule else {
        return vec![Fact::new("It has no schedule: it runs when a person starts it.")];
    };
    let Schedule { at: _, cron, missed, missed_max_age, overlap, while_held, jitter, expected_by } = schedule;
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
    facts.push(Fact::new(match while_held {
        WhileHeld::Continue => "While an earlier run is held, later ones go on.",
        WhileHeld::Wait => "While an earlier run is held, later ones wait for the decision about it.",
    }));
    if let Some(by) = expected_by {
        facts.push(Fact::new(format!("A delivery is late after {} in the same time zone.", by.strftime("%H:%M"))));
    }
    facts
}

/// Describes what is requested from each source.
pub(super) fn sources(
    main: &Source,
    MainSource { name, rows_max }: &MainSource,
    others: &[NamedSource],
    has_several_artifacts: bool,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(name) = name {
        facts.push(Fact::new(match has_several_artifacts {
            false => format!("The rows come from the source `{name}`."),
            true => format!("The source `{name}` is read."),
        }));
    }
    facts.extend(source(main));
    facts.extend(rows_limit(*rows_max));
    for NamedSource { name, source, rows_max } in others {
        let purpose = if has_several_artifacts { "" } else { ", for joins," };
        facts.push(Fact::new(format!("The source `{name}` is read besides{purpose} in the same run.")));
        facts.extend(self::source(source));
        facts.extend(rows_limit(*rows_max));
    }
    facts
}

fn rows_limit(max: Option<u64>) -> Option<Fact> {
    max.map(|max| Fact::new(format!("It may have {max} rows; with more, the run fails.")))
}

fn source(source: &Source) -> Vec<Fact> {
    match source {
        Source::Docebo(docebo) => self::docebo(docebo, requests_of(source)),
        Source::File(FileSource { path, csv, copy }) => {
            let how = match copy {
                true => "It is copied before it is read.",
                false => "It is read where it is: if it changes meanwhile, it is read again.",
            };
            let mut facts =
                vec![Fact::new(format!("It reads the file {} on the worker's machine. {how}", path.display()))];
            facts.push(Fact::new("Nothing is requested from an LMS."));
            facts.extend(input(*csv));
            facts
        }
    }
}

fn docebo(docebo: &DoceboSource, requests: Vec<String>) -> Vec<Fact> {
    let DoceboSource { tenant, pull } = docebo;
    let (mut facts, last) = match pull {
        Pull::Report(pull) => report(tenant, pull),
        Pull::Records(pull) => (records(tenant, pull), None),
    };
    facts.extend(account(tenant));
    facts.push(Fact::list("It may send these requests and no others:", requests));
    facts.extend(last);
    facts
}

fn report(tenant: &Tenant, ReportPull { report, via, csv }: &ReportPull) -> (Vec<Fact>, Option<Fact>) {
    let what = match report {
        ReportRef::Id(id) => format!("It exports the report {id} from the LMS at {}.", tenant.base),
        ReportRef::Name(name) => format!("It exports the report named {name:?} from the LMS at {}.", tenant.base),
    };
    let via = match via {
        Via::Download => "The rows come as one download.",
        Via::Results => "The rows come in pages of results.",
    };
    (vec![Fact::new(what), Fact::new(via)], input(*csv))
}

fn records(tenant: &Tenant, pull: &RecordsPull) -> Vec<Fact> {
    let RecordsPull { list, updated_since, fields, fields_are_listed: _ } = pull;
    let list = match list {
        RecordList::Users => "the users".to_owned(),
        RecordList::Courses => "the courses".to_owned(),
        RecordList::Enrollments => "the enrollments".to_owned(),
        RecordList::CourseEnrollments(EnrollmentFilter { courses, users, statuses }) => {
            let ids = |ids: &[u64]| ids.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            let parts = [
                ("in the courses", ids(courses)),
                ("of the users", ids(users)),
                ("with the status", statuses.join(" or ")),
            ];
            let parts = parts.into_iter().filter(|(_, values)| !values.is_empty());
            parts.fold("the enrollments".to_owned(), |text, (word, values)| format!("{text} {word} {values}"))
        }
    };
    let since = match updated_since {
        UpdatedSince::Never => "All of them are read each time.".to_owned(),
        UpdatedSince::LastDelivered { overlap } => format!(
            "Read are those that changed since the last delivered run, and in the {} before it: a record may come twice.",
            duration(*overlap)
        ),
        UpdatedSince::Moment(moment) => format!("Read are those that changed since {moment}."),
    };
    vec![
        Fact::new(format!("It lists {list} of the LMS at {}.", tenant.base)),
        Fact::new(since),
        Fact::new(format!("Of each, these fields are read: {}.", fields.join(", "))),
    ]
}

fn account(tenant: &Tenant) -> [Fact; 3] {
    let account = match tenant.username() {
        Some(username) => format!("It signs in as {username} (tenant {})", tenant.name),
        None => format!("It signs in as the OAuth2 app of tenant {}", tenant.name),
    };
    [
        Fact::new(format!("{account} and sees what that account may see.")),
        Fact::new(match tenant.level {
            AllowedLevel::PowerUser => "A Superadmin, or an account whose level is not known, is refused.",
            AllowedLevel::Any => "A SUPERADMIN IS ACCEPTED: the settings have `level: any` for this tenant.",
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
