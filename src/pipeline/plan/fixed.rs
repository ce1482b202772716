//! The fixed-width format of the artifact, and values of records.

use std::fmt;

use super::RecordEnd;
use crate::expr::Expr;
use crate::yaml::problem::Place;

/// Records whose fields have fixed widths.
#[derive(Clone, Debug, PartialEq)]
pub struct FixedFormat {
    pub record_end: RecordEnd,
    pub unit: WidthUnit,
    /// At least one.
    pub fields: Vec<FixedField>,
}

/// The unit in which widths are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WidthUnit {
    Characters,
    /// Bytes of UTF-8, or of a charset with one byte for each character.
    Bytes,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FixedField {
    pub value: FieldValue,
    pub width: usize,
    pub align: Align,
    /// One byte wide, if widths are in bytes.
    pub fill: char,
    pub overflow: Overflow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// The policy for values that are longer than their field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    Fail,
    /// Keeps the beginning.
    Cut,
}

/// An expression whose value is part of a record.
#[derive(Clone)]
pub struct FieldValue {
    pub at: Place,
    pub expr: Expr,
    /// The column that errors name.
    pub column: String,
    /// True if it reads a column whose values must not be shown.
    pub is_masked: bool,
}

impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.expr.text(), self.at.key)
    }
}

impl PartialEq for FieldValue {
    fn eq(&self, other: &Self) -> bool {
        self.expr.text() == other.expr.text() && self.at.key == other.at.key
    }
}
