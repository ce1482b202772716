//! The answers of a receiver for single rows → the plan's.

use super::*;
use crate::pipeline::answers_file::{
    AckCsvFile, AckKeyFile, AckRowsFile, AnswerKeyFile, AnswerMatchFile, RefusedRowsFile, ResponseRowsFile,
};
use crate::pipeline::scalars::Expression as Written;
use crate::settings::{Destination, Pickup};
use crate::yaml::scalars::Size;

/// Default most bytes of a response that has answers.
const BYTES_DEFAULT: usize = 4 << 20;

/// Default most bytes of an acknowledgement file.
const ACK_BYTES_DEFAULT: u64 = 16 << 20;

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

    /// Returns how an acknowledgement file is read. Its key is a column of those delivered.
    pub(super) fn ack_rows(
        &mut self,
        At { value: written, origin }: At<AckRowsFile>,
        columns: &mut Columns,
        destination: Option<&Destination>,
        refused_rows: RefusedRows,
    ) -> AckRows {
        let AckRowsFile { csv, lines, r#match: AckKeyFile { ours, theirs }, accepted, reason, max_bytes } = written;
        let is_awaited = |pickup: &Pickup| matches!(pickup, Pickup::AckFile { deadline: Some(_), .. });
        if destination.is_some_and(|destination| !is_awaited(&destination.pickup)) {
            let problem =
                origin.error("`ack_rows` has no effect, as the destination waits for no acknowledgement file");
            let hint = "write `pickup: {ack_file: {name: \"{name}.ack\", deadline: 4h}}` for the destination";
            self.problems.push(problem.hint(hint));
        }
        let (delimiter, names, skip) = match csv {
            Some(AckCsvFile { delimiter, columns, skip }) => (delimiter, columns, skip.map_or(0, u64::from)),
            None => (None, None, 0),
        };
        let delimiter = match delimiter {
            None => ',',
            Some(At { value, origin }) => match value.chars().collect::<Vec<_>>()[..] {
                [one] if one.is_ascii() && !matches!(one, '"' | '\r' | '\n') => one,
                _ => {
                    let problem = origin.error(format!("{value:?} cannot separate cells"));
                    self.problems.push(problem.hint("write one ASCII character: `;`"));
                    ','
                }
            },
        };
        let ours = Column { at: self.place(&ours.origin), name: ours.value };
        columns.require(&ours);
        if let Some(At { value: names, .. }) = &names {
            let columns = [Some(&theirs), reason.as_ref()].into_iter().flatten();
            let mut read: Vec<(String, Origin)> =
                columns.map(|column| (column.value.clone(), column.origin.clone())).collect();
            for written in [lines.as_ref(), Some(&accepted)].into_iter().flatten() {
                let of = |column: &str| (column.to_owned(), written.value.origin_of(column));
                read.extend(written.value.expr.columns().map(of));
            }
            for (column, origin) in read.iter().filter(|(column, _)| !names.contains(column)) {
                self.problems.push(unknown_name("column of the acknowledgement file", column, origin, names.iter()));
            }
        }
        AckRows {
            delimiter,
            columns: names.map(|names| names.value),
            skip,
            lines: lines.map(|lines| self.answer_condition(lines).text().to_owned()),
            ours: ours.name,
            theirs: theirs.value,
            accepted: self.answer_condition(accepted).text().to_owned(),
            reason: reason.map(|reason| reason.value),
            bytes_max: max_bytes.map_or(ACK_BYTES_DEFAULT, |Size(bytes)| bytes),
            refused_max: refused_rows.text(),
        }
    }

    /// Returns the rows that a receiver may refuse. `is_answered` is true if it answers for single rows.
    pub(super) fn refused_rows(&mut self, written: Option<At<RefusedRowsFile>>, is_answered: bool) -> RefusedRows {
        let Some(At { value: RefusedRowsFile { max }, origin }) = written else { return RefusedRows::default() };
        if !is_answered {
            let problem = origin.error("`refused_rows` has no effect, as no answers for single rows are read");
            self.problems.push(
                problem.hint("write `response: {rows: {accepted: …}}` for the request, or `ack_rows`, or remove this"),
            );
        }
        RefusedRows(max.value.0)
    }
}
