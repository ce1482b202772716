//! `cast`: the known types, and the conversions between them.

use sqlparser::ast::{self, CastKind, CharacterLength, DataType, ExactNumberInfo};
use sqlparser::tokenizer::Span as Place;

use super::ExprProblem;
use super::build::{Builder, Built, boxed, with_article};
use super::node::{Node, OnFailure, TextFunction, Typed};
use super::value::{Type, Value};
use crate::expr::shorten;

/// A type as written in a cast.
pub(super) enum Target {
    Whole(Type),
    /// `varchar(5)`: truncated to this many characters.
    TextOf(i64),
}

impl Builder<'_> {
    pub(super) fn cast(&mut self, how: &CastKind, of: &ast::Expr, to: &DataType, at: Place) -> Built {
        let on_failure = match how {
            CastKind::Cast | CastKind::DoubleColon => OnFailure::Fault,
            CastKind::TryCast => OnFailure::Null,
            CastKind::SafeCast => return Err(self.problem(at, "`safe_cast` cannot be used; write `try_cast`")),
        };
        let typed = self.build(of)?;
        let to = match self.target(to, at)? {
            Target::Whole(to) => to,
            Target::TextOf(length) => {
                let arguments = vec![typed.cast(Type::Text).node, Node::Literal(Value::Int(length))];
                return Ok(Typed::new(Node::Text { function: TextFunction::Left, arguments }, Type::Text));
            }
        };
        let (number, time) = (typed.kind.is_number() || typed.kind == Type::Bool, typed.kind.is_time());
        if (number && to.is_time()) || (time && (to.is_number() || to == Type::Bool)) {
            let what = format!("{} cannot become {}", with_article(typed.kind.word()), with_article(to.word()));
            return Err(self.problem(at, what));
        }
        if on_failure == OnFailure::Fault && matches!(typed.node, Node::Literal(_)) {
            return self.cast_literal(typed, to, at);
        }
        Ok(Typed::new(Node::Cast { of: boxed(typed), to, on_failure }, to))
    }

    /// Returns the type of a typed literal such as `date '2026-01-05'`.
    pub(super) fn type_of(&self, written: &DataType, at: Place) -> Built<Type> {
        match self.target(written, at)? {
            Target::Whole(kind) => Ok(kind),
            Target::TextOf(_) => Err(self.unknown_type(written, at)),
        }
    }

    fn target(&self, written: &DataType, at: Place) -> Built<Target> {
        let decimal = |info: &ExactNumberInfo| match *info {
            // As in DuckDB.
            ExactNumberInfo::None => Some((18, 3)),
            ExactNumberInfo::Precision(precision) => Some((precision, 0)),
            ExactNumberInfo::PrecisionAndScale(precision, scale) => {
                u64::try_from(scale).ok().map(|scale| (precision, scale))
            }
        };
        Ok(Target::Whole(match written {
            DataType::Int(None)
            | DataType::Integer(None)
            | DataType::BigInt(None)
            | DataType::SmallInt(None)
            | DataType::TinyInt(None) => Type::Int,
            DataType::Double(ExactNumberInfo::None)
            | DataType::DoublePrecision
            | DataType::Real
            | DataType::Float(ExactNumberInfo::None) => Type::Double,
            DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => match decimal(info) {
                Some((precision @ 1..=38, scale)) if scale <= precision => {
                    Type::Decimal { precision: precision as u8, scale: scale as u8 }
                }
                _ => return Err(self.problem(at, "a decimal has 1 to 38 digits, and no more of them after the point")),
            },
            DataType::Text | DataType::Varchar(None) | DataType::String(None) => Type::Text,
            DataType::Varchar(Some(CharacterLength::IntegerLength { length: length @ 1..=1_000_000, unit: None }))
            | DataType::String(Some(length @ 1..=1_000_000)) => return Ok(Target::TextOf(*length as i64)),
            DataType::Boolean | DataType::Bool => Type::Bool,
            DataType::Date => Type::Date,
            DataType::Timestamp(None, ast::TimezoneInfo::None | ast::TimezoneInfo::WithoutTimeZone) => Type::Timestamp,
            other => return Err(self.unknown_type(other, at)),
        }))
    }

    fn unknown_type(&self, written: &DataType, at: Place) -> ExprProblem {
        let mut problem = self.problem(at, format!("{} is not a supported type", shorten(&written.to_string())));
        let hint = match written {
            DataType::Timestamp(..) | DataType::Datetime(_) => "timestamp, without a precision or a zone: it is UTC",
            DataType::Char(_) | DataType::Character(_) | DataType::Nvarchar(_) | DataType::CharVarying(_) => {
                "varchar(5) cuts a text to 5 characters; text leaves it whole"
            }
            DataType::Int(_) | DataType::Integer(_) | DataType::BigInt(_) => "integer, without a length",
            DataType::Float(_) | DataType::Double(_) => "double, without a length, or decimal(p,s)",
            _ => "integer, double, decimal(p,s), text, varchar(n), boolean, date, timestamp",
        };
        problem.hint = Some(hint.to_owned());
        problem
    }
}
