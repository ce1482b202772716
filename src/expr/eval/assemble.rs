//! Texts assembled from several values: `||`, `concat`, `concat_ws`, JSON.

use super::super::json;
use super::super::node::{JsonMember, Node};
use super::super::value::Value;
use super::{EvalResult, Frame};

impl Frame<'_> {
    /// Evaluates parts and appends what `write` appends for each, given its index. Returns null at the first null if
    /// `null_wins`. Parts may append to the arena themselves: the result is assembled after them.
    fn assemble(
        &mut self,
        parts: &[Node],
        null_wins: bool,
        mut write: impl FnMut(&mut Self, usize, Value),
    ) -> EvalResult<Value> {
        let mut values = [Value::Null; 16];
        let start = self.arena.len();
        let mut gathered = start;
        for (number, chunk) in parts.chunks(values.len()).enumerate() {
            for (slot, part) in values.iter_mut().zip(chunk) {
                *slot = self.eval(part)?;
                if *slot == Value::Null && null_wins {
                    return Ok(Value::Null);
                }
            }
            let from = self.arena.len();
            // The results of earlier chunks come first.
            self.arena.extend_from_within(start..gathered);
            for (index, value) in values[..chunk.len()].iter().enumerate() {
                write(self, number * values.len() + index, *value);
            }
            let result = from..self.arena.len();
            let length = result.len();
            self.arena.copy_within(result, start);
            self.arena.truncate(start + length);
            gathered = start + length;
            self.appended_since(start)?;
        }
        self.appended_since(start)
    }

    pub(super) fn concatenate(&mut self, parts: &[Node], null_wins: bool) -> EvalResult<Value> {
        self.assemble(parts, null_wins, |frame, _, value| frame.append(value))
    }

    /// `concat_ws`: nulls are skipped; null if the separator is.
    pub(super) fn concatenate_with(&mut self, separator: &Node, parts: &[Node]) -> EvalResult<Value> {
        let separator = self.eval(separator)?;
        if separator == Value::Null {
            return Ok(Value::Null);
        }
        let mut is_first = true;
        self.assemble(parts, false, |frame, _, value| {
            if value == Value::Null {
                return;
            }
            if !std::mem::take(&mut is_first) {
                frame.append(separator);
            }
            frame.append(value);
        })
    }

    pub(super) fn json(&mut self, is_object: bool, members: &[JsonMember], values: &[Node]) -> EvalResult<Value> {
        let (open, close) = if is_object { (b'{', b'}') } else { (b'[', b']') };
        if values.is_empty() {
            let start = self.arena.len();
            self.arena.extend_from_slice(&[open, close]);
            return self.appended_since(start);
        }
        let last = values.len() - 1;
        self.assemble(values, false, |frame, index, value| {
            let member = &members[index];
            frame.arena.push(if index == 0 { open } else { b',' });
            frame.arena.extend_from_slice(&member.head);
            frame.append_json(value, member.is_json);
            if index == last {
                frame.arena.push(close);
            }
        })
    }

    pub(in crate::expr) fn append_json(&mut self, value: Value, is_json: bool) {
        match value {
            Value::Null => self.arena.extend_from_slice(b"null"),
            Value::Bool(_) | Value::Int(_) | Value::Decimal(_) | Value::Double(_) => self.append(value),
            Value::Text(_) if is_json => self.append(value),
            Value::Text(_) | Value::Date(_) | Value::Timestamp(_) => {
                self.arena.push(b'"');
                self.append_escaped(value);
                self.arena.push(b'"');
            }
        }
    }

    /// Appends a value's text as JSON writes it inside of quotes.
    fn append_escaped(&mut self, value: Value) {
        let start = self.arena.len();
        self.append(value);
        let end = self.arena.len();
        let is_plain = |byte: &u8| *byte >= 0x20 && !matches!(*byte, b'"' | b'\\');
        if self.arena[start..].iter().all(is_plain) {
            return;
        }
        for at in start..end {
            let byte = self.arena[at];
            json::escape(&[byte], self.arena);
        }
        self.arena.copy_within(end.., start);
        let length = self.arena.len() - end;
        self.arena.truncate(start + length);
    }
}
