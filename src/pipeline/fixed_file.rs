//! Fixed-width records in a pipeline file.

use super::plan::{Align, Overflow, RecordEnd, WidthUnit};
use super::scalars::Expression;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode, scalar};
use crate::yaml::scalars::Whole;
use crate::yaml::tree::Node;

crate::table! {
    pub struct FixedFile {
        /// The length of every record without its end; `check` compares it with the widths. Default: their sum.
        length: Option<At<Whole<1, 65_536>>>,
        /// The end of each record: `lf`, `crlf`, or a text. Default: lf.
        record_end: Option<RecordEnd>,
        /// Widths are in characters, or in bytes. Default: characters.
        unit: Option<At<WidthUnit>>,
        /// The fields of a row's record, in order.
        fields: Option<At<Vec<At<FixedFieldFile>>>>,
    }
}

crate::table! {
    pub struct FixedFieldFile {
        /// A column or an expression: `employee_id`, `"'1'"`.
        value: Expression,
        /// The width of the field.
        width: At<Whole<1, 65_536>>,
        /// The side of the field at which the value is. Default: left.
        align: Option<Align>,
        /// The character that fills the rest. An empty value is filled with spaces. Default: a space.
        fill: Option<At<Fill>>,
        /// The policy for a value that is longer: `fail`, or `cut` its end. Default: fail.
        overflow: Option<Overflow>,
    }
}

crate::words!(WidthUnit { "characters" => WidthUnit::Characters, "bytes" => WidthUnit::Bytes });
crate::words!(Align { "left" => Align::Left, "right" => Align::Right });
crate::words!(Overflow { "fail" => Overflow::Fail, "cut" => Overflow::Cut });

/// One character that fills a field.
pub struct Fill(pub char);

crate::schema_as!(Fill, {"type": ["string", "integer"], "minLength": 1, "maxLength": 1, "minimum": 0, "maximum": 9});

impl FromNode for Fill {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a character", problems)?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(char), None) if !char.is_control() => Some(Self(char)),
            _ => {
                let problem = node.error(format!("{text:?} cannot fill a field"));
                problems.push(problem.hint("write one character in quotes: `\" \"`, `\"0\"`"));
                None
            }
        }
    }
}
