//! The plan of a receiver's answers for single rows.

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

/// How an answer finds its row.
pub enum AnswerMatch {
    /// The nth answer is that of the nth row.
    Position,
    /// By the value of a delivered column, which is at this JSON Pointer within the answer.
    Key { ours: Column, theirs: String },
}

/// The most refused rows with which a delivery still counts as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedRows(pub DroppedMax);

impl Default for RefusedRows {
    fn default() -> Self {
        Self(DroppedMax::Rows(0))
    }
}
