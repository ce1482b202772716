//! Fixed-width records and encodings in sentences.

use super::Fact;
use crate::pipeline::plan::{
    Align, EncodedFormat, FixedField, FixedFormat, Overflow, RecordEnd, Unmappable, WidthUnit,
};

pub(super) fn fixed(fixed: &FixedFormat) -> Vec<Fact> {
    let FixedFormat { record_end, unit, fields } = fixed;
    let unit = unit_word(*unit);
    let length: usize = fields.iter().map(|field| field.width).sum();
    let end = record_end_text(record_end);
    let mut facts =
        vec![Fact::new(format!("Each record has {length} {unit} and ends with {end}; there is no header."))];
    facts.extend(fields.iter().map(|field| Fact::new(described(field, unit))));
    facts
}

pub(super) fn unit_word(unit: WidthUnit) -> &'static str {
    match unit {
        WidthUnit::Characters => "characters",
        WidthUnit::Bytes => "bytes",
    }
}

pub(super) fn record_end_text(end: &RecordEnd) -> String {
    match end {
        RecordEnd::Lf => "a line feed (Unix)".to_owned(),
        RecordEnd::CrLf => "carriage return and line feed (Windows)".to_owned(),
        RecordEnd::Text(text) => format!("{text:?}"),
    }
}

pub(super) fn described(field: &FixedField, unit: &str) -> String {
    let FixedField { value, width, align, fill, overflow } = field;
    let edge = match align {
        Align::Left => "left",
        Align::Right => "right",
    };
    let longer = match overflow {
        Overflow::Fail => "a longer value fails the run",
        Overflow::Cut => "a longer value is cut",
    };
    format!("{}: {width} {unit}, at the {edge}, filled with {fill:?}; {longer}.", value.expr.text())
}

pub(super) fn encoding(encoded: &EncodedFormat) -> Fact {
    let EncodedFormat { format: _, charset, unmappable } = encoded;
    let policy = match unmappable {
        Unmappable::Fail => "a character that it lacks fails the run",
        Unmappable::Replace => "a character that it lacks becomes a question mark",
        Unmappable::Transliterate => "a character that it lacks becomes ASCII characters that look or sound alike",
    };
    Fact::new(format!("The text is in {}; {policy}.", charset.name()))
}
