//! `+ - * / %`: exact as long as the operands are; overflow and a non-finite result are faults.

use super::super::convert;
use super::super::decimal::Decimal;
use super::super::node::Arithmetic;
use super::super::value::Value;
use super::{EvalResult, Fault};

/// `-value`.
pub(super) fn negate(value: Value) -> EvalResult<Value> {
    match value {
        Value::Int(int) => match int.checked_neg() {
            Some(negative) => Ok(Value::Int(negative)),
            None => Err(Fault::new("has no negative of 64 bits", convert::show(value))),
        },
        Value::Decimal(decimal) => Ok(Value::Decimal(decimal.negate())),
        Value::Double(double) => Ok(Value::Double(-double)),
        _ => Ok(Value::Null),
    }
}

/// Returns the result. Integers stay integers except for `/`, which gives a double, as in DuckDB; decimals stay exact.
pub(super) fn arithmetic(how: Arithmetic, left: Value, right: Value) -> EvalResult<Value> {
    if left == Value::Null || right == Value::Null {
        return Ok(Value::Null);
    }
    let zero = convert::as_double(right) == Some(0.0);
    if zero && matches!(how, Arithmetic::Divide | Arithmetic::Remainder) {
        return Err(Fault::new("is divided by zero", convert::show(left)));
    }
    let result = match (left, right) {
        (Value::Int(a), Value::Int(b)) if how != Arithmetic::Divide => match how {
            Arithmetic::Add => a.checked_add(b),
            Arithmetic::Subtract => a.checked_sub(b),
            Arithmetic::Multiply => a.checked_mul(b),
            Arithmetic::Divide | Arithmetic::Remainder => Some(a.wrapping_rem(b)),
        }
        .map(Value::Int),
        _ => match (convert::as_decimal(left), convert::as_decimal(right)) {
            (Some(a), Some(b)) if how != Arithmetic::Divide => decimals(how, a, b).map(Value::Decimal),
            _ => doubles(how, left, right).map(Value::Double),
        },
    };
    result.ok_or_else(|| {
        let expression = format!("{} {} {}", convert::show(left), how.sign(), convert::show(right));
        Fault::new("is out of range", expression)
    })
}

impl Arithmetic {
    fn sign(self) -> char {
        match self {
            Arithmetic::Add => '+',
            Arithmetic::Subtract => '-',
            Arithmetic::Multiply => '*',
            Arithmetic::Divide => '/',
            Arithmetic::Remainder => '%',
        }
    }
}

fn decimals(how: Arithmetic, a: Decimal, b: Decimal) -> Option<Decimal> {
    match how {
        Arithmetic::Add => a.add(b),
        Arithmetic::Subtract => a.add(b.negate()),
        Arithmetic::Multiply => a.multiply(b),
        Arithmetic::Divide | Arithmetic::Remainder => a.remainder(b),
    }
}

fn doubles(how: Arithmetic, left: Value, right: Value) -> Option<f64> {
    let (a, b) = (convert::as_double(left)?, convert::as_double(right)?);
    let result = match how {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Remainder => a % b,
    };
    result.is_finite().then_some(result)
}
