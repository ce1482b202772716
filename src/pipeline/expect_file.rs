//! The expectations in a pipeline file. Names and comments here are part of the editor's schema.

use jiff::tz::TimeZone;
use regex::bytes::{Regex, RegexBuilder};

use super::plan::{DroppedMax, Severity, WhenEmpty};
use super::value_type::{TimeFormatText, ValueType};
use crate::expr::decimal::{Decimal, Number, read_number};
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, Lenient, Named, OneOrMore, scalar, unknown_word};
use crate::yaml::scalars::{Length, Size, Whole};
use crate::yaml::tree::{Node, NodeKind};

crate::table! {
    pub struct ExpectFile {
        /// Limits of the number of rows.
        rows: Option<Lenient<RowsFile>>,
        /// An artifact without rows is sent, skipped, or held for a decision. Default: hold.
        when_empty: Option<Lenient<WhenEmpty>>,
        /// The source's header: `exact` or `superset` of the accepted one, or a list of columns. Default: a change is a
        /// warning.
        columns: Option<Lenient<At<ColumnsFile>>>,
        /// Column: the type of its values: `integer`, `decimal`, `date`, `timestamp`, or `{date: "%m/%d/%Y"}`.
        types: Option<Lenient<Named<At<ValueType>>>>,
        /// Columns without empty cells.
        not_null: Option<Lenient<OneOrMore<At<String>>>>,
        /// Columns whose values together occur once: one list, or several lists.
        unique: Option<Lenient<At<UniqueFile>>>,
        /// Column: its allowed values.
        values: Option<Lenient<Named<At<OneOrMore<At<String>>>>>>,
        /// Column: its smallest and largest number.
        range: Option<Lenient<Named<At<RangeFile>>>>,
        /// Column: the largest number of characters of its values, or `{min: 2, max: 40}`.
        length: Option<Lenient<Named<At<LengthFile>>>>,
        /// Column: a regular expression that its values match, anchored as it is written: `'^[0-9]{8}$'`.
        r#match: Option<Lenient<Named<Pattern>>>,
        /// Column: the column in which each of its values occurs.
        references: Option<Lenient<Named<At<String>>>>,
        /// The largest age of the newest value of a column at the slot.
        fresh: Option<Lenient<At<FreshFile>>>,
        /// Compares the rows with the number that the source states. Default: true.
        complete: Option<Lenient<bool>>,
        /// Limits of the artifact's size.
        size: Option<Lenient<SizeFile>>,
        /// `same`: the account's assignments are the accepted ones. Default: a change is a warning.
        scope: Option<Lenient<At<ScopeWord>>>,
        /// Limits of the rows that `on_error: drop_row` drops. Default: at most 1% of the extracted rows.
        dropped_rows: Option<Lenient<DroppedRowsFile>>,
        /// Key: the consequence of not meeting it: `hold`, `warn` or `fail`. Default: hold.
        severity: Option<Lenient<SeverityFile>>,
    }
}

crate::table! {
    #[derive(Default)]
    pub struct RowsFile {
        /// The smallest number of rows.
        min: Option<At<Whole<0, { u64::MAX }>>>,
        /// The largest number of rows.
        max: Option<At<Whole<0, { u64::MAX }>>>,
        /// The largest difference from the usual number: `30%`, or `{by: 30%, over: 5, same_weekday: true}`.
        change: Option<ChangeFile>,
    }
}

/// A percentage, or a table with one.
pub struct ChangeFile(pub ChangeTable);

crate::table! {
    pub struct ChangeTable {
        /// The part of the usual number: `30%`.
        by: Percent,
        /// The number of delivered runs that make the usual number, which is their median. Default: 5.
        over: Option<Whole<1, 60>>,
        /// Compares with runs of the same weekday. Default: true.
        same_weekday: Option<bool>,
    }
}

/// A percentage, as a part of one.
pub struct Percent(pub f64);

/// The required columns of the source's header.
pub enum ColumnsFile {
    Exact,
    Superset,
    List(Vec<At<String>>),
}

/// Lists of columns.
pub struct UniqueFile(pub Vec<Vec<At<String>>>);

crate::table! {
    pub struct RangeFile {
        min: Option<DecimalText>,
        max: Option<DecimalText>,
    }
}

/// A largest number of characters, or a table with limits.
pub struct LengthFile(pub LengthTable);

crate::table! {
    pub struct LengthTable {
        min: Option<Whole<0, { u64::MAX }>>,
        max: Option<Whole<0, { u64::MAX }>>,
    }
}

/// An exact number.
pub struct DecimalText(pub(crate) Decimal);

/// A regular expression.
pub struct Pattern(pub Regex);

crate::table! {
    pub struct FreshFile {
        /// A column of the extract, whether it is delivered or not.
        source_column: Option<At<String>>,
        /// A delivered column.
        column: Option<At<String>>,
        /// The format of its values: `%m/%d/%Y %H:%M`. Default: ISO forms.
        format: Option<TimeFormatText>,
        /// The IANA time zone of values without an offset. Default: UTC.
        #[schemars(with = "Option<String>")]
        timezone: Option<TimeZone>,
        /// The largest time from the newest value to the slot.
        max_age: Length,
    }
}

crate::table! {
    pub struct SizeFile {
        /// The largest artifact.
        max: Size,
    }
}

crate::table! {
    pub struct DroppedRowsFile {
        /// The largest number of rows, or their largest part of the extracted rows: `1%`.
        max: At<DroppedMaxFile>,
    }
}

/// A number of rows, or a percentage.
pub struct DroppedMaxFile(pub(crate) DroppedMax);

/// The one word of `scope`.
pub struct ScopeWord;

/// Severities by key.
#[derive(Default)]
pub struct SeverityFile(pub Vec<(crate::yaml::tree::Key, Severity)>);

/// The keys that have a severity.
pub(super) const SEVERITY_KEYS: &[&str] = &[
    "rows",
    "columns",
    "types",
    "not_null",
    "unique",
    "values",
    "range",
    "length",
    "match",
    "references",
    "fresh",
    "complete",
    "size",
    "scope",
    "dropped_rows",
];

crate::words!(WhenEmpty { "send" => WhenEmpty::Send, "skip" => WhenEmpty::Skip, "hold" => WhenEmpty::Hold });
crate::words!(ScopeWord { "same" => ScopeWord });
crate::words!(Severity { "hold" => Severity::Hold, "warn" => Severity::Warn, "fail" => Severity::Fail });

impl FromNode for ChangeFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.kind {
            NodeKind::Table(_) => ChangeTable::from_node(node, problems).map(Self),
            _ => Percent::from_node(node, problems).map(|by| Self(ChangeTable { by, over: None, same_weekday: None })),
        }
    }
}

impl FromNode for Percent {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a percentage", problems)?;
        let digits =
            text.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.')));
        let part = digits.and_then(|digits| digits.parse::<f64>().ok()).map(|percent| percent / 100.0);
        let part = part.filter(|part| *part > 0.0 && *part <= PERCENT_MAX);
        if part.is_none() {
            let problem = node.error(format!("{text:?} is not a percentage from above 0% to 1000%"));
            problems.push(problem.hint("write a number and a percent sign: `30%`"));
        }
        part.map(Self)
    }
}

/// The largest part of a usual number.
const PERCENT_MAX: f64 = 10.0;

impl FromNode for DroppedMaxFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a number of rows or a percentage", problems)?;
        let max = DroppedMax::parse(text);
        if max.is_none() {
            let problem = node.error(format!("{text:?} is not a number of rows, or a percentage from 0% to 100%"));
            problems.push(problem.hint("write a whole number, `20`, or a percentage with up to 4 decimals: `0.5%`"));
        }
        max.map(Self)
    }
}

impl FromNode for LengthFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match node.kind {
            NodeKind::Table(_) => LengthTable::from_node(node, problems).map(Self),
            _ => Whole::from_node(node, problems).map(|max| Self(LengthTable { min: None, max: Some(max) })),
        }
    }
}

impl FromNode for ColumnsFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        const WORDS: &[&str] = &["exact", "superset"];
        let NodeKind::Scalar(word) = &node.kind else {
            return Vec::from_node(node, problems).map(Self::List);
        };
        match word.text.as_str() {
            "exact" => Some(Self::Exact),
            "superset" => Some(Self::Superset),
            other => {
                let problem = unknown_word(&node.origin, other, WORDS, &[]);
                let hint = problem.hint.clone().filter(|hint| hint.starts_with("did you mean"));
                problems.push(problem.hint(hint.unwrap_or_else(|| {
                    "write `exact`, `superset`, or the columns as a list: `[Employee Number, Course Code]`".to_owned()
                })));
                None
            }
        }
    }
}

impl FromNode for UniqueFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let NodeKind::List(items) = &node.kind else {
            return OneOrMore::from_node(node, problems).map(|columns| Self(vec![columns.0]));
        };
        let lists = items.iter().filter(|item| matches!(item.kind, NodeKind::List(_))).count();
        if lists == 0 {
            return Vec::from_node(node, problems).map(|columns| Self(vec![columns]));
        }
        if lists < items.len() {
            let problem = node.error("columns and lists of columns are mixed here");
            problems.push(problem.hint("write one list, `[a, b]`, or several: `[[a, b], [c]]`"));
            return None;
        }
        Some(Self(items.iter().filter_map(|item| Vec::from_node(item, problems)).collect()))
    }
}

impl FromNode for DecimalText {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a number", problems)?;
        match read_number(text.as_bytes()) {
            Some(Number::Int(int)) => Some(Self(Decimal::from_int(int))),
            Some(Number::Decimal(decimal)) => Some(Self(decimal)),
            Some(Number::Double(_)) | None => {
                let problem = node.error(format!("{text:?} is not a decimal number of up to 38 digits"));
                problems.push(problem.hint("write digits with a point, without an exponent: `0`, `99.5`, `-1`"));
                None
            }
        }
    }
}

impl FromNode for Pattern {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a regular expression", problems)?;
        match RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build() {
            Ok(regex) => Some(Self(regex)),
            Err(regex::Error::CompiledTooBig(_)) => {
                problems.push(node.error("the regular expression is too large").hint("repeat less, or use `values`"));
                None
            }
            Err(error) => {
                // Its last line is the cause, below a drawing.
                let text = error.to_string();
                let cause = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                let hint =
                    "the syntax is that of the Rust crate `regex`, which has no look-around and no back-references";
                problems.push(node.error(format!("this is not a regular expression: {cause}")).hint(hint));
                None
            }
        }
    }
}

/// The largest compiled expression.
const PATTERN_BYTES_MAX: usize = 1 << 20;

impl FromNode for SeverityFile {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        crate::yaml::read::table(node, SEVERITY_KEYS, &[], problems)?;
        let mut severities = Named::<Severity>::from_node(node, problems)?.0;
        severities.retain(|(key, _)| SEVERITY_KEYS.contains(&key.text.as_str()));
        Some(Self(severities))
    }
}

crate::schema_as!(ChangeFile, |generator| {
    let table = generator.subschema_for::<ChangeTable>();
    let percent = generator.subschema_for::<Percent>();
    schemars::json_schema!({"anyOf": [percent, table]})
});
crate::schema_as!(LengthFile, |generator| {
    let table = generator.subschema_for::<LengthTable>();
    schemars::json_schema!({"anyOf": [{"type": "integer", "minimum": 0}, table]})
});
crate::schema_as!(Percent, {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%$"});
crate::schema_as!(DroppedMaxFile, {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,4})?%$"}]
});
crate::schema_as!(ColumnsFile, {
    "anyOf": [{"type": "string", "enum": ["exact", "superset"]}, {"type": "array", "items": {"type": "string"}}]
});
crate::schema_as!(UniqueFile, {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}
    ]
});
crate::schema_as!(DecimalText, {"type": ["number", "string"]});
crate::schema_as!(Pattern, {"type": "string", "format": "regex"});
crate::schema_as!(SeverityFile, |generator| {
    let severity = generator.subschema_for::<Severity>();
    let properties: serde_json::Map<String, serde_json::Value> =
        SEVERITY_KEYS.iter().map(|key| ((*key).to_owned(), severity.clone().to_value())).collect();
    schemars::json_schema!({"type": "object", "properties": properties, "additionalProperties": false})
});
