//! The newest value of a column, against the slot.

use jiff::Timestamp;

use super::finding::Finding;
use super::grouped;
use crate::expr::time::{DAY_SECONDS, Instant, Moment, TimeFormat, ZoneClock, print_seconds, read_iso};
use crate::pipeline::plan::{Fresh, Rule, Severity};

/// The newest value so far.
pub(super) struct Newest {
    /// The position of the column.
    pub(super) column: usize,
    name: String,
    severity: Severity,
    max_age: i64,
    format: Option<TimeFormat>,
    zone: ZoneClock,
    /// Seconds since 1970.
    newest: Option<i64>,
    values: u64,
    unreadable: u64,
    rows: u64,
}

impl Newest {
    pub(super) fn new(column: usize, name: &str, Rule { severity, expected }: &Rule<Fresh>) -> Self {
        Self {
            column,
            name: name.to_owned(),
            severity: *severity,
            max_age: i64::try_from(expected.max_age.as_secs()).unwrap_or(i64::MAX),
            format: expected.format.clone(),
            zone: ZoneClock::new(expected.zone.clone()),
            newest: None,
            values: 0,
            unreadable: 0,
            rows: 0,
        }
    }

    #[inline]
    pub(super) fn see(&mut self, cell: &[u8]) {
        self.rows += 1;
        if cell.is_empty() {
            return;
        }
        self.values += 1;
        let read = match &self.format {
            None => read_iso(cell).map(|moment| in_zone(moment, cell, &mut self.zone)),
            Some(format) => format.read(cell, &mut self.zone).ok(),
        };
        match read {
            // A date stands for the whole day.
            Some(Moment::Date(days)) => {
                let end = self.zone.instant_of((days + 1) * DAY_SECONDS);
                self.newest = self.newest.max(Some(end));
            }
            Some(Moment::Instant(instant)) => self.newest = self.newest.max(Some(instant.seconds)),
            None => self.unreadable += 1,
        }
    }

    /// Returns a finding if the newest value is too old at the slot, or if there is none in any row.
    pub(super) fn finish(self, slot: Timestamp) -> Option<Finding> {
        let Self { name, severity, max_age, newest, values, unreadable, rows, .. } = self;
        let message = match newest {
            _ if rows == 0 => return None, // `when_empty` decides
            Some(newest) if slot.as_second().saturating_sub(newest) <= max_age => return None,
            Some(newest) => {
                let age = slot.as_second().saturating_sub(newest);
                let mut shown = Vec::new();
                print_seconds(newest, 0, &mut shown);
                let shown = String::from_utf8_lossy(&shown).into_owned();
                format!(
                    "the newest {name} is {shown} UTC, {} before the slot; at most {} expected",
                    span(age),
                    span(max_age)
                )
            }
            None if values == 0 => {
                format!("no row has a {name}, so its age is unknown; at most {} expected", span(max_age))
            }
            None => format!("none of the {} values of {name} is a date that can be read", grouped(values)),
        };
        let message = match unreadable {
            unreadable if unreadable > 0 && newest.is_some() => {
                format!("{message} ({} values are not dates that can be read)", grouped(unreadable))
            }
            _ => message,
        };
        Some(Finding { expectation: "fresh".into(), severity, message, difference: None })
    }
}

/// Returns the moment of an ISO form: local time of the zone if it has no offset.
fn in_zone(moment: Moment, cell: &[u8], zone: &mut ZoneClock) -> Moment {
    match moment {
        Moment::Instant(Instant { nanoseconds, wall, .. }) if has_no_offset(cell) => {
            Moment::Instant(Instant { seconds: zone.instant_of(wall), nanoseconds, wall })
        }
        moment => moment,
    }
}

/// Returns true if only digits, colons and a fraction follow the date.
fn has_no_offset(cell: &[u8]) -> bool {
    let time = cell.trim_ascii().get(11..).unwrap_or_default();
    time.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.' | b','))
}

/// Returns a length of time in its two largest units: `2d 3h`.
fn span(seconds: i64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut rest = seconds.max(0);
    let mut parts = Vec::new();
    for (length, unit) in units {
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}
