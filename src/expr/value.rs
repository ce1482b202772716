//! The values that an expression yields for a row, and the types that it is checked with.

use super::decimal::Decimal;

/// The location of a text. Texts are never copied to be compared or passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// Bytes of the record.
    Record { start: u32, end: u32 },
    /// Bytes of the arena: texts created by expressions in this row.
    Arena { start: u32, end: u32 },
    /// Bytes of the expression's own literals.
    Literal { start: u32, end: u32 },
}

/// The first byte of a cell and the byte after its last, within its record's bytes.
pub(crate) type Bounds = (u32, u32);

/// The cells of one record, in the header's order.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) bounds: &'a [Bounds],
}

/// The source of a column's cell: the record, or an earlier `set`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CellRef {
    Input(u32),
    Made(u32),
}

/// One value of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Decimal(Decimal),
    Double(f64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    Text(Span),
}

/// The static type of a value, known before there are rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// The literal `null`.
    Null,
    Bool,
    Int,
    Decimal {
        /// Total number of digits, at most 38.
        precision: u8,
        /// Digits after the point.
        scale: u8,
    },
    Double,
    /// A number parsed from text: exact if it is written as digits and a point, a double if it has an exponent.
    Number,
    Text,
    Date,
    Timestamp,
}

impl Type {
    pub(crate) fn is_number(self) -> bool {
        matches!(self, Type::Int | Type::Decimal { .. } | Type::Double | Type::Number)
    }

    pub(crate) fn is_time(self) -> bool {
        matches!(self, Type::Date | Type::Timestamp)
    }

    /// Returns the type's name in messages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Type::Null => "null",
            Type::Bool => "boolean",
            Type::Int => "integer",
            Type::Decimal { .. } => "decimal",
            Type::Double => "double",
            Type::Number => "number",
            Type::Text => "text",
            Type::Date => "date",
            Type::Timestamp => "timestamp",
        }
    }

    /// Returns the type in which two values are compared: text becomes the other side's type.
    pub(crate) fn compared_with(self, other: Type) -> Option<Type> {
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Type::Null, other) | (other, Type::Null) => Some(other),
            (Type::Text, other) | (other, Type::Text) => Some(match other {
                Type::Int | Type::Decimal { .. } => Type::Number,
                other => other,
            }),
            (a, b) if a.is_number() && b.is_number() => Some(Type::Number),
            (a, b) if a.is_time() && b.is_time() => Some(Type::Timestamp),
            _ => None,
        }
    }

    /// Returns the type of a result that comes from one of several branches.
    pub(crate) fn united_with(self, other: Type) -> Option<Type> {
        match (self, other) {
            (a, b) if a == b => Some(a),
            (Type::Null, other) | (other, Type::Null) => Some(other),
            (Type::Text, _) | (_, Type::Text) => Some(Type::Text),
            (Type::Double, b) if b.is_number() => Some(Type::Double),
            (a, Type::Double) if a.is_number() => Some(Type::Double),
            (Type::Decimal { scale: a, .. }, Type::Decimal { scale: b, .. }) => {
                Some(Type::Decimal { precision: 38, scale: a.max(b) })
            }
            (Type::Int, Type::Decimal { scale, .. }) | (Type::Decimal { scale, .. }, Type::Int) => {
                Some(Type::Decimal { precision: 38, scale })
            }
            (a, b) if a.is_number() && b.is_number() => Some(Type::Number),
            (a, b) if a.is_time() && b.is_time() => Some(Type::Timestamp),
            _ => None,
        }
    }
}
