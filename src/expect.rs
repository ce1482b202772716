//! ⑤ Checks the number of rows against the pipeline's `expect` → `Verdict`.

use crate::pipeline::plan::{Expect, WhenEmpty};

/// The decision about an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    /// Held until a person releases or rejects it, with the reason.
    Hold(String),
    /// Not delivered, by the pipeline's setting, with the reason.
    Skip(String),
}

/// Checks the number of rows about to be delivered.
///
/// Without rows, `when_empty` decides first: `skip` ignores `rows.min`, while `send` must still satisfy it.
pub fn check(rows: u64, expect: &Expect) -> Verdict {
    match expect.when_empty {
        WhenEmpty::Skip if rows == 0 => return Verdict::Skip("there are no rows, and `when_empty` is `skip`".into()),
        WhenEmpty::Hold if rows == 0 => {
            return Verdict::Hold("there are no rows, and `expect.when_empty` is `hold`".into());
        }
        _ => {}
    }
    match (expect.rows_min, expect.rows_max) {
        (Some(min), _) if rows < min => Verdict::Hold(format!("{}, at least {min} expected", counted(rows))),
        (_, Some(max)) if rows > max => Verdict::Hold(format!("{}, at most {max} expected", counted(rows))),
        _ => Verdict::Pass,
    }
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
        match check(rows, &Expect { when_empty, rows_min, rows_max }) {
            Verdict::Pass => "pass".into(),
            Verdict::Hold(reason) => format!("hold: {reason}"),
            Verdict::Skip(reason) => format!("skip: {reason}"),
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
