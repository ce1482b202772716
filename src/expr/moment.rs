//! `format_time` and `parse_time` on a row.

use super::eval::{EvalResult, Fault, Frame};
use super::node::Node;
use super::value::{Span, Value};
use crate::expr::shorten;
use crate::expr::time::{self, Instant, Moment, TimeFormat};

/// Forms accepted by `format_time` and the casts.
pub(super) const ISO_FORMS: &str = "YYYY-MM-DD, alone or with HH:MM[:SS[.fraction]] and an offset as Z, +02 or +02:00";

impl Frame<'_> {
    pub(super) fn format_time(&mut self, of: &Node, format: &TimeFormat, zone: usize) -> EvalResult<Value> {
        let value = self.eval(of)?;
        let Some(moment) = self.moment(value).map_err(|fault| self.with_column(of, fault))? else {
            return Ok(Value::Null);
        };
        let start = self.arena.len();
        format.write(moment, &mut self.zones[zone], self.arena);
        self.appended_since(start)
    }

    pub(super) fn parse_time(&mut self, of: &Node, format: &TimeFormat, zone: usize) -> EvalResult<Value> {
        let value = self.eval(of)?;
        let Value::Text(span) = value else { return Ok(Value::Null) };
        let (bytes, start, end): (&[u8], u32, u32) = match span {
            Span::Record { start, end } => (self.cells.bytes, start, end),
            Span::Arena { start, end } => (self.arena, start, end),
            Span::Literal { start, end } => (self.literals, start, end),
        };
        let read = format.read(&bytes[start as usize..end as usize], &mut self.zones[zone]);
        let moment = read.map_err(|cause| {
            let without_value = format!("does not match the format {:?}", shorten(format.text()));
            let what = format!("{without_value}: {cause}");
            self.with_column(of, Fault::new(what, self.show(value)).or_without_value(without_value))
        })?;
        let start = self.arena.len();
        match moment {
            Moment::Date(days) => time::print_date(days, self.arena),
            Moment::Instant(instant) => time::print_seconds(instant.utc_seconds(), instant.nanoseconds, self.arena),
        }
        self.appended_since(start)
    }

    /// Converts a value to a date or an instant; `None` for null.
    fn moment(&self, value: Value) -> EvalResult<Option<Moment>> {
        match value {
            Value::Date(days) => Ok(Some(Moment::Date(i64::from(days)))),
            Value::Timestamp(micros) => {
                let nanoseconds = micros.rem_euclid(1_000_000) as u32 * 1_000;
                Ok(Some(Moment::Instant(Instant::utc(micros.div_euclid(1_000_000), nanoseconds))))
            }
            Value::Text(span) => match time::read_iso(self.bytes(span)) {
                Some(moment) => Ok(Some(moment)),
                None => {
                    let shown = self.show(value);
                    let what = if shown.trim_start().starts_with("0000-00-00") {
                        "is not a date (make it null with nullif before format_time)".to_owned()
                    } else {
                        format!(
                            "is not a date or time that format_time reads (expected {ISO_FORMS}; parse_time reads other forms)"
                        )
                    };
                    Err(Fault::new(what, shown))
                }
            },
            _ => Ok(None),
        }
    }
}
