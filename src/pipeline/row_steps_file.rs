//! The steps `map`, `mask`, `fill` and `number` in a pipeline file. Names and comments here are part of the editor's schema.

use super::plan::{OnError, Otherwise};
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Named, OneOrMore, scalar, unknown_word};
use crate::yaml::scalars::Whole;
use crate::yaml::tree::{Node, NodeKind};

crate::table! {
    pub struct MapFile {
        /// The column whose values are looked up.
        column: At<String>,
        /// The column of the results. Default: `column`.
        to: Option<At<String>>,
        /// The value for each value of the column.
        values: Option<At<Named<String>>>,
        /// A CSV with the values, in place of `values`.
        file: Option<At<MapTableFile>>,
        /// The policy for a value that is not there: `hold`, `fail`, `empty`, `drop_row`, `keep`, or `{value: X}`.
        /// Default: hold.
        r#else: Option<At<ElseFile>>,
    }
}

crate::table! {
    pub struct MapTableFile {
        /// The file, below the pipeline file's folder.
        path: At<String>,
        /// Its column with the values that are looked up.
        key: At<String>,
        /// Its column with the results.
        value: At<String>,
    }
}

/// The policy for a value that a map does not have.
pub struct ElseFile(pub Otherwise);

crate::table! {
    pub struct ElseValue {
        /// The result for all other values.
        value: String,
    }
}

/// The method of masking a column.
pub enum MaskFile {
    Redact,
    Sha256,
    Table(MaskTable),
}

crate::kinds! {
    pub enum MaskTable {
        /// The name of a secret in the settings, which keys the hash.
        HmacSha256 = "hmac_sha256": At<String>,
        /// The number of first characters that are kept.
        KeepFirst = "keep_first": Whole<1, 1_000>,
        /// The number of last characters that are kept.
        KeepLast = "keep_last": Whole<1, 1_000>,
    }
}

crate::table! {
    pub struct FillFile {
        /// The column whose empty cells are filled.
        column: Option<At<String>>,
        /// The columns, if there are several.
        columns: Option<At<OneOrMore<At<String>>>>,
        /// `previous`: the last value above.
        with: Option<At<FillWord>>,
        /// The value of empty cells, in place of `with`.
        value: Option<At<String>>,
    }
}

/// The one word of `fill.with`.
pub struct FillWord;

crate::table! {
    pub struct NumberFile {
        /// The column of the numbers.
        column: At<String>,
        /// The first number. Default: 1.
        start: Option<Whole<0, { NUMBER_START_MAX }>>,
    }
}

/// The largest first number.
pub const NUMBER_START_MAX: u64 = 1_000_000_000_000;

crate::words!(FillWord { "previous" => FillWord });
crate::words!(OnError {
    "fail" => OnError::Fail, "hold" => OnError::Hold, "empty" => OnError::Empty, "drop_row" => OnError::DropRow,
});

impl FromNode for ElseFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        const WORDS: &[&str] = &["hold", "fail", "empty", "drop_row", "keep"];
        if matches!(node.kind, NodeKind::Table(_)) {
            return ElseValue::from_node(node, problems).map(|written| Self(Otherwise::Value(written.value)));
        }
        let (text, _) = scalar(node, "a policy", problems)?;
        match text {
            "keep" => Some(Self(Otherwise::Keep)),
            word if WORDS.contains(&word) => {
                OnError::from_node(node, problems).map(|policy| Self(Otherwise::OnError(policy)))
            }
            other => {
                let problem = unknown_word(&node.origin, other, WORDS, &[]);
                let hint = problem.hint.clone().filter(|hint| hint.starts_with("did you mean"));
                problems.push(problem.hint(hint.unwrap_or_else(|| {
                    format!("write `{{value: {other}}}` for a value, or one of these words for a policy")
                })));
                None
            }
        }
    }
}

impl FromNode for MaskFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        const WORDS: &[&str] = &["redact", "sha256"];
        if matches!(node.kind, NodeKind::Table(_)) {
            return MaskTable::from_node(node, problems).map(Self::Table);
        }
        let (text, _) = scalar(node, "a way of masking", problems)?;
        match text {
            "redact" => Some(Self::Redact),
            "sha256" => Some(Self::Sha256),
            other => {
                let problem = unknown_word(&node.origin, other, WORDS, &[]);
                let hint = problem.hint.clone().filter(|hint| hint.starts_with("did you mean"));
                problems.push(problem.hint(hint.unwrap_or_else(|| {
                    "write one of these words, or `{hmac_sha256: SECRET}`, `{keep_first: N}`, `{keep_last: N}`"
                        .to_owned()
                })));
                None
            }
        }
    }
}

crate::schema_as!(ElseFile, |generator| {
    let value = generator.subschema_for::<ElseValue>();
    schemars::json_schema!({
        "anyOf": [{"type": "string", "enum": ["hold", "fail", "empty", "drop_row", "keep"]}, value]
    })
});
crate::schema_as!(MaskFile, |generator| {
    let table = generator.subschema_for::<MaskTable>();
    schemars::json_schema!({"anyOf": [{"type": "string", "enum": ["redact", "sha256"]}, table]})
});
