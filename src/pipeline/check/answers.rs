//! The answers of a receiver for single rows → the plan's.

use super::*;
use crate::pipeline::answers_file::{AnswerKeyFile, AnswerMatchFile, RefusedRowsFile, ResponseRowsFile};
use crate::pipeline::scalars::Expression as Written;
use crate::yaml::scalars::Size;

/// Default most bytes of a response that has answers.
const BYTES_DEFAULT: usize = 4 << 20;

impl Check<'_> {
    /// Returns the answers within a response. Their key is a column of those delivered.
    pub(super) fn response_rows(&mut self, written: ResponseRowsFile, columns: &mut Columns) -> ResponseRows {
        let ResponseRowsFile { at, accepted, reason, r#match, max_bytes } = written;
        let pointer = |written: Option<At<crate::pipeline::answers_file::Pointer>>| {
            written.map(|pointer| pointer.value.0).unwrap_or_default()
        };
        let matched = match r#match.map(|matched| matched.value) {
            None | Some(AnswerMatchFile::Position) => AnswerMatch::Position,
            Some(AnswerMatchFile::Key(AnswerKeyFile { ours, theirs })) => {
                let ours = Column { at: self.place(&ours.origin), name: ours.value };
                columns.require(&ours);
                AnswerMatch::Key { ours, theirs: theirs.value.0 }
            }
        };
        ResponseRows {
            at: pointer(at),
            accepted: self.answer_condition(accepted),
            reason: pointer(reason),
            matched,
            bytes_max: max_bytes.map_or(BYTES_DEFAULT, |Size(bytes)| usize::try_from(bytes).unwrap_or(usize::MAX)),
        }
    }

    /// Returns a condition over the members of an answer, whose names are the receiver's.
    pub(super) fn answer_condition(&mut self, At { value: written, origin }: At<Written>) -> crate::expr::Expr {
        if let Some((what, hint)) = written.expr.not_a_condition() {
            self.problems.push(origin.error(what).hint(hint));
        }
        for secret in written.expr.secrets() {
            let problem = written.origin_of(secret).error("secrets are read by steps only");
            self.problems.push(problem.hint("compare what the receiver answers with a text"));
        }
        written.expr
    }

    /// Returns the rows that a receiver may refuse. `is_answered` is true if it answers for single rows.
    pub(super) fn refused_rows(&mut self, written: Option<At<RefusedRowsFile>>, is_answered: bool) -> RefusedRows {
        let Some(At { value: RefusedRowsFile { max }, origin }) = written else { return RefusedRows::default() };
        if !is_answered {
            let problem = origin.error("`refused_rows` has no effect, as no answers for single rows are read");
            self.problems.push(problem.hint("write `response: {rows: {accepted: …}}` for the request, or remove this"));
        }
        RefusedRows(max.value.0)
    }
}
