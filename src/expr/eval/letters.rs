//! Text functions that go character by character.

use memchr::memmem;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use super::super::value::{Span, Value};
use super::text::{byte_of, count, part, slice};
use super::{EvalResult, Fault, Frame, MADE_BYTES_MAX};

/// Returns the character that begins at a byte of a UTF-8 text.
fn char_at(text: &[u8], at: usize) -> Option<char> {
    let length = match text.get(at)? {
        0..0x80 => 1,
        0x80..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    };
    std::str::from_utf8(text.get(at..at + length)?).ok()?.chars().next()
}

impl Frame<'_> {
    pub(super) fn push(&mut self, c: char) {
        self.arena.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// Appends what `make` appends for each character of a text.
    pub(super) fn map_chars(&mut self, subject: Span, make: impl Fn(&mut Self, char)) -> EvalResult<Value> {
        let start = self.arena.len();
        let mut at = 0;
        while let Some(c) = char_at(self.bytes(subject), at) {
            make(self, c);
            at += c.len_utf8();
        }
        self.appended_since(start)
    }

    /// Removes accents and other marks: `é` becomes `e`. Letters that are no letter with a mark stay: `ø`, `ß`.
    pub(super) fn strip_accents(&mut self, subject: Span) -> EvalResult<Value> {
        if self.bytes(subject).is_ascii() {
            return Ok(Value::Text(subject));
        }
        self.map_chars(subject, |frame, c| {
            if c.is_ascii() {
                return frame.push(c);
            }
            let (start, mut has_mark) = (frame.arena.len(), false);
            decompose_canonical(c, |part| match is_combining_mark(part) {
                true => has_mark = true,
                false => frame.push(part),
            });
            if !has_mark {
                frame.arena.truncate(start);
                frame.push(c);
            }
        })
    }

    /// Replaces each character of `from` by the one at the same position of `to`, and removes it if there is none.
    pub(super) fn translate(&mut self, subject: Span, from: Span, to: Span) -> EvalResult<Value> {
        self.map_chars(subject, |frame, c| {
            let mut encoded = [0; 4];
            let encoded = c.encode_utf8(&mut encoded).as_bytes();
            let Some(at) = memmem::find(frame.bytes(from), encoded) else { return frame.push(c) };
            let index = count(&frame.bytes(from)[..at]);
            let place = byte_of(frame.bytes(to), index);
            if let Some(by) = char_at(frame.bytes(to), place) {
                frame.push(by);
            }
        })
    }

    /// Reverses a text; a combining mark stays behind its letter.
    pub(super) fn reverse(&mut self, subject: Span) -> EvalResult<Value> {
        let start = self.arena.len();
        let mut end = self.bytes(subject).len();
        let mut at = end;
        while at > 0 {
            at -= 1;
            let text = self.bytes(subject);
            let is_letter = text[at] & 0xC0 != 0x80 && !char_at(text, at).is_some_and(is_combining_mark);
            if is_letter || at == 0 {
                self.append(part(subject, at, end));
                end = at;
            }
        }
        self.appended_since(start)
    }

    /// Returns part `n` between separators, counted from 1, or from the end if it is negative; empty if there is none.
    pub(super) fn split_part(&mut self, subject: Span, separator: Span, n: i64) -> EvalResult<Value> {
        if n == 0 {
            return Err(Fault::new("is not the number of a part: they are counted from 1", "0"));
        }
        let (text, separator) = (self.bytes(subject), self.bytes(separator));
        if separator.is_empty() {
            let index = if n < 0 { count(text).saturating_add(n) } else { n - 1 };
            return Ok(if index < 0 { part(subject, 0, 0) } else { slice(self, subject, index, index + 1) });
        }
        let wanted = if n > 0 { n - 1 } else { memmem::find_iter(text, separator).count() as i64 + 1 + n };
        let Ok(wanted) = usize::try_from(wanted) else { return Ok(part(subject, 0, 0)) };
        let mut ends = memmem::find_iter(text, separator);
        let from = match wanted.checked_sub(1) {
            None => Some(0),
            Some(before) => ends.nth(before).map(|end| end + separator.len()),
        };
        let Some(from) = from else { return Ok(part(subject, 0, 0)) };
        let until = ends.next().unwrap_or(text.len());
        Ok(part(subject, from, until))
    }

    pub(super) fn repeat(&mut self, subject: Span, times: i64) -> EvalResult<Value> {
        let length = self.bytes(subject).len();
        let times = usize::try_from(times).unwrap_or(0);
        if length == 0 || times == 0 {
            return Ok(part(subject, 0, 0));
        }
        if times > MADE_BYTES_MAX / length {
            return Err(Fault::new(format!("is repeated to more than {MADE_BYTES_MAX} bytes"), times.to_string()));
        }
        let start = self.arena.len();
        for _ in 0..times {
            self.append(Value::Text(subject));
        }
        self.appended_since(start)
    }

    /// Returns the character of a code point.
    pub(super) fn chr(&mut self, code: i64) -> EvalResult<Value> {
        match u32::try_from(code).ok().and_then(char::from_u32).filter(|c| *c != '\0') {
            Some(c) => {
                let start = self.arena.len();
                self.push(c);
                self.appended_since(start)
            }
            None => Err(Fault::new("is not the number of a character", code.to_string())),
        }
    }

    /// Returns the code point of the first character; 0 of an empty text.
    pub(super) fn ascii(&self, subject: Span) -> Value {
        Value::Int(char_at(self.bytes(subject), 0).map_or(0, |c| i64::from(u32::from(c))))
    }
}
