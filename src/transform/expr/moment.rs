//! `format_time` and `parse_time` on a row.

use super::eval::{Fault, Frame, Outcome};
use super::node::Node;
use super::value::{Span, Value};
use crate::transform::time::{self, Moment, TimeFormat};

impl Frame<'_> {
    pub(super) fn format_time(&mut self, of: &Node, format: &TimeFormat, zone: usize) -> Outcome<Value> {
        let value = self.eval(of)?;
        let Some(moment) = self.moment(value).map_err(|fault| self.blame(of, fault))? else {
            return Ok(Value::Null);
        };
        let start = self.arena.len();
        format
            .write(moment, &mut self.zones[zone], self.arena)
            .map_err(|cause| self.blame(of, Fault::new(format!("cannot be shown: {cause}"), self.show(value))))?;
        self.made_since(start)
    }

    pub(super) fn parse_time(&mut self, of: &Node, format: &TimeFormat, zone: usize) -> Outcome<Value> {
        let value = self.eval(of)?;
        let Value::Text(span) = value else { return Ok(Value::Null) };
        let (bytes, start, end): (&[u8], u32, u32) = match span {
            Span::Record { start, end } => (self.record, start, end),
            Span::Arena { start, end } => (self.arena, start, end),
            Span::Literal { start, end } => (self.literals, start, end),
        };
        let read = format.read(&bytes[start as usize..end as usize], &mut self.zones[zone]);
        let seconds = read.map_err(|cause| {
            self.blame(of, Fault::new(format!("is no time of the format: {cause}"), self.show(value)))
        })?;
        if !time::is_printable(seconds) {
            let fault = Fault::new("is no time of the years 0 to 9999 in UTC", self.show(value));
            return Err(self.blame(of, fault));
        }
        let start = self.arena.len();
        time::print_seconds(seconds, self.arena);
        self.made_since(start)
    }

    /// The instant that a value stands for; `None` for null.
    fn moment(&self, value: Value) -> Outcome<Option<Moment>> {
        match value {
            Value::Date(days) => Ok(Some(Moment { seconds: i64::from(days) * time::DAY_SECONDS, nanoseconds: 0 })),
            Value::Timestamp(micros) => Ok(Some(Moment {
                seconds: micros.div_euclid(1_000_000),
                nanoseconds: micros.rem_euclid(1_000_000) as u32 * 1_000,
            })),
            Value::Text(span) => match time::read_iso(self.bytes(span)) {
                Some(moment) => Ok(Some(moment)),
                None => {
                    let shown = self.show(value);
                    let what = if shown.starts_with("0000-00-00") {
                        "is no time (make it null with nullif before format_time)"
                    } else {
                        "is no time of the form YYYY-MM-DD HH:MM:SS, with or without an offset"
                    };
                    Err(Fault::new(what, shown))
                }
            },
            _ => Ok(None),
        }
    }
}
