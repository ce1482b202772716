//! Conversions between types: the implementation of `cast`, and the text of values in cells.

use super::decimal::{self, Decimal, Number};
use super::value::{Type, Value};
use crate::expr::time::{self, Moment};

const DAY_MICROS: i64 = time::DAY_SECONDS * 1_000_000;

/// Returns the type's name in messages.
pub(crate) fn describe(kind: Type) -> String {
    match kind {
        Type::Int => "integer of 64 bits".to_owned(),
        Type::Decimal { precision, scale } => format!("decimal({precision},{scale})"),
        other => other.word().to_owned(),
    }
}

/// Parses a text as a value of type `to`, or returns `None` if it is not valid there.
pub(crate) fn read(text: &[u8], to: Type) -> Option<Value> {
    match to {
        Type::Number => decimal::read_number(text).map(value_of),
        Type::Double => decimal::read_double(text).map(Value::Double),
        Type::Int | Type::Decimal { .. } => convert(value_of(decimal::read_number(text)?), to),
        Type::Bool => {
            let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
            if is_one_of(&["true", "t", "yes", "y", "1"]) {
                Some(Value::Bool(true))
            } else {
                is_one_of(&["false", "f", "no", "n", "0"]).then_some(Value::Bool(false))
            }
        }
        Type::Date | Type::Timestamp => {
            let value = match time::read_iso(text)? {
                Moment::Date(days) => Value::Date(i32::try_from(days).ok()?),
                Moment::Instant(instant) => {
                    Value::Timestamp(instant.utc_seconds() * 1_000_000 + i64::from(instant.nanoseconds / 1_000))
                }
            };
            convert(value, to)
        }
        Type::Text | Type::Null => None, // a text needs no parsing
    }
}

fn value_of(number: Number) -> Value {
    match number {
        Number::Int(int) => Value::Int(int),
        Number::Decimal(decimal) => Value::Decimal(decimal),
        Number::Double(double) => Value::Double(double),
    }
}

/// Converts a value that is not a text to the type `to`, which is not text either.
pub(crate) fn convert(value: Value, to: Type) -> Option<Value> {
    match (to, value) {
        (Type::Int, Value::Int(_))
        | (Type::Double, Value::Double(_))
        | (Type::Bool, Value::Bool(_))
        | (Type::Date, Value::Date(_))
        | (Type::Timestamp, Value::Timestamp(_))
        | (Type::Number, Value::Int(_) | Value::Decimal(_) | Value::Double(_)) => Some(value),
        (Type::Int, Value::Bool(truth)) => Some(Value::Int(truth.into())),
        (Type::Int, Value::Decimal(decimal)) => decimal.round().map(Value::Int),
        (Type::Int, Value::Double(double)) => {
            // Rounds half to even, as the processor and DuckDB do. 2^63 itself is out of range.
            let rounded = double.round_ties_even();
            let in_range = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&rounded);
            in_range.then_some(Value::Int(rounded as i64))
        }
        (Type::Decimal { precision, scale }, _) => {
            let decimal = match value {
                // A double is converted from its shortest text.
                Value::Double(double) => exact(double)?,
                other => as_decimal(other)?,
            };
            decimal.rescale(scale)?.within(precision).map(Value::Decimal)
        }
        (Type::Double, other) => as_double(other).map(Value::Double),
        (Type::Bool, Value::Int(int)) => Some(Value::Bool(int != 0)),
        (Type::Bool, Value::Decimal(decimal)) => Some(Value::Bool(decimal.unscaled != 0)),
        (Type::Bool, Value::Double(double)) => Some(Value::Bool(double != 0.0)),
        (Type::Date, Value::Timestamp(micros)) => i32::try_from(micros.div_euclid(DAY_MICROS)).ok().map(Value::Date),
        (Type::Timestamp, Value::Date(days)) => Some(Value::Timestamp(i64::from(days) * DAY_MICROS)),
        _ => None,
    }
}

/// Returns the decimal that a double's shortest text denotes.
fn exact(double: f64) -> Option<Decimal> {
    match decimal::read_number(format!("{double}").as_bytes())? {
        Number::Int(int) => Some(Decimal::from_int(int)),
        Number::Decimal(decimal) => Some(decimal),
        Number::Double(_) => None,
    }
}

pub(crate) fn as_decimal(value: Value) -> Option<Decimal> {
    match value {
        Value::Int(int) => Some(Decimal::from_int(int)),
        Value::Decimal(decimal) => Some(decimal),
        Value::Bool(truth) => Some(Decimal::from_int(truth.into())),
        _ => None,
    }
}

pub(crate) fn as_double(value: Value) -> Option<f64> {
    match value {
        Value::Int(int) => Some(int as f64),
        Value::Decimal(decimal) => Some(decimal.to_f64()),
        Value::Double(double) => Some(double),
        Value::Bool(truth) => Some(truth.into()),
        _ => None,
    }
}

/// Appends the value as a cell shows it. Null is empty; the caller writes texts.
pub(crate) fn print(value: Value, out: &mut Vec<u8>) {
    match value {
        Value::Null | Value::Text(_) => {}
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(int) => decimal::print_int(int, out),
        Value::Decimal(decimal) => decimal.print(out),
        Value::Double(double) => decimal::print_double(double, out),
        Value::Date(days) => time::print_date(i64::from(days), out),
        Value::Timestamp(micros) => {
            let nanoseconds = micros.rem_euclid(1_000_000) as u32 * 1_000;
            time::print_seconds(micros.div_euclid(1_000_000), nanoseconds, out);
        }
    }
}

pub(crate) fn show(value: Value) -> String {
    let mut out = Vec::new();
    print(value, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
