//! The answers of a receiver for single rows, as written.

use super::expect_file::DroppedMaxFile;
use super::scalars::Expression;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, scalar};
use crate::yaml::scalars::{Size, Whole};
use crate::yaml::tree::{Node, NodeKind};

crate::table! {
    /// The answers for single rows in the body of a response.
    pub struct ResponseRowsFile {
        /// The JSON Pointer of the list of answers: `/result`. Default: the response itself.
        at: Option<At<Pointer>>,
        /// The condition by which a row was accepted, over the members of its answer: `status = 'inserted'`.
        accepted: At<Expression>,
        /// The JSON Pointer of the reason within an answer: `/message`. Default: the answer itself.
        reason: Option<At<Pointer>>,
        /// How an answer finds its row: by `position`, or `{ours: key, theirs: /id}`.
        r#match: Option<At<AnswerMatchFile>>,
        /// The most bytes of a response. Default: 4MiB.
        max_bytes: Option<Size>,
    }
}

/// `position`, or a column and the JSON Pointer of its value within an answer.
pub enum AnswerMatchFile {
    Position,
    Key(AnswerKeyFile),
}

crate::table! {
    pub struct AnswerKeyFile {
        /// The delivered column whose value the answer repeats.
        ours: At<String>,
        /// The JSON Pointer of that value within an answer: `/id`.
        theirs: At<Pointer>,
    }
}

crate::table! {
    /// Rows that the receiver may refuse.
    pub struct RefusedRowsFile {
        /// The most of them with which the delivery still counts as delivered: a number, or a percentage of its rows.
        max: At<DroppedMaxFile>,
    }
}

crate::table! {
    /// The answers for single rows in the acknowledgement file that the destination's reader writes.
    pub struct AckRowsFile {
        /// How the file is read. Default: commas, and a header in its first line.
        csv: Option<AckCsvFile>,
        /// The condition of lines that are answers, over their columns. Default: all lines.
        lines: Option<At<Expression>>,
        /// The delivered column whose value a line repeats, and the line's column.
        r#match: AckKeyFile,
        /// The condition by which a row was accepted, over the columns of its line: `status = 'OK'`.
        accepted: At<Expression>,
        /// The column with the reason. Default: none.
        reason: Option<At<String>>,
        /// The most bytes of the file. Default: 16MiB.
        max_bytes: Option<Size>,
    }
}

crate::table! {
    pub struct AckCsvFile {
        /// One ASCII character between cells. Default: a comma.
        delimiter: Option<At<String>>,
        /// The names of the columns, where the file has no header. Default: the first line after `skip`.
        columns: Option<At<Vec<String>>>,
        /// Lines before the header, or before the first answer. Default: 0.
        skip: Option<Whole<0, 1000>>,
    }
}

crate::table! {
    pub struct AckKeyFile {
        /// The delivered column.
        ours: At<String>,
        /// The column of the acknowledgement file.
        theirs: At<String>,
    }
}

/// A JSON Pointer (RFC 6901).
pub struct Pointer(pub String);

crate::schema_as!(Pointer, {"type": "string", "pattern": "^(/([^~/]|~[01])*)*$"});

impl FromNode for Pointer {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a JSON Pointer", problems)?;
        let is_escaped = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if (!text.is_empty() && !text.starts_with('/')) || !is_escaped {
            let problem = node.error(format!("{text:?} is not a JSON Pointer"));
            problems
                .push(problem.hint("it begins with `/`: `/result/0/id`; within a name, `~1` is `/` and `~0` is `~`"));
            return None;
        }
        Some(Self(text.to_owned()))
    }
}

impl FromNode for AnswerMatchFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        if matches!(node.kind, NodeKind::Table(_)) {
            return AnswerKeyFile::from_node(node, problems).map(Self::Key);
        }
        let (word, _) = scalar(node, "`position`, or a table with `ours` and `theirs`,", problems)?;
        if word == "position" {
            return Some(Self::Position);
        }
        let problem = node.error(format!("{word:?} does not match answers with rows"));
        problems.push(problem.hint("write `position`, or `{ours: employee_id, theirs: /id}`"));
        None
    }
}

crate::schema_as!(AnswerMatchFile, |generator| {
    let key = generator.subschema_for::<AnswerKeyFile>();
    schemars::json_schema!({"anyOf": [{"const": "position"}, key]})
});
