//! The number of rows: its limits, and its change against earlier runs.

use jiff::civil::{Date, Weekday};

use super::finding::{Difference, EarlierRows, Finding};
use super::{counted, grouped};
use crate::pipeline::plan::{Expect, RowsChange, Rule, Severity, WhenEmpty};

/// Returns the reason to skip an artifact without rows, or the findings about the number of rows.
///
/// Without rows, `when_empty` decides first: `skip` ignores `rows.min`, while `send` must still satisfy it.
pub(super) fn check(rows: u64, expect: &Expect, earlier: &[EarlierRows], slot: Date) -> Result<Vec<Finding>, String> {
    match expect.when_empty {
        WhenEmpty::Skip if rows == 0 => return Err("there are no rows, and `when_empty` is `skip`".into()),
        WhenEmpty::Hold if rows == 0 => {
            let message = "there are no rows, and `expect.when_empty` is `hold`".to_owned();
            return Ok(vec![finding("when_empty", Severity::Hold, message)]);
        }
        _ => {}
    }
    let mut findings = Vec::new();
    match (&expect.rows_min, &expect.rows_max) {
        (Some(min), _) if rows < min.expected => {
            let message = format!("{}, at least {} expected", there(rows), grouped(min.expected));
            findings.push(finding("rows.min", min.severity, message));
        }
        (_, Some(max)) if rows > max.expected => {
            let message = format!("{}, at most {} expected", there(rows), grouped(max.expected));
            findings.push(finding("rows.max", max.severity, message));
        }
        _ => {}
    }
    findings.extend(expect.rows_change.as_ref().and_then(|rule| change(rows, rule, earlier, slot)));
    Ok(findings)
}

fn finding(expectation: &str, severity: Severity, message: String) -> Finding {
    Finding { expectation: expectation.to_owned(), severity, message, difference: None }
}

fn there(rows: u64) -> String {
    match rows {
        0 => "there are no rows".into(),
        1 => "there is 1 row".into(),
        rows => format!("there are {}", counted(rows)),
    }
}

/// Days with the same usual number of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Days {
    All,
    Weekday(Weekday),
    MondayToFriday,
    Weekend,
}

impl Days {
    /// Returns the kind of day: Monday to Friday, or the weekend.
    fn kind_of(day: Weekday) -> Self {
        match day {
            Weekday::Saturday | Weekday::Sunday => Self::Weekend,
            _ => Self::MondayToFriday,
        }
    }

    fn contain(self, slot: &str) -> bool {
        // The slot is in the pipeline's zone: its first ten characters are its day there.
        let day = slot.get(..10).and_then(|date| date.parse::<Date>().ok()).map(Date::weekday);
        match self {
            Self::All => true,
            Self::Weekday(weekday) => day == Some(weekday),
            Self::MondayToFriday | Self::Weekend => day.is_some_and(|day| Self::kind_of(day) == self),
        }
    }

    fn describe(self, runs: usize) -> String {
        let runs = if runs == 1 { "the last run".to_owned() } else { format!("the last {runs} runs") };
        match self {
            Self::All => runs,
            Self::Weekday(weekday) => format!("{runs} on a {weekday:?}"),
            Self::MondayToFriday => format!("{runs} from Monday to Friday, as there is none on this weekday"),
            Self::Weekend => format!("{runs} on a weekend, as there is none on this weekday"),
        }
    }
}

/// Standard deviations of a count, its square root, that are allowed where numbers differ anyway.
const COUNT_DEVIATIONS: f64 = 3.7;
/// Standard deviations that are allowed beside that, of which the range of five numbers has 2.33.
const DEVIATIONS: f64 = 3.0;
const RANGE_PER_DEVIATION: f64 = 2.33;
/// The part of the usual number that is allowed may be larger by this factor: if few runs or none were of the same weekday,
/// and where the range of earlier numbers asks for it.
const WIDER: f64 = 1.5;
/// Fewer runs than this are few.
const FEW: usize = 3;

fn change(rows: u64, rule: &Rule<RowsChange>, earlier: &[EarlierRows], slot: Date) -> Option<Finding> {
    let RowsChange { by, over, same_weekday } = rule.expected;
    let last =
        |days: Days| -> Vec<&EarlierRows> { earlier.iter().filter(|run| days.contain(&run.slot)).take(over).collect() };
    let (kind, weekday) = (Days::kind_of(slot.weekday()), Days::Weekday(slot.weekday()));
    let candidates = if same_weekday { [weekday, kind] } else { [Days::All; 2] };
    let found = candidates.into_iter().map(|days| (days, last(days)));
    let (days, compared) = found.into_iter().find(|(_, runs)| !runs.is_empty())?;

    let mut numbers: Vec<u64> = compared.iter().map(|run| run.rows).collect();
    numbers.sort_unstable();
    let usual = median(&numbers);
    let range = (numbers[numbers.len() - 1] - numbers[0]) as f64;
    // Runs of the same kind of day that never differ are not subject to chance.
    let varies = [Days::MondayToFriday, Days::Weekend].into_iter().any(|days| {
        let runs = last(days);
        runs.iter().any(|run| run.rows != runs[0].rows)
    });
    let by_chance = match varies {
        true => {
            // The usual number is subject to chance too, the less the more runs it is of.
            let count = rows.max(usual) as f64 * (1.0 + 1.0 / numbers.len() as f64);
            let by_range = DEVIATIONS * range / RANGE_PER_DEVIATION;
            (COUNT_DEVIATIONS * count.sqrt()).max(by_range.min(WIDER * (by * usual as f64)))
        }
        false => 0.0,
    };
    let is_other_day = days != candidates[0];
    let factor = if is_other_day || varies && numbers.len() < FEW { WIDER } else { 1.0 };
    let mut allowed = (factor * (by * usual as f64)).max(by_chance);
    if is_other_day && rows > usual {
        // A Monday may have all the rows of a weekend.
        allowed = allowed.max(usual as f64);
    }
    if rows.abs_diff(usual) as f64 <= allowed {
        return None;
    }
    let (direction, percent) = (if rows < usual { "fewer" } else { "more" }, percent(rows, usual));
    let message = format!(
        "{}, {percent}{direction} than usual: {} in {}; a difference of {} is allowed",
        there(rows),
        grouped(usual),
        days.describe(compared.len()),
        grouped(allowed as u64),
    );
    let earlier = compared.into_iter().cloned().collect();
    let difference = Some(Difference::Rows { rows, usual, earlier });
    Some(Finding { difference, ..finding("rows.change", rule.severity, message) })
}

/// Returns the middle of sorted numbers, or the mean of the two in the middle.
fn median(sorted: &[u64]) -> u64 {
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        _ => sorted[middle - 1].midpoint(sorted[middle]),
    }
}

fn percent(rows: u64, usual: u64) -> String {
    match usual {
        0 => String::new(),
        usual => format!("{:.0}% ", rows.abs_diff(usual) as f64 * 100.0 / usual as f64),
    }
}
