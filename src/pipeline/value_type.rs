//! The types of values, in one vocabulary for all of a pipeline file.

use crate::expr::time::TimeFormat;
use crate::yaml::problem::Problem;
use crate::yaml::read::{FromNode, scalar, unknown_word};
use crate::yaml::tree::{Node, NodeKind};

/// The type of a column's values. A date or datetime without a format has an ISO form.
#[derive(Clone, Debug)]
pub enum ValueType {
    Text,
    /// A whole number of 64 bits.
    Integer,
    /// An exact number of up to 38 digits.
    Decimal,
    Boolean,
    Date(Option<TimeFormatText>),
    /// A date with a time of day, in UTC if it has no offset.
    Datetime(Option<TimeFormatText>),
}

/// A format that dates or times can be read with.
#[derive(Clone, Debug)]
pub struct TimeFormatText(pub(crate) TimeFormat);

crate::table! {
    pub struct FormattedType {
        /// The format of dates: `%m/%d/%Y`.
        date: Option<TimeFormatText>,
        /// The format of dates with a time of day: `%m/%d/%Y %H:%M:%S`.
        datetime: Option<TimeFormatText>,
    }
}

const WORDS: &[&str] = &["text", "integer", "decimal", "boolean", "date", "datetime"];

impl ValueType {
    /// Returns the format of its values, if it is not ISO's.
    pub(crate) fn format(&self) -> Option<&TimeFormat> {
        match self {
            Self::Date(format) | Self::Datetime(format) => format.as_ref().map(|format| &format.0),
            Self::Text | Self::Integer | Self::Decimal | Self::Boolean => None,
        }
    }
}

impl FromNode for ValueType {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        if matches!(node.kind, NodeKind::Table(_)) {
            return formatted(node, problems);
        }
        match scalar(node, "a type", problems)?.0 {
            "text" => Some(Self::Text),
            "integer" => Some(Self::Integer),
            "decimal" => Some(Self::Decimal),
            "boolean" => Some(Self::Boolean),
            "date" => Some(Self::Date(None)),
            "datetime" => Some(Self::Datetime(None)),
            other => {
                let problem = unknown_word(&node.origin, other, WORDS, &[("timestamp", "datetime")]);
                problems.push(match other.contains('%') {
                    true => {
                        let is_time = TimeFormat::compile(other).is_ok_and(|format| format.has_time_of_day());
                        let word = if is_time { "datetime" } else { "date" };
                        problem.hint(format!("write a format as `{{{word}: \"{other}\"}}`"))
                    }
                    false => problem,
                });
                None
            }
        }
    }
}

/// Reads `{date: FORMAT}` or `{datetime: FORMAT}`.
fn formatted(node: &Node, problems: &mut Vec<Problem>) -> Option<ValueType> {
    let FormattedType { date, datetime } = FormattedType::from_node(node, problems)?;
    let mismatch = |what: &str, hint: String| node.error(what).hint(hint);
    match (date, datetime) {
        (Some(date), None) if date.0.has_time_of_day() => {
            let hint = format!("write `{{datetime: \"{}\"}}`", date.0.text());
            problems.push(mismatch("this format of a date has a time of day", hint));
            None
        }
        (None, Some(datetime)) if !datetime.0.has_time_of_day() => {
            let hint = format!("write `{{date: \"{}\"}}`", datetime.0.text());
            problems.push(mismatch("this format of a datetime has no time of day", hint));
            None
        }
        (Some(date), None) => Some(ValueType::Date(Some(date))),
        (None, Some(datetime)) => Some(ValueType::Datetime(Some(datetime))),
        (None, None) => {
            problems.push(mismatch("a format is expected here", "write `{date: \"%m/%d/%Y\"}`".to_owned()));
            None
        }
        (Some(_), Some(_)) => {
            let what = "`date` and `datetime` are mutually exclusive";
            problems.push(mismatch(what, "keep one of them".to_owned()));
            None
        }
    }
}

impl FromNode for TimeFormatText {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a time format", problems)?;
        let compiled = TimeFormat::compile(text).and_then(|format| format.reads_a_date().map(|()| format));
        compiled
            .map_err(|problem| problems.push(Problem { hint: problem.hint, ..node.error(problem.what) }))
            .map(Self)
            .ok()
    }
}

crate::schema_as!(ValueType, |generator| {
    let format = generator.subschema_for::<FormattedType>();
    schemars::json_schema!({"anyOf": [{"type": "string", "enum": WORDS}, format]})
});
crate::schema_as!(TimeFormatText, {"type": "string"});
