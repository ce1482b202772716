//! `abs`, `floor`, `ceil` and `round`: exact as long as the number is.

use sqlparser::ast::{self, CeilFloorKind, DateTimeField};

use super::super::build::{Builder, Built, boxed};
use super::super::convert;
use super::super::decimal::Decimal;
use super::super::node::{Node, Rounding, Typed};
use super::super::place::place_of;
use super::super::value::{Type, Value};
use super::{EvalResult, Fault};

/// The largest number of digits that `round` keeps.
const DIGITS_MAX: i64 = 15;

impl Builder<'_> {
    /// Builds `floor(x)` and `ceil(x)`, for which the parser has its own nodes.
    pub(in crate::expr) fn round(
        &mut self,
        tree: &ast::Expr,
        how: Rounding,
        of: &ast::Expr,
        field: &CeilFloorKind,
    ) -> Built {
        if !matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime)) {
            return Err(self
                .problem(place_of(tree), "floor and ceil take one number and nothing else")
                .hint("round(x, 2) keeps two digits after the point"));
        }
        self.rounded(how, of)
    }

    pub(in crate::expr) fn rounded(&mut self, how: Rounding, of: &ast::Expr) -> Built {
        let typed = self.number(of)?;
        let kind = match (typed.kind, how) {
            (kind, Rounding::Abs) => kind,
            (Type::Decimal { precision, scale }, Rounding::Round { digits }) => {
                Type::Decimal { precision, scale: scale.min(digits) }
            }
            (Type::Decimal { precision, .. }, _) => Type::Decimal { precision, scale: 0 },
            (kind, _) => kind,
        };
        Ok(Typed::new(Node::Round { how, of: boxed(typed) }, kind))
    }

    /// Builds `round(x)` and `round(x, 2)`.
    pub(in crate::expr) fn round_to(&mut self, arguments: &[&ast::Expr]) -> Built {
        let digits = match arguments.get(1) {
            None => 0,
            Some(tree) => match self.build(tree)?.node {
                Node::Literal(Value::Int(digits @ 0..=DIGITS_MAX)) => digits as u8,
                _ => {
                    let what = format!("round keeps 0 to {DIGITS_MAX} digits, given as a plain number");
                    return Err(self.problem(place_of(tree), what));
                }
            },
        };
        self.rounded(Rounding::Round { digits }, arguments[0])
    }
}

/// Rounds a value. Null in, null out.
pub(super) fn round(how: Rounding, value: Value) -> EvalResult<Value> {
    let result = match value {
        Value::Int(int) if how == Rounding::Abs => int.checked_abs().map(Value::Int),
        Value::Int(_) => Some(value),
        Value::Decimal(decimal) => round_decimal(how, decimal).map(Value::Decimal),
        Value::Double(double) => Some(Value::Double(round_double(how, double))),
        _ => return Ok(Value::Null),
    };
    result.ok_or_else(|| Fault::new("is out of range", convert::show(value)))
}

fn round_decimal(how: Rounding, decimal: Decimal) -> Option<Decimal> {
    let unit = 10_i128.checked_pow(decimal.scale.into())?;
    let whole = |unscaled| Some(Decimal { unscaled, scale: 0 });
    match how {
        Rounding::Abs => Some(Decimal { unscaled: decimal.unscaled.checked_abs()?, ..decimal }),
        Rounding::Floor => whole(decimal.unscaled.div_euclid(unit)),
        Rounding::Ceil => whole(-((-decimal.unscaled).div_euclid(unit))),
        Rounding::Round { digits } if digits >= decimal.scale => Some(decimal),
        Rounding::Round { digits } => decimal.rescale(digits),
    }
}

fn round_double(how: Rounding, double: f64) -> f64 {
    match how {
        Rounding::Abs => double.abs(),
        Rounding::Floor => double.floor(),
        Rounding::Ceil => double.ceil(),
        Rounding::Round { digits } => {
            let unit = 10_f64.powi(digits.into());
            let rounded = (double * unit).round() / unit;
            if rounded.is_finite() { rounded } else { double }
        }
    }
}
