//! An expression bound to columns, with the state that it keeps from row to row.

use std::ops::Range;
use std::sync::Arc;

use regex::bytes::CaptureLocations;

use super::eval::{EvalResult, Fault, Frame};
use super::hmac::HmacKey;
use super::node::Node;
use super::time::ZoneClock;
use super::value::{CellRef, Cells, Span, Value};
use super::{Checked, Expr};

#[derive(Clone)]
pub(crate) struct Bound {
    checked: Arc<Checked>,
    columns: Vec<CellRef>,
    keys: Vec<HmacKey>,
    zones: Vec<ZoneClock>,
    captures: Vec<CaptureLocations>,
}

impl Bound {
    /// Binds the expression. `columns` and `keys` are in the order of [`Expr::columns`] and [`Expr::secrets`].
    pub(crate) fn new(expression: &Expr, columns: Vec<CellRef>, keys: Vec<HmacKey>) -> Self {
        let checked = expression.checked().clone();
        let zones = checked.zones.iter().cloned().map(ZoneClock::new).collect();
        let captures = checked.patterns.iter().map(|pattern| pattern.capture_locations()).collect();
        Self { checked, columns, keys, zones, captures }
    }

    pub(crate) fn eval(&mut self, cells: Cells<'_>, made: &[Span], arena: &mut Vec<u8>) -> EvalResult<Value> {
        let (mut frame, root) = self.frame(cells, made, arena);
        frame.eval(root)
    }

    fn frame<'a>(&'a mut self, cells: Cells<'a>, made: &'a [Span], arena: &'a mut Vec<u8>) -> (Frame<'a>, &'a Node) {
        let Self { checked, columns, keys, zones, captures } = self;
        let (literals, patterns) = (&checked.literals, &checked.patterns);
        let frame = Frame { cells, made, columns, literals, keys, zones, patterns, captures, arena };
        (frame, &checked.root.node)
    }

    /// Returns the value as a cell: the span of its text in the record or the arena.
    pub(crate) fn eval_to_cell(&mut self, cells: Cells<'_>, made: &[Span], arena: &mut Vec<u8>) -> EvalResult<Span> {
        let (mut frame, root) = self.frame(cells, made, arena);
        let value = frame.eval(root)?;
        if let Value::Text(span @ (Span::Record { .. } | Span::Arena { .. })) = value {
            return Ok(span);
        }
        let start = frame.arena.len();
        frame.append(value);
        frame.appended_since(start)?;
        Ok(Span::Arena { start: start as u32, end: frame.arena.len() as u32 })
    }

    /// Appends the value as JSON: numbers, booleans and JSON as they are, everything else as a text. Returns its bytes in the
    /// arena; `None` for a null.
    pub(crate) fn eval_to_json(&mut self, cells: Cells<'_>, arena: &mut Vec<u8>) -> EvalResult<Option<Range<usize>>> {
        let (mut frame, root) = self.frame(cells, &[], arena);
        let value = frame.eval(root)?;
        if value == Value::Null {
            return Ok(None);
        }
        let start = frame.arena.len();
        frame.append_json(value, matches!(root, Node::Json { .. }));
        frame.appended_since(start)?;
        Ok(Some(start..frame.arena.len()))
    }

    /// Returns the name of the column that a fault's value came from, if it came from one.
    pub(crate) fn column_of(&self, fault: &Fault) -> Option<&str> {
        fault.column.map(|column| self.checked.columns[column].as_str())
    }
}
