//! The types of delivered columns.

use super::value_type::ValueType;
use crate::yaml::problem::Problem;
use crate::yaml::read::{At, FromNode};
use crate::yaml::scalars::Whole;
use crate::yaml::tree::{Node, NodeKind};

/// The type of a delivered column's values.
#[derive(Clone, Debug)]
pub enum ColumnType {
    Value(ValueType),
    /// Decimals of a stated size.
    Decimal(DecimalSize),
}

/// The size of decimals; the scale is at most the precision, which is at most 38.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecimalSize {
    /// Digits in all.
    pub precision: u8,
    /// Digits after the point.
    pub scale: u8,
}

/// The size where none is stated: that of `NUMERIC` in BigQuery, which other warehouses take too.
pub const DECIMAL_DEFAULT: DecimalSize = DecimalSize { precision: 38, scale: 9 };

crate::table! {
    pub struct DecimalTypeFile {
        decimal: DecimalSizeFile,
    }
}

crate::table! {
    pub struct DecimalSizeFile {
        /// Digits in all. Default: 38.
        precision: Option<Whole<1, 38>>,
        /// Digits after the point. Default: 9, or the precision if that is less.
        scale: Option<At<Whole<0, 38>>>,
    }
}

impl FromNode for ColumnType {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        match &node.kind {
            NodeKind::Table(members) if members.iter().any(|(key, _)| key.text == "decimal") => {
                let DecimalTypeFile { decimal } = DecimalTypeFile::from_node(node, problems)?;
                size(decimal, problems).map(Self::Decimal)
            }
            _ => ValueType::from_node(node, problems).map(Self::Value),
        }
    }
}

fn size(DecimalSizeFile { precision, scale }: DecimalSizeFile, problems: &mut Vec<Problem>) -> Option<DecimalSize> {
    // Both are at most 38.
    let precision = precision.map_or(DECIMAL_DEFAULT.precision, |precision| precision.0 as u8);
    let Some(scale) = scale else {
        return Some(DecimalSize { precision, scale: DECIMAL_DEFAULT.scale.min(precision) });
    };
    let digits = scale.value.0 as u8;
    if digits > precision {
        let what = format!("a decimal of {precision} digits cannot have {digits} of them after the point");
        problems.push(scale.origin.error(what).hint("`precision` counts all digits: raise it, or lower `scale`"));
        return None;
    }
    Some(DecimalSize { precision, scale: digits })
}

crate::schema_as!(ColumnType, |generator| {
    let (value, decimal) = (generator.subschema_for::<ValueType>(), generator.subschema_for::<DecimalTypeFile>());
    schemars::json_schema!({"anyOf": [value, decimal]})
});
