//! Regular expressions on a row. Nothing is allocated: positions go to slots that are kept from row to row.

use super::super::node::{Node, Piece, RegexFunction};
use super::super::value::{Span, Value};
use super::text::{byte_range, part};
use super::{EvalResult, Frame};

impl Frame<'_> {
    pub(super) fn regex(&mut self, function: &RegexFunction, of: &Node, pattern: usize) -> EvalResult<Value> {
        let Value::Text(subject) = self.eval(of)? else { return Ok(Value::Null) };
        match function {
            RegexFunction::Matches => Ok(Value::Bool(self.patterns[pattern].is_match(self.bytes(subject)))),
            RegexFunction::Extract { group } => {
                let found = match group {
                    0 => self.find(subject, pattern, 0, false),
                    _ => self.find(subject, pattern, 0, true).and_then(|_| self.captures[pattern].get(*group)),
                };
                let (from, until) = found.unwrap_or((0, 0));
                Ok(part(subject, from, until))
            }
            RegexFunction::Replace { by, all } => self.replace_matches(subject, pattern, by, *all),
        }
    }

    /// Finds the first match at or after a byte; `keeps_groups` keeps the places of its groups.
    fn find(&mut self, subject: Span, pattern: usize, from: usize, keeps_groups: bool) -> Option<(usize, usize)> {
        let text: &[u8] = match subject {
            Span::Record { .. } => &self.cells.bytes[byte_range(subject)],
            Span::Arena { .. } => &self.arena[byte_range(subject)],
            Span::Literal { .. } => &self.literals[byte_range(subject)],
        };
        let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
        let mut from = from;
        loop {
            let found = if keeps_groups {
                self.patterns[pattern].captures_read_at(&mut self.captures[pattern], text, from)
            } else {
                self.patterns[pattern].find_at(text, from)
            }?;
            // Only an empty match can be inside of a character: it is none.
            if !is_inside(found.start()) {
                return Some((found.start(), found.end()));
            }
            from = found.start() + 1;
        }
    }

    fn replace_matches(&mut self, subject: Span, pattern: usize, by: &[Piece], all: bool) -> EvalResult<Value> {
        let keeps_groups = by.iter().any(|piece| matches!(piece, Piece::Group(1..)));
        let length = self.bytes(subject).len();
        let start = self.arena.len();
        let (mut from, mut copied, mut last_end) = (0, 0, None);
        while from <= length {
            let Some(found) = self.find(subject, pattern, from, keeps_groups) else { break };
            // An empty match directly after a match is none.
            if found.0 == found.1 && last_end == Some(found.1) {
                from = found.1 + 1;
                continue;
            }
            self.append(part(subject, copied, found.0));
            for piece in by {
                match piece {
                    Piece::Text(text) => self.arena.extend_from_slice(text),
                    Piece::Group(group) => {
                        let place = if *group == 0 { Some(found) } else { self.captures[pattern].get(*group) };
                        if let Some((from, until)) = place {
                            self.append(part(subject, from, until));
                        }
                    }
                }
            }
            self.appended_since(start)?; // a replacement can grow a text without limit
            (from, copied, last_end) = (found.1, found.1, Some(found.1));
            if !all {
                break;
            }
        }
        self.append(part(subject, copied, length));
        self.appended_since(start)
    }
}
