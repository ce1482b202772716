//! ⑤ Checks an artifact against the pipeline's `expect` → [`Checked`], and decides → [`Verdict`].

mod compare;
mod describe;
mod finding;

pub use compare::{header_difference, scope_changes};
pub use finding::{AccountScope, Baseline, Checked, Difference, EARLIER_RUNS_MAX, EarlierRows, Facts, Finding};
pub use finding::{OFFENDING_ROWS_MAX, OffendingRow, OffendingRows};

use crate::pipeline::plan::{Expect, Severity, WhenEmpty};

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
        if let Some(reason) = &self.skip {
            return Verdict::Skip(reason.clone());
        }
        let reasons = |severity| {
            let severe = self.findings.iter().filter(|finding| finding.severity == severity);
            severe.map(|finding| finding.message.as_str()).collect::<Vec<_>>().join("; ")
        };
        match self.findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Fail) => Verdict::Fail(reasons(Severity::Fail)),
            Some(Severity::Hold) => Verdict::Hold(reasons(Severity::Hold)),
            Some(Severity::Warn) | None => Verdict::Pass,
        }
    }
}

/// Checks the number of rows about to be delivered.
///
/// Without rows, `when_empty` decides first: `skip` ignores `rows.min`, while `send` must still satisfy it.
pub fn check(rows: u64, expect: &Expect, _earlier: &Baseline) -> Checked {
    let mut checked = Checked { facts: Facts { rows, ..Facts::default() }, ..Checked::default() };
    let mut hold = |expectation: &str, message: String| {
        let severity = Severity::Hold;
        checked.findings.push(Finding { expectation: expectation.into(), severity, message, difference: None });
    };
    match (expect.when_empty, expect.rows_min, expect.rows_max) {
        (WhenEmpty::Skip, ..) if rows == 0 => {
            checked.skip = Some("there are no rows, and `when_empty` is `skip`".into());
        }
        (WhenEmpty::Hold, ..) if rows == 0 => {
            hold("when_empty", "there are no rows, and `expect.when_empty` is `hold`".into());
        }
        (_, Some(min), _) if rows < min => hold("rows.min", format!("{}, at least {min} expected", counted(rows))),
        (_, _, Some(max)) if rows > max => hold("rows.max", format!("{}, at most {max} expected", counted(rows))),
        _ => {}
    }
    checked
}

fn counted(rows: u64) -> String {
    match rows {
        0 => "there are no rows".into(),
        1 => "there is 1 row".into(),
        rows => format!("there are {rows} rows"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(rows: u64, when_empty: WhenEmpty, rows_min: Option<u64>, rows_max: Option<u64>) -> String {
        match check(rows, &Expect { when_empty, rows_min, rows_max }, &Baseline::default()).verdict() {
            Verdict::Pass => "pass".into(),
            Verdict::Hold(reason) => format!("hold: {reason}"),
            Verdict::Skip(reason) => format!("skip: {reason}"),
            Verdict::Fail(reason) => format!("fail: {reason}"),
        }
    }

    #[test]
    fn rows_are_judged_at_their_limits() {
        use WhenEmpty::{Hold, Send, Skip};
        let unset = "hold: there are no rows, and `expect.when_empty` is `hold`";
        let cases = [
            (0, Hold, None, None, unset),
            (0, Hold, Some(1), None, unset),
            (0, Skip, None, None, "skip: there are no rows, and `when_empty` is `skip`"),
            (0, Skip, Some(1), None, "skip: there are no rows, and `when_empty` is `skip`"),
            (0, Send, None, None, "pass"),
            (0, Send, Some(1), None, "hold: there are no rows, at least 1 expected"),
            (1, Hold, Some(1), None, "pass"),
            (1, Skip, Some(2), None, "hold: there is 1 row, at least 2 expected"),
            (9, Hold, Some(10), Some(20), "hold: there are 9 rows, at least 10 expected"),
            (10, Hold, Some(10), Some(20), "pass"),
            (20, Hold, Some(10), Some(20), "pass"),
            (21, Hold, Some(10), Some(20), "hold: there are 21 rows, at most 20 expected"),
            (u64::MAX, Hold, None, None, "pass"),
        ];
        for (rows, when_empty, min, max, expected) in cases {
            assert_eq!(verdict(rows, when_empty, min, max), expected, "{rows} rows, {when_empty:?}, {min:?}..={max:?}");
        }
    }
}
