//! An expression bound to a header, with what it remembers from row to row.

use std::sync::Arc;

use super::error::{RowError, shorten};
use super::expr::eval::{Fault, Frame, Outcome};
use super::expr::hmac::HmacKey;
use super::expr::value::{CellRef, Span, Value};
use super::expr::{Checked, Expr};
use super::record::Record;
use super::time::ZoneClock;

pub(super) struct Bound {
    checked: Arc<Checked>,
    columns: Vec<CellRef>,
    keys: Vec<HmacKey>,
    zones: Vec<ZoneClock>,
    /// The key of the step in the pipeline file, for errors.
    step: String,
}

impl Bound {
    pub(super) fn new(expression: &Expr, columns: Vec<CellRef>, keys: Vec<HmacKey>, step: String) -> Self {
        let checked = expression.checked().clone();
        let zones = checked.zones.iter().cloned().map(ZoneClock::new).collect();
        Self { checked, columns, keys, zones, step }
    }

    pub(super) fn eval(&mut self, record: &Record<'_>, made: &[Span], arena: &mut Vec<u8>) -> Outcome<Value> {
        self.with_frame(record, made, arena, |frame, checked| frame.eval(&checked.root.node))
    }

    /// The value as a cell: where its text lies in the record or the arena.
    pub(super) fn eval_to_cell(&mut self, record: &Record<'_>, made: &[Span], arena: &mut Vec<u8>) -> Outcome<Span> {
        self.with_frame(record, made, arena, |frame, checked| {
            let value = frame.eval(&checked.root.node)?;
            if let Value::Text(span @ (Span::Record { .. } | Span::Arena { .. })) = value {
                return Ok(span);
            }
            let start = frame.arena.len();
            frame.append(value);
            frame.made_since(start)?;
            Ok(Span::Arena { start: start as u32, end: frame.arena.len() as u32 })
        })
    }

    #[inline]
    fn with_frame<T>(
        &mut self,
        record: &Record<'_>,
        made: &[Span],
        arena: &mut Vec<u8>,
        work: impl FnOnce(&mut Frame<'_>, &Checked) -> Outcome<T>,
    ) -> Outcome<T> {
        let Self { checked, columns, keys, zones, .. } = self;
        let (record, bounds, literals) = (record.bytes, record.bounds, &checked.literals);
        work(&mut Frame { record, bounds, made, columns, literals, keys, zones, arena }, checked)
    }

    /// The fault as an error of the record; `otherwise` is named where the value came from no column.
    pub(super) fn error(&self, record: &Record<'_>, fault: Fault, otherwise: &str) -> RowError {
        RowError {
            number: record.number,
            line: record.line,
            column: fault.column.map_or(otherwise, |column| &self.checked.columns[column]).to_owned(),
            value: shorten(&fault.value),
            what: fault.what,
            step: self.step.clone(),
        }
    }
}
