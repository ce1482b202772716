//! Date functions on a row.

use super::super::calendar::{self, DAY, DatePart, Interval};
use super::super::convert;
use super::super::node::Node;
use super::super::unit::Unit;
use super::super::value::Value;
use super::{EvalResult, Fault, Frame};

impl Frame<'_> {
    /// Evaluates a date or timestamp as microseconds since 1970; `None` for null.
    fn micros(&mut self, node: &Node) -> EvalResult<Option<i64>> {
        Ok(match self.eval(node)? {
            Value::Date(days) => Some(i64::from(days) * DAY),
            Value::Timestamp(micros) => Some(micros),
            _ => None,
        })
    }

    pub(super) fn date_part(&mut self, part: DatePart, of: &Node) -> EvalResult<Value> {
        Ok(self.micros(of)?.map_or(Value::Null, |micros| part.value_of(micros)))
    }

    pub(super) fn date_trunc(&mut self, unit: Unit, of: &Node) -> EvalResult<Value> {
        let Some(micros) = self.micros(of)? else { return Ok(Value::Null) };
        in_years(unit.begin(micros), micros)
    }

    pub(super) fn date_diff(&mut self, unit: Unit, from: &Node, until: &Node) -> EvalResult<Value> {
        let (from, until) = (self.micros(from)?, self.micros(until)?);
        Ok(from.zip(until).map_or(Value::Null, |(from, until)| Value::Int(unit.between(from, until))))
    }

    pub(super) fn last_day(&mut self, of: &Node) -> EvalResult<Value> {
        let Some(micros) = self.micros(of)? else { return Ok(Value::Null) };
        Ok(Value::Date(calendar::last_day(micros.div_euclid(DAY)) as i32))
    }

    pub(super) fn shift(&mut self, of: &Node, interval: Interval) -> EvalResult<Value> {
        let Some(micros) = self.micros(of)? else { return Ok(Value::Null) };
        interval.after(micros).map(Value::Timestamp).ok_or_else(|| out_of_years(micros))
    }

    pub(super) fn plus_days(&mut self, of: &Node, days: &Node, negated: bool) -> EvalResult<Value> {
        let (date, days) = (self.eval(of)?, self.eval(days)?);
        let (Value::Date(date), Value::Int(days)) = (date, days) else { return Ok(Value::Null) };
        let days = if negated { days.checked_neg() } else { Some(days) };
        let sum = days.and_then(|days| i64::from(date).checked_add(days)).and_then(|sum| i32::try_from(sum).ok());
        let sum = sum.filter(|sum| calendar::is_day_in_years((*sum).into()));
        sum.map(Value::Date).ok_or_else(|| out_of_years(i64::from(date) * DAY))
    }

    pub(super) fn days_between(&mut self, left: &Node, right: &Node) -> EvalResult<Value> {
        match (self.eval(left)?, self.eval(right)?) {
            (Value::Date(left), Value::Date(right)) => Ok(Value::Int(i64::from(left) - i64::from(right))),
            _ => Ok(Value::Null),
        }
    }
}

fn in_years(micros: i64, of: i64) -> EvalResult<Value> {
    if calendar::is_in_years(micros) { Ok(Value::Timestamp(micros)) } else { Err(out_of_years(of)) }
}

fn out_of_years(micros: i64) -> Box<Fault> {
    Fault::new("would be moved out of the years 1 to 9999", convert::show(Value::Timestamp(micros)))
}
