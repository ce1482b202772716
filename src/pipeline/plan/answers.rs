//! The plan of a receiver's answers for single rows.

use serde::{Deserialize, Serialize};

use super::{Column, DroppedMax};
use crate::expr::Expr;

/// The answers within the body of an accepted request's response.
pub struct ResponseRows {
    /// The JSON Pointer of the list of answers; empty for the response itself.
    pub at: String,
    /// The condition by which a row was accepted, over the members of its answer.
    pub accepted: Expr,
    /// The JSON Pointer of the reason within an answer; empty for the answer itself.
    pub reason: String,
    pub matched: AnswerMatch,
    /// The most bytes of a response.
    pub bytes_max: usize,
}

/// The way in which an answer finds its row.
pub enum AnswerMatch {
    /// The nth answer is that of the nth row.
    Position,
    /// By the value of a delivered column, which is at this JSON Pointer within the answer.
    Key { ours: Column, theirs: String },
}

/// The form of an acknowledgement file that has answers for single rows. Recorded with the delivery, whose settings count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AckRows {
    pub delimiter: char,
    /// The names of the columns; `None` if the first line has them.
    pub columns: Option<Vec<String>>,
    /// Lines before that.
    pub skip: u64,
    /// The condition of lines that are answers.
    pub lines: Option<String>,
    /// The delivered column whose value a line repeats, and the line's column.
    pub ours: String,
    pub theirs: String,
    /// The condition by which a row was accepted.
    pub accepted: String,
    /// The column with the reason.
    pub reason: Option<String>,
    pub bytes_max: u64,
    /// The most refused rows with which the delivery still counts as delivered: a number, or a percentage.
    pub refused_max: String,
}

/// The most refused rows with which a delivery still counts as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedRows(pub DroppedMax);

impl Default for RefusedRows {
    fn default() -> Self {
        Self(DroppedMax::Rows(0))
    }
}

impl RefusedRows {
    /// Parses what [`RefusedRows::text`] returns.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        DroppedMax::parse(text).map(Self)
    }

    /// Returns it as written: `20` or `0.5%`.
    pub(crate) fn text(self) -> String {
        match self.0 {
            DroppedMax::Rows(rows) => rows.to_string(),
            part @ DroppedMax::Part(_) => part.to_string(),
        }
    }
}
