//! Receivers' answers for single rows: accepted, refused, or none.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::expr::bound::Bound;
use crate::expr::value::{Bounds, CellRef, Cells, Value};
use crate::expr::{Expr, shorten};

/// The outcome of a row that was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    Refused,
    /// It may have been taken.
    NoAnswer,
}

impl RowOutcome {
    pub const ALL: [Self; 2] = [Self::Refused, Self::NoAnswer];

    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NoAnswer => "unanswered",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// A row that was sent and not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRow {
    /// Its number in the artifact, from 1.
    pub row: u64,
    pub outcome: RowOutcome,
    /// The receiver's words, or why there are none.
    pub reason: String,
}

/// The most characters of a reason.
const REASON_CHARS_MAX: usize = 300;

impl OpenRow {
    pub(super) fn new(row: u64, outcome: RowOutcome, reason: &str) -> Self {
        let reason = match reason.char_indices().nth(REASON_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &reason[..end]),
            None => reason.to_owned(),
        };
        Self { row, outcome, reason }
    }
}

/// Outcomes of the rows of a delivery that were sent. Each row has one: what was sent is the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    accepted: u64,
    refused: u64,
    unanswered: u64,
}

impl RowCounts {
    /// Returns the counts of `sent` rows, of which the others were accepted; `None` if there are more others than rows.
    pub fn of_sent(sent: u64, refused: u64, unanswered: u64) -> Option<Self> {
        let accepted = sent.checked_sub(refused.checked_add(unanswered)?)?;
        Some(Self { accepted, refused, unanswered })
    }

    /// Returns counts that were stored.
    pub fn stored(accepted: u64, refused: u64, unanswered: u64) -> Self {
        Self { accepted, refused, unanswered }
    }

    pub fn sent(self) -> u64 {
        self.accepted + self.refused + self.unanswered
    }

    pub fn accepted(self) -> u64 {
        self.accepted
    }

    pub fn refused(self) -> u64 {
        self.refused
    }

    pub fn unanswered(self) -> u64 {
        self.unanswered
    }
}

impl std::fmt::Display for RowCounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { accepted, refused, unanswered } = self;
        write!(f, "{} rows sent: {accepted} accepted, {refused} refused, {unanswered} unanswered", self.sent())
    }
}

/// Ranges of rows that a text names.
const RANGES_MAX: usize = 20;

/// Returns ascending ranges of rows as text: `rows 1 to 25, 40`.
pub fn describe_rows(ranges: impl IntoIterator<Item = (u64, u64)>) -> String {
    let mut joined: Vec<(u64, u64)> = Vec::new();
    let mut others = 0;
    for (first, last) in ranges {
        let count = joined.len();
        match joined.last_mut() {
            Some((_, end)) if *end + 1 == first => *end = last,
            _ if count == RANGES_MAX => others += last + 1 - first,
            _ => joined.push((first, last)),
        }
    }
    let mut text = String::new();
    for (index, (first, last)) in joined.iter().enumerate() {
        text.push_str(if index == 0 { "rows " } else { ", " });
        let _ = if first == last { write!(text, "{first}") } else { write!(text, "{first} to {last}") };
    }
    match others {
        0 => text,
        others => text + &format!(", and {others} more"),
    }
}

/// A condition over the named parts of an answer.
#[derive(Clone)]
pub(super) struct AnswerCondition {
    bound: Bound,
    names: Vec<String>,
    bytes: Vec<u8>,
    bounds: Vec<Bounds>,
    arena: Vec<u8>,
}

impl AnswerCondition {
    pub(super) fn new(expr: &Expr) -> Self {
        let names: Vec<String> = expr.columns().map(str::to_owned).collect();
        let cells = (0..names.len() as u32).map(CellRef::Input).collect();
        let bound = Bound::new(expr, cells, Vec::new());
        Self { bound, names, bytes: Vec::new(), bounds: Vec::new(), arena: Vec::new() }
    }

    /// Returns the names of the parts that it reads.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns true if the condition holds. `part` appends a part of the answer by its name; nothing is a null.
    ///
    /// # Errors
    /// Text: the condition has no result.
    pub(super) fn holds(&mut self, mut part: impl FnMut(&str, &mut Vec<u8>)) -> Result<bool, String> {
        let Self { bound, names, bytes, bounds, arena } = self;
        bytes.clear();
        bounds.clear();
        arena.clear();
        for name in names.iter() {
            let start = bytes.len() as u32;
            part(name, bytes);
            bounds.push((start, bytes.len() as u32));
        }
        match bound.eval(Cells { bytes, bounds }, &[], arena) {
            Ok(value) => Ok(value == Value::Bool(true)),
            Err(fault) => Err(format!("`accepted` has no result: {:?} {}", shorten(&fault.value), fault.what)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_accepted_refused_or_unanswered() {
        let counts = RowCounts::of_sent(10, 2, 3).unwrap();
        assert_eq!((counts.accepted(), counts.refused(), counts.unanswered(), counts.sent()), (5, 2, 3, 10));
        assert_eq!(RowCounts::of_sent(4, 2, 3), None);
        assert_eq!(RowCounts::of_sent(4, u64::MAX, 3), None);
    }

    #[test]
    fn rows_are_named_by_ranges() {
        assert_eq!(describe_rows([(1, 25), (26, 30), (40, 40)]), "rows 1 to 30, 40");
        let many = (0..25).map(|at| (3 * at + 1, 3 * at + 2));
        assert!(describe_rows(many).ends_with("58 to 59, and 10 more"));
    }

    #[test]
    fn conditions_read_the_parts_of_an_answer() {
        let mut condition = AnswerCondition::new(&Expr::parse("status = 'inserted' or code < 300").unwrap());
        let mut holds = |status: &str, code: &str| {
            let part = |name: &str, out: &mut Vec<u8>| {
                out.extend_from_slice(if name == "status" { status } else { code }.as_bytes());
            };
            condition.holds(part)
        };
        assert_eq!(holds("inserted", ""), Ok(true));
        assert_eq!(holds("error", "201"), Ok(true));
        assert_eq!(holds("error", ""), Ok(false), "an unknown truth accepts nothing");
        assert!(holds("error", "x").unwrap_err().contains("has no result"));
    }
}
