//! The text functions. Positions and lengths count characters (Unicode scalar values), as in DuckDB.

use std::ops::Range;

use memchr::memmem;

use super::super::node::{Node, TextFunction};
use super::super::value::{Span, Value};
use super::{EvalResult, Fault, Frame, MADE_BYTES_MAX};

/// Calls a function whose argument types the builder checked. Null in, null out.
pub(crate) fn call(frame: &mut Frame<'_>, function: TextFunction, arguments: &[Node]) -> EvalResult<Value> {
    let mut values = [Value::Null; 3];
    for (slot, argument) in values.iter_mut().zip(arguments) {
        *slot = frame.eval(argument)?;
        if *slot == Value::Null {
            return Ok(Value::Null);
        }
    }
    if let (TextFunction::Chr, Value::Int(code)) = (function, values[0]) {
        return frame.chr(code);
    }
    let [Value::Text(subject), second, third] = values else { return Ok(Value::Null) };
    match (function, second, third) {
        (TextFunction::Lower, ..) => change_case(frame, subject, <[u8]>::make_ascii_lowercase, lower),
        (TextFunction::Upper, ..) => change_case(frame, subject, <[u8]>::make_ascii_uppercase, upper),
        (TextFunction::Trim, set, _) => Ok(trim(frame, subject, set, true, true)),
        (TextFunction::TrimLeft, set, _) => Ok(trim(frame, subject, set, true, false)),
        (TextFunction::TrimRight, set, _) => Ok(trim(frame, subject, set, false, true)),
        (TextFunction::Length, ..) => Ok(Value::Int(count(frame.bytes(subject)))),
        (TextFunction::Substring, Value::Int(start), length) => {
            let total = count(frame.bytes(subject));
            let from = if start < 0 { total.saturating_add(start).saturating_add(1) } else { start };
            let (from, until) = match length {
                Value::Int(length) if length < 0 => (from.saturating_add(length), from),
                Value::Int(length) => (from, from.saturating_add(length)),
                _ => (from, i64::MAX),
            };
            Ok(slice(frame, subject, from.saturating_sub(1), until.saturating_sub(1)))
        }
        (TextFunction::Left, Value::Int(length), _) => {
            let until = if length < 0 { count(frame.bytes(subject)).saturating_add(length) } else { length };
            Ok(slice(frame, subject, 0, until))
        }
        (TextFunction::Right, Value::Int(length), _) => {
            let from =
                if length < 0 { length.saturating_neg() } else { count(frame.bytes(subject)).saturating_sub(length) };
            Ok(slice(frame, subject, from, i64::MAX))
        }
        (TextFunction::Position, Value::Text(wanted), _) => {
            let text = frame.bytes(subject);
            let found = memmem::find(text, frame.bytes(wanted));
            Ok(Value::Int(found.map_or(0, |at| count(&text[..at]) + 1)))
        }
        (TextFunction::Replace, Value::Text(from), Value::Text(to)) => replace(frame, subject, from, to),
        (TextFunction::PadLeft, Value::Int(width), Value::Text(pad)) => pad_to(frame, subject, width, pad, true),
        (TextFunction::PadRight, Value::Int(width), Value::Text(pad)) => pad_to(frame, subject, width, pad, false),
        _ => call_more(frame, function, (subject, second, third)),
    }
}

fn call_more(
    frame: &mut Frame<'_>,
    function: TextFunction,
    (subject, second, third): (Span, Value, Value),
) -> EvalResult<Value> {
    match (function, second, third) {
        (TextFunction::Reverse, ..) => frame.reverse(subject),
        (TextFunction::StripAccents, ..) => frame.strip_accents(subject),
        (TextFunction::Ascii, ..) => Ok(frame.ascii(subject)),
        (TextFunction::StartsWith, Value::Text(wanted), _) => {
            Ok(Value::Bool(frame.bytes(subject).starts_with(frame.bytes(wanted))))
        }
        (TextFunction::EndsWith, Value::Text(wanted), _) => {
            Ok(Value::Bool(frame.bytes(subject).ends_with(frame.bytes(wanted))))
        }
        (TextFunction::Contains, Value::Text(wanted), _) => {
            Ok(Value::Bool(memmem::find(frame.bytes(subject), frame.bytes(wanted)).is_some()))
        }
        (TextFunction::SplitPart, Value::Text(separator), Value::Int(n)) => frame.split_part(subject, separator, n),
        (TextFunction::Repeat, Value::Int(times), _) => frame.repeat(subject, times),
        (TextFunction::Translate, Value::Text(from), Value::Text(to)) => frame.translate(subject, from, to),
        _ => Ok(Value::Null),
    }
}

/// Returns the number of characters of a valid UTF-8 text.
pub(super) fn count(text: &[u8]) -> i64 {
    text.iter().filter(|byte| **byte & 0xC0 != 0x80).count() as i64
}

/// Returns the byte at which character `index` begins, or the end of the text.
pub(super) fn byte_of(text: &[u8], index: i64) -> usize {
    let Ok(index) = usize::try_from(index) else { return 0 };
    if index >= text.len() {
        return text.len();
    }
    text.iter().enumerate().filter(|(_, byte)| **byte & 0xC0 != 0x80).nth(index).map_or(text.len(), |(at, _)| at)
}

/// Returns a text's own range within the record, the arena or the literals.
pub(super) fn byte_range(span: Span) -> Range<usize> {
    let (Span::Record { start, end } | Span::Arena { start, end } | Span::Literal { start, end }) = span;
    start as usize..end as usize
}

/// Returns a part of a text, by byte offsets within it.
pub(super) fn part(mut span: Span, from: usize, until: usize) -> Value {
    let (Span::Record { start, end } | Span::Arena { start, end } | Span::Literal { start, end }) = &mut span;
    (*start, *end) = (*start + from as u32, *start + until as u32);
    Value::Text(span)
}

/// Returns characters `from..until`, counted from 0, clamped to the text.
pub(super) fn slice(frame: &Frame<'_>, subject: Span, from: i64, until: i64) -> Value {
    let text = frame.bytes(subject);
    let start = byte_of(text, from);
    let end = byte_of(text, until).max(start);
    part(subject, start, end)
}

fn upper(c: char) -> char {
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ if c == 'ß' => 'ẞ',
        _ => c, // characters without a single capital are unchanged, as in DuckDB
    }
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn change_case(
    frame: &mut Frame<'_>,
    subject: Span,
    ascii: fn(&mut [u8]),
    unicode: fn(char) -> char,
) -> EvalResult<Value> {
    if !frame.bytes(subject).is_ascii() {
        return frame.map_chars(subject, |frame, c| frame.push(unicode(c)));
    }
    let start = frame.arena.len();
    frame.append(Value::Text(subject));
    ascii(&mut frame.arena[start..]);
    frame.appended_since(start)
}

/// Strips spaces (Unicode's `Zs`), or the characters of a set, from the ends.
fn trim(frame: &Frame<'_>, subject: Span, set: Value, left: bool, right: bool) -> Value {
    let is_space = |c: char| {
        matches!(c, ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
    };
    let set = match set {
        Value::Text(span) => std::str::from_utf8(frame.bytes(span)).ok(),
        _ => None,
    };
    let is_off = |c: char| set.map_or_else(|| is_space(c), |set| set.contains(c));
    let Ok(text) = std::str::from_utf8(frame.bytes(subject)) else { return Value::Text(subject) };
    let kept = if right { text.trim_end_matches(is_off) } else { text };
    let until = kept.len();
    let kept = if left { kept.trim_start_matches(is_off) } else { kept };
    part(subject, until - kept.len(), until)
}

fn replace(frame: &mut Frame<'_>, subject: Span, from: Span, to: Span) -> EvalResult<Value> {
    if frame.bytes(from).is_empty() {
        return Ok(Value::Text(subject));
    }
    let start = frame.arena.len();
    let mut at = 0;
    while let Some(found) = memmem::find(&frame.bytes(subject)[at..], frame.bytes(from)) {
        frame.append(part(subject, at, at + found));
        frame.append(Value::Text(to));
        at += found + frame.bytes(from).len();
        frame.appended_since(start)?; // a replacement can grow a text without limit
    }
    let length = frame.bytes(subject).len();
    frame.append(part(subject, at, length));
    frame.appended_since(start)
}

/// Pads or truncates to exactly `width` characters.
fn pad_to(frame: &mut Frame<'_>, subject: Span, width: i64, pad: Span, left: bool) -> EvalResult<Value> {
    let length = count(frame.bytes(subject));
    let missing = width.saturating_sub(length);
    if missing <= 0 {
        return Ok(slice(frame, subject, 0, width));
    }
    let pad_length = count(frame.bytes(pad));
    if pad_length == 0 {
        return Err(Fault::new("cannot be padded with an empty text", frame.show(Value::Text(subject))));
    }
    if missing > MADE_BYTES_MAX as i64 {
        return Err(Fault::new(format!("is padded to more than {MADE_BYTES_MAX} bytes"), width.to_string()));
    }
    let start = frame.arena.len();
    if !left {
        frame.append(Value::Text(subject));
    }
    for _ in 0..missing / pad_length {
        frame.append(Value::Text(pad));
        frame.appended_since(start)?;
    }
    let rest = slice(frame, pad, 0, missing % pad_length);
    frame.append(rest);
    if left {
        frame.append(Value::Text(subject));
    }
    frame.appended_since(start)
}
