//! ⑤ Checks an artifact against the pipeline's `expect` → [`Checked`], and decides → [`Verdict`].
//!
//! A [`Checker`] sees every delivered row in the pass that encodes it, and keeps only numbers. The cells of the rows that
//! a finding shows are read in a second pass ([`Draft::wants_rows`]), which a run without findings does not need.

mod cells;
mod checker;
mod describe;
mod draft;
mod finding;
mod fresh;
mod header;
mod keys;
mod offending;
mod rows;
mod scope;

pub(crate) use cells::characters;
pub use checker::{Checker, Ended, Opening, RecordChecker, check_columns};
pub use draft::Draft;
pub use finding::{
    AccountScope, Baseline, BaselineFile, Checked, ComparedWith, DeltaFacts, Difference, EARLIER_RUNS_MAX, EarlierRows,
    Facts, Finding, PartFacts,
};
pub use finding::{DroppedExample, DroppedFacts};
pub use finding::{OFFENDING_ROWS_MAX, OffendingRow, OffendingRows};
pub use header::header_difference;
pub use scope::scope_changes;

use crate::pipeline::plan::Severity;

/// The decision about an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// Held until a person releases or rejects it, with the reason.
    Hold(String),
    /// Not delivered, by the pipeline's setting, with the reason.
    Skip(String),
    /// Ends the run as failed, with the reason.
    Fail(String),
}

impl Checked {
    /// Returns the findings that stop the run.
    pub fn stopped_by(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.severity >= Severity::Hold)
    }

    /// Decides by the most severe findings; the reason joins theirs.
    pub fn verdict(&self) -> Verdict {
        let reasons = |severity| {
            let severe = self.findings.iter().filter(|finding| finding.severity == severity);
            severe.map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ")
        };
        match self.findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Fail) => Verdict::Fail(reasons(Severity::Fail)),
            Some(Severity::Hold) => Verdict::Hold(reasons(Severity::Hold)),
            Some(Severity::Warn) | None => self.skip.clone().map_or(Verdict::Pass, Verdict::Skip),
        }
    }
}

/// Returns a number with commas between its thousands: `1,204`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns `3 of 1,204 rows have`, or `1 of 1,204 rows has`.
fn part_of(count: u64, rows: u64) -> String {
    let verb = if count == 1 { "has" } else { "have" };
    format!("{} of {} {verb}", grouped(count), counted(rows))
}

/// Returns `1 row` or `1,204 rows`.
fn counted(rows: u64) -> String {
    match rows {
        1 => "1 row".to_owned(),
        rows => format!("{} rows", grouped(rows)),
    }
}

#[cfg(test)]
mod tests;
